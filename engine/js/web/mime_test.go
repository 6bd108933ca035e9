package web

import "testing"

// Cases of the MIME Sniffing and Fetch standards: what a Content-Type is written as, "" where it is none.
func TestMIMETypes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"text/html", "text/html"},
		{" TEXT/HTML ; Charset=GBK ", "text/html;charset=GBK"},
		{"text/html;charset=\"a b\"", `text/html;charset="a b"`},
		{"text/html;x=\"\\\"\\\\\"", `text/html;x="\"\\"`},
		{"text/html;x=\"open", "text/html;x=open"},
		{"text/html;x=;y=2;y=3;;z", "text/html;y=2"},
		{"text/html;x=\"a\"junk;y=1", "text/html;x=a;y=1"},
		{"text/html;x=\u0100;y=\u00ff", "text/html;y=\"\u00ff\""},
		{"text", ""},
		{"/html", ""},
		{"text/", ""},
		{"te xt/html", ""},
		{"", ""},
		{"text/html, text/plain", "text/plain"},
		{"text/html;charset=gbk, text/html", "text/html;charset=gbk"},
		{"text/html;charset=gbk, text/html;x=\",\"", `text/html;x=",";charset=gbk`},
		{"text/html;charset=gbk, text/plain", "text/plain"},
		{"text/html, */*", "text/html"},
		{"text/html, nothing", "text/html"},
	} {
		got := ""
		if m, ok := extractMIME([]byte(c.in)); ok {
			got = string(m.append(nil))
		}
		if got != c.want {
			t.Errorf("%q is %q, want %q", c.in, got, c.want)
		}
	}
}

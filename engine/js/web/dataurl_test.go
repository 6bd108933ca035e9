package web

import (
	"strings"
	"testing"
)

func TestParseDataURL(t *testing.T) {
	for _, c := range []struct {
		in, mime, body string
		ok             bool
	}{
		{"data:,", "text/plain;charset=US-ASCII", "", true},
		{"data:text/plain,a%20b%zz%4", "text/plain", "a b%zz%4", true},
		{"data:;charset=utf-8,x", "text/plain;charset=utf-8", "x", true},
		{"data:TEXT/HTML;Charset=UTF-8;charset=b,x#f", "text/html;charset=UTF-8", "x", true},
		{`data:a/b;c="d;e\"f";g=h,x`, `a/b;c="d;e\"f";g=h`, "x", true},
		{"data:a/b;base64,aGVsbG8", "a/b", "hello", true},
		{"data:a/b; BASE64,aGVs%0AbG8=", "a/b", "hello", true},
		{"data:a/b;base64x,aGVsbG8", "a/b", "aGVsbG8", true},
		{"data:nonsense,x", "text/plain;charset=US-ASCII", "x", true},
		{"data:a/b;base64,a", "", "", false},
		{"data:a/b", "", "", false},
		{"http://x/,", "", "", false},
	} {
		mime, body, ok := ParseDataURL(c.in)
		if mime != c.mime || string(body) != c.body || ok != c.ok {
			t.Errorf("%s: %q %q %v, want %q %q %v", c.in, mime, body, ok, c.mime, c.body, c.ok)
		}
	}
}

// FuzzParseDataURL: whatever a program fetches, its type can be a header field.
func FuzzParseDataURL(f *testing.F) {
	for _, s := range []string{"data:,", "data:text/html;charset=utf-8,<p>", `data:a/b;c="d\";e,x`, "data:;base64,aGk="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mime, _, ok := ParseDataURL(s)
		if ok == (mime == "") || strings.ContainsFunc(mime, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			t.Errorf("%q: %q, %v", s, mime, ok)
		}
	})
}

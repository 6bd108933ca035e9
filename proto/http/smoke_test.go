package http

import "testing"

func TestSmoke(t *testing.T) {
	in := []byte("POST /a?b HTTP/1.1\r\nHost: x:80\r\nX-Foo: Bar \r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: u\r\n\r\nGET http://h?q HTTP/1.1\r\nHost: a\r\n\r\n")
	r := NewReader(Limits{})
	for {
		n, ev, err := r.Next(in)
		t.Log(n, ev.Kind, string(ev.Data), err)
		if err != nil { t.Fatal(err) }
		if ev.Kind == Head {
			f, tg, h := r.Request().AppendFieldsTarget(nil)
			t.Logf("%q %q %q %s", f, tg, h, r.Request().Method)
		}
		in = in[n:]
		if ev.Kind == NeedMore { break }
	}
	o, err := AppendHead(nil, 200, []Field{{"content-type","a"},{"connection","x"}}, Options{Length: 5, KeepAlive: true})
	t.Logf("%s %v", o, err)
}

package http

import (
	"errors"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestRequestCopyTo(t *testing.T) {
	in := []byte("PUT http://example.com:81/a?b HTTP/1.1\r\nhost: other\r\nx-own: 1\r\nCookie: a=1; b=2\r\nX-Own: 2\r\nContent-Type: text/plain\r\n" +
		"Trailer: x-own\r\nContent-Length: 3\r\nConnection: close\r\n\r\n")
	r := NewReader(Limits{})
	if _, ev, err := r.Next(in); ev.Kind != Head || err != nil {
		t.Fatal(ev, err)
	}
	h := fasthttp.RequestHeader{}
	h.Set("X-Old", "of the request before")
	r.Request().CopyTo(&h)
	clear(in)
	for _, c := range [][2]string{
		{string(h.Method()), "PUT"},
		{string(h.RequestURI()), "/a?b"},
		{string(h.Host()), "example.com:81"},
		{string(h.Protocol()), "HTTP/1.1"},
		{string(h.Cookie("b")), "2"},
		{string(h.ContentType()), "text/plain"},
		{string(h.Peek("X-Own")), "1"},
		{string(h.PeekAll("x-own")[1]), "2"},
		{string(h.Peek("x-old")), ""},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
	if h.ContentLength() != 3 || !h.ConnectionClose() {
		t.Error(h.ContentLength(), h.ConnectionClose())
	}

	for in, want := range map[string]int{chunks(""): -1, getHost + "\r\n": 0} {
		r.Reset(Limits{})
		if _, ev, err := r.Next([]byte(in)); ev.Kind != Head || err != nil {
			t.Fatal(ev, err)
		}
		r.Request().CopyTo(&h)
		if h.ContentLength() != want || h.ConnectionClose() {
			t.Error(in, h.ContentLength(), h.ConnectionClose())
		}
	}
	r.Reset(Limits{})
	if _, _, err := r.Next([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if r.Request().CopyTo(&h); string(h.Protocol()) != "HTTP/1.0" || !h.ConnectionClose() {
		t.Error(string(h.Protocol()), h.ConnectionClose())
	}
}

func TestResponseCopyTo(t *testing.T) {
	for in, want := range map[string]int{
		"HTTP/1.1 404 Not Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: s\r\nContent-Length: 3\r\n\r\n":          3,
		"HTTP/1.1 404 Not Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: s\r\nTransfer-Encoding: chunked\r\n\r\n": -1,
		"HTTP/1.1 404 Not Found\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: s\r\n\r\n":                               -2,
	} {
		r := NewResponseReader(Limits{})
		if _, ev, err := r.Next([]byte(in), false); ev.Kind != Head || err != nil {
			t.Fatal(ev, err)
		}
		var h fasthttp.ResponseHeader
		r.Response().CopyTo(&h)
		var cookies []string
		for _, c := range h.Cookies() {
			cookies = append(cookies, string(c))
		}
		if h.StatusCode() != 404 || h.ContentLength() != want || len(cookies) != 2 || cookies[1] != "b=2" ||
			string(h.Server()) != "s" || len(h.ContentType()) != 0 || h.ConnectionClose() != (want == -2) {
			t.Errorf("%q becomes %d, %d, %q\n%s", in, h.StatusCode(), h.ContentLength(), cookies, h.String())
		}
	}
}

func TestAppendResponse(t *testing.T) {
	var h fasthttp.ResponseHeader
	h.SetStatusCode(201)
	h.Set("X-Own", "1")
	h.Set("Connection", "close")
	h.SetContentLength(99)
	var c fasthttp.Cookie
	c.SetKey("a")
	c.SetValue("1")
	h.SetCookie(&c)
	got, err := AppendResponse(nil, &h, Options{Length: 2, KeepAlive: true})
	const want = "HTTP/1.1 201 Created\r\nContent-Type: text/plain; charset=utf-8\r\nSet-Cookie: a=1\r\nX-Own: 1\r\ncontent-length: 2\r\n\r\n"
	if err != nil || string(got) != want {
		t.Fatalf("%v\n%q", err, got)
	}
	if got, err = AppendResponse(nil, &h, Options{Length: NoLength, KeepAlive: true, Head: true}); err != nil ||
		string(got) != want[:len(want)-len("2\r\n\r\n")]+"99\r\n\r\n" {
		t.Fatalf("HEAD: %v\n%q", err, got)
	}

	h.Reset()
	h.SetStatusCode(7)
	if got, err = AppendResponse([]byte("before"), &h, Options{}); !errors.Is(err, ErrStatus) || string(got) != "before" {
		t.Fatalf("%q, %v", got, err)
	}
	h.Reset()
	h.SetContentType("a\x00b")
	if got, err = AppendResponse([]byte("before"), &h, Options{}); !errors.Is(err, ErrFieldValue) || string(got) != "before" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestAppendRequestHeader(t *testing.T) {
	var h fasthttp.RequestHeader
	h.SetMethod("POST")
	h.SetRequestURI("/a?b")
	h.SetHost("h:1")
	h.SetUserAgent("u")
	h.SetCookie("a", "1")
	h.Set("X-Own", "1")
	h.SetConnectionClose()
	got, err := AppendRequestHeader(nil, &h, RequestOptions{Length: Chunked})
	if err != nil || string(got) != "POST /a?b HTTP/1.1\r\nhost: h:1\r\nUser-Agent: u\r\nCookie: a=1\r\nX-Own: 1\r\ntransfer-encoding: chunked\r\n\r\n" {
		t.Fatalf("%v\n%q", err, got)
	}
	h.SetRequestURI("/ HTTP/1.1")
	if got, err = AppendRequestHeader([]byte("before"), &h, RequestOptions{}); !errors.Is(err, ErrTarget) || string(got) != "before" {
		t.Fatalf("%q, %v", got, err)
	}
	h.SetRequestURI("/")
	h.SetUserAgent("a\x01")
	if got, err = AppendRequestHeader([]byte("before"), &h, RequestOptions{}); !errors.Is(err, ErrFieldValue) || string(got) != "before" {
		t.Fatalf("%q, %v", got, err)
	}
}

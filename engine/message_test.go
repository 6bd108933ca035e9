package engine_test

import (
	"net/url"
	"testing"

	"everloop/engine"
)

// Path and Query find what net/url finds, in requests that it takes.
func TestRequestPathAndQuery(t *testing.T) {
	for _, rawURL := range []string{
		"http://h", "http://h/", "http://h?id=a", "http://h/a/b?id=a&id=b", "http://h/a%20b?id=%31+2", "http://h/?id", "http://h/?id=",
		"http://h/?x=1&id=2", "http://h/?id=%zz&id=3", "http://h/?i%64=4", "http://h/?%zz=1&id=5", "http://h/?&&id=6&", "http://h/?id=a;b&id=7",
		"http://h/?id==8", "http://h/?a=id&di=1", "http://h/?x=/y?id=9", "http://h/#?id=1", "http://h/?a=1#&id=1", "http://h/?", "/only/path?id=10", "http://h/p;q?id=11",
	} {
		u, err := url.Parse(rawURL)
		if err != nil {
			t.Fatal(err)
		}
		r := &engine.Request{URL: rawURL}
		query := u.Query()
		got, ok := r.Query("id")
		if got != query.Get("id") || ok != query.Has("id") {
			t.Errorf("%s: id is %q, %v; want %q, %v", rawURL, got, ok, query.Get("id"), query.Has("id"))
		}
		if got := r.Path(); got != u.EscapedPath() {
			t.Errorf("%s: the path is %q, want %q", rawURL, got, u.EscapedPath())
		}
	}
	r := &engine.Request{URL: "http://h/?x=1&id=object-1"}
	if n := testing.AllocsPerRun(100, func() { r.Query("id") }); n != 0 {
		t.Errorf("a plain value takes %v allocations", n)
	}
}

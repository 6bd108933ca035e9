package web

import "testing"

// What a program looks at of a message of the host goes with it, and so do handlers that refer to what they are of.
func TestMessagesAreCollected(t *testing.T) {
	for _, source := range []string{
		`r.status`, `r.headers.get("x")`, `r.body`, `await r.text()`, `await r.clone().text()`, `new Response(null, r)`, `[...r.headers]`, `r.bodyUsed`, `r.webSocket`, `r.self = r`,
	} {
		h := newFake(t)
		h.answer = func(string, Message) (Message, error) {
			return &Outgoing{ResStatus: 200, Fields: []Field{{Name: "x", Value: "y"}}, Bytes: []byte("hi")}, nil
		}
		if got := h.eval(t, `(async () => { for (let i = 0; i < 10; i++) { const r = await fetch("http://x/"); `+source+` } })()`); got != "undefined" {
			t.Fatalf("%s: %s", source, got)
		}
		if err := h.r.RunGC(); err != nil {
			t.Fatal(err)
		}
		if n := h.in.messages.Len(); n != 0 {
			t.Errorf("response: %s: %d of 10 are left", source, n)
		}
	}
	for _, source := range []string{`r.headers`, `r.url`, `r.body`, `r.signal`, `r.cf`, `new Request(r)`, `r.clone()`, `r.signal.onabort = () => r`, `new Request(r, { headers: r.headers })`} {
		h := newFake(t)
		for range 3 {
			if _, err := h.worker(t, `{ async fetch(r) { `+source+`; return new Response("x") } }`, request("")); err != nil {
				t.Fatalf("%s: %v", source, err)
			}
		}
		if err := h.r.RunGC(); err != nil {
			t.Fatal(err)
		}
		if n := h.in.messages.Len(); n != 0 {
			t.Errorf("request: %s: %d of 3 are left", source, n)
		}
	}
	h := newFake(t)
	h.eval(t, `for (let i = 0; i < 10; i++) { const { signal } = new AbortController(), [w] = new WebSocketPair(); signal.onabort = () => w.send(signal); }`)
	if err := h.r.RunGC(); err != nil {
		t.Fatal(err)
	}
	if n := h.in.SocketObjects(); n != 0 {
		t.Errorf("%d of 20 are left with their handlers", n)
	}
}

package js

import (
	"strings"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// request is the request of an event, as JavaScript reads it.
type request struct {
	ev *engine.Event
	by actor // who reads its body
}

func (m *request) Method() string      { return m.ev.Request.Method }
func (m *request) URL() string         { return web.CanonicalURL(m.ev.Request.URL) }
func (m *request) Status() int         { return 0 }
func (m *request) StatusText() string  { return "" }
func (m *request) Redirected() bool    { return false }
func (m *request) Header() []web.Field { return m.ev.Request.Header }
func (m *request) Body() engine.Body   { return m.ev.Request.Body }
func (m *request) reader() actor       { return m.by }

// response is the answer to a fetch, as JavaScript reads it. It is one pointer, so that a [web.Message] of it is no
// allocation.
type response struct{ *fetching }

func (m response) Method() string { return "" }

// URL is that of the last request, without its fragment, as the Fetch standard has it.
func (m response) URL() string {
	url, _, _ := strings.Cut(m.req.URL, "#")
	return url
}

func (m response) Status() int {
	if m.answer.Status == 0 {
		return 200
	}
	return m.answer.Status
}
func (m response) StatusText() string  { return m.answer.StatusText }
func (m response) Redirected() bool    { return m.hops > 0 }
func (m response) Header() []web.Field { return m.answer.Header }
func (m response) Body() engine.Body   { return m.answer.Body }
func (m response) reader() actor       { return m.by }

// requestOf is what JavaScript sends, as a request of the engine's: the very one that came in, if it only passes it on.
func (rl *realm) requestOf(m web.Message, by actor) *engine.Request {
	if r, ok := m.(*request); ok {
		return r.ev.Request
	}
	req := &engine.Request{Method: m.Method(), URL: m.URL(), Header: m.Header(), Body: m.Body()}
	if out, ok := m.(*web.Outgoing); ok && out.Stream.IsObject() {
		req.Body = rl.produce(by, out.Stream)
	}
	return req
}

// responseOf is what a handler answered: the very response of another object, if it only hands it on. out is used again,
// so its parts are copied.
func (rl *realm) responseOf(out *web.Reply, by actor) *engine.Response {
	if r, ok := out.Forward.(response); ok {
		return r.answer
	}
	o := &outgoing{resp: engine.Response{Status: out.Status, StatusText: out.StatusText}}
	o.resp.Header = append(engine.Header(o.fields[:0]), out.Header...)
	switch {
	case out.Stream.IsObject():
		o.resp.Body = rl.produce(by, out.Stream)
		out.Stream = vm.Undefined
	case out.Streamed.Streamed():
		o.resp.Body = out.Streamed
	case out.Body != nil:
		o.resp.Body = engine.Bytes(append(o.body[:0], out.Body...))
	}
	return &o.resp
}

// outgoing is a response with room for what small ones have, so that it is one allocation.
type outgoing struct {
	resp   engine.Response
	fields [2]engine.Field
	body   [56]byte // as much as fits into the 224 bytes of the whole
}

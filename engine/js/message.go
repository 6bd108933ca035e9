package js

import (
	"everloop/engine"
	"everloop/engine/js/web"
)

// request is a request of the engine's, as JavaScript reads it. It and response are one pointer, so that a [web.Message]
// of them is no allocation.
type request struct{ *engine.Request }

func (m request) Method() string      { return m.Request.Method }
func (m request) URL() string         { return web.CanonicalURL(m.Request.URL) }
func (m request) Status() int         { return 0 }
func (m request) StatusText() string  { return "" }
func (m request) Redirected() bool    { return false }
func (m request) Header() []web.Field { return m.Request.Header }
func (m request) Body() []byte        { return m.Request.Body.Bytes() }

// response is the answer to a fetch, as JavaScript reads it.
type response struct{ *fetching }

func (m response) Method() string { return "" }
func (m response) URL() string    { return m.req.URL }
func (m response) Status() int {
	if m.answer.Status == 0 {
		return 200
	}
	return m.answer.Status
}
func (m response) StatusText() string  { return m.answer.StatusText }
func (m response) Redirected() bool    { return m.hops > 0 }
func (m response) Header() []web.Field { return m.answer.Header }
func (m response) Body() []byte        { return m.answer.Body.Bytes() }

// requestOf is what JavaScript sends, as a request of the engine's: the very one that came in, if it only passes it on.
func requestOf(m web.Message) *engine.Request {
	if r, ok := m.(request); ok {
		return r.Request
	}
	return &engine.Request{Method: m.Method(), URL: m.URL(), Header: m.Header(), Body: engine.Bytes(m.Body())}
}

// responseOf is what a handler answered: the very response of another object, if it only hands it on. out is used again,
// so its parts are copied.
func responseOf(out *web.Reply) *engine.Response {
	if r, ok := out.Forward.(response); ok {
		return r.answer
	}
	o := &outgoing{resp: engine.Response{Status: out.Status, StatusText: out.StatusText}}
	o.resp.Header = append(engine.Header(o.fields[:0]), out.Header...)
	if out.Body != nil {
		o.resp.Body = engine.Bytes(append(o.body[:0], out.Body...))
	}
	return &o.resp
}

// outgoing is a response with room for what small ones have, so that it is one allocation.
type outgoing struct {
	resp   engine.Response
	fields [2]engine.Field
	body   [64]byte
}

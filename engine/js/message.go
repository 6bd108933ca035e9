package js

import (
	"bytes"
	"slices"

	"everloop/engine"
	"everloop/engine/js/web"
)

// request is a request of the engine's, as JavaScript reads it.
type request struct{ *engine.Request }

func (m *request) Method() string      { return m.Request.Method }
func (m *request) URL() string         { return web.CanonicalURL(m.Request.URL) }
func (m *request) Status() int         { return 0 }
func (m *request) StatusText() string  { return "" }
func (m *request) Redirected() bool    { return false }
func (m *request) Header() []web.Field { return m.Request.Header }
func (m *request) Body() []byte        { return m.Request.Body.Bytes() }

// response is a response of the engine's, as JavaScript reads it.
type response struct {
	*engine.Response
	url        string // of the request that it answers
	redirected bool
}

func (m *response) Method() string { return "" }
func (m *response) URL() string    { return m.url }
func (m *response) Status() int {
	if m.Response.Status == 0 {
		return 200
	}
	return m.Response.Status
}
func (m *response) StatusText() string  { return m.Response.StatusText }
func (m *response) Redirected() bool    { return m.redirected }
func (m *response) Header() []web.Field { return m.Response.Header }
func (m *response) Body() []byte        { return m.Response.Body.Bytes() }

// requestOf is what JavaScript sends, as a request of the engine's: the very one that came in, if it only passes it on.
func requestOf(m web.Message) *engine.Request {
	if r, ok := m.(*request); ok {
		return r.Request
	}
	return &engine.Request{Method: m.Method(), URL: m.URL(), Header: m.Header(), Body: engine.Bytes(m.Body())}
}

// responseOf is what a handler answered: the very response of another object, if it only hands it on. out is used again,
// so its parts are copied.
func responseOf(out *web.Reply) *engine.Response {
	if r, ok := out.Forward.(*response); ok {
		return r.Response
	}
	return &engine.Response{
		Status: out.Status, StatusText: out.StatusText,
		Header: slices.Clone(engine.Header(out.Header)), Body: engine.Bytes(bytes.Clone(out.Body)),
	}
}

package js

import (
	"fmt"
	"strings"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// connecting is what a socket that a program made by `new WebSocket(url)` knows of its connection. It belongs to whoever the turn
// belonged to, as a fetch does.
type connecting struct {
	s      *socket
	by     actor
	about  web.SocketAbout
	sent   *engine.Subrequest
	closed bool // by the program, before there was a connection
}

// SocketConnect is part of [web.SocketHost].
func (rl *realm) SocketConnect(proto vm.Value, url, href, protocols string) (vm.Value, error) {
	by := rl.current
	if by == nil || !by.alive() {
		return vm.Undefined, vm.PlainError("Disallowed operation called within global scope. Requests are made while an event is handled.")
	}
	s, v, err := rl.newSocket(nil, proto)
	if err != nil {
		return vm.Undefined, err
	}
	none := ""
	c := &connecting{s: s, by: by, about: web.SocketAbout{URL: &url, Protocol: &none, Extensions: &none}}
	s.connects, s.value = c, rl.r.Dup(v)
	by.hold()
	req := &engine.Request{Method: "GET", URL: connectURL(href), Header: engine.Header{{Name: "upgrade", Value: "websocket"}}}
	if protocols != "" {
		req.Header.Add("sec-websocket-protocol", protocols)
	}
	if badPort(req.URL) {
		by.later(func() { c.Reply(engine.Reply{Err: fmt.Errorf("%s: the port belongs to another protocol", url)}) })
		return v, nil
	}
	c.sent = by.startFetch(req, c)
	return v, nil
}

// connectURL is where a WebSocket with a URL like ws://user:secret@host/path connects to: http://host/path.
func connectURL(href string) string {
	scheme, rest, _ := strings.Cut(href, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
		rest = rest[at+1:]
	}
	if scheme == "wss" {
		return "https://" + rest
	}
	return "http://" + rest
}

// close gives the connection up.
func (c *connecting) close() {
	if c.closed {
		return
	}
	c.closed = true
	if c.sent != nil {
		c.sent.Cancel(&engine.Error{Name: "Error", Message: "Called close before connection was established."})
	}
}

// Reply takes the answer, as a turn of whoever connects.
func (c *connecting) Reply(reply engine.Reply) {
	rl, s := c.s.rl, c.s
	defer c.by.unhold()
	v := s.value
	s.value = vm.Undefined
	if rl.r.Err() != nil {
		return
	}
	defer rl.r.Free(v)
	if !c.by.alive() {
		return
	}
	err := reply.Err
	if err == nil {
		err = c.connected(reply.Response, v)
	}
	rl.begin(c.by)
	if err == nil {
		err = s.report(rl.in.SocketOpened(v))
	} else {
		s.value = v // what the events are dispatched to
		if err = s.fails(err); err == nil {
			err = s.report(rl.in.SocketClosed(v, engine.CloseAbnormal, "Failed to establish websocket connection", false))
		}
		s.value = vm.Undefined
	}
	rl.end(err)
}

// connected holds the end that the answer carries.
func (c *connecting) connected(r *engine.Response, v vm.Value) error {
	if r.WebSocket == nil || c.closed {
		r.Body.Discard()
		if c.closed {
			return &engine.Error{Name: "Error", Message: "Called close before connection was established."}
		}
		status := r.Status
		if status == 0 {
			status = 200
		}
		return &engine.Error{Name: "TypeError", Message: fmt.Sprintf(
			"Failed to establish the WebSocket connection: expected server to reply with HTTP status code 101 (switching protocols), but received %d instead.", status)}
	}
	c.about.Protocol, c.about.Extensions = field(r.Header, "sec-websocket-protocol"), field(r.Header, "sec-websocket-extensions")
	c.s.ws = r.WebSocket
	if err := c.s.hold(c.by, v, c.s.rl.app.halfOpen); err != nil {
		return err
	}
	if b := c.s.attachment; b != nil {
		c.s.attachment = nil
		return c.s.ws.SetAttachment(b)
	}
	return nil
}

// field is the value of a header field; nil if there is none.
func field(h engine.Header, name string) *string {
	if !h.Has(name) {
		return nil
	}
	value := h.Get(name)
	return &value
}

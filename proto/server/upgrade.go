package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"everloop/engine"
	"everloop/proto/http"
	"everloop/proto/ws"
)

// A client asks for a WebSocket with a request (RFC 6455, 4.1), which the entry point gets like any other. What it
// answers decides: 101 with a WebSocket opens one, anything else is a normal answer. Until then nobody can tell whether the bytes behind
// the request are frames or further requests, so they are not looked at.

// upgrade is what there is to know of a request that asks for a WebSocket.
type upgrade struct {
	handshake *ws.Handshake
	fault     error // why none can be opened, a *ws.Refusal; or nil
}

var errNotAsked = errors.New(`Worker tried to return a WebSocket in a response to a request which did not contain the header "Upgrade: websocket".`)

// readUpgrade looks whether the request asks for a WebSocket, and checks how. It returns nil if it does not ask.
func (s *session) readUpgrade(q *http.Request, header engine.Header) *upgrade {
	if !asksForSocket(header) {
		return nil
	}
	if q.Length != 0 {
		return &upgrade{fault: &ws.Refusal{Status: 400, Reason: "a request for a WebSocket has no body (RFC 6455, 4.1)"}}
	}
	var u upgrade
	// The engine's header lacks what speaks of this connection.
	u.handshake, u.fault = ws.ReadRequest(q.Method, q.HTTP10, q.AppendFields(nil))
	return &u
}

func asksForSocket(header engine.Header) bool {
	for i := range header {
		if f := &header[i]; f.Name == "upgrade" {
			for name := range strings.SplitSeq(f.Value, ",") {
				if strings.EqualFold(strings.Trim(name, " \t"), "websocket") {
					return true
				}
			}
		}
	}
	return false
}

// waits reports whether what comes behind the request may be frames.
func (u *upgrade) waits() bool { return u != nil && u.fault == nil }

// opens checks that a response with a WebSocket, or with the status that belongs to one, can be sent. An error is the handler's fault;
// what is the client's becomes the exchange's refusal.
func (x *exchange) opens(r *engine.Response) error {
	switch {
	case r.WebSocket == nil:
		return errors.New("the response has the status 101 and no WebSocket: a protocol is changed to by answering with one")
	case r.Status != 101:
		return fmt.Errorf("the response has a WebSocket and the status %d: want 101", r.Status)
	case x.up == nil:
		return errNotAsked
	case x.up.fault != nil:
		x.refused = &refusal{s: x.s, status: 400, reason: x.up.fault.Error(), head: x.head}
		if r, ok := errors.AsType[*ws.Refusal](x.up.fault); ok {
			x.refused.status, x.refused.reason, x.refused.fields = r.Status, r.Reason, r.AppendFields(nil)
		}
		return nil
	case x.s.c.Finishing():
		x.refused = &refusal{s: x.s, status: 503, reason: "the server is closing", retryAfter: "1"}
		return nil
	}
	if chosen := r.Header.Get("sec-websocket-protocol"); chosen != "" && !slices.Contains(x.up.handshake.Protocols, chosen) {
		return fmt.Errorf("the response chooses the WebSocket protocol %q, which the client has not offered: it would close the connection", chosen)
	}
	return nil
}

// head101 is the head of the answer that opens a WebSocket.
func (x *exchange) head101(dst []byte, r *engine.Response) ([]byte, error) {
	fields := x.up.handshake.AppendAnswer(nil, !x.s.srv.opts.Sockets.NoCompression)
	for _, f := range r.Header {
		switch f.Name {
		case "upgrade", "sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-version":
			// They are the handshake's.
		default:
			fields = append(fields, f)
		}
	}
	return http.AppendHead(dst, 101, fields, http.Options{Length: http.NoLength, KeepAlive: true})
}

// open writes the answer that opens a WebSocket, and gives the connection over to it.
func (x *exchange) open(r *engine.Response) {
	s, h := x.s, x.s.here
	b, err := x.head101(h.scratch[:0], r)
	if err == nil && len(b) > maxResponseHead {
		err = fmt.Errorf("its header has %d bytes: the limit is %d", len(b), maxResponseHead)
	}
	if err != nil {
		s.lose(r)
		x.write(x.failed(fmt.Errorf("the response cannot be sent: %w", err)))
		return
	}
	x.status = 101
	r.Body.Discard()
	_ = s.c.Write(b) // fails only if the connection has closed
	if cap(b) <= maxScratch {
		h.scratch = b[:0]
	}
	deflate := x.up.handshake.Deflate
	if s.srv.opts.Sockets.NoCompression {
		deflate = 0
	}
	s.become(r.WebSocket, deflate)
}

// lose ends what belongs to a response that nobody gets: its WebSocket, and the body that is still to be made.
func (s *session) lose(r *engine.Response) {
	if r == nil {
		return
	}
	r.Body.Discard()
	// The other end hears of it as of a client that has left; if somebody holds this one, it is theirs.
	if r.WebSocket != nil && s.c.Port().HoldWebSocket(r.WebSocket, unheard{}) == nil {
		r.WebSocket.Lost()
	}
}

// unheard is the sink of an end that leads nowhere.
type unheard struct{}

func (unheard) Message(*engine.Message)  {}
func (unheard) Closed(int, string, bool) {}
func (unheard) Failed(error)             {}

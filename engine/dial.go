package engine

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// WebSockets to other servers. One begins as an outgoing request with the field "upgrade: websocket", under all rules of such: the
// output gate, the bounds of an origin, the Transport. A server that answers 101 has agreed, and the answer has a WebSocket; any other
// answer is one without.

// SocketClient speaks the client's side of the WebSocket protocol on the connections of outgoing requests; see Options.WebSockets. Safe for
// concurrent use.
type SocketClient interface {
	// Ask returns the fields that a request has beside its own to ask for a WebSocket. protocols are the subprotocols that the program would
	// speak, as it prefers them; their field is among those that are returned.
	Ask(protocols []string) ([]Field, SocketHandshake)
}

// SocketHandshake is one request for a WebSocket under way. Its method is called once at most, on any goroutine.
type SocketHandshake interface {
	// Answered checks the fields of an answer of status 101, with names in lower case. The error says what is wrong with it.
	Answered(fields []Field) (SocketCodec, error)
}

// SocketCodec is the codec of one connection. Next is called on one goroutine and the Append methods on another; CloseFor on any.
type SocketCodec interface {
	// Next finds the next frame in what has been received and was not consumed. It consumes n bytes, also when it finds
	// nothing yet. After an error there is nothing more to be found.
	Next(in []byte) (n int, f SocketFrame, err error)
	// AppendMessage, AppendPong and AppendClose append a frame. code 0 is a Close without one.
	AppendMessage(dst []byte, m *Message) []byte
	AppendPong(dst, payload []byte) []byte
	AppendClose(dst []byte, code int, reason string) []byte
	// CloseFor returns what a Close says of an error of Next.
	CloseFor(err error) (code int, reason string)
}

// SocketFrame is what SocketCodec.Next has found: one of these, or nothing yet. What it holds is the receiver's.
type SocketFrame struct {
	Message *Message
	Ping    bool // to be answered with Payload
	Payload []byte
	Closed  bool // with Code, which is CloseNoStatus if there is none, and Reason
	Code    int
	Reason  string
	Other   bool // something that wants no answer
}

// found reports whether there is anything.
func (f *SocketFrame) found() bool { return f.Message != nil || f.Ping || f.Closed || f.Other }

// DialWebSocket opens a WebSocket to another server, and waits for its answer, or for ctx; other events run meanwhile. url is of ws or wss, or
// of http or https, which mean the same. header is what the request has beside the fields of the protocol, and may be nil; protocols are
// the subprotocols that the program would speak, and the response's field sec-websocket-protocol has the one that the server has chosen. The
// end belongs to nobody yet: HoldWebSocket it in this turn. An answer other than 101 is an [*Error] with the name TypeError, as is a
// failure on the way. Nothing is sent before all that the object knows is durable.
func (s *State) DialWebSocket(ctx context.Context, url string, header Header, protocols ...string) (*WebSocket, *Response, error) {
	return s.a.origin.dial(ctx, url, header, protocols)
}

// DialWebSocket is State.DialWebSocket for the event of an entry point.
func (ev *Event) DialWebSocket(ctx context.Context, url string, header Header, protocols ...string) (*WebSocket, *Response, error) {
	return ev.origin().dial(ctx, url, header, protocols)
}

func (o *origin) dial(ctx context.Context, url string, header Header, protocols []string) (*WebSocket, *Response, error) {
	switch {
	case strings.HasPrefix(url, "ws:"):
		url = "http:" + url[len("ws:"):]
	case strings.HasPrefix(url, "wss:"):
		url = "https:" + url[len("wss:"):]
	}
	r := &Request{Method: http.MethodGet, URL: url, Header: append(Header{{"upgrade", "websocket"}}, header...)}
	if len(protocols) > 0 {
		r.Header.Add("sec-websocket-protocol", strings.Join(protocols, ", "))
	}
	resp, err := o.fetch(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	if resp.WebSocket == nil {
		resp.Body.Discard()
		// The text is workerd's.
		return nil, nil, &Error{Name: "TypeError", Message: fmt.Sprintf("Failed to establish the WebSocket connection: expected server to reply with "+
			"HTTP status code 101 (switching protocols), but received %d instead.", resp.Status)}
	}
	return resp.WebSocket, resp, nil
}

// asksForSocket reports whether a request asks for a WebSocket.
func (r *Request) asksForSocket() bool {
	for i := range r.Header {
		if f := &r.Header[i]; f.Name == "upgrade" && strings.EqualFold(strings.TrimSpace(f.Value), "websocket") {
			return true
		}
	}
	return false
}

// errNoSocketClient refuses a WebSocket to another server where nobody speaks its protocol.
var errNoSocketClient = &Error{Name: "TypeError", Message: "WebSockets to other servers are not available here: engine.Options.WebSockets is not set"}

// askForSocket turns a request of Go's client into one for a WebSocket.
func (q *Subrequest) askForSocket(req *http.Request) error {
	client := q.by.own.eng.opts.WebSockets
	if client == nil {
		return errNoSocketClient
	}
	var protocols []string
	for _, list := range req.Header.Values("Sec-Websocket-Protocol") {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				protocols = append(protocols, name)
			}
		}
	}
	for name := range req.Header {
		if strings.HasPrefix(name, "Sec-Websocket-") {
			delete(req.Header, name)
		}
	}
	fields, handshake := client.Ask(protocols)
	for _, f := range fields {
		req.Header.Set(f.Name, f.Value)
	}
	req.Method, q.handshake = http.MethodGet, handshake
	return nil
}

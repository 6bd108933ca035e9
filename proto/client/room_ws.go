package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"everloop/proto/http"
	"everloop/proto/ws"
)

// SocketOptions say how a WebSocket is opened. The zero value works.
type SocketOptions struct {
	// Protocols are subprotocols in order of preference, each once.
	Protocols []string
	// Fields are further header fields, such as authorization or cookie. What belongs to the handshake is not taken from here.
	Fields []http.Field
	// NoDeflate does not offer compression (permessage-deflate).
	NoDeflate bool
	// MessageBytes bounds a message that is received, decompressed. Default 32 MiB. Past it the room is closed with 1009.
	MessageBytes int
	// Ping is how often the other side is pinged. Default 30 s; less than 0 is never. When nothing has come for as long, the
	// connection counts as lost.
	Ping time.Duration
}

// Socket is a [Room] over a WebSocket.
type Socket struct {
	Room
	// Protocol is the subprotocol that was chosen, or empty.
	Protocol string
}

// HandshakeError says that the server answered a request for a WebSocket with something else.
type HandshakeError struct {
	// Status is that of HTTP.
	Status int
	// Fields are the answer's, with names in lower case.
	Fields []http.Field
	// Body is the beginning of the answer's body, at most 4 KiB.
	Body []byte
}

// Error returns the status and the first line of the body.
func (e *HandshakeError) Error() string {
	body := e.Body
	for i, c := range body {
		if c == '\n' || c == '\r' || i == 200 {
			body = body[:i]
			break
		}
	}
	if len(body) == 0 || !utf8.Valid(body) {
		return fmt.Sprintf("client: no WebSocket: the server answered %d", e.Status)
	}
	return fmt.Sprintf("client: no WebSocket: the server answered %d: %s", e.Status, body)
}

const (
	maxHandshakeBody = 4 << 10
	maxAnswer        = 64 << 10
)

// WebSocket opens a WebSocket at a path of the server's HTTP (with its query, if it has one), on a connection of its own. ctx bounds that,
// together with [Options].DialTimeout, and nothing later.
func (c *Client) WebSocket(ctx context.Context, path string, o SocketOptions) (*Socket, error) {
	if c.o.HTTP == "" {
		return nil, errors.New("client: no address of an HTTP server was given: set Options.HTTP")
	}
	for _, p := range o.Protocols {
		if !ws.ValidProtocol(p) {
			return nil, fmt.Errorf("client: %q cannot be a subprotocol: it must be a token", p)
		}
	}
	address, host, secure, err := splitHTTP(c.o.HTTP)
	if err != nil {
		return nil, err
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	key := ws.NewKey(random)
	fields := ws.AppendRequest(nil, key, o.Protocols, !o.NoDeflate)
	for _, f := range o.Fields {
		if !ofHandshake(f.Name) {
			fields = append(fields, f)
		}
	}
	request, err := http.AppendRequest(nil, "GET", path, host, fields, http.RequestOptions{})
	if err != nil {
		return nil, fmt.Errorf("client: request for a WebSocket: %w", err)
	}

	ctx, cancel := context.WithTimeout(ctx, c.o.DialTimeout)
	defer cancel()
	var tlsConfig *tls.Config
	if secure {
		if tlsConfig = c.o.TLS; tlsConfig == nil {
			tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	nc, err := c.o.dial(ctx, address, tlsConfig)
	if err != nil {
		return nil, &ConnError{Op: "connect", Address: address, Err: err}
	}
	fail := func(err error) (*Socket, error) {
		nc.Close()
		var said *HandshakeError
		if errors.As(err, &said) {
			return nil, err
		}
		return nil, &ConnError{Op: "open a WebSocket", Address: address, MaybeDone: true, Err: atDeadline(ctx, err)}
	}
	if _, err := writeUntil(ctx, nc, request); err != nil {
		return fail(err)
	}
	h := &handshake{key: key, protocols: o.Protocols, deflate: !o.NoDeflate}
	in, err := readUntil(ctx, nc, nil, h.next)
	if err != nil {
		if h.refused != nil && errors.Is(err, io.EOF) {
			err = h.refused
		}
		return fail(err)
	}
	w := &wsRoom{deflate: h.answer.Deflate}
	w.reader.Reset(ws.Options{Role: ws.Client, Limits: ws.Limits{MessageBytes: o.MessageBytes}, Deflate: h.answer.Deflate.Agreed()})
	ping := o.Ping
	if ping == 0 {
		ping = DefaultPing
	}
	r, err := c.newRoom(nc, address, w, in, ping)
	if err != nil {
		return nil, err
	}
	return &Socket{Room: r, Protocol: h.answer.Protocol}, nil
}

// ofHandshake reports whether a header field is the handshake's own.
func ofHandshake(name string) bool {
	switch lower(name) {
	case "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions":
		return true
	}
	return false
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// handshake reads the answer to a request for a WebSocket.
type handshake struct {
	key       string
	protocols []string
	deflate   bool
	reader    http.ResponseReader
	answer    ws.Answer
	refused   *HandshakeError // a head with another status has come
}

func (h *handshake) next(in []byte) (n int, done bool, err error) {
	n, e, err := h.reader.Next(in, false)
	if err != nil {
		return n, false, err
	}
	switch e.Kind {
	case http.Head:
		a := h.reader.Response()
		fields := a.AppendFields(nil)
		if a.Status != 101 {
			h.refused = &HandshakeError{Status: a.Status, Fields: fields}
			break
		}
		h.answer, err = ws.ReadAnswer(a.Status, fields, h.key, h.protocols, h.deflate)
		return n, err == nil, err
	case http.Body:
		room := maxHandshakeBody - len(h.refused.Body)
		h.refused.Body = append(h.refused.Body, e.Data[:min(len(e.Data), room)]...)
		if room <= len(e.Data) {
			return n, false, h.refused
		}
	case http.End:
		return n, false, h.refused
	}
	return n, false, nil
}

// readUntil gives next what comes on nc, behind in, until it is done, fails, or ctx ends. It returns what next has not used. Of an answer
// that is no more than a message about it, at most 64 KiB may wait to be used.
func readUntil(ctx context.Context, nc net.Conn, in []byte, next func(in []byte) (n int, done bool, err error)) ([]byte, error) {
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = nc.SetReadDeadline(time.Unix(1, 0))
		close(fired)
	})
	defer func() {
		if !stop() {
			<-fired
			_ = nc.SetReadDeadline(time.Time{})
		}
	}()
	for {
		n, done, err := next(in)
		in = in[n:]
		if done || err != nil {
			return in, err
		}
		if n > 0 {
			continue
		}
		if len(in) >= maxAnswer {
			return in, errors.New("the answer is too long")
		}
		if cap(in)-len(in) < 1024 {
			in = append(make([]byte, 0, len(in)+4096), in...)
		}
		k, err := nc.Read(in[len(in):cap(in)])
		if err != nil && k == 0 {
			return in, err
		}
		in = in[:len(in)+k]
	}
}

var errNotText = errors.New("client: a message of text is not UTF-8: send it as bytes (Text: false)")

// wsRoom is the wire of a room over a WebSocket.
type wsRoom struct {
	reader  ws.Reader
	deflate ws.Deflate
}

// newMask is a mask that nobody can foresee.
func newMask() (mask [4]byte) {
	_, _ = rand.Read(mask[:]) // never fails
	return mask
}

func (w *wsRoom) appendMessage(dst []byte, m Message) ([]byte, error) {
	if m.Text && !utf8.Valid(m.Data) {
		return dst, errNotText
	}
	if len(m.Data) > ws.DefaultMessageBytes {
		return dst, ErrTooLarge
	}
	return w.deflate.AppendMaskedMessage(dst, m.Text, m.Data, newMask()), nil
}

func (w *wsRoom) appendClose(dst []byte, code int, reason string) []byte {
	return ws.AppendMaskedClose(dst, code, reason, newMask())
}

func (w *wsRoom) appendPing(dst []byte) []byte {
	return ws.AppendMaskedFrame(dst, ws.OpPing, nil, newMask())
}

// appendGoodbye answers a Close, or says what was wrong.
func (w *wsRoom) appendGoodbye(dst []byte, err error) []byte {
	switch e := err.(type) {
	case *CloseError:
		return w.appendClose(dst, e.Code, e.Reason)
	case *ws.Error:
		return w.appendClose(dst, e.Code, e.Reason)
	}
	return dst
}

func (w *wsRoom) next(in []byte) (int, event, error) {
	n, e, err := w.reader.Next(in)
	if err != nil {
		return n, event{}, err
	}
	switch e.Kind {
	case ws.Text, ws.Binary:
		return n, event{what: said, message: Message{Text: e.Kind == ws.Text, Data: e.Data}}, nil
	case ws.Ping:
		return n, event{what: heard, answer: ws.AppendMaskedFrame(nil, ws.OpPong, e.Data, newMask())}, nil
	case ws.Close:
		return n, event{}, &CloseError{Code: e.Code, Reason: e.Reason}
	case ws.Pong:
		return n, event{what: heard}, nil
	}
	return n, event{}, nil
}

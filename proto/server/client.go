package server

import (
	"crypto/rand"
	"errors"

	"everloop/engine"
	"everloop/proto/ws"
)

// SocketClient is the client's side of the WebSocket protocol, for [engine.Options].WebSockets: what programs dial. It offers
// permessage-deflate.
type SocketClient struct {
	// MaxMessageBytes is the size of the largest message that is taken from a server, decompressed. Past it the connection is
	// closed with 1009. Default 32 MiB.
	MaxMessageBytes int
}

// Ask is part of [engine.SocketClient].
func (c SocketClient) Ask(protocols []string) ([]engine.Field, engine.SocketHandshake) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	h := &dialling{client: c, key: ws.NewKey(random), protocols: protocols}
	return ws.AppendRequest(nil, h.key, protocols, true), h
}

// dialling is a request under way.
type dialling struct {
	client    SocketClient
	key       string
	protocols []string
}

// Answered is part of [engine.SocketHandshake].
func (h *dialling) Answered(fields []engine.Field) (engine.SocketCodec, error) {
	answer, err := ws.ReadAnswer(101, fields, h.key, h.protocols, true)
	if err != nil {
		return nil, err
	}
	c := &clientCodec{deflate: answer.Deflate}
	c.reader.Reset(ws.Options{
		Role: ws.Client, Limits: ws.Limits{MessageBytes: h.client.MaxMessageBytes}, Deflate: answer.Deflate.Agreed(),
	})
	return c, nil
}

// clientCodec is the codec of one connection that was dialled.
type clientCodec struct {
	reader  ws.Reader // of the goroutine that reads
	deflate ws.Deflate
}

// Next is part of [engine.SocketCodec].
func (c *clientCodec) Next(in []byte) (int, engine.SocketFrame, error) {
	n, ev, err := c.reader.Next(in)
	if err != nil {
		return n, engine.SocketFrame{}, err
	}
	switch ev.Kind {
	case ws.Text, ws.Binary:
		return n, engine.SocketFrame{Message: &engine.Message{Text: ev.Kind == ws.Text, Data: ev.Data}}, nil
	case ws.Ping:
		return n, engine.SocketFrame{Ping: true, Payload: ev.Data}, nil
	case ws.Pong:
		return n, engine.SocketFrame{Other: true}, nil
	case ws.Close:
		return n, engine.SocketFrame{Closed: true, Code: ev.Code, Reason: ev.Reason}, nil
	}
	return n, engine.SocketFrame{}, nil
}

// newMask is a mask that nobody can foresee.
func newMask() (mask [4]byte) {
	_, _ = rand.Read(mask[:]) // never fails
	return mask
}

// AppendMessage is part of [engine.SocketCodec].
func (c *clientCodec) AppendMessage(dst []byte, m *engine.Message) []byte {
	return c.deflate.AppendMaskedMessage(dst, m.Text, m.Data, newMask())
}

// AppendPong is part of [engine.SocketCodec].
func (c *clientCodec) AppendPong(dst, payload []byte) []byte {
	return ws.AppendMaskedFrame(dst, ws.OpPong, payload, newMask())
}

// AppendClose is part of [engine.SocketCodec].
func (c *clientCodec) AppendClose(dst []byte, code int, reason string) []byte {
	return ws.AppendMaskedClose(dst, code, reason, newMask())
}

// CloseFor is part of [engine.SocketCodec].
func (c *clientCodec) CloseFor(err error) (code int, reason string) {
	if e, ok := errors.AsType[*ws.Error](err); ok {
		return e.Code, e.Reason
	}
	return ws.CloseProtocolError, ""
}

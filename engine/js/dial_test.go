package js_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"

	"github.com/coder/websocket"

	"everloop/engine"
)

// serveSocket is the peer's WebSocket: it speaks p2 of what it is offered, and sends text back behind "re ". "close" makes it close, and "drop" leave.
func serveSocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"p2"}})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil {
			return
		}
		switch string(data) {
		case "close":
			_ = c.Close(4001, "as told")
			return
		case "drop":
			return
		}
		if kind == websocket.MessageText {
			data = append([]byte("re "), data...)
		}
		if c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

// plainSockets is an [engine.SocketClient] without extensions, for short frames: the real one is above this package.
type plainSockets struct{}

func (plainSockets) Ask(protocols []string) ([]engine.Field, engine.SocketHandshake) {
	fields := []engine.Field{
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Upgrade", Value: "websocket"},
		{Name: "Sec-WebSocket-Version", Value: "13"},
		{Name: "Sec-WebSocket-Key", Value: base64.StdEncoding.EncodeToString(make([]byte, 16))},
	}
	for _, p := range protocols {
		fields = append(fields, engine.Field{Name: "Sec-WebSocket-Protocol", Value: p})
	}
	return fields, plainSockets{}
}

func (plainSockets) Answered([]engine.Field) (engine.SocketCodec, error) { return plainSockets{}, nil }

func (plainSockets) Next(in []byte) (int, engine.SocketFrame, error) {
	if len(in) < 2 {
		return 0, engine.SocketFrame{}, nil
	}
	size, head := int(in[1]), 2
	if size == 126 {
		if len(in) < 4 {
			return 0, engine.SocketFrame{}, nil
		}
		size, head = int(binary.BigEndian.Uint16(in[2:])), 4
	}
	if size > 1<<16 {
		return 0, engine.SocketFrame{}, errors.New("a frame that is too long for this test")
	}
	if len(in) < head+size {
		return 0, engine.SocketFrame{}, nil
	}
	payload := bytes.Clone(in[head : head+size])
	f := engine.SocketFrame{Other: true}
	switch in[0] & 15 {
	case 1, 2:
		f = engine.SocketFrame{Message: &engine.Message{Text: in[0]&15 == 1, Data: payload}}
	case 8:
		f = engine.SocketFrame{Closed: true, Code: engine.CloseNoStatus}
		if size >= 2 {
			f.Code, f.Reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	case 9:
		f = engine.SocketFrame{Ping: true, Payload: payload}
	}
	return head + size, f, nil
}

// frame appends a frame whose mask is of zeros.
func (plainSockets) frame(dst []byte, op byte, payload ...byte) []byte {
	return append(append(dst, 0x80|op, 0x80|126, byte(len(payload)>>8), byte(len(payload)), 0, 0, 0, 0), payload...)
}

func (c plainSockets) AppendMessage(dst []byte, m *engine.Message) []byte {
	op := byte(2)
	if m.Text {
		op = 1
	}
	if len(m.Data) < 126 {
		return append(append(dst, 0x80|op, 0x80|byte(len(m.Data)), 0, 0, 0, 0), m.Data...)
	}
	return c.frame(dst, op, m.Data...)
}

func (plainSockets) control(dst []byte, op byte, payload []byte) []byte {
	return append(append(dst, 0x80|op, 0x80|byte(len(payload)), 0, 0, 0, 0), payload...)
}
func (c plainSockets) AppendPong(dst, payload []byte) []byte { return c.control(dst, 10, payload) }
func (c plainSockets) AppendClose(dst []byte, code int, reason string) []byte {
	if code == 0 || code == engine.CloseNoStatus {
		return c.control(dst, 8, nil)
	}
	return c.control(dst, 8, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}
func (plainSockets) CloseFor(error) (int, string) { return 1002, "" }

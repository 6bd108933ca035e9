package crowd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// frames is the client's side of WebSocket, by a parser of its own: it must not share mistakes with the codec that it
// measures.
type frames struct{ random *rand.Rand }

// The key and the answer to it are those of the example in RFC 6455, section 1.3.
const (
	handshakeKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10

	finBit  = 0x80
	maskBit = 0x80
)

func (f *frames) hello(dst []byte, addr, room string) []byte {
	return fmt.Appendf(dst, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
		room, addr, handshakeKey)
}

func (f *frames) welcome(b []byte) (int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, nil
	}
	lines := bytes.Split(b[:end], []byte("\r\n"))
	if !bytes.HasPrefix(lines[0], []byte("HTTP/1.1 101 ")) {
		return 0, fmt.Errorf("%q is not a switch of protocols", clip(b))
	}
	accepted := false
	for _, line := range lines[1:] {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); string(bytes.ToLower(name)) {
		case "sec-websocket-accept":
			if string(value) != handshakeAccept {
				return 0, fmt.Errorf("Sec-WebSocket-Accept is %q: want %q", value, handshakeAccept)
			}
			accepted = true
		case "sec-websocket-extensions", "sec-websocket-protocol":
			return 0, fmt.Errorf("the server has chosen what was not offered: %q", line)
		}
	}
	if !accepted {
		return 0, fmt.Errorf("no Sec-WebSocket-Accept in %q", clip(b))
	}
	return end + 4, nil
}

func (f *frames) say(dst []byte, _ string, payload []byte) []byte {
	return f.frame(dst, opText, payload)
}

// frame appends a masked frame.
func (f *frames) frame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, finBit|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, maskBit|byte(n))
	default:
		dst = append(dst, maskBit|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n)) // Options.Size bounds it
	}
	mask := f.random.Uint32()
	dst = binary.BigEndian.AppendUint32(dst, mask)
	for i, b := range payload {
		dst = append(dst, b^byte(mask>>(24-8*(i%4))))
	}
	return dst
}

func (f *frames) hear(b []byte, _ string) (int, heard, error) {
	if len(b) < 2 {
		return 0, heard{}, nil
	}
	op, length, at := b[0]&0x0f, uint64(b[1]&0x7f), 2
	switch {
	case b[0]&0x70 != 0:
		return 0, heard{}, fmt.Errorf("a frame with reserved bits, of an extension that was not agreed on: %x", clip(b))
	case b[1]&maskBit != 0:
		return 0, heard{}, fmt.Errorf("a masked frame, which a server must not send: %x", clip(b))
	case b[0]&finBit == 0 || op == 0:
		return 0, heard{}, fmt.Errorf("a fragment of a message that was sent whole: %x", clip(b))
	case length == 126:
		if len(b) < 4 {
			return 0, heard{}, nil
		}
		length, at = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case length == 127:
		if len(b) < 10 {
			return 0, heard{}, nil
		}
		length, at = binary.BigEndian.Uint64(b[2:]), 10
	}
	if length > maxPayload {
		return 0, heard{}, fmt.Errorf("a frame of %d bytes", length)
	}
	end := at + int(length)
	if len(b) < end {
		return 0, heard{}, nil
	}
	payload := b[at:end]
	switch op {
	case opText:
		return end, heard{message: true, payload: payload}, nil
	case opPing:
		return end, heard{answer: f.frame(nil, opPong, payload)}, nil
	case opPong:
		return end, heard{}, nil
	case opClose:
		if len(payload) < 2 {
			return 0, heard{}, errors.New("the server closes without a code")
		}
		return 0, heard{}, fmt.Errorf("the server closes: %d %q", binary.BigEndian.Uint16(payload), payload[2:])
	}
	return 0, heard{}, fmt.Errorf("a frame of kind %d, where text was said: %x", op, clip(b))
}

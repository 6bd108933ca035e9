package crowd

import (
	"bytes"
	"fmt"
	"strings"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
)

// EchoTarget makes WebSockets whose operations are messages that must come back, to the byte and in order. The path, which may have {key} in
// it, is that of each connection, whose key is its number modulo keys. The length of a message is that of an operation's value, but at least 24
// bytes.
func EchoTarget(addr links.Address, host string, path drive.Template, keys uint64) *links.Target {
	return &links.Target{Address: addr, Codec: func(w *drive.Worker, conn int) links.Codec {
		key := &drive.Op{Key: uint64(conn) % max(keys, 1), Number: uint64(conn)}
		return &echoCodec{frames: frames{random: w.Random}, host: host, path: string(path.Append(nil, key)), conn: conn}
	}}
}

// ValidatePath reports what is wrong with the path of a WebSocket.
func ValidatePath(path string) error {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\r\n") {
		return fmt.Errorf("crowd: the path %q: want one that begins with / and has no blanks", path)
	}
	return nil
}

// echoCodec is one WebSocket.
type echoCodec struct {
	frames
	host, path string
	conn       int
	words      []byte
}

func (c *echoCodec) Hello(dst []byte) []byte { return c.hello(dst, c.host, c.path) }

func (c *echoCodec) Welcome(b []byte) (int, error) { return c.welcome(b) }

// message is that of an operation. No two operations have the same.
func (c *echoCodec) message(op *drive.Op) []byte {
	c.words = appendMessage(c.words[:0], min(max(len(op.Value), minSize), maxSize), 'e', c.conn, int(op.Number))
	return c.words
}

func (c *echoCodec) Append(dst []byte, op *drive.Op) []byte {
	return c.say(dst, c.path, c.message(op))
}

func (c *echoCodec) Read(b []byte, op *drive.Op) (links.Heard, error) {
	n, h, err := c.hear(b, c.path)
	if err != nil || n == 0 {
		return links.Heard{}, err
	}
	if !h.message {
		return links.Heard{Length: n, Aside: true, Reply: h.answer}, nil
	}
	heard := links.Heard{Length: n}
	if op != nil {
		if want := c.message(op); !bytes.Equal(h.payload, want) {
			heard.Failure = &drive.Failure{Kind: drive.FailedAnswer, Text: fmt.Sprintf("heard %q, want %q", clip(h.payload), clip(want))}
		}
	}
	return heard, nil
}

package links

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"everloop/bench/drive"
)

// greeted is a codec of lines, where the server says hi.
type greeted struct{}

func (greeted) Hello(dst []byte) []byte { return append(dst, "hello\n"...) }

func (greeted) Welcome(in []byte) (used int, err error) { return bytes.IndexByte(in, '\n') + 1, nil }

func (greeted) Append(dst []byte, _ *drive.Op) []byte { return append(dst, "ask\n"...) }

func (greeted) Read(in []byte, _ *drive.Op) (Heard, error) {
	return Heard{Length: bytes.IndexByte(in, '\n') + 1}, nil
}

// TestSpeaksFirst: a server that says more than hi before it is asked anything, as a chat room does, is refused in words.
func TestSpeaksFirst(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	go func() {
		c, err := lis.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "hi\nwelcome to the room\n")
		_, _ = io.Copy(io.Discard, c)
	}()
	a, err := Resolve(t.Context(), lis.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = drive.Run(t.Context(), &Target{Address: a, Codec: func(*drive.Worker, int) Codec { return greeted{} }}, drive.Plan{Conns: 1, Count: 1})
	if err == nil || !strings.Contains(err.Error(), `the server speaks before it is asked: "welcome to the room\n"`) {
		t.Error(err)
	}
}

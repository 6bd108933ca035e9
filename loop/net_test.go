package loop

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

type echo struct{}

func (echo) Open(Conn)          {}
func (echo) Drained(Conn)       {}
func (echo) Closed(Conn, error) {}
func (echo) Data(c Conn) {
	b := c.Inbound()
	_ = c.Write(b)
	c.Discard(len(b))
}

func TestEcho(t *testing.T) {
	n, err := New(Options{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	l, err := n.Listen("127.0.0.1:0", echo{}, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 5)
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
				t.Fatal(err, string(b))
			}
		}
		c.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	fired := make(chan int64, 1)
	n.Loop(1).Post(Func(func() {
		lp := n.Loop(1)
		d := lp.Now() + 20
		lp.At(d, Func(func() { fired <- lp.Now() - d }))
	}))
	if early := <-fired; early < 0 {
		t.Fatal(early)
	}
	if err := n.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

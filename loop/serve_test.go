package loop

import (
	"context"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// echoes answers with what it gets, and counts in which polls it got it.
type echoes struct{ inside, outside atomic.Int64 }

func (*echoes) Open(Conn)          {}
func (*echoes) Drained(Conn)       {}
func (*echoes) Closed(Conn, error) {}
func (e *echoes) Data(c Conn) {
	if c.(*Stream).transport.(*socket).loop.inside {
		e.inside.Add(1)
	} else {
		e.outside.Add(1)
	}
	b := c.Inbound()
	_ = c.Write(b)
	c.Discard(len(b))
}

// A loop polls by itself and leaves that only for gnet to take up connections: with one that has been there for a while, everything that it
// sends is read in serve, also after others have come and gone, by an end of their bytes or by a reset.
func TestServeIsWhereALoopLives(t *testing.T) {
	n, err := New(Options{Loops: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close(context.Background())
	e := &echoes{}
	lis, err := n.Listen("127.0.0.1:0", e, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dial := func() *net.TCPConn {
		c, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c.(*net.TCPConn)
	}
	say := func(c net.Conn) {
		b := []byte("hello")
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
	}
	first := dial()
	defer first.Close()
	say(first)
	for i := range 50 {
		c := dial()
		say(c)
		if i%2 == 1 { // so the last one, too, behind which no connection comes
			_ = c.SetLinger(0) // closing is a reset
		}
		c.Close()
	}
	for lis.Conns() > 1 {
		runtime.Gosched()
	}
	for n.loops[0].busy() {
		runtime.Gosched()
	}
	e.inside.Store(0)
	e.outside.Store(0)
	for range 100 {
		say(first)
	}
	if in, out := e.inside.Load(), e.outside.Load(); out > 0 || in < 100 {
		t.Fatalf("%d reads in serve and %d in gnet's polls", in, out)
	}
}

// busy reports, from outside, whether the loop polls for gnet.
func (l *netLoop) busy() bool {
	leaving := make(chan bool)
	l.core.Post(Func(func() { leaving <- l.leaving > 0 || !l.inside }))
	return <-leaving
}

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/loop/looptest"
	"everloop/proto"
	"everloop/wal"
	"everloop/wal/waltest"
)

// world serves the protocol on loops that the test steps, with a log in memory.
type world struct {
	*looptest.Pool
	log  *waltest.MemLog
	peer *looptest.Peer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldOn(t, waltest.MemOptions{Auto: true})
}

func worldOn(t *testing.T, o waltest.MemOptions) *world {
	t.Helper()
	w := &world{Pool: looptest.New(2, 1)}
	eng, err := engine.Open(engine.Options{
		Pool: w.Pool, Logger: slog.New(slog.DiscardHandler),
		OpenLog: func(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
			o.Buffers, o.OnDurable = loops, durable
			w.log = waltest.NewMemLog(o)
			return w.log, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Register("Journal", engine.DirectOf(handle)); err != nil {
		t.Fatal(err)
	}
	h, err := proto.NewHandler(eng, protocol{}, proto.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	w.peer = w.Dial(h, h.ListenOptions())
	return w
}

// ask sends bytes, lets the loops do what there is to do, and returns what has come.
func (w *world) ask(in string) string {
	w.peer.Write([]byte(in))
	w.Run()
	return string(w.peer.Read())
}

// TestPieces: however a client's requests are cut, they are answered the same, and in order.
func TestPieces(t *testing.T) {
	const in = "ADD a one\nADD b first\r\nADD a two words\nWHAT\nPAGE a\nADD\nPAGE none\nADD a\nQUIT\nADD a late\n"
	const want = "+1\n+1\n+2\n-unknown command\n*2\none\ntwo words\n-a name has 1 to 100 bytes\n*0\n+3\n+bye\n"
	for cut := range len(in) {
		w := newWorld(t)
		got := w.ask(in[:cut]) + w.ask(in[cut:])
		if got != want || !w.peer.EOF() {
			t.Fatalf("cut at %d: %q, closed: %v; want %q", cut, got, w.peer.EOF(), want)
		}
	}
}

// TestLongLine: what has no end is refused once it is too long, and not kept.
func TestLongLine(t *testing.T) {
	long := "ADD a " + strings.Repeat("x", maxLine-len("ADD a "))
	if got := newWorld(t).ask(long + "\n"); got != "+1\n" {
		t.Errorf("of %d bytes: %q", len(long), got)
	}
	for _, in := range []string{long + "x", long + "x\n"} {
		w := newWorld(t)
		if got := w.ask(in); got != "-a line has at most 1024 bytes\n" || !w.peer.EOF() {
			t.Errorf("of %d bytes: %q, closed: %v", len(in), got, w.peer.EOF())
		}
	}
}

// TestSlowReader: a page that is longer than what a connection takes at once goes out as the client reads, and what is asked after it
// comes after it.
func TestSlowReader(t *testing.T) {
	w := newWorld(t)
	text := strings.Repeat("x", 1000)
	for range maxLines {
		w.ask("ADD a " + text + "\n")
	}
	if got := w.ask("ADD a more\n"); got != "-refused: \"the journal is full\"\n" {
		t.Fatalf("%q", got)
	}
	const room = 10_000
	w.peer.StopReading(room)
	got := w.ask("PAGE a\nADD b x\n")
	if len(got) > room {
		t.Fatalf("%d bytes came, where there is room for %d", len(got), room)
	}
	if waits := w.peer.Conn().Outbound(); waits > 2*proto.DefaultHighWater {
		t.Errorf("%d bytes wait in the connection", waits)
	}
	w.peer.StartReading()
	w.Run()
	got += string(w.peer.Read())
	if want := "*1000\n" + strings.Repeat(text+"\n", maxLines) + "+1\n"; got != want {
		t.Errorf("%d bytes; want %d", len(got), len(want))
	}
}

// TestLog: what is not durable is not answered, and a log that fails says so to clients.
func TestLog(t *testing.T) {
	w := newWorld(t)
	w.log.FailSync(io.ErrUnexpectedEOF)
	if got := w.ask("ADD a x\nADD a y\n"); got != strings.Repeat("-nothing can be written now\n", 2) {
		t.Errorf("%q", got)
	}
	w = newWorld(t)
	w.log.SetNoSpace(true)
	if got := w.ask("ADD a x\n"); got != "-nothing can be written now\n" {
		t.Errorf("without space: %q", got)
	}
	w.log.SetNoSpace(false)
	if got := w.ask("ADD a x\n"); got != "+1\n" {
		t.Errorf("with space again: %q", got)
	}
}

// TestIdle: a client that asks now and then stays, and one that does not has to leave.
func TestIdle(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.Advance(maxIdle - time.Millisecond)
		if got := w.ask("PAGE a\n"); got != "*0\n" {
			t.Fatalf("%q", got)
		}
	}
	w.Advance(maxIdle)
	w.Run()
	if got := string(w.peer.Read()); got != "-idle for too long\n" || !w.peer.EOF() {
		t.Errorf("%q, closed: %v", got, w.peer.EOF())
	}
}

// TestDrain: what has been asked is answered before the last word, and a client that has said goodbye gets no second one.
func TestDrain(t *testing.T) {
	for in, want := range map[string]string{
		"ADD a x\nADD b y\n": "+1\n+1\n-the server ends\n",
		"ADD b x\nQUIT\n":    "+1\n+bye\n",
	} {
		w := worldOn(t, waltest.MemOptions{}) // which commits when it is told to
		if early := w.ask(in); early != "" {
			t.Errorf("%q was answered before it was durable: %q", in, early)
		}
		w.OnRound(func(loop.Loop) { w.log.Commit() })
		if aborted := w.Close(time.Second); aborted != 0 {
			t.Errorf("%d connections were aborted", aborted)
		}
		if got := string(w.peer.Read()); got != want {
			t.Errorf("%q: %q; want %q", in, got, want)
		}
	}
}

// TestRun has the whole program serve, end, and serve again.
func TestRun(t *testing.T) {
	o := settings{listen: "unix:" + filepath.Join(t.TempDir(), "s"), data: t.TempDir(), admin: "127.0.0.1:0"}
	for round := 1; round <= 2; round++ {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, o) }()
		conn := dial(t, o.listen, ended)
		fmt.Fprintf(conn, "ADD a line\nADD a of round %d\n", round)
		in := bufio.NewReader(conn)
		for i := 2*round - 1; i <= 2*round; i++ {
			if got, err := in.ReadString('\n'); got != fmt.Sprintf("+%d\n", i) {
				t.Errorf("%q, %v; want %d", got, err, i)
			}
		}
		cancel()
		if rest, err := io.ReadAll(in); string(rest) != "-the server ends\n" {
			t.Errorf("at the end: %q, %v", rest, err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// dial connects as soon as the program listens.
func dial(t *testing.T, address string, ended chan error) net.Conn {
	t.Helper()
	for {
		conn, err := net.Dial("unix", strings.TrimPrefix(address, "unix:"))
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
		select {
		case err := <-ended:
			t.Fatal("the program ended: ", err)
		case <-time.After(time.Millisecond): // between two attempts
		}
	}
}

// The optional interfaces that a session has: a misspelled method would be none, without a word.
var (
	_ proto.Drainer = (*session)(nil)
	_ proto.Expirer = (*session)(nil)
)

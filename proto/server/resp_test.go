package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/value"
	"everloop/loop/looptest"
	"everloop/proto"
)

// member is an object that counts, and a room that says to all what one says.
type member struct{ s *engine.State }

func (m *member) Incr() (int, error) {
	var n int
	if _, err := m.s.Storage().Get("n", &n); err != nil {
		return 0, err
	}
	return n + 1, m.s.Storage().Put("n", n+1)
}

func (m *member) Fetch(_ context.Context, r *engine.Request) (*engine.Response, error) {
	if strings.HasSuffix(r.URL, "/late") { // its answer waits for the log
		if err := m.s.Storage().Put("asked", true); err != nil {
			return nil, err
		}
	}
	ours, theirs := m.s.WebSocketPair()
	return &engine.Response{Status: 101, WebSocket: theirs}, m.s.AcceptWebSocket(ours)
}

func (m *member) Echo(v any) any { return v }

func (m *member) Fail() error { return &value.Error{Name: "TypeError", Message: "no such\r\nthing"} }

// Codes are those that sockets have closed with.
func (m *member) Codes() ([]int, error) {
	var codes []int
	_, err := m.s.Storage().Get("codes", &codes)
	return codes, err
}

func (m *member) WebSocketClose(_ context.Context, _ *engine.WebSocket, code int, _ string, _ bool) error {
	codes, err := m.Codes()
	if err != nil {
		return err
	}
	return m.s.Storage().Put("codes", append(codes, code))
}

func (m *member) WebSocketMessage(_ context.Context, end *engine.WebSocket, msg *engine.Message) error {
	if string(msg.Data) == "close me" {
		return end.Close(4001, "as you said")
	}
	for _, ws := range m.s.WebSockets() {
		if err := ws.Send(msg); err != nil {
			return err
		}
	}
	return nil
}

type respWorld struct {
	t    *testing.T
	pool *looptest.Pool
	srv  *RESP
}

// slow is an object whose calls are answered when its method release is called.
type slow struct{ events []*engine.Event }

// New is part of engine.Class.
func (slow) New(_ *engine.State, ready func(engine.Object, error)) { ready(&slow{}, nil) }

// Deliver is part of engine.Object.
func (s *slow) Deliver(ev *engine.Event) {
	s.events = append(s.events, ev)
	if ev.Method != "release" {
		return
	}
	for _, ev := range s.events {
		ev.Return(value.AppendText(nil, []byte(ev.Method)))
	}
	s.events = nil
}

// Evict is part of engine.Object.
func (*slow) Evict() {}

func newRESPWorld(t *testing.T, o RESPOptions) *respWorld {
	t.Helper()
	w := &respWorld{t: t, pool: looptest.New(1, 1)}
	e, err := engine.Open(engine.Options{Pool: w.pool, OpenLog: memLog, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Register("Room", engine.ClassOf(func(s *engine.State) (*member, error) { return &member{s}, nil })); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Register("Slow", slow{}); err != nil {
		t.Fatal(err)
	}
	o.Logger = discard
	if w.srv, err = NewRESP(e, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range w.pool.Panics {
			t.Errorf("panic on a loop: %v", v)
		}
	})
	return w
}

func (w *respWorld) dial() *looptest.Peer {
	return w.pool.Dial(w.srv.Handler(), w.srv.Handler().ListenOptions())
}

// ask sends lines, and returns what has come back, with | for the ends of lines.
func (w *respWorld) ask(p *looptest.Peer, lines ...string) string {
	p.Write([]byte(strings.Join(lines, "\r\n") + "\r\n"))
	w.pool.Run()
	return strings.ReplaceAll(string(p.Read()), "\r\n", "|")
}

func TestRESPPipeline(t *testing.T) {
	w := newRESPWorld(t, RESPOptions{})
	w.pool.Fragment = true
	p := w.dial()
	const n = 10_000
	var in, want strings.Builder
	for i := range n {
		in.WriteString("*4\r\n$4\r\nCALL\r\n$4\r\nRoom\r\n$1\r\na\r\n$4\r\nincr\r\n")
		fmt.Fprintf(&want, "$%d\r\n%d\r\n", len(fmt.Sprint(i+1)), i+1)
	}
	p.Write([]byte(in.String()))
	w.pool.Run()
	if got := string(p.Read()); got != want.String() {
		t.Errorf("the answers have %d bytes and are not 1 to %d", len(got), n)
	}
	if m := w.srv.Metrics(); m.Calls != n || m.InFlight != 0 || w.srv.loops[0].argBytes != 0 || w.srv.loops[0].inFlight != 0 {
		t.Errorf("%+v, %d bytes kept", m, w.srv.loops[0].argBytes)
	}
}

// A long command is kept beside the connection's buffer, with what comes behind it: that is read as there is room for its answers, also when the
// client has finished sending, and nothing more comes that would have it looked at.
func TestRESPLongCommand(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	echo := fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len(long), long)
	const behind = 50
	calls, answers := strings.Repeat("CALL Room a incr\r\n", behind), strings.Builder{}
	fmt.Fprintf(&answers, "$%d\r\n%s\r\n", len(long), long)
	for i := range behind {
		fmt.Fprintf(&answers, "$%d\r\n%d\r\n", len(fmt.Sprint(i+1)), i+1)
	}
	for _, fragment := range []bool{false, true} {
		for _, half := range []bool{false, true} {
			t.Run(fmt.Sprint("fragment ", fragment, " half ", half), func(t *testing.T) {
				w := newRESPWorld(t, RESPOptions{MaxPipeline: 2})
				w.pool.Fragment = fragment
				p := w.dial()
				p.Write([]byte(echo + calls))
				if half {
					p.CloseWrite()
				}
				w.pool.Run()
				if got := string(p.Read()); got != answers.String() {
					t.Errorf("%d bytes came back, want %d", len(got), answers.Len())
				}
				if n := w.srv.loops[0].argBytes; n != 0 || p.EOF() != half {
					t.Errorf("%d bytes are still counted, the end is there: %v", n, p.EOF())
				}
			})
		}
	}
	t.Run("an answer that takes exactly the room there is", func(t *testing.T) {
		w := newRESPWorld(t, RESPOptions{})
		p := w.dial()
		p.StopReading(0)
		fits := strings.Repeat("x", proto.DefaultHighWater-len("$262133\r\n\r\n"))
		p.Write(fmt.Appendf(nil, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n%s", len(fits), fits, calls))
		p.CloseWrite()
		w.pool.Run()
		p.StartReading()
		w.pool.Run()
		want := fmt.Sprintf("$%d\r\n%s\r\n", len(fits), fits) + answers.String()[len(echo)-len("*2\r\n$4\r\nECHO\r\n"):]
		if got := string(p.Read()); got != want || !p.EOF() {
			t.Errorf("%d bytes came back, want %d; the end is there: %v", len(got), len(want), p.EOF())
		}
	})
	t.Run("a command that waits when the client ends", func(t *testing.T) {
		w := newRESPWorld(t, RESPOptions{})
		p := w.dial()
		p.Write(fmt.Appendf(nil, "*5\r\n$4\r\nCALL\r\n$4\r\nRoom\r\n$1\r\na\r\n$4\r\nincr\r\n$%d\r\n%s\r\nPUBLISH Room:late hi\r\n%s", len(long), long, calls))
		p.CloseWrite()
		w.pool.Run()
		want := "-BADARG argument 1, offset 0: a value is wanted\r\n:1\r\n" + answers.String()[len(long)+len("$1048576\r\n\r\n"):]
		if got := string(p.Read()); got != want || !p.EOF() {
			t.Errorf("%q came back; the end is there: %v", got, p.EOF())
		}
	})
}

func TestRESPAuth(t *testing.T) {
	w := newRESPWorld(t, RESPOptions{Password: "secret"})
	p := w.dial()
	expect(t, "before", w.ask(p, "PING", "CALL Room a incr", "NOPE"), strings.Repeat("-NOAUTH Authentication required.|", 3))
	expect(t, "HELLO", strings.Split(w.ask(p, "HELLO 3"), " ")[0], "-NOAUTH")
	const wrong = "-WRONGPASS invalid username-password pair or user is disabled.|"
	for i, ms := range []int64{100, 200, 400} {
		expect(t, "at once", w.ask(p, "AUTH guess"), "")
		w.pool.Advance(time.Duration(ms-1) * time.Millisecond)
		expect(t, fmt.Sprintf("early, failure %d", i+1), string(p.Read()), "")
		w.pool.Advance(time.Millisecond)
		expect(t, fmt.Sprintf("failure %d", i+1), strings.ReplaceAll(string(p.Read()), "\r\n", "|"), wrong)
	}
	expect(t, "another user", w.ask(p, "AUTH root secret"), "")
	w.pool.Advance(time.Second)
	expect(t, "another user", strings.ReplaceAll(string(p.Read()), "\r\n", "|"), wrong)
	expect(t, "right", w.ask(p, "AUTH default secret", "CALL Room a incr"), "+OK|$1|1|")
	expect(t, "RESET", w.ask(p, "RESET", "PING"), "+RESET|-NOAUTH Authentication required.|")
	// The tenth failure closes the connection.
	for range maxAuthFailures {
		w.ask(p, "AUTH guess")
		w.pool.Advance(4 * time.Second)
	}
	if !p.EOF() {
		t.Error("ten wrong passwords, and the connection is open")
	}
}

func TestRESPRooms(t *testing.T) {
	w := newRESPWorld(t, RESPOptions{MaxRooms: 2})
	p, other := w.dial(), w.dial()
	expect(t, "join", w.ask(p, "SUBSCRIBE Room a", "CALL Room a incr"),
		"*3|$9|subscribe|$6|Room:a|:1|-ERR Can't execute 'call': only SUBSCRIBE / UNSUBSCRIBE / PUBLISH / PING / QUIT / RESET are allowed in this context|")
	expect(t, "a silent member says", w.ask(other, "PUBLISH Room:a hi"), ":1|")
	expect(t, "heard", w.ask(p, "PING"), "*3|$7|message|$6|Room:a|$2|hi|*2|$4|pong|$0||")
	expect(t, "too many", w.ask(p, "SUBSCRIBE Room:b Room:c Nope:d"),
		"*3|$9|subscribe|$6|Room:b|:2|-NOROOM this connection has 2 rooms: that is the limit|-NOCLASS there is no class 'Nope'|")
	expect(t, "closed by the object", w.ask(p, `PUBLISH Room:b "close me"`), ":1|*5|$11|unsubscribe|$6|Room:b|:1|:4001|$11|as you said|")
	expect(t, "leave", w.ask(p, "UNSUBSCRIBE", "UNSUBSCRIBE", "CALL Room a incr"), "*3|$11|unsubscribe|$6|Room:a|:0|*3|$11|unsubscribe|$-1|:0|$1|1|")
}

// A member that does not take its messages is disconnected; what waits is counted, and given back.
func TestRESPSlowMember(t *testing.T) {
	w := newRESPWorld(t, RESPOptions{MaxUnsent: 1 << 20})
	slow, p := w.dial(), w.dial()
	w.ask(slow, "SUBSCRIBE Room:a")
	slow.StopReading(0)
	message := strings.Repeat("m", 100_000)
	for range 20 {
		expect(t, "said", w.ask(p, fmt.Sprintf("*3\r\n$7\r\nPUBLISH\r\n$6\r\nRoom:a\r\n$%d\r\n%s", len(message), message)), ":1|")
	}
	if m := w.srv.Metrics(); m.Conns != 1 || m.RoomsSlow != 1 || m.Rooms != 1 || w.srv.loops[0].roomBytes != 0 {
		t.Errorf("%+v, %d bytes wait", m, w.srv.loops[0].roomBytes)
	}
}

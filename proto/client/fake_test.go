package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine/value"
	"everloop/proto/resp"
)

// fake is a server of docs/format/resp.md for tests, as far as the client uses it, with faults. Its connections are pipes, so that
// a test's bubble of time sees who waits for what. Its one class is Counter, whose objects have the methods of fake.call.
type fake struct {
	t        testing.TB
	password string

	mu       sync.Mutex
	counters map[string]int64 // what was added, by object
	ran      map[string]int   // how often a method was run
	dials    []time.Time
	refuse   int // of the next connections, how many fail
	hold     chan struct{}
	cutOut   int // the next connection ends when so many bytes were sent; -1: never
	cutIn    int // or were read
	conns    map[net.Conn]struct{}
	reads    int // pieces that came, over all connections
	wg       sync.WaitGroup
}

func newFake(t testing.TB) *fake {
	return &fake{
		t: t, counters: map[string]int64{}, ran: map[string]int{}, conns: map[net.Conn]struct{}{}, cutOut: -1, cutIn: -1,
	}
}

// client makes a client of f, and closes it and f at the end of the test.
func (f *fake) client(o Options) *Client {
	f.t.Helper()
	o.Address, o.Dial = "fake:1", f.dial
	if o.Conns == 0 {
		o.Conns = 1
	}
	c, err := New(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := c.Close(canceled()); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) {
			f.t.Error(err)
		}
		f.close()
	})
	return c
}

// close ends f's connections and waits for their goroutines.
func (f *fake) close() {
	f.mu.Lock()
	for nc := range f.conns {
		nc.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (f *fake) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials = append(f.dials, time.Now())
	if f.refuse > 0 {
		f.refuse--
		return nil, errors.New("refused")
	}
	ours, theirs := net.Pipe()
	f.conns[ours] = struct{}{}
	s := &fakeConn{f: f, nc: ours, cutOut: f.cutOut, cutIn: f.cutIn, authed: f.password == ""}
	f.cutOut, f.cutIn = -1, -1
	f.wg.Go(s.run)
	return theirs, nil
}

// cut ends all connections.
func (f *fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for nc := range f.conns {
		nc.Close()
	}
}

func (f *fake) times(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ran[method]
}

func (f *fake) counter(name string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counters[name]
}

// fakeConn is one connection of a fake.
type fakeConn struct {
	f             *fake
	nc            net.Conn
	cutOut, cutIn int
	authed        bool
	value         bool // CLIENT ENCODING VALUE
	out           []byte
	quit          bool
}

// run answers until the connection ends. A pipe takes nothing in that nobody reads, so what is sent goes through a goroutine.
func (s *fakeConn) run() {
	sending := make(chan []byte, 1<<16)
	var wg sync.WaitGroup
	wg.Go(func() {
		for b := range sending {
			if s.cutOut >= 0 && len(b) >= s.cutOut {
				b = b[:s.cutOut]
				_, _ = s.nc.Write(b)
				s.nc.Close()
				continue
			}
			s.cutOut -= len(b)
			_, _ = s.nc.Write(b)
		}
	})
	defer func() {
		close(sending)
		wg.Wait()
		s.nc.Close()
		s.f.mu.Lock()
		delete(s.f.conns, s.nc)
		s.f.mu.Unlock()
	}()
	var (
		r      resp.CommandReader
		limits resp.Limits
		in     []byte
		buf    = make([]byte, 64<<10)
	)
	limits.EnsureDefaults()
	for !s.quit {
		args, n, err := r.Read(in, nil, &limits)
		if err != nil {
			s.f.t.Errorf("the client sent %q: %v", in, err)
			return
		}
		if n > 0 {
			s.command(args)
			in = in[n:]
			if len(s.out) > 0 {
				sending <- s.out
				s.out = nil
			}
			continue
		}
		k, err := s.nc.Read(buf)
		s.f.mu.Lock()
		s.f.reads++
		s.f.mu.Unlock()
		if s.cutIn >= 0 && k >= s.cutIn {
			return
		}
		if s.cutIn -= k; err != nil {
			return
		}
		in = append(in, buf[:k]...)
	}
}

func (s *fakeConn) command(args [][]byte) {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a)
	}
	verb := strings.ToUpper(words[0])
	switch {
	case verb == "HELLO":
		if i := slices.Index(words, "AUTH"); i > 0 {
			if words[i+2] != s.f.password {
				s.fail("WRONGPASS invalid username-password pair")
				return
			}
			s.authed = true
		}
		if !s.authed {
			s.fail("NOAUTH HELLO must be called with the client already authenticated")
			return
		}
		s.out = resp.AppendMap(s.out, resp.V3, 1)
		s.out = resp.AppendBulkString(s.out, "server")
		s.out = resp.AppendBulkString(s.out, "everloop")
	case !s.authed:
		s.fail("NOAUTH Authentication required.")
	case verb == "CLIENT":
		s.value = words[1] == "ENCODING" && words[2] == "VALUE"
		s.out = resp.AppendSimple(s.out, "OK")
	case verb == "PING":
		s.out = resp.AppendSimple(s.out, "PONG")
	case verb == "ECHO":
		s.out = resp.AppendBulk(s.out, args[1])
	case verb == "OBJECTS":
		s.objects(words)
	case verb == "SUBSCRIBE", verb == "UNSUBSCRIBE", verb == "PUBLISH":
		s.room(verb, words)
	case words[1] != "Counter":
		s.fail("NOCLASS there is no class " + words[1])
	case verb == "CALL" || verb == "CALLID":
		var list []any
		if len(args) == 5 {
			if err := value.Unmarshal(args[4], &list); err != nil {
				s.fail("BADARG " + err.Error())
				return
			}
		}
		if len(args) > 5 || !s.value {
			s.fail("ERR not an encoded call")
			return
		}
		if v, ok := s.call(words[2], words[3], list); ok {
			b, err := value.Marshal(v)
			if err != nil {
				s.f.t.Error(err)
			}
			s.out = resp.AppendBulk(s.out, b)
		}
	case verb == "CALLB":
		list := make([]any, 0, len(args))
		for _, a := range args[4:] {
			list = append(list, slices.Clone(a))
		}
		v, ok := s.call(words[2], words[3], list)
		switch v := v.(type) {
		case int64:
			s.out = resp.AppendInt(s.out, v)
		case []byte:
			s.out = resp.AppendBulk(s.out, v)
		case []any:
			s.out = resp.AppendArray(s.out, 0)
		case nil:
			if ok {
				s.out = resp.AppendNull(s.out, resp.V3)
			}
		}
	default:
		s.fail("ERR unknown command '" + words[0] + "'")
	}
}

func (s *fakeConn) fail(text string) { s.out = resp.AppendError(s.out, text) }

// call runs a method. ok is false if there is no result to be answered.
func (s *fakeConn) call(object, method string, args []any) (result any, ok bool) {
	f := s.f
	f.mu.Lock()
	f.ran[method]++
	times, hold := f.ran[method], f.hold
	f.mu.Unlock()
	switch method {
	case "add": // counts up, and returns the new count
		n, ok := args[0].(int64)
		if b, bytes := args[0].([]byte); bytes {
			n, _ = strconv.ParseInt(string(b), 10, 64)
		} else if !ok {
			s.fail("THROWN TypeError: not a number: a string")
			return nil, false
		}
		f.mu.Lock()
		f.counters[object] += n
		n = f.counters[object]
		f.mu.Unlock()
		return n, true
	case "echo": // returns its argument
		return args[0], true
	case "list": // returns its arguments
		return args, true
	case "nothing":
		return nil, true
	case "wait": // lasts until the test goes on
		if hold != nil {
			<-hold
		}
		return "waited", true
	case "push": // something that nobody asked for comes before the answer
		s.out = append(s.out, ">2\r\n$7\r\nweather\r\n$4\r\nfine\r\n"...)
		return "pushed", true
	case "passing": // fails twice, without an effect
		if times <= 2 {
			s.fail("RETRY Error: the object is being moved")
			return nil, false
		}
		return int64(times), true
	case "never": // fails for good, in passing
		s.fail("RETRY Error: the object is being moved")
		return nil, false
	case "drop": // the connection is lost instead of an answer, the first time
		if times == 1 {
			s.quit = true
			return nil, false
		}
		return int64(times), true
	case "drops": // the same, always
		s.quit = true
		return nil, false
	case "stranger": // an answer to no call, behind the answer
		s.out = append(s.out, "+ok\r\n-ERR go away\r\n"...)
		return nil, false
	case "garbage":
		s.out = append(s.out, "?\r\n"...)
		return nil, false
	case "fail": // with what the argument says
		s.fail(args[0].(string))
		return nil, false
	}
	s.fail("NOMETHOD Counter has no method " + method)
	return nil, false
}

// objects lists object-0 to object-24, and one without a name.
func (s *fakeConn) objects(words []string) {
	count, match := 10, ""
	if words[1] != "Counter" {
		s.fail("NOCLASS there is no class " + words[1])
		return
	}
	for i := 3; i+1 < len(words); i += 2 {
		if words[i] == "COUNT" {
			count, _ = strconv.Atoi(words[i+1])
		} else {
			match = words[i+1]
		}
	}
	from, _ := strconv.Atoi(words[2])
	const all = 26
	to := min(from+count, all)
	var items [][2]string
	for i := from; i < to; i++ {
		name := fmt.Sprintf("object-%d", i)
		if i == all-1 {
			name = ""
		}
		if ok, _ := path.Match(match, name); match == "" || ok {
			items = append(items, [2]string{fmt.Sprintf("%064x", i), name})
		}
	}
	next := strconv.Itoa(to)
	if to == all {
		next = "0"
	}
	s.out = resp.AppendArray(s.out, 2)
	s.out = resp.AppendBulkString(s.out, next)
	s.out = resp.AppendArray(s.out, len(items))
	for _, it := range items {
		s.out = resp.AppendArray(s.out, 2)
		s.out = resp.AppendBulkString(s.out, it[0])
		if it[1] == "" {
			s.out = resp.AppendNull(s.out, resp.V3)
		} else {
			s.out = resp.AppendBulkString(s.out, it[1])
		}
	}
}

// room is a room that says everything to the one who said it: "close" closes it, "lose" loses it, "refuse" is refused.
func (s *fakeConn) room(verb string, words []string) {
	if words[1] != "Chat" {
		s.fail("NOROOM the object answered 404")
		return
	}
	name := words[1] + ":" + words[2]
	push := func(parts ...string) {
		s.out = resp.AppendPush(s.out, resp.V3, len(parts))
		for _, p := range parts {
			if n, err := strconv.Atoi(p); err == nil {
				s.out = resp.AppendInt(s.out, int64(n))
			} else {
				s.out = resp.AppendBulkString(s.out, p)
			}
		}
	}
	switch {
	case verb == "SUBSCRIBE":
		push("subscribe", name, "1")
	case verb == "UNSUBSCRIBE":
		s.f.mu.Lock()
		s.f.ran["unsubscribe"]++
		s.f.mu.Unlock()
		push("unsubscribe", name, "0")
	case words[3] == "close":
		push("unsubscribe", name, "0", "4001", "as you say")
	case words[3] == "lose":
		push("unsubscribe", name, "0", "1006", "")
	case words[3] == "refuse":
		s.fail("OVERLOADED too much is said")
	default:
		s.out = resp.AppendInt(s.out, 1)
		push("message", name, words[3])
	}
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop"
)

// wire is a RoundTripper that answers when the test says so. Safe for concurrent use.
type wire struct {
	mu   sync.Mutex
	sent []*exchange
}

// exchange is one request on the wire.
type exchange struct {
	req      *http.Request
	answer   chan *http.Response
	canceled chan struct{}
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &exchange{req: req, answer: make(chan *http.Response, 1), canceled: make(chan struct{})}
	w.mu.Lock()
	w.sent = append(w.sent, x)
	w.mu.Unlock()
	select {
	case r := <-x.answer:
		return r, nil
	case <-req.Context().Done():
		close(x.canceled)
		return nil, req.Context().Err()
	}
}

func (w *wire) all() []*exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*exchange(nil), w.sent...)
}

// respond answers an exchange.
func (x *exchange) respond(status int, body io.ReadCloser) {
	x.answer <- &http.Response{StatusCode: status, Status: fmt.Sprint(status, " Fine"), Header: http.Header{"X-A": {"b"}}, Body: body, ContentLength: -1}
}

// within steps the engine until ok, which goroutines off the loops bring about.
func (s *stepped) within(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(end) {
			s.t.Fatalf("%s: not within half a minute", what)
		}
		s.pool.Run()
		runtime.Gosched()
	}
}

// fetcher is an object that sends requests out.
type fetcher struct {
	st   *engine.State
	got  string
	errs []error
}

func (c *fetcher) Write(n int) error { return c.st.Storage().Put("n", n) }
func (c *fetcher) Got() string       { return c.got }

// Send sends a request and reads the answer's body.
func (c *fetcher) Send(ctx context.Context, url string) (string, error) {
	r, err := c.st.Fetch(ctx, &engine.Request{Method: "POST", URL: url, Header: engine.Header{{Name: "x-in", Value: "1"}}, Body: engine.Text("hello")})
	if err != nil {
		c.errs = append(c.errs, err)
		return "", err
	}
	b, err := c.st.ReadBody(ctx, r.Body, 1<<20)
	if err != nil {
		return "", err
	}
	c.got = fmt.Sprint(r.Status, " ", r.StatusText, " ", r.Header.Get("x-a"), " ", string(b))
	return c.got, nil
}

// WriteAndSend tells the world of a write that is not durable.
func (c *fetcher) WriteAndSend(ctx context.Context, url string) (string, error) {
	if err := c.Write(1); err != nil {
		return "", err
	}
	return c.Send(ctx, url)
}

// Heard sends after it has heard of a write of another object.
func (c *fetcher) Heard(ctx context.Context, other string) (string, error) {
	if err := c.st.Namespace("Caller").GetByName(other).Call(ctx, "Write", nil, 1); err != nil {
		return "", err
	}
	return c.Send(ctx, "http://peer/heard")
}

// Blocked sends inside a critical section, which the answer belongs to.
func (c *fetcher) Blocked(ctx context.Context, url string) (got string, err error) {
	err = c.st.BlockConcurrencyWhile(func() error {
		got, err = c.Send(ctx, url)
		return err
	})
	return got, err
}

func (c *fetcher) Reset() { c.st.Abort(errors.New("reset on purpose")) }
func (c *fetcher) Many(n int) (_ int, err error) {
	told := 0
	for range n {
		c.st.StartFetch(&engine.Request{Method: "GET", URL: "http://peer/many"}, engine.ReplyFunc(func(r engine.Reply) {
			if told++; r.Err != nil && err == nil {
				err = r.Err
			}
			c.got = fmt.Sprint(told, " ", err)
		}))
	}
	return n, nil
}

func newFetcher(st *engine.State) (*fetcher, error) { return &fetcher{st: st}, nil }

func stepWire(t *testing.T, loops int, seed uint64) (*stepped, *wire, *engine.Namespace) {
	t.Helper()
	w := new(wire)
	s := step(t, loops, seed, func(o *engine.Options) { o.Transport = w })
	return s, w, register(t, s.Engine, "Caller", engine.ClassOf(newFetcher))
}

// TestNothingLeavesBeforeItsCauseIsDurable: the request of an object is held until what the object has written, or heard
// of, is on disk.
func TestNothingLeavesBeforeItsCauseIsDurable(t *testing.T) {
	for _, method := range []string{"WriteAndSend", "Heard"} {
		for loops := 1; loops <= 3; loops++ {
			s, w, ns := stepWire(t, loops, uint64(loops))
			a := s.start(ns.GetByName("a"), method, "http://peer/x")
			s.pool.Run()
			if n := s.Sent(); n != 0 || s.Outgoing() != 1 {
				t.Fatalf("%s, %d loops: %d of %d requests left before the commit", method, loops, n, s.Outgoing())
			}
			s.log.Commit()
			s.within("the request leaves", func() bool { return len(w.all()) == 1 })
			x := w.all()[0]
			if b, _ := io.ReadAll(x.req.Body); string(b) != "hello" || x.req.Header.Get("X-In") != "1" {
				t.Errorf("%s: it carries %q, %v", method, b, x.req.Header)
			}
			x.respond(201, io.NopCloser(strings.NewReader("world")))
			s.within("the answer comes", func() bool { return a.done })
			if got := decode[string](t, a); got != "201 Fine b world" {
				t.Errorf("%s: %q", method, got)
			}
		}
	}
}

// TestFailedLogKeepsRequestsIn: what can never be durable is never told.
func TestFailedLogKeepsRequestsIn(t *testing.T) {
	s, w, ns := stepWire(t, 1, 1)
	a := s.start(ns.GetByName("a"), "WriteAndSend", "http://peer/x")
	s.pool.Run()
	s.log.FailWrite(errors.New("the disk is gone"))
	s.log.Commit()
	s.pool.Run()
	if len(w.all()) != 0 || !a.done || !errors.Is(a.got.Err, engine.ErrUnavailable) {
		t.Errorf("%d requests left; %v", len(w.all()), a.got.Err)
	}
}

// TestAnswerComesThroughTheInputGate: the answer of an earlier request waits while a critical section runs, and that of
// the section's own does not.
func TestAnswerComesThroughTheInputGate(t *testing.T) {
	s, w, ns := stepWire(t, 1, 1)
	outer := s.start(ns.GetByName("a"), "Send", "http://peer/outer")
	s.within("the first leaves", func() bool { return len(w.all()) == 1 })
	inner := s.start(ns.GetByName("a"), "Blocked", "http://peer/inner")
	s.within("the second leaves", func() bool { return len(w.all()) == 2 })
	w.all()[0].respond(200, io.NopCloser(strings.NewReader("outer")))
	// It has been posted when the loop has something to do; then it has waited at the gate, and still does.
	s.within("the answer is there", func() bool { return !s.pool.Idle() })
	s.settle()
	if outer.done {
		t.Error("an answer from outside has entered a critical section")
	}
	w.all()[1].respond(200, io.NopCloser(strings.NewReader("inner")))
	s.within("both", func() bool { return outer.done && inner.done })
	if a, b := decode[string](t, outer), decode[string](t, inner); a != "200 Fine b outer" || b != "200 Fine b inner" {
		t.Errorf("%q, %q", a, b)
	}
}

// TestResetCancelsRequests: those that wait at the gate, those that are sent, and bodies under way.
func TestResetCancelsRequests(t *testing.T) {
	s, w, ns := stepWire(t, 2, 1)
	stub := ns.GetByName("a")
	body, writer := io.Pipe()
	s.start(stub, "Send", "http://peer/body")
	s.within("it leaves", func() bool { return len(w.all()) == 1 })
	w.all()[0].respond(200, body)
	sent := s.start(stub, "Send", "http://peer/sent")
	s.within("it leaves", func() bool { return len(w.all()) == 2 })
	gated := s.start(stub, "WriteAndSend", "http://peer/gated")
	s.pool.Run()
	s.start(stub, "Reset")
	s.settle()
	for _, a := range []*answer{sent, gated} {
		if !a.done || a.got.Err == nil || !strings.Contains(a.got.Err.Error(), "reset on purpose") {
			t.Errorf("who waited is told %v, %v", a.done, a.got.Err)
		}
	}
	<-w.all()[1].canceled
	if _, err := writer.Write([]byte("x")); err == nil {
		_, err = writer.Write([]byte("x")) // the first may have been on its way
		if err == nil {
			t.Error("the body of a reset object is still read")
		}
	}
	if n := len(w.all()); n != 2 {
		t.Errorf("%d requests left: what waited at the gate must not", n)
	}
	if n := s.Outgoing(); n != 0 {
		t.Errorf("%d requests are still under way", n)
	}
}

// TestConnectionsAreBounded: six wait for their answers, the others go in order.
func TestConnectionsAreBounded(t *testing.T) {
	s, w, ns := stepWire(t, 1, 1)
	s.start(ns.GetByName("a"), "Many", 20)
	for n := engine.MaxConnecting; n <= 20; n++ {
		s.within("they leave", func() bool { return len(w.all()) == n })
		s.settle()
		if len(w.all()) != n {
			t.Fatalf("%d requests at once", len(w.all())-n+engine.MaxConnecting)
		}
		w.all()[n-engine.MaxConnecting].respond(204, http.NoBody)
	}
	for i := 20 - engine.MaxConnecting + 1; i < 20; i++ {
		w.all()[i].respond(204, http.NoBody)
	}
	s.within("all are answered", func() bool { return decode[string](t, s.finishCall(ns.GetByName("a"), "Got")) == "20 <nil>" })
	if n := s.Outgoing(); n != 0 {
		t.Errorf("%d requests are still under way", n)
	}
}

// TestSubrequestsAreBounded: an event makes 1000, and the next one again.
func TestSubrequestsAreBounded(t *testing.T) {
	s, _, ns := stepWire(t, 1, 1)
	s.start(ns.GetByName("a"), "Many", engine.MaxSubrequests+1)
	s.settle()
	if got := decode[string](t, s.finishCall(ns.GetByName("a"), "Got")); got != "1 Too many subrequests." {
		t.Errorf("told %q", got)
	}
	s.start(ns.GetByName("a"), "Many", 1)
	s.settle()
	if got := decode[string](t, s.finishCall(ns.GetByName("a"), "Got")); got != "1 Too many subrequests." {
		t.Errorf("another event cannot make one: %q", got)
	}
}

// TestPendingRequestKeepsTheObject from eviction, and what is done lets it go.
func TestPendingRequestKeepsTheObject(t *testing.T) {
	s, w, ns := stepWire(t, 1, 1)
	a := s.start(ns.GetByName("a"), "Send", "http://peer/")
	s.within("it leaves", func() bool { return len(w.all()) == 1 })
	s.pool.Advance(time.Minute)
	if n := s.Metrics().Live; n != 1 {
		t.Fatalf("%d live objects while a request is under way", n)
	}
	w.all()[0].respond(200, io.NopCloser(strings.NewReader("")))
	s.within("it is answered", func() bool { return a.done })
	s.pool.Advance(time.Minute)
	if n := s.Metrics().Live; n != 0 {
		t.Errorf("%d live objects afterwards", n)
	}
}

// TestContextEndsARequest: the wait ends, and so does the request.
func TestContextEndsARequest(t *testing.T) {
	w := new(wire)
	e := open(t, engine.Options{Transport: w})
	ctx, cancel := context.WithCancel(t.Context())
	ns := register(t, e, "C", engine.ClassOf(func(st *engine.State) (*limited, error) { return &limited{st, ctx}, nil }))
	done := make(chan error, 1)
	go func() { done <- ns.GetByName("a").Call(t.Context(), "Send", nil) }()
	for len(w.all()) == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("the caller got %v", err)
	}
	<-w.all()[0].canceled
}

type limited struct {
	st  *engine.State
	ctx context.Context
}

func (l *limited) Send() error {
	_, err := l.st.Fetch(l.ctx, &engine.Request{Method: "GET", URL: "http://peer/"})
	return err
}

// TestUploadIsHeldUp: a streamed body goes out as fast as the peer takes it, each piece after what it tells of.
func TestUploadIsHeldUp(t *testing.T) {
	for loops := 1; loops <= 2; loops++ {
		s, w, ns := stepWire(t, loops, 1)
		register(t, s.Engine, "S", engine.ClassOf(newSpeaker))
		var sub *engine.Subrequest
		a := new(answer)
		s.Port(s.pool.Loop(0)).Enter(entry(func(ev *engine.Event) {
			ev.Namespace("S").GetByName("one").StartFetch(&engine.Request{Method: "GET", URL: "http://x/"}, engine.ReplyFunc(func(r engine.Reply) {
				sub = ev.StartFetch(&engine.Request{Method: "PUT", URL: "http://peer/", Body: r.Response.Body}, a)
				ev.Respond(engine.TextResponse(200, "sending"))
			}))
		}), &engine.Request{Method: "GET", URL: "http://x/"}, new(answer))
		s.settle()
		s.within("it leaves", func() bool { return len(w.all()) == 1 })
		s.settle()
		written := decode[[]int](t, s.finishCall(s.Namespace("S").GetByName("one"), "State"))[0]
		if most := engine.StreamWindow / (16 << 10); written > most {
			t.Errorf("%d loops: %d pieces were produced for a peer that takes none, want at most %d", loops, written, most)
		}
		x := w.all()[0]
		if x.req.ContentLength != -1 {
			t.Errorf("the length of a stream is %d", x.req.ContentLength)
		}
		total := make(chan int, 1)
		go func() {
			n, err := io.Copy(io.Discard, x.req.Body)
			if err != nil {
				t.Error(err)
			}
			total <- int(n)
		}()
		var n int
		s.within("all is taken", func() bool {
			s.log.Commit()
			select {
			case n = <-total:
				return true
			default:
				return false
			}
		})
		if n != pieces*16<<10 {
			t.Errorf("%d loops: %d bytes went out", loops, n)
		}
		x.respond(200, http.NoBody)
		s.within("the answer", func() bool { return a.done })
		_, _ = sub, ns
		if n := s.Outgoing(); n != 0 {
			t.Errorf("%d requests are still under way", n)
		}
	}
}

// TestDownloadIsHeldUp: a body is read from the peer as far as its consumer has room, and closed when that leaves.
func TestDownloadIsHeldUp(t *testing.T) {
	s, w, _ := stepWire(t, 1, 1)
	a := new(answer)
	s.Port(s.pool.Loop(0)).Enter(entry(func(ev *engine.Event) {
		ev.StartFetch(&engine.Request{Method: "GET", URL: "http://peer/"}, engine.ReplyFunc(func(r engine.Reply) { ev.Respond(r.Response) }))
	}), &engine.Request{Method: "GET", URL: "http://x/"}, a)
	s.within("it leaves", func() bool { return len(w.all()) == 1 })
	endless := &zeroes{closed: make(chan struct{})}
	w.all()[0].respond(200, endless)
	s.within("the answer", func() bool { return a.done })
	k := new(taker)
	stream := s.Port(s.pool.Loop(0)).Start(a.got.Response.Body, k)
	s.within("a window", func() bool { return len(k.data) >= engine.StreamWindow })
	s.settle()
	if len(k.data) > engine.StreamWindow+32<<10 {
		t.Errorf("%d bytes without an acknowledgement", len(k.data))
	}
	s.pool.Loop(0).Post(loop.Func(func() { stream.Ack(len(k.data)) }))
	s.within("more", func() bool { return len(k.data) >= 2*engine.StreamWindow })
	s.pool.Loop(0).Post(loop.Func(stream.Cancel))
	s.pool.Run()
	<-endless.closed
	s.within("it is over", func() bool { return s.Outgoing() == 0 })
}

// zeroes is a body without end.
type zeroes struct {
	once   sync.Once
	closed chan struct{}
}

func (z *zeroes) Read(p []byte) (int, error) {
	select {
	case <-z.closed:
		return 0, io.ErrClosedPipe
	default:
		return len(p), nil
	}
}

func (z *zeroes) Close() error {
	z.once.Do(func() { close(z.closed) })
	return nil
}

// TestUnreadBodyIsClosed: by Discard, and when nothing refers to it any more.
func TestUnreadBodyIsClosed(t *testing.T) {
	for _, discard := range []bool{true, false} {
		s, w, _ := stepWire(t, 1, 1)
		s.Port(s.pool.Loop(0)).Enter(entry(func(ev *engine.Event) {
			ev.StartFetch(&engine.Request{Method: "GET", URL: "http://peer/"}, engine.ReplyFunc(func(r engine.Reply) {
				if discard {
					r.Response.Body.Discard()
				}
				ev.Respond(engine.TextResponse(200, "unread"))
			}))
		}), &engine.Request{Method: "GET", URL: "http://x/"}, new(answer))
		s.within("it leaves", func() bool { return len(w.all()) == 1 })
		endless := &zeroes{closed: make(chan struct{})}
		w.all()[0].respond(200, endless)
		s.within("it is over", func() bool {
			if !discard {
				runtime.GC()
			}
			return s.Outgoing() == 0
		})
		<-endless.closed
	}
}

// TestCloseEndsRequests: an engine that closes waits for those under way as long as it is told to, and cancels them then.
func TestCloseEndsRequests(t *testing.T) {
	w := new(wire)
	e := open(t, engine.Options{Loops: 2, Transport: w})
	ns := register(t, e, "Caller", engine.ClassOf(newFetcher))
	done := make(chan error, 1)
	go func() { done <- ns.GetByName("a").Call(context.Background(), "Send", nil, "http://peer/") }()
	for len(w.all()) == 0 {
		runtime.Gosched()
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Close(ended); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("the caller got no error")
	}
	<-w.all()[0].canceled
}

// TestTransportThatPanics costs its request only.
func TestTransportThatPanics(t *testing.T) {
	e := open(t, engine.Options{Transport: panics{}})
	ns := register(t, e, "Caller", engine.ClassOf(newFetcher))
	err := ns.GetByName("a").Call(t.Context(), "Send", nil, "http://peer/a?secret")
	if err == nil || err.Error() != "fetch failed: POST http://peer: the transport panicked: boom" {
		t.Errorf("the caller got %v", err)
	}
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("boom") }

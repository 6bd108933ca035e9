package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop"
)

// speaker is an object whose responses are streamed.
type speaker struct {
	st       *engine.State
	written  int
	ended    error
	finished bool
}

func newSpeaker(st *engine.State) (*speaker, error) { return &speaker{st: st}, nil }

const pieces = 64

func (s *speaker) Fetch(ctx context.Context, r *engine.Request) (*engine.Response, error) {
	switch r.Method {
	case "GET": // pieces of 16 KiB, each of which tells of a write before it
		return &engine.Response{Body: s.st.Stream(func(ctx context.Context, write func([]byte) error) error {
			for i := range pieces {
				if err := s.st.Storage().Put("i", i); err != nil {
					return err
				}
				if err := write(bytes.Repeat([]byte{byte(i)}, 16<<10)); err != nil {
					s.ended, s.finished = err, true
					return err
				}
				s.written = i + 1
			}
			s.finished = true
			return nil
		})}, nil
	case "FAIL":
		return &engine.Response{Body: s.st.Stream(func(context.Context, func([]byte) error) error { return errors.New("half way") })}, nil
	case "PANIC":
		return &engine.Response{Body: s.st.Stream(func(context.Context, func([]byte) error) error { panic("half way") })}, nil
	case "RESET":
		return &engine.Response{Body: s.st.Stream(func(_ context.Context, write func([]byte) error) error {
			_ = write([]byte("x"))
			s.st.Abort(errors.New("reset on purpose"))
			return nil
		})}, nil
	case "RELAY": // hands on the body of another, unread
		return s.st.Namespace("S").GetByName("other").Fetch(ctx, &engine.Request{Method: "GET", URL: r.URL})
	case "READ": // reads the body of another
		resp, err := s.st.Namespace("S").GetByName("other").Fetch(ctx, &engine.Request{Method: "GET", URL: r.URL})
		if err != nil {
			return nil, err
		}
		data, err := s.st.ReadBody(ctx, resp.Body, 16<<20)
		if err != nil {
			return nil, err
		}
		return engine.TextResponse(200, fmt.Sprint(len(data))), nil
	}
	return nil, errors.New("no such method")
}

func (s *speaker) State() []int {
	state := []int{s.written, 0, 0}
	if s.finished {
		state[1] = 1
	}
	if errors.Is(s.ended, engine.ErrStreamCanceled) {
		state[2] = 1
	}
	return state
}

// taker is a Sink of a test.
type taker struct {
	data  []byte
	ended bool
	err   error
}

func (k *taker) Chunk(b []byte) { k.data = append(k.data, b...) }
func (k *taker) End(err error)  { k.ended, k.err = true, err }

// fetchStream fetches through a port on loop 0 and starts reading.
func (s *stepped) fetchStream(name, method string) (*taker, *engine.Stream) {
	s.t.Helper()
	a := new(answer)
	s.Port(s.pool.Loop(0)).Namespace("S").GetByName(name).StartFetch(&engine.Request{Method: method, URL: "http://x/"}, a)
	s.settle()
	if !a.done || a.got.Err != nil || !a.got.Response.Body.Streamed() {
		s.t.Fatalf("no streamed answer: %v", a.got.Err)
	}
	k := new(taker)
	return k, s.Port(s.pool.Loop(0)).Start(a.got.Response.Body, k)
}

func TestStreamFlowAndOrder(t *testing.T) {
	for _, name := range []string{"GET", "RELAY"} {
		for loops := 1; loops <= 3; loops++ {
			s := step(t, loops, uint64(loops))
			ns := register(t, s.Engine, "S", engine.ClassOf(newSpeaker))
			object := map[string]string{"GET": "one", "RELAY": "relay"}[name]
			producer := map[string]string{"GET": "one", "RELAY": "other"}[name]
			k, stream := s.fetchStream(object, name)
			// Each piece tells of a write that is not durable: nothing arrives before a commit.
			s.pool.Run()
			if len(k.data) != 0 {
				t.Errorf("%s, %d loops: %d bytes left before what they tell of was durable", name, loops, len(k.data))
			}
			s.settle()
			if len(k.data) != engine.StreamWindow {
				t.Errorf("%s, %d loops: %d bytes without an acknowledgement, want the window, %d", name, loops, len(k.data), engine.StreamWindow)
			}
			for acked := 0; !k.ended; {
				n := len(k.data) - acked
				if n == 0 {
					t.Fatalf("%s, %d loops: it stopped at %d bytes", name, loops, len(k.data))
				}
				stream.Ack(n)
				acked += n
				s.settle()
			}
			if k.err != nil || len(k.data) != pieces*16<<10 {
				t.Errorf("%s, %d loops: %d bytes, %v", name, loops, len(k.data), k.err)
			}
			for i := range pieces {
				if k.data[i*16<<10] != byte(i) {
					t.Fatalf("%s, %d loops: piece %d is out of order", name, loops, i)
				}
			}
			if st := decode[[]int](t, s.finishCall(ns.GetByName(producer), "State")); st[1] != 1 {
				t.Errorf("%s, %d loops: the producer has not finished: %v", name, loops, st)
			}
		}
	}
}

func (s *stepped) finishCall(stub *engine.Stub, method string) *answer {
	a := s.start(stub, method)
	s.settle()
	return a
}

func TestStreamCancel(t *testing.T) {
	for loops := 1; loops <= 2; loops++ {
		s := step(t, loops, 1)
		ns := register(t, s.Engine, "S", engine.ClassOf(newSpeaker))
		k, stream := s.fetchStream("one", "GET")
		s.settle()
		got := len(k.data)
		stream.Cancel()
		s.settle()
		if st := decode[[]int](t, s.finishCall(ns.GetByName("one"), "State")); st[1] != 1 || st[2] != 1 {
			t.Errorf("%d loops: the producer was not told: %v", loops, st)
		}
		if len(k.data) != got || k.ended {
			t.Errorf("%d loops: the sink heard something after it had left", loops)
		}
	}
}

func TestStreamErrors(t *testing.T) {
	for method, want := range map[string]string{"FAIL": "half way", "PANIC": "panic: half way", "RESET": engine.ErrStreamLost.Error()} {
		s := step(t, 2, 1)
		register(t, s.Engine, "S", engine.ClassOf(newSpeaker))
		k, _ := s.fetchStream("one", method)
		s.settle()
		if !k.ended || k.err == nil || !strings.Contains(k.err.Error(), want) {
			t.Errorf("%s: ended %v, %v, want %q", method, k.ended, k.err, want)
		}
	}
}

func TestStreamIsReadByAnObjectAndFromOutside(t *testing.T) {
	e := open(t, engine.Options{Loops: 2})
	ns := register(t, e, "S", engine.ClassOf(newSpeaker))
	r, err := ns.GetByName("reader").Fetch(t.Context(), &engine.Request{Method: "READ", URL: "http://x/"})
	if err != nil || string(r.Body.Bytes()) != fmt.Sprint(pieces*16<<10) {
		t.Errorf("an object read %v, %v", r, err)
	}
	r, err = ns.GetByName("one").Fetch(t.Context(), &engine.Request{Method: "GET", URL: "http://x/"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := e.ReadBody(t.Context(), r.Body, 16<<20)
	if err != nil || len(data) != pieces*16<<10 {
		t.Errorf("from outside: %d bytes, %v", len(data), err)
	}
	if _, err := e.ReadBody(t.Context(), r.Body, 16<<20); !errors.Is(err, engine.ErrStreamUsed) {
		t.Errorf("a second time: %v", err)
	}
	r, err = ns.GetByName("two").Fetch(t.Context(), &engine.Request{Method: "GET", URL: "http://x/"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.ReadBody(t.Context(), r.Body, 1000); err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") {
		t.Errorf("above the bound: %v", err)
	}
}

// entry is a function as an entry point that works by callbacks.
type entry func(ev *engine.Event)

func (f entry) Serve(ev *engine.Event) { f(ev) }

// producer is a Source of a test.
type producer struct {
	w               *engine.BodyWriter
	rooms, canceled int
}

func (p *producer) Start(w *engine.BodyWriter) { p.w = w }
func (p *producer) Room()                      { p.rooms++ }
func (p *producer) Cancel()                    { p.canceled++ }

// TestStreamOfAnEntryPoint: the event counts as under way while its body is produced, and no longer.
func TestStreamOfAnEntryPoint(t *testing.T) {
	for _, cancel := range []bool{false, true} {
		s := step(t, 1, 1)
		port := s.Port(s.pool.Loop(0))
		src := new(producer)
		a := new(answer)
		port.Enter(entry(func(ev *engine.Event) { ev.Respond(&engine.Response{Body: ev.StreamFrom(src)}) }), &engine.Request{Method: "GET", URL: "http://x/"}, a)
		s.settle()
		if n := s.EventsUnderWay(0); !a.done || n != 0 || src.w != nil {
			t.Fatalf("answered %v, %d events, started %v", a.done, n, src.w != nil)
		}
		k := new(taker)
		stream := port.Start(a.got.Response.Body, k)
		s.settle()
		if n := s.EventsUnderWay(0); n != 1 || src.w == nil {
			t.Errorf("while it is produced: %d events, started %v", n, src.w != nil)
		}
		if !src.w.Write([]byte("a")) || src.w.Write(make([]byte, engine.StreamWindow)) {
			t.Error("room for a window, and no more")
		}
		s.settle()
		if cancel {
			stream.Cancel()
		} else {
			stream.Ack(engine.StreamWindow + 1)
			s.settle()
			src.w.Close(nil)
		}
		s.settle()
		if n := s.EventsUnderWay(0); n != 0 || k.ended == cancel || (src.canceled == 1) != cancel || (src.rooms == 1) == cancel {
			t.Errorf("cancel %v: %d events, %+v, ended %v", cancel, n, src, k.ended)
		}
	}
}

// TestStartStream: an event reads a body by callbacks, as fast as it acknowledges; a second reader is refused, in a turn of
// its own.
func TestStartStream(t *testing.T) {
	for loops := 1; loops <= 2; loops++ {
		s := step(t, loops, 1)
		register(t, s.Engine, "S", engine.ClassOf(newSpeaker))
		k, again := new(taker), new(taker)
		var stream *engine.Stream
		inside := false
		a := new(answer)
		s.Port(s.pool.Loop(0)).Enter(entry(func(ev *engine.Event) {
			ev.Namespace("S").GetByName("one").StartFetch(&engine.Request{Method: "GET", URL: "http://x/"}, engine.ReplyFunc(func(r engine.Reply) {
				stream = ev.StartStream(r.Response.Body, k)
				ev.StartStream(r.Response.Body, again)
				inside = again.ended
				ev.Respond(engine.TextResponse(200, "reading"))
			}))
		}), &engine.Request{Method: "GET", URL: "http://x/"}, a)
		s.settle()
		if inside || !errors.Is(again.err, engine.ErrStreamUsed) {
			t.Errorf("%d loops: the second reader: %v, inside the call: %v", loops, again.err, inside)
		}
		if len(k.data) != engine.StreamWindow || s.EventsUnderWay(0) != 1 {
			t.Errorf("%d loops: %d bytes without an acknowledgement, %d events", loops, len(k.data), s.EventsUnderWay(0))
		}
		for acked := 0; !k.ended; {
			if len(k.data) == acked {
				t.Fatalf("%d loops: it stopped at %d bytes", loops, acked)
			}
			n := len(k.data) - acked
			s.pool.Loop(0).Post(loop.Func(func() { stream.Ack(n) }))
			acked += n
			s.settle()
		}
		if k.err != nil || len(k.data) != pieces*16<<10 || s.EventsUnderWay(0) != 0 {
			t.Errorf("%d loops: %d bytes, %v, %d events", loops, len(k.data), k.err, s.EventsUnderWay(0))
		}
	}
}

// endsMeanwhile is a context that ends after it has been looked at once.
type endsMeanwhile struct {
	context.Context
	looked bool
}

func (c *endsMeanwhile) Err() error {
	if !c.looked {
		c.looked = true
		return nil
	}
	return context.Canceled
}

// second reads a body that another reads already, with a context that ends meanwhile.
type second struct {
	st   *engine.State
	body *engine.Body
}

func (r *second) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	_, err := r.st.ReadBody(&endsMeanwhile{Context: context.Background()}, *r.body, 1000)
	return nil, err
}

// TestSecondReaderLeavesTheFirstAlone: whoever is refused a body because another reads it cannot cancel it either.
func TestSecondReaderLeavesTheFirstAlone(t *testing.T) {
	for name, read := range map[string]func(s *stepped, body *engine.Body){
		"a protocol that starts it, and cancels": func(s *stepped, body *engine.Body) {
			again := new(taker)
			s.Port(s.pool.Loop(0)).Start(*body, again).Cancel()
			if !errors.Is(again.err, engine.ErrStreamUsed) {
				s.t.Errorf("the second reader: %v", again.err)
			}
		},
		"an object whose context ends": func(s *stepped, body *engine.Body) {
			ns := register(s.t, s.Engine, "Second", engine.ClassOf(func(st *engine.State) (*second, error) { return &second{st, body}, nil }))
			a := new(answer)
			ns.GetByName("a").StartFetch(&engine.Request{Method: "GET", URL: "http://x/"}, a)
			s.settle()
			if !a.done || !strings.Contains(fmt.Sprint(a.got.Err), engine.ErrStreamUsed.Error()) {
				s.t.Errorf("the second reader: %v", a.got.Err)
			}
		},
		"the embedding program, whose context has ended": func(s *stepped, body *engine.Body) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := s.ReadBody(ctx, *body, 1000); !errors.Is(err, context.Canceled) {
				s.t.Errorf("the second reader: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := step(t, 1, 1)
			port := s.Port(s.pool.Loop(0))
			src, a, k := new(producer), new(answer), new(taker)
			port.Enter(entry(func(ev *engine.Event) { ev.Respond(&engine.Response{Body: ev.StreamFrom(src)}) }), &engine.Request{Method: "GET", URL: "http://x/"}, a)
			s.settle()
			port.Start(a.got.Response.Body, k)
			s.settle()
			read(s, &a.got.Response.Body)
			s.settle()
			src.w.Write([]byte("all of it"))
			src.w.Close(nil)
			s.settle()
			if src.canceled != 0 || !k.ended || k.err != nil || string(k.data) != "all of it" {
				t.Errorf("the first reader: %q, ended %v, %v; the producer was told to stop %d times", k.data, k.ended, k.err, src.canceled)
			}
		})
	}
}

// streaming is the class of objects that answer a second later, with a body that they have not begun to make.
type streaming struct {
	st   *engine.State
	made *producer
}

func (c streaming) New(st *engine.State, ready func(engine.Object, error)) {
	ready(streaming{st, c.made}, nil)
}
func (streaming) Evict() {}
func (s streaming) Deliver(ev *engine.Event) {
	s.st.After(time.Second, func() { ev.Respond(&engine.Response{Body: s.st.StreamFrom(s.made)}) })
}

// asker is an object that asks one of those, and is reset before it has the answer.
type asker struct{ st *engine.State }

func (a *asker) Ask() {
	a.st.Namespace("Streaming").GetByName("x").StartFetch(&engine.Request{Method: "GET", URL: "http://x/"}, engine.ReplyFunc(func(engine.Reply) {}))
}
func (a *asker) Abort() { a.st.Abort(errors.New("on purpose")) }

// The body of an answer that its caller does not live to see is canceled.
func TestStreamOfAnAnswerThatNobodyGets(t *testing.T) {
	s := step(t, 2, 1)
	p := new(producer)
	register(t, s.Engine, "Streaming", streaming{made: p})
	ns := register(t, s.Engine, "Asker", engine.ClassOf(func(st *engine.State) (*asker, error) { return &asker{st}, nil }))
	for i, reset := range []bool{false, true} {
		s.start(ns.GetByName("a"), "Ask")
		s.settle()
		if reset {
			s.start(ns.GetByName("a"), "Abort")
		}
		s.pool.Advance(2 * time.Second)
		s.settle()
		if p.canceled != i {
			t.Errorf("reset %v: the body was canceled %d times", reset, p.canceled)
		}
	}
}

package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"everloop/engine"
)

// source is a Source that the test writes to. Owned by the test.
type source struct {
	w        *engine.BodyWriter
	started  int
	rooms    int
	canceled int
}

func (s *source) Start(w *engine.BodyWriter) { s.w = w; s.started++ }
func (s *source) Room()                      { s.rooms++ }
func (s *source) Cancel()                    { s.canceled++ }

// streaming answers "/s" with the source's body and everything else with hello.
func streaming(src *source) engine.Entrypoint {
	return serveFunc(func(ev *engine.Event) {
		if strings.HasSuffix(ev.Request.URL, "/s") {
			ev.Respond(&engine.Response{Header: engine.Header{{Name: "x-y", Value: "z"}}, Body: ev.StreamFrom(src)})
			return
		}
		ev.Respond(engine.TextResponse(200, "hello"))
	})
}

// write makes the source write, in a task of the loop.
func (s *stepped) produce(f func()) {
	s.onLoop(f)
	s.pool.Run()
}

func TestStreamedAnswer(t *testing.T) {
	src := new(source)
	s := newStepped(t, 1, 1, streaming(src), Options{})
	p := s.dial()
	head := s.send(p, get("/s")+get("/"))
	if !strings.Contains(head, "transfer-encoding: chunked\r\n") || !strings.Contains(head, "x-y: z\r\n") || !strings.HasSuffix(head, "\r\n\r\n") {
		t.Fatalf("the head of a streamed answer: %q", head)
	}
	s.produce(func() { src.w.Write([]byte("first")) })
	if got := string(p.Read()); got != "5\r\nfirst\r\n" {
		t.Errorf("a piece is delivered as it is produced: %q", got)
	}
	s.produce(func() { src.w.Write([]byte("second")); src.w.Write(nil); src.w.Close(nil); src.w.Close(nil) })
	rest := string(p.Read())
	end, next, ok := strings.Cut(rest, "0\r\n\r\n")
	if end != "6\r\nsecond\r\n" || !ok || !strings.HasPrefix(next, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(next, "hello") {
		t.Errorf("the end, and the answer behind it: %q", rest)
	}
	p.Close()
	s.pool.Run()
	s.noneLeft()
}

func TestStreamedAnswerToHTTP10EndsWithTheConnection(t *testing.T) {
	src := new(source)
	s := newStepped(t, 1, 1, streaming(src), Options{})
	p := s.dial()
	head := s.send(p, "GET /s HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n\r\n")
	s.produce(func() { src.w.Write([]byte("all")); src.w.Close(nil) })
	if got := string(p.Read()); strings.Contains(head, "chunked") || strings.Contains(head, "keep-alive") || got != "all" || !p.EOF() {
		t.Errorf("%q, then %q, closed %v", head, got, p.EOF())
	}
	s.pool.Run()
	s.noneLeft()
}

func TestStreamedAnswerToHEADIsNeverStarted(t *testing.T) {
	src := new(source)
	s := newStepped(t, 1, 1, streaming(src), Options{})
	p := s.dial()
	if got := s.send(p, "HEAD /s HTTP/1.1\r\nhost: x\r\n\r\n"+get("/")); !strings.HasSuffix(got, "hello") || src.started != 0 {
		t.Errorf("%q, started %d times", got, src.started)
	}
}

// TestStreamedAnswerHasBackPressure: a client that does not read stops the producer, within the window and what a
// connection may keep.
func TestStreamedAnswerHasBackPressure(t *testing.T) {
	src := new(source)
	s := newStepped(t, 1, 1, streaming(src), Options{})
	p := s.dial()
	s.send(p, get("/s"))
	p.StopReading(0)
	piece := make([]byte, 32<<10)
	total := 0
	produce := func() {
		for total < 64<<20 {
			total += len(piece)
			if !src.w.Write(piece) {
				return
			}
		}
		t.Fatal("nothing stopped the producer")
	}
	rooms := 0
	for i := 0; ; i++ {
		s.produce(produce)
		if src.rooms == rooms {
			break
		}
		rooms = src.rooms
	}
	if limit := engine.StreamWindow + s.srv.opts.connOptions().HighWater + 512<<10; total > limit {
		t.Errorf("%d bytes were produced for a client that takes none", total)
	}
	p.StartReading()
	s.pool.Run()
	if src.rooms == rooms {
		t.Error("the producer was not told that there is room again")
	}
	p.Abort()
	s.pool.Run()
	if src.canceled != 1 {
		t.Errorf("the producer was told %d times that its reader has left", src.canceled)
	}
	s.noneLeft()
}

func TestStreamedAnswerThatFails(t *testing.T) {
	src := new(source)
	s := newStepped(t, 1, 1, streaming(src), Options{})
	p := s.dial()
	s.send(p, get("/s"))
	s.produce(func() { src.w.Write([]byte("part")); src.w.Close(errors.New("the source has dried up")) })
	if got := string(p.Read()); strings.Contains(got, "0\r\n\r\n") || !p.EOF() {
		t.Errorf("a body that is not complete looks complete: %q, closed %v", got, p.EOF())
	}
	if !strings.Contains(s.log.String(), "the source has dried up") {
		t.Errorf("the log does not say why:\n%s", s.log)
	}
	s.pool.Run()
	s.noneLeft()
}

func TestStreamedAnswerOfAnObjectOnAnotherLoop(t *testing.T) {
	s := newStepped(t, 3, 1, engine.EntrypointFunc(func(ctx context.Context, env *engine.Event, r *engine.Request) (*engine.Response, error) {
		return env.Namespace("Speaker").GetByName(r.URL).Fetch(ctx, r)
	}), Options{})
	if _, err := s.eng.Register("Speaker", engine.ClassOf(func(st *engine.State) (*speaker, error) { return &speaker{st}, nil })); err != nil {
		t.Fatal(err)
	}
	p := s.dial()
	for _, path := range []string{"/a", "/b", "/c", "/d"} {
		_, bodies := answers(t, s.send(p, get(path)))
		if len(bodies) != 1 || len(bodies[0]) != 100*10000 {
			t.Errorf("%s: %d bytes", path, len(bodies[0]))
		}
	}
}

// speaker answers with a megabyte, a piece and a write at a time.
type speaker struct{ st *engine.State }

func (s *speaker) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	return &engine.Response{Body: s.st.Stream(func(_ context.Context, write func([]byte) error) error {
		for i := range 100 {
			if err := s.st.Storage().Put("i", i); err != nil {
				return err
			}
			if err := write(make([]byte, 10000)); err != nil {
				return err
			}
		}
		return nil
	})}, nil
}

// A body that is still to be made when its response turns out not to be sent, or to have none, is canceled: whoever would make it may wait.
func TestStreamedAnswerThatIsNotSent(t *testing.T) {
	for _, x := range []struct {
		name, want string
		leave      bool
		answer     func(ev *engine.Event) *engine.Response
	}{
		{"a WebSocket", "HTTP/1.1 101 ", false, func(ev *engine.Event) *engine.Response {
			_, theirs := ev.WebSocketPair()
			return &engine.Response{Status: 101, WebSocket: theirs}
		}},
		{"a status that is none", "HTTP/1.1 500 ", false, func(*engine.Event) *engine.Response { return &engine.Response{Status: 700} }},
		{"a header that is none", "HTTP/1.1 500 ", false, func(*engine.Event) *engine.Response {
			return &engine.Response{Header: engine.Header{{Name: "a", Value: "\r\n"}}}
		}},
		{"a client that has left", "", true, func(*engine.Event) *engine.Response { return new(engine.Response) }},
	} {
		t.Run(x.name, func(t *testing.T) {
			src := new(source)
			var answer func()
			s := newStepped(t, 1, 1, serveFunc(func(ev *engine.Event) {
				answer = func() {
					r := x.answer(ev)
					r.Body = ev.StreamFrom(src)
					ev.Respond(r)
				}
			}), Options{})
			p := s.dial()
			s.send(p, handshake("/"))
			if x.leave {
				p.Abort()
				s.pool.Run()
			}
			s.produce(answer)
			if got := string(p.Read()); !strings.HasPrefix(got, x.want) {
				t.Errorf("the answer is %q", got)
			}
			p.Close()
			s.pool.Run()
			if src.started != 0 || src.canceled != 1 {
				t.Errorf("the body was started %d times and canceled %d times", src.started, src.canceled)
			}
			s.noneLeft()
		})
	}
}

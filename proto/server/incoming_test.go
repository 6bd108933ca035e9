package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"everloop/engine"
)

// reading is an entry point whose handler reads its body a piece at a time, as far as the test acknowledges, and answers
// when the test says so. Owned by the test.
type reading struct {
	ev     *engine.Event
	stream *engine.Stream
	got    []byte
	ended  bool
	err    error
	wait   bool // the test starts to read by itself
}

func (r *reading) Serve(ev *engine.Event) {
	r.ev = ev
	if !r.wait {
		r.start()
	}
}

func (r *reading) start()         { r.stream = r.ev.StartStream(r.ev.Request.Body, r) }
func (r *reading) Chunk(b []byte) { r.got = append(r.got, b...) }
func (r *reading) End(err error)  { r.ended, r.err = true, err }

func post(length int, more string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%s\r\n", length, more)
}

// TestBodyIsReadWhileItComes: the handler starts with the head, and gets the body as it comes.
func TestBodyIsReadWhileItComes(t *testing.T) {
	for _, c := range []struct {
		head   string
		pieces []string
		size   int64
	}{
		{post(10, ""), []string{"01234", "56789"}, 10},
		{"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", []string{"5\r\n01234\r\n", "5\r\n56789\r\n0\r\n\r\n"}, -1},
	} {
		h := &reading{}
		s := newStepped(t, 1, 1, h, Options{})
		p := s.dial()
		s.send(p, c.head)
		if h.ev == nil || h.ev.Request.Body.Size() != c.size {
			t.Fatalf("the handler has not started with the head, or its body has not %d bytes", c.size)
		}
		s.send(p, c.pieces[0])
		if string(h.got) != "01234" || h.ended {
			t.Errorf("with the first piece it has %q, ended %v", h.got, h.ended)
		}
		s.send(p, c.pieces[1]+get("/next"))
		if string(h.got) != "0123456789" || !h.ended || h.err != nil {
			t.Errorf("it has %q, ended %v, %v", h.got, h.ended, h.err)
		}
		s.noBodyMemory()
		p.Abort()
		s.pool.Run()
	}
}

// noBodyMemory checks that no body counts any more.
func (s *stepped) noBodyMemory() {
	s.t.Helper()
	for _, h := range s.srv.loops {
		if h.body != 0 {
			s.t.Errorf("%d bytes of bodies are still counted", h.body)
		}
	}
}

// TestBodyThatCameWithItsHeadIsBytes: nothing is streamed that is there.
func TestBodyThatCameWithItsHeadIsBytes(t *testing.T) {
	h := &pending{}
	s := newStepped(t, 1, 1, h, Options{})
	p := s.dial()
	s.send(p, post(5, "")+"hello"+"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	if len(h.events) != 2 {
		t.Fatalf("%d requests", len(h.events))
	}
	for _, ev := range h.events {
		if b := ev.Request.Body; b.Streamed() || string(b.Bytes()) != "hello" {
			t.Errorf("streamed %v, %q", b.Streamed(), b.Bytes())
		}
	}
	p.Abort()
	s.pool.Run()
}

// TestReaderHoldsUpItsClient: what a handler does not take is not read from the connection, beyond what buffers hold.
func TestReaderHoldsUpItsClient(t *testing.T) {
	for _, wait := range []bool{true, false} {
		const size = 4 << 20
		h := &reading{wait: wait}
		s := newStepped(t, 1, 1, h, Options{})
		p := s.dial()
		p.Write([]byte(post(size, "")))
		for range size / (32 << 10) {
			p.Write(bytes.Repeat([]byte("x"), 32<<10))
		}
		s.pool.Run()
		taken := size - p.Unsent()
		if most := engine.StreamWindow + pendingBytes + 256<<10 + 128<<10; taken > most {
			t.Errorf("waits %v: %d bytes were taken for a handler that does not read", wait, taken)
		}
		if s.srv.loops[0].body > engine.StreamWindow+128<<10 {
			t.Errorf("waits %v: %d bytes are counted", wait, s.srv.loops[0].body)
		}
		s.pool.Advance(5 * time.Minute) // it is not the client that is slow
		if wait {
			s.onLoop(h.start)
			s.pool.Run()
		}
		for acked := 0; !h.ended; {
			n := len(h.got) - acked
			if n == 0 {
				t.Fatalf("waits %v: it stopped at %d bytes", wait, acked)
			}
			acked += n
			s.onLoop(func() { h.stream.Ack(n) })
			s.pool.Run()
		}
		if len(h.got) != size || h.err != nil {
			t.Errorf("waits %v: %d bytes, %v", wait, len(h.got), h.err)
		}
		s.noBodyMemory()
		s.onLoop(func() { h.ev.Respond(engine.TextResponse(200, "")) })
		s.pool.Run()
		p.Close()
		s.pool.Run()
		s.noneLeft()
	}
}

// TestBodyEndsBeforeItsReaderBegins: a body that has come whole, and fills all the room that there is for it before anybody reads, is
// at its end nevertheless.
func TestBodyEndsBeforeItsReaderBegins(t *testing.T) {
	for _, size := range []int{pendingBytes - 1, pendingBytes, pendingBytes + 1, pendingBytes + 10<<10, 3 * pendingBytes} {
		h := &reading{wait: true}
		s := newStepped(t, 1, 1, h, Options{})
		p := s.dial()
		s.send(p, post(size, ""))
		for sent := 0; sent < size; sent += 10 << 10 {
			s.send(p, strings.Repeat("x", min(10<<10, size-sent)))
		}
		s.onLoop(h.start)
		s.pool.Run()
		for acked := 0; acked < len(h.got); {
			n := len(h.got) - acked
			acked += n
			s.onLoop(func() { h.stream.Ack(n) })
			s.pool.Run()
		}
		if len(h.got) != size || !h.ended || h.err != nil {
			t.Errorf("of %d bytes the reader has %d, ended %v, %v", size, len(h.got), h.ended, h.err)
		}
		s.onLoop(func() { h.ev.Respond(engine.TextResponse(200, "")) })
		s.pool.Run()
		p.Abort()
		s.pool.Run()
		s.noBodyMemory()
	}
}

// TestUnreadBody: a handler that answers without reading hangs nobody. A short rest is thrown away, and the connection goes
// on; with a long one it closes.
func TestUnreadBody(t *testing.T) {
	answered := text(func(*engine.Request) *engine.Response { return engine.TextResponse(200, "unread") })
	for _, c := range []struct {
		name  string
		size  int
		head  string
		goes  bool
		sends bool
	}{
		{"short", 1000, "", true, true},
		{"at the bound", maxUnread, "", true, true},
		{"long", maxUnread + 1, "", false, true},
		{"expected", 10, "expect: 100-continue\r\n", false, false},
	} {
		s := newStepped(t, 1, 1, answered, Options{})
		p := s.dial()
		head := s.send(p, post(c.size, c.head))
		if !strings.HasPrefix(head, "HTTP/1.1 200") || strings.Contains(head, "connection: close") == c.goes || strings.Contains(head, "100 Continue") {
			t.Errorf("%s: %q", c.name, head)
		}
		if c.sends && c.goes {
			p.Write(bytes.Repeat([]byte("x"), c.size))
			if got := s.send(p, get("/next")); !strings.HasSuffix(got, "unread") {
				t.Errorf("%s: the next request was answered %q", c.name, got)
			}
		}
		if p.EOF() == c.goes {
			t.Errorf("%s: closed %v", c.name, p.EOF())
		}
		p.Close()
		s.pool.Run()
		s.pool.Advance(time.Minute)
		s.noneLeft()
	}
}

// TestUnreadChunks: how long the rest is shows only as it comes.
func TestUnreadChunks(t *testing.T) {
	s := newStepped(t, 1, 1, text(func(*engine.Request) *engine.Response { return engine.TextResponse(200, "unread") }), Options{})
	p := s.dial()
	s.send(p, "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
	for range 2 * maxUnread / 10000 {
		p.Write(fmt.Appendf(nil, "%x\r\n%s\r\n", 10000, strings.Repeat("x", 10000)))
	}
	s.pool.Run()
	s.pool.Advance(time.Minute)
	if !p.EOF() {
		t.Error("a body without end is read for nobody")
	}
	s.noneLeft()
}

// TestBodyAfterTheAnswer: whoever began to read before the answer reads on; who comes later is told.
func TestBodyAfterTheAnswer(t *testing.T) {
	for _, early := range []bool{true, false} {
		h := &reading{wait: !early}
		s := newStepped(t, 1, 1, h, Options{})
		p := s.dial()
		s.send(p, post(10, "")+"01234")
		s.onLoop(func() { h.ev.Respond(engine.TextResponse(200, "early")) })
		s.pool.Run()
		if !early {
			s.onLoop(h.start)
		}
		got := s.send(p, "56789")
		if !strings.HasSuffix(got, "early") || !h.ended {
			t.Fatalf("early %v: answered %q, ended %v", early, got, h.ended)
		}
		if early && (string(h.got) != "0123456789" || h.err != nil) {
			t.Errorf("it has %q, %v", h.got, h.err)
		}
		if !early && (h.err == nil || h.err.Error() != errTooLate.Message) {
			t.Errorf("who is late gets %v", h.err)
		}
		s.noBodyMemory()
		p.Close()
		s.pool.Run()
		s.noneLeft()
	}
}

// TestReaderThatStalls after its answer does not keep the connection for ever.
func TestReaderThatStalls(t *testing.T) {
	h := &reading{}
	s := newStepped(t, 1, 1, h, Options{})
	p := s.dial()
	p.Write([]byte(post(4<<20, "")))
	p.Write(make([]byte, 1<<20))
	s.pool.Run()
	s.onLoop(func() { h.ev.Respond(engine.TextResponse(200, "")) })
	s.pool.Run()
	s.pool.Advance(5 * time.Minute)
	if !p.EOF() || s.srv.Metrics().Conns != 0 {
		t.Error("the connection is still there")
	}
	s.noneLeft()
}

// TestExpectIsAnsweredWhenTheBodyIsRead, and not before.
func TestExpectIsAnsweredWhenTheBodyIsRead(t *testing.T) {
	h := &reading{wait: true}
	s := newStepped(t, 1, 1, h, Options{})
	p := s.dial()
	if got := s.send(p, post(5, "expect: 100-continue\r\n")); got != "" {
		t.Errorf("before anybody reads: %q", got)
	}
	s.pool.Advance(5 * time.Minute) // the client waits, rightly
	s.onLoop(h.start)
	s.pool.Run()
	if got := string(p.Read()); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("when somebody reads: %q", got)
	}
	s.send(p, "hello")
	s.onLoop(func() { h.ev.Respond(engine.TextResponse(200, string(h.got))) })
	s.pool.Run()
	if got := string(p.Read()); !strings.HasSuffix(got, "hello") || strings.Contains(got, "close") {
		t.Errorf("the answer: %q", got)
	}
	p.Close()
	s.pool.Run()
	s.noneLeft()
}

// TestBodyThatGoesWrong: the refusal takes the place of the answer, and the reader is told; a client that leaves is told
// nothing.
func TestBodyThatGoesWrong(t *testing.T) {
	for _, c := range []struct {
		name, head, then string
		status           string
		err              string
	}{
		{"no chunk", "transfer-encoding: chunked\r\n", "zz\r\n", "400", "a chunk size is not a hexadecimal number"},
		{"too large", "transfer-encoding: chunked\r\n", "fffffff\r\n", "413", "the body is too large"},
		{"half closed", "content-length: 10\r\n", "half", "400", "the body is not complete"},
		{"slow", "content-length: 10\r\n", "slow", "408", "the body came too slowly"},
		{"reset", "content-length: 10\r\n", "gone", "", "Network connection lost."},
		{"memory", "content-length: 9000\r\n", strings.Repeat("x", 6000), "503", "too many request bodies are under way"},
	} {
		for _, answered := range []bool{false, true} {
			h := &reading{}
			s := newStepped(t, 1, 1, h, Options{MaxBodyMemory: 5000})
			p := s.dial()
			s.send(p, "POST / HTTP/1.1\r\nhost: x\r\n"+c.head+"\r\n")
			if answered {
				s.onLoop(func() { h.ev.Respond(engine.TextResponse(201, "")) })
				s.pool.Run()
			}
			got := s.send(p, c.then)
			switch c.name {
			case "half closed":
				p.CloseWrite()
			case "reset":
				p.Abort()
			case "slow":
				s.pool.Advance(5 * time.Minute)
			}
			s.pool.Run()
			got += string(p.Read())
			want := c.status
			if answered {
				want = "201"
				got = "HTTP/1.1 201" // it was taken above
			}
			if want == "" && got != "" || !strings.HasPrefix(got, "HTTP/1.1 "+want) && want != "" {
				t.Errorf("%s, answered %v: %q", c.name, answered, got)
			}
			if !h.ended || h.err == nil || !strings.Contains(h.err.Error(), c.err) && !answered {
				t.Errorf("%s, answered %v: the reader was told %v, %v", c.name, answered, h.ended, h.err)
			}
			if !answered {
				s.onLoop(func() { h.ev.Fail(h.err) }) // nobody is told, or everybody was
				s.pool.Run()
			}
			p.Close()
			s.pool.Run()
			s.pool.Advance(time.Minute)
			s.noneLeft()
			if log := s.log.String(); log != "" {
				t.Errorf("%s: a client's fault is no failure: %s", c.name, log)
			}
		}
	}
}

// TestDrainWaitsForABody that is under way, and for its answer.
func TestDrainWaitsForABody(t *testing.T) {
	h := &reading{}
	s := newStepped(t, 1, 1, h, Options{})
	p := s.dial()
	s.send(p, post(10, "")+"01234")
	s.onLoop(func() { s.srv.Handler().Drain(p.Conn()) })
	s.pool.Run()
	s.send(p, "56789")
	s.onLoop(func() { h.ev.Respond(engine.TextResponse(200, string(h.got))) })
	s.pool.Run()
	if got := string(p.Read()); !strings.HasSuffix(got, "0123456789") || !strings.Contains(got, "connection: close") || !p.EOF() {
		t.Errorf("%q, closed %v", got, p.EOF())
	}
	s.noneLeft()
}

// TestStreamOfKnownLength is delivered with it, and cut off if it is not kept.
func TestStreamOfKnownLength(t *testing.T) {
	for _, c := range []struct {
		writes string
		whole  bool
	}{{"01234", true}, {"0123", false}, {"012345", false}} {
		src := new(source)
		var port *engine.Port
		s := newStepped(t, 1, 1, serveFunc(func(ev *engine.Event) {
			ev.Respond(&engine.Response{Body: port.StreamFrom(src, 5)})
		}), Options{})
		port = s.eng.Port(s.pool.Loop(0))
		p := s.dial()
		head := s.send(p, get("/"))
		if !strings.Contains(head, "content-length: 5\r\n") {
			t.Errorf("the head: %q", head)
		}
		s.produce(func() { src.w.Write([]byte(c.writes)); src.w.Close(nil) })
		got := string(p.Read())
		if c.whole && (got != c.writes || p.EOF()) || !c.whole && !p.EOF() || len(got) > 5 {
			t.Errorf("%q: %q, closed %v", c.writes, got, p.EOF())
		}
		s.pool.Run()
	}
}

// uploads reads its body whole, in a Go object on whatever loop.
type uploads struct{ st *engine.State }

func (u *uploads) Fetch(ctx context.Context, r *engine.Request) (*engine.Response, error) {
	b, err := u.st.ReadBody(ctx, r.Body, 16<<20)
	if err != nil {
		return nil, err
	}
	return engine.TextResponse(200, fmt.Sprint(len(b))), nil
}

// TestUploadToAnObject: a body crosses to the loop of the object that reads it, on real sockets.
func TestUploadToAnObject(t *testing.T) {
	r := newReal(t, 2, engine.EntrypointFunc(func(ctx context.Context, ev *engine.Event, r *engine.Request) (*engine.Response, error) {
		return ev.Namespace("Uploads").GetByName(pathOf(r.URL)).Fetch(ctx, r)
	}), Options{})
	if _, err := r.eng.Register("Uploads", engine.ClassOf(func(st *engine.State) (*uploads, error) { return &uploads{st}, nil })); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	const size = 5 << 20
	for i := range 8 {
		resp, err := client.Post(fmt.Sprintf("http://%s/%d", r.addr, i), "a/b", struct{ io.Reader }{bytes.NewReader(make([]byte, size))})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != fmt.Sprint(size) {
			t.Errorf("object %d: %s", i, b)
		}
	}
	if n := r.srv.Metrics().Opened; n != 1 {
		t.Errorf("%d connections were needed", n)
	}
}

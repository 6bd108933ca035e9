package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/proto"
)

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nhost: x\r\n\r\n" }

// TestPipelineIsBounded floods a connection with requests: no more than MaxPipeline are under way, the rest is held
// up, and all are answered in order.
func TestPipelineIsBounded(t *testing.T) {
	const requests, bound = 2000, 64
	held := &pending{}
	s := newStepped(t, 1, 1, held, Options{})
	p := s.dial()
	for i := range requests {
		p.Write([]byte(get(fmt.Sprintf("/%d", i))))
	}
	s.pool.Run()
	if n := len(held.events); n != bound {
		t.Fatalf("%d requests are under way, want %d", n, bound)
	}
	if p.Unsent() == 0 {
		t.Error("all was read from a client that should be held up")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	answered := 0
	for answered < requests {
		open := held.events[answered:]
		if len(open) == 0 || len(open) > bound {
			t.Fatalf("%d requests are under way after %d answers", len(open), answered)
		}
		s.onLoop(func() {
			for _, i := range rnd.Perm(len(open)) {
				open[i].Respond(engine.TextResponse(200, open[i].Request.URL))
			}
		})
		answered += len(open)
		s.pool.Run()
	}
	_, bodies := answers(t, string(p.Read()))
	if len(bodies) != requests {
		t.Fatalf("%d answers to %d requests", len(bodies), requests)
	}
	for i, b := range bodies {
		if want := fmt.Sprintf("http://x/%d", i); b != want {
			t.Fatalf("answer %d is %q, want %q", i, b, want)
		}
	}
	p.Close()
	s.pool.Run()
	s.noneLeft()
}

// TestSlowReader has a client that asks for much and takes little: what waits for it is bounded, no further request
// is begun, and when it reads on it gets everything.
func TestSlowReader(t *testing.T) {
	const requests, size = 50, 1 << 20
	served := 0
	body := engine.Bytes(make([]byte, size))
	s := newStepped(t, 1, 1, text(func(*engine.Request) *engine.Response {
		served++
		return &engine.Response{Body: body}
	}), Options{})
	p := s.dial()
	p.StopReading(1000)
	p.Write([]byte(strings.Repeat(get("/"), requests)))
	s.pool.Run()
	if waits := p.Conn().Outbound(); waits > proto.DefaultHighWater+4096 {
		t.Errorf("%d bytes wait for a client that does not read, want no more than %d", waits, proto.DefaultHighWater)
	}
	if served > 1 {
		t.Errorf("%d requests were begun for a client that does not read", served)
	}
	// It reads now and then: slow, but alive.
	got := len(p.Read())
	for range 20 {
		p.StopReading(50_000)
		s.pool.Advance(20 * time.Second)
		n := len(p.Read())
		if n != 50_000 {
			t.Fatalf("%d bytes came, want 50000", n)
		}
		got += n
	}
	p.StartReading()
	s.pool.Run()
	got += len(p.Read())
	if got < requests*size || served != requests {
		t.Errorf("%d bytes of %d requests came, want %d of %d", got, served, requests*size, requests)
	}
	p.Close()
	s.pool.Run()
	s.noneLeft()
}

// TestStalledReader has one that takes nothing at all.
func TestStalledReader(t *testing.T) {
	s := newStepped(t, 1, 1, text(func(*engine.Request) *engine.Response {
		return &engine.Response{Body: engine.Bytes(make([]byte, 64<<20))}
	}), Options{})
	p := s.dial()
	p.StopReading(0)
	p.Write([]byte(get("/") + get("/")))
	s.pool.Advance(proto.DefaultWriteTimeout - time.Second)
	if p.EOF() {
		t.Error("closed too early")
	}
	s.pool.Advance(proto.DefaultWriteTimeout + 2*time.Second)
	if !p.EOF() {
		t.Error("a client that takes nothing was not disconnected")
	}
	s.noneLeft()
}

// TestLongAnswer: an answer larger than the outbound buffer may ever be.
func TestLongAnswer(t *testing.T) {
	const size = 40 << 20
	s := newStepped(t, 1, 1, text(func(*engine.Request) *engine.Response {
		return &engine.Response{Body: engine.Bytes(make([]byte, size))}
	}), Options{})
	p := s.dial()
	p.StopReading(1)
	p.Write([]byte(get("/")))
	s.pool.Run()
	got := len(p.Read())
	for i := 0; got < size && i < 100000; i++ {
		p.StopReading(300_000)
		s.pool.Run()
		got += len(p.Read())
	}
	if got < size || got > size+500 {
		t.Errorf("%d bytes came, want the body of %d and a head", got, size)
	}
	p.Close()
	s.pool.Run()
	s.noneLeft()
}

// TestByteASecond: a client that sends a byte a second is cut off, in the header after 10 s and in the body after 30.
func TestByteASecond(t *testing.T) {
	for _, c := range []struct {
		at   string
		in   string
		then string
		want int
	}{
		{"the header", "", get("/" + strings.Repeat("x", 100)), 10},
		{"the body", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n", strings.Repeat("x", 1000), 30},
		{"a chunk", "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", "100\r\n" + strings.Repeat("x", 256), 30},
		{"chunk extensions", "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", "100;" + strings.Repeat("x", 256), 30},
		{"trailers", "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", "0\r\nx: " + strings.Repeat("x", 256), 30},
	} {
		s := newStepped(t, 1, 1, whole, Options{})
		p := s.dial()
		p.Write([]byte(c.in))
		s.pool.Run()
		var seconds int
		for seconds = 0; seconds < 100 && !p.EOF(); seconds++ {
			p.Write([]byte{c.then[seconds]})
			s.pool.Advance(time.Second)
		}
		statuses, _ := answers(t, string(p.Read()))
		if fmt.Sprint(statuses) != "[408]" || seconds != c.want {
			t.Errorf("%s: cut off after %d s with %v, want %d s and 408", c.at, seconds, statuses, c.want)
		}
		p.Close()
		s.pool.Run()
		s.noneLeft()
	}
}

// TestManyFields sends ten thousand fields, in small pieces.
func TestManyFields(t *testing.T) {
	s := newStepped(t, 1, 1, hello, Options{})
	p := s.dial()
	p.Write([]byte("GET / HTTP/1.1\r\nhost: x\r\n"))
	for i := range 10_000 {
		p.Write([]byte(fmt.Sprintf("x-%d: %d\r\n", i, i)))
	}
	s.pool.Run()
	statuses, _ := answers(t, string(p.Read()))
	if len(statuses) != 1 || statuses[0] != 431 {
		t.Errorf("answers %v, want one 431", statuses)
	}
	p.Close()
	s.pool.Run()
	s.noneLeft()
}

// TestGone: the context of a request ends when its client leaves, and what it holds is given back when it ends.
func TestGone(t *testing.T) {
	held := &pending{}
	s := newStepped(t, 1, 1, held, Options{})
	p := s.dial()
	p.Write([]byte("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello" + get("/2") + "POST /3 HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe"))
	s.pool.Run()
	if len(held.events) != 3 {
		t.Fatalf("%d events, want 3", len(held.events))
	}
	// The second and the third have their answers, which wait for the first.
	s.onLoop(func() {
		held.answer(1, engine.TextResponse(200, ""))
		held.answer(2, engine.TextResponse(200, ""))
	})
	s.pool.Run()
	first := held.events[0]
	if first.Err() != nil {
		t.Fatal("done before the client left:", first.Err())
	}
	p.Abort()
	s.pool.Run()
	if first.Err() == nil {
		t.Error("the context of the request has not ended with its client")
	}
	if m := s.srv.Metrics(); m.InFlight != 1 || m.Status[0] != 2 {
		t.Errorf("in flight %d, gone %d: want 1 and 2", m.InFlight, m.Status[0])
	}
	s.onLoop(func() { first.Fail(errors.New("it needed its client")) })
	s.pool.Run()
	s.noneLeft()
	if log := s.log.String(); log != "" {
		t.Errorf("a client that leaves is no failure: %s", log)
	}
}

// TestDrainedPool is a close of the server in mid-flight, as a signal causes it.
func TestDrainedPool(t *testing.T) {
	held := &pending{}
	arrived := make(chan struct{}, 1)
	entry := serveFunc(func(ev *engine.Event) {
		held.Serve(ev)
		arrived <- struct{}{}
	})
	r := newReal(t, 1, entry, Options{})
	c := dialReal(t, r)
	c.write(get("/"))
	<-arrived
	closed := make(chan error, 1)
	go func() { closed <- r.pool.Close(context.Background()) }()
	if _, err := c.read(1); !isTimeout(err) {
		t.Errorf("before the answer: %v, want nothing", err)
	}
	r.pool.Loop(0).Post(onLoop(func() { held.answer(0, engine.TextResponse(200, "done")) }))
	if got := c.readAll(); !strings.Contains(got, "connection: close\r\n") || !strings.HasSuffix(got, "done") {
		t.Errorf("while draining the answer was %q", got)
	}
	if err := <-closed; err != nil {
		t.Error("close:", err)
	}
}

// TestPanickingEntrypoint: a handler that panics fails its request only.
func TestPanickingEntrypoint(t *testing.T) {
	s := newStepped(t, 1, 1, engine.EntrypointFunc(func(_ context.Context, _ *engine.Event, r *engine.Request) (*engine.Response, error) {
		if strings.HasSuffix(r.URL, "/panic") {
			panic("the secret of the panic")
		}
		if strings.HasSuffix(r.URL, "/error") {
			return nil, errors.New("the secret of the error")
		}
		return engine.TextResponse(200, "fine"), nil
	}), Options{})
	p := s.dial()
	statuses, bodies := answers(t, s.send(p, get("/panic")+get("/error")+get("/fine")))
	if fmt.Sprint(statuses) != "[500 500 200]" || bodies[0] != "Internal Server Error\n" || bodies[2] != "fine" {
		t.Errorf("answers %v %q", statuses, bodies)
	}
	log := s.log.String()
	if strings.Count(log, "\n") != 2 || !strings.Contains(log, "the secret of the panic") || !strings.Contains(log, "flow_test.go") {
		t.Errorf("the log says:\n%s", log)
	}
}

// TestFieldsArrive has headers of every length: all fields arrive, whatever room was made for them.
func TestFieldsArrive(t *testing.T) {
	s := newStepped(t, 1, 1, text(func(r *engine.Request) *engine.Response { return engine.TextResponse(200, describe(r, r.Body.Bytes())) }), Options{})
	p := s.dial()
	for n := range 40 {
		in, want := "GET / HTTP/1.1\r\nhost: x\r\n", "GET http://x/\nhost: x\n"
		for i := range n {
			in += fmt.Sprintf("X-%d: v%d\r\n", i, i)
			want += fmt.Sprintf("x-%d: v%d\n", i, i)
		}
		_, bodies := answers(t, s.send(p, in+"\r\n"))
		if len(bodies) != 1 || bodies[0] != want {
			t.Errorf("%d fields: %q, want %q", n+1, bodies, want)
		}
	}
}

// TestLongHeader: an answer's header is bounded, as it is written in one piece.
func TestLongHeader(t *testing.T) {
	s := newStepped(t, 1, 1, text(func(r *engine.Request) *engine.Response {
		n, _ := strconv.Atoi(pathOf(r.URL)[1:])
		return &engine.Response{Header: engine.Header{{Name: "x", Value: strings.Repeat("x", n)}}}
	}), Options{})
	p := s.dial()
	if got := s.send(p, get("/200000")); !strings.HasPrefix(got, "HTTP/1.1 200 ") || len(got) < 200000 {
		t.Errorf("%d bytes: %.50q", len(got), got)
	}
	if got := s.send(p, get("/20000000")); !strings.HasPrefix(got, "HTTP/1.1 500 ") || !strings.Contains(s.log.String(), "the limit is 262144") {
		t.Errorf("%d bytes: %.50q\n%s", len(got), got, s.log.String())
	}
}

// TestMetrics counts by class.
func TestMetrics(t *testing.T) {
	now := int64(0)
	s := newStepped(t, 2, 1, &scriptEntry{}, Options{Nanos: func() int64 { now += 20_000; return now }})
	p := s.dial()
	s.send(p, get("/status/201")+get("/status/302")+get("/status/404")+get("/fail/plain")+"BAD\r\n\r\n")
	m := s.srv.Metrics()
	want := Metrics{Conns: m.Conns, Opened: 1, Requests: 5, Status: [6]uint64{2: 1, 3: 1, 4: 2, 5: 1}, Refused: 1}
	want.Latency, want.LatencySum = m.Latency, m.LatencySum
	if m != want {
		t.Errorf("figures %+v, want %+v", m, want)
	}
	var n uint64
	for _, c := range m.Latency {
		n += c
	}
	// One reading of the clock at the start of the batch, then one for each answer: 20, 40, 60 and 80 us.
	if n != 4 || m.Latency[0] != 1 || m.LatencySum < 199e-6 || m.LatencySum > 201e-6 {
		t.Errorf("latencies %v, sum %v", m.Latency, m.LatencySum)
	}
}

// TestLatencyBuckets holds the bucket of each bound to the bound.
func TestLatencyBuckets(t *testing.T) {
	for i, b := range LatencyBounds {
		ns := int64(b*1e9 + 0.5)
		if got := latencyBucket(ns - 1); got != i {
			t.Errorf("%d ns: bucket %d, want %d", ns-1, got, i)
		}
		if got := latencyBucket(ns); got != i+1 {
			t.Errorf("%d ns: bucket %d, want %d", ns, got, i+1)
		}
	}
	if got := latencyBucket(1 << 60); got != latencyBuckets-1 {
		t.Errorf("the longest: bucket %d", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	s := newStepped(t, 1, 1, hello, Options{})
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{HeaderTimeout: -1}, "HeaderTimeout"},
		{Options{MaxInFlight: -1}, "MaxInFlight"},
		{Options{MaxBodyMemory: -1}, "MaxBodyMemory"},
		{Options{Scheme: "ftp"}, "Scheme"},
		{Options{MaxPipeline: -1}, "MaxInFlight"},
		{Options{WriteTimeout: -1}, "WriteTimeout"},
	} {
		if _, err := New(s.eng, hello, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want something about %s", c.o, err, c.want)
		}
	}
	for loops, want := range map[int]int64{1: 512 << 20, 2: 512 << 20, 8: 1600 << 20} {
		var o Options
		o.EnsureDefaults(loops)
		if o.MaxBodyMemory != want {
			t.Errorf("%d loops: %d bytes of bodies, want %d", loops, o.MaxBodyMemory, want)
		}
	}
	var o Options
	o.Conn.MaxInbound = 1000
	if _, err := New(s.eng, hello, o); err == nil || !strings.Contains(err.Error(), "HeadBytes") {
		t.Errorf("a header that cannot be received: %v", err)
	}
	if _, err := New(s.eng, nil, Options{}); err == nil {
		t.Error("a server without an entry point was made")
	}
}

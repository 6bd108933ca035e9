package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/proto/http"
)

// numbered answers each request with its own number, some of them later and in any order, and keeps what it was
// asked.
type numbered struct {
	rnd     *rand.Rand
	readers []*collecting
	held    []*engine.Event
	n       map[*engine.Event]int
	next    int
}

func (e *numbered) Serve(ev *engine.Event) {
	e.n[ev] = e.next
	e.next++
	if e.rnd.IntN(2) == 0 {
		// Read, as fast as it comes or in the end; answered before that or not.
		k := &collecting{slow: e.rnd.IntN(2) == 0}
		if body := ev.Request.Body; body.Streamed() {
			k.stream = ev.StartStream(body, k)
			e.readers = append(e.readers, k)
		}
	}
	if e.rnd.IntN(2) == 0 {
		e.held = append(e.held, ev)
		return
	}
	e.respond(ev)
}

func (e *numbered) respond(ev *engine.Event) {
	n := e.n[ev]
	ev.Respond(&engine.Response{
		Header: engine.Header{{Name: "x-number", Value: fmt.Sprint(n)}},
		Body:   engine.Bytes(bytes.Repeat([]byte{'0' + byte(n%10)}, n%7*300)),
	})
}

// collecting reads a body; slow: it acknowledges nothing before it is told to.
type collecting struct {
	stream *engine.Stream
	slow   bool
	owes   int
	ended  bool
}

func (k *collecting) Chunk(b []byte) {
	k.owes += len(b)
	if !k.slow {
		k.ack()
	}
}

func (k *collecting) ack() {
	n := k.owes
	k.owes = 0
	if n > 0 && k.stream != nil { // nil: inside StartStream
		k.stream.Ack(n)
	}
}

func (k *collecting) End(error) { k.ended = true }

// release answers some of the held requests.
func (e *numbered) release(all bool) {
	for _, k := range e.readers {
		k.slow = false
		k.ack()
	}
	e.rnd.Shuffle(len(e.held), func(i, j int) { e.held[i], e.held[j] = e.held[j], e.held[i] })
	for len(e.held) > 0 && (all || e.rnd.IntN(3) > 0) {
		ev := e.held[len(e.held)-1]
		e.held = e.held[:len(e.held)-1]
		e.respond(ev)
	}
}

// FuzzConnection has a client that sends anything, in pieces, and leaves in any way. Nothing panics, the answers are
// well-formed and in order, at most one of them is a refusal and then it is the last, and nothing is left behind.
func FuzzConnection(f *testing.F) {
	f.Add(uint64(1), []byte(get("/a")+get("/b")+"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"+get("/c")))
	f.Add(uint64(2), []byte("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"+get("/c")))
	f.Add(uint64(3), []byte("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc"+get("/")))
	f.Add(uint64(4), []byte(strings.Repeat(get("/"), 300)+"junk\r\n\r\n"))
	f.Add(uint64(5), []byte("HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"+get("/")))
	f.Add(uint64(6), []byte("GET / HTTP/1.0\r\n\r\n"))
	f.Add(uint64(7), []byte("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"))
	f.Fuzz(connection)
}

func connection(t *testing.T, seed uint64, in []byte) {
	if len(in) > 1<<16 {
		return
	}
	rnd := rand.New(rand.NewPCG(seed, 7))
	entry := &numbered{rnd: rnd, n: map[*engine.Event]int{}}
	o := Options{MaxPipeline: 1 + rnd.IntN(8)}
	o.Limits.BodyBytes = 5000
	s := newStepped(t, 1, seed, entry, o)
	s.pool.Fragment = rnd.IntN(2) == 0
	p := s.dial()
	var out []byte
	for rest := in; len(rest) > 0; {
		n := 1 + rnd.IntN(len(rest))
		p.Write(rest[:n])
		rest = rest[n:]
		if rnd.IntN(4) == 0 {
			p.StopReading(rnd.IntN(200))
		} else {
			p.StartReading()
		}
		switch rnd.IntN(5) {
		case 0:
			s.pool.Run()
		case 1:
			// Only with a client that reads: one that does not is cut off, rightly, when it takes long.
			p.StartReading()
			s.pool.Run()
			s.pool.Advance(time.Duration(rnd.IntN(5000)) * time.Millisecond)
		case 2:
			s.onLoop(func() { entry.release(false) })
		}
		out = append(out, p.Read()...)
	}
	p.StartReading()
	end := rnd.IntN(4)
	for entry.held != nil || !s.pool.Idle() {
		s.pool.Run()
		if len(entry.held) == 0 {
			break
		}
		s.onLoop(func() { entry.release(end > 0) })
	}
	switch end {
	case 0:
		p.Abort()
	case 1:
		p.CloseWrite()
	default:
		p.Close()
	}
	for range 3 { // what the end lets in may be held, too
		s.pool.Run()
		s.onLoop(func() { entry.release(true) })
	}
	s.pool.Advance(5 * time.Minute)
	out = append(out, p.Read()...)
	s.noneLeft()
	if end >= 2 {
		out = append(out, p.Read()...)
	}
	inOrder(t, seed, in, out, end)
}

// inOrder checks the answers. Requests by HEAD are found by reading the input once more: their answers have no body.
func inOrder(t *testing.T, seed uint64, in, out []byte, end int) {
	t.Helper()
	var heads []bool
	q := http.NewReader(http.Limits{BodyBytes: 5000})
	for rest := in; ; {
		n, ev, err := q.Next(rest)
		if err != nil || ev.Kind == http.NeedMore {
			break
		}
		if ev.Kind == http.Head {
			heads = append(heads, q.Request().Method == "HEAD")
		}
		rest = rest[n:]
	}
	r := http.NewResponseReader(http.Limits{})
	refused := false
	for i := 0; len(out) > 0; i++ {
		var body []byte
		number := ""
		for {
			n, ev, err := r.Next(out, i < len(heads) && heads[i])
			if err != nil {
				t.Fatalf("seed %d: answer %d: %v\n%q", seed, i, err, out)
			}
			switch ev.Kind {
			case http.Head:
				v, _ := r.Response().Value("x-number")
				number = string(v)
			case http.Body:
				body = append(body, ev.Data...)
			}
			out = out[n:]
			if ev.Kind == http.End {
				break
			}
			if ev.Kind == http.NeedMore {
				if end == 0 || bytes.HasPrefix(out, []byte("HTTP/1.1 100")) || len(out) == 0 {
					return // cut off by the client, or nothing but an interim answer
				}
				t.Fatalf("seed %d: answer %d is cut off: %q", seed, i, out)
			}
		}
		if refused {
			t.Fatalf("seed %d: something follows a refusal", seed)
		}
		if number == "" {
			refused = true
			continue
		}
		if number != fmt.Sprint(i) {
			t.Fatalf("seed %d: answer %d has number %s", seed, i, number)
		}
		if !(i < len(heads) && heads[i]) && len(body) != i%7*300 {
			t.Fatalf("seed %d: answer %d has %d bytes", seed, i, len(body))
		}
	}
}

// TestRandomConnections is FuzzConnection on many seeds with mostly sound input.
func TestRandomConnections(t *testing.T) {
	pieces := []string{
		get("/"), get("/a?b"), "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n0123456789",
		"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
		"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n",
		"PUT / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n0123456789",
		"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "junk\r\n",
	}
	weights := []int{20, 20, 10, 10, 5, 5, 1, 1, 1}
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var in strings.Builder
		for range rnd.IntN(60) {
			n := rnd.IntN(73)
			for i, w := range weights {
				if n -= w; n < 0 {
					in.WriteString(pieces[i])
					break
				}
			}
		}
		connection(t, seed, []byte(in.String()))
		if t.Failed() {
			t.Fatalf("seed %d: %q", seed, in.String())
		}
	}
}

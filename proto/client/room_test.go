package client

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"everloop/proto/http"
	"everloop/proto/ws"
)

// fakeHTTP is a server that opens WebSockets, and has faults by their path. Its connections are pipes.
type fakeHTTP struct {
	t  testing.TB
	wg sync.WaitGroup

	mu     sync.Mutex
	fields []http.Field // of the last request
	pings  int
	closes []ws.Event // that clients have sent
	conns  []net.Conn
}

func (f *fakeHTTP) client(o Options) *Client {
	f.t.Helper()
	o.HTTP, o.Dial = "http://fake", f.dial
	c, err := New(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := c.Close(canceled()); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed) {
			f.t.Error(err)
		}
		for _, nc := range f.conns {
			nc.Close()
		}
		f.wg.Wait()
	})
	return c
}

func (f *fakeHTTP) dial(_ context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" || address != "fake:80" {
		f.t.Errorf("dialled %s %s", network, address)
	}
	ours, theirs := net.Pipe()
	f.mu.Lock()
	f.conns = append(f.conns, ours)
	f.mu.Unlock()
	f.wg.Go(func() { f.serve(ours) })
	return theirs, nil
}

func (f *fakeHTTP) serve(nc net.Conn) {
	var (
		in    []byte
		buf   = make([]byte, 4096)
		write = make(chan []byte, 1<<16) // a pipe takes nothing in that nobody reads
	)
	f.wg.Go(func() {
		for b := range write {
			_, _ = nc.Write(b)
		}
		nc.Close()
	})
	defer close(write)
	more := func() bool {
		k, err := nc.Read(buf)
		in = append(in, buf[:k]...)
		return err == nil
	}
	var requests http.Reader
	for {
		n, e, err := requests.Next(in)
		if err != nil {
			f.t.Error(err)
			return
		}
		if e.Kind == http.Head {
			break
		}
		if in = in[n:]; !more() {
			return
		}
	}
	n := len(in) // the head is all that has come
	q := requests.Request()
	fields, path, host := q.AppendFieldsTarget(nil)
	f.mu.Lock()
	f.fields = fields
	f.mu.Unlock()
	if host != "fake" {
		f.t.Errorf("asked for host %q", host)
	}
	in = in[n:]
	switch path {
	case "/refuse":
		write <- http.AppendError(nil, 403, "members only", http.Options{})
		return
	case "/unending": // an answer whose body does not end
		write <- []byte("HTTP/1.1 500 no\r\ncontent-length: 1000000\r\n\r\n" + strings.Repeat("x", 8000))
		more()
		return
	case "/garbage":
		write <- []byte("SSH-2.0-x\r\n\r\n")
		return
	case "/wrong":
		write <- []byte("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n")
		return
	case "/never":
		more()
		return
	}
	h, err := ws.ReadRequest("GET", false, fields)
	if err != nil {
		f.t.Error(err)
		return
	}
	answer := h.AppendAnswer(nil, true)
	if len(h.Protocols) > 0 {
		answer = append(answer, http.Field{Name: "sec-websocket-protocol", Value: h.Protocols[len(h.Protocols)-1]})
	}
	head, err := http.AppendHead(nil, 101, answer, http.Options{KeepAlive: true})
	if err != nil {
		f.t.Error(err)
		return
	}
	switch path {
	case "/early": // a message in one piece with the answer
		head = ws.AppendFrame(head, ws.OpText, []byte("early"))
	case "/closed":
		head = ws.AppendClose(head, 4002, "no more")
	case "/many":
		for range 3 * roomQueue {
			head = ws.AppendFrame(head, ws.OpText, []byte("m"))
		}
	case "/ping":
		head = ws.AppendFrame(head, ws.OpPing, []byte("p"))
	case "/bad":
		head = append(head, 0xff, 0xff)
	}
	write <- head
	reader := ws.NewReader(ws.Options{Deflate: h.Deflate.Agreed()})
	for {
		n, e, err := reader.Next(in)
		in = in[n:]
		if err != nil {
			f.t.Error(err)
			return
		}
		switch e.Kind {
		case ws.NeedMore:
			if !more() {
				return
			}
		case ws.Text, ws.Binary:
			if path == "/lost" {
				return
			}
			write <- h.Deflate.AppendMessage(nil, e.Kind == ws.Text, e.Data)
		case ws.Ping:
			f.mu.Lock()
			f.pings++
			f.mu.Unlock()
			if path != "/mute" {
				write <- ws.AppendFrame(nil, ws.OpPong, e.Data)
			}
		case ws.Pong:
			write <- ws.AppendFrame(nil, ws.OpText, append([]byte("pong "), e.Data...))
		case ws.Close:
			f.mu.Lock()
			f.closes = append(f.closes, e)
			f.mu.Unlock()
			if path == "/deaf" {
				continue
			}
			write <- ws.AppendClose(nil, e.Code, e.Reason)
			return
		}
	}
}

// rooms runs a test with a room of each kind that says everything back.
func rooms(t *testing.T, test func(t *testing.T, c *Client, join func() (Room, error))) {
	t.Run("WebSocket", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := (&fakeHTTP{t: t}).client(Options{})
			test(t, c, func() (Room, error) { return c.WebSocket(background, "/echo", SocketOptions{}) })
		})
	})
	t.Run("RESP", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newFake(t).client(Options{})
			test(t, c, func() (Room, error) { return c.Class("Chat").Get("lobby").Join(background) })
		})
	})
}

func TestRoom(t *testing.T) {
	rooms(t, func(t *testing.T, c *Client, join func() (Room, error)) {
		r, err := join()
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("over and over ", 10000)
		for _, m := range []Message{Text("hello"), {Data: []byte{0xff, 0}}, Text(long), Text("")} {
			if err := r.Send(background, m); err != nil {
				t.Fatal(err)
			}
			got, err := r.Receive(background)
			if err != nil || got.Text != m.Text || string(got.Data) != string(m.Data) {
				t.Errorf("%v %.10q came back as %v %.10q, %v", m.Text, m.Data, got.Text, got.Data, err)
			}
		}
		if err := r.Send(background, Text("\xff")); !errors.Is(err, errNotText) {
			t.Error("text that is none:", err)
		}
		if _, err := r.Receive(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("when nothing was said:", err)
		}
		time.Sleep(10 * DefaultPing) // of the bubble: pings keep it
		for _, s := range []string{"a", "b", "c"} {
			if err := r.Send(background, Text(s)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		got := ""
		for m, err := range r.Messages(background) {
			if err != nil {
				t.Fatal(err)
			}
			if got += string(m.Data); got == "abc" {
				if err := r.Close(1000, "done"); err != nil {
					t.Error(err)
				}
			}
		}
		if got != "abc" {
			t.Errorf("got %q", got)
		}
		if e, ok := errors.AsType[*CloseError](second(r.Receive(background))); !ok || e.Code != 1000 {
			t.Errorf("behind the end: %v", e)
		}
		if err := r.Send(background, Text("x")); err == nil {
			t.Error("something was said after Close")
		}
		if err := r.Close(1000, ""); err != nil {
			t.Error("closed twice:", err)
		}
		if len(c.rooms) != 0 {
			t.Error("the client keeps it")
		}
	})
}

func second[T any](_ T, err error) error { return err }

// A client that is closed closes its rooms, and opens none.
func TestCloseClosesRooms(t *testing.T) {
	rooms(t, func(t *testing.T, c *Client, join func() (Room, error)) {
		r, err := join()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(background); err != nil {
			t.Error(err)
		}
		if _, err := r.Receive(background); err == nil {
			t.Error("it goes on")
		}
		if _, err := join(); !errors.Is(err, ErrClosed) {
			t.Error("a room after Close:", err)
		}
	})
}

// A room whose other side does not answer lasts no longer than the context of the client's Close.
func TestCloseCutsRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&fakeHTTP{t: t}).client(Options{})
		r, err := c.WebSocket(background, "/deaf", SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := c.Close(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, err := r.Receive(background); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

// A room ends in Close also when nobody has received for long, so that its reading goroutine waits.
func TestCloseOfFullRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeHTTP{t: t}
		r, err := f.client(Options{}).WebSocket(background, "/many", SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * DefaultPing) // of the bubble: it is not taken for lost, though nothing is read
		start := time.Now()
		if err := r.Close(4000, "enough"); err != nil || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		synctest.Wait()
		if len(f.closes) != 1 || f.closes[0].Code != 4000 || f.closes[0].Reason != "enough" {
			t.Errorf("the server saw %v", f.closes)
		}
	})
}

func TestRoomOfRESP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.password = "secret"
		c := f.client(Options{Password: "secret"})
		if _, err := c.Class("Counter").Get("a").Join(background); !errors.Is(err, ErrNoRoom) {
			t.Error("an object that is no room:", err)
		}
		for said, check := range map[string]func(error) bool{
			"close": func(err error) bool {
				e, ok := errors.AsType[*CloseError](err)
				return ok && e.Code == 4001 && e.Reason == "as you say"
			},
			"lose":   func(err error) bool { _, ok := errors.AsType[*ConnError](err); return ok },
			"refuse": func(err error) bool { return errors.Is(err, ErrOverloaded) },
		} {
			r, err := c.Class("Chat").Get("a").Join(background)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(r.Send(background, Text("first")), r.Send(background, Text(said))); err != nil {
				t.Fatal(err)
			}
			var got []string
			var end error
			for m, err := range r.Messages(background) {
				if end = err; err == nil {
					got = append(got, string(m.Data))
				}
			}
			if !slices.Equal(got, []string{"first"}) || !check(end) {
				t.Errorf("%s: %q, %v", said, got, end)
			}
		}
		r, err := c.Class("Chat").Get("a").Join(background)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(1000, ""); err != nil || f.times("unsubscribe") != 1 {
			t.Errorf("left %d times: %v", f.times("unsubscribe"), err)
		}
	})
}

func TestWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeHTTP{t: t}
		c := f.client(Options{})
		r, err := c.WebSocket(background, "/early", SocketOptions{
			Protocols: []string{"one", "two"},
			Fields:    []http.Field{{Name: "Authorization", Value: "Bearer x"}, {Name: "Sec-WebSocket-Key", Value: "mine"}},
			NoDeflate: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Protocol != "two" {
			t.Errorf("protocol %q", r.Protocol)
		}
		if m, err := r.Receive(background); err != nil || !m.Text || string(m.Data) != "early" {
			t.Errorf("%v, %v", m, err)
		}
		synctest.Wait()
		seen := map[string]string{}
		for _, x := range f.fields {
			seen[x.Name] = x.Value
		}
		if seen["authorization"] != "Bearer x" || seen["sec-websocket-extensions"] != "" || len(seen["sec-websocket-key"]) != 24 {
			t.Errorf("it was asked with %v", f.fields)
		}

		refused := map[string]func(error) bool{
			"/refuse": func(err error) bool {
				e, ok := errors.AsType[*HandshakeError](err)
				return ok && e.Status == 403 && strings.HasPrefix(string(e.Body), "members only")
			},
			"/unending": func(err error) bool {
				e, ok := errors.AsType[*HandshakeError](err)
				return ok && e.Status == 500 && len(e.Body) == maxHandshakeBody
			},
			"/garbage": func(err error) bool { _, ok := errors.AsType[*http.Error](err); return ok },
			"/wrong":   func(err error) bool { _, ok := errors.AsType[*ws.Refusal](err); return ok },
			"/never":   func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
		}
		for path, check := range refused {
			if _, err := c.WebSocket(background, path, SocketOptions{}); !check(err) {
				t.Errorf("%s: %v", path, err)
			}
		}
		if _, err := c.WebSocket(background, "/echo", SocketOptions{Protocols: []string{"a b"}}); err == nil {
			t.Error("a subprotocol with a blank was sent")
		}

		ends := map[string]func(error) bool{
			"/closed": func(err error) bool {
				e, ok := errors.AsType[*CloseError](err)
				return ok && e.Code == 4002 && e.Reason == "no more"
			},
			"/bad":  func(err error) bool { _, ok := errors.AsType[*ws.Error](err); return ok },
			"/mute": func(err error) bool { return errors.Is(err, errMute) && errors.Is(err, ErrMaybeDone) },
		}
		for path, check := range ends {
			f.closes = nil
			start := time.Now()
			r, err := c.WebSocket(background, path, SocketOptions{Ping: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Receive(background); !check(err) {
				t.Errorf("%s: %v", path, err)
			}
			synctest.Wait()
			if path == "/mute" {
				if d := time.Since(start); d < 2*time.Second || d > 3*time.Second {
					t.Errorf("a mute connection was given up after %v", d)
				}
			} else if len(f.closes) != 1 {
				t.Errorf("%s: the server got the closes %v", path, f.closes)
			}
		}

		r, err = c.WebSocket(background, "/ping", SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := r.Receive(background); err != nil || string(m.Data) != "pong p" {
			t.Errorf("a ping was answered by %q, %v", m.Data, err)
		}
		r, err = c.WebSocket(background, "/lost", SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Send(background, Text("x")); err != nil {
			t.Error(err)
		}
		if _, err := r.Receive(background); !errors.Is(err, ErrMaybeDone) || !strings.Contains(err.Error(), "EOF") {
			t.Error("a lost connection:", err)
		}
		r, err = c.WebSocket(background, "/deaf", SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		go func() {
			time.Sleep(closeWait / 2) // of the bubble: Close was sent, and nothing may follow it
			if err := r.Send(background, Text("x")); !errors.Is(err, ErrClosed) {
				t.Error("behind Close:", err)
			}
		}()
		if err := r.Close(1000, ""); err != nil || time.Since(start) != closeWait {
			t.Errorf("a Close without an answer: after %v, %v", time.Since(start), err)
		}
		if _, err := r.Receive(canceled()); err == nil || errors.Is(err, context.Canceled) {
			t.Error("it has not ended:", err)
		}
	})
}

// A message that its context cuts in two ends the room; one that has not begun does not.
func TestSendUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := (&fakeHTTP{t: t}).client(Options{})
		ours, theirs := net.Pipe()
		r, err := c.newRoom(theirs, "pipe", &wsRoom{}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Send(within(t, time.Second), Text("nobody reads")); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNotSent) {
			t.Error(err)
		}
		errs := make(chan error)
		go func() { errs <- r.Send(background, Text("hello")) }()
		buf := make([]byte, 100)
		if k, err := ours.Read(buf); err != nil || k != 2+4+5 {
			t.Errorf("%d bytes, %v", k, err)
		}
		if err := <-errs; err != nil {
			t.Error("the next message:", err)
		}
		go func() { errs <- r.Send(within(t, time.Second), Text("hello")) }()
		if _, err := ours.Read(buf[:3]); err != nil {
			t.Error(err)
		}
		if err := <-errs; !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrMaybeDone) {
			t.Error(err)
		}
		if _, err := r.Receive(background); err == nil {
			t.Error("the room goes on behind half a message")
		}
		ours.Close()
	})
}

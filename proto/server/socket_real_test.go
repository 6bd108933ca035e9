package server

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"everloop/engine"
	phttp "everloop/proto/http"
	"everloop/proto/ws"
)

// These tests have another implementation of the protocol at the other end.

// echoing is an entry point whose WebSockets send back what they are sent.
type echoing struct{}

func (echoing) Serve(ev *engine.Event) {
	if ev.Request.Header.Get("upgrade") == "" {
		ev.Respond(engine.TextResponse(200, "plain\n"))
		return
	}
	ours, theirs := ev.WebSocketPair()
	if err := ev.HoldWebSocket(ours, &echoSink{ours}); err != nil {
		ev.Fail(err)
		return
	}
	ev.Respond(&engine.Response{Status: 101, WebSocket: theirs})
}

type echoSink struct{ end *engine.WebSocket }

func (s *echoSink) Message(m *engine.Message) { _ = s.end.Send(m) }
func (*echoSink) Closed(int, string, bool)    {}
func (*echoSink) Failed(error)                {}

// bounded is a context for what must happen.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestSocketWithAnotherClient(t *testing.T) {
	for _, mode := range []websocket.CompressionMode{websocket.CompressionDisabled, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover} {
		t.Run(fmt.Sprint("compression ", mode), func(t *testing.T) {
			r := newReal(t, 2, echoing{}, Options{})
			ctx := bounded(t)
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					//nolint:bodyclose // the package says that nobody need close it
					c, _, err := websocket.Dial(ctx, "ws://"+r.addr+"/", &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
					if err != nil {
						t.Error(err)
						return
					}
					defer c.CloseNow()
					c.SetReadLimit(32 << 20)
					rnd := rand.New(rand.NewPCG(uint64(w), 1))
					for _, size := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 200_000, (4 - w) << 19} {
						kind, out := websocket.MessageBinary, make([]byte, size)
						for i := range out {
							out[i] = byte(rnd.IntN(4))
						}
						if w%2 == 0 {
							kind, out = websocket.MessageText, bytes.Repeat([]byte("ä"), size/2)
						}
						// It is sent while the echo of an earlier part comes, so both sides must go on reading.
						sent := make(chan error, 1)
						go func() { sent <- c.Write(ctx, kind, out) }()
						gotKind, got, err := c.Read(ctx)
						if err == nil {
							err = <-sent
						}
						if err != nil || gotKind != kind || !bytes.Equal(got, out) {
							t.Errorf("%d bytes came back as %d, %v", len(out), len(got), err)
							return
						}
					}
					if err := c.Close(4000, "enough"); err != nil {
						t.Errorf("close: %v", err)
					}
				}()
			}
			wg.Wait()
			if m := r.srv.Metrics(); m.SocketsOpened != 4 || m.MessagesIn != 40 || m.MessagesOut != 40 || m.SocketsFailed+m.SocketsSlow+m.SocketsSilent != 0 {
				t.Errorf("%+v", m)
			}
		})
	}
}

// remote is a server on another implementation, for what is dialled.
func remote(t *testing.T, serve func(ctx context.Context, c *websocket.Conn)) string {
	ctx := bounded(t)
	var running sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		if r.URL.Path == "/plain" {
			fmt.Fprint(w, "no socket here")
			return
		}
		if r.URL.Path == "/wrong" {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Sec-WebSocket-Accept", "wrong")
			w.WriteHeader(101)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols: []string{"b"}, CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1,
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(32 << 20)
		serve(ctx, c)
	}))
	t.Cleanup(func() { s.Close(); running.Wait() })
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func remoteEcho(ctx context.Context, c *websocket.Conn) {
	for {
		kind, b, err := c.Read(ctx)
		if err != nil {
			return
		}
		if err := c.Write(ctx, kind, b); err != nil {
			return
		}
	}
}

// dialler is an object that dials, and tells what comes.
type dialler struct {
	s     *engine.State
	hears chan string
}

func (d *dialler) Fetch(ctx context.Context, r *engine.Request) (*engine.Response, error) {
	if r.Header.Has("x-abort") {
		defer d.s.Abort(nil)
		return engine.TextResponse(200, ""), nil
	}
	url := r.Header.Get("x-url")
	protocols := []string{"a", "b"}
	if r.Header.Has("x-none") {
		protocols = nil
	}
	end, resp, err := d.s.DialWebSocket(ctx, url, engine.Header{{Name: "x-mine", Value: "1"}}, protocols...)
	if err != nil {
		return engine.TextResponse(200, err.Error()), nil
	}
	if err := d.s.HoldWebSocket(end, &relay{end, d.hears}); err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(r.Header.Get("x-send"), ",") {
		if text == "" {
			continue
		}
		if err := end.Send(engine.TextMessage(text)); err != nil {
			return nil, err
		}
	}
	if r.Header.Has("x-large") {
		_ = end.Send(engine.BinaryMessage(make([]byte, 3<<20)))
	}
	if r.Header.Has("x-close") {
		if err := end.Close(3000, "done"); err != nil {
			return nil, err
		}
	}
	return engine.TextResponse(200, fmt.Sprint(resp.Status, " ", resp.Header.Get("sec-websocket-protocol"))), nil
}

// relay tells a test what comes.
type relay struct {
	end   *engine.WebSocket
	hears chan string
}

func (r *relay) Message(m *engine.Message) { r.hears <- shown(m) }
func (r *relay) Closed(code int, reason string, clean bool) {
	r.hears <- fmt.Sprintf("closed %d %q %v", code, reason, clean)
}
func (r *relay) Failed(err error) { r.hears <- "failed " + err.Error() }

// dials is a server with an object that dials.
func dials(t *testing.T) (ask func(fields ...engine.Field) string, hears chan string) {
	hears = make(chan string, 1000)
	r := newReal(t, 2, echoing{}, Options{})
	ns, err := r.eng.Register("Dialler", engine.ClassOf(func(s *engine.State) (*dialler, error) { return &dialler{s, hears}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	return func(fields ...engine.Field) string {
		t.Helper()
		resp, err := ns.GetByName("a").Fetch(bounded(t), &engine.Request{Method: "GET", URL: "http://x/", Header: fields})
		if err != nil {
			if fields[0].Name == "x-abort" {
				return err.Error()
			}
			t.Fatal(err)
		}
		return string(resp.Body.Bytes())
	}, hears
}

func hear(t *testing.T, hears chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-hears:
			if got != w {
				t.Fatalf("the object heard %s\nand not %s", got, w)
			}
		case <-time.After(time.Minute):
			t.Fatalf("the object did not hear %s", w)
		}
	}
}

func field(name, value string) engine.Field { return engine.Field{Name: name, Value: value} }

func TestDial(t *testing.T) {
	ask, hears := dials(t)
	got := ask(field("x-url", remote(t, remoteEcho)), field("x-send", "one,two,"+strings.Repeat("long ", 10)), field("x-large", "1"), field("x-close", "1"))
	expect(t, "the answer", got, "101 b")
	hear(t, hears, "one", "two", strings.Repeat("long ", 10), "3145728 bytes", `closed 3000 "done" true`)
}

func TestDialedEnds(t *testing.T) {
	ask, hears := dials(t)
	for _, tc := range []struct {
		name  string
		serve func(ctx context.Context, c *websocket.Conn)
		want  string
	}{
		{"the server closes", func(ctx context.Context, c *websocket.Conn) {
			// A ping before, which is answered without the object.
			if err := c.Ping(c.CloseRead(ctx)); err != nil {
				t.Error("ping:", err)
			}
			if err := c.Close(4001, "bye"); err != nil {
				t.Error("close:", err)
			}
		}, `closed 4001 "bye" true`},
		{
			"the server leaves", func(ctx context.Context, c *websocket.Conn) { c.CloseNow() },
			`closed 1006 "WebSocket disconnected without sending Close frame." false`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ask(field("x-url", remote(t, tc.serve)))
			hear(t, hears, tc.want)
		})
	}
}

// A server that breaks the protocol is told so.
func TestDialedServerBreaksTheProtocol(t *testing.T) {
	ask, hears := dials(t)
	told := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, err := ws.ReadRequest(r.Method, false, requestFields(r))
		if err != nil {
			t.Error(err)
			return
		}
		if r.Header.Get("X-Mine") != "1" || r.Header.Get("Sec-Websocket-Extensions") == "" || len(h.Protocols) != 2 {
			t.Errorf("the request has %v", r.Header)
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		b, _ := phttp.AppendHead(nil, 101, h.AppendAnswer(nil, false), phttp.Options{Length: phttp.NoLength})
		b = append(b, ws.AppendFrame(nil, ws.OpText, []byte("fine"))...)
		b = append(b, ws.AppendMaskedFrame(nil, ws.OpText, []byte("masked"), testMask)...)
		_, _ = conn.Write(b)
		reader := ws.NewReader(ws.Options{})
		var in []byte
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			in = append(in, buf[:n]...)
			for len(in) > 0 {
				used, ev, fault := reader.Next(in)
				in = in[used:]
				if fault != nil || ev.Kind == ws.NeedMore {
					break
				}
				if ev.Kind == ws.Close {
					told <- fmt.Sprint(ev.Code, " ", ev.Reason)
				}
			}
			if err != nil {
				return
			}
		}
	}))
	defer s.Close()
	ask(field("x-url", s.URL), field("x-send", "hi"))
	place := strings.TrimPrefix(s.URL, "http://")
	hear(t, hears, "fine", "failed The WebSocket to http://"+place+" failed: ws: 1002: a frame of a server is masked (RFC 6455, 5.1)")
	hear(t, told, "1002 a frame of a server is masked (RFC 6455, 5.1)")
}

func requestFields(r *http.Request) (fields []ws.Field) {
	fields = append(fields, ws.Field{Name: "host", Value: r.Host})
	for name, values := range r.Header {
		for _, v := range values {
			fields = append(fields, ws.Field{Name: strings.ToLower(name), Value: v})
		}
	}
	return fields
}

func TestDialFails(t *testing.T) {
	ask, _ := dials(t)
	base := remote(t, func(context.Context, *websocket.Conn) {})
	place := "http" + strings.TrimPrefix(base, "ws")
	for _, tc := range []struct{ url, want string }{
		{base + "/plain", "Failed to establish the WebSocket connection: expected server to reply with HTTP status code 101 (switching protocols), but received 200 instead."},
		{base + "/wrong", "fetch failed: GET " + place + ": ws: sec-websocket-accept does not fit the key (RFC 6455, 4.1)"},
		{"ws://127.0.0.1:1/secret", "fetch failed: GET http://127.0.0.1:1: connection refused"},
		{"ftp://127.0.0.1:1/", "Fetch API cannot load: ftp://127.0.0.1:1/: it is not an address of http or https"},
	} {
		expect(t, tc.url, ask(field("x-url", tc.url)), tc.want)
	}
}

// What is dialled ends with its object.
func TestDialedObjectIsReset(t *testing.T) {
	ask, _ := dials(t)
	ended := make(chan string, 1)
	url := remote(t, func(ctx context.Context, c *websocket.Conn) {
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				ended <- fmt.Sprint(websocket.CloseStatus(err))
				return
			}
			ended <- string(b)
		}
	})
	ask(field("x-url", url), field("x-send", "hi"))
	hear(t, ended, "hi")
	ask(field("x-abort", "1"))
	hear(t, ended, "StatusCode(-1)") // without a Close
}

// Without a client for it, there are no such requests.
func TestDialWithoutAClient(t *testing.T) {
	e, err := engine.Open(engine.Options{OpenLog: memLog, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(bounded(t))
	ns, err := e.Register("Dialler", engine.ClassOf(func(s *engine.State) (*dialler, error) { return &dialler{s, nil}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := ns.GetByName("a").Fetch(bounded(t), &engine.Request{Method: "GET", URL: "http://x/", Header: engine.Header{field("x-url", "ws://127.0.0.1:1/")}})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "the answer", string(resp.Body.Bytes()), "WebSockets to other servers are not available here: engine.Options.WebSockets is not set")
}

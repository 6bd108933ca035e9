package server

import (
	"context"
	"flag"
	"net"
	"testing"

	"everloop/engine"
	"everloop/proto/ws/wstest"
)

var autobahn = flag.Bool("autobahn", false, "exchange as many messages as Autobahn does: 11 GB, some minutes")

// echoer is an object that sends back what the sockets that it has accepted send.
type echoer struct{ st *engine.State }

func (e *echoer) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	ours, theirs := e.st.WebSocketPair()
	if err := e.st.AcceptWebSocket(ours); err != nil {
		return nil, err
	}
	return &engine.Response{Status: 101, WebSocket: theirs}, nil
}

func (e *echoer) WebSocketMessage(_ context.Context, ws *engine.WebSocket, m *engine.Message) error {
	return ws.Send(m)
}

func (e *echoer) WebSocketClose(_ context.Context, ws *engine.WebSocket, code int, reason string, _ bool) error {
	return ws.Close(code, reason)
}

// TestAutobahn asks Autobahn's questions of the whole server: a client on loopback, the connection on one loop, an object on it or
// the other that echoes.
func TestAutobahn(t *testing.T) {
	entry := engine.EntrypointFunc(func(ctx context.Context, ev *engine.Event, r *engine.Request) (*engine.Response, error) {
		return ev.Namespace("Echo").GetByName("autobahn").Fetch(ctx, r)
	})
	r := newReal(t, 2, entry, Options{})
	if _, err := r.eng.Register("Echo", engine.ClassOf(func(st *engine.State) (*echoer, error) { return &echoer{st}, nil })); err != nil {
		t.Fatal(err)
	}
	s := wstest.Suite{
		Dial: func() (net.Conn, error) { return net.Dial("tcp", r.addr) },
		Host: "echo", Target: "/", Full: *autobahn, Elsewhere: true, Golden: "testdata/autobahn/verdicts.txt", Rewrite: *rewrite,
	}
	s.Run(t)
}

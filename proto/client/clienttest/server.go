// Package clienttest serves objects to tests of package client, in their own process: an engine, its loops, RESP and HTTP. The client itself
// knows none of these.
package clienttest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto/server"
)

// Server is a server on loopback, with the classes [Counter] and [Chat]. HTTP has each chat at its path.
type Server struct {
	RESP string // its addresses, for client.Options
	HTTP string
	Unix string // RESP, at a socket

	dir  string
	pool *loop.Net
	eng  *engine.Engine
	resp *server.RESP
	http *server.Server
	once sync.Once
}

// Options are what tests choose.
type Options struct {
	Loops    int // default 2
	Password string
}

// Start starts a server, with a data directory that is removed by Close.
func Start(o Options) (s *Server, err error) {
	if o.Loops == 0 {
		o.Loops = 2
	}
	s = &Server{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "clienttest"); err != nil {
		return nil, err
	}
	if s.pool, err = loop.New(loop.Options{Loops: o.Loops}); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	if s.eng, err = engine.Open(engine.Options{Dir: filepath.Join(s.dir, "data"), Pool: s.pool, Logger: quiet}); err != nil {
		return nil, err
	}
	if _, err = s.eng.Register("Counter", engine.ClassOf(NewCounter)); err != nil {
		return nil, err
	}
	if _, err = s.eng.Register("Chat", engine.ClassOf(NewChat)); err != nil {
		return nil, err
	}
	if s.resp, err = server.NewRESP(s.eng, server.RESPOptions{Password: o.Password, Logger: quiet}); err != nil {
		return nil, err
	}
	if s.http, err = server.New(s.eng, engine.RouteFunc(route), server.Options{Logger: quiet}); err != nil {
		return nil, err
	}
	for _, l := range []struct {
		listen func(*loop.Net, string) (*loop.Listener, error)
		at     string
		is     *string
		prefix string
	}{
		{s.resp.Listen, "127.0.0.1:0", &s.RESP, ""},
		{s.http.Listen, "127.0.0.1:0", &s.HTTP, "http://"},
		{s.resp.Listen, "unix:" + filepath.Join(s.dir, "resp"), nil, ""},
	} {
		lis, err := l.listen(s.pool, l.at)
		if err != nil {
			return nil, err
		}
		if l.is != nil {
			*l.is = l.prefix + lis.Addr().String()
		} else {
			s.Unix = l.at
		}
	}
	return s, nil
}

// Close ends the server, and what is under way, within 10 seconds. A second one does nothing.
func (s *Server) Close() (err error) {
	s.once.Do(func() { err = s.close() })
	return err
}

func (s *Server) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var errs []error
	if s.resp != nil {
		errs = append(errs, s.resp.Shutdown(ctx))
	}
	if s.http != nil {
		errs = append(errs, s.http.Shutdown(ctx))
	}
	if s.eng != nil {
		errs = append(errs, s.eng.Close(ctx))
	}
	if s.pool != nil {
		errs = append(errs, s.pool.Close(ctx))
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

func route(p *engine.Port, r *engine.Request) (*engine.Stub, *engine.Response) {
	name := filepath.Base(r.URL)
	if name == "nowhere" {
		return nil, engine.TextResponse(404, "There is no such room.\n")
	}
	return p.Namespace("Chat").GetByName(name), nil
}

// Counter is an object with one durable number.
type Counter struct{ st *engine.State }

// NewCounter makes the instance.
func NewCounter(st *engine.State) (*Counter, error) { return &Counter{st}, nil }

// Add adds n and returns the new number.
func (c *Counter) Add(n int) (int, error) {
	if n == 0 {
		return 0, errors.New("nothing to add")
	}
	sum, err := c.Value()
	if err != nil {
		return 0, err
	}
	return sum + n, c.st.Storage().Put("n", sum+n)
}

// Value returns the number.
func (c *Counter) Value() (int, error) {
	n, _, err := engine.Get[int](c.st.Storage(), "n")
	return n, err
}

// ID returns the object's ID.
func (c *Counter) ID() (string, error) { return c.st.ID().String(), nil }

// Join returns what it was called with.
func (c *Counter) Join(a, b []byte) ([]byte, error) { return append(append([]byte{}, a...), b...), nil }

// Number returns text as a number.
func (c *Counter) Number(text []byte) (int, error) { return strconv.Atoi(string(text)) }

// Chat is a room: what one says goes to all.
type Chat struct{ st *engine.State }

// NewChat makes the instance.
func NewChat(st *engine.State) (*Chat, error) { return &Chat{st}, nil }

// Fetch lets a visitor in.
func (c *Chat) Fetch(_ context.Context, r *engine.Request) (*engine.Response, error) {
	if r.Header.Get("upgrade") == "" {
		return engine.TextResponse(426, "This is a room.\n"), nil
	}
	visitor, ours := c.st.WebSocketPair()
	if err := c.st.AcceptWebSocket(ours); err != nil {
		return nil, err
	}
	return &engine.Response{Status: 101, WebSocket: visitor}, nil
}

// WebSocketMessage passes a message on; "bye" closes the socket of who says it.
func (c *Chat) WebSocketMessage(_ context.Context, ws *engine.WebSocket, m *engine.Message) error {
	if string(m.Data) == "bye" {
		return ws.Close(4000, "good bye")
	}
	c.st.Broadcast(m, engine.BroadcastOptions{})
	return nil
}

// WebSocketClose tells the others, and says good-bye in turn.
func (c *Chat) WebSocketClose(_ context.Context, ws *engine.WebSocket, code int, reason string, _ bool) error {
	c.st.Broadcast(engine.TextMessage(fmt.Sprintf("left with %d %s", code, reason)), engine.BroadcastOptions{})
	return nil
}

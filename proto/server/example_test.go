package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto/server"
)

// Counter is an object with one durable number, which it counts up with each request.
type Counter struct{ st *engine.State }

func (c *Counter) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	var n int
	if _, err := c.st.Storage().Get("n", &n); err != nil {
		return nil, err
	}
	if err := c.st.Storage().Put("n", n+1); err != nil {
		return nil, err
	}
	return engine.TextResponse(200, strconv.Itoa(n+1)), nil
}

// route takes every request, and asks the counter that its path names.
func route(ctx context.Context, ev *engine.Event, r *engine.Request) (*engine.Response, error) {
	name := r.URL[strings.LastIndexByte(r.URL, '/')+1:]
	return ev.Namespace("Counter").GetByName(name).Fetch(ctx, r)
}

// A server of one's own, from its start to an orderly end.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	must(err)
	defer os.RemoveAll(dir)
	pool, err := loop.New(loop.Options{Loops: 1})
	must(err)
	e, err := engine.Open(engine.Options{Dir: dir, Pool: pool})
	must(err)
	_, err = e.Register("Counter", engine.ClassOf(func(st *engine.State) (*Counter, error) { return &Counter{st}, nil }))
	must(err)
	srv, err := server.New(e, engine.EntrypointFunc(route), server.Options{})
	must(err)
	lis, err := srv.Listen(pool, "127.0.0.1:0")
	must(err)

	for _, path := range []string{"/a", "/a", "/b", "/a"} {
		resp, err := http.Get("http://" + lis.Addr().String() + path)
		must(err)
		body, err := io.ReadAll(resp.Body)
		must(err)
		resp.Body.Close()
		fmt.Println(path, string(body))
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	must(lis.Close())
	must(srv.Shutdown(ctx))
	must(e.Close(ctx))
	must(pool.Close(ctx))
	// Output:
	// /a 1
	// /a 2
	// /b 1
	// /a 3
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

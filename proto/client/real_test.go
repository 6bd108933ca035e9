package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/proto/client"
	"everloop/proto/client/clienttest"
)

// serve starts a server, and a client of it, for one test.
func serve(t *testing.T, so clienttest.Options, o client.Options) (*clienttest.Server, *client.Client) {
	t.Helper()
	s, err := clienttest.Start(so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if o.Address == "" {
		o.Address = s.RESP
	}
	if o.HTTP == "" {
		o.HTTP = s.HTTP
	}
	return s, connect(t, o)
}

func connect(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil && !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
	})
	return c
}

// The client against the server itself: the forms of calls, failures by their codes, listings.
func TestServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, c := serve(t, clienttest.Options{Password: "secret"}, client.Options{Password: "secret", Name: "tests"})
	counters := c.Class("Counter")

	for want := 5; want <= 15; want += 5 {
		if n, err := client.Call[int](ctx, counters.Get("a"), "add", 5); err != nil || n != want {
			t.Fatalf("%d, %v", n, err)
		}
	}
	id, err := client.Call[string](ctx, counters.Get("a"), "ID")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := client.Call[int](ctx, counters.ByID(id), "value"); err != nil || n != 15 {
		t.Errorf("by ID: %d, %v", n, err)
	}
	if b, err := counters.Get("a").CallBytes(ctx, "join", []byte("a\r\n"), []byte{0, 0xff}); err != nil || string(b) != "a\r\n\x00\xff" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := counters.Get("a").CallBytes(ctx, "number", []byte("42")); err != nil || string(b) != "42" {
		t.Errorf("%q, %v", b, err)
	}
	big := bytes.Repeat([]byte("0123456789"), 1<<20/10)
	if b, err := client.Call[[]byte](ctx, counters.Get("a"), "join", big, big); err != nil || len(b) != 2*len(big) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for _, f := range []struct {
		err    error
		is     error
		remote bool
	}{
		{counters.Get("a").Call(ctx, "add", nil, 0), client.ErrThrown, true},
		{counters.Get("a").Call(ctx, "no", nil), client.ErrUnknownMethod, true},
		{c.Class("None").Get("a").Call(ctx, "add", nil, 1), client.ErrUnknownClass, false},
		{counters.ByID("no").Call(ctx, "value", nil), client.ErrBadArgument, false},
		{connect(t, client.Options{Address: s.RESP}).Ping(ctx), client.ErrUnauthorized, false},
		{connect(t, client.Options{Address: s.RESP, Password: "x"}).Ping(ctx), client.ErrUnauthorized, false},
	} {
		e, ok := errors.AsType[*client.Error](f.err)
		if !ok || !errors.Is(f.err, f.is) || e.Remote != f.remote {
			t.Errorf("%v is not %v", f.err, f.is)
		}
	}
	if n, err := client.Call[int](ctx, connect(t, client.Options{Address: s.Unix, Password: "secret"}).Class("Counter").Get("a"), "value"); err != nil || n != 15 {
		t.Errorf("through a socket of Unix: %d, %v", n, err)
	}

	p := c.Pipeline()
	sums := make([]int, 500)
	for i := range sums {
		p.Call(counters.Get(fmt.Sprint("p", i%25)), "add", &sums[i], 1)
	}
	if err := p.Run(ctx); err != nil || sums[0] != 1 || sums[499] != 20 {
		t.Errorf("%d, %d, %v", sums[0], sums[499], err)
	}
	seen := map[string]bool{}
	for l, err := range counters.Objects(ctx, client.ListOptions{Count: 7}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[l.Name] = true
		if l.Name == "a" && l.ID != id {
			t.Errorf("a is %s, and listed as %s", id, l.ID)
		}
	}
	if len(seen) != 26 || !seen["a"] || !seen["p24"] {
		t.Errorf("%d objects: %v", len(seen), seen)
	}
	found := 0
	for range counters.Objects(ctx, client.ListOptions{Match: "p1?"}) {
		found++
	}
	if found != 10 {
		t.Errorf("%d objects match", found)
	}
}

// Both kinds of members of one room hear each other.
func TestServerRooms(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, c := serve(t, clienttest.Options{}, client.Options{})
	socket, err := c.WebSocket(ctx, "/lobby", client.SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	joined, err := c.Class("Chat").Get("lobby").Join(ctx)
	if err != nil {
		t.Fatal(err)
	}
	both := []client.Room{socket, joined}
	for _, m := range []client.Message{client.Text("hello"), {Data: []byte{0xff}}, client.Text(strings.Repeat("long ", 100000))} {
		for _, says := range both {
			if err := says.Send(ctx, m); err != nil {
				t.Fatal(err)
			}
			for i, hears := range both {
				got, err := hears.Receive(ctx)
				if err != nil || got.Text != m.Text || !bytes.Equal(got.Data, m.Data) {
					t.Fatalf("member %d heard %v %.20q, %v", i, got.Text, got.Data, err)
				}
			}
		}
	}
	for i, r := range both {
		third, err := c.WebSocket(ctx, "/lobby", client.SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Send(ctx, client.Text("bye")); err != nil {
			t.Fatal(err)
		}
		for err = nil; err == nil; { // that others have left may be told before
			_, err = r.Receive(ctx)
		}
		if e, ok := errors.AsType[*client.CloseError](err); !ok || e.Code != 4000 || e.Reason != "good bye" {
			t.Errorf("member %d: %v", i, err)
		}
		if err := third.Close(4001, "tired"); err != nil {
			t.Error(err)
		}
		if i > 0 {
			break
		}
		for { // the first one's leaving may be told, too
			m, err := joined.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if string(m.Data) == "left with 4001 tired" {
				break
			}
		}
	}
	if _, err := c.WebSocket(ctx, "/nowhere", client.SocketOptions{}); err == nil || !strings.HasSuffix(err.Error(), "answered 404: There is no such room.") {
		t.Error(err)
	}
	if _, err := c.Class("Counter").Get("a").Join(ctx); err == nil {
		t.Error("a counter is a room")
	}
	if _, err := c.Class("Chat").Get("x").Join(ctx); err != nil { // left to Close
		t.Error(err)
	}
}

// What many goroutines add through few connections is what is there, also when the server ends meanwhile: not less than was answered, not more than
// was sent.
func TestServerEnds(t *testing.T) {
	s, c := serve(t, clienttest.Options{}, client.Options{Attempts: 1})
	var mu sync.Mutex
	var answered, perhaps int
	ended := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				n, err := client.Call[int](context.Background(), c.Class("Counter").Get("a"), "add", 1)
				mu.Lock()
				if err == nil {
					answered++
				}
				if n == 500 {
					close(ended)
				}
				mu.Unlock()
				if err != nil {
					mu.Lock()
					if errors.Is(err, client.ErrMaybeDone) {
						perhaps++
					}
					mu.Unlock()
					return
				}
			}
		})
	}
	<-ended
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if answered < 500 || perhaps > 8 {
		t.Errorf("%d answered, %d perhaps", answered, perhaps)
	}
}

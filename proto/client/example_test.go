package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"everloop/proto/client"
	"everloop/proto/client/clienttest"
)

// server is what the examples talk to: an everloop with the classes Counter and Chat.
func server() *clienttest.Server {
	s, err := clienttest.Start(clienttest.Options{})
	must(err)
	return s
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Calls of methods, and what can go wrong with them.
func Example() {
	s := server()
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.New(client.Options{Address: s.RESP})
	must(err)
	defer c.Close(ctx)
	counter := c.Class("Counter").Get("visits")

	n, err := client.Call[int](ctx, counter, "add", 5)
	fmt.Println(n, err)

	// A call that only reads may be repeated when a connection is lost.
	err = counter.Idempotent().Call(ctx, "value", &n)
	fmt.Println(n, err)

	err = counter.Call(ctx, "add", nil, 0)
	if e, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(e.Code, e.Message, e.Remote, errors.Is(err, client.ErrThrown))
	}
	// Output:
	// 5 <nil>
	// 5 <nil>
	// THROWN nothing to add true true
}

// Many calls at once, in one write and with one wait.
func ExamplePipeline() {
	s := server()
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.New(client.Options{Address: s.RESP})
	must(err)
	defer c.Close(ctx)

	p := c.Pipeline()
	var a, b int
	p.Call(c.Class("Counter").Get("a"), "add", &a, 1)
	p.Call(c.Class("Counter").Get("b"), "add", &b, 2)
	bad := p.Call(c.Class("Counter").Get("b"), "add", nil, 0)
	fmt.Println(p.Run(ctx))
	fmt.Println(a, b, bad.Err())
	// Output:
	// Counter.add: nothing to add
	// 1 2 Counter.add: nothing to add
}

// A call whose answer is wanted later.
func ExampleObject_Go() {
	s := server()
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.New(client.Options{Address: s.RESP})
	must(err)
	defer c.Close(ctx)

	var n int
	pending := c.Class("Counter").Get("a").Go("add", &n, 1)
	fmt.Println("meanwhile")
	fmt.Println(pending.Wait(ctx), n)
	// Output:
	// meanwhile
	// <nil> 1
}

// What a class has.
func ExampleClass_Objects() {
	s := server()
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.New(client.Options{Address: s.RESP})
	must(err)
	defer c.Close(ctx)

	must(c.Class("Counter").Get("a").Call(ctx, "add", nil, 1))
	for o, err := range c.Class("Counter").Objects(ctx, client.ListOptions{}) {
		must(err)
		fmt.Println(o.Name, len(o.ID))
	}
	// Output: a 64
}

// An object with WebSockets is a room: here over a WebSocket of its server's, and over RESP.
func ExampleRoom() {
	s := server()
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.New(client.Options{Address: s.RESP, HTTP: s.HTTP})
	must(err)
	defer c.Close(ctx)

	ann, err := c.WebSocket(ctx, "/lobby", client.SocketOptions{})
	must(err)
	bob, err := c.Class("Chat").Get("lobby").Join(ctx)
	must(err)
	must(ann.Send(ctx, client.Text("hello")))
	for m, err := range bob.Messages(ctx) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(string(m.Data))
		must(bob.Send(ctx, client.Text("bye"))) // this chat shows the door to who says so
	}
	// Output:
	// hello
	// client: the room was closed (4000: good bye)
}

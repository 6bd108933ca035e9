package proto_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"

	"everloop/engine"
	"everloop/engine/value"
	"everloop/loop"
	"everloop/proto"
)

// Counter is an object with one durable number.
type Counter struct{ st *engine.State }

func (c *Counter) Incr() (int, error) {
	var n int
	if _, err := c.st.Storage().Get("n", &n); err != nil {
		return 0, err
	}
	return n + 1, c.st.Storage().Put("n", n+1)
}

// Lines is a protocol: a client sends "INCR key" lines, as many as it likes without waiting, and gets ":1" lines in
// the same order.
type Lines struct{}

func (Lines) Open(c *proto.Conn) proto.Session {
	return &lineSession{c: c, counters: c.Port().Namespace("Counter")}
}

// noArgs is a call's empty list of arguments.
var noArgs, _ = value.Marshal([]any{})

type lineSession struct {
	c        *proto.Conn
	counters *engine.Namespace
}

func (s *lineSession) Data() {
	for s.c.Room() {
		line, _, complete := bytes.Cut(s.c.Inbound(), []byte("\n"))
		if !complete {
			if len(line) > 1024 {
				s.c.Say([]byte("-the line is too long\n"))
				s.c.Finish()
			}
			return
		}
		verb, key, _ := bytes.Cut(line, []byte(" "))
		switch string(verb) {
		case "INCR":
			s.counters.GetByName(string(key)).StartCall("Incr", noArgs, s.c.Answer(renderNumber))
		case "QUIT":
			s.c.Say([]byte("+bye\n"))
			s.c.Finish()
		default:
			s.c.Say([]byte("-unknown command\n"))
		}
		s.c.Discard(len(line) + 1)
	}
}

func (s *lineSession) Closed(error) {}

// renderNumber is called when the increment is durable and its answer is the next to be sent.
func renderNumber(dst []byte, r *engine.Reply) []byte {
	var n int
	err := r.Err
	if err == nil {
		err = value.Unmarshal(r.Value, &n)
	}
	if err != nil {
		return fmt.Appendf(dst, "-%s\n", err)
	}
	return fmt.Appendf(dst, ":%d\n", n)
}

// A protocol of one's own, from nothing to durable answers.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	pool, err := loop.New(loop.Options{Loops: 1})
	if err != nil {
		panic(err)
	}
	e, err := engine.Open(engine.Options{Dir: dir, Pool: pool})
	if err != nil {
		panic(err)
	}
	if _, err := e.Register("Counter", engine.ClassOf(func(st *engine.State) (*Counter, error) { return &Counter{st}, nil })); err != nil {
		panic(err)
	}
	lis, err := proto.Serve(pool, e, "127.0.0.1:0", Lines{}, proto.Options{})
	if err != nil {
		panic(err)
	}

	client, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		panic(err)
	}
	fmt.Fprint(client, "INCR a\nINCR a\nINCR b\nDECR a\nINCR a\nQUIT\n")
	for answers := bufio.NewScanner(client); answers.Scan(); {
		fmt.Println(answers.Text())
	}
	client.Close()

	if err := e.Close(context.Background()); err != nil {
		panic(err)
	}
	if err := pool.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// :1
	// :2
	// :1
	// -unknown command
	// :3
	// +bye
}

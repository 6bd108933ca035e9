package ws_test

import (
	"bufio"
	"errors"
	"flag"
	"net"
	"net/http"
	"testing"

	"everloop/proto/ws"
	"everloop/proto/ws/wstest"
)

var (
	rewrite  = flag.Bool("rewrite", false, "write testdata/autobahn.txt anew; read the diff")
	autobahn = flag.Bool("autobahn", false, "exchange as many messages as Autobahn does: 11 GB, some minutes")
)

// TestAutobahn asks Autobahn's questions of the codec, behind a server that echoes and does nothing else.
func TestAutobahn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go echo(conn)
		}
	}()
	s := wstest.Suite{
		Dial: func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) },
		Host: "echo", Target: "/", Full: *autobahn, Golden: "testdata/autobahn.txt", Rewrite: *rewrite,
	}
	s.Run(t)
}

// echo serves one connection, with the calls that a server makes.
func echo(conn net.Conn) {
	defer conn.Close()
	src := bufio.NewReaderSize(conn, 64<<10)
	request, err := http.ReadRequest(src)
	if err != nil {
		return
	}
	fields := []ws.Field{{Name: "host", Value: request.Host}}
	for name, values := range request.Header {
		for _, value := range values {
			fields = append(fields, ws.Field{Name: name, Value: value})
		}
	}
	handshake, err := ws.ReadRequest(request.Method, !request.ProtoAtLeast(1, 1), fields)
	if err != nil {
		return
	}
	out := []byte("HTTP/1.1 101 Switching Protocols\r\n")
	for _, f := range handshake.AppendAnswer(nil, true) {
		out = append(out, f.Name+": "+f.Value+"\r\n"...)
	}
	out = append(out, "\r\n"...)
	in := make([]byte, 0, 64<<10)
	more := func(consumed int) bool {
		in = in[:copy(in, in[consumed:])]
		n, err := src.Read(in[len(in):cap(in)])
		in = in[:len(in)+n]
		return err == nil
	}
	r := ws.NewReader(ws.Options{Deflate: handshake.Deflate.Agreed()})
	for open := true; ; {
		n, ev, err := r.Next(in)
		var e *ws.Error
		switch {
		case errors.As(err, &e):
			out, open = ws.AppendClose(out, e.Code, e.Reason), false
		case ev.Kind == ws.Text, ev.Kind == ws.Binary:
			out = handshake.Deflate.AppendMessage(out, ev.Kind == ws.Text, ev.Data)
		case ev.Kind == ws.Ping:
			out = ws.AppendFrame(out, ws.OpPong, ev.Data)
		case ev.Kind == ws.Close:
			out, open = ws.AppendClose(out, ev.Code, ""), false
		}
		if ev.Kind != ws.NeedMore && err == nil && open {
			in = in[:copy(in, in[n:])]
			continue
		}
		if _, err := conn.Write(out); err != nil || !open || !more(n) {
			return
		}
		out = out[:0]
	}
}

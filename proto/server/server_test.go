package server

import "testing"

func TestHello(t *testing.T) {
	s := newStepped(t, 1, 1, hello, Options{})
	p := s.dial()
	t.Logf("%q", s.send(p, "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"))
	t.Logf("%q", s.send(p, "POST /a?b=c HTTP/1.1\r\nHost: x\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\nhost: y\r\n\r\n"))
	p.Close()
	s.pool.Run()
	s.noneLeft()
}

package main

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// talk answers a redisConn with what a server says, and returns what it was sent.
func talk(t *testing.T, says string) (c *redisConn, heard func() string) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	got := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(theirs)
		got <- string(b)
	}()
	return &redisConn{ours, bufio.NewReader(strings.NewReader(says))}, func() string { ours.Close(); return <-got }
}

func TestRedisAnswers(t *testing.T) {
	c, heard := talk(t, "+PONG\r\n")
	if got, err := c.do("PING", "a b"); err != nil || got != "PONG" {
		t.Errorf("%q, %v", got, err)
	}
	if got := heard(); got != "*2\r\n$4\r\nPING\r\n$3\r\na b\r\n" {
		t.Errorf("sent %q", got)
	}
	for says, want := range map[string]string{":12\r\n": "12", "$3\r\n1\r\n\r\n": "1\r\n", "$-1\r\n": "", "_\r\n": ""} {
		c, _ := talk(t, says)
		if got, _, err := c.answer(); err != nil || got != want {
			t.Errorf("%q: %q, %v", says, got, err)
		}
	}
	for _, bad := range []string{"", "\r\n", "-ERR no\r\n", "$x\r\n", "$5\r\nab", "$99999999\r\n", "*1\r\n"} {
		c, _ := talk(t, bad)
		if got, _, err := c.answer(); err == nil {
			t.Errorf("%q is %q", bad, got)
		}
	}
}

// TestSum: keys that do not exist count nothing, and what is no number is an error.
func TestSum(t *testing.T) {
	c, heard := talk(t, "$2\r\n40\r\n$-1\r\n$1\r\n2\r\n")
	if sum, err := c.sum("key:%03d", 3); err != nil || sum != 42 {
		t.Errorf("%d, %v", sum, err)
	}
	if got := heard(); !strings.HasSuffix(got, "$3\r\nGET\r\n$7\r\nkey:002\r\n") {
		t.Errorf("sent %q", got)
	}
	c, _ = talk(t, "$2\r\n4x\r\n")
	if sum, err := c.sum("key:%03d", 1); err == nil {
		t.Errorf("the sum is %d", sum)
	}
}

func TestParseSwitches(t *testing.T) {
	if n, err := parseSwitches([]byte("Name:\tx\nvoluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n")); err != nil || n != 42 {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", "voluntary_ctxt_switches:\t1\n", "voluntary_ctxt_switches:\tx\nnonvoluntary_ctxt_switches:\t2\n"} {
		if n, err := parseSwitches([]byte(bad)); err == nil {
			t.Errorf("%q: %d", bad, n)
		}
	}
	if _, err := activityOf(1 << 30); err == nil {
		t.Error("a process that does not exist has done something")
	}
}

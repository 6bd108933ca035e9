package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"everloop/proto/server"
)

// TestConsole holds how a terminal shows what happens, without colours and with them.
func TestConsole(t *testing.T) {
	const excerpt = "  1 | a\n> 2 | throw new Error()\n    |       ^\n"
	failed := func(l *slog.Logger) {
		l.Error("request failed", "request_method", "GET", "path", "/x", "status", 500, "class", "Room", "object", "0123456789abcdef", "method", "join",
			"error", "TypeError: no", "stack", "TypeError: no\n    at join (src/a.ts:2:7)\n", "excerpt", excerpt)
	}
	for _, tt := range []struct {
		name          string
		write         func(c *console)
		plain, colour string
	}{
		{"what a program prints", func(c *console) { slog.New(c).Info("hello\n  world", "class", "default") }, "hello\n  world\n", "hello\n  world\n"},
		{"what an object prints", func(c *console) { slog.New(c).Info("hello", "class", "Room", "object", "0123456789abcdef") }, "hello  [Room 01234567]\n", "hello  \x1b[2m[Room 01234567]\x1b[0m\n"},
		{"a warning", func(c *console) { slog.New(c).With("a", 1).WithGroup("g").Warn("careful", "b", "two") }, "warn  careful  a=1 g.b=two\n", "\x1b[33mwarn  \x1b[0mcareful  \x1b[2ma=1 g.b=two\x1b[0m\n"},
		{"debugging", func(c *console) { slog.New(c).Debug("hidden") }, "", ""},
		{
			"a failed request", func(c *console) { failed(slog.New(c)) },
			"error request failed: TypeError: no  [Room.join 01234567 GET /x 500]\n    1 | a\n  > 2 | throw new Error()\n      |       ^\n    at join (src/a.ts:2:7)\n",
			"\x1b[31merror \x1b[0mrequest failed: TypeError: no  \x1b[2m[Room.join 01234567 GET /x 500]\x1b[0m\n  \x1b[2m  1 | a\x1b[0m\n  \x1b[1m> 2 | throw new Error()\x1b[0m\n  \x1b[31m    |       ^\x1b[0m\n\x1b[2m    at join (src/a.ts:2:7)\x1b[0m\n",
		},
		{"one that has a line of its own", func(c *console) { c.requests = true; failed(slog.New(c)) }, "error request failed: TypeError: no  [Room.join 01234567]\n    1 | a\n  > 2 | throw new Error()\n      |       ^\n    at join (src/a.ts:2:7)\n", ""},
		{"a request", func(c *console) {
			c.request(server.Answered{Method: "GET", Path: "/x", Status: 200, Took: 1234 * time.Microsecond})
		}, "GET /x 200 1.2ms\n", "\x1b[1mGET\x1b[0m /x \x1b[32m200\x1b[0m \x1b[2m1.2ms\x1b[0m\n"},
		{"whose client has gone", func(c *console) { c.request(server.Answered{Method: "GET", Path: "/x", Took: 2 * time.Second}) }, "GET /x gone 2s\n", "\x1b[1mGET\x1b[0m /x \x1b[33mgone\x1b[0m \x1b[2m2s\x1b[0m\n"},
		{
			"a project that is broken", func(c *console) {
				c.problem(errors.New("a.ts:2:7: Unexpected \"}\"\n\n" + excerpt + "\nMend it."))
			},
			"error a.ts:2:7: Unexpected \"}\"\n\n" + excerpt + "\nMend it.\n",
			"\x1b[31merror \x1b[0ma.ts:2:7: Unexpected \"}\"\n\n\x1b[2m  1 | a\x1b[0m\n\x1b[1m> 2 | throw new Error()\x1b[0m\n\x1b[31m    |       ^\x1b[0m\n\nMend it.\n",
		},
		// A terminal obeys what it is sent. Colours are harmless; the rest may come from strangers.
		{"what a terminal would obey", func(c *console) { slog.New(c).Info("\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \u009b1m \xff é") }, "\ufffd[31mred\ufffd[0m \ufffd]0;title\ufffd \ufffd[2J \ufffd1m \ufffd é\n", "\x1b[31mred\x1b[0m \ufffd]0;title\ufffd \ufffd[2J \ufffd1m \ufffd é\n"},
		{"in a path", func(c *console) { c.request(server.Answered{Method: "GET", Path: "/\x1b[2J", Status: 404}) }, "GET /\ufffd[2J 404 0s\n", ""},
	} {
		for _, colour := range []bool{false, true} {
			want := tt.plain
			if colour {
				if want = tt.colour; want == "" {
					continue
				}
			}
			var out bytes.Buffer
			tt.write(&console{to: &consoleWriter{w: &out}, colour: colour})
			if got := out.String(); got != want {
				t.Errorf("%s, colour %v:\n got %q\nwant %q", tt.name, colour, got, want)
			}
		}
	}
}

// TestConsoleColour holds when a process uses colours: only on a terminal, and not where NO_COLOR is set.
func TestConsoleColour(t *testing.T) {
	terminal, file := openTerminal(t)
	for _, tt := range []struct {
		name, noColor string
		terminal      bool
		want          bool
	}{{"terminal", "", true, true}, {"NO_COLOR", "1", true, false}, {"file", "", false, false}} {
		t.Setenv("NO_COLOR", tt.noColor)
		to := file
		if tt.terminal {
			to = terminal
		}
		if got := newConsole(to).colour; got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if strings.Contains(terminal.Name(), "null") {
		t.Fatal("not a terminal")
	}
}

// A program that reads the log is told the unit of a length of time.
func TestLogLinesHaveUnits(t *testing.T) {
	var b bytes.Buffer
	slog.New(newLines(&b)).Info("draining", "timeout", 30*time.Second, "n", 3)
	if !strings.HasSuffix(b.String(), `"msg":"draining","timeout":"30s","n":3}`+"\n") {
		t.Errorf("%s", &b)
	}
}

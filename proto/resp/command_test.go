package resp

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func defaults() *Limits {
	var l Limits
	l.EnsureDefaults()
	return &l
}

// readAll takes all commands that in has, as far as they are complete, with each call seeing no more than the next of cuts says.
func readAll(in []byte, l *Limits, cuts ...int) (commands [][]string, rest []byte, err error) {
	var r CommandReader
	end := 0
	var scratch [8][]byte
	for _, cut := range append(cuts, len(in)) {
		end = max(end, min(cut, len(in)))
		for {
			args, n, err := r.Read(in[:end:end], scratch[:0], l)
			if err != nil {
				return commands, in, err
			}
			if n == 0 {
				break
			}
			if len(args) > 0 {
				command := make([]string, len(args))
				for i, a := range args {
					command[i] = string(a)
				}
				commands = append(commands, command)
			}
			in, end = in[n:], end-n
			cut -= n
		}
	}
	return commands, in, nil
}

// TestCommands has the specification's examples ("Sending commands to a Redis server", "Inline commands"), and what
// redis-server 7 takes besides.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     [][]string
		rest     string
	}{
		{"array of bulk strings", "*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n", [][]string{{"LLEN", "mylist"}}, ""},
		{"pipeline", "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", [][]string{{"PING"}, {"ECHO", "hi"}}, ""},
		{"binary", "*2\r\n$4\r\nECHO\r\n$6\r\n\r\n\x00$1\xff\r\n", [][]string{{"ECHO", "\r\n\x00$1\xff"}}, ""},
		{"empty argument", "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", [][]string{{"ECHO", ""}}, ""},
		{"two digits", "*12\r\n" + strings.Repeat("$1\r\na\r\n", 12), [][]string{slices.Repeat([]string{"a"}, 12)}, ""},
		{"empty commands", "*0\r\n*-1\r\n*-10\r\n\r\n\n  \r\nPING\r\n", [][]string{{"PING"}}, ""},
		{"inline", "PING\r\n", [][]string{{"PING"}}, ""},
		{"inline with arguments", "EXISTS somekey\r\n", [][]string{{"EXISTS", "somekey"}}, ""},
		{"inline with LF only", "SET  a\tb \n", [][]string{{"SET", "a", "b"}}, ""},
		{"inline, then array", "PING\r\n*1\r\n$4\r\nPING\r\n", [][]string{{"PING"}, {"PING"}}, ""},
		{"double quotes", `SET "a b" "\x41\n\r\t\b\a\"\\\q\x4"` + "\r\n", [][]string{{"SET", "a b", "A\n\r\t\b\a\"\\qx4"}}, ""},
		{"single quotes", `SET 'a b' '\'\n"'` + "\r\n", [][]string{{"SET", "a b", `'\n"`}}, ""},
		{"quote within a word", `ECHO a"b c" ""` + "\r\n", [][]string{{"ECHO", "ab c", ""}}, ""},
		{"vertical tab", "ECHO\va \va\r\n", [][]string{{"ECHO\va", "a"}}, ""},

		{"nothing", "", nil, ""},
		{"incomplete count", "*", nil, "*"},
		{"incomplete count's end", "*1\r", nil, "*1\r"},
		{"incomplete header", "*1\r\n$4", nil, "*1\r\n$4"},
		{"incomplete argument", "*1\r\n$4\r\nPIN", nil, "*1\r\n$4\r\nPIN"},
		{"incomplete argument's end", "*1\r\n$4\r\nPING\r", nil, "*1\r\n$4\r\nPING\r"},
		{"incomplete second", "PING\r\n*1\r\n$4\r\nP", [][]string{{"PING"}}, "*1\r\n$4\r\nP"},
		{"incomplete line", "PING", nil, "PING"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for cut := range len(c.in) + 1 {
				got, rest, err := readAll([]byte(c.in), defaults(), cut)
				if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) || string(rest) != c.rest {
					t.Fatalf("cut at %d: %q, rest %q, %v; want %q, rest %q", cut, got, rest, err, c.want, c.rest)
				}
			}
		})
	}
}

// TestCommandErrors has the texts of redis-server 7 (networking.c), each alone or before a colon, and the limits.
func TestCommandErrors(t *testing.T) {
	small := &Limits{Args: 3, Bulk: 5, Command: 40, Inline: 10}
	for _, c := range []struct{ name, in, want, limit string }{
		{"no count", "*\r\n", "invalid multibulk length", ""},
		{"count of letters", "*a\r\n", "invalid multibulk length", ""},
		{"plus", "*+1\r\n", "invalid multibulk length", ""},
		{"leading zero", "*01\r\n", "invalid multibulk length", ""},
		{"negative zero", "*-0\r\n", "invalid multibulk length", ""},
		{"no digits", "*-\r\n", "invalid multibulk length", ""},
		{"carriage return alone", "*1\rx", "invalid multibulk length", ""},
		{"count beyond 64 bits", "*99999999999999999999\r\n", "invalid multibulk length", ""},
		{"endless count", "*111111111111111111111", "too big mbulk count string", ""},
		{"no bulk string", "*1\r\n:1\r\n", "expected '$', got ':'", ""},
		{"a control character", "*1\r\n\r\n", "expected '$', got '?'", ""},
		{"bulk of letters", "*1\r\n$x\r\n", "invalid bulk length", ""},
		{"negative bulk", "*1\r\n$-1\r\n", "invalid bulk length", ""},
		{"endless bulk length", "*1\r\n$" + strings.Repeat("1", 21), "too big bulk count string", ""},
		{"bulk not ended", "*1\r\n$4\r\nPINGS\r\n", "expected CRLF after a bulk string", ""},
		{"bulk half ended", "*1\r\n$4\r\nPING\rS", "expected CRLF after a bulk string", ""},
		{"open double quote", "ECHO \"a\r\n", "unbalanced quotes in request", ""},
		{"open single quote", "ECHO 'a\r\n", "unbalanced quotes in request", ""},
		{"text after a quote", "a \"b\"c\r\n", "unbalanced quotes in request", ""},
		{"a backslash at the end", "a \"\\\r\n", "unbalanced quotes in request", ""},
		{"an HTTP request", "post / H\r\n", "this is HTTP, not RESP, perhaps sent by a web page", ""},
		{"an HTTP header", "Host: a\r\n", "this is HTTP, not RESP, perhaps sent by a web page", ""},

		{"too many arguments", "*4\r\n", "invalid multibulk length: 4 arguments, and 3 is the limit: " +
			"send several commands, or raise Limits.Args of the server", "Args"},
		{"too long an argument", "*1\r\n$6\r\n", "invalid bulk length: an argument of 6 bytes, and 5 is the limit: " +
			"send it in parts, or raise Limits.Bulk of the server", "Bulk"},
		{"too long a command", "*4\r\n$5\r\naaaaa\r\n$5\r\naaaaa\r\n$5\r\naaaaa\r\n$5\r\n", "invalid bulk length: a command of 48 bytes or more, " +
			"and 40 is the limit: send several commands, or raise Limits.Command of the server", "Command"},
		{"too long a line", "12345678901\r\n", "too big inline request: 10 bytes is the limit: " +
			"send it as an array of bulk strings, or raise Limits.Inline of the server", "Inline"},
		{"a line without an end", "123456789012", "too big inline request: 10 bytes is the limit: " +
			"send it as an array of bulk strings, or raise Limits.Inline of the server", "Inline"},
		{"too many words", "a b c d\r\n", "too big inline request: 4 arguments, and 3 is the limit: " +
			"send several commands, or raise Limits.Args of the server", "Args"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := *small
			if c.limit == "Command" {
				l.Args = 4
			}
			for cut := range len(c.in) + 1 {
				_, _, err := readAll([]byte(c.in), &l, cut)
				var pe *ProtocolError
				if !errors.As(err, &pe) || err.Error() != "Protocol error: "+c.want || pe.Limit != c.limit {
					t.Fatalf("cut at %d: %v; want %s", cut, err, c.want)
				}
			}
		})
	}
	// What is just within the limits.
	for _, in := range []string{
		"1234567890\r\n", "1234567890\n", "*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n", "*1\r\n$5\r\naaaaa\r\n", "a b c\r\n",
		"*3\r\n$5\r\naaaaa\r\n$5\r\naaaaa\r\n$5\r\naaaaa\r\n",
	} {
		if got, rest, err := readAll([]byte(in), &Limits{Args: 3, Bulk: 5, Command: 37, Inline: 10}); err != nil || len(got) != 1 || len(rest) > 0 {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// TestCommandAliases: arguments are no copies, and appending to one does not reach into the next.
func TestCommandAliases(t *testing.T) {
	in := AppendCommand(nil, "SET", "key", "value")
	var r CommandReader
	args, n, err := r.Read(in, nil, defaults())
	if err != nil || n != len(in) || len(args) != 3 {
		t.Fatal(args, n, err)
	}
	args[1][0] = 'K'
	if !bytes.Contains(in, []byte("Key")) {
		t.Error("an argument is a copy")
	}
	_ = append(args[1], "???????"...)
	if string(args[2]) != "value" {
		t.Errorf("appending to an argument changed the next: %q", args[2])
	}
}

// TestCommandInPieces counts what a reader does for a command of 1 MiB in pieces of 4 KiB, and for one of many arguments: it must not
// begin anew with each piece.
func TestCommandInPieces(t *testing.T) {
	words := slices.Repeat([]string{"ab"}, 10_000)
	for name, command := range map[string][]byte{
		"long argument":  AppendCommand(nil, "SET", "k", strings.Repeat("x", 1<<20)),
		"many arguments": AppendCommand(nil, words...),
		"line":           []byte(strings.Repeat("y", DefaultInline) + "\r\n"),
	} {
		var r CommandReader
		last := CommandReader{}
		for end := 0; ; end = min(end+4096, len(command)) {
			args, n, err := r.Read(command[:end], nil, defaults())
			if err != nil {
				t.Fatal(name, err)
			}
			if n > 0 {
				if end != len(command) || len(args) == 0 || r != (CommandReader{}) {
					t.Errorf("%s: complete with %d of %d bytes, %d arguments, state %+v", name, end, len(command), len(args), r)
				}
				break
			}
			if end == len(command) {
				t.Fatalf("%s: still incomplete", name)
			}
			// What is known is all but the last argument, or line.
			if name != "long argument" && r.scanned < end-16 || r.scanned < last.scanned {
				t.Fatalf("%s: with %d bytes, %+v after %+v", name, end, r, last)
			}
			last = r
		}
	}
}

func TestCommandAllocations(t *testing.T) {
	in := AppendCommand(nil, "SET", "key:000000000042", "value")
	in = append(in, "GET key\r\n"...)
	var scratch [8][]byte
	l := defaults()
	allocs := testing.AllocsPerRun(100, func() {
		var r CommandReader
		_, n, err := r.Read(in, scratch[:0], l)
		if err != nil || n == 0 {
			t.Error(n, err)
		}
		if _, n, err := r.Read(in[n:], scratch[:0], l); err != nil || n == 0 {
			t.Error(n, err)
		}
		if _, n, err := r.Read(in[:30], scratch[:0], l); err != nil || n != 0 {
			t.Error(n, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// Limits as large as an int goes are none, and lengths near them overflow nothing.
func TestLimitsThatAreNone(t *testing.T) {
	l := Limits{Args: math.MaxInt, Bulk: math.MaxInt, Command: math.MaxInt, Inline: math.MaxInt}
	for _, size := range []int{math.MaxInt, math.MaxInt - 20, math.MaxInt - 30} {
		var r CommandReader
		in := fmt.Appendf(nil, "*1\r\n$%d\r\nx", size)
		args, n, err := r.Read(in, nil, &l)
		var p *ProtocolError
		if refused := errors.As(err, &p); n != 0 || len(args) != 0 || refused != (size > math.MaxInt-30) || refused && p.Limit != "Command" {
			t.Errorf("%d: %q, %d, %v", size, args, n, err)
		}
	}
	rl := ReplyLimits{Elems: math.MaxInt, Bytes: math.MaxInt}
	rl.EnsureDefaults()
	for _, kind := range []string{"*", "%", "|"} {
		var r ReplyReader
		var v Value
		if n, err := r.Read(fmt.Appendf(nil, "%s%d\r\n:1\r\n", kind, math.MaxInt), &v, &rl); n != 0 || err == nil {
			t.Errorf("%s of no end: %d bytes, %v", kind, n, err)
		}
	}
}

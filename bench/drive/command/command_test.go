package command

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
)

// serve answers commands, which are arrays of strings, on every connection. An answer that is empty ends the connection.
func serve(t *testing.T, answer func(n int64, args []string) string) links.Address {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lis.Close() })
	var n atomic.Int64
	go func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					args, err := read(in)
					if err != nil {
						return
					}
					a := answer(n.Add(1)-1, args)
					if _, err := io.WriteString(c, a); err != nil || a == "" {
						return
					}
				}
			}()
		}
	}()
	a, err := links.Resolve(t.Context(), lis.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(in *bufio.Reader) (args []string, err error) {
	number := func(kind byte) (n int) {
		var line string
		if line, err = in.ReadString('\n'); err == nil && (len(line) < 3 || line[0] != kind) {
			err = fmt.Errorf("%q", line)
		}
		if err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(line[1:]))
		}
		return n
	}
	for n := number('*'); err == nil && n > 0; n-- {
		b := make([]byte, number('$')+2)
		if err == nil {
			_, err = io.ReadFull(in, b)
		}
		args = append(args, string(b[:len(b)-2]))
	}
	return args, err
}

func TestCommands(t *testing.T) {
	var sets, gets atomic.Int64
	addr := serve(t, func(_ int64, args []string) string {
		switch {
		case len(args) == 2 && args[0] == "GET" && strings.HasPrefix(args[1], "key:"):
			gets.Add(1)
			return fmt.Sprintf("$%d\r\n%s\r\n", len(args[1]), args[1])
		case len(args) == 3 && args[0] == "SET" && len(args[2]) == 7:
			sets.Add(1)
			return "+OK\r\n"
		}
		return "-ERR what\r\n"
	})
	set, err := Parse(`SET "key:{key}" {value}`)
	if err != nil {
		t.Fatal(err)
	}
	get := Of("GET", "key:{key}")
	get.Expect, get.HasExpect = drive.ParseTemplate("key:{key}"), true
	for _, depth := range []int{1, 16} {
		sets.Store(0)
		gets.Store(0)
		r, err := drive.Run(t.Context(), Target(Options{Address: addr, Read: get, Write: set}), drive.Plan{
			Conns: 3, Depth: depth, Count: 2000, Writes: 0.5, Keys: drive.Keys{Count: 100}, Sizes: drive.Sizes{Low: 7, High: 7},
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Counts.OK != 2000 || r.Times.Reads.Count() != gets.Load() || r.Times.Writes.Count() != sets.Load() {
			t.Errorf("depth %d: %d of 2000 are right, %d reads and %d writes, the server has had %d and %d: %v",
				depth, r.Counts.OK, r.Times.Reads.Count(), r.Times.Writes.Count(), gets.Load(), sets.Load(), r.Failed)
		}
	}
}

// Lies and errors are counted by kind.
func TestLies(t *testing.T) {
	addr := serve(t, func(n int64, _ []string) string {
		switch n % 10 {
		case 1:
			return "-OVERLOADED too much\r\n"
		case 2:
			return "-ERR no\r\n"
		case 3:
			return ":8\r\n" // another number
		case 4:
			return "" // closes
		case 5:
			return "!!?\r\n" // is no RESP
		case 6:
			return ">2\r\n+invalidate\r\n+x\r\n:7\r\n" // something that nobody asked for, and the answer
		}
		return ":7\r\n"
	})
	c := Of("INCR", "x")
	c.Expect, c.HasExpect = drive.ParseTemplate("7"), true
	r, err := drive.Run(t.Context(), Target(Options{Address: addr, Read: c}), drive.Plan{Conns: 1, Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.Failed {
		got = append(got, fmt.Sprintf("%d %s", f.Count, f.Kind))
	}
	slices.Sort(got)
	if want := []string{"10 closed", "10 error ERR", "10 error OVERLOADED", "10 malformed", "10 wrong answer"}; !slices.Equal(got, want) {
		t.Errorf("failures are %q, want %q", got, want)
	}
	if r.Counts.OK != 50 {
		t.Errorf("%d are right, want 50", r.Counts.OK)
	}
}

func TestPassword(t *testing.T) {
	addr := serve(t, func(_ int64, args []string) string {
		switch strings.Join(args, " ") {
		case "AUTH me right", "PING":
			return "+OK\r\n"
		}
		return "-WRONGPASS no\r\n"
	})
	o := Options{Address: addr, Read: Of("PING"), User: "me", Password: "right"}
	if r, err := drive.Run(t.Context(), Target(o), drive.Plan{Conns: 2, Count: 10}); err != nil || r.Counts.OK != 10 {
		t.Errorf("with the right password: %v", err)
	}
	o.Password = "wrong"
	if _, err := drive.Run(t.Context(), Target(o), drive.Plan{Conns: 2, Count: 10}); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password the error is %v, want the server's", err)
	}
}

func TestParse(t *testing.T) {
	for line, want := range map[string][]string{
		`SET key:{key} {value}`:       {"SET", "key:9", "v"},
		`CALL C 'a b' m '{"x": "y"}'`: {"CALL", "C", "a b", "m", `{"x": "y"}`},
		`X "a \"b\" \\ \n" ""`:        {"X", `a "b" \ \n`, ""},
		`X a'b'"c"`:                   {"X", "abc"},
	} {
		c, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		var got []string
		for _, a := range c.Args {
			got = append(got, string(a.Append(nil, &drive.Op{Key: 9, Value: []byte("v")})))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is read as %q, want %q", line, got, want)
		}
	}
	for _, bad := range []string{"", "   ", "X 'a", `X "a\"`} {
		if c, err := Parse(bad); err == nil {
			t.Errorf("%q is a command: %v", bad, c)
		}
	}
}

package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop/looptest"
	"everloop/proto"
	"everloop/wal"
	"everloop/wal/waltest"
)

// world serves the protocol on loops that the test steps, with a log in memory.
func world(t testing.TB) (*looptest.Pool, *looptest.Peer) {
	t.Helper()
	pool := looptest.New(2, 1)
	eng, err := engine.Open(engine.Options{
		Pool: pool, Logger: slog.New(slog.DiscardHandler),
		OpenLog: func(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
			return waltest.NewMemLog(waltest.MemOptions{Buffers: loops, Auto: true, OnDurable: durable}), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eng.Register("Item", engine.DirectOf(handle)); err != nil {
		t.Fatal(err)
	}
	h, err := proto.NewHandler(eng, memcached{}, options())
	if err != nil {
		t.Fatal(err)
	}
	return pool, pool.Dial(h, h.ListenOptions())
}

// TestTranscript plays testdata/transcript.txt: lines that begin with "> " are sent, and those behind them are the answer. "> " may
// hold several lines, separated by \r\n; "wait 5s" lets time pass.
func TestTranscript(t *testing.T) {
	script, err := os.ReadFile("testdata/transcript.txt")
	if err != nil {
		t.Fatal(err)
	}
	pool, peer := world(t)
	var sent, want string
	check := func(line int) {
		t.Helper()
		if got := string(peer.Read()); got != want {
			t.Errorf("before line %d: %q was answered by %q; want %q", line, sent, got, want)
		}
		want = ""
	}
	for i, line := range strings.Split(strings.TrimSpace(string(script)), "\n") {
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "wait "):
			check(i + 1)
			d, err := time.ParseDuration(line[5:])
			if err != nil {
				t.Fatal(err)
			}
			pool.Advance(d)
		case strings.HasPrefix(line, "> "):
			check(i + 1)
			sent = line[2:]
			peer.Write([]byte(strings.ReplaceAll(sent, `\r\n`, "\r\n") + "\r\n"))
			pool.Run()
		default:
			want += line + "\r\n"
		}
	}
	check(0)
	if !peer.EOF() {
		t.Error("the connection is open after quit")
	}
}

// TestCas stores by the number that gets has shown, and is refused with an old one.
func TestCas(t *testing.T) {
	pool, peer := world(t)
	ask := func(s string) string { peer.Write([]byte(s)); pool.Run(); return string(peer.Read()) }
	ask("set k 5 0 1\r\na\r\n")
	var cas uint64
	if _, err := fmt.Sscanf(ask("gets k\r\n"), "VALUE k 5 1 %d\r\n", &cas); err != nil {
		t.Fatal(err)
	}
	store := fmt.Sprintf("cas k 6 0 1 %d\r\nb\r\n", cas)
	if got := ask(store + store + "cas none 0 0 1 1\r\nx\r\nget k\r\n"); got != "STORED\r\nEXISTS\r\nNOT_FOUND\r\nVALUE k 6 1\r\nb\r\nEND\r\n" {
		t.Errorf("%q", got)
	}
}

// TestLimits ends connections that cannot be read on, in words.
func TestLimits(t *testing.T) {
	for in, want := range map[string]string{
		fmt.Sprintf("set k 0 0 %d\r\n", maxValue+1): tooLarge,
		"set k 0 0 1\r\nabc\r\n":                    badChunk,
		strings.Repeat("x", maxLine+2):              "CLIENT_ERROR line too long\r\n",
	} {
		pool, peer := world(t)
		peer.Write([]byte(in))
		pool.Run()
		if got := string(peer.Read()); got != want || !peer.EOF() {
			t.Errorf("%.40q: %q, closed: %v; want %q", in, got, peer.EOF(), want)
		}
	}
}

// FuzzReadCommand: commands are the same however what a client sends is cut.
func FuzzReadCommand(f *testing.F) {
	f.Add([]byte("set k 1 0 3\r\nabc\r\nget k a\r\n"), uint16(14))
	f.Add([]byte("cas k 1 -1 0 77 noreply\r\n\r\nincr k 5\r\ntouch k 9\r\ngats 3 k\r\n"), uint16(3))
	read := func(in []byte, first int) (all string) {
		var c command
		end := min(first, len(in))
		for {
			n, fatal := readCommand(in[:end], &c)
			if n == 0 {
				if end == len(in) {
					return all + fmt.Sprintf("rest %q", in)
				}
				end = len(in)
				continue
			}
			if n < 0 || n > end || len(c.data) > maxValue {
				panic("out of bounds")
			}
			for _, k := range c.keys {
				if c.refused == "" && (len(k) == 0 || len(k) > maxKey || bytes.ContainsAny(k, " \n")) {
					panic("a key that is none")
				}
			}
			all += fmt.Sprintf("%q %q %d %d %d %q %v %q %v\n", c.name, c.keys, c.flags, c.exptime, c.number, c.data, c.noreply, c.refused, fatal)
			if fatal {
				return all
			}
			in, end = in[n:], end-n
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		if whole, cutUp := read(in, len(in)), read(in, int(cut)); whole != cutUp {
			t.Fatalf("cut at %d:\n%s\nwhole:\n%s", cut, cutUp, whole)
		}
	})
}

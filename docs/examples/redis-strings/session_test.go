package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop/looptest"
	"everloop/proto"
	"everloop/proto/resp"
	"everloop/wal"
	"everloop/wal/waltest"
)

// onVirtualTime serves the protocol on loops that the test steps, with a log in memory.
func onVirtualTime(t *testing.T, tune ...func(*proto.Options)) (*looptest.Pool, *looptest.Peer) {
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
	if _, err := eng.Register("String", engine.DirectOf(handle)); err != nil {
		t.Fatal(err)
	}
	p := &redis{}
	opts := p.options()
	for _, f := range tune {
		f(&opts)
	}
	h, err := proto.NewHandler(eng, p, opts)
	if err != nil {
		t.Fatal(err)
	}
	return pool, pool.Dial(h, h.ListenOptions())
}

func ask(pool *looptest.Pool, peer *looptest.Peer, lines string) string {
	peer.Write([]byte(strings.ReplaceAll(lines, "; ", "\r\n") + "\r\n"))
	pool.Run()
	return strings.ReplaceAll(string(peer.Read()), "\r\n", " ")
}

// TestExpired: a key is gone at its moment, even if its alarm has not come yet. Here the clock is set forward, which loops notice
// within a second.
func TestExpired(t *testing.T) {
	for command, want := range map[string]string{
		"GET k": "$-1 ", "EXISTS k": ":0 ", "TTL k": ":-2 ", "DEL k": ":0 ", "STRLEN k": ":0 ", "PERSIST k": ":0 ", "EXPIRE k 100; GET k": ":0 $-1 ",
		"SET k v XX": "$-1 ", "SET k v NX": "+OK ", "SET k w KEEPTTL; TTL k": "+OK :-1 ",
		"INCR k; TTL k": ":1 :-1 ", "APPEND k x; TTL k; GET k": ":1 :-1 $1 x ",
	} {
		pool, peer := onVirtualTime(t)
		if got := ask(pool, peer, "SET k 5 PX 5000; TTL k"); got != "+OK :5 " {
			t.Fatal(got)
		}
		pool.JumpWall(6 * time.Second)
		if got := ask(pool, peer, command); got != want {
			t.Errorf("%s: %q; want %q", command, got, want)
		}
		kept := ask(pool, peer, "GET k")
		pool.Advance(2 * time.Second) // the loop looks at the clock, and the alarm would come
		if got := ask(pool, peer, "GET k"); got != kept {
			t.Errorf("after %s and the alarm: %q; want %q", command, got, kept)
		}
	}
}

// TestExpiresByAlarm: the alarm removes the key, not the next one who asks.
func TestExpiresByAlarm(t *testing.T) {
	pool, peer := onVirtualTime(t)
	ask(pool, peer, "SET k v PX 5000; SET stays v EX 100; SET moved v PX 4000; EXPIRE moved 6")
	pool.Advance(4999 * time.Millisecond)
	if got := ask(pool, peer, "GET k; EXISTS stays moved"); got != "$1 v :2 " {
		t.Error("just before:", got)
	}
	pool.Advance(time.Millisecond)
	pool.JumpWall(-time.Hour) // were it still there, it would be seen again
	if got := ask(pool, peer, "GET k; EXISTS stays moved"); got != "$-1 :2 " {
		t.Error("at the moment:", got)
	}
}

// TestPieces: however a client's commands are cut, they are answered the same, and in order.
func TestPieces(t *testing.T) {
	in := resp.AppendCommand(nil, "SET", "a", "one")
	in = append(in, "GET a\r\nEXISTS a b a\r\n"...)
	in = resp.AppendCommand(in, "DEL", "a", "b")
	in = append(in, "*0\r\n\r\nGET a\r\nQUIT\r\nGET a\r\n"...)
	const want = "+OK\r\n$3\r\none\r\n:2\r\n:1\r\n$-1\r\n+OK\r\n"
	for cut := range in {
		pool, peer := onVirtualTime(t)
		peer.Write(in[:cut])
		pool.Run()
		peer.Write(in[cut:])
		pool.Run()
		if got := string(peer.Read()); got != want || !peer.EOF() {
			t.Fatalf("cut at %d: %q, closed: %v; want %q", cut, got, peer.EOF(), want)
		}
	}
}

// TestAhead: commands that are read before those in front of them have run, and then have no room, or come in pieces, run once and in their
// order. So do those that remove what others of the same piece ask for.
func TestAhead(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var in, want []byte
		keys := map[string]int64{}
		for range 300 {
			switch k := string(rune('a' + rnd.IntN(7))); rnd.IntN(6) {
			case 0:
				in = resp.AppendCommand(in, "DEL", k)
				want = resp.AppendBool(want, resp.V2, keys[k] > 0)
				delete(keys, k)
			case 1:
				in = resp.AppendCommand(in, "EXISTS", k, k, "never")
				want = resp.AppendInt(want, 2*min(keys[k], 1))
			case 2:
				in = append(in, "\r\nPING\r\n"...)
				want = append(want, sayPong...)
			default:
				in = resp.AppendCommand(in, "INCR", k)
				keys[k]++
				want = resp.AppendInt(want, keys[k])
			}
		}
		in = append(in, "*x\r\n"...)
		want = append(want, "-ERR Protocol error: invalid multibulk length\r\n"...)
		pool, peer := onVirtualTime(t, func(o *proto.Options) { o.MaxInFlight = 1 + rnd.IntN(50) })
		var got []byte
		for piece := 1 + rnd.IntN(2000); len(in) > 0; {
			n := min(len(in), 1+rnd.IntN(piece))
			peer.Write(in[:n])
			in = in[n:]
			if rnd.IntN(3) == 0 {
				pool.Run()
			}
			got = append(got, peer.Read()...)
		}
		pool.Run()
		if got = append(got, peer.Read()...); string(got) != string(want) || !peer.EOF() {
			t.Fatalf("seed %d: closed: %v\n got %q\nwant %q", seed, peer.EOF(), got, want)
		}
	}
}

// TestTooMuch: what is beyond a limit is refused in words, and ends the connection.
func TestTooMuch(t *testing.T) {
	pool, peer := onVirtualTime(t)
	got := ask(pool, peer, "PING; *2; $3; GET; $2097153; xxx")
	if !strings.HasPrefix(got, "+PONG -ERR Protocol error: invalid bulk length: an argument of 2097153 bytes, and 2097152 is the limit") || !peer.EOF() {
		t.Errorf("%q, closed: %v", got, peer.EOF())
	}
	// What the codec takes may still be too large for an object.
	pool, peer = onVirtualTime(t)
	peer.Write(resp.AppendCommand(nil, "SET", "k", strings.Repeat("x", 2<<20)))
	if got := ask(pool, peer, "PING"); got != "-ERR Keys and values together cannot be larger than 2097152 bytes. +PONG " {
		t.Errorf("%q", got)
	}
}

// TestAllocations: a command takes no memory of its own. A piece of many is one batch of the log, and that takes a little.
func TestAllocations(t *testing.T) {
	eng, err := engine.Open(engine.Options{Dir: t.TempDir(), Pool: looptest.New(1, 1), Sync: wal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	pool := eng.Pool().(*looptest.Pool)
	t.Cleanup(func() {
		closed := make(chan error, 1)
		go func() { closed <- eng.Close(context.Background()) }()
		for len(closed) == 0 {
			pool.Run() // Close waits for the loops, which only run here
			runtime.Gosched()
		}
	})
	if _, err := eng.Register("String", engine.DirectOf(handle)); err != nil {
		t.Fatal(err)
	}
	p := &redis{}
	h, err := proto.NewHandler(eng, p, p.options())
	if err != nil {
		t.Fatal(err)
	}
	peer := pool.Dial(h, h.ListenOptions())
	var in []byte
	const commands = 300
	for range commands / 3 {
		in = resp.AppendCommand(in, "INCR", "counter")
		in = resp.AppendCommand(in, "SET", "key", "some value")
		in = resp.AppendCommand(in, "GET", "key")
	}
	allocs := testing.AllocsPerRun(50, func() {
		peer.Write(in)
		pool.Run()
		peer.Read()
	})
	if allocs > 8 { // far below one a command
		t.Errorf("%v allocations for %d commands", allocs, commands)
	}
}

package engine_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"everloop/engine"
	"everloop/loop"
	"everloop/wal"
)

// directCounter is the counter of a Direct class.
func directCounter(c *engine.Call) error {
	old, _, err := c.Storage.GetRaw("n")
	if err != nil {
		return err
	}
	if c.Method == "get" {
		c.Result = old
		return nil
	}
	n := uint64(0)
	if len(old) == 8 {
		n = binary.BigEndian.Uint64(old)
	}
	c.Result = binary.BigEndian.AppendUint64(c.Result, n+1)
	return c.Storage.PutRaw("n", c.Result, engine.WriteOptions{})
}

// burst is a protocol without a network: each round it makes a number of calls by name, and the next one when all of them are answered.
type burst struct {
	ns     *engine.Namespace
	loop   loop.Loop
	names  [][]byte
	method string
	args   []byte
	rand   *rand.Rand
	ahead  [][]byte // the names of the next calls; as many as its capacity are known at a time
	left   int
	under  int
	failed error
	done   chan struct{}
}

const burstCalls = 1024

func (d *burst) Reply(r engine.Reply) {
	if r.Err != nil {
		d.failed = r.Err
	}
	if d.under--; d.under == 0 {
		d.loop.Post(d)
	}
}

func (d *burst) Run() {
	n := min(burstCalls, d.left)
	if n == 0 {
		close(d.done)
		return
	}
	d.left -= n
	d.under = n + 1
	for n > 0 {
		for n > 0 && len(d.ahead) < cap(d.ahead) {
			d.ahead = append(d.ahead, d.names[d.rand.IntN(len(d.names))])
			n--
		}
		d.ns.Warm(d.ahead)
		for _, name := range d.ahead {
			d.ns.CallByName(name, d.method, d.args, d)
		}
		d.ahead = d.ahead[:0]
	}
	d.Reply(engine.Reply{})
}

func benchmarkByName(b *testing.B, c engine.Class, objects, ahead int, method string, sync wal.SyncMode) {
	e := open(b, engine.Options{Sync: sync, Loops: 1})
	register(b, e, "Raw", c)
	d := &burst{loop: e.Pool().Loop(0), method: "incr", rand: rand.New(rand.NewPCG(1, 2)), ahead: make([][]byte, 0, ahead)}
	for i := range objects {
		d.names = append(d.names, fmt.Appendf(nil, "key:%012d", i))
	}
	run := func(n int) {
		d.left, d.done = n, make(chan struct{})
		d.loop.Post(loop.Func(func() {
			d.ns = e.Port(d.loop).Namespace("Raw")
			d.Run()
		}))
		<-d.done
	}
	run(3 * objects)
	d.method = method
	b.ReportAllocs()
	b.ResetTimer()
	run(b.N)
	if d.failed != nil {
		b.Fatal(d.failed)
	}
}

// BenchmarkCallByName is a call of a random one of 100,000 objects, by its name, as a protocol makes it.
func BenchmarkCallByName(b *testing.B) {
	raw := engine.ClassOf(func(st *engine.State) (*rawCounter, error) { return &rawCounter{st}, nil })
	for _, c := range []struct {
		name  string
		class engine.Class
	}{{"Direct", engine.DirectOf(directCounter)}, {"ClassOf", raw}} {
		for _, mode := range []wal.SyncMode{wal.SyncNone, wal.SyncAlways} {
			b.Run(fmt.Sprintf("%s/incr/%v", c.name, mode), func(b *testing.B) { benchmarkByName(b, c.class, 100_000, 1, "incr", mode) })
		}
	}
	// What it saves to know some calls beforehand.
	for _, ahead := range []int{1, 16, 32, 64} {
		for _, method := range []string{"incr", "get"} {
			b.Run(fmt.Sprintf("Direct/%s/%d known", method, ahead), func(b *testing.B) {
				benchmarkByName(b, engine.DirectOf(directCounter), 100_000, ahead, method, wal.SyncNone)
			})
		}
	}
}

package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"everloop/engine"
	"everloop/wal"
)

// pipeClasses are classes whose objects count their calls, of both kinds.
func pipeClasses() map[string]engine.Class {
	return map[string]engine.Class{
		"Direct":  engine.DirectOf(directCounter),
		"ClassOf": engine.ClassOf(func(st *engine.State) (engine.RawCaller, error) { return &counting{st}, nil }),
	}
}

type counting struct{ st *engine.State }

func (c *counting) CallRaw(_ context.Context, method string, _ []byte) ([]byte, error) {
	s := c.st.Storage()
	old, _, err := s.GetRaw("n")
	if err != nil || method == "get" {
		return old, err
	}
	n := uint64(0)
	if len(old) == 8 {
		n = binary.BigEndian.Uint64(old)
	}
	b := binary.BigEndian.AppendUint64(nil, n+1)
	return b, s.PutRaw("n", b, engine.WriteOptions{})
}

// Every call of a Pipe is answered once, those of one object in the order in which they were made, and what was answered was durable.
func TestPipe(t *testing.T) {
	for name, class := range pipeClasses() {
		for loops := 1; loops <= 2; loops++ {
			t.Run(fmt.Sprintf("%s, %d loops", name, loops), func(t *testing.T) {
				e := open(t, engine.Options{Loops: loops})
				ns := register(t, e, "C", class)
				const calls, objects = 20_000, 50
				var wg sync.WaitGroup
				for g := range 2 {
					wg.Add(1)
					go func() {
						defer wg.Done()
						rnd := rand.New(rand.NewPCG(1, uint64(g)))
						var last [objects]uint64
						tagged := make([]int, calls)
						answered, window := 0, 1+rnd.IntN(300)
						p := ns.Pipe(window, func(tag uint64, r engine.Reply) {
							answered++
							if r.Err != nil || len(r.Value) != 8 {
								t.Errorf("call %d: %x, %v", tag, r.Value, r.Err)
								return
							}
							n, o := binary.BigEndian.Uint64(r.Value), tagged[tag]
							if n <= last[o] {
								t.Errorf("call %d of object %d gives %d after %d", tag, o, n, last[o])
							}
							last[o] = n
						})
						ids := make([]engine.ID, objects)
						for i := range ids {
							ids[i] = ns.IDFromName(fmt.Sprint(g, i))
						}
						for i := range calls {
							tagged[i] = rnd.IntN(objects)
							if err := p.Call(uint64(i), &ids[tagged[i]], "incr", nil); err != nil {
								t.Error(err)
							}
							if n := p.UnderWay(); n > window {
								t.Errorf("%d calls are under way, the window is %d", n, window)
							}
							if i%97 == 0 {
								p.Poll()
							}
						}
						if err := p.Wait(); err != nil || answered != calls || p.UnderWay() != 0 {
							t.Errorf("%d of %d calls were answered, %d under way: %v", answered, calls, p.UnderWay(), err)
						}
					}()
				}
				wg.Wait()
			})
		}
	}
}

// What a Pipe refuses, and what it tells of an engine that has closed.
func TestPipeRefusals(t *testing.T) {
	e := open(t, engine.Options{Loops: 2})
	ns, other := register(t, e, "C", engine.DirectOf(slip)), register(t, e, "D", engine.DirectOf(slip))
	got := map[uint64]engine.Reply{}
	p := ns.Pipe(10, func(tag uint64, r engine.Reply) { r.Value = append([]byte(nil), r.Value...); got[tag] = r })
	foreign := other.IDFromName("a")
	if err := p.Call(1, &foreign, "append:x", nil); !errors.Is(err, engine.ErrForeignID) {
		t.Errorf("an ID of another class: %v", err)
	}
	args := []byte("args")
	for i, method := range []string{"append:x args", "fail", "name", "big:100000", "put:k=" + string(make([]byte, engine.MaxEntryBytes))} {
		if err := p.CallByName(uint64(i), "a", method, args); err != nil {
			t.Error(err)
		}
	}
	clear(args)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if string(got[0].Value) != "xargs" || string(got[2].Value) != "C a true" || len(got[3].Value) != 100000 || !errors.Is(got[4].Err, engine.ErrValueTooLarge) {
		t.Errorf("got %.200v", got)
	}
	var failed *engine.Error
	if !errors.As(got[1].Err, &failed) || failed.Message != "failed on purpose" || failed.Class != "C" {
		t.Errorf("a call that fails: %+v", got[1].Err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.CallByName(9, "a", "append:x", nil); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err != nil || !errors.Is(got[9].Err, engine.ErrClosed) {
		t.Errorf("after Close: %v, %v", got[9].Err, err)
	}
}

// BenchmarkPipe is a call of a random one of a million objects, from 2 goroutines with 1,024 calls under way each.
func BenchmarkPipe(b *testing.B) {
	const objects = 1_000_000
	for _, name := range []string{"Direct", "ClassOf"} {
		e := open(b, engine.Options{Loops: 1, Sync: wal.SyncAlways})
		ns := register(b, e, "C", pipeClasses()[name])
		ids := make([]engine.ID, objects)
		for i := range ids {
			ids[i] = ns.IDFromName(fmt.Sprint("object ", i))
		}
		run := func(n int, method string, order func(i int) int) {
			var wg sync.WaitGroup
			for g := range 2 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					p := ns.Pipe(1024, func(_ uint64, r engine.Reply) {
						if r.Err != nil {
							b.Error(r.Err)
						}
					})
					for i := g; i < n; i += 2 {
						if err := p.Call(uint64(i), &ids[order(i)], method, nil); err != nil {
							b.Error(err)
						}
					}
					if err := p.Wait(); err != nil {
						b.Error(err)
					}
				}()
			}
			wg.Wait()
		}
		run(objects, "incr", func(i int) int { return i })
		for _, method := range []string{"get", "incr"} {
			b.Run(name+"/"+method, func(b *testing.B) {
				b.ReportAllocs()
				before := e.Log().(*wal.Log).Stats().Syncs
				defer func() {
					b.ReportMetric(float64(b.N)/float64(max(1, e.Log().(*wal.Log).Stats().Syncs-before)), "calls/sync")
				}()
				run(b.N, method, func(int) int { return int(rand.Uint32N(objects)) })
			})
		}
	}
}

// What comes through a Pipe is durable, whether the call has written or only read it.
func TestPipeWaitsForTheDisk(t *testing.T) {
	x := newSlips(t, 1)
	answered := ""
	p := x.ns.Pipe(10, func(_ uint64, r engine.Reply) { answered += string(r.Value) })
	for _, method := range []string{"put:k=1 append:w", "append:r get:k"} {
		if err := p.CallByName(0, "a", method, nil); err != nil {
			t.Fatal(err)
		}
		p.Flush()
	}
	x.pool.Run()
	p.Poll()
	if answered != "" {
		t.Errorf("before the commit: %q", answered)
	}
	x.settle()
	p.Poll()
	if answered != "w1" {
		t.Errorf("after the commit: %q", answered)
	}
}

// With several loops and a full window, what has been collected for one loop waits for more, as long as half of the window is on its way.
func TestPipeKeepsBatches(t *testing.T) {
	x := newSlips(t, 2)
	var ids [2]engine.ID // one of each loop
	for i, found := 0, [2]bool{}; !found[0] || !found[1]; i++ {
		id := x.ns.IDFromName(fmt.Sprint(i))
		on := x.LoopOf(&id)
		ids[on], found[on] = id, true
	}
	var answered []uint64
	p := x.ns.Pipe(8, func(tag uint64, _ engine.Reply) { answered = append(answered, tag) })
	for tag, on := range []int{0, 0, 0, 0, 1, 1, 1, 0, 1} {
		if tag == 8 {
			x.settle() // the first four are a batch: they are answered
		}
		if err := p.Call(uint64(tag), &ids[on], "inc", nil); err != nil {
			t.Fatal(err)
		}
	}
	x.settle()
	p.Poll()
	if got := fmt.Sprint(answered); got != "[0 1 2 3 4 5 6 8]" || p.UnderWay() != 1 {
		t.Errorf("%s are answered, %d under way", got, p.UnderWay())
	}
	p.Flush()
	x.settle()
	if err := p.Wait(); err != nil || len(answered) != 9 {
		t.Errorf("%d are answered: %v", len(answered), err)
	}
}

// Whoever is told an answer may make several calls, also where the window is full of answers that are just being told.
func TestPipeCallsInAnswers(t *testing.T) {
	for loops := 1; loops <= 2; loops++ {
		e := open(t, engine.Options{Loops: loops, Sync: wal.SyncNone})
		ns := register(t, e, "C", engine.DirectOf(directCounter))
		const calls = 300
		made, answered := 0, 0
		var p *engine.Pipe
		call := func() {
			if made == calls {
				return
			}
			made++
			if err := p.CallByName(0, fmt.Sprint(made%20), "incr", nil); err != nil {
				t.Error(err)
			}
		}
		p = ns.Pipe(20, func(uint64, engine.Reply) {
			answered++
			for range 3 {
				call()
			}
		})
		for range 20 {
			call()
		}
		if err := p.Wait(); err != nil || made != calls || answered != calls {
			t.Errorf("%d loops: %d calls were made and %d answered: %v", loops, made, answered, err)
		}
	}
}

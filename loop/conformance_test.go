package loop_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"everloop/loop"
)

// The contract of loop.Pool, loop.Loop, loop.Conn and loop.Handler, in every world.

func TestTasksRunOnceInOrder(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const posters, tasks = 4, 5_000 // together more than one round takes
		var got [posters][]int          // owned by loop 1
		var left atomic.Int64
		left.Store(posters * tasks)
		post := func(p int) {
			for i := range tasks {
				if !w.pool().Loop(1).Post(loop.Func(func() { got[p] = append(got[p], i); left.Add(-1) })) {
					t.Error("Post reported false")
				}
			}
		}
		var wg sync.WaitGroup
		for p := range posters {
			if w.virtual() {
				post(p)
			} else {
				wg.Go(func() { post(p) })
			}
		}
		wg.Wait()
		w.until("all tasks have run", func() bool { return left.Load() == 0 })
		onLoop(w, 1, func(loop.Loop) {
			for p := range posters {
				if len(got[p]) != tasks || !slices.IsSorted(got[p]) {
					t.Errorf("poster %d: %d tasks ran, in order: %v", p, len(got[p]), slices.IsSorted(got[p]))
				}
			}
		})
	})
}

// A full mailbox is worked off in slices, between which connections and timers get their turn.
func TestManyTasksAreSpreadOverRounds(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const tasks = 50_000
		var ran, rounds int // of loop 0, owned by it
		var all atomic.Bool
		w.pool().OnRound(func(l loop.Loop) {
			if l.Index() == 0 && ran > 0 && !all.Load() {
				rounds++
				all.Store(ran == tasks)
			}
		})
		onLoop(w, 0, func(l loop.Loop) {
			f := loop.Func(func() { ran++ })
			for range tasks {
				l.Post(f)
			}
		})
		w.until("all have run", all.Load)
		onLoop(w, 0, func(loop.Loop) {
			if rounds < 10 {
				t.Errorf("%d tasks ran in %d rounds", tasks, rounds)
			}
		})
	})
}

// A task that posts, directly or through another loop, is continued in a later round, and never inside Post.
func TestPostFromTaskRunsInLaterRound(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var round int // of loop 0, owned by it
		w.pool().OnRound(func(l loop.Loop) {
			if l.Index() == 0 {
				round++
			}
		})
		l := w.pool().Loop(0)
		var done atomic.Bool
		inside := false
		onLoop(w, 0, func(loop.Loop) {
			before := round
			inside = true
			l.Post(loop.Func(func() {
				if inside {
					t.Error("Post ran the task inside the call")
				}
				if round <= before {
					t.Errorf("the task ran in round %d, that of its poster is %d", round, before)
				}
				done.Store(true)
			}))
			inside = false
		})
		w.until("the second task has run", done.Load)
	})
}

func TestSelfPostingTaskDoesNotStarveConnections(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var stop atomic.Bool
		for i := range w.pool().Len() {
			l := w.pool().Loop(i)
			var again loop.Func
			again = func() {
				if !stop.Load() {
					l.Post(again)
				}
			}
			l.Post(again)
		}
		defer stop.Store(true)
		p := w.dial(&handler{}, loop.ListenOptions{})
		for range 20 {
			p.write([]byte("ping"))
			if got := p.read(4); string(got) != "ping" {
				t.Fatalf("got %q", got)
			}
		}
	})
}

func TestTimers(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var mu sync.Mutex
		var fired []string
		note := func(name string) {
			mu.Lock()
			defer mu.Unlock()
			fired = append(fired, name)
		}
		var pending atomic.Int32
		pending.Store(4)
		onLoop(w, 0, func(l loop.Loop) {
			start := l.Now()
			set := func(name string, after int64) loop.Timer {
				return l.At(start+after, loop.Func(func() {
					if l.Now() < start+after {
						t.Errorf("%s fired %d ms early", name, start+after-l.Now())
					}
					note(name)
					pending.Add(-1)
				}))
			}
			var moved, stopped, once loop.Timer
			moved = set("moved", 1)
			stopped = set("cancelled", 10)
			set("late", 40)
			once = set("early", 20)
			set("overdue", -5)
			set("years", 1000*365*24*3600*1000)
			if !l.Rearm(moved, start+30) || !l.Cancel(stopped) {
				t.Error("a pending timer could not be moved or cancelled")
			}
			if l.Cancel(stopped) || l.Rearm(stopped, start) || l.Cancel(0) || l.Rearm(0, start) {
				t.Error("a stale or zero timer was taken for a pending one")
			}
			l.At(start+35, loop.Func(func() {
				if l.Cancel(once) || l.Rearm(once, l.Now()+1) {
					t.Error("a timer that has fired was taken for a pending one")
				}
			}))
			mu.Lock()
			defer mu.Unlock()
			if len(fired) > 0 {
				t.Error("a timer fired inside At")
			}
		})
		w.until("the timers fire", func() bool { return pending.Load() == 0 })
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"overdue", "early", "moved", "late"}; !slices.Equal(fired, want) {
			t.Errorf("fired %v, want %v", fired, want)
		}
	})
}

// A timer that sets itself anew for a moment that has passed must not keep its loop from anything else.
func TestTimerThatRearmsToThePast(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var n, rounds atomic.Int64
		w.pool().OnRound(func(l loop.Loop) {
			if l.Index() == 0 {
				rounds.Add(1)
			}
		})
		onLoop(w, 0, func(l loop.Loop) {
			var again loop.Func
			again = func() {
				if n.Add(1) < 100 {
					l.At(l.Now()-1, again)
				}
			}
			l.At(l.Now(), again)
		})
		w.until("it has fired 100 times", func() bool { return n.Load() == 100 })
		if rounds.Load() < 99 {
			t.Errorf("100 firings in %d rounds", rounds.Load())
		}
	})
}

// Many timers due at once are spread over rounds, between which other things get their turn.
func TestManyTimersDueAtOnce(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const timers = 50_000
		var fired, rounds atomic.Int64
		w.pool().OnRound(func(l loop.Loop) {
			if l.Index() == 0 {
				rounds.Add(1)
			}
		})
		onLoop(w, 0, func(l loop.Loop) {
			f := loop.Func(func() { fired.Add(1) })
			for range timers {
				l.At(l.Now()+3, f)
			}
		})
		w.until("all have fired", func() bool { return fired.Load() == timers })
		if rounds.Load() < 10 {
			t.Errorf("%d timers fired in %d rounds", timers, rounds.Load())
		}
	})
}

// A round is: handlers, tasks, hooks in order, flush.
func TestOrderOfARound(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var mu sync.Mutex
		var steps []string
		step := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			steps = append(steps, s)
		}
		var conn atomic.Pointer[loop.Conn]
		var seen atomic.Bool
		for _, name := range []string{"hook 1", "hook 2"} {
			w.pool().OnRound(func(l loop.Loop) {
				if c := conn.Load(); c != nil && (*c).Loop() == l && (*c).Outbound() > 0 {
					step(fmt.Sprintf("%s sees %d", name, (*c).Outbound()))
					seen.Store(true)
				}
			})
		}
		h := &handler{data: func(c loop.Conn) {
			conn.Store(&c)
			c.Discard(1)
			step("data")
			_ = c.Write([]byte("one"))
			c.Loop().Post(loop.Func(func() {
				step("task")
				_ = c.Write([]byte("two"))
			}))
		}}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("x"))
		if got := p.read(6); string(got) != "onetwo" {
			t.Errorf("got %q", got)
		}
		w.until("the hooks have run", seen.Load)
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"data", "task", "hook 1 sees 6", "hook 2 sees 6"}; !slices.Equal(steps, want) {
			t.Errorf("steps %q, want %q", steps, want)
		}
	})
}

// Hooks run after rounds that did something, with whatever number of tasks, and not without end.
func TestHooksRunOncePerRound(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var hooks atomic.Int64
		w.pool().OnRound(func(l loop.Loop) {
			if l.Index() == 0 {
				hooks.Add(1)
			}
		})
		w.pass(5 * time.Millisecond)
		onLoop(w, 0, func(l loop.Loop) {
			for range 1000 {
				l.Post(loop.Func(func() {}))
			}
		})
		before := hooks.Load()
		onLoop(w, 0, func(loop.Loop) {})
		w.pass(5 * time.Millisecond)
		if n := hooks.Load() - before; n < 1 || n > 10 {
			t.Errorf("the hook ran %d times for 1,000 tasks", n)
		}
	})
}

// What a hook posts or writes is dealt with, in a further round.
func TestHookMayPostAndWrite(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{data: func(c loop.Conn) { c.SetContext(string(c.Inbound())); c.Discard(len(c.Inbound())) }}
		var conn atomic.Pointer[loop.Conn]
		h.open = func(c loop.Conn) { conn.Store(&c) }
		w.pool().OnRound(func(l loop.Loop) {
			c := conn.Load()
			if c == nil || (*c).Loop() != l || (*c).Context() == nil {
				return
			}
			(*c).SetContext(nil)
			_ = (*c).Write([]byte("hook "))
			l.Post(loop.Func(func() { _ = (*c).Write([]byte("task")) }))
		})
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("x"))
		if got := p.read(9); string(got) != "hook task" {
			t.Errorf("got %q", got)
		}
	})
}

func TestInboundAccumulates(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{data: func(c loop.Conn) {
			for {
				i := bytes.IndexByte(c.Inbound(), '\n')
				if i < 0 {
					return
				}
				_ = c.Write(c.Inbound()[:i+1])
				c.Discard(i + 1)
			}
		}}
		p := w.dial(h, loop.ListenOptions{})
		var want []byte
		for i := range 300 {
			line := append(bytes.Repeat([]byte{byte('a' + i%26)}, i*7%500), '\n')
			want = append(want, line...)
			p.write(line[:len(line)/2])
			p.write(line[len(line)/2:])
		}
		if got := p.read(len(want)); !bytes.Equal(got, want) {
			t.Error("bytes were lost or changed")
		}
	})
}

// PauseReading holds the peer's sender up: what it sends stays below it, not in the process.
func TestPauseReading(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var got atomic.Int64
		h := &handler{}
		h.data = func(c loop.Conn) {
			if got.Load() == 0 {
				c.PauseReading()
			}
			got.Add(int64(len(c.Inbound())))
			c.Discard(len(c.Inbound()))
		}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("x"))
		w.until("the first byte arrives", func() bool { return got.Load() == 1 })
		sent := bytes.Repeat([]byte("y"), 100<<10)
		p.write(sent)
		w.pass(20 * time.Millisecond)
		h.onConn(w, func(c loop.Conn) {
			if n := len(c.Inbound()); got.Load() != 1 || n > 64<<10 {
				t.Errorf("paused, but Data got %d bytes and %d are in Inbound", got.Load(), n)
			}
			c.ResumeReading()
		})
		w.until("the rest arrives", func() bool { return got.Load() == int64(1+len(sent)) })
	})
}

// Resuming calls Data for what was left in Inbound, and not from inside ResumeReading.
func TestResumeReadingCallsData(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var got atomic.Value
		h := &handler{}
		resuming := false
		h.data = func(c loop.Conn) {
			if resuming {
				t.Error("Data was called inside ResumeReading")
			}
			if h.noted("data") == 1 {
				c.PauseReading()
				return
			}
			got.Store(string(c.Inbound()))
		}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("z"))
		w.until("Data is called", h.has("data"))
		h.onConn(w, func(c loop.Conn) {
			resuming = true
			c.ResumeReading()
			resuming = false
		})
		w.until("Data is called again", func() bool { return got.Load() == "z" })
	})
}

func TestMaxInboundPausesByItself(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const limit, total = 8 << 10, 400 << 10
		h := &handler{data: func(loop.Conn) {}}
		p := w.dial(h, loop.ListenOptions{MaxInbound: limit})
		go1 := make(chan struct{})
		write := func() { p.write(bytes.Repeat([]byte("y"), total)); close(go1) }
		if w.virtual() {
			write()
		} else {
			go write() // the kernel may not take it all before it is read
		}
		size := func() (n int) {
			h.onConn(w, func(c loop.Conn) { n = len(c.Inbound()) })
			return n
		}
		w.until("Inbound is full", func() bool { return size() >= limit })
		w.pass(20 * time.Millisecond)
		if n := size(); n > limit+64<<10 {
			t.Errorf("%d bytes in Inbound, the bound is %d and one read", n, limit)
		}
		received := 0
		w.until("the rest arrives", func() bool {
			h.onConn(w, func(c loop.Conn) {
				received += len(c.Inbound())
				c.Discard(len(c.Inbound()))
			})
			return received == total
		})
		<-go1
	})
}

func TestSlowReaderIsClosed(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{}
		p := w.dial(h, loop.ListenOptions{MaxOutbound: 1 << 20})
		p.stall()
		chunk := make([]byte, 100<<10)
		var failed error
		for range 1000 {
			h.onConn(w, func(c loop.Conn) {
				if failed = c.Write(chunk); failed == nil && c.Outbound() > 1<<20 {
					t.Errorf("%d bytes wait", c.Outbound())
				}
			})
			if failed != nil {
				break
			}
		}
		if !errors.Is(failed, loop.ErrSlowReader) {
			t.Fatalf("Write reported %v", failed)
		}
		w.until("the connection closes", h.has("closed"))
		if !errors.Is(h.closeErr(), loop.ErrSlowReader) {
			t.Errorf("Closed was given %v", h.closeErr())
		}
	})
}

// A writer that looks at Outbound and waits for Drained gets everything through, whatever its size.
func TestDrained(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const total, high = 6 << 20, 512 << 10
		sent := 0
		pump := func(c loop.Conn) {
			for sent < total && c.Outbound() < high {
				chunk := make([]byte, 4<<10) // small enough to wait for the end of the round
				for i := range chunk {
					chunk[i] = byte((sent + i) / 1000)
				}
				if err := c.Write(chunk); err != nil {
					t.Error(err)
				}
				sent += len(chunk)
			}
		}
		h := &handler{open: pump, drained: func(c loop.Conn) {
			if c.Outbound() > loop.DefaultLowWater {
				t.Errorf("Drained with %d bytes waiting", c.Outbound())
			}
			pump(c)
		}}
		p := w.dial(h, loop.ListenOptions{MaxOutbound: 1 << 20})
		p.stall()
		w.pass(5 * time.Millisecond)
		got := p.read(total)
		for i, b := range got {
			if b != byte(i/1000) {
				t.Fatalf("byte %d is wrong", i)
			}
		}
		if h.noted("drained") < 2 {
			t.Errorf("Drained was called %d times", h.noted("drained"))
		}
	})
}

func TestFlushSendsNow(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{data: func(c loop.Conn) {
			c.Discard(len(c.Inbound()))
			_ = c.Write([]byte("now"))
			if err := c.Flush(); err != nil || c.Outbound() != 0 {
				t.Errorf("Flush: %v, %d bytes wait", err, c.Outbound())
			}
		}}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("x"))
		if got := p.read(3); string(got) != "now" {
			t.Errorf("got %q", got)
		}
	})
}

// What is large may be sent at once, but in its place; and Drained is called as if it had waited.
func TestLargeWritesKeepTheirPlace(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		large := func(c byte) []byte { return bytes.Repeat([]byte{c}, 200<<10) }
		var want []byte
		h := &handler{open: func(c loop.Conn) {
			for i, b := range [][]byte{large('a'), []byte("small"), large('b'), large('c'), []byte("end")} {
				if err := c.Write(b); err != nil {
					t.Error(i, err)
				}
			}
		}}
		for _, b := range [][]byte{large('a'), []byte("small"), large('b'), large('c'), []byte("end")} {
			want = append(want, b...)
		}
		p := w.dial(h, loop.ListenOptions{})
		if got := p.read(len(want)); !bytes.Equal(got, want) {
			t.Error("what arrived is not what was written")
		}
		alone := &handler{open: func(c loop.Conn) { _ = c.Write(large('a')) }}
		w.dial(alone, loop.ListenOptions{}).read(len(large('a')))
		w.until("Drained is called", alone.has("drained"))
	})
}

// Close sends what was written, however long the peer takes to read it, and then closes.
func TestCloseSendsWhatWasWritten(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		const size = 6 << 20
		why := errors.New("done")
		h := &handler{data: func(c loop.Conn) {
			c.Discard(len(c.Inbound()))
			_ = c.Write(make([]byte, size))
			c.Close(why)
			if err := c.Write([]byte("more")); !errors.Is(err, loop.ErrClosed) {
				t.Errorf("Write after Close reported %v", err)
			}
			if c.Inbound() != nil {
				t.Error("Inbound after Close is not empty")
			}
		}}
		p := w.dial(h, loop.ListenOptions{CloseTimeout: time.Hour})
		p.stall()
		p.write([]byte("x"))
		w.until("Data is called", h.has("data"))
		w.pass(5 * time.Millisecond)
		if h.noted("closed") != 0 {
			t.Error("closed before everything was sent")
		}
		if got := p.rest(); len(got) != size {
			t.Errorf("got %d bytes of %d", len(got), size)
		}
		w.until("Closed is called", h.has("closed"))
		if h.closeErr() != why {
			t.Errorf("Closed was given %v", h.closeErr())
		}
	})
}

func TestCloseGivesUpAfterCloseTimeout(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{open: func(c loop.Conn) {
			_ = c.Write(make([]byte, 8<<20))
			c.Close(nil)
		}}
		p := w.dial(h, loop.ListenOptions{CloseTimeout: 20 * time.Millisecond})
		p.stall()
		w.until("Closed is called", h.has("closed"))
		if got := p.rest(); len(got) >= 8<<20 {
			t.Error("everything was sent")
		}
	})
}

// A peer that is still sending when the connection is closed gets to see what was written last: closing must not
// reset the connection under it.
func TestCloseWhilePeerSends(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{data: func(c loop.Conn) {
			c.PauseReading()
			_ = c.Write([]byte("too large"))
			c.Close(nil)
		}}
		p := w.dial(h, loop.ListenOptions{CloseTimeout: time.Hour})
		p.write(bytes.Repeat([]byte("x"), 150<<10))
		w.until("Data is called", h.has("data"))
		p.write(bytes.Repeat([]byte("x"), 50<<10))
		if got := p.rest(); string(got) != "too large" {
			t.Errorf("got %q", got)
		}
		p.close()
		w.until("Closed is called", h.has("closed"))
		if err := h.closeErr(); err != nil {
			t.Errorf("Closed was given %v", err)
		}
		if n := h.noted("data"); n != 1 {
			t.Errorf("Data was called %d times", n)
		}
	})
}

func TestAbort(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		why := errors.New("enough")
		h := &handler{data: func(c loop.Conn) {
			b := c.Inbound()
			_ = c.Write([]byte("never sent"))
			c.Abort(why)
			if string(b) != "x" {
				t.Errorf("Inbound has become %q before the handler returned", b)
			}
		}}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("x"))
		if got := p.rest(); len(got) != 0 {
			t.Errorf("got %q", got)
		}
		w.until("Closed is called", h.has("closed"))
		if h.closeErr() != why {
			t.Errorf("Closed was given %v", h.closeErr())
		}
	})
}

func TestAbortInOpen(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{open: func(c loop.Conn) { c.Abort(nil) }}
		p := w.dial(h, loop.ListenOptions{})
		if got := p.rest(); len(got) != 0 {
			t.Errorf("got %q", got)
		}
		w.until("Closed is called", h.has("closed"))
	})
}

func TestPeerCloses(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("ping"))
		p.read(4)
		p.close()
		w.until("Closed is called", h.has("closed"))
		if err := h.closeErr(); err != nil {
			t.Errorf("Closed was given %v", err)
		}
	})
}

func TestPeerResets(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("ping"))
		p.read(4)
		p.abort()
		w.until("Closed is called", h.has("closed"))
		if nw, ok := w.(*netWorld); h.closeErr() == nil && !(ok && nw.network == "unix") {
			t.Error("Closed was given no error")
		}
	})
}

// A peer that resets while reading is paused is noticed over TCP; bytes that it sent before it closed are read
// everywhere once reading goes on.
func TestPeerClosesWhilePaused(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var got atomic.Int64
		h := &handler{}
		h.data = func(c loop.Conn) {
			if h.noted("data") == 1 {
				c.PauseReading()
			}
			got.Add(int64(len(c.Inbound())))
			c.Discard(len(c.Inbound()))
		}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("x"))
		w.until("Data is called", h.has("data"))
		p.write(make([]byte, 50<<10))
		p.close()
		w.pass(10 * time.Millisecond)
		if h.noted("closed") > 0 {
			t.Fatal("closed before what the peer had sent was read")
		}
		h.onConn(w, func(c loop.Conn) { c.ResumeReading() })
		w.until("Closed is called", h.has("closed"))
		if got.Load() != 50<<10+1 {
			t.Errorf("%d bytes were read", got.Load())
		}
	})
}

type halfCloser struct {
	handler
	w world
}

func (h *halfCloser) HalfClosed(c loop.Conn) {
	h.note("half-closed")
	l := c.Loop()
	l.At(l.Now()+5, loop.Func(func() {
		_ = c.Write(bytes.Repeat([]byte("answer"), 1<<20))
		c.Close(nil)
	}))
}

// A peer that has finished sending still gets its answer if the handler cares.
func TestHalfCloser(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &halfCloser{w: w}
		h.data = func(c loop.Conn) { c.Discard(len(c.Inbound())) }
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("question"))
		p.closeWrite()
		if got := p.rest(); len(got) != 6<<20 {
			t.Errorf("got %d bytes", len(got))
		}
		w.until("Closed is called", h.has("closed"))
		if h.noted("half-closed") != 1 || h.closeErr() != nil {
			t.Errorf("HalfClosed was called %d times, Closed was given %v", h.noted("half-closed"), h.closeErr())
		}
	})
}

type halfCloserThatWaits struct{ handler }

func (h *halfCloserThatWaits) HalfClosed(loop.Conn) { h.note("half-closed") }

func TestResetAfterHalfClose(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &halfCloserThatWaits{}
		p := w.dial(h, loop.ListenOptions{})
		p.closeWrite()
		w.until("HalfClosed is called", h.has("half-closed"))
		p.abort()
		w.until("Closed is called", h.has("closed"))
	})
}

// The same, after the connection could not send all at once and later could.
func TestResetAfterHalfCloseAndLargeAnswer(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &halfCloserThatWaits{}
		p := w.dial(h, loop.ListenOptions{})
		p.stall()
		p.closeWrite()
		w.until("HalfClosed is called", h.has("half-closed"))
		h.onConn(w, func(c loop.Conn) { _ = c.Write(make([]byte, 12<<20)) })
		p.read(12 << 20)
		w.until("Drained is called", h.has("drained"))
		p.abort()
		w.until("Closed is called", h.has("closed"))
	})
}

// Without a HalfCloser, an answer that was already written still goes out in full.
func TestHalfCloseSendsWhatWasWritten(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{data: func(c loop.Conn) {
			c.Discard(len(c.Inbound()))
			_ = c.Write(make([]byte, 4<<20))
		}}
		p := w.dial(h, loop.ListenOptions{})
		p.stall()
		p.write([]byte("q"))
		w.until("Data is called", h.has("data"))
		p.closeWrite()
		w.pass(5 * time.Millisecond)
		if got := p.rest(); len(got) < 4<<20 {
			t.Errorf("got %d bytes", len(got))
		}
		w.until("Closed is called", h.has("closed"))
	})
}

// Closed is the last call, comes once, and every method is harmless afterwards.
func TestMethodsAfterClosed(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		h := &handler{}
		p := w.dial(h, loop.ListenOptions{})
		p.write([]byte("ping"))
		p.read(4)
		p.close()
		w.until("Closed is called", h.has("closed"))
		h.onConn(w, func(c loop.Conn) {
			if err := c.Write([]byte("x")); !errors.Is(err, loop.ErrClosed) {
				t.Errorf("Write reported %v", err)
			}
			if err := c.Flush(); !errors.Is(err, loop.ErrClosed) {
				t.Errorf("Flush reported %v", err)
			}
			if c.Outbound() != 0 || c.Inbound() != nil || c.LocalAddr() == nil || c.RemoteAddr() == nil || c.ID() == 0 {
				t.Error("a closed connection reports nonsense")
			}
			c.Discard(1)
			c.PauseReading()
			c.ResumeReading()
			c.Close(errors.New("again"))
			c.Abort(errors.New("again"))
			c.SetHandler(h)
			c.SetContext(1)
		})
		w.pass(5 * time.Millisecond)
		if h.noted("closed") != 1 || h.last() != "closed" {
			t.Errorf("Closed was called %d times, the last call is %s", h.noted("closed"), h.last())
		}
	})
}

// A panic in any method of a handler closes its own connection and nothing else.
func TestPanicInHandler(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		boom := func() { panic("boom") }
		handlers := map[string]*handler{
			"open":    {open: func(loop.Conn) { boom() }},
			"data":    {data: func(loop.Conn) { boom() }},
			"drained": {open: func(c loop.Conn) { _ = c.Write(make([]byte, 128<<10)) }, drained: func(loop.Conn) { boom() }},
			"closed":  {open: func(c loop.Conn) { c.Close(nil) }, closed: func(loop.Conn, error) { defer boom() }},
		}
		other := w.dial(&handler{}, loop.ListenOptions{})
		for name, h := range handlers {
			p := w.dial(h, loop.ListenOptions{})
			if name == "data" {
				p.write([]byte("x"))
			}
			p.rest()
			if name != "closed" {
				w.until("Closed is called after a panic in "+name, h.has("closed"))
				if h.closeErr() == nil {
					t.Errorf("after a panic in %s, Closed was given no error", name)
				}
			}
		}
		other.write([]byte("ping"))
		if got := other.read(4); string(got) != "ping" {
			t.Errorf("got %q", got)
		}
	})
}

func TestPanicInTaskTimerAndHook(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		var hook atomic.Bool
		w.pool().OnRound(func(loop.Loop) {
			if hook.Swap(false) {
				panic("hook")
			}
		})
		var after atomic.Int32
		onLoop(w, 0, func(l loop.Loop) {
			l.Post(loop.Func(func() { panic("task") }))
			l.Post(loop.Func(func() { after.Add(1) }))
			l.At(l.Now(), loop.Func(func() { panic(errors.New("timer")) }))
			l.At(l.Now(), loop.Func(func() { after.Add(1) }))
		})
		w.until("what comes after the panics has run", func() bool { return after.Load() == 2 })
		hook.Store(true)
		onLoop(w, 0, func(loop.Loop) {})
		onLoop(w, 1, func(loop.Loop) {})
		w.until("the hook has panicked", func() bool { return !hook.Load() })
		onLoop(w, 0, func(loop.Loop) {})
		onLoop(w, 1, func(loop.Loop) {})
		panics := 0
		switch w := w.(type) {
		case *memoryWorld:
			panics = len(w.p.Panics)
		case *netWorld:
			w.mu.Lock()
			panics = len(w.panics)
			w.mu.Unlock()
		}
		if panics != 3 {
			t.Errorf("%d panics were reported, want 3", panics)
		}
	})
}

func TestSetHandlerAndContext(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		second := &handler{data: func(c loop.Conn) {
			c.Discard(len(c.Inbound()))
			_ = c.Write([]byte(c.Context().(string)))
		}}
		first := &handler{data: func(c loop.Conn) {
			c.SetContext(string(c.Inbound()))
			c.Discard(len(c.Inbound()))
			c.SetHandler(second)
			_ = c.Write([]byte("."))
		}}
		p := w.dial(first, loop.ListenOptions{})
		p.write([]byte("u"))
		p.read(1)
		p.write([]byte("x"))
		if got := p.read(1); string(got) != "u" {
			t.Errorf("got %q", got)
		}
		if second.noted("open") != 0 {
			t.Error("Open was called on the second handler")
		}
		p.close()
		w.until("Closed is called on the second handler", second.has("closed"))
		if first.noted("closed") != 0 {
			t.Error("Closed was called on the first handler")
		}
	})
}

// Bytes behind an upgrade, which came with it, are the new handler's.
func TestSetHandlerPassesInboundOn(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		second := &handler{}
		first := &handler{data: func(c loop.Conn) {
			c.Discard(1)
			c.SetHandler(second)
		}}
		p := w.dial(first, loop.ListenOptions{})
		p.write([]byte("uframe"))
		if got := p.read(5); string(got) != "frame" {
			t.Errorf("got %q", got)
		}
		if n := first.noted("data"); n != 1 {
			t.Errorf("Data was called %d times on the first handler", n)
		}
	})
}

func TestIDsAreUnique(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		seen := map[uint64]bool{}
		for range 10 {
			h := &handler{}
			w.dial(h, loop.ListenOptions{})
			h.onConn(w, func(c loop.Conn) {
				if seen[c.ID()] {
					t.Errorf("ID %d twice", c.ID())
				}
				seen[c.ID()] = true
			})
		}
	})
}

type drainer struct {
	handler
}

func (h *drainer) Drain(c loop.Conn) {
	h.note("drain")
	_ = c.Write([]byte("bye"))
	c.Close(nil)
}

// Closing tells handlers, gives the others time, aborts what is left, runs what was posted, and refuses the rest.
func TestShutDown(t *testing.T) {
	inWorlds(t, func(t *testing.T, w world) {
		polite, deaf := &drainer{}, &handler{}
		var ran, hooked atomic.Int64
		var last atomic.Int64
		polite.closed = func(c loop.Conn, _ error) {
			// The pool is closing, but a task still runs.
			if !c.Loop().Post(loop.Func(func() { ran.Add(1) })) {
				t.Error("Post reported false while the pool drains")
			}
		}
		w.pool().OnRound(func(loop.Loop) { hooked.Store(ran.Load()) })
		p, q := w.dial(polite, loop.ListenOptions{}), w.dial(deaf, loop.ListenOptions{})
		polite.onConn(w, func(loop.Conn) {})
		deaf.onConn(w, func(loop.Conn) {})
		l := w.pool().Loop(0)
		l.Post(loop.Func(func() { last.Store(1) }))
		w.shut()
		if got := p.rest(); string(got) != "bye" {
			t.Errorf("got %q", got)
		}
		q.rest()
		if polite.noted("drain") != 1 || polite.closeErr() != nil || polite.noted("closed") != 1 {
			t.Errorf("polite: %v, %v", polite.calls, polite.closeErr())
		}
		if deaf.noted("closed") != 1 || !errors.Is(deaf.closeErr(), loop.ErrClosed) {
			t.Errorf("deaf: %v, %v", deaf.calls, deaf.closeErr())
		}
		if ran.Load() != 1 || last.Load() != 1 || hooked.Load() != 1 {
			t.Errorf("tasks that ran: %d and %d; the last hook saw %d", ran.Load(), last.Load(), hooked.Load())
		}
		if l.Post(loop.Func(func() { t.Error("a task ran after the pool closed") })) {
			t.Error("Post reported true after the pool closed")
		}
	})
}

package engine_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"everloop/engine"
)

// given is a capability of the tests: the address of an instance.
type given struct {
	live    *engine.Live
	dropped *int
}

func (g given) Dropped() { *g.dropped++ }

// party is an object that answers by callback, as a host of programs does. It gives its address away, takes one, and
// calls it.
type party struct {
	st      *engine.State
	heard   int
	taken   *engine.Live
	dropped int
	order   []string
}

func (p *party) Evict() {}

func (p *party) Deliver(ev *engine.Event) {
	answer := func(v int) { ev.Return([]byte{byte(v)}) }
	switch ev.Method {
	case "give":
		ev.ReturnCaps([]byte{0}, []engine.Cap{given{p.st.Live(p.called), &p.dropped}})
	case "heard":
		answer(p.heard)
	case "take": // from the object that Target names
		p.st.Namespace("Party").GetByName(string(ev.Args)).StartCall("give", nil, engine.ReplyFunc(func(r engine.Reply) {
			p.taken = r.Caps[0].(given).live
			answer(1)
		}))
	case "write and poke":
		p.write(ev)
		p.st.To(p.taken).StartCall("poke", nil, engine.ReplyFunc(func(r engine.Reply) {
			if r.Err != nil {
				ev.Fail(r.Err)
				return
			}
			answer(int(r.Value[0]))
		}))
	case "write and tell":
		p.write(ev)
		p.st.Tell(p.taken, &engine.Event{Kind: engine.EventCall, Method: "poke"})
		answer(1)
	case "reset and tell":
		p.st.Abort(errors.New("reset on purpose"))
		p.st.Tell(p.taken, &engine.Event{Kind: engine.EventCall, Method: "poke"})
	case "reset":
		p.st.Abort(errors.New("reset on purpose"))
	case "block":
		_ = p.st.Block(func(end func(error)) {
			p.order = append(p.order, "section")
			p.st.After(time.Second, func() {
				p.order = append(p.order, "end")
				end(nil)
				answer(1)
			})
		})
	default:
		ev.Fail(errors.New("no such method"))
	}
}

func (p *party) write(ev *engine.Event) {
	if err := p.st.Storage().PutRaw("k", []byte{1}, engine.WriteOptions{}); err != nil {
		ev.Fail(err)
	}
}

func (p *party) called(ev *engine.Event) {
	p.heard++
	p.order = append(p.order, ev.Method)
	ev.Return([]byte{byte(p.heard)})
}

type partyClass struct{ all map[string]*party }

func (c *partyClass) New(st *engine.State, ready func(engine.Object, error)) {
	name, _ := st.ID().Name()
	p := &party{st: st}
	c.all[name] = p
	ready(p, nil)
}

func (s *stepped) ask(stub *engine.Stub, method, args string) *answer {
	a := new(answer)
	stub.StartCall(method, []byte(args), a)
	return a
}

// A call on a live instance carries the dependency of its caller: what the called one tells afterwards waits for the
// caller's write. The same holds for an event that wants no answer.
func TestLiveCallsCarryDependency(t *testing.T) {
	for _, loops := range []int{1, 2} {
		for _, method := range []string{"write and poke", "write and tell"} {
			s := step(t, loops, 1)
			ns := register(t, s.Engine, "Party", &partyClass{map[string]*party{}})
			giver, taker := onLoop(t, ns, loops, 0), onLoop(t, ns, loops, loops-1)
			if giver == taker {
				taker += "'"
			}
			s.ask(ns.GetByName(taker), "take", giver)
			s.settle()
			poked := s.ask(ns.GetByName(taker), method, "")
			s.pool.Run()
			heard := s.ask(ns.GetByName(giver), "heard", "")
			other := s.ask(ns.GetByName("somebody else"), "heard", "")
			s.pool.Run()
			if poked.done || heard.done {
				t.Errorf("%d loops, %s: answered before the write was durable: %v, %v", loops, method, poked.done, heard.done)
			}
			if !other.done {
				t.Errorf("%d loops, %s: an object that knows nothing of it has to wait", loops, method)
			}
			s.settle()
			if !poked.done || !heard.done || heard.got.Err != nil || heard.got.Value[0] != 1 {
				t.Errorf("%d loops, %s: %+v, %+v", loops, method, poked.got, heard.got)
			}
		}
	}
}

// Calls on an instance reach that one, and none after it.
func TestLiveInstanceEnds(t *testing.T) {
	s := step(t, 2, 1)
	c := &partyClass{map[string]*party{}}
	ns := register(t, s.Engine, "Party", c)
	giver, taker := onLoop(t, ns, 2, 0), onLoop(t, ns, 2, 1)
	s.ask(ns.GetByName(taker), "take", giver)
	s.settle()
	s.ask(ns.GetByName(giver), "reset", "")
	s.settle()
	poked := s.ask(ns.GetByName(taker), "write and poke", "")
	s.settle()
	var e *engine.Error
	if !errors.As(poked.got.Err, &e) || e.Message != "The execution context which hosts this callback is no longer running." || e.Retryable || e.Reset {
		t.Errorf("a call on an instance that was reset: %+v", poked.got)
	}
	heard := s.ask(ns.GetByName(giver), "heard", "")
	s.settle()
	if heard.got.Err != nil || heard.got.Value[0] != 0 {
		t.Errorf("the next instance heard of it: %+v", heard.got)
	}
	// What an object tells as it ends is told.
	s.ask(ns.GetByName(taker), "take", giver)
	s.settle()
	s.ask(ns.GetByName(taker), "reset and tell", "")
	s.settle()
	if n := c.all[giver].heard; n != 1 {
		t.Errorf("told %d times by an object that ended", n)
	}
}

// A call on an instance waits at its input gate, as any other event does.
func TestLiveCallWaitsForSection(t *testing.T) {
	s := step(t, 1, 1)
	c := &partyClass{map[string]*party{}}
	ns := register(t, s.Engine, "Party", c)
	s.ask(ns.GetByName("taker"), "take", "giver")
	s.settle()
	s.ask(ns.GetByName("giver"), "block", "")
	s.settle()
	poked := s.ask(ns.GetByName("taker"), "write and poke", "")
	s.settle()
	if poked.done {
		t.Error("a call on an instance entered a critical section")
	}
	s.pool.Advance(time.Second)
	s.settle()
	if got := c.all["giver"].order; len(got) != 3 || got[2] != "poke" || !poked.done {
		t.Errorf("order %q", got)
	}
}

// What travels to somebody who is gone is dropped, and whoever counts is told.
func TestDroppedCaps(t *testing.T) {
	s := step(t, 2, 1)
	c := &partyClass{map[string]*party{}}
	ns := register(t, s.Engine, "Party", c)
	giver, taker := onLoop(t, ns, 2, 0), onLoop(t, ns, 2, 1)
	s.ask(ns.GetByName(giver), "heard", "")
	s.ask(ns.GetByName(taker), "heard", "")
	s.settle()
	s.ask(ns.GetByName(taker), "take", giver)
	s.ask(ns.GetByName(taker), "reset", "")
	s.settle()
	if n := c.all[giver].dropped; n != 1 {
		t.Errorf("%d capabilities were dropped with an answer to an object that was reset", n)
	}
}

// An instance that is held is not evicted, and is no work that Close waits for.
func TestHeldInstance(t *testing.T) {
	s := step(t, 1, 1)
	c := &partyClass{map[string]*party{}}
	ns := register(t, s.Engine, "Party", c)
	s.ask(ns.GetByName("taker"), "take", "giver")
	s.settle()
	giver := c.all["giver"]
	giver.st.Hold()
	s.pool.Advance(time.Minute)
	s.settle()
	if n := s.Metrics().Live; n != 1 {
		t.Errorf("%d objects are live, want the one that is held", n)
	}
	if c.all["giver"] != giver || giver.st.Dead() {
		t.Error("the instance that is held was evicted")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Close(ctx) }()
	for {
		select {
		case err := <-done:
			if err != nil || ctx.Err() != nil {
				t.Errorf("Close waited for an instance that is only held: %v, %v", err, ctx.Err())
			}
			return
		default:
			s.pool.Run()
			s.log.Commit()
			runtime.Gosched()
		}
	}
}

// An object that has too many events refuses calls on its instance, but no release.
func TestOverloadedInstance(t *testing.T) {
	s := step(t, 1, 1)
	c := &partyClass{map[string]*party{}}
	ns := register(t, s.Engine, "Party", c)
	s.ask(ns.GetByName("taker"), "take", "giver")
	s.settle()
	s.ask(ns.GetByName("giver"), "block", "")
	for range 20_000 {
		s.ask(ns.GetByName("giver"), "heard", "")
	}
	poked := s.ask(ns.GetByName("taker"), "write and poke", "")
	s.ask(ns.GetByName("taker"), "write and tell", "")
	s.settle()
	var e *engine.Error
	if !errors.As(poked.got.Err, &e) || !e.Overloaded {
		t.Errorf("a call on an overloaded instance: %+v", poked.got)
	}
	s.pool.Advance(time.Second)
	s.settle()
	if n := c.all["giver"].heard; n != 1 {
		t.Errorf("%d of 1 releases arrived", n)
	}
}

package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/internal/mechanism"
	"everloop/engine/value"
	"everloop/loop"
	"everloop/wal"
	"everloop/wal/waltest"
)

// slip is an object of a Direct class whose method says what it does, word by word.
func slip(c *engine.Call) error {
	s := c.Storage
	if info, is := c.Alarm(); is {
		c.Method = "alarm"
		n, _, err := s.GetRaw("rings")
		if err != nil {
			return err
		}
		if fail, _, _ := s.GetRaw("fail"); string(fail) != "" {
			if err := s.PutRaw("torn", []byte("x"), engine.WriteOptions{}); err != nil {
				return err
			}
			return fmt.Errorf("run %d fails", info.RetryCount)
		}
		return s.PutRaw("rings", append(n, fmt.Sprint(info.RetryCount, ";")...), engine.WriteOptions{})
	}
	for word := range strings.FieldsSeq(c.Method) {
		verb, arg, _ := strings.Cut(word, ":")
		key, val, _ := strings.Cut(arg, "=")
		var err error
		switch verb {
		case "put":
			err = s.PutRaw(key, []byte(val), engine.WriteOptions{})
		case "loose":
			err = s.PutRaw(key, []byte(val), engine.WriteOptions{AllowUnconfirmed: true})
		case "get":
			c.Result, _, err = s.GetRaw(key)
		case "append":
			c.Result = append(c.Result, arg...)
		case "args":
			c.Result = append(c.Result, c.Args...)
		case "inc":
			var old []byte
			old, _, err = s.GetRaw("left")
			n, _ := strconv.Atoi(string(old))
			c.Result = strconv.AppendInt(nil, int64(n)+1, 10)
			for _, key := range []string{"left", "right"} {
				if err == nil {
					err = s.PutRaw(key, c.Result, engine.WriteOptions{})
				}
			}
		case "delete":
			_, err = s.Delete(key)
		case "clear":
			err = s.DeleteAll()
		case "all":
			text, failed := contents(s)
			c.Result, err = append(c.Result, text...), failed
		case "name":
			name, named := c.ID().Name()
			c.Result = fmt.Append(c.Result, c.Class(), " ", name, " ", named)
		case "alarm":
			n, _ := strconv.ParseInt(arg, 10, 64)
			err = s.SetAlarm(c.Time().Add(time.Duration(n) * time.Millisecond))
		case "big":
			n, _ := strconv.Atoi(arg)
			c.Result = append(c.Result, make([]byte, n)...)
		case "begin":
			_, err = s.Begin()
		case "sync":
			err = s.Sync(context.Background())
		case "transaction":
			err = s.Transaction(context.Background(), func() error { return nil })
		case "bookmark":
			_, err = s.CurrentBookmark(context.Background())
		case "fail":
			err = errors.New("failed on purpose")
		case "panic":
			panic("on purpose")
		default:
			err = engine.ErrNoMethod
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// slips is a stepped engine with the class, seen by a protocol on loop 0.
type slips struct {
	*stepped
	ns   *engine.Namespace
	port *engine.Namespace
}

func newSlips(t *testing.T, loops int, tune ...func(*engine.Options)) *slips {
	return newSlipsOn(step(t, loops, 1, tune...))
}

func newSlipsOn(s *stepped) *slips {
	x := &slips{stepped: s, ns: register(s.t, s.Engine, "Slip", engine.DirectOf(slip))}
	x.port = s.Port(s.pool.Loop(0)).Namespace("Slip")
	return x
}

// keeper is a Replier that copies what is lent to it.
type keeper struct {
	done, lent bool
	value      string
	err        error
}

func (k *keeper) Reply(r engine.Reply) {
	if k.done {
		panic("answered twice")
	}
	k.done, k.lent, k.value, k.err = true, r.Borrowed, string(r.Value), r.Err
}

// by calls by name on loop 0.
func (x *slips) by(name, method string) *keeper {
	k := new(keeper)
	buf, args := []byte(name), []byte("the arguments")
	x.port.CallByName(buf, method, args, k)
	clear(buf) // they are the caller's again
	clear(args)
	return k
}

// do calls by name and waits for the end.
func (x *slips) do(name, method string) string {
	x.t.Helper()
	k := x.by(name, method)
	x.settle()
	switch {
	case !k.done:
		x.t.Fatalf("%s of %s is not answered", method, name)
	case k.err != nil:
		return "error: " + k.err.Error()
	}
	return k.value
}

func (x *slips) want(name, method, want string) {
	x.t.Helper()
	if got := x.do(name, method); got != want {
		x.t.Errorf("%s: %s gives %q, want %q", name, method, got, want)
	}
}

// What DirectOf and CallByName say of themselves, a sentence each; on one loop, and on two, where every other object lives on the other.
func TestDirect(t *testing.T) {
	for loops := 1; loops <= 2; loops++ {
		for _, name := range []string{"a", "b", "c", "d", "", strings.Repeat("long", 300)} {
			t.Run(fmt.Sprintf("%d loops, %.5q", loops, name), func(t *testing.T) {
				x := newSlips(t, loops)
				known := name
				if len(name) > 1024 {
					known = ""
				}
				x.want(name, "name", fmt.Sprint("Slip ", known, " ", len(name) <= 1024))
				x.want(name, "get:k", "")
				if n := x.Metrics().Objects; n != 0 {
					t.Errorf("%d objects are there after one that has nothing was read", n)
				}
				x.want(name, "put:k=1 get:k", "1")
				x.want(name, "args append:!", "the arguments!")
				x.want(name, "put:k=2 put:l=3 fail", "error: failed on purpose")
				x.want(name, "all", "k=31")
				x.want(name, "clear panic", "error: panic: on purpose")
				x.want(name, "all", "k=31")
				x.want(name, "nonsense", "error: "+engine.ErrNoMethod.Error())
				x.want(name, "put:k=2 begin put:k=3", "error: engine: the call has left a transaction open")
				x.want(name, "get:k", "1")
				for _, waits := range []string{"sync", "transaction", "bookmark"} {
					x.want(name, "put:k=4 "+waits, "error: "+engine.ErrDirect.Error())
				}
				x.want(name, "name", fmt.Sprint("Slip ", known, " ", len(name) <= 1024))
				if got := len(x.do(name, "big:100000")); got != 100000 {
					t.Errorf("a long result has %d bytes", got)
				}
				x.want(name, "delete:k", "")
				x.pass(time.Second)
				if n := x.Metrics().Objects; n != 0 {
					t.Errorf("%d objects are there after the last key was deleted", n)
				}
				if n := x.Metrics().Live; n != 0 {
					t.Errorf("%d instances", n)
				}
			})
		}
	}
}

func (x *slips) pass(d time.Duration) {
	x.pool.Jump(d)
	x.settle()
}

// Answers wait until what they reveal is durable: what the call has written, and what it has read, also where it fails.
func TestDirectAnswersWait(t *testing.T) {
	x := newSlips(t, 1)
	writes, reads, fails, other := x.by("a", "put:k=1 get:k"), x.by("a", "get:k"), x.by("a", "get:k fail"), x.by("b", "append:free")
	x.pool.Run()
	if writes.done || reads.done || fails.done {
		t.Errorf("before the commit: answered %v, %v, %v", writes.done, reads.done, fails.done)
	}
	if !other.done || !other.lent || other.value != "free" {
		t.Errorf("another object, of which nothing is to be revealed: %+v", other)
	}
	var many []*keeper
	for i := range 1000 {
		many = append(many, x.by("c", fmt.Sprintf("put:k=%0200d get:k", i))) // more than an arena holds
	}
	x.settle()
	if !writes.done || !reads.done || !fails.done || writes.value != "1" || reads.value != "1" || !writes.lent || fails.err == nil {
		t.Errorf("after the commit: %+v, %+v, %+v", writes, reads, fails)
	}
	for i, k := range many {
		if want := fmt.Sprintf("%0200d", i); k.value != want {
			t.Fatalf("answer %d is %q: it was overwritten while it waited", i, k.value)
		}
	}
	if l := x.by("a", "loose:k=2 get:k"); !l.done || l.value != "2" {
		t.Errorf("a write that need not be confirmed keeps its answer in: %+v", l)
	}
	var e *engine.Error
	if !errors.As(fails.err, &e) || e.Class != "Slip" || e.Method != "get:k fail" || !e.Remote || e.Object != x.ns.IDFromName("a").String() {
		t.Errorf("the error says %+v", e)
	}
}

// All ways lead to the same object: a protocol's, a stub, an object that is written in Go, in the order in which the calls were made.
func TestDirectByAnyWay(t *testing.T) {
	for loops := 1; loops <= 3; loops++ {
		x := newSlips(t, loops)
		callers := register(t, x.Engine, "Caller", engine.ClassOf(func(st *engine.State) (*caller, error) {
			return &caller{call: func(ctx context.Context) error {
				_, err := st.Namespace("Slip").GetByName("a").CallRaw(ctx, "put:from=object", nil)
				return err
			}}, nil
		}))
		x.want("a", "put:from=name", "")
		a := new(answer)
		x.ns.GetByName("a").StartCall("get:from append:! put:from=stub", []byte("x"), a)
		x.settle()
		if string(a.got.Value) != "name!" || a.got.Borrowed || a.got.Err != nil {
			t.Errorf("a stub gets %+v", a.got)
		}
		x.want("a", "get:from", "stub")
		if b := x.start(callers.GetByName("y"), "run"); true {
			x.settle()
			if b.got.Err != nil {
				t.Error(b.got.Err)
			}
		}
		x.want("a", "get:from", "object")
		id := x.ns.IDFromName("a")
		unnamed, err := x.ns.IDFromString(id.String())
		if err != nil {
			t.Fatal(err)
		}
		x.ns.Get(unnamed).StartCall("name", nil, engine.ReplyFunc(func(r engine.Reply) {
			if string(r.Value) != "Slip a true" {
				t.Errorf("called by its ID, the object believes to be %q", r.Value)
			}
		}))
		x.settle()
		f := new(answer)
		x.ns.Get(id).StartFetch(&engine.Request{Method: "GET", URL: "http://slip/"}, f)
		x.settle()
		if !errors.Is(f.got.Err, engine.ErrNoFetch) {
			t.Errorf("a request gets %v", f.got.Err)
		}
	}
}

// Alarms run as those of other objects do: with their retries, and what a run that fails has written is taken back.
func TestDirectAlarm(t *testing.T) {
	x := newSlips(t, 2)
	y := newBelfry(x.stepped)
	x.want("a", "alarm:50 fail", "error: failed on purpose")
	y.pass(time.Second)
	x.want("a", "get:rings", "")
	x.want("a", "put:fail=yes alarm:50", "")
	y.pass(10 * time.Second) // the run, and two retries, after 2 to 2.5 s and 4 to 5 s
	x.want("a", "get:torn", "")
	x.want("a", "get:rings delete:fail", "")
	y.pass(20 * time.Second)
	x.want("a", "get:rings", "3;")
	if n := x.Metrics().Alarms; n != 0 {
		t.Errorf("%d alarms are set after the run", n)
	}
	// While it has an alarm, an object with nothing else is there.
	x.want("b", "alarm:1000", "")
	if n := x.Metrics().Objects; n != 2 {
		t.Errorf("%d objects, want 2", n)
	}
	y.pass(5 * time.Second)
	x.want("b", "get:rings", "0;")
}

// The log's refusals reach the caller, and leave nothing.
func TestDirectRefused(t *testing.T) {
	x := newSlips(t, 1)
	x.want("a", "put:k=1", "")
	x.log.SetNoSpace(true)
	if k := x.by("a", "put:k=2"); !errors.Is(k.err, engine.ErrNoSpace) {
		t.Errorf("a write on a full disk: %+v", k)
	}
	x.want("a", "get:k", "1")
	x.log.SetNoSpace(false)
	x.want("a", "put:k="+strings.Repeat("v", engine.MaxEntryBytes), "error: "+engine.ErrValueTooLarge.Error())
	x.by("a", "put:k=2")
	x.log.FailSync(errors.New("the disk is gone"))
	x.log.Commit()
	x.pool.Run()
	if k := x.by("a", "get:k"); !errors.Is(k.err, engine.ErrUnavailable) {
		t.Errorf("what will never be durable is revealed: %+v", k)
	}
	if k := x.by("b", "get:k"); k.err != nil {
		t.Errorf("another object cannot be read: %+v", k)
	}
}

// A record that the log does not take, although it is well, leaves nothing of the call.
func TestDirectRecordThatTheLogDoesNotTake(t *testing.T) {
	s, log := onRefusing(t, 1)
	x := newSlipsOn(s)
	x.want("a", "put:k=1", "")
	log.refuse = wal.ErrBacklog
	a := new(answer)
	x.ns.GetByName("a").StartCall("put:k=2", nil, a)
	for _, name := range []string{"a", "new"} {
		if k := x.by(name, "put:k=2 append:done"); !errors.Is(k.err, engine.ErrBacklog) {
			t.Errorf("%s: %+v", name, k)
		}
	}
	x.settle()
	if !errors.Is(a.got.Err, engine.ErrBacklog) {
		t.Errorf("by a stub: %v", a.got.Err)
	}
	log.refuse = nil
	x.want("a", "get:k", "1")
	if n := x.Metrics().Objects; n != 1 {
		t.Errorf("%d objects, want 1", n)
	}
	x.want("new", "put:k=3 name", "Slip new true")
}

// More than MaxEvents do not wait for one object, and those of others are not counted with them.
func TestDirectOverload(t *testing.T) {
	x := newSlips(t, 1, func(o *engine.Options) { o.MaxEvents = 3 })
	var replies []string
	callers := register(t, x.Engine, "Caller", engine.ClassOf(func(st *engine.State) (*caller, error) {
		return &caller{call: func(context.Context) error {
			for i := range 10 {
				st.Namespace("Slip").GetByName(fmt.Sprint(i/5)).StartCall("append:ok", nil, engine.ReplyFunc(func(r engine.Reply) {
					text := string(r.Value)
					if r.Err != nil {
						text = r.Err.Error()
					}
					replies = append(replies, text)
				}))
			}
			return nil
		}}, nil
	}))
	for range 2 { // what has waited is not counted for ever
		replies = nil
		x.start(callers.GetByName("y"), "run")
		x.settle()
		ok, over := 0, 0
		for _, r := range replies {
			switch r {
			case "ok":
				ok++
			case "Durable Object is overloaded. Too many requests queued.":
				over++
			}
		}
		if ok != 6 || over != 4 {
			t.Errorf("%d were answered, %d refused, want 6 and 4: %q", ok, over, replies)
		}
	}
}

// A class may become a Direct one under an engine that runs, and stop being one.
func TestDirectByUpdate(t *testing.T) {
	x := newSlips(t, 1)
	x.want("a", "put:k=1", "")
	update := func(c engine.Class) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- x.Update("Slip", c, time.Second) }()
		if err := newBelfry(x.stepped).await(done); err != nil {
			t.Fatal(err)
		}
	}
	update(engine.ClassOf(func(st *engine.State) (*page, error) { return &page{st: st}, nil }))
	a := x.start(x.port.GetByName("a"), "all")
	x.settle()
	if got := decode[string](t, a); got != "k=31" {
		t.Errorf("an instance sees %q", got)
	}
	k := new(keeper)
	x.port.CallByName([]byte("a"), "All", nil, k)
	x.settle()
	var got string
	if err := value.Unmarshal([]byte(k.value), &got); err != nil || got != "k=31" || k.lent {
		t.Errorf("an instance called by name answers %+v, %v", k, err)
	}
	update(engine.DirectOf(slip))
	x.want("a", "get:k put:l=2", "1")
	if n := x.Metrics().Live; n != 0 {
		t.Errorf("%d instances", n)
	}
}

// sequel notes the arguments of its calls, in order.
func sequel(s *engine.Storage, args []byte) error {
	was, _, err := s.GetRaw("calls")
	if err != nil {
		return err
	}
	return s.PutRaw("calls", append(bytes.Clone(was), args...), engine.WriteOptions{})
}

type sequelObject struct{ st *engine.State }

func (o *sequelObject) CallRaw(_ context.Context, method string, args []byte) ([]byte, error) {
	if method == "get" {
		calls, _, err := o.st.Storage().GetRaw("calls")
		return calls, err
	}
	return nil, sequel(o.st.Storage(), args)
}

// Whatever waits when a class becomes a Direct one or stops being one is answered by the code that there is then, in the order in which it was
// called by one way: while a loop has more to do than one slice of turns, calls wait in front of constructors that have not begun.
func TestDirectByUpdateWithCallsQueued(t *testing.T) {
	mechanism.Bound.TurnSlice = 1
	defer func() { mechanism.Bound.TurnSlice = 0 }()
	classes := []engine.Class{
		engine.ClassOf(func(st *engine.State) (*sequelObject, error) { return &sequelObject{st}, nil }),
		engine.DirectOf(func(c *engine.Call) (err error) {
			if c.Method == "get" {
				c.Result, _, err = c.Storage.GetRaw("calls")
				return err
			}
			return sequel(c.Storage, c.Args)
		}),
	}
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		s := step(t, 1, seed)
		ns := register(t, s.Engine, "C", classes[seed%2])
		port := s.Port(s.pool.Loop(0)).Namespace("C")
		var answers, calls int
		told := engine.ReplyFunc(func(r engine.Reply) {
			if answers++; r.Err != nil {
				t.Fatalf("seed %d: %v", seed, r.Err)
			}
		})
		pipe := ns.Pipe(1000, func(_ uint64, r engine.Reply) { told(r) })
		ways := []func(name string, args []byte){
			func(name string, args []byte) { ns.GetByName(name).StartCall("x", args, told) },
			func(name string, args []byte) {
				s.pool.Loop(0).Post(loop.Func(func() { port.CallByName([]byte(name), "x", args, told) }))
			},
			func(name string, args []byte) {
				if err := pipe.CallByName(0, name, "x", args); err != nil {
					t.Error(err)
				}
				pipe.Flush()
			},
		}
		want := map[string]string{} // by object and way
		var updates []chan error
		for i := range 60 {
			name, way := fmt.Sprint("o", rnd.IntN(3)), rnd.IntN(3)
			n := fmt.Sprint(way, "/", i)
			want[fmt.Sprint(name, way)] += " " + n
			calls++
			ways[way](name, []byte(" "+n))
			switch rnd.IntN(4) {
			case 0:
				done := make(chan error, 1)
				updates = append(updates, done)
				to := classes[rnd.IntN(2)]
				go func() { done <- s.Update("C", to, time.Hour) }()
				runtime.Gosched() // so that it begins in the middle, most of the time
			case 1:
				s.pool.StepLoop(0)
			}
		}
		for _, done := range updates {
			if err := newBelfry(s).await(done); err != nil {
				t.Fatal(err)
			}
		}
		s.settle()
		pipe.Poll()
		if answers != calls {
			t.Fatalf("seed %d: %d of %d calls are answered", seed, answers, calls)
		}
		got := map[string]string{}
		for i := range 3 {
			name := fmt.Sprint("o", i)
			ns.GetByName(name).StartCall("get", nil, engine.ReplyFunc(func(r engine.Reply) {
				for call := range strings.FieldsSeq(string(r.Value)) {
					got[name+call[:1]] += " " + call
				}
			}))
		}
		s.settle()
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: the calls were\n%v, want\n%v", seed, got, want)
		}
	}
}

// An object goes back in time as a whole, and its next call sees it.
func TestDirectTimeTravel(t *testing.T) {
	x := newSlipsOn(stepTimed(t, 1, nil))
	y := newBelfry(x.stepped)
	x.want("a", "put:k=1", "")
	then := time.UnixMilli(x.pool.Wall())
	y.pass(time.Minute)
	x.want("a", "put:k=2 put:l=3", "")
	done := make(chan error, 1)
	go func() {
		_, err := x.RestoreObject(context.Background(), "Slip", x.ns.IDFromName("a"), engine.RestorePoint{Time: then})
		done <- err
	}()
	if err := y.await(done); err != nil {
		t.Fatal(err)
	}
	x.want("a", "all", "k=31")
}

// A handler must not wait for its own loop: it is told so.
func TestDirectInsideTurn(t *testing.T) {
	e := open(t, engine.Options{Loops: 1})
	var ns *engine.Namespace
	ns = register(t, e, "D", engine.DirectOf(func(c *engine.Call) error {
		_, err := ns.GetByName("other").CallRaw(context.Background(), "x", nil)
		return err
	}))
	if _, err := ns.GetByName("a").CallRaw(t.Context(), "x", nil); !errors.Is(err, engine.ErrInsideTurn) {
		t.Errorf("got %v", err)
	}
}

// Random calls, by all ways, with failures and crashes: whatever was answered is there after a crash, a call is there as a whole or
// not at all, and later ones not without those before.
func TestDirectHistories(t *testing.T) {
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		x := newSlipsOn(step(t, 1+rnd.IntN(3), seed))
		answered := map[string]int{} // the highest number that somebody was told of, by name
		for range 3 {
			for range 60 {
				name := fmt.Sprint("o", rnd.IntN(4))
				method := "inc"
				fails := rnd.IntN(5) == 0
				if fails {
					method = "put:left=1000 fail"
				} else if rnd.IntN(4) == 0 {
					method = "get:left"
				}
				told := engine.ReplyFunc(func(r engine.Reply) {
					got, _ := strconv.Atoi(string(r.Value))
					if r.Err == nil {
						answered[name] = max(answered[name], got)
					} else if !fails {
						t.Fatalf("seed %d: %s: %v", seed, method, r.Err)
					}
				})
				switch rnd.IntN(3) {
				case 0:
					x.ns.GetByName(name).StartCall(method, nil, told)
				default:
					x.port.CallByName([]byte(name), method, nil, told)
				}
				switch rnd.IntN(6) {
				case 0:
					x.log.Commit()
				case 1, 2:
					x.pool.Run()
				}
			}
			log := x.log
			x = newSlipsOn(stepOn(t, 1+rnd.IntN(3), seed, func(o waltest.MemOptions) *waltest.MemLog { return log.Crash(rnd.IntN(2) == 0, o) }))
			for name, n := range answered {
				left, right := x.do(name, "get:left"), x.do(name, "get:right")
				if got, _ := strconv.Atoi(left); left != right || got < n {
					t.Fatalf("seed %d: after a crash %s has %q and %q, and somebody was told of %d", seed, name, left, right, n)
				}
			}
		}
	}
}

// TestDirectObjectIsSmall measures what a resident object with one short value takes right after it was written: the target is 300 bytes.
func TestDirectObjectIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps memory of its own")
	}
	const objects, limit = 200_000, 300
	e := open(t, engine.Options{Loops: 1, Sync: wal.SyncNone})
	ns := register(t, e, "Slip", engine.DirectOf(slip))
	before := heap()
	p := ns.Pipe(1024, func(_ uint64, r engine.Reply) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	})
	for i := range objects {
		if err := p.CallByName(0, fmt.Sprintf("key:%012d", i), "put:v=0123456789abcdef", nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := e.Metrics().Objects; n != objects {
		t.Errorf("%d objects", n)
	}
	per := float64(heap()-before) / objects
	t.Logf("%.0f bytes an object", per)
	if per > limit {
		t.Errorf("an object takes %.0f bytes, more than %d", per, limit)
	}
}

// holder is an instance that waits for the disk between two writes.
type holder struct{ st *engine.State }

func (h *holder) CallRaw(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	s := h.st.Storage()
	if err := s.PutRaw("k", []byte("begun"), engine.WriteOptions{}); err != nil {
		return nil, err
	}
	if err := s.Sync(ctx); err != nil {
		return nil, err
	}
	return nil, s.PutRaw("k", []byte("ended"), engine.WriteOptions{})
}

// An instance that lives when its class becomes a Direct one ends first: calls by any way wait for it.
func TestDirectWaitsForInstance(t *testing.T) {
	s := step(t, 1, 1)
	ns := register(t, s.Engine, "Slip", engine.ClassOf(func(st *engine.State) (*holder, error) { return &holder{st}, nil }))
	held := new(answer)
	ns.GetByName("a").StartCall("hold", nil, held)
	s.pool.Run()
	done := make(chan error, 1)
	go func() { done <- s.Update("Slip", engine.DirectOf(slip), time.Hour) }()
	for len(done) == 0 { // nothing is committed meanwhile
		s.pool.Run()
		runtime.Gosched()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	port := s.Port(s.pool.Loop(0)).Namespace("Slip")
	k, a := new(keeper), new(answer)
	port.CallByName([]byte("a"), "get:k", nil, k)
	ns.GetByName("a").StartCall("get:k", nil, a)
	s.pool.Run()
	if held.done {
		t.Fatal("the instance has not waited")
	}
	s.settle()
	if k.value != "ended" || string(a.got.Value) != "ended" || held.got.Err != nil {
		t.Errorf("by name %+v, by a stub %+v, the instance %+v", k, a.got, held.got)
	}
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal"
	"everloop/wal/waltest"
)

// open opens an engine on a directory of the test's and closes it with the test.
func open(t testing.TB, o engine.Options) *engine.Engine {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	e, err := engine.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeEngine(t, e) })
	return e
}

func closeEngine(t testing.TB, e *engine.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil && !errors.Is(err, engine.ErrClosed) && !errors.Is(err, wal.ErrFailed) {
		t.Errorf("close: %v", err)
	}
}

func register(t testing.TB, e *engine.Engine, name string, c engine.Class) *engine.Namespace {
	t.Helper()
	ns, err := e.Register(name, c)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

// counter is the object of most tests.
type counter struct {
	st *engine.State
}

func newCounter(st *engine.State) (*counter, error) { return &counter{st}, nil }

func (c *counter) Add(n int) (int, error) {
	v, _, err := engine.Get[int](c.st.Storage(), "n")
	if err != nil {
		return 0, err
	}
	return v + n, c.st.Storage().Put("n", v+n)
}

func (c *counter) Value() (int, error) {
	v, _, err := engine.Get[int](c.st.Storage(), "n")
	return v, err
}

func (c *counter) Clear() error { return c.st.Storage().DeleteAll() }

func (c *counter) Fetch(ctx context.Context, r *engine.Request) (*engine.Response, error) {
	n, err := c.Add(1)
	if err != nil {
		return nil, err
	}
	return engine.TextResponse(200, fmt.Sprint(n)), nil
}

func (c *counter) Panic() { panic("boom") }
func (c *counter) Exit()  { runtime.Goexit() }
func (c *counter) Fail() error {
	return fmt.Errorf("no luck with %w", io.ErrUnexpectedEOF)
}

func call[T any](t testing.TB, s *engine.Stub, method string, args ...any) T {
	t.Helper()
	var v T
	if err := s.Call(t.Context(), method, &v, args...); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return v
}

func TestIDVector(t *testing.T) {
	e := open(t, engine.Options{})
	ns, err := e.Register("Foo", engine.ClassOf(newCounter), engine.UniqueKey("mykey"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af234"
	id := ns.IDFromName("http://foo/")
	if id.String() != want {
		t.Errorf("IDFromName = %s, want %s", id, want)
	}
	back, err := ns.IDFromString(want)
	if err != nil || !back.Equal(id) {
		t.Errorf("IDFromString = %v, %v", back, err)
	}
	if _, named := back.Name(); named {
		t.Error("the name survived a round trip through the string")
	}
	if name, ok := id.Name(); name != "http://foo/" || !ok {
		t.Errorf("Name = %q, %v", name, ok)
	}
	u := ns.NewUniqueID()
	if _, err := ns.IDFromString(u.String()); err != nil {
		t.Errorf("a unique ID is refused: %v", err)
	}
	other := register(t, e, "Bar", engine.ClassOf(newCounter))
	for text, want := range map[string]error{
		"":                      engine.ErrInvalidID,
		strings.Repeat("z", 64): engine.ErrInvalidID,
		id.String()[:62]:        engine.ErrInvalidID,
		id.String() + "00":      engine.ErrInvalidID,
		id.String():             engine.ErrForeignID,
		strings.Repeat("0", 64): engine.ErrForeignID,
		strings.ToUpper(u.String())[:1] + u.String()[1:]: engine.ErrForeignID,
	} {
		if _, err := other.IDFromString(text); !errors.Is(err, want) {
			t.Errorf("IDFromString(%q) = %v, want %v", text, err, want)
		}
	}
	if err := other.Get(id).Call(t.Context(), "Add", nil, 1); !errors.Is(err, engine.ErrForeignID) {
		t.Errorf("call with a foreign ID: %v", err)
	}
}

func TestCallAndFetch(t *testing.T) {
	for _, loops := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d loops", loops), func(t *testing.T) {
			e := open(t, engine.Options{Loops: loops})
			ns := register(t, e, "Counter", engine.ClassOf(newCounter))
			a := ns.GetByName("a")
			if n := call[int](t, a, "Add", 2); n != 2 {
				t.Errorf("Add = %d", n)
			}
			if n := call[int](t, a, "add", 3); n != 5 {
				t.Errorf("add = %d: the lower-case spelling must work", n)
			}
			resp, err := a.Fetch(t.Context(), &engine.Request{Method: "GET", URL: "http://x/"})
			if err != nil || string(resp.Body.Bytes()) != "6" {
				t.Errorf("Fetch = %v, %v", resp, err)
			}
			if n := call[int](t, ns.GetByName("b"), "Value"); n != 0 {
				t.Errorf("another object has %d", n)
			}
		})
	}
}

func TestRecovery(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		e := open(t, engine.Options{Dir: dir, Loops: 1 + round})
		if want := round * 50; e.Recovered().Objects != min(want, 50) {
			t.Errorf("round %d: recovered %d objects", round, e.Recovered().Objects)
		}
		ns := register(t, e, "Counter", engine.ClassOf(newCounter))
		for i := range 50 {
			if n := call[int](t, ns.GetByName(fmt.Sprint(i)), "Add", i); n != (round+1)*i {
				t.Fatalf("round %d, object %d: %d", round, i, n)
			}
		}
		closeEngine(t, e)
	}
}

func TestErrorsOfMethods(t *testing.T) {
	e := open(t, engine.Options{})
	ns := register(t, e, "Counter", engine.ClassOf(newCounter))
	s := ns.GetByName("x")
	ctx := t.Context()

	err := s.Call(ctx, "Fail", nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the handler's error is lost: %v", err)
	}
	for method, want := range map[string]string{
		"Panic":       "panic: boom",
		"Exit":        engine.ErrGoexit.Error(),
		"nope":        `The RPC receiver does not implement the method "nope".`,
		"alarm":       "'alarm' is a reserved method and cannot be called over RPC.",
		"constructor": "'constructor' is a reserved method and cannot be called over RPC.",
	} {
		var ee *engine.Error
		if err := s.Call(ctx, method, nil); !errors.As(err, &ee) || ee.Message != want {
			t.Errorf("%s: %v, want %q", method, err, want)
		} else if ee.Class != "Counter" || ee.Object != s.ID().String() || ee.Method != method {
			t.Errorf("%s: the error names %s", method, ee.Where())
		} else if method == "Panic" && !strings.Contains(ee.Stack, "(*counter).Panic") {
			t.Errorf("the stack of a panic does not name its handler:\n%s", ee.Stack)
		}
	}
	if err := s.Call(ctx, "Add", nil, 1, 2); err == nil || !strings.Contains(err.Error(), "2 arguments given, 1 taken") {
		t.Errorf("too many arguments: %v", err)
	}
	if err := s.Call(ctx, "Add", nil, "text"); err == nil || !strings.Contains(err.Error(), "argument 1") {
		t.Errorf("a wrong argument: %v", err)
	}
	// The object and its loop have survived all of it.
	for range 100 {
		_ = s.Call(ctx, "Exit", nil)
	}
	if n := call[int](t, s, "Add", 1); n != 1 {
		t.Errorf("Add = %d", n)
	}
}

func TestManyCallers(t *testing.T) {
	e := open(t, engine.Options{Loops: 2})
	ns := register(t, e, "Counter", engine.ClassOf(newCounter))
	const callers, calls = 32, 200
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range calls {
				s := ns.GetByName(fmt.Sprint((c + i) % 8))
				if err := s.Call(t.Context(), "Add", nil, 1); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for i := range 8 {
		sum += call[int](t, ns.GetByName(fmt.Sprint(i)), "Value")
	}
	if sum != callers*calls {
		t.Errorf("%d increments of %d are there", sum, callers*calls)
	}
}

func TestAsyncThousandsInFlight(t *testing.T) {
	e := open(t, engine.Options{Loops: 2})
	ns := register(t, e, "Counter", engine.ClassOf(newCounter))
	const n = 5000
	var done sync.WaitGroup
	var failed atomic.Int64
	done.Add(n)
	for i := range n {
		ns.GetByName(fmt.Sprint(i%100)).StartFetch(&engine.Request{Method: "GET", URL: "http://x/"},
			engine.ReplyFunc(func(r engine.Reply) {
				if r.Err != nil {
					failed.Add(1)
				}
				done.Done()
			}))
	}
	done.Wait()
	if failed.Load() != 0 {
		t.Errorf("%d failed", failed.Load())
	}
}

// chain is an object that calls the next and remembers, in memory only, what it heard.
type chain struct {
	st    *engine.State
	heard int
}

func newChain(st *engine.State) (*chain, error) { return &chain{st: st}, nil }

func (c *chain) Relay(ctx context.Context, n int, names []string) (int, error) {
	c.heard = n
	if err := c.st.Storage().Put("n", n); err != nil {
		return 0, err
	}
	if len(names) == 0 {
		return n, nil
	}
	var out int
	err := c.st.Namespace("Chain").GetByName(names[0]).Call(ctx, "Relay", &out, n+1, names[1:])
	return out, err
}

func (c *chain) Tell(ctx context.Context, to string, n int) error {
	if err := c.st.Storage().Put("n", n); err != nil {
		return err
	}
	return c.st.Namespace("Chain").GetByName(to).Call(ctx, "Hear", nil, n)
}

func (c *chain) Hear(n int) { c.heard = n }
func (c *chain) Heard() int { return c.heard }

func TestCallsFromObjects(t *testing.T) {
	for _, loops := range []int{1, 4} {
		e := open(t, engine.Options{Loops: loops})
		ns := register(t, e, "Chain", engine.ClassOf(newChain))
		names := make([]string, 20)
		for i := range names {
			names[i] = fmt.Sprint("o", i)
		}
		if n := call[int](t, ns.GetByName("first"), "Relay", 1, names); n != 21 {
			t.Errorf("%d loops: %d", loops, n)
		}
		// Round and round through itself: the call back enters while the caller waits.
		if n := call[int](t, ns.GetByName("x"), "Relay", 1, []string{"y", "x", "y", "x"}); n != 5 {
			t.Errorf("%d loops: %d", loops, n)
		}
	}
}

func TestStubOfTheEngineInsideATurn(t *testing.T) {
	e := open(t, engine.Options{})
	var ns *engine.Namespace
	ns = register(t, e, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		return &caller{call: func(ctx context.Context) error {
			return ns.GetByName("other").Call(ctx, "Run", nil)
		}}, nil
	}))
	if err := ns.GetByName("x").Call(t.Context(), "Run", nil); !errors.Is(err, engine.ErrInsideTurn) {
		t.Errorf("got %v, want ErrInsideTurn", err)
	}
}

// caller runs a function as its only method.
type caller struct {
	call func(ctx context.Context) error
}

func (c *caller) Run(ctx context.Context) error { return c.call(ctx) }

func TestContextEndsAWait(t *testing.T) {
	e := open(t, engine.Options{})
	release := make(chan struct{})
	ns := register(t, e, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		return &caller{call: func(ctx context.Context) error {
			if name, _ := st.ID().Name(); name == "slow" {
				return st.Do(ctx, func(context.Context) error { <-release; return nil })
			}
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			err := st.Namespace("C").GetByName("slow").Call(ctx, "Run", nil)
			if !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("inner wait ended with %w", err)
			}
			return nil
		}}, nil
	}))
	if err := ns.GetByName("x").Call(t.Context(), "Run", nil); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := ns.GetByName("slow").Call(ctx, "Run", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("outer wait ended with %v", err)
	}
	close(release)
}

func TestBlockConcurrencyWhile(t *testing.T) {
	e := open(t, engine.Options{})
	ns := register(t, e, "B", engine.ClassOf(newBlocker))
	s := ns.GetByName("x")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := s.Call(t.Context(), "Exclusive", nil); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := s.Call(t.Context(), "Look", nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := call[int](t, s, "Depth", 64); n != 64 {
		t.Errorf("nested %d deep", n)
	}
	if err := s.Call(t.Context(), "Depth", nil, 65); err == nil || !strings.Contains(err.Error(), "too deeply") {
		t.Errorf("65 deep: %v", err)
	}
}

type blocker struct {
	st     *engine.State
	inside bool
	built  int
}

func newBlocker(st *engine.State) (*blocker, error) {
	b := &blocker{st: st}
	err := st.BlockConcurrencyWhile(func() error {
		b.built++
		return st.Do(context.Background(), func(context.Context) error { return nil })
	})
	return b, err
}

func (b *blocker) Exclusive(ctx context.Context) error {
	return b.st.BlockConcurrencyWhile(func() error {
		if b.inside {
			return errors.New("two critical sections at once")
		}
		b.inside = true
		err := b.st.Do(ctx, func(context.Context) error { runtime.Gosched(); return nil })
		b.inside = false
		return err
	})
}

func (b *blocker) Look() error {
	if b.inside || b.built != 1 {
		return errors.New("an event entered a critical section")
	}
	return nil
}

func (b *blocker) Depth(n int) (int, error) {
	if n == 0 {
		return 0, nil
	}
	var inner int
	err := b.st.BlockConcurrencyWhile(func() (err error) { inner, err = b.Depth(n - 1); return err })
	return inner + 1, err
}

func TestSectionThatFailsResetsTheObject(t *testing.T) {
	e := open(t, engine.Options{})
	built := 0
	ns := register(t, e, "R", engine.ClassOf(func(st *engine.State) (*resetter, error) {
		built++
		return &resetter{st: st}, nil
	}))
	s := ns.GetByName("x")
	call[int](t, s, "Put", 1)
	err := s.Call(t.Context(), "Break", nil)
	var ee *engine.Error
	if !errors.As(err, &ee) || !ee.Reset || ee.Message != "broken on purpose" {
		t.Fatalf("Break: %#v", err)
	}
	if err := s.Call(t.Context(), "Value", nil); !errors.As(err, &ee) || !ee.Reset {
		t.Errorf("the stub works again: %v", err)
	}
	if n := call[int](t, ns.GetByName("x"), "Value"); n != 1 || built != 2 {
		t.Errorf("value %d after %d constructions; the aborted turn's write must be gone", n, built)
	}
	if err := ns.GetByName("x").Call(t.Context(), "Abort", nil); !errors.As(err, &ee) || !ee.Reset {
		t.Errorf("Abort: %v", err)
	}
	if n := call[int](t, ns.GetByName("x"), "Value"); n != 1 || built != 3 {
		t.Errorf("value %d after %d constructions", n, built)
	}
}

type resetter struct{ st *engine.State }

func (r *resetter) Put(n int) (int, error)    { return n, r.st.Storage().Put("n", n) }
func (r *resetter) Value() (n int, err error) { _, err = r.st.Storage().Get("n", &n); return n, err }

func (r *resetter) Break() error {
	return r.st.BlockConcurrencyWhile(func() error {
		if err := r.st.Storage().Put("n", 99); err != nil {
			return err
		}
		return errors.New("broken on purpose")
	})
}

func (r *resetter) Abort() error {
	if err := r.st.Storage().Put("n", 99); err != nil {
		return err
	}
	r.st.Abort(errors.New("aborted on purpose"))
	return r.st.Storage().Put("n", 100)
}

// AbortAndWait goes on to a wait after its object was reset.
func (r *resetter) AbortAndWait(ended chan<- error) {
	ctx := context.Background() // that of the event has ended with the abort
	r.st.Abort(errors.New("aborted on purpose"))
	ended <- r.st.Namespace("R").GetByName("y").Call(ctx, "Value", nil)
	ended <- r.st.Do(ctx, func(context.Context) error { return nil })
	ended <- r.st.Storage().Sync(ctx)
}

func (r *resetter) CallRaw(_ context.Context, method string, _ []byte) ([]byte, error) {
	if method != "wait" {
		return nil, engine.ErrNoMethod
	}
	r.AbortAndWait(afterAbort)
	return nil, nil
}

var afterAbort = make(chan error, 3)

// Code of an object that was reset must come to its end: a wait that nobody ends would keep its coroutine, and
// whatever its deferred functions release, for ever.
func TestWaitAfterAbortEnds(t *testing.T) {
	e := open(t, engine.Options{})
	ns := register(t, e, "R", engine.ClassOf(func(st *engine.State) (*resetter, error) { return &resetter{st}, nil }))
	if _, err := ns.GetByName("x").CallRaw(t.Context(), "wait", nil); err == nil {
		t.Error("the call of an aborted object succeeded")
	}
	for _, what := range []string{"call", "work off the loop", "sync"} {
		select {
		case err := <-afterAbort:
			if !errors.Is(err, engine.ErrReset) {
				t.Errorf("%s ended with %v", what, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s waits for ever", what)
		}
	}
}

func (r *resetter) Transfer(ctx context.Context, n int, fail bool) error {
	return r.st.Storage().Transaction(ctx, func() error {
		if err := r.st.Storage().Put("n", n); err != nil {
			return err
		}
		if err := r.st.Do(ctx, func(context.Context) error { return nil }); err != nil {
			return err
		}
		if fail {
			return errors.New("no transfer")
		}
		return r.st.Storage().Put("m", n)
	})
}

func TestTransaction(t *testing.T) {
	e := open(t, engine.Options{})
	ns := register(t, e, "R", engine.ClassOf(func(st *engine.State) (*resetter, error) { return &resetter{st}, nil }))
	s := ns.GetByName("x")
	call[int](t, s, "Put", 1)
	if err := s.Call(t.Context(), "Transfer", nil, 5, true); err == nil || err.Error() != "no transfer" {
		t.Errorf("Transfer: %v", err)
	}
	if n := call[int](t, s, "Value"); n != 1 {
		t.Errorf("value %d after a rollback", n)
	}
	if err := s.Call(t.Context(), "Transfer", nil, 5, false); err != nil {
		t.Error(err)
	}
	if n := call[int](t, s, "Value"); n != 5 {
		t.Errorf("value %d after a commit", n)
	}
}

func TestConstructorThatFails(t *testing.T) {
	e := open(t, engine.Options{})
	tries := 0
	ns := register(t, e, "F", engine.ClassOf(func(st *engine.State) (*counter, error) {
		tries++
		switch tries {
		case 1:
			return nil, errors.New("not today")
		case 2:
			panic("not today either")
		case 3:
			runtime.Goexit()
		}
		return &counter{st}, nil
	}))
	s := ns.GetByName("x")
	for i, want := range []string{"not today", "panic: not today either", engine.ErrGoexit.Error()} {
		var ee *engine.Error
		if err := s.Call(t.Context(), "Add", nil, 1); !errors.As(err, &ee) || ee.Message != want || ee.Method != "constructor" {
			t.Errorf("try %d: %v, want %q", i+1, err, want)
		}
	}
	if n := call[int](t, s, "Add", 1); n != 1 {
		t.Errorf("Add = %d", n)
	}
}

func TestEviction(t *testing.T) {
	e := open(t, engine.Options{IdleTimeout: 20 * time.Millisecond})
	var built, evicted atomic.Int64
	ns := register(t, e, "E", engine.ClassOf(func(st *engine.State) (*evictee, error) {
		built.Add(1)
		return &evictee{counter{st}, &evicted}, nil
	}))
	s := ns.GetByName("x")
	call[int](t, s, "Add", 7)
	waitFor(t, func() bool { return evicted.Load() == 1 })
	if n := e.Metrics().Live; n != 0 {
		t.Errorf("%d objects are live", n)
	}
	if n := call[int](t, s, "Value"); n != 7 || built.Load() != 2 {
		t.Errorf("value %d after %d constructions", n, built.Load())
	}
}

type evictee struct {
	counter
	evicted *atomic.Int64
}

func (e *evictee) Evicted() { e.evicted.Add(1) }

// waitFor polls for something that another goroutine brings about in real time.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about within 10 s")
		}
		runtime.Gosched()
	}
}

func TestStorageLimits(t *testing.T) {
	e := open(t, engine.Options{})
	var st *engine.State
	ns := register(t, e, "C", engine.ClassOf(func(s *engine.State) (*caller, error) {
		st = s
		return &caller{call: func(context.Context) error {
			s := st.Storage()
			for _, c := range []struct {
				what string
				err  error
				want error
			}{
				{"a key of 2,048 bytes", s.Put(strings.Repeat("k", 2048), 1), nil},
				{"a key of 2,049 bytes", s.Put(strings.Repeat("k", 2049), 1), engine.ErrKeyTooLarge},
				{"the empty key", s.Put("", 1), nil},
				{"a value of 2 MiB less its key", s.PutRaw("key", make([]byte, 2<<20-3), engine.WriteOptions{}), nil},
				{"a value of 2 MiB", s.PutRaw("key", make([]byte, 2<<20), engine.WriteOptions{}), engine.ErrValueTooLarge},
				{"129 pairs", s.PutAll(many(129)), engine.ErrTooManyPairs},
				{"128 pairs", s.PutAll(many(128)), nil},
			} {
				if !errors.Is(c.err, c.want) {
					return fmt.Errorf("%s: %v, want %v", c.what, c.err, c.want)
				}
			}
			if _, err := s.DeleteKeys(engine.WriteOptions{}, make([]string, 129)...); !errors.Is(err, engine.ErrTooManyKeys) {
				return fmt.Errorf("129 deletes: %v", err)
			}
			if n, err := s.DeleteKeys(engine.WriteOptions{}, "k1", "k2", "absent"); n != 2 || err != nil {
				return fmt.Errorf("deletes: %d, %v", n, err)
			}
			a := "a"
			if err := s.List(engine.ListOptions{Start: &a, StartAfter: &a}, nil); !errors.Is(err, engine.ErrListBounds) {
				return fmt.Errorf("both bounds: %v", err)
			}
			return s.DeleteAll()
		}}, nil
	}))
	if err := ns.GetByName("x").Call(t.Context(), "Run", nil); err != nil {
		t.Error(err)
	}
}

func many(n int) map[string]any {
	m := make(map[string]any, n)
	for i := range n {
		m[fmt.Sprint("k", i)] = i
	}
	return m
}

func TestCloseRefusesAndFinishes(t *testing.T) {
	e := open(t, engine.Options{})
	ns := register(t, e, "Counter", engine.ClassOf(newCounter))
	s := ns.GetByName("x")
	call[int](t, s, "Add", 1)
	closeEngine(t, e)
	if err := s.Call(t.Context(), "Add", nil, 1); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a call after Close: %v", err)
	}
}

// A call that has run, and whose answer waits for the disk when the engine closes, does not fail as one that was not begun.
func TestCloseTellsWhatHasRun(t *testing.T) {
	e := open(t, engine.Options{OpenLog: func(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
		return waltest.NewMemLog(waltest.MemOptions{Buffers: loops, OnDurable: durable}), nil
	}})
	ran := make(chan struct{})
	ns := register(t, e, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		return &caller{call: func(context.Context) error {
			defer close(ran)
			return st.Storage().Put("a", 1)
		}}, nil
	}))
	failed := make(chan error, 1)
	go func() { failed <- ns.GetByName("x").Call(context.Background(), "Run", nil) }()
	<-ran
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.Close(ended) // the answer is cut off

	if err := <-failed; !errors.Is(err, engine.ErrClosed) || err == engine.ErrClosed { // by itself it means something else
		t.Errorf("the call fails with %v", err)
	}
}

func TestRegisterRefusals(t *testing.T) {
	e := open(t, engine.Options{})
	register(t, e, "A", engine.ClassOf(newCounter))
	for _, c := range []struct{ name, key, want string }{
		{"", "x", "has no name"},
		{"A", "y", "a class of that name is registered"},
		{"B", "A", "has the same unique key"},
	} {
		if _, err := e.Register(c.name, engine.ClassOf(newCounter), engine.UniqueKey(c.key)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Register(%q): %v, want %q", c.name, err, c.want)
		}
	}
	if e.Namespace("Nope") != nil {
		t.Error("an unknown class has a namespace")
	}
}

// TestTooManyEvents: what waits for one object and what is under way in it is bounded.
func TestTooManyEvents(t *testing.T) {
	s := step(t, 1, 1)
	release := make(chan struct{})
	ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		return &caller{call: func(ctx context.Context) error {
			return st.Do(ctx, func(context.Context) error { <-release; return nil })
		}}, nil
	}))
	calls := make([]*answer, 16384+3)
	for i := range calls {
		calls[i] = s.start(ns.GetByName("x"), "Run")
	}
	other := s.start(ns.GetByName("y"), "Run")
	s.pool.Run()
	refused := 0
	for _, a := range calls {
		var e *engine.Error
		if a.done && errors.As(a.got.Err, &e) && e.Overloaded && e.Message == "Durable Object is overloaded. Too many requests queued." {
			refused++
		}
	}
	if refused != 3 || other.done {
		t.Errorf("%d calls of %d were refused, another object's: %v", refused, len(calls), other.done)
	}
	close(release)
}

package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var background = context.Background()

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(background, d)
	t.Cleanup(cancel)
	return ctx
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.client(Options{Conns: 3})
		counters := c.Class("Counter")

		var n int
		if err := counters.Get("a").Call(background, "add", &n, 5); err != nil || n != 5 {
			t.Errorf("add 5: %d, %v", n, err)
		}
		if n, err := Call[int64](background, counters.ByID(strings.Repeat("0", 64)), "add", 7); err != nil || n != 7 {
			t.Errorf("add 7 by ID: %d, %v", n, err)
		}
		type place struct {
			X, Y int
			Name string `json:"name"`
		}
		want := place{3, 4, "there"}
		if got, err := Call[place](background, counters.Get("b"), "echo", want); err != nil || got != want {
			t.Errorf("echo: %v, %v", got, err)
		}
		if got, err := Call[[]any](background, counters.Get("b"), "list", "x", true, nil, 1.5, []byte{1}); err != nil || fmt.Sprint(got) != "[x true <nil> 1.5 [1]]" {
			t.Errorf("list: %v, %v", got, err)
		}
		if err := counters.Get("b").Call(background, "nothing", nil); err != nil {
			t.Error("a call without arguments and result:", err)
		}
		if s, err := Call[string](background, counters.Get("b"), "push"); err != nil || s != "pushed" {
			t.Errorf("an answer behind a push: %q, %v", s, err)
		}
		if s, err := Call[string](background, counters.Get("b"), "wait"); err != nil || s != "waited" {
			t.Errorf("the next answer: %q, %v", s, err)
		}
		raw, err := counters.Get("b").CallRaw(background, []byte("result: "), "echo", []byte{0x81, 0x18, 0x2a})
		if err != nil || string(raw) != "result: \x18\x2a" {
			t.Errorf("CallRaw: %q, %v", raw, err)
		}
		for _, args := range [][][]byte{{[]byte("x\r\n")}, {[]byte("12"), []byte("13")}} {
			if b, err := counters.Get("b").CallBytes(background, "echo", args...); err != nil || string(b) != string(args[0]) {
				t.Errorf("CallBytes(echo): %q, %v", b, err)
			}
		}
		if b, err := counters.Get("bytes").CallBytes(background, "add", []byte("12")); err != nil || string(b) != "12" {
			t.Errorf("CallBytes(add): %q, %v", b, err)
		}
		if b, err := counters.Get("b").CallBytes(background, "nothing"); err != nil || b != nil {
			t.Errorf("CallBytes(nothing): %q, %v", b, err)
		}
		if _, err := counters.Get("b").CallBytes(background, "list"); err == nil || !strings.Contains(err.Error(), "not bytes") {
			t.Errorf("CallBytes(list): %v", err)
		}
		if err := c.Ping(background); err != nil {
			t.Error(err)
		}
		if v, err := c.Do(background, "ECHO", "hello"); err != nil || string(v.Bytes) != "hello" {
			t.Errorf("ECHO: %q, %v", v.Bytes, err)
		}
		if _, err := c.Do(background, "subscribe", "x"); err == nil {
			t.Error("a command that changes the connection was sent")
		}
		if err := counters.Get("b").Call(background, "echo", nil, func() {}); err == nil || !strings.Contains(err.Error(), "argument 1 of Counter.echo") {
			t.Errorf("a function as an argument: %v", err)
		}
		var wrong int
		if err := counters.Get("b").Call(background, "echo", &wrong, "text"); err == nil || !strings.Contains(err.Error(), "result of Counter.echo") {
			t.Errorf("a text as a number: %v", err)
		}
	})
}

func TestErrors(t *testing.T) {
	tests := []struct {
		said       string
		is         error
		name, text string
		flags      string
	}{
		{"THROWN TypeError: no: such thing", ErrThrown, "TypeError", "Counter.fail: TypeError: no: such thing", "remote"},
		{"THROWN Error: no", ErrThrown, "Error", "Counter.fail: no", "remote"},
		{"THROWN a text: of its own", ErrThrown, "Error", "Counter.fail: a text: of its own", "remote"},
		{"RESET Error: broken", ErrReset, "Error", "Counter.fail: broken", "remote reset"},
		{"OVERLOADED Error: too much", ErrOverloaded, "Error", "Counter.fail: too much", "overloaded"},
		{"NOMETHOD no such method: fail", ErrUnknownMethod, "Error", "Counter.fail: no such method: fail", "remote"},
		{"NOCLASS no such class", ErrUnknownClass, "Error", "Counter.fail: no such class", ""},
		{"BADARG argument 1", ErrBadArgument, "Error", "Counter.fail: argument 1", ""},
		{"NOAUTH log in", ErrUnauthorized, "Error", "Counter.fail: log in", ""},
		{"UNAVAILABLE the log has failed", ErrUnavailable, "Error", "Counter.fail: the log has failed", ""},
		{"NOSPACE no room", ErrNoSpace, "Error", "Counter.fail: no room", ""},
		{"NOROOM no", ErrNoRoom, "Error", "Counter.fail: no", ""},
		{"CLOSED", nil, "Error", "Counter.fail: ", ""},
		{"RETRY Error: in a moment", nil, "Error", "Counter.fail: in a moment", "retryable"},
	}
	all := []error{ErrThrown, ErrReset, ErrOverloaded, ErrUnknownMethod, ErrUnknownClass, ErrBadArgument, ErrUnauthorized, ErrUnavailable, ErrNoSpace, ErrNoRoom, ErrMaybeDone, ErrNotSent}
	synctest.Test(t, func(t *testing.T) {
		c := newFake(t).client(Options{Attempts: 1})
		for _, tt := range tests {
			err := c.Class("Counter").Get("a").Call(background, "fail", nil, tt.said)
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Errorf("%q: %v", tt.said, err)
				continue
			}
			code, _, _ := strings.Cut(tt.said, " ")
			flags := ""
			for _, f := range []struct {
				set  bool
				name string
			}{{e.Remote, " remote"}, {e.Retryable, " retryable"}, {e.Overloaded, " overloaded"}, {e.Reset, " reset"}} {
				if f.set {
					flags += f.name
				}
			}
			if e.Code != code || e.Name != tt.name || e.Error() != tt.text || strings.TrimSpace(flags) != tt.flags {
				t.Errorf("%q: code %s, name %s, %q, flags %q", tt.said, e.Code, e.Name, e.Error(), flags)
			}
			for _, target := range all {
				if errors.Is(err, target) != (target == tt.is) {
					t.Errorf("%q is %v: %v", tt.said, target, errors.Is(err, target))
				}
			}
		}
	})
}

func TestPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.password = "secret"
		if err := f.client(Options{Password: "secret"}).Ping(background); err != nil {
			t.Error(err)
		}
		for _, password := range []string{"", "wrong"} {
			dials := len(f.dials)
			err := f.client(Options{Password: password}).Ping(background)
			if !errors.Is(err, ErrUnauthorized) || !errors.Is(err, ErrNotSent) {
				t.Errorf("password %q: %v", password, err)
			}
			if n := len(f.dials) - dials; n != 1 {
				t.Errorf("password %q was tried %d times", password, n)
			}
		}
	})
}

// A server that takes connections and says nothing, or too much, is given up.
func TestLogInIsBounded(t *testing.T) {
	for _, says := range []string{"", "$100000\r\n" + strings.Repeat("x", maxHello)} {
		synctest.Test(t, func(t *testing.T) {
			var wg sync.WaitGroup
			c, err := New(Options{Address: "fake:1", Attempts: 1, DialTimeout: time.Second, Dial: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				wg.Go(func() {
					_, _ = ours.Read(make([]byte, 1000))
					_, _ = ours.Write([]byte(says))
					_, _ = ours.Read(make([]byte, 1000))
				})
				return theirs, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			err = c.Ping(background)
			if !errors.Is(err, ErrNotSent) || says == "" && !(errors.Is(err, context.DeadlineExceeded) && time.Since(start) == time.Second) || says != "" && !strings.Contains(err.Error(), "is this a RESP server") {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
			if err := c.Close(background); err != nil {
				t.Error(err)
			}
			wg.Wait()
		})
	}
}

// What goroutines ask for while there is no connection, or while a write is under way, goes out in one piece.
func TestCallsShareWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.hold = make(chan struct{})
		c := f.client(Options{})
		o := c.Class("Counter").Get("a")
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if err := o.Call(background, "add", nil, 1); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		f.mu.Lock()
		hold := f.hold
		f.hold = nil
		f.mu.Unlock()
		close(hold)
		wg.Wait()
		if n := f.counter("a"); n != 200 {
			t.Errorf("%d calls were run", n)
		}
		if f.reads > 3 { // the log-in, the calls, and the end of the connection
			t.Errorf("the calls came in %d pieces", f.reads-1)
		}
	})
}

func TestCanceledCallLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.client(Options{})
		o := c.Class("Counter").Get("a")
		if err := c.Ping(background); err != nil {
			t.Fatal(err)
		}
		f.hold = make(chan struct{})
		start := time.Now()
		_, err := Call[string](within(t, time.Second), o, "wait")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrMaybeDone) || errors.Is(err, ErrNotSent) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		answers := make(chan error, 10)
		for i := range 10 {
			go func() {
				n, err := Call[int](background, o, "echo", i)
				if err == nil && n != i {
					err = fmt.Errorf("call %d got the answer %d", i, n)
				}
				answers <- err
			}()
		}
		synctest.Wait()
		close(f.hold)
		for range 10 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if len(f.dials) != 1 {
			t.Errorf("%d connections were made", len(f.dials))
		}
		if err := o.Call(canceled(), "add", nil, 1); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrNotSent) || f.counter("a") != 0 {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

func TestLostConnection(t *testing.T) {
	for method, reason := range map[string]string{
		"drops": "EOF", "stranger": "the server ended the connection: ERR go away", "garbage": "Protocol error",
	} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				c := f.client(Options{})
				o := c.Class("Counter").Get("a")
				p := c.Pipeline()
				first := p.Call(o, method, nil)
				second := p.Call(o, "add", nil, 1)
				err := p.Run(background)
				if method == "stranger" { // the first call was answered, and the second got what was meant for nobody
					if err == nil {
						t.Error("the answer to no call was taken for one")
					}
				} else if e, ok := errors.AsType[*ConnError](first.Err()); !ok || !e.MaybeDone || !strings.Contains(err.Error(), reason) || second.Err() != first.Err() {
					t.Errorf("%v, %v", first.Err(), second.Err())
				}
				if n := f.times(method); n != 1 {
					t.Errorf("the call was run %d times", n)
				}
				if err := o.Call(background, "add", nil, 1); err != nil {
					t.Error("the next call:", err)
				}
			})
		})
	}
}

func TestIdempotentCallIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.client(Options{}).Class("Counter").Get("a")
		if err := o.Call(background, "drop", nil); !errors.Is(err, ErrMaybeDone) || f.times("drop") != 1 {
			t.Errorf("after %d times: %v", f.times("drop"), err)
		}
		f.ran["drop"] = 0
		if n, err := Call[int](background, o.Idempotent(), "drop"); err != nil || n != 2 {
			t.Errorf("the idempotent call: %d, %v", n, err)
		}
		if err := o.Idempotent().Call(background, "drops", nil); !errors.Is(err, ErrMaybeDone) || f.times("drops") != DefaultAttempts {
			t.Errorf("after %d times: %v", f.times("drops"), err)
		}
	})
}

func TestNeverSentIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.client(Options{}).Class("Counter").Get("a")
		f.refuse = 2
		if n, err := Call[int](background, o, "add", 1); err != nil || n != 1 {
			t.Errorf("after two failures: %d, %v", n, err)
		}
		f.cut()
		synctest.Wait()
		f.refuse = 2
		err := o.Attempts(2).Call(background, "add", nil, 1)
		if !errors.Is(err, ErrNotSent) || errors.Is(err, ErrMaybeDone) || f.counter("a") != 1 || !strings.Contains(err.Error(), "connect (fake:1): refused") {
			t.Errorf("two attempts: %v", err)
		}
	})
}

// Pauses before connections grow, and begin anew when a connection has been of use.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.client(Options{}).Class("Counter").Get("a")
		f.refuse = 9
		if err := o.Attempts(10).Call(background, "add", nil, 1); err != nil {
			t.Fatal(err)
		}
		most := minBackoff
		for i := 1; i < len(f.dials); i++ {
			if d := f.dials[i].Sub(f.dials[i-1]); d < most/2 || d > most {
				t.Errorf("pause %d was %v, not between %v and %v", i, d, most/2, most)
			}
			most = min(2*most, maxBackoff)
		}
		f.cut()
		synctest.Wait()
		start := time.Now()
		if err := o.Call(background, "add", nil, 1); err != nil || time.Since(start) != 0 {
			t.Errorf("after a good connection: %v, %v", time.Since(start), err)
		}
		// One that is closed as soon as it is used counts as a failure.
		for range 4 {
			_ = o.Call(background, "drops", nil)
		}
		n := len(f.dials)
		if d := f.dials[n-1].Sub(f.dials[n-2]); d < minBackoff {
			t.Errorf("the last pause was %v", d)
		}
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.client(Options{}).Class("Counter").Get("a")
		start := time.Now()
		if n, err := Call[int](background, o, "passing"); err != nil || n != 3 {
			t.Errorf("%d, %v", n, err)
		}
		if d := time.Since(start); d < minRetry*3/2 || d > minRetry*3 {
			t.Errorf("two pauses were %v", d)
		}
		if err := o.Call(background, "never", nil); f.times("never") != DefaultAttempts || !strings.Contains(err.Error(), "being moved") {
			t.Errorf("%d times: %v", f.times("never"), err)
		}
		f.ran["never"] = 0
		start = time.Now()
		err := o.Attempts(1000).Call(within(t, 100*time.Millisecond), "never", nil)
		if _, ok := errors.AsType[*Error](err); !ok || f.times("never") < 3 || time.Since(start) >= 100*time.Millisecond {
			t.Errorf("until a deadline: %d times, after %v: %v", f.times("never"), time.Since(start), err)
		}
		f.ran["fail"] = 0
		for _, text := range []string{"OVERLOADED Error: too much", "THROWN Error: no", "UNAVAILABLE no", "CLOSED no"} {
			_ = o.Idempotent().Call(background, "fail", nil, text)
		}
		if n := f.times("fail"); n != 4 {
			t.Errorf("four calls that may not be repeated were run %d times", n)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.client(Options{MaxCalls: 3})
		o := c.Class("Counter").Get("a")
		f.hold = make(chan struct{})
		var started atomic.Int64
		done := ReceiverFunc(func(_ []byte, err error) {
			if started.Add(1); err != nil {
				t.Error(err)
			}
		})
		for i := range 4 {
			err := o.Start("nothing", nil, done)
			if i < 3 && err != nil || i == 3 && !errors.Is(err, ErrQueueFull) {
				t.Errorf("call %d: %v", i, err)
			}
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := o.Call(background, "add", nil, 1); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				err := o.Call(within(t, time.Second), "add", nil, 1000)
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrNotSent) {
					t.Error("a call that waited for room:", err)
				}
			})
		}
		time.Sleep(2 * time.Second) // of the bubble: the calls' contexts end
		synctest.Wait()
		hold := f.hold
		f.hold = nil
		close(hold)
		wg.Wait()
		if n := f.counter("a"); n != 5 || started.Load() != 3 {
			t.Errorf("%d were added, %d started calls have ended", n, started.Load())
		}
	})
}

// A goroutine that is told of room and gives up at the same moment does not keep the next one waiting.
func TestRoomIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.client(Options{MaxCalls: 1})
		n := c.conns[0]
		n.under.Add(1) // a call that has no answer yet
		gone, next := make(chan struct{}, 1), make(chan struct{}, 1)
		n.waiters = append(n.waiters, gone, next)
		n.under.Add(-1)
		n.room()
		if len(gone) != 1 || len(next) != 0 {
			t.Fatal("the first one was not told, or not alone")
		}
		n.leave(gone)
		if len(next) != 1 {
			t.Error("the next one waits for good")
		}
	})
}

func TestQueuedBytesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.client(Options{MaxQueued: 1000}).Class("Counter").Get("a")
		f.hold = make(chan struct{})
		ignore := ReceiverFunc(func([]byte, error) {})
		args := append([]byte{0x81, 0x59, 600 >> 8, 600 & 0xff}, make([]byte, 600)...)
		for i := range 3 {
			if err := o.Start("echo", args, ignore); i < 2 && err != nil || i == 2 && !errors.Is(err, ErrQueueFull) {
				t.Errorf("call %d: %v", i, err)
			}
		}
		close(f.hold)
	})
}

// What a server would not take, and end the connection for, is not sent.
func TestTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.client(Options{MaxQueued: 1})
		o := c.Class("Counter").Get("a")
		if err := c.Ping(background); err != nil {
			t.Fatal(err)
		}
		huge := make([]byte, MaxCommand)
		if err := o.Call(background, "echo", nil, huge[:MaxCommand-20]); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		if _, err := o.CallBytes(background, "echo", make([][]byte, MaxWords+1)...); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		if _, err := o.CallBytes(background, "echo", make([][]byte, MaxWords)...); err != nil {
			t.Error(err)
		}
		for range 2 { // the buffers of a large call are not kept
			if _, err := o.CallBytes(background, "echo", make([]byte, 2*maxKept)); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if n := c.conns[0]; cap(n.out) > maxKept || cap(n.spare) > maxKept {
				t.Errorf("buffers of %d and %d bytes are kept", cap(n.out), cap(n.spare))
			}
		}
		if err := o.Start("echo", huge, nil); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		p := c.Pipeline()
		q := p.Call(o, "echo", nil, huge[:MaxCommand-20])
		p.Call(o, "add", nil, 1)
		if err := p.Run(background); !errors.Is(err, ErrTooLarge) || q.Err() != err || f.counter("a") != 1 {
			t.Error(err)
		}
		if _, err := (&respRoom{}).appendMessage(nil, Message{Data: huge}); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		if _, err := (&wsRoom{}).appendMessage(nil, Message{Data: make([]byte, MaxCommand+1)}); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
	})
}

func TestClose(t *testing.T) {
	t.Run("lets calls end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			c := f.client(Options{Conns: 4})
			if err := c.Ping(background); err != nil {
				t.Fatal(err)
			}
			f.hold = make(chan struct{})
			p := c.Class("Counter").Get("a").Go("wait", nil) // on connections that are not made yet, or wait
			q := c.Class("Counter").Get("b").Go("wait", nil)
			closed := make(chan error)
			go func() { closed <- c.Close(background) }()
			synctest.Wait()
			if err := c.Ping(background); !errors.Is(err, ErrClosed) {
				t.Error("a call after Close:", err)
			}
			close(f.hold)
			if err := errors.Join(<-closed, p.Wait(background), q.Wait(background)); err != nil {
				t.Error(err)
			}
			if err := c.Close(background); !errors.Is(err, ErrClosed) {
				t.Error("closed twice:", err)
			}
		})
	})
	t.Run("cuts them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			c := f.client(Options{})
			if err := c.Ping(background); err != nil {
				t.Fatal(err)
			}
			f.hold = make(chan struct{})
			p := c.Class("Counter").Get("a").Go("wait", nil)
			synctest.Wait()
			if err := c.Close(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			select {
			case <-p.Done():
			default:
				t.Fatal("a call is left")
			}
			if err := p.Wait(background); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrMaybeDone) {
				t.Error(err)
			}
			close(f.hold)
		})
	})
	t.Run("at once for calls that wait for room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			c := f.client(Options{MaxCalls: 1})
			if err := c.Ping(background); err != nil {
				t.Fatal(err)
			}
			f.hold = make(chan struct{})
			p := c.Class("Counter").Get("a").Go("wait", nil)
			waits := make(chan error, 1)
			go func() { waits <- c.Class("Counter").Get("a").Call(background, "add", nil, 1) }()
			synctest.Wait()
			closed := make(chan error)
			go func() { closed <- c.Close(background) }()
			synctest.Wait()
			select {
			case err := <-waits:
				if !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			default:
				t.Error("it waits on")
			}
			close(f.hold)
			if err := errors.Join(<-closed, p.Wait(background)); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("while it cannot connect", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			c := f.client(Options{MaxCalls: 1, Attempts: 1000})
			f.refuse = 1 << 30
			errs := make(chan error)
			for range 3 {
				go func() { errs <- c.Ping(background) }()
			}
			time.Sleep(time.Minute) // of the bubble: they try on
			if err := c.Close(canceled()); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			for range 3 {
				if err := <-errs; !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			}
		})
	})
}

// What was never handed to a connection that failed stays in its place, before what comes later.
func TestUnsentCallsStayQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		ours, theirs := net.Pipe()
		c, err := New(Options{Address: "fake:1", Conns: 1, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if theirs != nil {
				nc := theirs
				theirs = nil
				return nc, nil
			}
			return f.dial(ctx, network, address)
		}})
		if err != nil {
			t.Fatal(err)
		}
		o := c.Class("Counter").Get("a")
		read := func() {
			if _, err := ours.Read(make([]byte, 1000)); err != nil {
				t.Error(err)
			}
		}
		write := func(s string) {
			if _, err := ours.Write([]byte(s)); err != nil {
				t.Error(err)
			}
		}
		answered := o.Go("add", nil, 1)
		read()
		write("%0\r\n+OK\r\n")
		read()
		sent := o.Go("add", nil, 1) // nobody reads it
		synctest.Wait()
		var first, second int
		unsent := o.Go("add", &first, 10)
		write("$1\r\n\x01\r\n") // the goroutine that reads takes all that is queued
		if err := answered.Wait(background); err != nil {
			t.Error(err)
		}
		f.hold = make(chan struct{})
		ours.Close()
		if err := sent.Wait(background); !errors.Is(err, ErrMaybeDone) {
			t.Error(err)
		}
		synctest.Wait()
		later := o.Go("add", &second, 100)
		close(f.hold)
		if err := errors.Join(unsent.Wait(background), later.Wait(background)); err != nil || first != 10 || second != 110 {
			t.Errorf("%d, %d, %v", first, second, err)
		}
		if err := c.Close(background); err != nil {
			t.Error(err)
		}
		f.close()
	})
}

// Answers are read in whatever pieces they come, the first one behind the log-in.
func TestAnswersInPieces(t *testing.T) {
	for _, piece := range []int{1, 7, 4096, 65536, 1 << 20} {
		sizes := []int{1, 500, 0, 30}
		if piece > 1000 {
			sizes = append(sizes, 50000, 50000, 0, 65000, 300000, 3, 20000, 20000, 20000)
		}
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			c, err := New(Options{Address: "fake:1", Conns: 1, Dial: func(context.Context, string, string) (net.Conn, error) { return theirs, nil }})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				buf := make([]byte, 1<<16)
				for range 2 { // the log-in, and the calls
					if _, err := ours.Read(buf); err != nil {
						t.Error(err)
					}
					var out []byte
					if theirs != nil {
						out, theirs = []byte("%0\r\n+OK\r\n>1\r\n$4\r\nwe"), nil
					} else {
						out = []byte("ll\r\n")
						for _, size := range sizes {
							out = append(fmt.Appendf(out, "$%d\r\n", size), make([]byte, size)...)
							out = append(out, "\r\n"...)
						}
					}
					for part := range slices.Chunk(out, piece) {
						if _, err := ours.Write(part); err != nil {
							t.Error(err)
						}
					}
				}
			})
			o := c.Class("Counter").Get("a")
			var got []int
			for range sizes {
				if err := o.Start("echo", nil, ReceiverFunc(func(v []byte, err error) {
					if got = append(got, len(v)); err != nil {
						t.Error(err)
					}
				})); err != nil {
					t.Error(err)
				}
			}
			wg.Wait()
			if err := c.Close(background); err != nil || !slices.Equal(got, sizes) {
				t.Errorf("in pieces of %d: %v, %v", piece, got, err)
			}
		})
	}
}

// What happens when either side's bytes end anywhere: no call is run twice, none that is said not to have been sent is run, and the client goes
// on with a new connection.
func TestCutAnywhere(t *testing.T) {
	session := func(t *testing.T, cutOut, cutIn int) (whole bool) {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.cutOut, f.cutIn = cutOut, cutIn
			c := f.client(Options{})
			o := c.Class("Counter").Get("a")
			p := c.Pipeline()
			var n [3]int
			for i := range n {
				p.Call(o, "add", &n[i], 1)
			}
			items := p.items
			err := p.Run(background)
			least, most := int64(0), int64(0)
			for i, q := range items {
				switch e := q.Err(); {
				case e == nil:
					least++
					most++
					if n[i] < 1 || n[i] > len(n) || slices.Contains(n[:i], n[i]) { // one that is repeated comes behind the others
						t.Errorf("call %d returned %d", i, n[i])
					}
				case errors.Is(e, ErrMaybeDone):
					most++
				default:
					t.Errorf("call %d: %v", i, e)
				}
			}
			if got := f.counter("a"); got < least || got > most {
				t.Errorf("%d calls were run, and %d to %d are said to have been", got, least, most)
			}
			whole = err == nil && len(f.dials) == 1
			f.cut() // if the fault was still to come
			synctest.Wait()
			before := f.counter("a")
			if got, err := Call[int64](background, o, "add", 1); err != nil || got != before+1 {
				t.Errorf("the next call: %d, %v", got, err)
			}
		})
		return whole
	}
	const enough = 1000
	for _, side := range []string{"answers", "commands"} {
		t.Run(side, func(t *testing.T) {
			for at := 0; ; at++ {
				in, out := -1, at
				if side == "commands" {
					in, out = at, -1
				}
				if session(t, out, in) {
					if at < 50 {
						t.Errorf("a session of %d bytes was whole", at)
					}
					break
				}
				if t.Failed() || at == enough {
					t.Fatalf("cut after %d bytes", at)
				}
			}
		})
	}
}

func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.client(Options{Conns: 3, MaxCalls: 4})
		counters := c.Class("Counter")
		p := c.Pipeline()
		sums := make([]int, 50)
		for i := range sums {
			p.Call(counters.Get("a"), "add", &sums[i], 1)
		}
		thrown := p.Call(counters.Get("b"), "add", nil, "x")
		wrong := p.Call(counters.Get("c"), "add", nil, func() {})
		foreign := p.Call(f.client(Options{}).Class("Counter").Get("x"), "add", nil, 1)
		passing := 0
		p.Call(counters.Get("d"), "passing", &passing)
		if p.Len() != 54 {
			t.Errorf("%d calls in it", p.Len())
		}
		err := p.Run(background)
		if err != thrown.Err() || !errors.Is(err, ErrThrown) || wrong.Err() == nil || foreign.Err() == nil {
			t.Errorf("%v; %v, %v, %v", err, thrown.Err(), wrong.Err(), foreign.Err())
		}
		for i, n := range sums {
			if n != i+1 {
				t.Fatalf("call %d returned %d", i, n)
			}
		}
		if passing != 3 || f.times("add") != 51 {
			t.Errorf("a passing failure was tried %d times, and the others %d times", passing, f.times("add"))
		}
		if p.Len() != 0 || p.Run(background) != nil {
			t.Error("it is not empty")
		}
		p.Call(counters.Get("a"), "never", nil)
		if err := p.Run(background); err == nil || f.times("never") != DefaultAttempts {
			t.Errorf("%d times: %v", f.times("never"), err)
		}
		q := p.Call(counters.Get("a"), "add", nil, 1)
		if err := p.Run(canceled()); !errors.Is(err, ErrNotSent) || q.Err() != err {
			t.Error(err)
		}
		f.hold = make(chan struct{})
		p.Call(counters.Get("a"), "wait", nil)
		p.Call(counters.Get("a"), "add", nil, 1)
		if err := p.Run(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrMaybeDone) {
			t.Error(err)
		}
		close(f.hold)
	})
}

func TestStartAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o := f.client(Options{}).Class("Counter").Get("a")
		var got []string
		left := 100
		var step ReceiverFunc
		end := make(chan struct{})
		step = func(v []byte, err error) { // starts the next call where the last one ended
			got = append(got, fmt.Sprintf("%x%v", v, err))
			if left--; left == 0 {
				close(end)
			} else if err := o.Start("add", []byte{0x81, 1}, step); err != nil {
				t.Error(err)
			}
		}
		if err := o.Start("add", []byte{0x81, 1}, step); err != nil {
			t.Fatal(err)
		}
		<-end
		if len(got) != 100 || got[0] != "01<nil>" || got[99] != "1864<nil>" {
			t.Errorf("%d answers: %q", len(got), got)
		}
		failed := make(chan error, 1)
		if err := o.StartBytes("fails", ReceiverFunc(func(_ []byte, err error) { failed <- err })); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; !errors.Is(err, ErrUnknownMethod) {
			t.Error(err)
		}
		var s string
		p := o.Go("echo", &s, "hello")
		if err := errors.Join(p.Wait(background), p.Wait(background)); err != nil || s != "hello" {
			t.Errorf("%q, %v", s, err)
		}
		if err := o.Go("echo", &s, func() {}).Wait(background); err == nil {
			t.Error("a function was sent")
		}
		f.hold = make(chan struct{})
		p = o.Go("wait", &s)
		if err := p.Wait(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		close(f.hold)
		if err := p.Wait(background); err != nil || s != "waited" {
			t.Errorf("%q, %v", s, err)
		}
	})
}

func TestObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(t).client(Options{})
		list := func(o ListOptions) (names []string, err error) {
			for l, err := range c.Class("Counter").Objects(background, o) {
				if err != nil {
					return names, err
				}
				if len(l.ID) != 64 || l.HasName != (l.Name != "") {
					t.Errorf("%+v", l)
				}
				names = append(names, l.Name)
			}
			return names, nil
		}
		for _, count := range []int{0, 1, 7, 26} {
			if names, err := list(ListOptions{Count: count}); err != nil || len(names) != 26 || names[24] != "object-24" || names[25] != "" {
				t.Errorf("by %d: %q, %v", count, names, err)
			}
		}
		if names, err := list(ListOptions{Match: "object-?", Count: 3}); err != nil || len(names) != 10 {
			t.Errorf("%q, %v", names, err)
		}
		for range c.Class("Counter").Objects(background, ListOptions{Count: 2}) {
			break
		}
		for _, err := range c.Class("Other").Objects(background, ListOptions{}) {
			if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, ErrUnknownClass) || e.Class != "Other" {
				t.Error(err)
			}
		}
	})
}

// Many goroutines call, give up and lose their connections; each gets the answer to its own call or a true error.
func TestManyGoroutines(t *testing.T) {
	f := newFake(t)
	c := f.client(Options{Conns: 2, MaxCalls: 16})
	stop := make(chan struct{})
	var cutter sync.WaitGroup
	cutter.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond): // so that calls get through between two cuts
				f.cut()
			}
		}
	})
	var wg sync.WaitGroup
	var done, maybe, not atomic.Int64
	for g := range 16 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range 200 {
				ctx, cancel := background, func() {}
				if rnd.IntN(4) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(300))*time.Microsecond)
				}
				o := c.Class("Counter").Get(fmt.Sprint("echo", rnd.IntN(10)))
				want := g*1000 + i
				var got int
				var err error
				switch rnd.IntN(3) {
				case 0:
					got, err = Call[int](ctx, o, "echo", want)
				case 1:
					p := c.Pipeline()
					p.Call(o, "echo", &got, want)
					p.Call(o, "add", nil, 0)
					err = p.Run(ctx)
				case 2:
					err = o.Go("echo", &got, want).Wait(background)
					if errors.Is(err, ErrQueueFull) {
						err = ErrNotSent
					}
				}
				cancel()
				switch {
				case err == nil:
					if done.Add(1); got != want {
						t.Errorf("goroutine %d, call %d got %d", g, i, got)
					}
				case errors.Is(err, ErrMaybeDone):
					maybe.Add(1)
				case errors.Is(err, ErrNotSent):
					not.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	cutter.Wait()
	if done.Load() == 0 {
		t.Error("no call was answered")
	}
	t.Logf("%d answered, %d perhaps run, %d not sent", done.Load(), maybe.Load(), not.Load())
}

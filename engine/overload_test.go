package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"everloop/engine"
)

// refusedAs returns the text of an answer that says overloaded, "" for one that is no error, and "waits" for none.
func refusedAs(t *testing.T, a *answer) string {
	t.Helper()
	if !a.done {
		return "waits"
	}
	var e *engine.Error
	if !errors.As(a.got.Err, &e) {
		if a.got.Err != nil {
			t.Fatal(a.got.Err)
		}
		return ""
	}
	if !e.Overloaded || e.Retryable || e.Reset || e.Class != "Party" || e.Object == "" || e.Method != "heard" {
		t.Errorf("%+v", e)
	}
	return e.Message
}

// TestTooMuchData: the bytes that wait for one object are bounded, but one event alone may have more.
func TestTooMuchData(t *testing.T) {
	s := step(t, 1, 1, func(o *engine.Options) { o.MaxQueuedBytes = 1000 })
	ns := register(t, s.Engine, "Party", &partyClass{map[string]*party{}})
	x, y := ns.GetByName("x"), ns.GetByName("y")
	for round := range 3 { // what has waited counts no more
		s.ask(x, "block", "")
		s.ask(y, "block", "")
		s.pool.Run()
		asked := []*answer{
			s.ask(x, "heard", strings.Repeat("a", 600)), s.ask(x, "heard", strings.Repeat("a", 600)), s.ask(x, "heard", "a"),
			s.ask(y, "heard", strings.Repeat("a", 5000)), s.ask(y, "heard", "a"),
		}
		s.pool.Run()
		const refused = "Durable Object is overloaded. Too much data queued."
		for i, want := range []string{"waits", refused, "waits", "waits", refused} {
			if got := refusedAs(t, asked[i]); got != want {
				t.Errorf("round %d: event %d: %q, want %q", round, i, got, want)
			}
		}
		s.pool.Advance(time.Second)
		s.settle()
		for i, want := range []string{"", refused, "", "", refused} {
			if got := refusedAs(t, asked[i]); got != want {
				t.Errorf("round %d: event %d in the end: %q, want %q", round, i, got, want)
			}
		}
	}
}

// TestQueuedTooLong: nothing waits for its object for longer than MaxQueueTime, and nothing is added behind it.
func TestQueuedTooLong(t *testing.T) {
	s := step(t, 1, 1, func(o *engine.Options) { o.MaxQueueTime = 500 * time.Millisecond })
	ns := register(t, s.Engine, "Party", &partyClass{map[string]*party{}})
	x := ns.GetByName("x")
	s.ask(x, "block", "")
	s.pool.Run()
	first := s.ask(x, "heard", "")
	s.pool.Advance(400 * time.Millisecond)
	s.pool.Run()
	second := s.ask(x, "heard", "")
	s.pool.Advance(200 * time.Millisecond)
	s.pool.Run()
	third := s.ask(x, "heard", "")
	s.pool.Run()
	const refused = "Durable Object is overloaded. Requests queued for too long."
	if a, b, c := refusedAs(t, first), refusedAs(t, second), refusedAs(t, third); a != "waits" || b != "waits" || c != refused {
		t.Errorf("while it is blocked: %q, %q, %q", a, b, c)
	}
	s.pool.Advance(300 * time.Millisecond) // 900 ms: the section ends at 1 s
	s.pool.Run()
	s.pool.Advance(100 * time.Millisecond)
	s.settle()
	if a, b := refusedAs(t, first), refusedAs(t, second); a != refused || b != refused {
		t.Errorf("after 1 s and 600 ms: %q, %q", a, b)
	}
	if got := s.ask(x, "heard", ""); true {
		s.settle()
		if refusedAs(t, got) != "" {
			t.Errorf("afterwards: %+v", got.got)
		}
	}
}

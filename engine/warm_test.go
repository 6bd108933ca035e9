package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"everloop/engine"
)

// piped makes calls "name method" through a Pipe as one batch, and returns what they give.
func (x *slips) piped(calls ...string) []string {
	x.t.Helper()
	got := make([]string, len(calls))
	p := x.ns.Pipe(len(calls)+1, func(tag uint64, r engine.Reply) {
		got[tag] = string(r.Value)
		if r.Err != nil {
			got[tag] = "error: " + r.Err.Error()
		}
	})
	for i, c := range calls {
		name, method, _ := strings.Cut(c, " ")
		if err := p.CallByName(uint64(i), name, method, nil); err != nil {
			x.t.Fatal(err)
		}
	}
	p.Flush()
	x.settle()
	if p.Poll(); p.UnderWay() > 0 {
		x.t.Fatalf("%d calls are not answered", p.UnderWay())
	}
	return got
}

// A record that was found for a whole batch goes with the first call of it, and its place goes to another object.
func TestPipePlaceOfAnotherObject(t *testing.T) {
	x := newSlips(t, 1)
	x.want("a", "inc", "1")
	x.want("a", "clear", "") // its record stays until the next call or a timer, whichever is first
	got := x.piped("a get:left", "b inc", "b inc", "a inc", "a get:left", "b get:left", "a name", "b name")
	if want := []string{"", "1", "2", "1", "1", "2", "Slip a true", "Slip b true"}; fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Calls do the same whatever was warmed for them: objects that come and go in the batch, that do not exist, twice the same, too many
// names, and a batch that is longer than what is looked ahead at.
func TestWarm(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		x := newSlips(t, 1+int(seed%2))
		counts := map[string]int{}
		// draw is a call of some object, and what it gives.
		draw := func() (name, method, want string) {
			name, method = fmt.Sprint("o", rnd.IntN(30)), []string{"inc", "inc", "get:left", "clear"}[rnd.IntN(4)]
			switch method {
			case "inc":
				counts[name]++
				want = strconv.Itoa(counts[name])
			case "clear":
				delete(counts, name)
			default:
				if counts[name] > 0 {
					want = strconv.Itoa(counts[name])
				}
			}
			return name, method, want
		}
		for range 20 {
			n := 1 + rnd.IntN(150)
			if rnd.IntN(2) == 0 {
				calls, want := make([]string, n), make([]string, n)
				for i := range calls {
					var name, method string
					name, method, want[i] = draw()
					calls[i] = name + " " + method
				}
				if got := x.piped(calls...); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
					t.Fatalf("seed %d: %q\n give %q\n want %q", seed, calls, got, want)
				}
				continue
			}
			var names [][]byte
			var calls []func()
			for range n {
				name, method, want := draw()
				names = append(names, []byte(name))
				calls = append(calls, func() {
					x.port.CallByName([]byte(name), method, nil, engine.ReplyFunc(func(r engine.Reply) {
						if string(r.Value) != want || r.Err != nil {
							t.Errorf("seed %d: %s of %s gives %q, %v; want %q", seed, method, name, r.Value, r.Err, want)
						}
					}))
				})
			}
			if rnd.IntN(4) == 0 {
				names = append(names, nil, []byte("never called"))
			}
			x.port.Warm(names)
			for _, name := range names {
				clear(name) // they are not kept
			}
			for _, call := range calls {
				call()
			}
			x.settle()
		}
	}
}

// Warm is free to call: it makes no objects, takes no memory, and leaves namespaces alone that it can do nothing for.
func TestWarmIsFree(t *testing.T) {
	x := newSlips(t, 1)
	names := make([][]byte, 100)
	for i := range names {
		names[i] = fmt.Append(nil, "o", i)
	}
	if n := testing.AllocsPerRun(10, func() { x.port.Warm(names) }); n > 0 {
		t.Errorf("it takes memory %v times", n)
	}
	x.ns.Warm(names)
	register(t, x.Engine, "Count", pipeClasses()["ClassOf"])
	x.Port(x.pool.Loop(0)).Namespace("Count").Warm(names)
	if n := x.Metrics().Objects; n > 0 {
		t.Errorf("there are %d objects", n)
	}
}

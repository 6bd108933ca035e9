package enginetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal"
)

// errand is one call of a metamorphic history: the seed of what the object does, and whom it may ask. Everything
// that it sees comes back as text, so two runs are equal if their texts are.
type errand struct {
	Seed  uint64
	Depth int
	Floor int // objects above this one may be asked: those up to it have their input gates closed
}

const errandObjects = 5

// runner is an object that runs errands. It keeps nothing in memory, since instances come and go with the settings;
// unless it is forgetful, to show that this would be noticed.
type runner struct {
	st        *engine.State
	forgetful bool
	errands   int
}

func (o *runner) CallRaw(ctx context.Context, _ string, args []byte) ([]byte, error) {
	var e errand
	if err := json.Unmarshal(args, &e); err != nil {
		return nil, err
	}
	run := &errandRun{o.st, ctx, rand.New(rand.NewPCG(e.Seed, 1)), e, nil}
	if o.forgetful {
		o.errands++
		run.see("errand %d", o.errands)
	}
	if err := run.steps(); err != nil {
		return nil, fmt.Errorf("%w after %s", err, run.seen)
	}
	return []byte(strings.Join(run.seen, " ")), nil
}

type errandRun struct {
	st   *engine.State
	ctx  context.Context
	r    *rand.Rand
	e    errand
	seen []string
}

func (run *errandRun) see(format string, args ...any) {
	run.seen = append(run.seen, fmt.Sprintf(format, args...))
}

func (run *errandRun) steps() error {
	for range 1 + run.r.IntN(5) {
		if err := run.step(); err != nil {
			return err
		}
	}
	return nil
}

var errErrand = errors.New("no luck")

func (run *errandRun) step() error {
	s, r := run.st.Storage(), run.r
	key := string(rune('a' + r.IntN(6)))
	switch r.IntN(14) {
	case 0, 1, 2:
		return s.Put(key, r.IntN(1000))
	case 3:
		return s.PutAll(map[string]any{key: r.IntN(1000), "x": strings.Repeat("long", r.IntN(500))})
	case 4:
		was, err := s.Delete(key)
		run.see("delete %s %t", key, was)
		return err
	case 5, 6:
		run.see("list")
		return s.List(engine.ListOptions{Reverse: r.IntN(2) == 0, Limit: r.IntN(5)}, func(k, v []byte) bool {
			run.see("%s=%x", k, v[:min(len(v), 9)])
			return true
		})
	case 7:
		if r.IntN(3) == 0 {
			run.see("delete all: %v", s.DeleteAll())
		}
	case 8, 9, 10:
		return run.ask()
	case 11:
		return run.inside(func() error { return run.st.BlockConcurrencyWhile(run.steps) })
	case 12:
		rollback := r.IntN(3) == 0
		err := run.inside(func() error {
			return s.Transaction(run.ctx, func() error {
				if err := run.steps(); err != nil || !rollback {
					return err
				}
				return errErrand
			})
		})
		run.see("transaction %t: %v", rollback, err)
		if rollback {
			return nil
		}
		return err
	default:
		switch r.IntN(8) {
		case 0:
			panic("an accident")
		case 1:
			run.st.Abort(errErrand)
			return errErrand
		case 2:
			return errErrand
		}
		return run.st.Do(run.ctx, func(context.Context) error { return nil })
	}
	return nil
}

// inside runs fn, which closes the object's input gate: nobody further down may ask it anything.
func (run *errandRun) inside(fn func() error) error {
	floor := run.e.Floor
	defer func() { run.e.Floor = floor }()
	name, _ := run.st.ID().Name()
	var self int
	fmt.Sscanf(name, "o%d", &self)
	run.e.Floor = max(floor, self)
	return fn()
}

func (run *errandRun) ask() error {
	above := errandObjects - 1 - run.e.Floor
	if above <= 0 || run.e.Depth == 0 {
		return nil
	}
	to := run.e.Floor + 1 + run.r.IntN(above)
	if name, _ := run.st.ID().Name(); name == fmt.Sprint("o", to) {
		return nil
	}
	args, err := json.Marshal(errand{run.r.Uint64(), run.e.Depth - 1, run.e.Floor})
	if err != nil {
		return err
	}
	raw, err := run.st.Namespace("Runner").GetByName(fmt.Sprint("o", to)).CallRaw(run.ctx, "run", args)
	run.see("o%d: (%s, %v)", to, raw, err)
	return nil
}

// setting is one way to run the engine. None of them may change what callers see.
type setting struct {
	loops   int
	sync    wal.SyncMode
	idle    time.Duration
	restart bool // several times, in the middle, each time with another number of loops
}

func (s setting) String() string {
	return fmt.Sprintf("%d loops, sync %v, idle %v, restart %t", s.loops, s.sync, s.idle, s.restart)
}

func (s setting) run(t *testing.T, seed uint64, forgetful bool) []string {
	t.Helper()
	const calls = 60
	dir := t.TempDir()
	var e *engine.Engine
	var ns *engine.Namespace
	open := func(loops int) {
		var err error
		e, err = engine.Open(engine.Options{
			Dir: dir, Loops: loops, Sync: s.sync, IdleTimeout: s.idle, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			t.Fatalf("%v: open: %v", s, err)
		}
		ns, err = e.Register("Runner", engine.ClassOf(func(st *engine.State) (*runner, error) { return &runner{st: st, forgetful: forgetful}, nil }))
		if err != nil {
			t.Fatalf("%v: register: %v", s, err)
		}
	}
	end := func() {
		if err := e.Close(context.Background()); err != nil {
			t.Fatalf("%v: close: %v", s, err)
		}
	}
	open(s.loops)
	r := rand.New(rand.NewPCG(seed, 2))
	var told []string
	for i := range calls {
		if s.restart && i%17 == 16 {
			end()
			open(1 + i%4)
		}
		args, err := json.Marshal(errand{r.Uint64(), 3, -1})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := ns.GetByName(fmt.Sprint("o", r.IntN(errandObjects))).CallRaw(context.Background(), "run", args)
		told = append(told, fmt.Sprintf("%s, %v", raw, err))
	}
	end()
	return told
}

var settings = []setting{
	{1, wal.SyncAlways, time.Hour, false},
	{2, wal.SyncAlways, time.Hour, false},
	{4, wal.SyncInterval, time.Millisecond, false},
	{1, wal.SyncNone, time.Millisecond, true},
	{3, wal.SyncAlways, time.Hour, true},
	{4, wal.SyncNone, time.Hour, true},
}

// One history of calls, made one after the other, is answered in the same words whatever the settings.
func TestSettingsDoNotChangeAnswers(t *testing.T) {
	first, last := uint64(1), uint64(6)
	switch {
	case *seedFlag != 0:
		first, last = *seedFlag, *seedFlag
	case testing.Short(), raceEnabled:
		last = 2
	}
	for seed := first; seed <= last; seed++ {
		want := settings[0].run(t, seed, false)
		for _, s := range settings[1:] {
			for i, got := range s.run(t, seed, false) {
				if got != want[i] {
					t.Fatalf("-seed %d: call %d is answered differently.\n%v:\n%s\n%v:\n%s", seed, i+1, settings[0], want[i], s, got)
				}
			}
		}
	}
}

// Objects that answer from what they keep in memory alone must be found out by a restart.
func TestSettingsShowForgetfulObjects(t *testing.T) {
	if slices.Equal(settings[0].run(t, 1, true), settings[4].run(t, 1, true)) {
		t.Error("answers from memory survive a restart, as far as these histories show")
	}
}

package enginetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"everloop/engine"
)

// request is one operation on one key of one object.
type request struct {
	Object string
	Key    string
	Op     string // get, put, add, cas
	A, B   int
}

// result is what it returned: the value before, and whether a cas has stored.
type result struct {
	Value  int
	Stored bool
}

// registers is an object of integers. careful: its operations read and write in a critical section; otherwise others
// may run between the two.
type registers struct {
	st      *engine.State
	careful bool
}

func (o *registers) CallRaw(ctx context.Context, _ string, args []byte) ([]byte, error) {
	var q request
	if err := json.Unmarshal(args, &q); err != nil {
		return nil, err
	}
	var r result
	run := func() (err error) {
		if r.Value, _, err = engine.Get[int](o.st.Storage(), q.Key); err != nil {
			return err
		}
		if q.Op != "get" && q.A%2 == 0 { // half of the operations wait between their read and their write
			if err := o.st.Do(ctx, func(context.Context) error { return nil }); err != nil {
				return err
			}
		}
		r.Stored = true
		switch q.Op {
		case "put":
			return o.st.Storage().Put(q.Key, q.A)
		case "add":
			return o.st.Storage().Put(q.Key, r.Value+q.A)
		case "cas":
			if r.Stored = r.Value == q.A; r.Stored {
				return o.st.Storage().Put(q.Key, q.B)
			}
		}
		return nil
	}
	var err error
	switch {
	case !o.careful:
		err = run()
	case q.B%2 == 0:
		err = o.st.BlockConcurrencyWhile(run)
	default:
		err = o.st.Storage().Transaction(ctx, run)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// registersModel is one key of one object, done one operation after the other.
var registersModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			q := op.Input.(request)
			by[q.Object+"/"+q.Key] = append(by[q.Object+"/"+q.Key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		now, q, r := state.(int), input.(request), output.(result)
		if r.Value != now {
			return false, now
		}
		switch q.Op {
		case "put":
			return true, q.A
		case "add":
			return true, now + q.A
		case "cas":
			if r.Stored != (now == q.A) {
				return false, now
			}
			if r.Stored {
				return true, q.B
			}
		}
		return true, now
	},
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v -> %+v", input.(request), output.(result))
	},
}

// linearHistory is what clients see who work at the same time on real loops and a real log.
func linearHistory(t *testing.T, seed uint64, careful bool) []porcupine.Operation {
	const clients, calls = 6, 60
	e, err := engine.Open(engine.Options{
		Dir: t.TempDir(), Loops: 2, IdleTimeout: 2 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	ns, err := e.Register("Registers", engine.ClassOf(func(st *engine.State) (*registers, error) {
		return &registers{st, careful}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	var clock atomic.Int64 // orders what really came before what
	histories := make([][]porcupine.Operation, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(c)))
			for range calls {
				q := request{
					Object: fmt.Sprint("o", r.IntN(3)), Key: fmt.Sprint("k", r.IntN(2)),
					Op: []string{"get", "put", "add", "add", "cas"}[r.IntN(5)], A: r.IntN(4), B: r.IntN(4),
				}
				args, err := json.Marshal(q)
				if err != nil {
					t.Error(err)
					return
				}
				op := porcupine.Operation{ClientId: c, Input: q, Call: clock.Add(1)}
				raw, err := ns.GetByName(q.Object).CallRaw(context.Background(), "run", args)
				op.Return = clock.Add(1)
				var out result
				if err == nil {
					err = json.Unmarshal(raw, &out)
				}
				if err != nil {
					t.Errorf("%+v: %v", q, err)
					return
				}
				op.Output = out
				histories[c] = append(histories[c], op)
			}
		})
	}
	wg.Wait()
	var all []porcupine.Operation
	for _, h := range histories {
		all = append(all, h...)
	}
	return all
}

func TestLinearizability(t *testing.T) {
	runs := uint64(3)
	if testing.Short() {
		runs = 1
	}
	for seed := range runs {
		if seed += 1; *seedFlag != 0 {
			seed = *seedFlag
		}
		if got := porcupine.CheckOperationsTimeout(registersModel, linearHistory(t, seed, true), time.Minute); got != porcupine.Ok {
			t.Fatalf("-seed %d: the history is not linearizable: %s", seed, got)
		}
	}
}

// The checker must notice a counter that lets others in between its read and its write.
func TestLinearizabilityCatchesALostUpdate(t *testing.T) {
	for seed := range uint64(20) {
		if porcupine.CheckOperationsTimeout(registersModel, linearHistory(t, seed, false), time.Minute) == porcupine.Illegal {
			return
		}
	}
	t.Error("20 histories of broken counters, and all are called linearizable")
}

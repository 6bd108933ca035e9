package enginetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"everloop/engine"
	"everloop/engine/internal/mechanism"
	"everloop/engine/redo"
	"everloop/wal"
	"everloop/wal/waltest"
)

// Histories of clients who work at the same time on real loops and the real log, whose disk loses power again and again, and checkers
// that say whether one object without any faults could have given the same answers. An operation whose answer was lost with the
// power may have happened, or not, or may happen at the next moment that suits: it ends never.

// never is when an operation ends that was not answered.
const never = math.MaxInt64

// move is one operation on the two accounts of one object.
type move struct {
	Op   string // move, audit
	From string // left, right
	Sum  int
}

// balances is what it returned: both accounts as it has left them, and whether it had the funds.
type balances struct {
	Left, Right int
	Done        bool
}

const accountsBegin = 20

// accounts is an object of two accounts. What it takes from one it gives to the other, after a wait.
type accounts struct{ st *engine.State }

func (o *accounts) CallRaw(ctx context.Context, _ string, args []byte) ([]byte, error) {
	var q move
	if err := json.Unmarshal(args, &q); err != nil {
		return nil, err
	}
	var b balances
	err := o.st.BlockConcurrencyWhile(func() error {
		s := o.st.Storage()
		sums := map[string]int{}
		for _, k := range []string{"left", "right"} {
			n, ok, err := engine.Get[int](s, k)
			if err != nil {
				return err
			}
			if sums[k] = n; !ok {
				sums[k] = accountsBegin
			}
		}
		to := map[string]string{"left": "right", "right": "left"}[q.From]
		if q.Op == "move" && sums[q.From] >= q.Sum {
			b.Done = true
			if q.Sum%2 == 0 { // half of them wait between their read and their write
				if err := o.st.Do(ctx, func(context.Context) error { return nil }); err != nil {
					return err
				}
			}
			sums[q.From] -= q.Sum
			sums[to] += q.Sum
			// Two writes of one turn: a crash takes both or none.
			if err := errors.Join(s.Put(q.From, sums[q.From]), s.Put(to, sums[to])); err != nil {
				return err
			}
		}
		b.Left, b.Right = sums["left"], sums["right"]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(b)
}

// accountsModel is one such object.
var accountsModel = porcupine.Model{
	Partition: byObject(func(input any) string { return input.(crashMove).Object }),
	Init:      func() any { return [2]int{accountsBegin, accountsBegin} },
	Step: func(state, input, output any) (bool, any) {
		now, q, o := state.([2]int), input.(crashMove), output.(crashOutcome[balances])
		from := map[string]int{"left": 0, "right": 1}[q.From]
		done := q.Op == "move" && now[from] >= q.Sum
		if done {
			now[from] -= q.Sum
			now[1-from] += q.Sum
		}
		return !o.Known || o.Result == balances{now[0], now[1], done}, now
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

type crashMove struct {
	Object string
	move
}

// crashOutcome is what an operation returned, or nothing that anybody knows.
type crashOutcome[R any] struct {
	Known  bool
	Result R
}

// crashRegistersModel is registersModel where answers may be lost.
var crashRegistersModel = porcupine.Model{
	Partition: byObject(func(input any) string { q := input.(request); return q.Object + "/" + q.Key }),
	Init:      func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		o := output.(crashOutcome[result])
		if !o.Known {
			q := input.(request)
			o.Result = result{Value: state.(int), Stored: q.Op != "cas" || state.(int) == q.A}
		}
		return registersModel.Step(state, input, o.Result)
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

func byObject(key func(input any) string) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			by[key(op.Input)] = append(by[key(op.Input)], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	}
}

// payment asks a ledger to pay another one. It has a number of its own.
type payment struct {
	Op     string // pay, credit, books
	Number int
	To     string
	Sum    int
}

// books is all that a ledger has.
type books struct {
	Balance int
	Out, In map[int]int // by the number of the payment
}

const ledgerBegins = 1000

// ledger is an object with one account. A payment leaves it in one turn, and reaches the other ledger by a call that the same turn makes: nothing
// waits for the disk in between, so only the order of causes says that what arrives has left.
type ledger struct{ st *engine.State }

func (o *ledger) CallRaw(ctx context.Context, _ string, args []byte) ([]byte, error) {
	var q payment
	if err := json.Unmarshal(args, &q); err != nil {
		return nil, err
	}
	b, err := o.books()
	if err != nil {
		return nil, err
	}
	s := o.st.Storage()
	switch q.Op {
	case "pay":
		if err := errors.Join(s.Put("balance", b.Balance-q.Sum), s.Put("out/"+strconv.Itoa(q.Number), q.Sum)); err != nil {
			return nil, err
		}
		args, err := json.Marshal(payment{Op: "credit", Number: q.Number, Sum: q.Sum})
		if err != nil {
			return nil, err
		}
		_, err = o.st.Namespace("Ledgers").GetByName(q.To).CallRaw(ctx, "run", args)
		return nil, err
	case "credit":
		return nil, errors.Join(s.Put("balance", b.Balance+q.Sum), s.Put("in/"+strconv.Itoa(q.Number), q.Sum))
	}
	return json.Marshal(b)
}

func (o *ledger) books() (books, error) {
	b := books{Balance: ledgerBegins, Out: map[int]int{}, In: map[int]int{}}
	var bad error
	err := o.st.Storage().List(engine.ListOptions{}, func(k, _ []byte) bool {
		key := string(k)
		v, _, err := engine.Get[int](o.st.Storage(), key)
		bad = errors.Join(bad, err)
		kind, number, _ := strings.Cut(key, "/")
		n, _ := strconv.Atoi(number)
		switch kind {
		case "balance":
			b.Balance = v
		case "out":
			b.Out[n] = v
		case "in":
			b.In[n] = v
		}
		return true
	})
	return b, errors.Join(err, bad)
}

// crashRun is one history over several lives.
type crashRun struct {
	t    *testing.T
	seed uint64
	dir  string
	// broken: a mechanism is off, so calls may also fail in ways that have no place in a history. They count as not answered.
	broken bool

	// twoLogs has the first ledger in a log of its own, as it were: a crash leaves of it what was reported durable, and no more.
	twoLogs bool
	keeps   wal.LSN  // that was durable at the last crash
	first   [32]byte // the ID of that ledger
	log     *wal.Log
	// snapshots: one is always under way.
	snapshots bool

	clock   atomic.Int64 // orders what really came before what
	numbers atomic.Int64
	// installed is how many snapshots were.
	installed atomic.Int64
	engine    *engine.Engine
	disk      *waltest.PowerDisk

	mu        sync.Mutex
	registers []porcupine.Operation
	accounts  []porcupine.Operation
	paid      map[int]bool // payments whose end somebody was told of
	pending   int
	wrong     string // the first thing that the ledgers have wrong
	lives     int
	crashes   int
}

const (
	crashClients = 6
	crashLedgers = 3
)

// open starts a life in the directory.
func (c *crashRun) open(loops int) {
	c.t.Helper()
	var err error
	if c.disk, err = waltest.NewPowerDisk(c.dir); err != nil {
		c.t.Fatal(err)
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	c.engine, err = engine.Open(engine.Options{
		Loops: loops, IdleTimeout: 2 * time.Millisecond, Logger: quiet,
		OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
			log, err := wal.Open(c.dir, wal.Options{Buffers: n, OnDurable: durable, Disk: c.disk, Logger: quiet})
			if c.log = log; c.twoLogs {
				return &lostLog{log, c}, err
			}
			return log, err
		},
	})
	if err != nil {
		c.t.Fatalf("seed %d, life %d: open: %v", c.seed, c.lives, err)
	}
	c.register("Registers", engine.ClassOf(func(st *engine.State) (*registers, error) { return &registers{st, true}, nil }))
	c.register("Accounts", engine.ClassOf(func(st *engine.State) (*accounts, error) { return &accounts{st}, nil }))
	c.register("Ledgers", engine.ClassOf(func(st *engine.State) (*ledger, error) { return &ledger{st}, nil }))
	c.first = c.engine.Namespace("Ledgers").IDFromName("o0").Bytes()
	c.lives++
}

// lostLog is the log with the tail of one ledger's records lost.
type lostLog struct {
	*wal.Log
	c *crashRun
}

func (l *lostLog) Replay(fn func(*wal.Chunk) error, end func() error) (wal.Recovery, error) {
	return l.Log.Replay(func(c *wal.Chunk) error {
		if c.Snapshot() {
			return fn(c)
		}
		var numbers []wal.LSN
		var records [][]byte
		err := c.Records(func(n wal.LSN, record []byte) error {
			if rec, err := redo.Parse(record); err == nil && rec.Kind == redo.KindObject && *rec.ID == l.c.first && n > l.c.keeps {
				record = redo.AppendMigration(nil, "lost", nil)
			}
			numbers, records = append(numbers, n), append(records, bytes.Clone(record))
			return nil
		})
		return errors.Join(err, fn(wal.NewChunk(false, numbers, records)))
	}, end)
}

func (c *crashRun) register(name string, class engine.Class) {
	if _, err := c.engine.Register(name, class); err != nil {
		c.t.Fatalf("seed %d, life %d: register: %v", c.seed, c.lives, err)
	}
}

// ask makes a call, and reports whether it was answered: what is not answered while the power goes may have happened.
func (c *crashRun) ask(class, object string, q, into any) bool {
	args, err := json.Marshal(q)
	if err != nil {
		c.t.Error(err)
		return false
	}
	raw, err := c.engine.Namespace(class).GetByName(object).CallRaw(context.Background(), "run", args)
	if err == nil && into != nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil && !errors.Is(err, engine.ErrUnavailable) && !c.broken {
		c.t.Errorf("seed %d: %+v: %v", c.seed, q, err)
	}
	return err == nil
}

// client works until an answer is lost.
func (c *crashRun) client(id int, calls int, r *rand.Rand) {
	for range calls {
		answered := false
		call := c.clock.Add(1)
		end := func() int64 {
			if !answered {
				return never
			}
			return c.clock.Add(1)
		}
		switch r.IntN(8) {
		case 0, 1, 2, 3:
			q := request{
				Object: fmt.Sprint("o", r.IntN(3)), Key: fmt.Sprint("k", r.IntN(2)),
				Op: []string{"get", "put", "add", "add", "cas"}[r.IntN(5)], A: r.IntN(4), B: r.IntN(4),
			}
			var out result
			answered = c.ask("Registers", q.Object, q, &out)
			op := porcupine.Operation{ClientId: id, Input: q, Output: crashOutcome[result]{answered, out}, Call: call, Return: end()}
			c.mu.Lock()
			c.registers = append(c.registers, op)
			c.mu.Unlock()
		case 4, 5, 6:
			q := crashMove{fmt.Sprint("o", r.IntN(2)), move{"move", []string{"left", "right"}[r.IntN(2)], r.IntN(9)}}
			if r.IntN(3) == 0 {
				q.Op = "audit"
			}
			var out balances
			answered = c.ask("Accounts", q.Object, q.move, &out)
			op := porcupine.Operation{ClientId: id, Input: q, Output: crashOutcome[balances]{answered, out}, Call: call, Return: end()}
			c.mu.Lock()
			c.accounts = append(c.accounts, op)
			c.mu.Unlock()
		default:
			from := r.IntN(crashLedgers)
			to := (from + 1 + r.IntN(crashLedgers-1)) % crashLedgers
			q := payment{"pay", int(c.numbers.Add(1)), fmt.Sprint("o", to), 1 + r.IntN(5)}
			if answered = c.ask("Ledgers", fmt.Sprint("o", from), q, nil); answered {
				c.mu.Lock()
				c.paid[q.Number] = true
				c.mu.Unlock()
			}
		}
		if !answered {
			c.mu.Lock()
			c.pending++
			c.mu.Unlock()
			return
		}
	}
}

// audit compares the books of the ledgers, when nobody works.
func (c *crashRun) audit() {
	all := make([]books, crashLedgers)
	sent, arrived := map[int]int{}, map[int]int{}
	for i := range all {
		if !c.ask("Ledgers", fmt.Sprint("o", i), payment{Op: "books"}, &all[i]) {
			c.found("the books of ledger %d cannot be read", i)
			return
		}
		want := ledgerBegins
		for n, sum := range all[i].Out {
			sent[n] = sum
			want -= sum
		}
		for n, sum := range all[i].In {
			arrived[n] = sum
			want += sum
		}
		if want != all[i].Balance {
			c.found("ledger %d has %d, and its payments make it %d", i, all[i].Balance, want)
		}
	}
	for n, sum := range arrived {
		if sent[n] != sum {
			c.found("payment %d of %d has arrived, and what was sent is %d", n, sum, sent[n])
		}
	}
	for n := range c.paid {
		if _, ok := arrived[n]; !ok {
			c.found("payment %d was confirmed, and it has not arrived", n)
		}
	}
}

func (c *crashRun) found(format string, args ...any) {
	if c.wrong == "" {
		c.wrong = fmt.Sprintf("life %d: ", c.lives) + fmt.Sprintf(format, args...)
	}
}

// life is a life that ends in a power cut.
func (c *crashRun) life(n int, r *rand.Rand) {
	c.open(1 + r.IntN(3))
	if c.audit(); c.wrong != "" {
		return
	}
	if n > 0 && r.IntN(8) > 0 {
		c.disk.CutAt(1 + r.IntN(150))
	}
	stop := c.photograph()
	var wg sync.WaitGroup
	for i := range crashClients {
		r := rand.New(rand.NewPCG(c.seed, uint64(c.lives*crashClients+i)))
		wg.Go(func() { c.client(c.lives*crashClients+i, 40, r) })
	}
	wg.Wait()
	stop()
	c.keeps = c.log.Durable()
	next := filepath.Join(filepath.Dir(c.dir), strconv.Itoa(n+1))
	if err := c.disk.Crash(r.Uint64(), next); err != nil {
		c.t.Fatal(err)
	}
	c.crashes++
	c.disk.CutAt(1) // nothing that the engine still does counts
	c.end()
	c.dir = next
}

// photograph makes one snapshot after the other, until stop is called or the power is gone.
func (c *crashRun) photograph() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.snapshots {
			if _, err := c.engine.Snapshot(ctx); err != nil {
				return
			}
			c.installed.Add(1)
		}
	}()
	return func() { cancel(); <-done }
}

func (c *crashRun) end() {
	_ = c.engine.Close(context.Background()) // its disk has no power
}

// run plays lives lives, and one more in which everything is read.
func (c *crashRun) run(lives int) {
	r := rand.New(rand.NewPCG(c.seed, 0x6c696e))
	for n := range lives {
		if c.life(n, r); c.wrong != "" {
			c.end()
			return
		}
	}
	c.open(2)
	c.audit()
	c.client(never, 60, r)
	c.end()
}

// check returns what is wrong with a history.
func (c *crashRun) check() string {
	if c.wrong != "" {
		return c.wrong
	}
	for _, part := range []struct {
		name  string
		model porcupine.Model
		ops   []porcupine.Operation
	}{{"registers", crashRegistersModel, c.registers}, {"accounts", accountsModel, c.accounts}} {
		ops := slices.Clone(part.ops)
		if got := porcupine.CheckOperationsTimeout(part.model, ops, time.Minute); got != porcupine.Ok {
			return fmt.Sprintf("the history of the %s is not linearizable: %s", part.name, got)
		}
	}
	return ""
}

func newCrashRun(t *testing.T, seed uint64, base string) *crashRun {
	return &crashRun{t: t, seed: seed, dir: filepath.Join(base, "0"), paid: map[int]bool{}}
}

// crashHistories runs histories until one has something wrong, and returns the seed and what.
func crashHistories(t *testing.T, first, last uint64, set func(*crashRun)) (seed uint64, wrong string) {
	t.Helper()
	var histories, operations, pending, crashes, payments, snapshots int
	defer func() {
		t.Logf("%d histories: %d operations on registers and accounts, %d payments, %d power cuts, %d operations pending, %d snapshots",
			histories, operations, payments, crashes, pending, snapshots)
	}()
	for seed = first; seed <= last; seed++ {
		base, remove := ramDir(t)
		c := newCrashRun(t, seed, base)
		c.snapshots = seed%4 != 0
		if set != nil {
			set(c)
		}
		if err := os.Mkdir(c.dir, 0o750); err != nil {
			t.Fatal(err)
		}
		c.run(4)
		remove()
		histories++
		snapshots += int(c.installed.Load())
		operations += len(c.registers) + len(c.accounts)
		payments += int(c.numbers.Load())
		pending += c.pending
		crashes += c.crashes
		if wrong = c.check(); wrong != "" || t.Failed() {
			return seed, wrong
		}
	}
	return 0, ""
}

// Clients of registers, counters, accounts and ledgers see one object each, over power cuts.
func TestLinearizabilityOverPowerCuts(t *testing.T) {
	first, last := uint64(1), uint64(30)
	switch {
	case *seedFlag != 0:
		first, last = *seedFlag, *seedFlag
	case *seedsFlag != 0:
		last = *seedsFlag
	case testing.Short(), raceEnabled:
		last = 5
	}
	if seed, wrong := crashHistories(t, first, last, nil); wrong != "" {
		t.Fatalf("run again with -run '%s' -seed %d (real loops: it may take a few): %s", t.Name(), seed, wrong)
	}
}

// Each mechanism is switched off once, and the checkers must say so.
func TestLinearizabilityOverPowerCutsNeeds(t *testing.T) {
	const within = 1000 // histories; it takes a few, and some tens for one log
	for _, c := range []struct {
		name string
		off  *bool
	}{
		{"output gate", &mechanism.Off.OutputGate},
		{"input gate", &mechanism.Off.InputGate},
		{"dependency", &mechanism.Off.Dependency},
		{"one record", &mechanism.Off.OneRecord},
		{"one log", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.off != nil {
				*c.off = true
				defer func() { *c.off = false }()
			}
			seed, wrong := crashHistories(t, 1, within, func(r *crashRun) { r.broken, r.twoLogs = true, c.off == nil })
			if wrong == "" {
				t.Fatalf("%d histories, and nothing was found wrong", within)
			}
			t.Logf("found with history %d: %s", seed, wrong)
		})
	}
}

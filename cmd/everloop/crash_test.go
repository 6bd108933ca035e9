package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"everloop/wal/waltest"
)

// How much the crash tests do. Each may be given as an environment variable, too: EVERLOOP_CRASH_SEED and EVERLOOP_CRASH_ROUNDS.
var (
	crashSeed   = flag.Uint64("crash.seed", crashNumber("EVERLOOP_CRASH_SEED"), "the `seed` of the crash tests; what the machine does at the same time is not repeated")
	crashRounds = flag.Uint64("crash.rounds", crashNumber("EVERLOOP_CRASH_ROUNDS"), "how many processes the crash tests end, three in four of them by a power cut")
)

func crashNumber(variable string) uint64 {
	n, _ := strconv.ParseUint(os.Getenv(variable), 10, 64)
	return n
}

const (
	ledgerProgram = "testdata/ledger"
	// crashSnapshotLog has a snapshot made every few dozen steps. It is the least that the program takes.
	crashSnapshotLog = 64 << 10
	crashObjects     = 40
	crashClients     = 8
)

// crashPlan returns the seed, and how many of the rounds are a test's own.
func crashPlan(t *testing.T, share, of int) (seed uint64, rounds int) {
	t.Helper()
	seed, rounds = *crashSeed, int(*crashRounds)
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	if rounds == 0 {
		rounds = 200
	}
	if testing.Short() {
		rounds /= 10
	}
	rounds = max(1, rounds*share/of)
	t.Logf("-crash.seed=%d, %d rounds", seed, rounds)
	return seed, rounds
}

// tallied counts what the rounds have hit.
type tallied map[string]int

func (c tallied) log(t *testing.T, acks int64) {
	t.Helper()
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, c[k]))
	}
	t.Logf("%d steps acknowledged; %s", acks, strings.Join(parts, ", "))
}

// crashWhere are the places that a process is killed in.
var crashWhere = []string{"any", "log", "rotation", "snapshot", "install", "removal"}

// machine is a computer whose power is cut: a directory, and what of it is on the platter.
type machine struct {
	t      *testing.T
	base   string
	random *rand.Rand
	ledger *ledger
	disk   *waltest.PowerDisk
	made   int // directories and journals so far
	hits   tallied
	sync   string
}

func newMachine(t *testing.T, seed uint64, sync string) *machine {
	m := &machine{
		t: t, base: ramDir(t), random: rand.New(rand.NewPCG(seed, 2)), ledger: newLedger(seed, crashObjects), hits: tallied{}, sync: sync,
	}
	if err := m.replace(nil); err != nil {
		t.Fatal(err)
	}
	return m
}

// replace goes on in a new directory: an empty one, or what a power cut leaves of the old one.
func (m *machine) replace(old *waltest.PowerDisk) (err error) {
	m.made++
	dir := filepath.Join(m.base, strconv.Itoa(m.made))
	if old == nil {
		err = os.Mkdir(dir, 0o750)
	} else {
		err = errors.Join(old.Crash(m.random.Uint64(), dir), os.RemoveAll(old.Root()))
	}
	if err == nil {
		m.disk, err = waltest.NewPowerDisk(dir)
	}
	return err
}

// life runs one process, until it kills itself or has done enough, and returns what is wrong.
func (m *machine) life() error {
	r := m.random
	m.made++
	s := crashSettings{
		Data: m.disk.Root(), Journal: filepath.Join(m.base, fmt.Sprintf("journal-%d", m.made)),
		Loops: 1 + r.IntN(3), Sync: m.sync, Go: r.IntN(3) > 0, After: r.IntN(2) == 0,
		Where: crashWhere[r.IntN(len(crashWhere))], Retain: []int64{0, 100 << 10, 1 << 40}[r.IntN(3)],
	}
	// Most of the process's first operations are those of its start.
	s.Nth = 1 + r.IntN(map[string]int{"any": 200, "log": 100, "rotation": 15, "snapshot": 10, "install": 10, "removal": 8}[s.Where])
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	l := m.ledger
	l.closed.Store(true) // it may end at any moment
	p := launchLine(m.t, []string{crashVariable + "=" + string(text)}, os.Args[0])
	enough := l.acks.Load() + 40 + r.Int64N(300)
	if p.started() {
		if err := l.audit(m.t, p); err != nil {
			if lost := (*lostError)(nil); errors.As(err, &lost) || !m.killed(p) {
				return err
			}
		}
		<-l.work(m.t, p, crashClients, r.Uint64(), func() bool { return l.acks.Load() > enough })
	}
	if !p.ends() {
		p.signal(syscall.SIGTERM)
	}
	switch code := p.exit(); {
	case code == exitOK:
		m.hits["orderly end"]++
	case m.killed(p):
		m.hits[s.Where]++
	default:
		return fmt.Errorf("the process %s ended with %d:\n%s", text, code, tail(p.log.String(), 4<<10))
	}
	op, err := m.disk.Follow(s.Journal)
	if err == nil {
		err = os.Remove(s.Journal)
	}
	if err != nil {
		return err
	}
	if op == nil && p.exit() == exitOK {
		if err := m.disk.Check(); err != nil {
			return err
		}
	}
	if r.IntN(4) == 0 {
		m.hits["process alone"]++
		return m.disk.Settle(op)
	}
	if op != nil {
		m.disk.Begin(*op)
	}
	return m.replace(m.disk)
}

// killed reports whether the process has killed itself. A connection that breaks is seen before the process is gone.
func (m *machine) killed(p *process) bool {
	p.exit()
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// ends reports whether the process has ended, or is about to, as it does not answer any more.
func (p *process) ends() bool {
	if p.client == nil {
		return true
	}
	_, _, err := ask(p.client, "/inbox/i0/read")
	return err != nil
}

// diskErrors are what a failing disk says.
var diskErrors = []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EROFS}

// failingLife runs one process whose disk fails at an operation, once or for ever, and returns what is wrong.
func (m *machine) failingLife() error {
	r := m.random
	m.made++
	s := crashSettings{
		Data: m.disk.Root(), Journal: filepath.Join(m.base, fmt.Sprintf("journal-%d", m.made)),
		Loops: 1 + r.IntN(3), Sync: m.sync, Go: r.IntN(3) > 0, Retain: []int64{0, 100 << 10, 1 << 40}[r.IntN(3)],
		Where: crashWhere[r.IntN(len(crashWhere))], Errno: diskErrors[r.IntN(len(diskErrors))], Forever: r.IntN(2) == 0,
	}
	s.Nth = 1 + r.IntN(8)
	if s.Where == "any" || s.Where == "log" {
		s.Nth = 30 + r.IntN(50) // past the start
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	l := m.ledger
	l.closed.Store(false)
	l.refused = func(status int) bool { return status == http.StatusServiceUnavailable }
	p := launchLine(m.t, []string{crashVariable + "=" + string(text)}, os.Args[0])
	failed := func() bool { return strings.Contains(p.log.String(), "the log has failed: nothing more is written") }
	l.failed = failed
	if p.started() {
		if err := l.audit(m.t, p); err != nil {
			// Where the log fails meanwhile, an object whose alarm has just rung cannot be read.
			if missing := (*lostError)(nil); errors.As(err, &missing) || !failed() {
				return err
			}
		}
		enough := l.acks.Load() + 300
		<-l.work(m.t, p, crashClients, r.Uint64(), func() bool { return l.acks.Load() > enough || failed() || m.t.Failed() })
		if failed() {
			// Whatever comes now is refused.
			for _, a := range l.objects {
				n, had := a.number, a.keys
				(&accountant{l, p.client}).take(m.t, a, 0)
				if a.number > n && !maps.Equal(had, a.keys) {
					return fmt.Errorf("%s: step %d of %s is acknowledged by a log that has failed: %+v", text, n+1, a.name, l.step(a, n+1, 0))
				}
			}
		}
		p.signal(syscall.SIGTERM)
	}
	code := p.exit()
	log := p.log.String()
	switch {
	case !s.Forever && (s.Where == "snapshot" || s.Where == "removal") && code != exitOK && p.client != nil:
		return fmt.Errorf("%s: it ended with %d:\n%s", text, code, tail(log, 4<<10))
	case code == exitFailed && !strings.Contains(log, s.Errno.Error()):
		return fmt.Errorf("%s: the log does not say %q:\n%s", text, s.Errno.Error(), tail(log, 4<<10))
	case code == exitFailed && p.client == nil:
		m.hits["start refused"]++
	case code == exitFailed:
		m.hits["log failed by "+s.Where]++
	case code == exitOK && strings.Contains(log, "a snapshot was given up"):
		m.hits["snapshot given up"]++
	case code == exitOK && !failed():
		m.hits["unharmed"]++
	default:
		return fmt.Errorf("%s: exit code %d:\n%s", text, code, tail(log, 4<<10))
	}
	op, err := m.disk.Follow(s.Journal)
	if err == nil && r.IntN(2) == 0 {
		return m.disk.Settle(op)
	}
	if err == nil {
		err = m.replace(m.disk)
	}
	return err
}

// TestFailingDisksOfProcesses runs real processes whose disk fails at an operation of a chosen kind: nothing is acknowledged that
// is not there after a restart or a power cut, the process says why, and a snapshot that cannot be written or a removal costs nothing.
func TestFailingDisksOfProcesses(t *testing.T) {
	t.Parallel()
	seed, rounds := crashPlan(t, 1, 5)
	m := newMachine(t, seed, "always")
	for round := range rounds {
		if err := m.failingLife(); err != nil || t.Failed() {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	m.hits.log(t, m.ledger.acks.Load())
	if rounds >= 40 && (m.hits["snapshot given up"] == 0 || m.hits["log failed by log"] == 0) {
		t.Error("no snapshot was given up, or no log has failed")
	}
}

// ramDir is a directory in memory, where there is one: what is durable in it is decided by a model, so a real disk only
// makes the test slow.
func ramDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "everloop-crash-") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestPowerCutsOfProcesses runs real processes, one after the other, on a directory whose power is cut at an operation of a chosen
// kind: no step that was acknowledged is lost, none is there in part, and no start is refused.
func TestPowerCutsOfProcesses(t *testing.T) {
	t.Parallel()
	seed, rounds := crashPlan(t, 3, 4)
	m := newMachine(t, seed, "always")
	for round := range rounds {
		if err := m.life(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	m.hits.log(t, m.ledger.acks.Load())
	m.mustHit(rounds)
}

// mustHit holds that each place was hit.
func (m *machine) mustHit(rounds int) {
	m.t.Helper()
	for _, where := range crashWhere {
		if m.hits[where] == 0 && rounds >= 100 {
			m.t.Errorf("no process was killed in %q", where)
		}
	}
}

// TestPowerCutsOfProcessesFindMissingSyncs: the same on a log that does not sync must find steps that were acknowledged and are
// gone. If it did not, it would not notice a forgotten fsync either.
func TestPowerCutsOfProcessesFindMissingSyncs(t *testing.T) {
	t.Parallel()
	seed, _ := crashPlan(t, 1, 1)
	m := newMachine(t, seed, "none")
	for round := range 40 {
		err := m.life()
		if gone := (*lostError)(nil); errors.As(err, &gone) {
			t.Logf("round %d: %v", round, err)
			return
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	t.Error("nothing was lost in 40 rounds")
}

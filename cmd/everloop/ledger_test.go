package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A ledger is what the crash tests know of the objects of one data directory, over all processes that had it. Each object takes
// one step after the other, each in one turn, and what a step does is drawn from the object and the step's number. So there are
// at most two things that an object may be after a crash: what the last acknowledged step made of it, or the step after
// that, if it was asked for.
type ledger struct {
	seed    uint64
	objects []*account
	mu      sync.Mutex // guards told
	told    map[string]map[string]int
	acks    atomic.Int64
	closed  atomic.Bool // the process is about to go: requests may fail from now on
	refused func(status int) bool
	failed  func() bool // the log has failed: no alarm rings any more
}

// account is one object. Of one client at a time.
type account struct {
	name   string
	bell   bool              // its steps set the alarm, too
	number int               // of the last step that was acknowledged, or found
	keys   map[string]string // what is stored after it
	asked  bool              // the step after that was asked for
}

// step is what an object does in one turn. The program of testdata/ledger has the same.
type step struct {
	Wipe   bool              `json:"wipe,omitempty"`
	Delete []string          `json:"delete,omitempty"`
	Put    map[string]string `json:"put,omitempty"`
	Alarm  int64             `json:"alarm,omitempty"` // milliseconds since 1970
	Tell   string            `json:"tell,omitempty"`  // the inbox that hears of it
	From   string            `json:"from,omitempty"`
	Number string            `json:"number,omitempty"`
}

// contents is what an object says of itself.
type contents struct {
	Keys  map[string]string `json:"keys"`
	Alarm *int64            `json:"alarm"`
}

const inboxes = 5

// farAway is the moment of alarms that nobody waits for: they are to be found as they were set.
var farAway = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func newLedger(seed uint64, objects int) *ledger {
	l := &ledger{seed: seed, told: map[string]map[string]int{}, refused: func(int) bool { return false }, failed: func() bool { return false }}
	for i := range objects {
		l.objects = append(l.objects, &account{name: fmt.Sprintf("o%d", i), bell: i%4 == 0, keys: map[string]string{}})
	}
	return l
}

// step draws step n of an object. near says when its alarm rings, unless it is far away.
func (l *ledger) step(a *account, n int, near int64) step {
	index, _ := strconv.Atoi(a.name[1:])
	r := rand.New(rand.NewPCG(l.seed<<16|uint64(index), uint64(n)))
	number := strconv.Itoa(n)
	s := step{Put: map[string]string{"number": number}}
	if a.bell {
		s.Put["armed"], s.Alarm = number, near
		if r.IntN(2) == 0 {
			s.Alarm = farAway + int64(n)
			s.Put["far"] = strconv.FormatInt(s.Alarm, 10)
		} else {
			s.Delete = []string{"far"}
		}
	} else {
		switch r.IntN(12) {
		case 0:
			return step{Wipe: true} // nothing is left of the object
		case 1:
			s.Wipe = true
		case 2, 3:
			s.Delete = []string{key(r), key(r)}
		case 4, 5:
			s.Tell, s.From, s.Number = fmt.Sprintf("i%d", r.IntN(inboxes)), a.name, number
		}
	}
	for range 1 + r.IntN(3) {
		size := r.IntN(100)
		switch r.IntN(40) {
		case 0:
			size = r.IntN(40000)
		case 1, 2, 3:
			size = r.IntN(4000)
		}
		s.Put[key(r)] = number + strings.Repeat(string(rune('a'+n%26)), size)
	}
	return s
}

func key(r *rand.Rand) string { return "k" + strconv.Itoa(r.IntN(8)) }

// after is what an object has stored after a step.
func (s *step) after(keys map[string]string) map[string]string {
	next := map[string]string{}
	if !s.Wipe {
		maps.Copy(next, keys)
	}
	for _, k := range s.Delete {
		delete(next, k)
	}
	maps.Copy(next, s.Put)
	return next
}

// accountant is a client with one connection.
type accountant struct {
	l      *ledger
	client *http.Client
}

// post asks for a path with a body.
func (c *accountant) post(path string, body any) (status int, answer []byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.client.Post("http://everloop"+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// take has an object take its next step, and reports whether the process still answers.
func (c *accountant) take(t *testing.T, a *account, near int64) bool {
	s := c.l.step(a, a.number+1, near)
	a.asked = true
	status, answer, err := c.post("/ledger/"+a.name, &s)
	if err != nil {
		if !c.l.closed.Load() {
			t.Errorf("before the process was to end: %v", err)
		}
		return false
	}
	if status != http.StatusOK || string(answer) != "taken" {
		if c.l.refused(status) {
			return true // the step may have been taken or not: it is asked for again
		}
		t.Errorf("step %d of %s: %d %q", a.number+1, a.name, status, answer)
		return false
	}
	a.number, a.keys, a.asked = a.number+1, s.after(a.keys), false
	if s.Tell != "" {
		c.l.mu.Lock()
		if c.l.told[s.Tell] == nil {
			c.l.told[s.Tell] = map[string]int{}
		}
		c.l.told[s.Tell][a.name] = a.number
		c.l.mu.Unlock()
	}
	c.l.acks.Add(1)
	return true
}

// work has conns clients give steps to the objects until the process has gone, or done says so. The channel is closed when all
// have ended.
func (l *ledger) work(t *testing.T, p *process, conns int, seed uint64, done func() bool) <-chan struct{} {
	var clients sync.WaitGroup
	for i := range conns {
		clients.Go(func() {
			c := &accountant{l, p.newClient(1)}
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			mine := (len(l.objects) - i + conns - 1) / conns // every conns-th, from i on
			for !done() {
				a := l.objects[i+conns*r.IntN(mine)]
				if !c.take(t, a, time.Now().UnixMilli()+r.Int64N(60)) {
					return
				}
			}
		})
	}
	all := make(chan struct{})
	go func() { clients.Wait(); close(all) }()
	return all
}

// audit reads every object of a process that has just started and holds it against what is known. What it has found counts as
// acknowledged from then on, as it was shown.
func (l *ledger) audit(t *testing.T, p *process) error {
	const conns = 8
	var clients sync.WaitGroup
	faults := make(chan error, len(l.objects)+inboxes)
	next := make(chan *account)
	for range conns {
		clients.Go(func() {
			c := &accountant{l, p.newClient(1)}
			for a := range next {
				if err := c.audit(a); err != nil {
					faults <- err
				}
			}
		})
	}
	for _, a := range l.objects {
		next <- a
	}
	close(next)
	clients.Wait()
	if len(faults) > 0 {
		return <-faults
	}
	return l.auditInboxes(&accountant{l, p.newClient(1)})
}

func (c *accountant) read(path string) (found contents, err error) {
	status, answer, err := c.post(path, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, answer)
	}
	if err == nil {
		err = json.Unmarshal(answer, &found)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return found, err
}

// A lostError says that something is not as it was acknowledged.
type lostError struct{ text string }

func (e *lostError) Error() string { return e.text }

func gone(format string, args ...any) error { return &lostError{fmt.Sprintf(format, args...)} }

func (c *accountant) audit(a *account) error {
	path := "/ledger/" + a.name + "/read"
	found, err := c.read(path)
	if err != nil {
		return err
	}
	rung := found.Keys["rung"]
	delete(found.Keys, "rung")
	step := c.l.step(a, a.number+1, 0)
	switch {
	case maps.Equal(found.Keys, a.keys):
	case a.asked && maps.Equal(found.Keys, step.after(a.keys)):
		a.number, a.keys = a.number+1, step.after(a.keys)
	default:
		return gone("%s is neither what step %d made of it, which was acknowledged, nor step %d (asked for: %v): %s",
			a.name, a.number, a.number+1, a.asked, difference(found.Keys, a.keys))
	}
	a.asked = false
	if !a.bell || a.number == 0 {
		return nil
	}
	if n, _ := strconv.Atoi(rung); n > a.number {
		return gone("%s: the alarm of step %s has rung, but the step is gone", a.name, rung)
	}
	if far := a.keys["far"]; far != "" {
		if found.Alarm == nil || strconv.FormatInt(*found.Alarm, 10) != far {
			return gone("%s: the alarm of step %d was set to %s and is %s", a.name, a.number, far, alarmText(found.Alarm))
		}
		return nil
	}
	// The alarm is set, or running, or has run. It was to ring long ago or very soon.
	for end := time.Now().Add(patience); rung != a.keys["armed"]; time.Sleep(5 * time.Millisecond) { // between two looks
		if c.l.failed() {
			return nil
		}
		if time.Now().After(end) {
			return gone("%s: the alarm of step %d does not ring, it is %s", a.name, a.number, alarmText(found.Alarm))
		}
		if found, err = c.read(path); err != nil {
			return err
		}
		rung = found.Keys["rung"]
	}
	return nil
}

func alarmText(ms *int64) string {
	if ms == nil {
		return "not set"
	}
	return "set to " + strconv.FormatInt(*ms, 10)
}

// difference names the first key in which two objects differ.
func difference(found, want map[string]string) string {
	all := maps.Clone(found)
	maps.Copy(all, want)
	for k := range all {
		if found[k] != want[k] {
			return fmt.Sprintf("%s is %.12q of %d bytes, was %.12q of %d; the number found is %q", k, found[k], len(found[k]), want[k], len(want[k]), found["number"])
		}
	}
	return "they are equal"
}

// auditInboxes holds that what was told is there if it was acknowledged, and that nobody has heard of a step that is gone.
func (l *ledger) auditInboxes(c *accountant) error {
	numbers := map[string]int{}
	for _, a := range l.objects {
		numbers[a.name] = a.number
	}
	for i := range inboxes {
		inbox := fmt.Sprintf("i%d", i)
		found, err := c.read("/inbox/" + inbox + "/read")
		if err != nil {
			return err
		}
		for from, text := range found.Keys {
			if n, _ := strconv.Atoi(text); n > numbers[from] {
				return gone("%s has heard of step %d of %s, which is at step %d", inbox, n, from, numbers[from])
			}
		}
		for from, n := range l.told[inbox] {
			if got, _ := strconv.Atoi(found.Keys[from]); got < n {
				return gone("%s has not heard of step %d of %s, which was acknowledged, but of %d", inbox, n, from, got)
			}
		}
	}
	return nil
}

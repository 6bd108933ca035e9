package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tally is what the clients know of one counter. Guarded by killing.mu.
type tally struct {
	sent   int // increments that were asked for
	acked  int // the highest count that was answered
	counts map[int]bool
}

// killing is a run of clients against processes that are killed, one after the other on one data directory.
type killing struct {
	t       *testing.T
	mu      sync.Mutex
	tallies []tally
	acks    atomic.Int64
	ended   atomic.Bool // the process is about to be killed: requests may fail from now on

	snapshots bool // are made: then a start reads fewer records than there were increments
}

// TestKill holds that no increment that was acknowledged is lost, nor done twice, when the process is killed under load.
func TestKill(t *testing.T) {
	const conns, counters = 64, 100
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	data := t.TempDir()
	k := &killing{t: t, tallies: make([]tally, counters)}
	for i := range k.tallies {
		k.tallies[i].counts = map[int]bool{}
	}
	for round := range rounds {
		// The number of loops can change between starts.
		p := serve(t, counter, "--data", data, "--loops", strconv.Itoa(1+round%2))
		k.verify(p)
		k.ended.Store(false)
		k.acks.Store(0)
		enough := 1 + random.Int64N(3000)
		var clients sync.WaitGroup
		for i := range conns {
			clients.Go(func() { k.increment(p, rand.New(rand.NewPCG(seed, uint64(1+round*conns+i)))) })
		}
		waitFor(t, "acknowledged increments", func() bool { return k.acks.Load() >= enough || t.Failed() })
		k.ended.Store(true)
		p.kill()
		clients.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	p := serve(t, counter, "--data", data)
	k.verify(p)
	p.stop()
	total := 0
	for i := range k.tallies {
		total += len(k.tallies[i].counts)
	}
	t.Logf("%d increments acknowledged in %d lives", total, rounds+1)
}

// increment is a client with one connection: it increments random counters until the process has gone.
func (k *killing) increment(p *process, random *rand.Rand) {
	client := p.newClient(1)
	for {
		i := random.IntN(len(k.tallies))
		k.mu.Lock()
		k.tallies[i].sent++
		k.mu.Unlock()
		status, body, err := ask(client, fmt.Sprintf("/counter-%d", i))
		if err != nil {
			if !k.ended.Load() {
				k.t.Errorf("before the kill: %v", err)
			}
			return
		}
		if !k.acknowledged(i, status, body) {
			return
		}
	}
}

// acknowledged notes an answer. A count that was answered before means that an increment was lost.
func (k *killing) acknowledged(i, status int, body string) bool {
	n, err := strconv.Atoi(strings.TrimSuffix(body, "\n"))
	if err != nil || status != 200 {
		k.t.Errorf("counter %d: %d %q", i, status, body)
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &k.tallies[i]
	if c.counts[n] {
		k.t.Errorf("counter %d: %d was answered twice: an acknowledged increment was lost", i, n)
	}
	if n > c.sent {
		k.t.Errorf("counter %d is %d after %d increments", i, n, c.sent)
	}
	c.counts[n] = true
	c.acked = max(c.acked, n)
	k.acks.Add(1)
	return true
}

// verify increments every counter once. The answer is one more than what survived.
func (k *killing) verify(p *process) {
	k.t.Helper()
	records, _ := strconv.Atoi(p.reported(`recovered +\d+ objects? from (\d+) record`))
	objects, _ := strconv.Atoi(p.reported(`recovered +(\d+) object`))
	least, touched := 0, 0
	for i := range k.tallies {
		c := &k.tallies[i]
		if c.acked > 0 {
			touched++
		}
		least += len(c.counts)
		acked := c.acked
		c.sent++
		status, body := p.get(fmt.Sprintf("/counter-%d", i))
		if !k.acknowledged(i, status, body) {
			continue
		}
		if c.acked <= acked {
			k.t.Errorf("counter %d: %s after a restart, but %d was acknowledged", i, strings.TrimSpace(body), acked)
		}
	}
	if objects < touched || !k.snapshots && records < least {
		k.t.Errorf("recovered %d objects from %d records; acknowledged were %d increments of %d objects:\n%s", objects, records, least, touched, &p.out)
	}
}

package enginetest_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// A model of the rule by which a snapshot is installed, small enough to be believed: objects of a few keys on one to three loops,
// their records in one log, commits and syncs, a snapshot that is scanned a slot at a time while all goes on, power cuts, and
// starts. It shares no code with the engine. The rule is played as it is and with one part of it taken away, so that each part is seen
// to be needed.

// installRule is what is taken away. The zero value is the rule.
type installRule struct {
	noWait      bool // the manifest does not wait until the log is synced past the barrier
	noRefusal   bool // a log that ends before the barrier is taken for a whole one
	highestTag  bool // the barrier is the highest tag, not the last number when the scan ended
	noSkip      bool // records that are at or below an object's tag are applied again
	skipBarrier bool // all records at or below the barrier are skipped, whatever the tag
	skipOneLess bool // a record that is the one of the tag is applied again
	insideTurn  bool // slices are taken inside a turn, before what it wrote has a number
}

// modelRecord is one record: what a turn did to an object.
type modelRecord struct {
	n      int
	object int
	op     string // put, delete, vanish, stage, restore
	key    int
	value  int
}

// modelObject is an object's storage: values by key, and what is staged to replace them.
type modelObject struct {
	tag    int // the number of its last record
	keys   map[int]int
	staged map[int]int
}

func (o *modelObject) apply(r *modelRecord) {
	o.tag = r.n
	switch r.op {
	case "put":
		o.keys[r.key] = r.value
	case "delete":
		delete(o.keys, r.key)
	case "vanish":
		clear(o.keys)
		clear(o.staged)
	case "stage":
		o.staged[r.key] = r.value
	case "restore":
		o.keys, o.staged = o.staged, map[int]int{}
	}
}

func (o *modelObject) clone() *modelObject {
	return &modelObject{o.tag, maps.Clone(o.keys), maps.Clone(o.staged)}
}

func (o *modelObject) empty() bool { return len(o.keys) == 0 && len(o.staged) == 0 }

// modelState is all objects by name. What holds nothing is not there.
type modelState map[int]*modelObject

func (s modelState) apply(r *modelRecord) {
	o := s[r.object]
	if o == nil {
		o = &modelObject{keys: map[int]int{}, staged: map[int]int{}}
		s[r.object] = o
	}
	o.apply(r)
}

func (s modelState) dropEmpty() {
	for name, o := range s {
		if o.empty() {
			delete(s, name)
		}
	}
}

func (s modelState) clone() modelState {
	c := modelState{}
	for name, o := range s {
		c[name] = o.clone()
	}
	return c
}

// holds reports whether an object is the same in both states, numbers aside.
func (s modelState) holds(name int, o modelState) bool {
	a, b := s[name], o[name]
	if a == nil || b == nil {
		return (a == nil || a.empty()) && (b == nil || b.empty())
	}
	return maps.Equal(a.keys, b.keys) && maps.Equal(a.staged, b.staged)
}

// modelSnapshot is a snapshot that is installed or being made.
type modelSnapshot struct {
	generation int // the first number of the generation that it stands in front of
	objects    modelState
	barrier    int
	at         []int // the slot that each loop comes to next
	scanned    bool
}

// modelEngine is one history.
type modelEngine struct {
	installRule
	r        *rand.Rand
	loops    int
	tables   [][]int // the objects in the slots of each loop; 0: free
	state    modelState
	handed   []modelRecord // of this life
	open     *modelRecord  // with insideTurn: of a turn that has written and has no number yet
	written  int           // the operating system has the log up to this number
	durable  int           // and the disk
	last     int
	log      []modelRecord  // that a start would read: of the generation behind the snapshot that is installed
	snapshot *modelSnapshot // installed
	making   *modelSnapshot

	start    modelState // that this life began with
	startsAt int        // the number before its first
	counts   struct{ snapshots, crashes, whileMaking, vanished int }
}

const modelObjects = 7

func (m *modelEngine) loopOf(object int) int { return object % m.loops }

// act does one thing.
func (m *modelEngine) act() {
	switch n := m.r.IntN(20); {
	case m.open != nil && n < 10:
		m.handOver(*m.open)
		m.open = nil
	case n < 11:
		m.write()
	case n < 13:
		m.written = m.last
	case n < 14:
		m.written = m.last
		m.durable = m.written
	case m.making == nil:
		if m.r.IntN(3) == 0 {
			m.begin()
		}
	case !m.making.scanned:
		m.slice()
	case n < 19:
		m.install()
	default:
		m.making = nil // given up; its generation stays
	}
}

// write is a turn of one object.
func (m *modelEngine) write() {
	if m.open != nil {
		return
	}
	r := modelRecord{
		object: 1 + m.r.IntN(modelObjects), key: m.r.IntN(3), value: m.r.IntN(1000),
		op: []string{"put", "put", "put", "delete", "vanish", "stage", "restore"}[m.r.IntN(7)],
	}
	o := m.state[r.object]
	if r.op == "restore" && (o == nil || len(o.staged) == 0) {
		r.op = "put" // an object only restores what it has staged
	}
	if m.insideTurn {
		tag := 0
		if o != nil {
			tag = o.tag
		}
		m.state.apply(&r)
		m.state[r.object].tag = tag
		m.place(r.object)
		m.open = &r
		return
	}
	m.handOver(r)
}

// handOver gives a record its number.
func (m *modelEngine) handOver(r modelRecord) {
	m.last++
	r.n = m.last
	m.state.apply(&r)
	m.handed = append(m.handed, r)
	m.log = append(m.log, r)
	m.place(r.object)
}

// place gives an object its slot, or frees it.
func (m *modelEngine) place(object int) {
	t := &m.tables[m.loopOf(object)]
	slot, free := -1, -1
	for i, o := range *t {
		switch {
		case o == object:
			slot = i
		case o == 0 && free < 0:
			free = i
		}
	}
	switch {
	case m.state[object].empty():
		delete(m.state, object)
		if slot >= 0 {
			(*t)[slot] = 0
			if m.making != nil {
				m.counts.vanished++
			}
		}
	case slot >= 0:
	case free >= 0:
		(*t)[free] = object
	default:
		*t = append(*t, object)
	}
}

// begin rotates the log: everything before the new generation is on the disk.
func (m *modelEngine) begin() {
	m.written = m.last
	m.durable = m.last
	m.making = &modelSnapshot{generation: m.last + 1, objects: modelState{}, at: make([]int, m.loops)}
}

// slice encodes an object or two of one loop.
func (m *modelEngine) slice() {
	s := m.making
	loop := m.r.IntN(m.loops)
	for range 1 + m.r.IntN(2) {
		if s.at[loop] == len(m.tables[loop]) {
			break
		}
		if name := m.tables[loop][s.at[loop]]; name != 0 {
			s.objects[name] = m.state[name].clone()
		}
		s.at[loop]++
	}
	for i := range s.at {
		if s.at[i] < len(m.tables[i]) {
			return
		}
	}
	s.scanned = true
	s.barrier = m.last
	if m.highestTag {
		s.barrier = 0
		for _, o := range s.objects {
			s.barrier = max(s.barrier, o.tag)
		}
	}
}

// install makes a snapshot the one that a start reads, and drops what is before it.
func (m *modelEngine) install() {
	s := m.making
	if !m.noWait && m.durable < s.barrier {
		m.written = m.last
		m.durable = m.last
	}
	m.counts.snapshots++
	m.snapshot, m.making = s, nil
	behind := m.log[:0:0]
	for _, r := range m.log {
		if r.n >= s.generation {
			behind = append(behind, r)
		}
	}
	m.log = behind
}

// verdict says what a start was like, the worst last.
type verdict int

const (
	modelRight    verdict = iota
	modelRefused          // the log ends before the barrier, and the start is refused
	modelPhantoms         // an object holds what it held at no moment that the log reaches; nothing acknowledged is lost
	modelLost             // something acknowledged is lost
)

// crash cuts the power and starts again.
func (m *modelEngine) crash() verdict {
	m.counts.crashes++
	if m.making != nil {
		m.counts.whileMaking++
	}
	end := m.durable
	if m.written > end {
		end += m.r.IntN(m.written - end + 1)
	}
	if m.snapshot != nil && end < m.snapshot.barrier && !m.noRefusal {
		return modelRefused
	}
	got := modelState{}
	if m.snapshot != nil {
		got = m.snapshot.objects.clone()
	}
	kept := m.log[:0:0]
	for _, r := range m.log {
		if r.n > end {
			continue
		}
		kept = append(kept, r)
		o := got[r.object]
		switch {
		case m.skipBarrier && m.snapshot != nil && r.n <= m.snapshot.barrier:
		case !m.noSkip && !m.skipOneLess && o != nil && r.n <= o.tag:
		case m.skipOneLess && o != nil && r.n < o.tag:
		default:
			got.apply(&r)
		}
	}
	got.dropEmpty()

	// What every prefix of the log from the last acknowledged record on would have been.
	v := modelRight
	at := m.start.clone()
	acknowledged := map[int]bool{}
	for i := 0; i <= len(m.handed); i++ {
		n := m.startsAt + i
		if n >= m.durable {
			for name := range modelObjects {
				if got.holds(name+1, at) {
					acknowledged[name+1] = true
				} else if n == end {
					v = modelPhantoms
				}
			}
		}
		if i < len(m.handed) {
			at.apply(&m.handed[i])
		}
	}
	if len(acknowledged) < modelObjects {
		v = modelLost
	}
	// The next life goes on from what was found: numbers behind the log's end are given again.
	m.log, m.handed, m.open, m.making = kept, nil, nil, nil
	m.state, m.start = got, got.clone()
	m.last, m.written, m.durable, m.startsAt = end, end, end, end
	m.loops = 1 + m.r.IntN(3)
	m.tables = make([][]int, m.loops)
	for name := range modelObjects {
		if m.state[name+1] != nil {
			m.place(name + 1)
		}
	}
	return v
}

// play runs one history and returns the worst that a start of it was.
func (m *modelEngine) play() verdict {
	worst := modelRight
	for range 6 {
		for range 10 + m.r.IntN(80) {
			m.act()
		}
		v := m.crash()
		worst = max(worst, v)
		if v == modelRefused || v == modelLost {
			break
		}
	}
	return worst
}

func playInstall(seed uint64, rule installRule) (verdict, *modelEngine) {
	r := rand.New(rand.NewPCG(seed, 0x696e7374))
	m := &modelEngine{installRule: rule, r: r, loops: 1 + r.IntN(3), state: modelState{}, start: modelState{}}
	m.tables = make([][]int, m.loops)
	return m.play(), m
}

// The rule keeps everything in every history, and no part of it can go.
func TestInstallRule(t *testing.T) {
	histories := uint64(2000)
	switch {
	case *seedsFlag != 0:
		histories = *seedsFlag
	case raceEnabled:
		histories = 500
	}
	for _, c := range []struct {
		name string
		rule installRule
		bad  verdict // what must be seen; modelRight: nothing else may be
	}{
		{"the rule", installRule{}, modelRight},
		{"without waiting for the log", installRule{noWait: true, noRefusal: true}, modelLost},
		{"without waiting, refusing short logs", installRule{noWait: true}, modelRefused},
		{"highest tag as barrier", installRule{highestTag: true}, modelLost},
		{"records applied again", installRule{noSkip: true}, modelLost},
		{"the tag's record applied again", installRule{skipOneLess: true}, modelLost},
		{"records skipped by the barrier", installRule{skipBarrier: true}, modelLost},
		{"slices inside turns", installRule{insideTurn: true}, modelPhantoms},
	} {
		t.Run(c.name, func(t *testing.T) {
			var seen [modelLost + 1]int
			var total modelEngine
			for seed := uint64(1); seed <= histories; seed++ {
				v, m := playInstall(seed, c.rule)
				seen[v]++
				total.counts.snapshots += m.counts.snapshots
				total.counts.crashes += m.counts.crashes
				total.counts.whileMaking += m.counts.whileMaking
				total.counts.vanished += m.counts.vanished
				if c.bad == modelRight && v != modelRight {
					t.Fatalf("-seed %d: verdict %d", seed, v)
				}
			}
			t.Logf("%d histories: %d lose acknowledged writes, %d have effects of writes that are lost, %d do not start, %d are right (%s)",
				histories, seen[modelLost], seen[modelPhantoms], seen[modelRefused], seen[modelRight],
				fmt.Sprintf("%d snapshots, %d crashes, %d inside a snapshot, objects vanished inside one %d times",
					total.counts.snapshots, total.counts.crashes, total.counts.whileMaking, total.counts.vanished))
			if seen[c.bad] == 0 {
				t.Errorf("nothing of what this must lead to was seen")
			}
		})
	}
}

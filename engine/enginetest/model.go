package enginetest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"everloop/wal"
)

// maxObjects bounds the population, so that a clock is a plain value.
const maxObjects = 6

// clock is a vector clock: for each object, the highest version that somebody has learnt of.
type clock [maxObjects]int32

func (c *clock) merge(o *clock) {
	for i := range c {
		c[i] = max(c[i], o[i])
	}
}

// knowledge is what an instance, a message or an answer could reveal. seen is everything: an effect of it must
// never survive without it. must leaves out what was written with AllowUnconfirmed: nothing of it may leave the
// process before it is durable.
type knowledge struct{ seen, must clock }

func (k *knowledge) merge(o *knowledge) {
	k.seen.merge(&o.seen)
	k.must.merge(&o.must)
}

// content is what an object has stored: the first eight bytes of each value, and its alarm; see alarmKey.
type content map[string]uint64

// stampKey holds the version. Every turn that writes writes it, too, but for one that ends in DeleteAll.
const stampKey = "version"

func (c content) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, k := range slices.Sorted(maps.Keys(c)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s:%d", k, c[k])
	}
	b.WriteByte('}')
	return b.String()
}

// encode makes a stored value of a number. Some are long, so that what lies behind them moves.
func encode(n uint64) []byte {
	size := 8
	switch {
	case n%101 == 0:
		size = 9000
	case n%7 == 0:
		size = 300
	}
	b := make([]byte, size)
	binary.BigEndian.PutUint64(b, n)
	return b
}

func decode(b []byte) uint64 {
	if len(b) < 8 {
		return math.MaxUint64
	}
	return binary.BigEndian.Uint64(b)
}

// version is what an object's storage holds after one writing turn.
type version struct {
	n       int32
	content content
	knows   knowledge // of the instance, at the end of that turn
	lsn     wal.LSN   // of its record; 0: read back at a start, and so durable
}

// lost is the number of a record that the log has refused.
const lost = wal.LSN(math.MaxUint64)

// object is the model of one object: plain content, and the sequence of its versions since the last start. It is
// written by the code of the object itself, beside each write to the real storage.
type object struct {
	index int
	name  string
	id    [32]byte
	plain bool // of the class that may be a Direct one

	content  content   // as it is now, without what an open transaction holds
	versions []version // the first is what the last start found
	last     int32     // the version given out last; numbers are never used again
	pending  *pending  // what the running turn has written
	handed   int       // records seen so far

	told  int32          // the highest version that somebody outside was told of
	taken map[int32]bool // versions that were taken back
	inst  *instance      // the newest

	bookmarks []bookmark // that it was told

	run     *run   // of its alarm, the last
	retries uint64 // of its alarm: runs that have failed and count
	dropped bool   // its run was aborted for good, or deleted: it need not be tried again
	overdue bool   // its alarm may have been due at the start
}

// pending is the writes of the running turn.
type pending struct {
	n         int32
	before    content
	retries   uint64
	confirmed bool
}

func newObject(i int) *object {
	o := &object{index: i, name: fmt.Sprint("o", i), content: content{}, taken: map[int32]bool{}}
	o.versions = []version{{content: content{}}}
	return o
}

// stamp is the version that the running turn has, or gets if it writes.
func (o *object) stamp() int32 {
	if o.pending != nil {
		return o.pending.n
	}
	return o.last + 1
}

// writing makes sure that the running turn has a version.
func (o *object) writing() *pending {
	if o.pending == nil {
		o.last++
		o.pending = &pending{n: o.last, before: maps.Clone(o.content), retries: o.retries}
	}
	return o.pending
}

// takeBack undoes the running turn.
func (o *object) takeBack() {
	if o.pending != nil {
		o.taken[o.pending.n] = true
		o.content, o.retries = o.pending.before, o.pending.retries
		o.pending = nil
	}
}

// seal is called with the record of the running turn.
func (o *object) seal(lsn wal.LSN) {
	o.handed++
	if o.pending == nil {
		// A further record of the same turn: the engine promises that there is none, but whether that
		// has done harm only a crash in between can show.
		v := &o.versions[len(o.versions)-1]
		v.lsn = max(v.lsn, lsn)
		return
	}
	o.versions = append(o.versions, version{
		n: o.pending.n, content: maps.Clone(o.content), knows: o.inst.knows, lsn: lsn,
	})
	o.pending = nil
}

// at is the version that a log which ends with record lsn leaves.
func (o *object) at(lsn wal.LSN) version {
	for i := len(o.versions) - 1; i >= 0; i-- {
		if o.versions[i].lsn <= lsn {
			return o.versions[i]
		}
	}
	return version{}
}

// restart makes v the first version of a new life.
func (o *object) restart(v version) {
	v.lsn = 0
	o.content, o.versions, o.pending, o.inst = maps.Clone(v.content), []version{v}, nil, nil
	o.run, o.retries, o.dropped, o.overdue = nil, v.content[retriesKey], false, true
}

// awake is what a new instance knows: what is stored.
func (o *object) awake() knowledge { return o.versions[len(o.versions)-1].knows }

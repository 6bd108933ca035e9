package kv

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random histories; 0 draws one")

func newRand(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (run again with -seed=%d)", seed, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// model is a Layer made of a map: slow and plain.
type model map[string]string

func (m model) scan(r Range) (out []string) {
	keys := slices.Sorted(maps.Keys(m))
	if r.Reverse {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		switch {
		case k < r.Start, r.HasStartAfter && k <= r.StartAfter, r.HasEnd && k >= r.End, !strings.HasPrefix(k, r.Prefix):
			continue
		}
		if r.Limit > 0 && len(out) == r.Limit {
			break
		}
		out = append(out, k+"="+m[k])
	}
	return out
}

func scanAll(l Layer, r Range) (out []string) {
	l.Scan(r, func(k, v []byte) bool {
		out = append(out, string(k)+"="+string(v))
		return true
	})
	return out
}

func randomKey(r *rand.Rand, space int) string {
	// Few letters, so that keys are prefixes of each other; now and then the empty key, 0xff, a long key.
	switch r.IntN(40) {
	case 0:
		return ""
	case 1:
		return strings.Repeat("\xff", r.IntN(3)+1)
	case 2:
		return "long" + strings.Repeat("k", 120+r.IntN(20))
	}
	n := r.IntN(space)
	b := []byte{}
	for ; n > 0; n /= 4 {
		b = append(b, "ab\xffc"[n%4])
	}
	return string(b)
}

func randomRange(r *rand.Rand, space int) Range {
	q := Range{Reverse: r.IntN(2) == 0}
	if r.IntN(3) == 0 {
		q.Start = randomKey(r, space)
	} else if r.IntN(3) == 0 {
		q.StartAfter, q.HasStartAfter = randomKey(r, space), true
	}
	if r.IntN(3) == 0 {
		q.End, q.HasEnd = randomKey(r, space), true
	}
	if r.IntN(3) == 0 {
		q.Prefix = randomKey(r, space)
		q.Prefix = q.Prefix[:min(len(q.Prefix), 2)]
	}
	if r.IntN(3) == 0 {
		q.Limit = r.IntN(12)
	}
	return q
}

func randomValue(r *rand.Rand, most int) []byte {
	b := make([]byte, r.IntN(most+1))
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return b
}

// checkStore looks at what a history cannot see: the form, its border and the accounting.
func checkStore(t *testing.T, s *Store, m model) {
	t.Helper()
	payload := 0
	for k, v := range m {
		payload += len(k) + len(v)
	}
	if got := s.Payload(); got != payload {
		t.Fatalf("payload %d, want %d", got, payload)
	}
	if s.tree() == nil {
		p := s.packed()
		if len(p) > MaxPackedBytes || p.count() > MaxPackedEntries {
			t.Fatalf("packed form of %d bytes and %d entries is beyond its border", len(p), p.count())
		}
		if len(m) == 0 && *s != (Store{}) {
			t.Fatalf("an empty store holds %d bytes", s.Bytes())
		}
		if cap(p) >= 128 && len(p) < cap(p)/2-8 {
			t.Fatalf("packed form of %d bytes holds on to %d", len(p), cap(p))
		}
	} else if len(m) <= repackEntries && payload <= repackBytes {
		t.Fatalf("%d entries with %d bytes are still a tree", len(m), payload)
	}
}

// TestHistories runs random histories over stores and nested transactions against the model. The number of
// keys in play and the size of values swing, so that the store crosses the border between its forms both ways.
func TestHistories(t *testing.T) {
	r := newRand(t)
	crossings := 0
	for round := range 60 {
		var store Store
		type level struct {
			layer Layer
			model model
		}
		levels := []level{{&store, model{}}}
		space, most, wasTree := 8, 20, false
		for step := range 1500 {
			if step%100 == 0 {
				space = []int{4, 30, 300, 3000}[r.IntN(4)]
				most = []int{0, 20, 200, 2000}[r.IntN(4)]
			}
			top := &levels[len(levels)-1]
			key := randomKey(r, space)
			what := ""
			switch op := r.IntN(100); {
			case op < 40:
				v := randomValue(r, most)
				what = fmt.Sprintf("put %q %d bytes", key, len(v))
				top.layer.Put(key, v)
				top.model[key] = string(v)
				for i := range v {
					v[i] = '!' // the layer must have copied
				}
			case op < 45: // a value that is the layer's own memory
				from := randomKey(r, space)
				if v, ok := top.layer.Get(from); ok {
					what = fmt.Sprintf("put %q from %q", key, from)
					want := string(v)
					top.layer.Put(key, v)
					top.model[key] = want
				}
			case op < 70:
				what = fmt.Sprintf("delete %q", key)
				_, want := top.model[key]
				if got := top.layer.Delete(key); got != want {
					t.Fatalf("round %d step %d: %s: %v, want %v", round, step, what, got, want)
				}
				delete(top.model, key)
			case op < 72: // shrink
				what = "delete many"
				for k := range maps.Clone(top.model) {
					if r.IntN(8) != 0 {
						top.layer.Delete(k)
						delete(top.model, k)
					}
				}
			case op < 73:
				what = "delete all"
				top.layer.DeleteAll()
				clear(top.model)
			case op < 78 && len(levels) < 5:
				what = "begin"
				levels = append(levels, level{NewTx(top.layer), maps.Clone(top.model)})
			case op < 84 && len(levels) > 1:
				tx := top.layer.(*Tx)
				changed := maps.Clone(levels[len(levels)-2].model)
				tx.Changes(func(c Change) bool { applyToModel(t, changed, c); return true })
				if !maps.Equal(changed, top.model) {
					t.Fatalf("round %d step %d: the changes do not give what the transaction sees", round, step)
				}
				if !tx.Changed() && !maps.Equal(levels[len(levels)-2].model, top.model) {
					t.Fatalf("round %d step %d: Changed is false", round, step)
				}
				m := top.model
				levels = levels[:len(levels)-1]
				if op < 82 {
					what = "commit"
					tx.Commit()
					levels[len(levels)-1].model = m
				} else {
					what = "rollback"
					tx.Rollback()
				}
			default:
				q := randomRange(r, space)
				got, want := scanAll(top.layer, q), top.model.scan(q)
				if !slices.Equal(got, want) {
					t.Fatalf("round %d step %d: scan %+v:\n got %q\nwant %q", round, step, q, got, want)
				}
			}
			top = &levels[len(levels)-1]
			if got, want := top.layer.Len(), len(top.model); got != want {
				t.Fatalf("round %d step %d: %s: %d entries, want %d", round, step, what, got, want)
			}
			v, ok := top.layer.Get(key)
			if want, wantOK := top.model[key]; ok != wantOK || string(v) != want {
				t.Fatalf("round %d step %d: %s: get %q: %q %v, want %q %v", round, step, what, key, v, ok, want, wantOK)
			}
			if len(levels) == 1 {
				checkStore(t, &store, levels[0].model)
			}
			if isTree := store.tree() != nil; isTree != wasTree {
				crossings++
				wasTree = isTree
			}
		}
		for len(levels) > 1 {
			levels[len(levels)-1].layer.(*Tx).Commit()
			levels[len(levels)-2].model = levels[len(levels)-1].model
			levels = levels[:len(levels)-1]
		}
		if got, want := scanAll(&store, Range{}), levels[0].model.scan(Range{}); !slices.Equal(got, want) {
			t.Fatalf("round %d: at the end:\n got %q\nwant %q", round, got, want)
		}
	}
	if crossings < 50 {
		t.Fatalf("the histories crossed the border between the forms only %d times", crossings)
	}
}

func applyToModel(t *testing.T, m model, c Change) {
	t.Helper()
	switch c.Kind {
	case ChangeDeleteAll:
		clear(m)
	case ChangeDelete:
		if _, ok := m[c.Key]; !ok {
			t.Fatalf("a change deletes %q, which is not there", c.Key)
		}
		delete(m, c.Key)
	case ChangePut:
		m[strings.Clone(c.Key)] = string(c.Value)
	}
}

func TestScanStops(t *testing.T) {
	for _, n := range []int{3, 500} {
		var s Store
		for i := range n {
			s.Put(fmt.Sprintf("%04d", i), nil)
		}
		tx := NewTx(&s)
		tx.Put("0001", []byte("x"))
		tx.Put("zz", nil)
		for _, l := range []Layer{&s, tx} {
			for _, reverse := range []bool{false, true} {
				for stop := 1; stop <= 3; stop++ {
					calls := 0
					l.Scan(Range{Reverse: reverse}, func(_, _ []byte) bool { calls++; return calls < stop })
					if calls != stop {
						t.Errorf("%T of %d: %d calls, want %d", l, n, calls, stop)
					}
				}
			}
		}
	}
}

func TestEmptyValueIsThere(t *testing.T) {
	var s Store
	for i := range 200 {
		key := fmt.Sprint(i)
		s.Put(key, nil)
		if v, ok := s.Get(key); !ok || v == nil || len(v) != 0 {
			t.Fatalf("entry %d: %v %v", i, v, ok)
		}
	}
}

// TestKeysAreCopied: keys often alias a record or a frame that is overwritten later.
func TestKeysAreCopied(t *testing.T) {
	for _, n := range []int{1, 300} {
		var s Store
		key := make([]byte, 5)
		for i := range n {
			copy(key, fmt.Sprintf("%05d", i))
			s.Put(unsafeString(key), []byte("first"))
			s.Put(unsafeString(key), []byte("longer than before"))
		}
		copy(key, "-----")
		for i := range n {
			if v, ok := s.Get(fmt.Sprintf("%05d", i)); !ok || !bytes.Equal(v, []byte("longer than before")) {
				t.Fatalf("%d keys: key %d is lost", n, i)
			}
		}
	}
}

func TestTxMisuse(t *testing.T) {
	var s Store
	tx := NewTx(&s)
	tx.Commit()
	for name, f := range map[string]func(){
		"get": func() { tx.Get("a") }, "put": func() { tx.Put("a", nil) }, "commit": func() { tx.Commit() },
		"rollback": func() { tx.Rollback() }, "scan": func() { tx.Scan(Range{}, nil) }, "len": func() { tx.Len() },
		"delete": func() { tx.Delete("a") }, "delete all": func() { tx.DeleteAll() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s after commit did not panic", name)
				}
			}()
			f()
		}()
	}
	tx.Reset(&s)
	tx.Put("a", []byte("1"))
	tx.Commit()
	if v, _ := s.Get("a"); string(v) != "1" {
		t.Errorf("a transaction does not work after Reset: %q", v)
	}
}

func TestRangeCorners(t *testing.T) {
	keys := []string{"", "a", "a\x00", "ab", "b", "\xff", "\xff\xff"}
	for _, pad := range []int{0, 200} { // both forms
		var s Store
		for _, k := range keys {
			s.Put(k, nil)
		}
		for i := range pad {
			s.Put(fmt.Sprintf("m%03d", i), nil)
		}
		tests := []struct {
			name string
			r    Range
			want string
		}{
			{"start after the empty key", Range{HasStartAfter: true, End: "b", HasEnd: true}, `["a=" "a\x00=" "ab="]`},
			{"end at the empty key", Range{HasEnd: true}, `[]`},
			{"the whole of 0xff", Range{Prefix: "\xff"}, `["\xff=" "\xff\xff="]`},
			{"the whole of 0xff, backwards", Range{Prefix: "\xff", Reverse: true}, `["\xff\xff=" "\xff="]`},
			{"start stays the lower bound backwards", Range{Start: "ab", End: "c", HasEnd: true, Reverse: true}, `["b=" "ab="]`},
			{"a limit counts from the far end backwards", Range{End: "c", HasEnd: true, Reverse: true, Limit: 2}, `["b=" "ab="]`},
			{"prefix and start after within", Range{Prefix: "a", StartAfter: "a", HasStartAfter: true}, `["a\x00=" "ab="]`},
			{"prefix below start", Range{Prefix: "a", Start: "b"}, `[]`},
			{"end below the prefix", Range{Prefix: "b", HasEnd: true, End: "a"}, `[]`},
			{"end within the prefix", Range{Prefix: "a", HasEnd: true, End: "ab"}, `["a=" "a\x00="]`},
			{"start above end", Range{Start: "b", HasEnd: true, End: "a"}, `[]`},
		}
		for _, tt := range tests {
			if got := fmt.Sprintf("%q", scanAll(&s, tt.r)); got != tt.want {
				t.Errorf("%s (%d more): %s, want %s", tt.name, pad, got, tt.want)
			}
		}
	}
}

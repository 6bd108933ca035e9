package kv

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func scanFrozen(f *Frozen) (out []string) {
	f.Scan(func(k, v []byte) bool {
		out = append(out, string(k)+"="+string(v))
		return true
	})
	return out
}

// TestFrozen scans views on goroutines of their own while their store is written to, in both forms and over the border between them.
func TestFrozen(t *testing.T) {
	r := newRand(t)
	views, trees := 0, 0
	for range 20 {
		var store Store
		m := model{}
		type view struct {
			f    *Frozen
			want []string
			got  chan []string
		}
		var open []view
		space, most := 300, 20
		for step := range 2000 {
			if step%200 == 0 {
				space, most = []int{4, 300, 3000}[r.IntN(3)], []int{3, 20, 200}[r.IntN(3)]
			}
			key := randomKey(r, space)
			switch op := r.IntN(100); {
			case op < 60:
				v := randomValue(r, most)
				if old, ok := m[key]; ok && r.IntN(2) == 0 {
					v = slices.Repeat([]byte{byte('A' + r.IntN(26))}, len(old)) // fits in place
				}
				store.Put(key, v)
				m[key] = string(v)
			case op < 90:
				store.Delete(key)
				delete(m, key)
			case op < 91 && r.IntN(8) == 0:
				store.DeleteAll()
				clear(m)
			case op < 95 && len(open) < 4:
				if store.tree() != nil {
					trees++
				}
				v := view{store.Freeze(), m.scan(Range{}), make(chan []string, 1)}
				if got := v.f.Len(); got != len(m) {
					t.Fatalf("step %d: a view of %d entries has %d", step, len(m), got)
				}
				go func() { v.got <- scanFrozen(v.f) }()
				open = append(open, v)
				views++
			case len(open) > 0:
				i := r.IntN(len(open))
				v := open[i]
				for range 2 { // what the goroutine saw, and what there is now
					if got := <-v.got; !slices.Equal(got, v.want) {
						t.Fatalf("step %d: a view has changed:\n got %q\nwant %q", step, got, v.want)
					}
					v.got <- scanFrozen(v.f)
				}
				v.f.Thaw()
				open = slices.Delete(open, i, i+1)
			}
			if len(open) == 0 {
				if tr := store.tree(); tr != nil && tr.frozen != 0 {
					t.Fatalf("step %d: nothing is frozen, and the tree believes in %d views", step, tr.frozen)
				}
			}
		}
		if got, want := scanAll(&store, Range{}), m.scan(Range{}); !slices.Equal(got, want) {
			t.Fatalf("the store itself:\n got %q\nwant %q", got, want)
		}
		for _, v := range open {
			<-v.got
		}
	}
	t.Logf("%d views, %d of trees", views, trees)
	if trees < 100 {
		t.Fatalf("only %d views of trees", trees)
	}
}

// TestThawed: in-place writes come back when the last view has gone.
func TestThawed(t *testing.T) {
	s, keys := filled(500)
	f, g := s.Freeze(), s.Freeze()
	f.Thaw()
	v, _ := s.Get(keys[3])
	s.Put(keys[3], []byte("0123456789abcdef"))
	if string(v) != string(make([]byte, 16)) {
		t.Fatal("a value was overwritten in place under a view")
	}
	g.Thaw()
	v, _ = s.Get(keys[3])
	s.Put(keys[3], []byte("fedcba9876543210"))
	if string(v) != "fedcba9876543210" {
		t.Fatal("a value was copied although there is no view any more")
	}
}

func FuzzFrozen(f *testing.F) {
	f.Add([]byte("abc"), uint16(3))
	f.Add([]byte("\x00\x01\xff\x80abcdefgh"), uint16(200))
	f.Fuzz(func(t *testing.T, ops []byte, n uint16) {
		var s Store
		m := model{}
		for i := range int(n % 500) {
			k := fmt.Sprintf("%03d", i*7%500)
			s.Put(k, []byte("value"))
			m[k] = "value"
		}
		v, want := s.Freeze(), m.scan(Range{})
		for i, b := range ops {
			k := fmt.Sprintf("%03d", (int(b)*31+i)%500)
			switch b & 3 {
			case 0:
				s.Delete(k)
				delete(m, k)
			case 1:
				s.Put(k, []byte("VALUE"))
				m[k] = "VALUE"
			case 2:
				s.Put(k, ops[:i])
				m[k] = string(ops[:i])
			default:
				if i%50 == 0 {
					s.DeleteAll()
					clear(m)
				}
			}
		}
		if got := scanFrozen(v); !slices.Equal(got, want) {
			t.Fatalf("the view has changed:\n got %q\nwant %q", got, want)
		}
		v.Thaw()
		if got, want := scanAll(&s, Range{}), m.scan(Range{}); !slices.Equal(got, want) {
			t.Fatalf("the store:\n got %q\nwant %q", got, want)
		}
	})
}

// TestBuilder compares what a Builder makes with the same entries put one by one.
func TestBuilder(t *testing.T) {
	r := newRand(t)
	var b Builder
	kinds := map[string]int{}
	for range 3000 {
		m := model{}
		for range r.IntN([]int{3, 20, 100, 300}[r.IntN(4)]) {
			m[randomKey(r, 3000)] = string(randomValue(r, []int{3, 50, 500}[r.IntN(3)]))
		}
		keys := slices.Sorted(maps.Keys(m))
		if r.IntN(3) == 0 {
			r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		}
		var got, want Store
		for _, k := range keys {
			key, v := []byte(k), []byte(m[k])
			if r.IntN(50) == 0 {
				b.Add(key, []byte("before")) // the same key again
			}
			b.Add(key, v)
			want.Put(k, v)
			for i := range key {
				key[i] = '!' // the builder must have copied
			}
			clear(v)
		}
		if b.Len() != len(m) {
			t.Fatalf("%d entries, want %d", b.Len(), len(m))
		}
		b.Fill(&got)
		if g, w := scanAll(&got, Range{}), scanAll(&want, Range{}); !slices.Equal(g, w) {
			t.Fatalf("got %q\nwant %q", g, w)
		}
		checkStore(t, &got, m)
		kinds[fmt.Sprintf("tree=%v", got.tree() != nil)]++
	}
	if len(kinds) != 2 {
		t.Fatalf("only %v were made", kinds)
	}
	var s Store
	key, value := []byte("key"), make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		s = Store{}
		for i := range 5 {
			key[0] = byte('a' + i)
			b.Add(key, value)
		}
		b.Fill(&s)
	}); n > 2 { // one, and another for the race detector
		t.Fatalf("a store of 5 entries takes %v allocations, want 1", n)
	}
}

var sinkFrozen *Frozen

// BenchmarkFreeze is what a loop pays for a view, and BenchmarkPutFrozen what writes cost under one.
func BenchmarkFreeze(b *testing.B) {
	s, _ := filled(10_000)
	for b.Loop() {
		sinkFrozen = s.Freeze()
		sinkFrozen.Thaw()
	}
}

func BenchmarkPutFrozen(b *testing.B) {
	s, keys := filled(10_000)
	f := s.Freeze()
	value := make([]byte, 16)
	r := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		s.Put(keys[r.IntN(len(keys))], value)
	}
	f.Thaw()
}

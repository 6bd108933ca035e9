package kv

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"
)

var sizes = []int{1, 50, 10_000}

func filled(n int) (*Store, []string) {
	s := &Store{}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key%05d", i)
		s.Put(keys[i], make([]byte, 16))
	}
	return s, keys
}

func BenchmarkGet(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s, keys := filled(n)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, ok := s.Get(keys[i]); !ok {
					b.Fatal("lost")
				}
				if i += 7; i >= n {
					i %= n
				}
			}
		})
	}
}

// BenchmarkPut overwrites with the same length, BenchmarkPutResize with another length each time.
func BenchmarkPut(b *testing.B) { benchmarkPut(b, 16, 16) }

func BenchmarkPutResize(b *testing.B) { benchmarkPut(b, 16, 12) }

func benchmarkPut(b *testing.B, l0, l1 int) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s, keys := filled(n)
			values := [2][]byte{make([]byte, l0), make([]byte, l1)}
			b.ReportAllocs()
			i, turn := 0, 0
			for b.Loop() {
				s.Put(keys[i], values[turn])
				if i += 7; i >= n {
					i %= n
					turn ^= 1
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	for _, n := range sizes {
		for _, reverse := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/reverse=%v", n, reverse), func(b *testing.B) {
				s, _ := filled(n)
				b.ReportAllocs()
				for b.Loop() {
					seen := 0
					s.Scan(Range{Reverse: reverse}, func(_, _ []byte) bool { seen++; return true })
					if seen != n {
						b.Fatal("lost")
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
			})
		}
	}
}

func BenchmarkTx(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			s, keys := filled(n)
			value := make([]byte, 16)
			var tx Tx
			b.ReportAllocs()
			for b.Loop() {
				tx.Reset(s)
				tx.Get(keys[0])
				tx.Put(keys[0], value)
				tx.Commit()
			}
		})
	}
}

// BenchmarkBuild puts n keys into an empty store.
func BenchmarkBuild(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			_, keys := filled(n)
			value := make([]byte, 16)
			b.ReportAllocs()
			for b.Loop() {
				var s Store
				for _, k := range keys {
					s.Put(k, value)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/put")
		})
	}
}

// BenchmarkMemory reports the heap that a store costs, its struct included, and how much of that its
// accounting states.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{1, 10, 50, 65, 10_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			stores := make([]Store, max(1, 200_000/n))
			keys := make([]string, n)
			for i := range keys {
				keys[i] = fmt.Sprintf("k%04d", i)
			}
			value := make([]byte, 16)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range stores {
				for _, k := range keys {
					stores[i].Put(k, value)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			for b.Loop() {
			}
			heap := float64(after.HeapAlloc-before.HeapAlloc)/float64(len(stores)) + float64(unsafe.Sizeof(stores[0]))
			b.ReportMetric(heap, "B/store")
			b.ReportMetric(heap/float64(n), "B/entry")
			b.ReportMetric(float64(stores[0].Bytes())+float64(unsafe.Sizeof(stores[0])), "B-accounted/store")
			runtime.KeepAlive(stores)
		})
	}
}

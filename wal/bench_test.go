package wal_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"everloop/wal"
)

func benchLog(b *testing.B, dir string, o wal.Options) *wal.Log {
	b.Helper()
	o.Logger, o.Idle = quiet, time.Hour
	l, err := wal.Open(dir, o)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := l.Replay(nil, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

// BenchmarkAppend is what a record costs its loop, with a commit (without a sync) every 4,096 records, which costs
// a loop nothing in production but is part of the figure here.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{16, 100, 1000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			l := benchLog(b, ramDir(b), wal.Options{Sync: wal.SyncNone, MaxDelay: time.Hour})
			record := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				n, err := l.Append(0, record)
				if err != nil {
					b.Fatal(err)
				}
				if i%4096 == 4095 {
					l.Demand(n)
					l.EndRound(0)
				}
			}
		})
	}
}

// BenchmarkCommit is a round of n records of 100 bytes that waits until they are on disk. inline: one loop, on its
// own goroutine. committer: two buffers, so that another goroutine commits and this one is told.
func BenchmarkCommit(b *testing.B) {
	for _, how := range []string{"inline", "committer"} {
		for _, n := range []int{1, 256, 4096} {
			b.Run(fmt.Sprintf("%s/%d", how, n), func(b *testing.B) {
				var l *wal.Log
				told := make(chan struct{}, 1)
				o := wal.Options{Buffers: 1, MaxDelay: time.Hour}
				if how == "committer" {
					o.Buffers = 2
				}
				o.OnDurable = func(wal.LSN, error) {
					select {
					case told <- struct{}{}:
					default:
					}
				}
				l = benchLog(b, b.TempDir(), o)
				record := make([]byte, 100)
				b.ReportAllocs()
				for b.Loop() {
					var last wal.LSN
					for range n {
						var err error
						if last, err = l.Append(0, record); err != nil {
							b.Fatal(err)
						}
					}
					l.Demand(last)
					l.EndRound(0)
					for l.Durable() < last {
						<-told
					}
				}
				s := l.Stats()
				b.ReportMetric(float64(s.Records)/b.Elapsed().Seconds(), "records/s")
				b.ReportMetric(float64(s.SyncTime.Sum)/float64(s.SyncTime.Count), "us/sync")
				b.ReportMetric(100*float64(s.Inline)/float64(s.Commits), "%inline")
			})
		}
	}
}

// BenchmarkLoops has several loops append and wait at once.
func BenchmarkLoops(b *testing.B) {
	for _, loops := range []int{2, 4} {
		b.Run(fmt.Sprint(loops), func(b *testing.B) {
			l := benchLog(b, ramDir(b), wal.Options{Buffers: loops, Sync: wal.SyncNone})
			var wg sync.WaitGroup
			each := b.N / loops
			b.ReportAllocs()
			b.ResetTimer()
			for loop := range loops {
				wg.Add(1)
				go func() {
					defer wg.Done()
					record := make([]byte, 100)
					for i := range each {
						n, err := l.Append(loop, record)
						if err != nil {
							b.Error(err)
							return
						}
						if i%64 == 63 {
							for l.Writable() != nil { // two cores cannot fill and empty as fast as this
								runtime.Gosched()
							}
							l.Demand(n)
							l.EndRound(loop)
						}
					}
				}()
			}
			wg.Wait()
		})
	}
}

// BenchmarkReplay reads a log of small records.
// BenchmarkReplay is a start with a log of 150-byte records in batches of so many: reading, checking, and going through
// the records, without doing anything with them.
func BenchmarkReplay(b *testing.B) {
	for _, batch := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			dir := ramDir(b)
			l := benchLog(b, dir, wal.Options{Sync: wal.SyncNone, MaxDelay: time.Hour})
			record := make([]byte, 150)
			const n = 400_000
			for i := range n {
				last, err := l.Append(0, record)
				if err != nil {
					b.Fatal(err)
				}
				if i%batch == batch-1 {
					l.Demand(last)
					l.EndRound(0)
				}
			}
			l.Close()
			replayAgain(b, dir, n)
		})
	}
}

// BenchmarkReplaySnapshot is the same with everything in a snapshot.
func BenchmarkReplaySnapshot(b *testing.B) {
	dir := ramDir(b)
	l := benchLog(b, dir, wal.Options{Sync: wal.SyncNone})
	w, err := l.StartSnapshot()
	if err != nil {
		b.Fatal(err)
	}
	const n = 400_000
	record := make([]byte, 150)
	f := wal.NewFrame()
	for i := range n {
		binary.LittleEndian.PutUint64(record, uint64(i)*0x9e3779b97f4a7c15)
		if f.Add(0, record); f.Full() || i == n-1 {
			if err := w.Write(f); err != nil {
				b.Fatal(err)
			}
			f.Reset()
		}
	}
	if _, err := w.Install(0); err != nil {
		b.Fatal(err)
	}
	l.Close()
	replayAgain(b, dir, n)
}

func replayAgain(b *testing.B, dir string, n int) {
	b.ReportAllocs()
	b.SetBytes(int64(n) * 150)
	for b.Loop() {
		l, err := wal.Open(dir, wal.Options{Logger: quiet})
		if err != nil {
			b.Fatal(err)
		}
		seen := 0
		if _, err := l.Replay(each(func(wal.LSN, []byte) error { seen++; return nil }), nil); err != nil || seen != n {
			b.Fatal(seen, err)
		}
		l.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkHandOverFromLoops is Append alone, from as many loops at once as there are buffers: what it costs that all
// of them draw their numbers from one counter.
func BenchmarkHandOverFromLoops(b *testing.B) {
	for _, loops := range []int{1, 2} {
		b.Run(fmt.Sprintf("%d", loops), func(b *testing.B) {
			l := benchLog(b, ramDir(b), wal.Options{Buffers: loops, Sync: wal.SyncNone, MaxDelay: time.Hour})
			record := make([]byte, 100)
			b.ReportAllocs()
			var wg sync.WaitGroup
			for i := range loops {
				wg.Go(func() {
					for range b.N {
						if _, err := l.Append(i, record); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

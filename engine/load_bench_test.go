package engine_test

import (
	"context"
	"encoding/binary"
	"flag"
	"runtime"
	"syscall"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/redo"
	"everloop/wal"
)

var loadObjects = flag.Int("objects", 200_000, "number of objects that BenchmarkLoad starts with")

// fill writes a directory with as many records, of objects with 100 bytes each; over as many objects as said.
func fill(b *testing.B, dir string, records, objects int) {
	b.Helper()
	l, err := wal.Open(dir, wal.Options{Sync: wal.SyncNone})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := l.Replay(nil, nil); err != nil {
		b.Fatal(err)
	}
	put := func(r []byte) {
		for {
			if _, err := l.Append(0, r); err == nil {
				return
			}
			l.Flush()
		}
	}
	put(redo.AppendDefineClass(nil, 1, "C", "C"))
	var id [32]byte
	value := make([]byte, 100)
	value[0], value[1] = 0x58, 98
	var rec []byte
	for i := range records {
		binary.BigEndian.PutUint64(id[:], uint64(i%objects+1)*0x9E3779B97F4A7C15)
		binary.BigEndian.PutUint64(id[8:], uint64(i%objects))
		rec = redo.AppendPut(redo.AppendObject(rec[:0], 1, &id), "state", value)
		put(rec)
		if i%4096 == 0 {
			l.Flush()
		}
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchmarkOpen(b *testing.B, dir string, n int, unit string) {
	b.ReportAllocs()
	var used time.Duration
	for b.Loop() {
		began := processorTime(b)
		e, err := engine.Open(engine.Options{Dir: dir, SnapshotLog: -1, SnapshotAge: -1, Sync: wal.SyncNone})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		used += processorTime(b) - began
		if err := e.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		b.StartTimer()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), unit+"/s")
	b.ReportMetric(float64(n)*float64(b.N)/used.Seconds(), unit+"/cpu-s")
}

// processorTime is what this process has used of the processors: on a machine that others use too, the clock says little.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLoad is a start: from a snapshot, and from a log that overwrites a tenth as many objects. Run it with -cpu 1 to see what one core does.
func BenchmarkLoad(b *testing.B) {
	n := *loadObjects
	b.Run("snapshot", func(b *testing.B) {
		dir := b.TempDir()
		fill(b, dir, n, n)
		e := open(b, engine.Options{Dir: dir, SnapshotLog: -1, SnapshotAge: -1})
		if _, err := e.Snapshot(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := e.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		benchmarkOpen(b, dir, n, "objects")
	})
	b.Run("log", func(b *testing.B) {
		dir := b.TempDir()
		fill(b, dir, n, n/10)
		benchmarkOpen(b, dir, n, "records")
	})
}

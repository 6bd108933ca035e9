// The program keep embeds the engine and has it keep objects of 100 bytes for long: it writes and overwrites them, opens what is there
// again, and makes snapshots while they are written. It is a program of its own so that what is measured is the engine's, with
// nothing of the benchmark around it.
//
//	keep write DIR WRITES OBJECTS      that many writes, object after object and again; no snapshot
//	keep overwrite DIR WRITES OBJECTS  the same, each durable before it is answered, and with the daemon's defaults for snapshots and history
//	keep open DIR WRITES OBJECTS       opens what one of these has left, and checks the values of a sample
//	keep serve DIR LISTEN ADMIN        serves writes by HTTP (/?id=NAME); see serve.go for ADMIN
//
// The first three print one line of JSON, a Report.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"everloop/bench/proc"
	"everloop/engine"
	"everloop/engine/tune"
	"everloop/loop"
	"everloop/wal"
)

// Report is what one run found. Sizes are in bytes.
type Report struct {
	Writes, Objects int
	// Seconds is the time of all writes, or of engine.Open; CPU the processor time of the process meanwhile, in seconds.
	Seconds, CPU float64
	// Snapshot and Log are the records of the snapshot and of the log that were read.
	Snapshot, Log uint64
	// Made is how many snapshots were made.
	Made uint64
	// Peak is the most resident memory there ever was.
	Peak int64
	// Written is what the process had the disk write, as the kernel counts it, up to its end.
	Written int64
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "keep:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: keep write|overwrite|open DIR WRITES OBJECTS, or keep serve DIR LISTEN ADMIN")
	}
	if args[0] == "serve" {
		return serve(args[1], args[2], args[3])
	}
	r := &Report{}
	var err, oerr error
	r.Writes, err = strconv.Atoi(args[2])
	r.Objects, oerr = strconv.Atoi(args[3])
	if err := errors.Join(err, oerr); err != nil {
		return err
	}
	if r.Objects < 1 || r.Writes < r.Objects {
		return fmt.Errorf("%d writes of %d objects: want at least one of each", r.Writes, r.Objects)
	}
	none := engine.Options{Dir: args[1], Sync: wal.SyncNone, SnapshotLog: -1, SnapshotAge: -1}
	switch args[0] {
	case "write":
		err = r.write(none)
	case "overwrite":
		err = r.write(engine.Options{Dir: args[1], Retain: wal.Retain{Age: 720 * time.Hour, Bytes: 128 << 20}})
	case "open":
		err = r.open(none)
	default:
		err = fmt.Errorf("%q is neither write, overwrite, open nor serve", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// cell is one object: it keeps the bytes that it is given. Calls are raw, without reflection, so that millions of them take seconds.
type cell struct {
	storage *engine.Storage
	served  uint64
}

func newCell(st *engine.State) (*cell, error) { return &cell{storage: st.Storage()}, nil }

// CallRaw puts args, or returns what was put.
func (c *cell) CallRaw(_ context.Context, method string, args []byte) ([]byte, error) {
	switch method {
	case "put":
		return nil, c.storage.PutRaw("value", args, engine.WriteOptions{})
	case "get":
		got, _, err := c.storage.GetRaw("value")
		return bytes.Clone(got), err
	}
	return nil, engine.ErrNoMethod
}

// Fetch overwrites the value.
func (c *cell) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	c.served++
	if err := c.storage.PutRaw("value", value(c.served), engine.WriteOptions{}); err != nil {
		return nil, err
	}
	return engine.TextResponse(200, "ok\n"), nil
}

// value is what write i stores: 100 bytes, of which two say in CBOR that 98 follow, that no compression makes smaller.
func value(i uint64) []byte {
	b := make([]byte, 106)
	b[0], b[1] = 0x58, 98
	for at := 2; at < 100; at += 8 {
		// A step of the generator SplitMix64.
		z := (i*16 + uint64(at)) * 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(b[at:], z^z>>31)
	}
	return b[:100]
}

func name(i int) string { return fmt.Sprintf("object-%07d", i) }

// node is an engine on a loop of its own.
type node struct {
	pool  *loop.Net
	eng   *engine.Engine
	cells *engine.Namespace
}

func open(o engine.Options) (n *node, err error) {
	n = &node{}
	tune.Process(1)
	if n.pool, err = loop.New(loop.Options{Loops: 1}); err != nil {
		return nil, err
	}
	o.Pool = n.pool
	if n.eng, err = engine.Open(o); err != nil {
		return nil, errors.Join(err, n.pool.Close(context.Background()))
	}
	if n.cells, err = n.eng.Register("Cell", engine.ClassOf(newCell)); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_ = n.pool.Drain(ctx) // its error is that of Close, too
	return errors.Join(n.eng.Close(ctx), n.pool.Close(context.Background()))
}

// inFlight is the number of writes under way at once.
const inFlight = 1024

// writer keeps writes under way, object after object. All of it is on the loop, so that the writes of an object keep their order.
type writer struct {
	cells   *engine.Namespace
	stubs   []*engine.Stub // of the objects, where they are few
	writes  int
	objects int
	next    int
	err     error
	done    sync.WaitGroup
}

// Run begins.
func (w *writer) Run() {
	for range inFlight {
		w.Reply(engine.Reply{})
	}
}

// Reply takes the end of one write and starts another.
func (w *writer) Reply(r engine.Reply) {
	if r.Err != nil && w.err == nil {
		w.err = r.Err
	}
	if w.next >= w.writes || w.err != nil {
		w.done.Done()
		return
	}
	i := w.next
	w.next++
	w.stub(i%w.objects).StartCall("put", value(uint64(i)), w)
}

func (w *writer) stub(i int) *engine.Stub {
	if w.stubs == nil {
		return w.cells.GetByName(name(i))
	}
	if w.stubs[i] == nil {
		w.stubs[i] = w.cells.GetByName(name(i))
	}
	return w.stubs[i]
}

// fewObjects is up to how many objects are found only once.
const fewObjects = 10_000

func (r *Report) write(o engine.Options) error {
	n, err := open(o)
	if err != nil {
		return err
	}
	if found := n.eng.Recovered().Objects; found > 0 {
		return errors.Join(fmt.Errorf("%s has %d objects already: want an empty directory", o.Dir, found), n.close())
	}
	w := &writer{cells: n.cells, writes: r.Writes, objects: r.Objects}
	if r.Objects <= fewObjects {
		w.stubs = make([]*engine.Stub, r.Objects)
	}
	w.done.Add(inFlight)
	stop := r.measure()
	n.pool.Loop(0).Post(w)
	w.done.Wait()
	err = errors.Join(w.err, stop())
	r.Made = n.eng.SnapshotStats().Installed
	if err := errors.Join(err, n.close()); err != nil {
		return err
	}
	r.Written, err = proc.WrittenBy("self")
	return err
}

func (r *Report) open(o engine.Options) (err error) {
	stop := r.measure()
	n, err := open(o)
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	found := n.eng.Recovered()
	r.Snapshot, r.Log = found.SnapshotRecords, found.Records
	if found.Objects != r.Objects {
		return fmt.Errorf("%d objects were recovered, want %d", found.Objects, r.Objects)
	}
	rounds := r.Writes / r.Objects
	for i := 0; i < r.Objects; i += max(1, r.Objects/1000) {
		last := (rounds-1)*r.Objects + i
		if last+r.Objects < r.Writes {
			last += r.Objects
		}
		got, err := n.cells.GetByName(name(i)).CallRaw(context.Background(), "get", nil)
		if err != nil || !bytes.Equal(got, value(uint64(last))) {
			return errors.Join(err, fmt.Errorf("%s has %x, want %x, of write %d", name(i), got, value(uint64(last)), last))
		}
	}
	return nil
}

// measure reads the clocks, and what it returns does so again.
func (r *Report) measure() (stop func() error) {
	used := func() (float64, error) {
		var u syscall.Rusage
		err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds(), err
	}
	before, berr := used()
	began := time.Now()
	return func() error {
		r.Seconds = time.Since(began).Seconds()
		after, err := used()
		r.CPU = after - before
		m, merr := proc.MemoryOf("self")
		r.Peak = m.Peak
		return errors.Join(berr, err, merr)
	}
}

package main

import (
	bytesof "encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// killPlaces are when the program is killed: after some steps, in its start, or when the first sign of one of these is seen in the
// data directory.
var killPlaces = []string{"steps", "start", "rotation", "snapshot", "install", "removal"}

// sign is what a change in p0 is the first sign of.
func sign(e fsnotify.Event) string {
	name := filepath.Base(e.Name)
	gen, snap := strings.HasPrefix(name, "gen-"), strings.HasPrefix(name, "snap-")
	switch {
	case e.Op.Has(fsnotify.Create) && gen:
		return "rotation"
	case e.Op.Has(fsnotify.Write) && snap:
		return "snapshot"
	case e.Op.Has(fsnotify.Create) && snap && !strings.HasSuffix(name, ".tmp"):
		return "install"
	case e.Op.Has(fsnotify.Remove) && (gen || snap) && !strings.HasSuffix(name, ".tmp"):
		return "removal"
	}
	return ""
}

// interrupted tells from what a killed process has left in p0 (docs/format/wal.md) what it was in the middle of.
func interrupted(data string) (in []string, err error) {
	manifest, err := os.ReadFile(filepath.Join(data, "p0", "MANIFEST"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil || len(manifest) != 128 {
		return nil, fmt.Errorf("the manifest has %d bytes: %w", len(manifest), err)
	}
	oldest, newest, kept := bytesof.LittleEndian.Uint64(manifest[32:]), bytesof.LittleEndian.Uint64(manifest[40:]), bytesof.LittleEndian.Uint64(manifest[96:])
	entries, err := os.ReadDir(filepath.Join(data, "p0"))
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, e := range entries {
		kind, number, _ := strings.Cut(e.Name(), "-")
		n, err := strconv.ParseUint(strings.TrimSuffix(number, ".tmp"), 10, 64)
		if err != nil {
			continue
		}
		switch {
		case n < kept:
			found["removal"] = true
		case strings.HasSuffix(number, ".tmp"):
			found["snapshot"] = true
		case kind == "gen" && n > newest:
			found["rotation"] = true
		case kind == "snap" && n > oldest:
			found["install"] = true
		}
	}
	for _, place := range killPlaces {
		if found[place] {
			in = append(in, place)
		}
	}
	return in, nil
}

// TestKillsOfTheProgram kills the program itself under load, over and over on one directory, and where it makes snapshots all the
// time: with random numbers of loops and in every sync mode, no step that was acknowledged is lost, none is there in part, and no
// start is refused.
func TestKillsOfTheProgram(t *testing.T) {
	t.Parallel()
	seed, rounds := crashPlan(t, 1, 4)
	r := rand.New(rand.NewPCG(seed, 3))
	l, data, hits := newLedger(seed, crashObjects), t.TempDir(), tallied{}
	for round := range rounds {
		place := killPlaces[r.IntN(len(killPlaces))]
		l.closed.Store(true) // a sign may come at any moment
		p := launch(t, setup{}, ledgerProgram, "--data", data, "--loops", strconv.Itoa(1+r.IntN(3)),
			"--sync", []string{"always", "interval", "none"}[r.IntN(3)], "--snapshot-log", fmt.Sprintf("%dKiB", crashSnapshotLog>>10),
			"--retain-size", []string{"0", "100KiB", "1GiB"}[r.IntN(3)])
		wait := time.Duration(r.IntN(2000)) * time.Microsecond // into what the sign is of
		if place == "start" {
			time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond) // the kill is to come anywhere in the start of a real process, or just behind it
			p.kill()
		} else {
			if !p.started() {
				t.Fatalf("round %d: the start ended with %d", round, p.cmd.ProcessState.ExitCode())
			}
			if err := l.audit(t, p); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			w, err := fsnotify.NewWatcher()
			if err == nil {
				err = w.Add(filepath.Join(data, "p0"))
			}
			if err != nil {
				t.Fatal(err)
			}
			enough := l.acks.Load() + 20 + r.Int64N(200)
			if place != "steps" {
				enough += 400 // the sign should come before
			}
			stop := func() bool { return t.Failed() }
			worked := l.work(t, p, crashClients, r.Uint64(), stop)
			go func() {
				for e := range w.Events {
					if sign(e) == place {
						time.Sleep(wait) // the kill is to come anywhere in what the sign is of: a real process, on real time
						p.kill()
						return
					}
				}
			}()
			waitFor(t, "a sign, or enough steps", func() bool {
				select {
				case <-p.ended:
					return true
				default:
					return l.acks.Load() > enough || t.Failed()
				}
			})
			p.kill()
			<-worked
			w.Close()
		}
		if t.Failed() {
			t.Fatalf("round %d has failed", round)
		}
		in, err := interrupted(data)
		if err != nil {
			t.Fatal(err)
		}
		hits["killed for "+place]++
		for _, what := range in {
			hits["inside "+what]++
		}
	}
	p := serve(t, ledgerProgram, "--data", data)
	if err := l.audit(t, p); err != nil {
		t.Fatal(err)
	}
	p.stop()
	hits.log(t, l.acks.Load())
	if hits["inside rotation"]+hits["inside snapshot"]+hits["inside install"]+hits["inside removal"] == 0 && rounds >= 40 {
		t.Error("no process was killed inside a snapshot")
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// record is a result for programs: what the file for people says, with the figures of each round.
type record struct {
	Started        time.Time
	Commit         string
	Command        string
	TookSeconds    float64
	Machine        recordedMachine
	Rounds         int
	Peers          []string
	Missing        []string
	Notes          []string
	Configurations map[string]string
	Tables         []recordedTable
	// Targets are the figures that have one, in the order of the list.
	Targets  []recordedTarget
	Profiles []*profile
}

type recordedMachine struct {
	CPU, Kernel, Go, FileSystem string
	Cores                       int
	MemoryGB                    float64
	FsyncMicroseconds           float64
	LoadBefore, LoadAfter       string
	Nice                        int
}

// recordedTable has the raw figures of each server, by column. Times are in seconds.
type recordedTable struct {
	Title string
	Rows  []recordedRow
}

type recordedRow struct {
	Name    string
	Figures map[string][]number // a value each round
}

type recordedTarget struct {
	Target, Text      string
	Bound             float64
	Most              bool // Bound is the most that there may be
	Unit              string
	What, Measured    string `json:",omitempty"`
	Median, Low, High float64
	Rounds            int
	Met               bool
	Why               string `json:",omitempty"`
}

// number is null in JSON where a round has no such figure: what is counted by the fsync, in one that had none.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

func numbers(v []float64) []number {
	all := make([]number, len(v))
	for i, f := range v {
		all[i] = number(f)
	}
	return all
}

func (r *results) record() *record {
	m := r.machine
	out := &record{
		Started: m.date.UTC(), Commit: m.commit, Command: strings.TrimSpace(r.options.command), TookSeconds: r.took.Seconds(), Rounds: r.options.rounds,
		Machine: recordedMachine{
			CPU: m.cpu, Kernel: m.kernel, Go: runtime.Version(), FileSystem: m.fileSystem, Cores: m.cores, MemoryGB: m.memoryGB,
			FsyncMicroseconds: float64(m.sync.Nanoseconds()) / 1e3, LoadBefore: m.load, LoadAfter: r.loadAfter, Nice: m.nice,
		},
		Peers: r.peers, Missing: r.missing, Notes: r.notes, Configurations: r.configurations, Profiles: r.profiles,
	}
	for _, t := range r.tables {
		rt := recordedTable{Title: t.title}
		for _, row := range t.rows {
			figures := map[string][]number{}
			for i, c := range t.columns {
				figures[c.name] = numbers(row.raw[i])
			}
			rt.Rows = append(rt.Rows, recordedRow{row.name, figures})
		}
		out.Tables = append(out.Tables, rt)
	}
	for _, y := range r.years {
		rt := recordedTable{Title: y.title}
		for _, f := range y.figures {
			rt.Rows = append(rt.Rows, recordedRow{f.what, map[string][]number{"figure": numbers(f.values)}})
		}
		out.Tables = append(out.Tables, rt)
	}
	for _, o := range r.outcomes() {
		t := goal(o.Target)
		out.Targets = append(out.Targets, recordedTarget{
			Target: t.id, Text: t.text, Bound: t.value, Most: t.most, Unit: strings.TrimSpace(t.unit), What: o.What, Measured: o.Measured,
			Median: o.Value.median, Low: o.Value.low, High: o.Value.high, Rounds: o.Rounds, Met: o.Met, Why: o.Why,
		})
	}
	return out
}

// save writes both files into a directory.
func (r *results) save(dir, text string, progress io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%s", r.machine.date.Format("2006-01-02"), r.machine.commit))
	b, err := json.MarshalIndent(r.record(), "", "\t")
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	for ext, content := range map[string][]byte{".md": []byte(text), ".json": append(b, '\n')} {
		if err := os.WriteFile(name+ext, content, 0o644); err != nil {
			return fmt.Errorf("results: %w", err)
		}
	}
	fmt.Fprintf(progress, "written to %s.md and .json\n", name)
	return nil
}

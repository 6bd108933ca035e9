package main

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// results are all that a run found.
type results struct {
	machine machine
	options options
	peers   []string
	missing []string
	notes   []string
	tables  []*table
	syncs   []syncCount
	starts  []startTimes
	memory  []memoryReport // written, recovered

	instances []instanceReport
	took      time.Duration

	loadAfter string
}

// table is one comparison.
type table struct {
	title  string
	rows   []row
	ratios []ratio
}

type row struct {
	name     string
	rate     spread
	p50, p99 spread // seconds
	cpu      spread // seconds
	resident spread // bytes
	batch    spread
}

type ratio struct {
	name   string
	value  spread
	target target
}

// spread is a figure over the rounds.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	s := slices.Clone(values)
	slices.Sort(s)
	middle := s[len(s)/2]
	if len(s)%2 == 0 {
		middle = (s[len(s)/2-1] + middle) / 2
	}
	return spread{middle, s[0], s[len(s)-1]}
}

func over(samples []sample, figure func(sample) float64) spread {
	var v []float64
	for _, s := range samples {
		v = append(v, figure(s))
	}
	return spreadOf(v)
}

// target is what a ratio should be.
type target struct {
	value float64
	most  bool // value is an upper bound
}

func atLeast(v float64) target { return target{v, false} }
func atMost(v float64) target  { return target{v, true} }

func (t target) met(v float64) bool {
	if t.most {
		return v <= t.value
	}
	return v >= t.value
}

func (t target) String() string {
	if t.most {
		return fmt.Sprintf("at most %g", t.value)
	}
	return fmt.Sprintf("at least %g", t.value)
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

func newTable(title string, cs []contestant, samples [][]sample) *table {
	t := &table{title: title}
	for i, c := range cs {
		s := samples[i]
		t.rows = append(t.rows, row{
			name:     c.String(),
			rate:     over(s, func(s sample) float64 { return s.rate }),
			p50:      over(s, func(s sample) float64 { return s.p50.Seconds() }),
			p99:      over(s, func(s sample) float64 { return s.p99.Seconds() }),
			cpu:      over(s, func(s sample) float64 { return s.cpu.Seconds() }),
			resident: over(s, func(s sample) float64 { return float64(s.resident) }),
			batch:    over(s, func(s sample) float64 { return s.batch }),
		})
	}
	return t
}

// ratio adds a ratio of two contestants, taken round by round: what else the machine did then, it did to both.
func (t *table) ratio(name string, a, b []sample, of func(a, b sample) float64, want target) {
	var v []float64
	for i := range a {
		// First requests cost more than others, and not the same on every server.
		if a[i].cold == 0 && b[i].cold == 0 {
			v = append(v, of(a[i], b[i]))
		}
	}
	t.ratios = append(t.ratios, ratio{name, spreadOf(v), want})
}

// markdown writes the results for people and for a file.
func (r *results) markdown() string {
	var b strings.Builder
	m, o := r.machine, r.options
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Results of %s, commit %s", m.date.UTC().Format("2006-01-02 15:04 UTC"), m.commit)
	p("")
	p("- machine: %s, %d cores, %.0f GB, Linux %s, %s; load average %s at the start, %s at the end", m.cpu, m.cores, m.memoryGB, m.kernel, runtime.Version(), m.load, r.loadAfter)
	if m.nice != 0 {
		p("- priority: servers and load ran at nice %d", m.nice)
	}
	if average, err := strconv.ParseFloat(m.load, 64); err == nil && average > float64(m.cores)/2 {
		p("- OTHER WORK was running at the start: rates and latencies, those of servers that wait for the disk most of all, are worse than they could be, and the ratios less reliable")
	}
	p("- disk: %s, %v for 512 bytes and an fsync", m.fileSystem, m.sync.Round(time.Microsecond))
	p("- command: `%s`, which took %v", strings.TrimSpace(o.command), r.took.Round(time.Second))
	p("- load: %d keep-alive connections, one request under way on each; %d rounds of %v, all servers in each; `--sync always`", o.conns, o.rounds, o.elapsed)
	for _, peer := range r.peers {
		p("- peer: %s", peer)
	}
	for _, what := range r.missing {
		p("- MISSING: %s", what)
	}
	for _, note := range r.notes {
		p("- NOTE: %s", note)
	}
	p("")
	p("Figures are medians over the rounds, with the range in brackets. Ratios are taken within each round. Servers and load")
	p("share the cores. CPU is the server's processor time, user and kernel.")
	for _, t := range r.tables {
		t.write(p)
	}
	r.writeStarts(p)
	r.writeInstances(p)
	r.writeSyncs(p)
	r.writeMemory(p)
	return b.String()
}

func (t *table) write(p func(string, ...any)) {
	p("")
	p("## %s", t.title)
	p("")
	p("| server | requests/s | p50 | p99 | CPU a request | resident | requests an fsync |")
	p("| --- | --- | --- | --- | --- | --- | --- |")
	for _, r := range t.rows {
		batch := "-"
		if r.batch.median > 0 {
			batch = fmt.Sprintf("%.1f (%.1f-%.1f)", r.batch.median, r.batch.low, r.batch.high)
		}
		p("| %s | %.0f (%.0f-%.0f) | %s | %s | %s | %s | %s |", r.name, r.rate.median, r.rate.low, r.rate.high,
			r.p50.millis(), r.p99.millis(), r.cpu.micros(), mb(int64(r.resident.median)), batch)
	}
	if len(t.ratios) == 0 {
		return
	}
	p("")
	p("| ratio | | target | |")
	p("| --- | --- | --- | --- |")
	for _, r := range t.ratios {
		if r.value == (spread{}) {
			p("| %s | - | %s | NOT MEASURED: first requests did not end in time in any round |", r.name, r.target)
			continue
		}
		p("| %s | %s | %s | %s |", r.name, r.value.times(), r.target, verdict(r.target.met(r.value.median)))
	}
}

func (s spread) millis() string {
	return fmt.Sprintf("%.2f ms (%.2f-%.2f)", s.median*1e3, s.low*1e3, s.high*1e3)
}

func (s spread) micros() string {
	return fmt.Sprintf("%.1f us (%.1f-%.1f)", s.median*1e6, s.low*1e6, s.high*1e6)
}

func (s spread) times() string {
	return fmt.Sprintf("%.2f (%.2f-%.2f)", s.median, s.low, s.high)
}

func (r *results) writeSyncs(p func(string, ...any)) {
	if len(r.syncs) == 0 {
		return
	}
	p("")
	p("## Fsyncs: all requests of a round share one")
	p("")
	p("| server | requests | commits | fsyncs, by the log | fsyncs, by the kernel | requests an fsync | target: at most one fsync a commit |")
	p("| --- | --- | --- | --- | --- | --- | --- |")
	for _, s := range r.syncs {
		kernel, most := "not counted", s.log.syncs
		if s.traced >= 0 {
			kernel, most = strconv.Itoa(s.traced), max(most, float64(s.traced))
		}
		p("| %s | %d | %.0f | %.0f | %s | %.1f | %s |", s.name, s.requests, s.log.commits, s.log.syncs, kernel, float64(s.requests)/most, verdict(most <= s.log.commits+extraSyncs(s)))
	}
	p("")
	p("A new segment costs two more fsyncs, of the segment before and of the directory, each 4 MiB; a log that falls idle one more.")
	p("Under strace the server is slower, so its rounds are larger than in the tables above.")
}

// extraSyncs is what a log may sync besides its commits: see the note below the table. A record of the counter is about
// a hundred bytes.
func extraSyncs(s syncCount) float64 { return 2*float64(s.requests)*300/(4<<20) + 2 }

const (
	memoryTarget  = 400e6 // bytes
	recoverTarget = 20    // seconds
)

func (r *results) writeMemory(p func(string, ...any)) {
	if len(r.memory) < 2 {
		return
	}
	n := r.memory[0].Objects
	p("")
	p("## Memory: %d objects with one 16-byte value each, a Go class", n)
	p("")
	p("| | took | resident | an object | peak | reachable heap | resident after the runtime gave back what it keeps | target |")
	p("| --- | --- | --- | --- | --- | --- | --- | --- |")
	// The targets are for a million objects; fewer get their share of the bytes and the seconds.
	share := float64(n) / 1e6
	for i, what := range []string{"written", "recovered from the log"} {
		m := r.memory[i]
		met := float64(m.After) < memoryTarget*share && (i == 0 || m.Seconds < recoverTarget*share)
		want := fmt.Sprintf("under %.0f MB", memoryTarget*share/1e6)
		if i == 1 {
			want += fmt.Sprintf(", in under %g s", recoverTarget*share)
		}
		p("| %s | %.2f s | %s | %.0f bytes | %s | %s | %s | %s: %s |", what, m.Seconds, mb(m.After), float64(m.After-m.Before)/float64(n),
			mb(m.Peak), mb(m.Heap), mb(m.Trimmed), want, verdict(met))
	}
}

func mb(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }

package main

import (
	"fmt"
	"maps"
	"math"
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
	// configurations are the command lines of all programs that were measured or that made load, by their names.
	configurations map[string]string
	notes          []string
	tables         []*table
	syncs          []syncCount
	starts         []startTimes
	years          []*years
	memory         []memoryReport // of memoryRuns
	// memoryAgain finds out why there is as much.
	memoryAgain func(*bench) error

	instances []instanceReport
	sockets   []socketReport
	took      time.Duration

	loadAfter string
	profiles  []*profile // of what is missed
	failed    error      // of scenarios
}

// table is one comparison: a row for each server and load, a column for each figure.
type table struct {
	title   string
	columns []column
	rows    []row
	ratios  []ratio
	remarks []string // below it
}

type row struct {
	name    string
	figures []spread    // a column each
	raw     [][]float64 // the figures of each round
}

// column is one figure of a sample.
type column struct {
	name   string
	of     func(sample) float64
	format func(spread) string
}

// figures are the columns that every comparison has; each is what is counted.
func figures(each, many string) []column {
	return []column{
		{many + "/s", func(s sample) float64 { return s.rate }, spread.whole},
		{"p50", func(s sample) float64 { return s.p50.Seconds() }, spread.millis},
		{"p99", func(s sample) float64 { return s.p99.Seconds() }, spread.millis},
		{"CPU a " + each, func(s sample) float64 { return s.cpu.Seconds() }, spread.micros},
		{"resident", func(s sample) float64 { return float64(s.resident) }, func(v spread) string { return mb(int64(v.median)) }},
	}
}

// requestColumns are those of requests.
func requestColumns() []column {
	return append(figures("request", "requests"), column{"requests an fsync", func(s sample) float64 { return s.batch }, spread.tenths})
}

// ratio is a figure below a table: one of two contestants, or one that has a target by itself.
type ratio struct {
	name     string
	value    spread
	rounds   int
	format   func(spread) string
	target   target
	measured string // the figures that a ratio is of
	instead  string // why the target is met although value does not reach it
	// again makes the load once more, for a profile; load names it.
	again func(*bench) error
	load  string
}

// comparison is a figure in which contestants are compared.
type comparison struct {
	unit  string
	scale float64
	of    func(sample) float64
	// less says that less of it is more: the ratio is the other one's figure, of ours.
	less bool
}

var (
	byRate = comparison{"/s", 1, func(s sample) float64 { return s.rate }, false}
	byCPU  = comparison{" us of CPU", 1e6, func(s sample) float64 { return s.cpu.Seconds() }, true}
	byP50  = comparison{" ms", 1e3, func(s sample) float64 { return s.p50.Seconds() }, false}
	byP99  = comparison{" ms", 1e3, func(s sample) float64 { return s.p99.Seconds() }, false}
)

func (c comparison) ratio(a, b sample) float64 {
	if c.less {
		a, b = b, a
	}
	return c.of(a) / c.of(b)
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

func valuesOf(samples []sample, figure func(sample) float64) (v []float64) {
	for _, s := range samples {
		v = append(v, figure(s))
	}
	return v
}

func over(samples []sample, figure func(sample) float64) spread {
	return spreadOf(valuesOf(samples, figure))
}

func newTable[C fmt.Stringer](title string, columns []column, cs []C, samples [][]sample) *table {
	t := &table{title: title, columns: columns}
	for i, c := range cs {
		r := row{name: c.String()}
		for _, col := range columns {
			v := valuesOf(samples[i], col.of)
			r.figures, r.raw = append(r.figures, spreadOf(v)), append(r.raw, v)
		}
		t.rows = append(t.rows, r)
	}
	return t
}

// ratio adds a ratio of two contestants, taken round by round: what else the machine did then, it did to both.
func (t *table) ratio(name string, a, b []sample, by comparison, want target) *ratio {
	var v []float64
	for i, ours := range a {
		if i >= len(b) {
			break
		}
		// First requests cost more than others, and not the same on every server.
		theirs := b[i]
		if ours.cold > 0 || theirs.cold > 0 {
			continue
		}
		// Processor time is told in hundredths of a second: a short round may have none.
		if x := by.ratio(ours, theirs); !math.IsNaN(x) && !math.IsInf(x, 0) {
			v = append(v, x)
		}
	}
	figure := func(s []sample) string { return short(over(s, by.of).median * by.scale) }
	t.ratios = append(t.ratios, ratio{
		name: name, value: spreadOf(v), rounds: len(v), format: spread.times, target: want,
		measured: figure(a) + " against " + figure(b) + by.unit,
	})
	return &t.ratios[len(t.ratios)-1]
}

// goal adds a figure that has a target by itself.
func (t *table) goal(name string, samples []sample, of func(sample) float64, format func(spread) string, want target) *ratio {
	v := valuesOf(samples, of)
	t.ratios = append(t.ratios, ratio{name: name, value: spreadOf(v), rounds: len(v), format: format, target: want})
	return &t.ratios[len(t.ratios)-1]
}

// profiled says how the load behind a figure is made once more.
func (r *ratio) profiled(load string, again func(*bench) error) { r.load, r.again = load, again }

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
	r.writeConfigurations(p)
	p("")
	p("Figures are medians over the rounds, with the range in brackets. Ratios are taken within each round. Servers and load")
	p("share the cores. CPU is the server's processor time, user and kernel.")
	for _, t := range r.tables {
		t.write(p)
	}
	r.writeStarts(p)
	r.writeFigures(p)
	r.writeInstances(p)
	r.writeSockets(p)
	r.writeSyncs(p)
	r.writeMemory(p)
	r.writeTargets(p)
	r.writeProfiles(p)
	return b.String()
}

// writeConfigurations shows with what each program ran.
func (r *results) writeConfigurations(p func(string, ...any)) {
	if len(r.configurations) == 0 {
		return
	}
	p("")
	p("## Configurations")
	p("")
	p("No program has another configuration than its command line and the files that are named in it. WORK is the work directory,")
	p("DATA an empty directory in it, PORT and ADMIN are free ports of 127.0.0.1.")
	p("")
	for _, name := range slices.Sorted(maps.Keys(r.configurations)) {
		p("- %s: `%s`", name, r.configurations[name])
	}
}

func (t *table) write(p func(string, ...any)) {
	p("")
	p("## %s", t.title)
	p("")
	head := []string{"server"}
	for _, c := range t.columns {
		head = append(head, c.name)
	}
	p("| %s |", strings.Join(head, " | "))
	p("|%s", strings.Repeat(" --- |", len(head)))
	for _, r := range t.rows {
		cells := []string{r.name}
		for i, c := range t.columns {
			cells = append(cells, c.format(r.figures[i]))
		}
		p("| %s |", strings.Join(cells, " | "))
	}
	if len(t.ratios) > 0 {
		p("")
		p("| figure | | target | |")
		p("| --- | --- | --- | --- |")
	}
	for _, r := range t.ratios {
		switch {
		case r.value == (spread{}):
			p("| %s | - | %s | NOT MEASURED: in no round did first requests end in time, or the figure was too small to tell |", r.name, r.target)
		case r.target == (target{}):
			p("| %s | %s | - | |", r.name, r.format(r.value))
		case r.instead != "":
			p("| %s | %s | %s | met: %s |", r.name, r.format(r.value), r.target, r.instead)
		default:
			p("| %s | %s | %s | %s |", r.name, r.format(r.value), r.target, verdict(r.target.met(r.value.median)))
		}
	}
	if len(t.remarks) > 0 {
		p("")
		for _, remark := range t.remarks {
			p("%s", remark)
		}
	}
}

func (s spread) whole() string { return fmt.Sprintf("%.0f (%.0f-%.0f)", s.median, s.low, s.high) }

// tenths shows nothing where nothing was found.
func (s spread) tenths() string {
	if s.median <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f (%.1f-%.1f)", s.median, s.low, s.high)
}

func (s spread) percent() string {
	return fmt.Sprintf("%.0f %% (%.0f-%.0f)", s.median*100, s.low*100, s.high*100)
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
		kernel, most := "not counted", s.most()
		if s.traced >= 0 {
			kernel = strconv.Itoa(s.traced)
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

func (r *results) writeMemory(p func(string, ...any)) {
	if len(r.memory) < len(memoryRuns) {
		return
	}
	n := r.memory[0].Objects
	p("")
	p("## Memory: %d objects with one 16-byte value each, a Go class", n)
	p("")
	p("| | took | resident, of each object: right after the last | idle | in all | peak | reachable heap | resident after the runtime gave back what it keeps | target |")
	p("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	// Fewer than a million get their share of the seconds.
	share, bytes := float64(n)/1e6, goal("memory-idle")
	for i, what := range []string{"written", "recovered from the log"} {
		m := r.memory[i]
		right := m.each(m.Written)
		met, want := bytes.met(right) && bytes.met(m.each(m.After)), bytes.String()
		if i == 1 {
			seconds := goal("memory-recovery").value * share
			met, want = met && m.Seconds <= seconds, want+fmt.Sprintf(", in at most %g s", seconds)
		}
		p("| %s | %.2f s | %.0f bytes | %.0f bytes | %s | %s | %s | %s | %s: %s |", what, m.Seconds, right, m.each(m.After),
			mb(m.After), mb(m.Peak), mb(m.Heap), mb(m.Trimmed), want, verdict(met))
	}
	p("")
	p("## Memory: %d pending alarms, one of each of these objects", n)
	p("")
	p("| | took | reachable heap, an alarm | resident, an alarm |")
	p("| --- | --- | --- | --- |")
	each := func(with, without int64) string { return fmt.Sprintf("%.1f bytes", float64(with-without)/float64(n)) }
	set, again, bare := r.memory[2], r.memory[3], r.memory[1]
	p("| set | %.2f s | %s | %s |", set.Seconds, each(set.Heap, set.HeapBefore), each(set.Trimmed, set.Before))
	p("| recovered from the log | %.2f s | %s | %s |", again.Seconds, each(again.Heap, bare.Heap), each(again.Trimmed, bare.Trimmed))
	p("")
	p("What the process needs more than without alarms, once the runtime gave back what it keeps; their records in the log are replayed, too.")
}

func mb(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }

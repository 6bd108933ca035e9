package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// target is what a figure should be. The zero value is none: the figure is for information.
type target struct {
	id       string
	scenario string // that measures it
	text     string
	value    float64
	unit     string // of the value; empty for a ratio
	most     bool   // value is an upper bound
}

// targets are all that there are, and what `make bench` judges. docs/performance.md shows them with figures.
var targets = []target{
	{"redis-always-p1", "redis", "redis-strings --sync always, 64 clients: rate, of Redis's with appendfsync always; or the same rate with less CPU where the client is the limit", 1.2, "", false},
	{"redis-always-p16", "redis", "the same in pipelines of 16: rate, of Redis's", 1.8, "", false},
	{"redis-always-p99", "redis", "redis-strings --sync always, 64 clients: p99, of Redis's", 1, "", true},
	{"redis-always-one", "redis", "redis-strings --sync always, one client: median latency, of Redis's", 1, "", true},
	{"redis-none-p1", "redis", "redis-strings --sync none, 64 clients: rate, of Redis's with appendfsync no", 1, "", false},
	{"redis-none-p16", "redis", "the same in pipelines of 16: rate, of Redis's", 1.3, "", false},
	{"redis-none-one", "redis", "redis-strings --sync none, one client: median latency, of Redis's", 1, "", true},

	{"go-always", "go", "counter in Go over HTTP, --sync always: rate, of a server's that keeps nothing", 0.7, "", false},
	{"go-none", "go", "counter in Go over HTTP, --sync none: rate, of a server's that keeps nothing", 0.85, "", false},

	{"embedded-memory", "embedded", "calls without a write from 2 goroutines, 1,024 under way in each", 2_000_000, "/s", false},
	{"embedded-durable", "embedded", "durable writes from 2 goroutines, 1,024 under way in each", 1_000_000, "/s", false},
	{"embedded-blocking", "embedded", "durable writes from 2 goroutines, each waits for its own", 10_000, "/s", false},

	{"ts-write-rate", "ts", "TypeScript, a request that writes: rate, of workerd's", 10, "", false},
	{"ts-write-cpu", "ts", "TypeScript, requests that write for the same CPU, of workerd's", 10, "", false},
	{"ts-rate", "ts", "TypeScript, a request that does not write: rate, of workerd's", 3, "", false},
	{"ts-cpu", "ts", "TypeScript, requests that do not write for the same CPU, of workerd's", 3, "", false},
	{"ts-p99", "ts", "TypeScript: p99, of workerd's", 0.25, "", true},

	{"broadcast-loop", "broadcast", "a loop over getWebSockets: deliveries a second, of workerd's", 10, "", false},
	{"broadcast-native", "broadcast", "ctx.broadcast: deliveries a second, of Redis's PUBLISH", 0.5, "", false},

	{"alarms-go", "alarms", "alarms of a Go class that are due at once", 100_000, "/s", false},
	{"alarms-ts", "alarms", "alarms of TypeScript that are due at once", 20_000, "/s", false},
	{"alarms-late", "alarms", "how late they are, p99", 1000, " ms", true},
	{"alarms-others", "alarms", "what other requests wait meanwhile, p99", 50, " ms", true},

	{"start", "start", "from the start of the daemon to its first answer", 100, " ms", true},
	{"idle", "idle", "processor time of a daemon with recovered objects and idle connections", 0, " ticks of 10 ms", true},

	{"instances-memory", "instances", "memory of a live TypeScript instance", 1536, " bytes", true},
	{"instances-wait", "instances", "what another object of the same loop waits at most while instances are made, rest and go", 20, " ms", true},

	{"sockets-memory", "sockets", "memory of an idle socket, hibernated", 4096, " bytes", true},
	{"sockets-descriptors", "sockets", "descriptors of an idle socket, hibernated", 1.01, "", true},

	{"fsync", "fsync", "fsyncs, of the commits and what segments need", 1, "", true},

	{"memory-written", "memory", "memory of an object with one 16-byte value, right after a million were written", 300, " bytes", true},
	{"memory-idle", "memory", "memory of such an object when all are idle", 300, " bytes", true},
	{"memory-recovered", "memory", "memory of such an object, recovered", 300, " bytes", true},
	{"memory-recovery", "memory", "time to recover a million of them", 20, " s", true},

	{"recover-log", "recover", "recovery from the log alone", 1_000_000, " records/s", false},
	{"recover-snapshot", "recover", "recovery from a snapshot", 500_000, " objects/s", false},

	{"snapshot-rate", "snapshot", "throughput while snapshots are made, of that without", 0.8, "", false},
	{"snapshot-p99", "snapshot", "p99 while snapshots are made, of that without", 2, "", true},

	{"overwrite-disk", "overwrite", "disk that endless overwrites take at most", 256, " MB", true},
	{"overwrite-start", "overwrite", "from the start of the daemon on what is left to its first answer", 3, " s", true},
}

// goal is the target of that name. Only names of the list are asked for.
func goal(id string) target {
	i := slices.IndexFunc(targets, func(t target) bool { return t.id == id })
	if i < 0 {
		panic("bench: there is no target " + id)
	}
	return targets[i]
}

func (t target) met(v float64) bool {
	if t.most {
		return v <= t.value
	}
	return v >= t.value
}

func (t target) String() string {
	if t == (target{}) {
		return "-"
	}
	value := strconv.FormatFloat(t.value, 'f', -1, 64) + t.unit
	if t.most {
		return "at most " + value
	}
	return "at least " + value
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

// outcome is what was measured for a target. A target that several servers or loads have to meet has one for each.
type outcome struct {
	Target   string // its id
	What     string // which server and load
	Measured string // figures of both, where Value is a ratio
	Value    spread
	Rounds   int
	Met      bool
	Why      string // what else than Value has met the target
	// again makes the load once more, for a profile; nil where nothing can be seen in one. Those of the same load share a name.
	again func(b *bench) error
	load  string
}

// outcomes are those of all that was measured, in the order of the list of targets.
func (r *results) outcomes() []outcome {
	var all []outcome
	for _, t := range r.tables {
		for _, x := range t.ratios {
			if x.target == (target{}) || x.value == (spread{}) {
				continue
			}
			all = append(all, outcome{
				Target: x.target.id, What: x.name, Measured: x.measured, Value: x.value, Rounds: x.rounds, Met: x.target.met(x.value.median) || x.instead != "",
				Why: x.instead, again: x.again, load: x.load,
			})
		}
	}
	one := func(id, what string, values ...float64) {
		v := spreadOf(values)
		all = append(all, outcome{Target: id, What: what, Value: v, Rounds: len(values), Met: goal(id).met(v.median)})
	}
	for _, y := range r.years {
		for _, f := range y.figures {
			if f.want != (target{}) && len(f.values) > 0 {
				one(f.want.id, f.what, f.values...)
				all[len(all)-1].again, all[len(all)-1].load = f.again, f.load
			}
		}
	}
	for _, s := range r.starts {
		if s.target {
			one("start", s.name, s.millis...)
		}
	}
	for _, i := range r.instances {
		of := func(id, what string, value float64) {
			one(id, what, value)
			all[len(all)-1].again, all[len(all)-1].load = i.again, fmt.Sprintf("everloop, while %d instances are made", i.n)
		}
		of("instances-memory", "", i.bytes)
		for _, ph := range i.phases {
			if ph.target {
				of("instances-wait", ph.name, ph.longest.Seconds()*1e3)
			}
		}
	}
	for _, s := range r.sockets {
		if s.target {
			one("sockets-memory", s.name, s.asleep.bytes)
			one("sockets-descriptors", s.name, s.asleep.descriptors)
		}
	}
	for _, s := range r.syncs {
		one("fsync", s.name, s.most()/(s.log.commits+extraSyncs(s)))
	}
	if len(r.memory) >= len(memoryRuns) {
		written, recovered := r.memory[0], r.memory[1]
		one("memory-written", "", written.each(written.Written))
		all[len(all)-1].again, all[len(all)-1].load = r.memoryAgain, fmt.Sprintf("bench/memory, %d objects right after they were written", written.Objects)
		one("memory-idle", "", written.each(written.After))
		one("memory-recovered", "", recovered.each(recovered.After))
		// Fewer than a million get their share of the time.
		one("memory-recovery", "", recovered.Seconds/float64(recovered.Objects)*1e6)
	}
	slices.SortStableFunc(all, func(a, b outcome) int { return place(a.Target) - place(b.Target) })
	return all
}

func place(id string) int {
	return slices.IndexFunc(targets, func(t target) bool { return t.id == id })
}

// writeTargets is the end of each run: all targets, with what was measured.
func (r *results) writeTargets(p func(string, ...any)) {
	all := r.outcomes()
	missed := 0
	p("")
	p("## Targets")
	p("")
	p("| target | wanted | measured | figure or ratio | spread | |")
	p("| --- | --- | --- | --- | --- | --- |")
	measured := map[string]bool{}
	for _, o := range all {
		measured[o.Target] = true
		t := goal(o.Target)
		what, verdict := t.text, verdict(o.Met)
		if o.What != "" {
			what += " (" + o.What + ")"
		}
		if o.Why != "" {
			verdict += ": " + o.Why
		}
		if !o.Met {
			missed++
			verdict = "**" + verdict + "**"
		}
		p("| `%s` %s | %s | %s | %s | %s | %s |", t.id, what, t, orDash(o.Measured), short(o.Value.median)+t.unit, o.between(), verdict)
	}
	var not []string
	unknown := 0
	for _, t := range targets {
		if !measured[t.id] && slices.Contains(r.options.only, t.scenario) {
			unknown++
			p("| `%s` %s | %s | - | - | - | **NOT MEASURED** |", t.id, t.text, t)
		} else if !measured[t.id] && !slices.Contains(not, t.scenario) {
			not = append(not, t.scenario)
		}
	}
	p("")
	p("%d of %d figures miss their target, and %d were not measured.", missed, len(all), unknown)
	if len(not) > 0 {
		p("Scenarios that were not asked for: %s.", strings.Join(not, ", "))
	}
}

// between is how far apart the rounds were.
func (o outcome) between() string {
	if o.Rounds < 2 {
		return "one round"
	}
	return short(o.Value.low) + "-" + short(o.Value.high) + goal(o.Target).unit
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// short writes a figure with three digits, or as a whole number with separators.
func short(v float64) string {
	switch {
	case v >= 1000:
		s := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	case v >= 100 || v == 0:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return fmt.Sprintf("%.2g", v)
}

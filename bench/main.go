// The program bench compares: it starts servers one after another, in interleaved rounds, makes the same load on each,
// and prints rates, latencies, the servers' processor time a request, and ratios. `make bench` runs it by bench/run.
//
// All servers and the load share one machine, and other work on it comes and goes. So each round measures every server
// once, ratios are taken within a round, and what is printed is the median over the rounds, with the range. Processor time
// a request is the steadiest figure.
//
// README.md in this folder says what each scenario does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"everloop/bench/proc"
)

// options are what the command line says.
type options struct {
	rounds        int
	elapsed, warm time.Duration
	conns         int
	objects       int
	memoryObjects int
	instances     int
	alarms        int
	sockets       int
	asleep        bool
	only          []string
	work          string // where servers keep data and peers are installed; on a real disk
	results       string
	root          string // of the repository
	install       bool
	command       string // for the results
	limit         time.Duration
	quick         bool
}

// scenarios are the parts of a run, in order.
// Those whose peers are closest come first: where the time ends, the rest is left out.
var scenarios = []struct {
	name string
	run  func(*bench, context.Context, *results) error
	// takes is how long it takes with all peers, with the options of the run.
	takes func(o *options) time.Duration
}{
	{"redis", (*bench).compareRedis, func(o *options) time.Duration {
		// Two servers, three loads each, for always and none; and two rounds for information.
		return time.Duration(2*o.rounds+min(o.rounds, 2)) * 2 * (3*(o.elapsed+o.warm/2) + 4*time.Second)
	}},
	{"go", (*bench).compareGo, func(o *options) time.Duration { return o.requests(5) }},
	{"embedded", (*bench).measureEmbedded, func(o *options) time.Duration {
		return time.Duration(3*o.rounds) * (o.elapsed + o.many(3*time.Second))
	}},
	{"idle", (*bench).measureIdle, func(o *options) time.Duration {
		if o.quick {
			return 5 * time.Second
		}
		return idleSettles + idleTime + 3*time.Second
	}},
	{"ts", (*bench).compareTS, func(o *options) time.Duration { return o.requests(14) }},
	{"broadcast", (*bench).compareBroadcast, func(o *options) time.Duration {
		return time.Duration(o.rounds) * (16*(o.elapsed+o.warm) + 8*2*time.Second)
	}},
	{"echo", (*bench).compareEcho, func(o *options) time.Duration { return o.requests(4) }},
	{"alarms", (*bench).measureAlarms, func(o *options) time.Duration {
		took := time.Duration(2*o.rounds) * 6 * time.Second
		if o.asleep {
			took += time.Duration(2*o.rounds) * 18 * time.Second
		}
		return took + 25*time.Second
	}},
	{"start", (*bench).compareStart, func(*options) time.Duration { return startCount * time.Second / 2 }},
	{"instances", (*bench).measureInstances, func(o *options) time.Duration {
		return 12*time.Second + time.Duration(o.instances)*15*time.Second/100_000
	}},
	{"sockets", (*bench).measureSockets, func(o *options) time.Duration { return 75 * time.Second }},
	{"fsync", (*bench).countSyncs, func(*options) time.Duration { return 8 * time.Second }},
	{"memory", (*bench).measureMemory, func(o *options) time.Duration { return o.many(20 * time.Second) }},
	{"recover", (*bench).measureRecovery, func(o *options) time.Duration {
		return o.many(10*time.Second) + time.Duration(6*o.rounds)*o.many(2*time.Second)
	}},
	{"snapshot", (*bench).measureSnapshots, func(o *options) time.Duration {
		return 8*time.Second + time.Duration(4*o.rounds)*o.elapsed
	}},
	{"overwrite", (*bench).measureOverwrites, func(o *options) time.Duration { return o.many(75 * time.Second) }},
}

// requests is how long n servers take.
func (o *options) requests(n int) time.Duration {
	return time.Duration(n*o.rounds) * (o.elapsed + o.warm + time.Second)
}

// many is the share that objects of the memory scenarios have of what a million take.
func (o *options) many(million time.Duration) time.Duration {
	return time.Second + million*time.Duration(o.memoryObjects)/1_000_000
}

// scenarioNames are those of all.
func scenarioNames() (names []string) {
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

func main() {
	o := options{command: "bench/run " + strings.Join(os.Args[1:], " ")}
	var only, update string
	flag.IntVar(&o.rounds, "rounds", 3, "`rounds`, each of which measures every server once")
	flag.DurationVar(&o.elapsed, "time", 3*time.Second, "measured `time` of each server in a round")
	flag.DurationVar(&o.warm, "warm-up", time.Second, "`time` of load before that")
	flag.IntVar(&o.conns, "conns", 64, "keep-alive `connections`")
	flag.IntVar(&o.objects, "objects", 1000, "`objects`, where there are many")
	flag.IntVar(&o.memoryObjects, "memory-objects", 1_000_000, "`objects` of the memory and recover scenarios; a tenth of them in snapshot, and ten overwrites for each in overwrite")
	flag.IntVar(&o.instances, "instances", 100_000, "live `instances` of the instances scenario")
	flag.IntVar(&o.alarms, "alarms", 10_000, "`alarms` that are due at the same instant")
	flag.IntVar(&o.sockets, "sockets", 50_000, "idle `sockets` of the sockets scenario; fewer where there are not as many descriptors")
	flag.BoolVar(&o.asleep, "asleep", true, "ring alarms of objects that are asleep, too, which takes 12 seconds for each server and round")
	flag.StringVar(&only, "only", strings.Join(scenarioNames(), ","), "`scenarios` to run, separated by commas")
	flag.StringVar(&o.work, "work", "", "`directory` for data and peers, on the disk to measure (default: everloop-bench in the user's cache directory)")
	flag.StringVar(&o.results, "results", "bench/results", "`directory` that gets a file with the results; empty for none")
	flag.DurationVar(&o.limit, "limit", 25*time.Minute, "a scenario that would not end within this `time` from the start is left out, and the results say so")
	flag.StringVar(&update, "update-docs", "", "run nothing, but put the tables of this `file` with results into docs/performance.md, where it quotes them")
	flag.BoolVar(&o.quick, "quick", false, "two rounds of a second, and a tenth of the objects: to see that it works")
	flag.BoolVar(&o.install, "install", true, "install workerd by npm into the work directory where it is missing")
	flag.Parse()
	if o.quick {
		o.rounds, o.elapsed, o.memoryObjects, o.instances = 2, time.Second, o.memoryObjects/10, o.instances/10
		o.alarms, o.sockets, o.asleep = o.alarms/10, o.sockets/10, false
	}
	o.only = strings.Split(only, ",")
	// A second signal ends the program at once, and with it what it has started.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := o.prepare()
	switch {
	case err != nil:
	case update != "":
		err = updateDocs(o.root, update)
	default:
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// prepare checks the options and makes this process what the servers shall inherit.
func (o *options) prepare() (err error) {
	switch {
	case flag.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case min(o.rounds, o.conns, o.objects, o.memoryObjects, o.instances, o.alarms, o.sockets) < 1:
		return errors.New("rounds, connections, objects, instances, alarms and sockets are numbers above zero")
	case o.elapsed <= 0 || o.warm <= 0:
		return errors.New("-time and -warm-up are times above zero")
	}
	for _, s := range o.only {
		if names := scenarioNames(); !slices.Contains(names, s) {
			return fmt.Errorf("-only: there is no scenario %q; there are %s", s, strings.Join(names, ", "))
		}
	}
	if o.work == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no cache directory for data (%w): name one with -work", err)
		}
		o.work = filepath.Join(cache, "everloop-bench")
	}
	if o.root, err = os.Getwd(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.root, "docs", "examples", "counter")); err != nil {
		return errors.New("this is not the root of the repository: start bench/run")
	}
	// The daemon takes settings from EVERLOOP_* variables too: they must not change what is measured.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "EVERLOOP_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	// workerd needs several descriptors for each object, and ends when it has none left. This raises the limit of this
	// process and of those that it starts, as far as the system allows, and nothing else.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit on descriptors: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit on descriptors: %w", err)
	}
	return nil
}

// run runs the scenarios, and prints results to out and progress to progress.
func run(ctx context.Context, o options, out, progress io.Writer) error {
	b := &bench{options: o, progress: progress}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit on descriptors: %w", err)
	}
	b.descriptors = int(min(limit.Cur, 1<<20))
	// Two runs that share a machine would measure each other.
	release, err := lock(o.work)
	if err != nil {
		return err
	}
	defer release()
	// What a run that was killed has left behind.
	if err := os.RemoveAll(filepath.Join(o.work, "data")); err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	began := time.Now()
	machine := describe(ctx, o)
	if err := b.build(ctx); err != nil {
		return err
	}
	r := &results{machine: machine, options: o, configurations: map[string]string{}}
	b.configurations = r.configurations
	if err := b.play(ctx, r, began); err != nil {
		return err
	}
	var missed []outcome
	for _, o := range r.outcomes() {
		if !o.Met {
			missed = append(missed, o)
		}
	}
	if r.profiles, err = b.profiles(ctx, missed); err != nil {
		return err
	}
	r.took, r.loadAfter = time.Since(began), loadAverage(proc.ThisMachine())
	text := r.markdown()
	fmt.Fprint(out, text)
	if o.results == "" {
		return r.failed
	}
	return errors.Join(r.failed, r.save(o.results, text, progress))
}

// play runs the scenarios that are wanted, as long as they end in time. What goes wrong in one is noted, and the others are run.
func (b *bench) play(ctx context.Context, r *results, began time.Time) error {
	var takes time.Duration
	for _, s := range scenarios {
		if b.wants(s.name) {
			takes += s.takes(&b.options)
		}
	}
	b.say("this takes about %v, and begins no scenario that would end later than %v from now", takes.Round(time.Minute), b.limit)
	for _, s := range scenarios {
		if !b.wants(s.name) {
			continue
		}
		if spent := time.Since(began); spent+s.takes(&b.options) > b.limit {
			note := fmt.Sprintf("%s: NOT RUN, as it takes about %v and %v of %v had passed: see -limit", s.name, s.takes(&b.options).Round(time.Second), spent.Round(time.Second), b.limit)
			b.say("%s", note)
			r.notes = append(r.notes, note)
			continue
		}
		at := time.Now()
		if err := s.run(b, ctx, r); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			// What others have measured counts all the same.
			r.failed = errors.Join(r.failed, fmt.Errorf("%s: %w", s.name, err))
			note := fmt.Sprintf("%s: FAILED: %s", s.name, oneLine(err.Error()))
			b.say("%s: %v", s.name, err)
			r.notes = append(r.notes, note)
		}
		b.say("%s took %v", s.name, time.Since(at).Round(time.Second))
	}
	return nil
}

// lock takes the work directory for this process.
func lock(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s is in use by another bench: wait for it, or name another directory with -work (%w)", dir, err)
	}
	return func() { f.Close() }, nil
}

// bench is one run of the program.
type bench struct {
	options
	progress io.Writer
	bin      string
	// Paths of peers and load tools, or "", and whether they were looked for.
	workerd                         string
	looked                          bool
	redis, redisCLI, redisBenchmark string
	sought, toolsSought             bool
	// profile, if not nil, is to be taken of what is measured.
	profile        *profile
	configurations map[string]string // those of the results
	// descriptors is how many each server may have, and this process.
	descriptors int
}

func (b *bench) wants(scenario string) bool { return slices.Contains(b.only, scenario) }

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

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
}

// scenarios are the parts of a run, in order.
var scenarios = []string{"go", "ts", "broadcast", "echo", "alarms", "start", "instances", "sockets", "fsync", "memory", "recover", "snapshot", "overwrite"}

func main() {
	o := options{command: "bench/run " + strings.Join(os.Args[1:], " ")}
	var only string
	var quick bool
	flag.IntVar(&o.rounds, "rounds", 5, "`rounds`, each of which measures every server once")
	flag.DurationVar(&o.elapsed, "time", 4*time.Second, "measured `time` of each server in a round")
	flag.DurationVar(&o.warm, "warm-up", time.Second, "`time` of load before that")
	flag.IntVar(&o.conns, "conns", 64, "keep-alive `connections`")
	flag.IntVar(&o.objects, "objects", 1000, "`objects`, where there are many")
	flag.IntVar(&o.memoryObjects, "memory-objects", 1_000_000, "`objects` of the memory and recover scenarios; a tenth of them in snapshot, and ten overwrites for each in overwrite")
	flag.IntVar(&o.instances, "instances", 100_000, "live `instances` of the instances scenario")
	flag.IntVar(&o.alarms, "alarms", 10_000, "`alarms` that are due at the same instant")
	flag.IntVar(&o.sockets, "sockets", 50_000, "idle `sockets` of the sockets scenario; fewer where there are not as many descriptors")
	flag.BoolVar(&o.asleep, "asleep", true, "ring alarms of objects that are asleep, too, which takes 12 seconds for each server and round")
	flag.StringVar(&only, "only", strings.Join(scenarios, ","), "`scenarios` to run, separated by commas")
	flag.StringVar(&o.work, "work", "", "`directory` for data and peers, on the disk to measure (default: everloop-bench in the user's cache directory)")
	flag.StringVar(&o.results, "results", "bench/results", "`directory` that gets a file with the results; empty for none")
	flag.BoolVar(&quick, "quick", false, "two rounds of a second, and a tenth of the objects: to see that it works")
	flag.BoolVar(&o.install, "install", true, "install workerd by npm into the work directory where it is missing")
	flag.Parse()
	if quick {
		o.rounds, o.elapsed, o.memoryObjects, o.instances = 2, time.Second, o.memoryObjects/10, o.instances/10
		o.alarms, o.sockets, o.asleep = o.alarms/10, o.sockets/10, false
	}
	o.only = strings.Split(only, ",")
	// A second signal ends the program at once, and with it what it has started.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := o.prepare()
	if err == nil {
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
		if !slices.Contains(scenarios, s) {
			return fmt.Errorf("-only: there is no scenario %q; there are %s", s, strings.Join(scenarios, ", "))
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
	r := &results{machine: machine, options: o}
	for _, scenario := range []struct {
		name string
		run  func(context.Context, *results) error
	}{
		{"go", b.compareGo},
		{"ts", b.compareTS},
		{"broadcast", b.compareBroadcast},
		{"echo", b.compareEcho},
		{"alarms", b.measureAlarms},
		{"start", b.compareStart},
		{"instances", b.measureInstances},
		{"sockets", b.measureSockets},
		{"fsync", b.countSyncs},
		{"memory", b.measureMemory},
		{"recover", b.measureRecovery},
		{"snapshot", b.measureSnapshots},
		{"overwrite", b.measureOverwrites},
	} {
		if !b.wants(scenario.name) {
			continue
		}
		if err := scenario.run(ctx, r); err != nil {
			return err
		}
	}
	r.took, r.loadAfter = time.Since(began), loadAverage(proc.ThisMachine())
	text := r.markdown()
	fmt.Fprint(out, text)
	if o.results == "" {
		return nil
	}
	if err := os.MkdirAll(o.results, 0o755); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	file := filepath.Join(o.results, fmt.Sprintf("%s-%s.md", machine.date.Format("2006-01-02"), machine.commit))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	fmt.Fprintf(progress, "written to %s\n", file)
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
	workerd  string // its path, or ""
	looked   bool   // for workerd
	redis    string // its path, or ""
	// descriptors is how many each server may have, and this process.
	descriptors int
}

func (b *bench) wants(scenario string) bool { return slices.Contains(b.only, scenario) }

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

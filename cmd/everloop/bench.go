package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
	"everloop/bench/proc"
	results "everloop/bench/report"
)

// benchCmd is `everloop bench`.
type benchCmd struct {
	HTTP    benchHTTPCmd    `cmd:"" name:"http" help:"HTTP requests."`
	Echo    benchEchoCmd    `cmd:"" name:"ws-echo" help:"WebSockets that hear their own messages."`
	Rooms   benchRoomsCmd   `cmd:"" name:"ws-broadcast" help:"Rooms of WebSockets, where speakers are heard by all."`
	Idle    benchIdleCmd    `cmd:"" name:"ws-idle" help:"WebSockets that are only there: time to open, and memory."`
	RESP    benchRESPCmd    `cmd:"" name:"resp" help:"Commands of RESP: everloop's CALL, or Redis's."`
	Alarms  benchAlarmsCmd  `cmd:"" name:"alarms" help:"Alarms: how late they ring, and what others wait meanwhile."`
	Engine  benchEngineCmd  `cmd:"" name:"engine" help:"Calls of an engine in this process."`
	Compare benchCompareCmd `cmd:"" help:"Compare two results."`
}

// paceFlags say how fast, for how long, and how much at once.
type paceFlags struct {
	Connections int           `short:"c" default:"64" help:"Connections. At most 10,000, unless --no-limit is given."`
	Pipeline    int           `short:"P" default:"1" help:"Operations under way on each connection. At most 1,000, unless --no-limit is given."`
	Duration    time.Duration `short:"d" default:"10s" help:"How long to measure. At most an hour, unless --no-limit is given."`
	Requests    uint64        `short:"n" placeholder:"N" help:"End after so many operations, those of the warm-up included, or after --duration."`
	Warmup      time.Duration `default:"1s" help:"How long to warm up before, which is not recorded."`
	Rate        string        `short:"r" placeholder:"RATE" help:"Operations a second, whatever the server does (an open loop): 5000; 1000-20000 goes evenly from one to the other; 1000-20000/10 in ten steps. Latency counts from when an operation was due. Without it, each connection waits for its answers (a closed loop)."`
	Arrivals    string        `enum:"uniform,poisson" default:"uniform" help:"With --rate: whether operations are due evenly or by chance (${enum})."`
	Owed        int           `placeholder:"N" help:"With --rate: end when so many operations are due and cannot be sent. Default: those of 10 s."`
	Timeout     time.Duration `default:"10s" help:"How long one operation may take."`
	Workers     int           `default:"0" placeholder:"N" help:"Threads that make the load. Default: one for each 4 processors, up to 8."`
	Seed        uint64        `default:"1" help:"Decides what is left to chance. The same seed makes the same load."`
	MaxErrors   *uint64       `name:"max-errors" placeholder:"N" help:"When more operations fail than this, those of the warm-up included, the load ends and the exit code is 1. Default: 0, but the load goes on to its end all the same."`
	NoLimit     bool          `name:"no-limit" help:"Lift the limits of the other flags."`
}

// rate is --rate with --arrivals.
func (f *paceFlags) rate() (r drive.Rate, err error) {
	if f.Rate == "" {
		return r, nil
	}
	if r, err = drive.ParseRate(f.Rate); err != nil {
		return r, fmt.Errorf("--rate: %w", err)
	}
	r.Random = f.Arrivals == "poisson"
	return r, nil
}

// Validate is called by kong once all values are there.
func (f *paceFlags) Validate() error {
	r, err := f.rate()
	switch {
	case err != nil:
		return err
	case f.Connections < 1 || f.Pipeline < 1:
		return errors.New("--connections and --pipeline: want numbers from 1 on")
	case f.Duration <= 0 || f.Warmup < 0 || f.Timeout <= 0:
		return errors.New("--duration and --timeout: want times above zero; --warmup: zero or more")
	case f.Workers < 0 || f.Workers > 256:
		return errors.New("--workers: want a number from 0 to 256")
	case f.Owed < 0:
		return errors.New("--owed: want a number from 1 on")
	case f.NoLimit:
		return nil
	case f.Connections > 10_000:
		return errors.New("--connections: more than 10,000 need --no-limit")
	case f.Pipeline > 1000:
		return errors.New("--pipeline: more than 1,000 needs --no-limit")
	case f.Duration > time.Hour || f.Warmup > time.Hour:
		return errors.New("--duration: more than an hour needs --no-limit")
	case r.From > 1_000_000 || r.To > 1_000_000:
		return errors.New("--rate: more than 1,000,000 a second needs --no-limit")
	}
	return nil
}

// plan is the flags as the driver takes them.
func (f *paceFlags) plan() (drive.Plan, error) {
	r, err := f.rate()
	workers := f.Workers
	if workers == 0 {
		workers = min(max(runtime.NumCPU()/4, 1), 8)
	}
	most := 0
	if f.MaxErrors != nil {
		most = int(min(*f.MaxErrors, math.MaxInt-1)) + 1
	}
	return drive.Plan{
		MaxFailures: most, Conns: f.Connections, Depth: f.Pipeline, Workers: workers, Rate: r, Owed: f.Owed, Warmup: f.Warmup, Duration: f.Duration,
		Count: f.Requests, Timeout: f.Timeout, Seed: f.Seed,
	}, err
}

// mixFlags say what operations are about.
type mixFlags struct {
	Keys      uint64  `short:"k" default:"1000" help:"Number of keys: {key} is one from 0 on."`
	KeyOrder  string  `name:"key-distribution" placeholder:"HOW" default:"uniform" help:"How keys are chosen: uniform, zipf:THETA (key 0 most often; YCSB takes 0.99), hot:SHARE (key 0 so often, from 0 to 1), sequential."`
	ValueSize string  `name:"value-size" placeholder:"BYTES" default:"16" help:"Length of {value}, which is letters and digits: 64, 16-1024 (any between), or 16,64,1024 (one of these)."`
	Writes    float64 `default:"0" placeholder:"SHARE" help:"Share of writes among the operations, from 0 to 1."`
}

// Validate is called by kong once all values are there.
func (f *mixFlags) Validate() error { return f.set(&drive.Plan{}) }

// planOf is the plan of a load whose operations are about keys and values.
func planOf(pace *paceFlags, mix *mixFlags) (drive.Plan, error) {
	p, err := pace.plan()
	if err == nil {
		err = mix.set(&p)
	}
	return p, err
}

func (f *mixFlags) set(p *drive.Plan) (err error) {
	if p.Keys, err = drive.ParseKeys(f.KeyOrder); err != nil {
		return fmt.Errorf("--key-distribution: %w", err)
	}
	p.Keys.Count = f.Keys
	if err := p.Keys.Validate(); err != nil {
		return fmt.Errorf("--keys: %w", err)
	}
	if p.Sizes, err = drive.ParseSizes(f.ValueSize); err != nil {
		return fmt.Errorf("--value-size: %w", err)
	}
	if p.Writes = f.Writes; !(p.Writes >= 0 && p.Writes <= 1) {
		return errors.New("--writes: want a share from 0 to 1")
	}
	return nil
}

// targetFlags say where the load may go.
type targetFlags struct {
	AllowRemote bool `name:"allow-remote" help:"Make load on another machine, too. It may look like an attack there: ask whose it is."`
	PID         int  `name:"pid" placeholder:"PID" help:"The server's process on this machine: its processor time and memory are part of the result."`
}

func (f *targetFlags) resolve(ctx context.Context, addr string) (links.Address, error) {
	a, err := links.Resolve(ctx, addr, f.AllowRemote)
	var remote *links.RemoteError
	if errors.As(err, &remote) {
		return a, fmt.Errorf("%w: with --allow-remote it is asked nevertheless", err)
	}
	if err != nil {
		return a, err
	}
	return a.Probe(10 * time.Second)
}

// resultFlags say where the result goes.
type resultFlags struct {
	JSON    string `name:"json" placeholder:"FILE" help:"Write the result as JSON; - is the standard output, and then no table is printed."`
	HTML    string `name:"html" placeholder:"FILE" help:"Write the result as one page of HTML with charts."`
	Compare string `placeholder:"FILE" help:"Compare with an earlier result, which --json has written."`
	Label   string `help:"A name for this result, which a comparison shows."`
	Live    string `enum:"auto,off" default:"auto" help:"Show figures while it goes on (${enum})."`
}

// scenario is what a bench command measures.
type scenario struct {
	name, target, unit string
	settings           []results.Setting
	pace               *paceFlags
	pid                int
	// reads and writes name the kinds of operations; writes is empty where there is one.
	reads, writes string
	// conns is how many connections there are, where it is not one for each of the plan's.
	conns int
	// early says that the load was ended as too many operations had failed.
	early bool
}

// drive makes the load, and prints what was found.
func (s *scenario) drive(stdout io.Writer, t drive.Target, p drive.Plan, out *resultFlags) error {
	before, err := out.before()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	result := s.result(p)
	serverCPU := func() (d time.Duration) {
		if s.pid > 0 {
			d, err = proc.CPUOf(strconv.Itoa(s.pid))
		}
		return d
	}
	if serverCPU(); err != nil { // no such process
		return fmt.Errorf("--pid: %w", err)
	}
	var used time.Duration
	p.Begin = func() { used = serverCPU() }
	show := newBenchLive(s, &p, out)
	p.Observe = func(i drive.Interval) {
		show.update(i)
		if i.Begin >= 0 {
			result.Series = append(result.Series, sampleOf(i))
		}
	}
	r, err := drive.Run(ctx, t, p)
	show.end()
	if r == nil {
		return err
	}
	s.fill(result, r, &p)
	if s.pid > 0 {
		if now, err := proc.CPUOf(strconv.Itoa(s.pid)); err == nil { // it may have ended
			result.Totals.ServerCPU = now - used
		}
		if m, err := proc.MemoryOf(strconv.Itoa(s.pid)); err == nil {
			result.Totals.ServerResident = m.Resident
		}
	}
	if err != nil {
		result.Ended = results.EndedFailed
		result.Notes = append(result.Notes, err.Error())
	}
	return errors.Join(err, out.print(stdout, result, before), s.judge(result))
}

// judge is the error of a run that is not to count as a success.
func (s *scenario) judge(r *results.Result) error {
	most := uint64(0)
	if s.pace.MaxErrors != nil {
		most = *s.pace.MaxErrors
	}
	switch t := r.Totals; {
	case t.Requests == 0 && len(r.Errors) > 0:
		return fmt.Errorf("no %s succeeded: %s: %s", s.unit, r.Errors[0].Kind, r.Errors[0].Example)
	case t.Requests == 0:
		return fmt.Errorf("no %s succeeded", s.unit)
	case s.early:
		return fmt.Errorf("more %s failed than --max-errors %d, and the load was ended", s.unit, most)
	case uint64(t.Errors) > most:
		return fmt.Errorf("%d %s failed, more than --max-errors %d", t.Errors, s.unit, most)
	}
	return nil
}

// result is one with what is known before the load.
func (s *scenario) result(p drive.Plan) *results.Result {
	p.EnsureDefaults()
	r := &results.Result{
		Tool: version(), Command: shellLine(os.Args), Scenario: s.name, Target: s.target, Unit: s.unit,
		Machine: thisMachine(),
		Config: results.Config{
			Connections: p.Conns, Pipeline: p.Depth, Warmup: p.Warmup, Duration: p.Duration, Count: int64(p.Count),
			Seed: p.Seed, Other: s.settings,
		},
	}
	if p.Keys.Count > 1 {
		r.Config.Keys = fmt.Sprintf("%s of %d", p.Keys, p.Keys.Count)
	}
	if p.Rate.From > 0 {
		r.Config.Open, r.Config.Rate, r.Config.Arrivals = true, p.Rate.From, "uniform"
		if p.Rate.To != p.Rate.From {
			r.Config.RateEnd = p.Rate.To
		}
		if p.Rate.Random {
			r.Config.Arrivals = "poisson"
		}
		if p.Rate.Steps > 1 {
			r.Config.Other = append(r.Config.Other, results.Setting{Name: "steps", Value: strconv.Itoa(p.Rate.Steps)})
		}
	}
	if p.Writes > 0 {
		r.Config.Values = p.Sizes.String() + " bytes"
		r.Config.Mix = strconv.FormatFloat(100*p.Writes, 'g', 4, 64) + " % writes"
	}
	return r
}

// fill adds what the driver has found.
func (s *scenario) fill(to *results.Result, r *drive.Result, p *drive.Plan) {
	to.Started = r.Started.UTC()
	to.Latency, to.Service = r.Times.Latency, r.Times.Service
	c := r.Counts
	to.Totals = results.Totals{
		Elapsed: r.Elapsed, Requests: int64(c.OK), Unsent: int64(c.Unsent), Sent: int64(c.Out), Received: int64(c.In),
		GeneratorCPU: r.CPU, GeneratorCores: float64(r.Workers),
	}
	if p.Rate.From > 0 {
		to.Totals.Intended = int64(c.Started)
		to.Totals.GeneratorBehind = r.Lag.Max()
	}
	to.Config.Connections = max(s.conns, r.Conns)
	if reads, writes := r.Times.Reads, r.Times.Writes; s.writes != "" && reads.Count() > 0 && writes.Count() > 0 {
		to.Kinds = []results.Kind{
			{Name: s.reads, Requests: reads.Count(), Latency: reads}, {Name: s.writes, Requests: writes.Count(), Latency: writes},
		}
	}
	// With what failed and was no operation, as an answer that nothing had asked for
	for _, f := range r.Failed {
		to.Totals.Errors += int64(f.Count)
		to.Errors = append(to.Errors, results.Failure{Kind: f.Kind, Count: int64(f.Count), Example: f.Text, First: f.First})
	}
	for n := len(to.Series); n > 0; n-- { // what is behind the end was waited for in vain
		if last := to.Series[n-1]; last.Requests+last.Errors+last.Intended > 0 {
			break
		}
		to.Series = to.Series[:n-1]
	}
	to.Ended = results.EndedTime
	switch {
	case r.Verdict == drive.Interrupted:
		to.Ended = results.EndedInterrupted
	case r.Verdict == drive.TooManyFailures:
		s.early = true
		to.Ended = results.EndedFailed
		to.Notes = append(to.Notes, "More operations failed than --max-errors allows, those of the warm-up included.")
	case r.Verdict == drive.ServerSaturated:
		to.Notes = append(to.Notes, fmt.Sprintf("Server saturated: %s operations were due and could not be sent, as all %d connections were waiting for answers. The load was ended early.", humanCount(c.Unsent), r.Conns))
	case r.Verdict == drive.GeneratorBehind:
		to.Notes = append(to.Notes, fmt.Sprintf("The load generator fell behind: %s operations were due and not sent, and its %d threads had no time to spare. Give it more by --workers.", humanCount(c.Unsent), r.Workers))
	case p.Count > 0 && c.Started+r.Warmup.Started >= p.Count:
		to.Ended = results.EndedCount
	}
	if r.Warmup.Failed > 0 {
		to.Notes = append(to.Notes, fmt.Sprintf("%s of %s operations failed while warming up; they are in no figure.", humanCount(r.Warmup.Failed), humanCount(r.Warmup.Started)))
	}
	if c.Reconnects > 0 {
		to.Notes = append(to.Notes, fmt.Sprintf("Connections were made again %s times.", humanCount(c.Reconnects)))
	}
	if c.Delivered > 0 {
		to.Figures = append(to.Figures, results.Figure{Name: "deliveries", Value: float64(c.Delivered) / r.Elapsed.Seconds(), Unit: results.UnitRate, Better: 1})
	}
}

func thisMachine() results.Machine {
	m := proc.ThisMachine()
	return results.Machine{
		CPU: m.CPU, Cores: m.Cores, Memory: m.Memory, OS: runtime.GOOS + " " + m.Kernel, Arch: runtime.GOARCH, Go: runtime.Version(), Load: m.Load,
	}
}

func humanCount(n uint64) string { return strconv.FormatUint(n, 10) }

func sampleOf(i drive.Interval) results.Sample {
	s := results.Sample{
		At: i.Begin + i.Length, Span: i.Length, Intended: int64(i.Due), Requests: int64(i.OK), Errors: int64(i.Failed), InFlight: i.UnderWay,
		Latency: i.Latency.Quantiles(),
	}
	if i.Service != nil {
		q := i.Service.Quantiles()
		s.Service = &q
	}
	return s
}

// before reads the result to compare with, before a run that may take long.
func (f *resultFlags) before() (*results.Result, error) {
	if f.Compare == "" {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	return readResult(f.Compare)
}

func readResult(path string) (*results.Result, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r, err := results.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// print writes the result to where it is wanted.
func (f *resultFlags) print(stdout io.Writer, r, before *results.Result) error {
	r.Label = f.Label
	var errs []error
	if f.JSON == "-" {
		errs = append(errs, r.WriteJSON(stdout))
	} else {
		errs = append(errs, r.WriteTable(stdout, tableOptions(stdout)))
		if f.JSON != "" {
			errs = append(errs, writeTo(f.JSON, r.WriteJSON))
		}
	}
	var c *results.Comparison
	if before != nil {
		c = results.Compare(before, r)
	}
	if c != nil && f.JSON != "-" {
		fmt.Fprintln(stdout)
		errs = append(errs, c.WriteTable(stdout, tableOptions(stdout)))
	}
	if f.HTML != "" {
		write := r.WriteHTML
		if c != nil {
			write = c.WriteHTML
		}
		errs = append(errs, writeTo(f.HTML, write))
	}
	return errors.Join(errs...)
}

func tableOptions(w io.Writer) results.TableOptions {
	f, ok := w.(*os.File)
	if !ok {
		return results.TableOptions{}
	}
	return results.TableOptions{Width: results.Width(f), Color: results.Colors(f)}
}

// writeTo makes a file.
func writeTo(path string, write func(io.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}

// benchLive shows a run while it goes on.
type benchLive struct {
	live           *results.Live
	warm, measured time.Duration
	count          int64
	conns          int
	warmed, sum    results.Totals
	whole          *results.Histogram
	failed         string
}

func newBenchLive(s *scenario, p *drive.Plan, out *resultFlags) *benchLive {
	l := &benchLive{warm: p.Warmup, measured: p.Duration, count: int64(p.Count), conns: max(s.conns, p.Conns), whole: results.NewHistogram()}
	if out.Live != "off" {
		l.live = results.NewLive(os.Stderr, results.LiveOptions{Title: s.name + " " + s.target, Unit: s.unit})
		l.live.Update(results.Tick{Phase: "connecting"})
	}
	return l
}

func (l *benchLive) update(i drive.Interval) {
	if l.live == nil {
		return
	}
	if i.Failure.Count > 0 {
		l.failed = i.Failure.Kind + ": " + i.Failure.Text
	}
	t := results.Tick{Phase: "measuring", At: i.Begin + i.Length, Of: l.measured, Second: sampleOf(i), Open: l.conns, Error: l.failed, DoneOf: l.count}
	sum := &l.sum
	switch {
	case i.Begin < 0:
		t.Phase, t.At, t.Of, sum = "warm-up", i.Begin+i.Length+l.warm, l.warm, &l.warmed
	case i.Begin >= l.measured:
		t.Phase = "draining"
		l.whole.Merge(i.Latency)
	default:
		l.whole.Merge(i.Latency)
	}
	sum.Requests += int64(i.OK)
	sum.Errors += int64(i.Failed)
	sum.Intended += int64(i.Due)
	sum.Elapsed += i.Length
	t.SoFar, t.Done, t.Whole = *sum, sum.Requests+sum.Errors, l.whole.Quantiles()
	l.live.Update(t)
}

func (l *benchLive) end() {
	if l.live != nil {
		l.live.End()
	}
}

// shellLine is a command as a shell would take it.
func shellLine(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if a == "" || strings.ContainsFunc(a, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./:,@%", r)
		}) {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// benchCompareCmd is `everloop bench compare`.
type benchCompareCmd struct {
	A    string `arg:"" help:"The result before, as --json has written it."`
	B    string `arg:"" help:"The result to compare with it."`
	HTML string `name:"html" placeholder:"FILE" help:"Write the comparison as one page of HTML with charts."`
}

// Run prints the comparison.
func (c *benchCompareCmd) Run(stdout io.Writer) error {
	a, err := readResult(c.A)
	if err != nil {
		return err
	}
	b, err := readResult(c.B)
	if err != nil {
		return err
	}
	both := results.Compare(a, b)
	if err := both.WriteTable(stdout, tableOptions(stdout)); err != nil {
		return err
	}
	if c.HTML == "" {
		return nil
	}
	return writeTo(c.HTML, both.WriteHTML)
}

// sortSettings puts settings into an order that does not change.
func sortSettings(s []results.Setting) {
	slices.SortFunc(s, func(a, b results.Setting) int { return strings.Compare(a.Name, b.Name) })
}

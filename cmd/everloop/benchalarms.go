package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"everloop/bench/drive"
	"everloop/bench/drive/command"
	"everloop/bench/drive/links"
	"everloop/bench/load"
	"everloop/bench/proc"
	results "everloop/bench/report"
	"everloop/bench/rings"
)

// benchAlarmsCmd is `everloop bench alarms`.
type benchAlarmsCmd struct {
	Server string `arg:"" help:"http://HOST:PORT, or HOST:PORT or unix:PATH of RESP."`
	Arm    string `required:"true" placeholder:"REQUEST" help:"What sets the alarm of object {key} to {at}, in milliseconds since 1970: of HTTP a path, before which may be a method, as 'POST /arm?id={key}&at={at}'; of RESP a command."`
	Ask    string `required:"true" placeholder:"REQUEST" help:"What object {key} answers by {\"scheduled\": MILLISECONDS, \"ran\": [MILLISECONDS]}: when its alarm was due, and each time that it has run."`

	Alarms  int           `short:"n" default:"10000" help:"Alarms, each of an object of its own: keys from 0 on. At most 1,000,000, unless --no-limit is given."`
	Rate    float64       `short:"r" default:"0" placeholder:"N" help:"So many become due each second. Default: all at the same instant."`
	Lead    time.Duration `placeholder:"TIME" help:"From the beginning until the first is due; all must be set by then. Default: 2 s, and 1 s for each 2,000."`
	Ringing time.Duration `placeholder:"TIME" help:"How long after the last is due nobody asks the objects. Default: 500 ms, and 1 s for each 4,000."`
	Late    time.Duration `name:"patience" default:"10s" help:"How long after that an alarm may still ring. Then it has failed."`

	Others     string  `placeholder:"REQUEST" help:"What others ask for while alarms ring. Default: --ask of objects that have no alarm."`
	OthersKeys uint64  `name:"others-keys" default:"64" help:"Number of keys of the others: from 0 on, or behind those of the alarms by default."`
	OthersRate float64 `name:"others-rate" default:"1000" help:"How often a second they do, in all. 0: not at all."`

	Connections int           `short:"c" default:"64" help:"Connections. At most 10,000, unless --no-limit is given."`
	Timeout     time.Duration `default:"10s" help:"How long an answer may take."`
	MaxErrors   uint64        `name:"max-errors" default:"0" help:"When more alarms and requests of others fail than this, the exit code is 1."`
	NoLimit     bool          `name:"no-limit" help:"Lift the limits of the other flags."`
	User        string        `placeholder:"NAME" help:"Of RESP, with a password, which is taken from the environment variable EVERLOOP_RESP_PASSWORD: the user that it is for."`
	Password    string        `hidden:"" env:"EVERLOOP_RESP_PASSWORD" help:"Sent with AUTH before anything else."`

	targetFlags `embed:""`
	resultFlags `embed:""`
}

// Help is printed below the flags.
func (*benchAlarmsCmd) Help() string {
	return `How late 10,000 alarms ring that are due at the same instant, and how long others wait meanwhile:

    everloop bench alarms http://127.0.0.1:8080 --arm '/arm?id=bell-{key}&at={at}' --ask '/rung?id=bell-{key}'

2,000 a second for 10 seconds, by methods over RESP:

    everloop bench alarms 127.0.0.1:6380 --alarms 20000 --rate 2000 --arm 'CALL Bell bell-{key} arm {at}' --ask 'CALL Bell bell-{key} rung'

A class whose objects can be measured in this way:

    class Bell extends DurableObject {
      async arm(at) { await this.ctx.storage.setAlarm(at); }
      async rung() { return (await this.ctx.storage.get("rung")) ?? { scheduled: null, ran: [] }; }
      async alarm({ scheduledTime }) {
        await this.ctx.storage.put("rung", { scheduled: Number(scheduledTime), ran: [Date.now()] });
      }
    }`
}

// Validate is called by kong once all values are there.
func (c *benchAlarmsCmd) Validate() error {
	switch {
	case c.Alarms < 1 || c.Connections < 1 || !(c.Rate >= 0) || !(c.OthersRate >= 0) || c.OthersKeys < 1:
		return errors.New("--alarms, --connections and --others-keys: want numbers from 1 on; --rate and --others-rate: none below zero")
	case c.Lead < 0 || c.Ringing < 0 || c.Late <= 0 || c.Timeout <= 0:
		return errors.New("--lead, --ringing, --patience and --timeout: want times above zero")
	case !strings.Contains(c.Arm, "{key}") || !strings.Contains(c.Arm, "{at}") || !strings.Contains(c.Ask, "{key}"):
		return errors.New("--arm needs {key} and {at} in it, and --ask {key}")
	}
	if !c.NoLimit {
		switch {
		case c.Alarms > 1_000_000:
			return errors.New("--alarms: more than 1,000,000 need --no-limit")
		case c.Connections > 10_000:
			return errors.New("--connections: more than 10,000 need --no-limit")
		case c.OthersRate > 1_000_000:
			return errors.New("--others-rate: more than 1,000,000 need --no-limit")
		case c.Rate > 0 && float64(c.Alarms)/c.Rate > 3600:
			return errors.New("--rate: alarms for more than an hour need --no-limit")
		}
	}
	for _, request := range []string{c.Arm, c.Ask, c.Others} {
		if request == "" {
			continue
		}
		if _, err := c.target(links.Address{}, request, nil); err != nil {
			return err
		}
	}
	return nil
}

// target makes requests of one kind.
func (c *benchAlarmsCmd) target(to links.Address, request string, check rings.Check) (*links.Target, error) {
	request = strings.ReplaceAll(request, "{at}", "{value}") // which is the operation's value
	if !strings.Contains(c.Server, "://") {
		of, err := command.Parse(request)
		of.Check = check
		return command.Target(command.Options{Address: to, Read: of, User: c.User, Password: c.Password}), err
	}
	host, _, err := splitURL(c.Server, "http://")
	if err != nil {
		return nil, err
	}
	method, path, ok := strings.Cut(request, " ")
	if !ok {
		method, path = "GET", request
	}
	r := load.Request{Method: method, Path: drive.ParseTemplate(path), Check: check}
	return load.Target(to, host, r, r), r.Validate()
}

// Run sets the alarms and measures.
func (c *benchAlarmsCmd) Run(stdout io.Writer) error {
	before, err := c.before()
	if err != nil {
		return err
	}
	addr := c.Server
	if host, _, err := splitURL(c.Server, "http://"); err == nil {
		addr = withPort(host)
	}
	to, err := c.resolve(context.Background(), addr)
	if err != nil {
		return err
	}
	o := rings.Options{
		Alarms: c.Alarms, Rate: c.Rate, Conns: c.Connections, Lead: c.Lead, Ringing: c.Ringing, Patience: c.Late, Timeout: c.Timeout,
		OthersRate: c.OthersRate, OthersKeys: c.OthersKeys,
	}
	if o.Arm, err = c.target(to, c.Arm, nil); err != nil {
		return err
	}
	o.Ask = func(check rings.Check) *links.Target {
		t, _ := c.target(to, c.Ask, check) // Validate has made one already
		return t
	}
	if c.OthersRate > 0 {
		if c.Others != "" {
			o.Others, err = c.target(to, c.Others, nil)
		} else {
			o.Others, err = c.target(to, c.Ask, nil)
			o.OthersFrom = uint64(c.Alarms)
		}
		if err != nil {
			return err
		}
	}
	used := serverTime{pid: c.PID}
	o.Ahead = used.begin
	o.Over = used.end
	if err := used.check(); err != nil {
		return err
	}
	ctx, stop := untilSignal()
	defer stop()
	show := &results.Live{}
	if c.Live != "off" {
		show = results.NewLive(os.Stderr, results.LiveOptions{Title: "alarms " + c.Server, Unit: "others' requests"})
	}
	o.Observe = func(p rings.Progress) {
		t := results.Tick{Phase: p.Phase, Done: p.Done, DoneOf: p.Of, At: p.At, Of: p.End, Open: c.Connections}
		if p.Interval.Latency != nil {
			t.Second = sampleOf(p.Interval)
		}
		if t.At < 0 {
			t.Phase, t.At, t.Of = "waiting", 0, 0
		}
		show.Update(t)
	}
	found, err := rings.Run(ctx, o)
	show.End()
	if err != nil {
		return err
	}
	s := scenario{name: "alarms", target: c.Server, unit: "alarms", pace: &paceFlags{MaxErrors: &c.MaxErrors}, pid: c.PID}
	for _, each := range []results.Setting{
		{Name: "arm", Value: c.Arm},
		{Name: "ask", Value: c.Ask},
		{Name: "others", Value: c.Others},
		{Name: "others a second", Value: strconv.FormatFloat(c.OthersRate, 'g', -1, 64)},
	} {
		if each.Value != "" {
			s.settings = append(s.settings, each)
		}
	}
	r := s.result(drive.Plan{Conns: c.Connections, Count: uint64(c.Alarms), Keys: drive.Keys{Kind: drive.Sequential, Count: uint64(c.Alarms)}})
	c.fill(r, found)
	used.fill(r)
	return errors.Join(c.print(stdout, r, before), s.judge(r))
}

// fill adds what was found.
func (c *benchAlarmsCmd) fill(r *results.Result, found *rings.Result) {
	r.Started, r.Latency = found.First.UTC(), found.Late
	r.Ended = results.EndedCount
	if found.Interrupted {
		r.Ended = results.EndedInterrupted
	}
	r.Totals = results.Totals{
		Elapsed: found.Elapsed(), Requests: int64(len(found.Rings)), Sent: int64(found.Out), Received: int64(found.In),
	}
	// Alarms ring by themselves, which is an open loop.
	r.Config.Open, r.Config.Arrivals = true, results.AtOnce
	if c.Rate > 0 {
		r.Config.Rate, r.Config.Arrivals = c.Rate, "uniform"
		r.Totals.Intended = int64(c.Alarms)
	}
	for _, f := range found.Failed {
		r.Totals.Errors += int64(f.Count)
		r.Errors = append(r.Errors, results.Failure{Kind: f.Kind, Count: int64(f.Count), Example: f.Text, First: max(f.First, 0)})
	}
	r.Series = seriesOf(found, c.Alarms, c.Rate)
	r.Figures = append(r.Figures, results.Figure{Name: "time to set all", Value: float64(found.Set.Nanoseconds()), Unit: results.UnitDuration, Better: -1})
	for _, each := range []struct {
		name string
		of   *results.Histogram
	}{{"others before", found.Quiet}, {"others while alarms rang", found.Meanwhile}} {
		if each.of.Count() == 0 {
			continue
		}
		r.Figures = append(r.Figures, results.Figure{Name: each.name, Value: float64(each.of.Count()), Unit: results.UnitCount})
		q := each.of.Quantiles()
		for _, point := range []struct {
			name string
			d    time.Duration
		}{{"p50", q.P50}, {"p99", q.P99}, {"max", q.Max}} {
			r.Figures = append(r.Figures, results.Figure{Name: each.name + ", " + point.name, Value: float64(point.d.Nanoseconds()), Unit: results.UnitDuration, Better: -1})
		}
	}
	if found.Lag != nil {
		r.Figures = append(r.Figures,
			results.Figure{Name: "others asked late, at most", Value: float64(found.Lag.Max().Nanoseconds()), Unit: results.UnitDuration, Better: -1})
	}
	r.Notes = append(r.Notes, "Latency is how late alarms have run, by the clock of their objects. The rate counts from when the first was due until the last had run.")
	if found.Coarse {
		r.Notes = append(r.Notes, "The objects' clock has told whole milliseconds: each latency counts to the end of the one that it told.")
	}
}

// seriesOf are the seconds in which alarms have rung.
func seriesOf(found *rings.Result, alarms int, rate float64) (all []results.Sample) {
	elapsed := found.Elapsed()
	n := 0
	late := results.NewHistogram()
	for begin := time.Duration(0); begin < elapsed; begin += time.Second {
		end := min(begin+time.Second, elapsed)
		late.Reset()
		s := results.Sample{At: end, Span: end - begin}
		for ; n < len(found.Rings) && found.Rings[n].Ran <= end; n++ {
			late.Record(found.Rings[n].Ran - found.Rings[n].Due)
			s.Requests++
		}
		if rate > 0 {
			due := func(at time.Duration) int64 { return min(int64(at.Seconds()*rate), int64(alarms)) }
			s.Intended = due(end) - due(begin)
		}
		s.Latency = late.Quantiles()
		all = append(all, s)
	}
	return all
}

// serverTime measures the processor time of a server's process, if it was named.
type serverTime struct {
	pid  int
	used time.Duration
}

func (s *serverTime) now() (d time.Duration, err error) {
	if s.pid > 0 {
		d, err = proc.CPUOf(strconv.Itoa(s.pid))
	}
	return d, err
}

func (s *serverTime) check() error {
	if _, err := s.now(); err != nil {
		return fmt.Errorf("--pid: %w", err)
	}
	return nil
}

func (s *serverTime) begin() {
	if now, err := s.now(); err == nil { // it may have ended, which others show
		s.used = -now
	}
}

func (s *serverTime) end() {
	if now, err := s.now(); err == nil && s.used < 0 {
		s.used += now
	}
}

// fill adds the time, as a figure since others have their part of it, and the memory at the end.
func (s *serverTime) fill(r *results.Result) {
	if s.pid == 0 {
		return
	}
	r.Figures = append(r.Figures, results.Figure{
		Name: "server CPU, others included", Value: float64(max(s.used, 0).Nanoseconds()), Unit: results.UnitDuration, Better: -1,
	})
	if m, err := proc.MemoryOf(strconv.Itoa(s.pid)); err == nil { // it may have ended
		r.Totals.ServerResident = m.Resident
	}
}

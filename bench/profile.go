package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"everloop/bench/proc"
)

// A target that was missed is shown with a profile of the server under the load of that target: the load is made once more
// after all measurements, so that a profile disturbs no figure. perf takes it, which sees the kernel's part too.

const (
	// hottest is how many functions a profile shows.
	hottest = 15
	// sampling is how many samples a second of processor time are taken: no divisor of what timers ring at.
	sampling = 997
	// profileTime is how long a load is made for a profile.
	profileTime = 3 * time.Second
)

// profile is where a process spends its time.
type profile struct {
	Missed []string // the targets
	Load   string   // server and load
	Top    []hot
	Absent string // why there is none
	Memory bool   `json:",omitempty"` // it is of resident memory, and not of processor time

	perf, file string
}

// hot is a function and its share of the samples, in percent.
type hot struct {
	Share    float64
	Function string
}

// profiles makes the load of each missed target once more.
func (b *bench) profiles(ctx context.Context, missed []outcome) (all []*profile, err error) {
	byLoad := map[string]*profile{}
	perf, absent := exec.LookPath("perf")
	for _, o := range missed {
		if o.again == nil {
			continue
		}
		p := byLoad[o.load]
		if p != nil {
			p.Missed = append(p.Missed, o.Target)
			continue
		}
		p = &profile{Missed: []string{o.Target}, Load: o.load, perf: perf, file: filepath.Join(b.work, "perf.data")}
		byLoad[o.load], all = p, append(all, p)
		switch {
		case absent != nil:
			p.Absent = "perf is not installed: Debian's package linux-perf has it"
			continue
		case ctx.Err() != nil:
			return all, context.Cause(ctx)
		}
		b.say("profile of %s", p.Load)
		again := *b
		again.profile, again.elapsed, again.rounds, again.progress = p, profileTime, 1, new(strings.Builder)
		if b.elapsed < profileTime {
			again.elapsed = b.elapsed // a run that only sees whether it works
		}
		if err := o.again(&again); err != nil {
			p.Absent = oneLine(err.Error())
		}
		if len(p.Top) == 0 && p.Absent == "" {
			p.Absent = "perf has seen nothing"
		}
	}
	return all, nil
}

// during takes the profile of a process while fn runs. A nil profile takes none. Where perf fails, the profile says so.
func (p *profile) during(process *proc.Process, fn func() error) error {
	if p == nil {
		return fn()
	}
	stop, err := p.attach(process.PID())
	if err != nil {
		p.Absent = oneLine(err.Error())
		return fn()
	}
	err = fn()
	if serr := stop(); serr != nil {
		p.Absent = oneLine(serr.Error())
	}
	return err
}

// attach starts perf on a process; stop ends it and reads what it has found.
func (p *profile) attach(pid int) (stop func() error, err error) {
	_ = os.Remove(p.file)
	r, err := proc.Start("perf", nil, p.perf, "record", "-F", strconv.Itoa(sampling), "-o", p.file, "-p", strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	return func() error {
		defer func() { _ = os.Remove(p.file) }()
		if err := syscall.Kill(r.PID(), syscall.SIGINT); err != nil {
			return fmt.Errorf("perf: %w", err)
		}
		select {
		case <-r.Done():
		case <-time.After(20 * time.Second):
			r.Kill()
			return errors.New("perf does not end")
		}
		if _, err := os.Stat(p.file); err != nil {
			return fmt.Errorf("perf: %s", strings.TrimSpace(r.Output()))
		}
		out, err := exec.Command(p.perf, "report", "--stdio", "--no-children", "-F", "overhead,sym", "-i", p.file).Output()
		if err != nil {
			return fmt.Errorf("perf report: %w", err)
		}
		p.Top = parsePerf(string(out))
		return nil
	}, nil
}

// perfLine is a line of perf's report: share, k for the kernel or . for the program, function.
var perfLine = regexp.MustCompile(`^\s*([0-9.]+)%\s+\[([.k])\]\s+(\S.*?)\s*$`)

// parsePerf reads the hottest functions of a report, which has them in order.
func parsePerf(report string) (top []hot) {
	for line := range strings.Lines(report) {
		m := perfLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil || len(top) == hottest {
			continue
		}
		share, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			continue
		}
		name := m[3]
		if m[2] == "k" {
			name += " (kernel)"
		}
		top = append(top, hot{share, name})
	}
	return top
}

func (r *results) writeProfiles(p func(string, ...any)) {
	for _, f := range r.profiles {
		p("")
		p("### Profile for what is missed: %s", strings.Join(f.Missed, ", "))
		p("")
		if f.Memory {
			p("%s: what of the resident memory was reachable, by who has allocated it; taken in this run after the measurements.", f.Load)
		} else {
			p("%s: %d samples a second of processor time, user and kernel, taken in this run after the measurements.", f.Load, sampling)
		}
		p("")
		if f.Absent != "" {
			p("There is none: %s.", f.Absent)
			continue
		}
		p("| share | function |")
		p("| --- | --- |")
		for _, h := range f.Top {
			p("| %.1f %% | `%s` |", h.Share, strings.ReplaceAll(h.Function, "|", "/"))
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"everloop/engine/js"
	"everloop/engine/js/project"
	"everloop/engine/tune"
	"everloop/wal"
)

const (
	// defaultLoops is what --loops 0 means: with one loop all that a round did shares one fsync.
	defaultLoops = 1
	// drainTimeout bounds how long requests in progress may take after a signal.
	drainTimeout = 30 * time.Second
)

// A report is what a person wants to know when the daemon has started.
type report struct {
	listen   string   // where the program is: the real address, also where the port was 0
	resp     string   // where clients of Redis are served, or ""
	admin    string   // where the admin side is
	loops    int      //
	classes  []string // each as "Counter as env.COUNTER"
	objects  int      // recovered
	records  uint64   // of the log, replayed
	recovery time.Duration
	torn     string // what was cut off the log's end, or ""
}

// Run starts the daemon and returns when it has ended in an orderly way.
func (c *serveCmd) Run(stdout io.Writer) error {
	return c.run(stdout, newLogger(os.Stderr), nil)
}

// run serves the project, and goes along with its changes where dev is not nil.
func (c *serveCmd) run(stdout io.Writer, logger *slog.Logger, dev *development) error {
	slog.SetDefault(logger)
	loops := c.Loops
	if loops == 0 {
		loops = defaultLoops
	}
	tune.Process(loops)
	go js.Warm()
	// The runtime has raised the soft limit on descriptors to the hard one before main.

	// Signals are taken before anything is opened, so that one that comes during a long recovery ends
	// the start in an orderly way, too.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	starting, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)

	type result struct {
		daemon *daemon
		p      *project.Project
		err    error
	}
	started := make(chan result, 1)
	go func() {
		var r result
		if dev != nil {
			r.daemon, r.p, r.err = dev.start(starting, func(p *project.Project, b *project.Bundle) (*daemon, error) {
				return wire(starting, c, loops, p, b, logger, dev)
			})
		} else {
			var bundle *project.Bundle
			if r.p, bundle, r.err = bundled(c, logger.Warn); r.err == nil {
				r.daemon, r.err = wire(starting, c, loops, r.p, bundle, logger, nil)
			}
		}
		started <- r
	}()
	var d *daemon
	var p *project.Project
	stopping := false
	for d == nil {
		select {
		case r := <-started:
			if r.err != nil && stopping && errors.Is(r.err, context.Canceled) {
				return nil
			}
			if r.err != nil {
				return c.explain(r.err)
			}
			d, p = r.daemon, r.p
		case <-signals:
			if stopping {
				endNow()
			}
			stopping = true
			cancel(context.Canceled)
		}
	}
	if !stopping {
		printReport(stdout, c, p, d.report())
		if dev != nil {
			done := make(chan struct{})
			watched := make(chan struct{})
			go func() { defer close(watched); dev.run(d, done) }()
			defer func() { close(done); <-watched }()
		}
		select {
		case err := <-d.broken:
			return c.explain(err)
		case s := <-signals:
			logger.Info("draining", "signal", s.String(), "timeout", drainTimeout)
		}
	}

	go func() {
		<-signals
		endNow()
	}()
	ctx, done := context.WithTimeout(context.Background(), drainTimeout)
	defer done()
	if err := d.drain(ctx); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	logger.Info("ended")
	return nil
}

// bundled reads the project and makes one module of it. warn is told what works, but hardly as meant.
func bundled(c *serveCmd, warn func(string, ...any)) (*project.Project, *project.Bundle, error) {
	p, err := project.Load(c.Project, project.Options{Environment: c.Env, Today: time.Now().UTC().Format(time.DateOnly)})
	if err != nil {
		return nil, nil, err
	}
	bundle, err := p.Bundle()
	if err != nil {
		return p, nil, err
	}
	for _, warning := range p.Warnings {
		warn(warning)
	}
	for _, warning := range bundle.Warnings {
		warn(warning.Error())
	}
	return p, bundle, nil
}

// endNow ends the process at the second signal. What was answered is on disk already.
func endNow() {
	fmt.Fprintln(os.Stderr, "everloop: second signal: ended at once")
	os.Exit(exitFailed)
}

// newLogger writes text for people on a terminal and JSON anywhere else.
func newLogger(to *os.File) *slog.Logger {
	if isTerminal(to) {
		return slog.New(newConsole(to))
	}
	return slog.New(newLines(to))
}

// newLines writes log lines as JSON. A length of time is written with its unit, where slog writes bare nanoseconds.
func newLines(to io.Writer) slog.Handler {
	return slog.NewJSONHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}})
}

// isTerminal reports whether a person is likely to read what is written to f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// printReport prints what is running. Scripts read the addresses from it.
func printReport(to io.Writer, c *serveCmd, p *project.Project, r report) {
	plural := func(n uint64, one string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %ss", n, one)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "everloop serves %s (%s)\n", p.Name, c.Project)
	fmt.Fprintf(&b, "  listening on  %s\n", r.listen)
	if r.resp != "" {
		fmt.Fprintf(&b, "  resp on       %s\n", r.resp)
	}
	fmt.Fprintf(&b, "  admin on      %s\n", r.admin)
	fmt.Fprintf(&b, "  data in       %s, sync %s, %s\n", c.dataDir(), c.Sync, plural(uint64(r.loops), "loop"))
	classes := "none"
	if len(r.classes) > 0 {
		classes = strings.Join(r.classes, ", ")
	}
	fmt.Fprintf(&b, "  classes       %s\n", classes)
	fmt.Fprintf(&b, "  recovered     %s from %s in %v\n", plural(uint64(r.objects), "object"), plural(r.records, "record"), r.recovery.Round(100*time.Microsecond))
	if r.torn != "" {
		fmt.Fprintf(&b, "  cut off       %s\n", r.torn)
	}
	fmt.Fprint(to, b.String())
}

// explain adds to an error of the start what the person can do about it.
func (c *serveCmd) explain(err error) error {
	var remedy string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "Another program listens there. Stop it, or choose another address with --listen, --resp or --admin."
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "This machine has no such address. Choose one that it has, or 127.0.0.1."
	case errors.Is(err, wal.ErrLocked):
		remedy = "Stop the other process, or give this one a data directory of its own with --data."
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EROFS):
		remedy = "Let the user that runs everloop write there, or choose another place."
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST):
		remedy = "There is a file in the way. Choose another data directory with --data."
	case errors.Is(err, syscall.ENOSPC):
		remedy = "Make room on the disk."
	default:
		return err
	}
	return fmt.Errorf("%w\n%s", err, remedy)
}

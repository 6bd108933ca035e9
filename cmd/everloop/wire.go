package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/engine/js/project"
	"everloop/loop"
	"everloop/proto/admin"
	"everloop/proto/assets"
	"everloop/proto/server"
	"everloop/wal"
)

// syncModes are the values of --sync.
var syncModes = map[string]wal.SyncMode{"always": wal.SyncAlways, "interval": wal.SyncInterval, "none": wal.SyncNone}

// quarantineFile is the list, in the data directory, of objects that are not run.
const quarantineFile = "quarantine"

// daemon is what `everloop serve` runs.
type daemon struct {
	pool   *loop.Net
	eng    *engine.Engine
	app    *js.App
	files  *server.Files
	http   *server.Server
	listen *loop.Listener
	resp   *server.RESP   // nil without --resp
	redis  *loop.Listener // of resp
	admin  *admin.Server
	broken chan error    // an error if the daemon cannot go on by itself
	stop   chan struct{} // ends the compression of static files; nil where there are none
	mu     sync.Mutex    // guards app and stop: a program that is developed changes
	ended  bool          // drain has begun
}

// A programError is what is wrong with the program rather than with what it is served with.
type programError struct{ error }

func (e *programError) Unwrap() error { return e.error }

// wire puts the daemon together. When it fails, what it has opened is closed again.
func wire(ctx context.Context, c *serveCmd, loops int, p *project.Project, bundle *project.Bundle, logger *slog.Logger, dev *development) (_ *daemon, err error) {
	d := &daemon{broken: make(chan error)}
	defer func() {
		if err != nil {
			done, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if cerr := d.drain(done); cerr != nil {
				logger.Error("while giving up the start", "err", cerr)
			}
		}
	}()
	if d.pool, err = loop.New(loop.Options{Loops: loops, Logger: logger}); err != nil {
		return nil, err
	}
	opening := engine.Options{
		Dir: c.dataDir(), Pool: d.pool, Sync: syncModes[c.Sync], Retain: c.retain(), WebSockets: server.SocketClient{}, Logger: logger,
	}
	c.set(&opening)
	var read func()
	opening.Progress, read = recoveryProgress(os.Stderr, logger)
	d.eng, err = engine.Open(opening)
	read()
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	address, err := parseAddress(c.Listen)
	if err != nil {
		return nil, err
	}
	// A person who sees the program's terminal may see its errors in the browser, too.
	person := dev != nil || isTerminal(os.Stderr)
	d.files = server.NewFiles(nil, nil)
	d.app, err = js.Load(d.eng, p, bundle, js.Options{
		CPULimit: c.CPULimit, Logger: logger, QuarantineFile: filepath.Join(c.dataDir(), quarantineFile),
		Assets: d.files, CodeFrames: person,
	})
	if err != nil {
		return nil, &programError{err}
	}
	if err := d.serveFiles(p); err != nil {
		return nil, &programError{err}
	}
	options := server.Options{
		Files:  d.files,
		Detail: person && address.network == "tcp" && address.local(), // behind a socket file there is a proxy
		Logger: logger,
		Nanos:  func() int64 { return int64(time.Since(processStart)) },
	}
	if dev != nil {
		options.Answered, options.Instead = dev.console.request, dev.page
	}
	d.http, err = server.New(d.eng, d.app.Entrypoint(), options)
	if err != nil {
		return nil, err
	}
	if c.RESP != "" {
		if d.resp, err = server.NewRESP(d.eng, server.RESPOptions{
			Password: c.RESPPassword, Version: plainVersion(), Started: processStart.UnixMilli(), Persistence: d.appendLogInfo, Logger: logger,
		}); err != nil {
			return nil, err
		}
	}
	if d.admin, err = admin.Listen(admin.Options{
		Addr: c.Admin, Token: c.AdminToken, Engine: d.eng, Version: version(), Logger: logger,
		HTTP:              func() admin.HTTP { return admin.HTTP(d.http.Metrics()) },
		HTTPLatencyBounds: server.LatencyBounds[:],
		RESP:              d.respFigures(),
		Log:               d.logStats,
	}); err != nil {
		return nil, err
	}
	// The program's address comes last: whoever can connect is served.
	if d.listen, err = d.http.Listen(d.pool, c.Listen); err != nil {
		return nil, err
	}
	if d.resp != nil {
		if d.redis, err = d.resp.Listen(d.pool, c.RESP); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// serveFiles puts the project's static files in the place of those that are served.
func (d *daemon) serveFiles(p *project.Project) error {
	site, first, err := files(p)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil
	}
	if d.stop != nil {
		close(d.stop)
		d.stop = nil
	}
	if site != nil {
		d.stop = make(chan struct{})
		go site.Compress(d.stop)
	}
	if site != nil {
		for _, warning := range site.Warnings {
			slog.Default().Warn(p.Assets.Directory + "/" + warning)
		}
	}
	d.files.Replace(site, first)
	return nil
}

// update puts another version of the program in the place of that which is served. When it fails, nothing has changed.
func (d *daemon) update(p *project.Project, bundle *project.Bundle) error {
	if _, _, err := files(p); err != nil {
		return err
	}
	d.mu.Lock()
	app, ended := d.app, d.ended
	d.mu.Unlock()
	if ended {
		return nil
	}
	next, err := app.Update(p, bundle)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.app = next
	if d.ended {
		next.Close()
	}
	d.mu.Unlock()
	return d.serveFiles(p)
}

// files loads the project's static files, and says which paths reach the program before them.
func files(p *project.Project) (site *assets.Site, first func(path string) bool, err error) {
	a := p.Assets
	if a == nil || a.Directory == "" {
		return nil, nil, nil
	}
	site, err = assets.Load(assets.Options{Directory: a.Directory, HTMLHandling: a.HTMLHandling, NotFound: a.NotFoundHandling})
	if a.RunWorkerFirstAll {
		return site, func(string) bool { return true }, err
	}
	return site, assets.Patterns(a.RunWorkerFirst), err
}

var processStart = time.Now()

// logStats reads the figures of the log for the admin server, which does not know package wal.
func (d *daemon) logStats() admin.Log {
	l, ok := d.eng.Log().(*wal.Log)
	if !ok {
		return admin.Log{}
	}
	s := l.Stats()
	return admin.Log{
		Commits: s.Commits, Empty: s.Empty, Inline: s.Inline, Syncs: s.Syncs, Records: s.Records, Bytes: s.Bytes,
		Segments: s.Segments, Waiting: s.Waiting, SyncAverage: s.SyncAverage, SyncTime: admin.Histogram(s.SyncTime),
		BatchRecords: admin.Histogram(s.BatchRecords), BatchBytes: admin.Histogram(s.BatchBytes),
	}
}

// respFigures reads the figures of the server of RESP, if there is one.
func (d *daemon) respFigures() func() admin.RESP {
	if d.resp == nil {
		return nil
	}
	return func() admin.RESP { return admin.RESP(d.resp.Metrics()) }
}

// appendLogInfo appends what INFO says of the log.
func (d *daemon) appendLogInfo(dst []byte) []byte {
	l, ok := d.eng.Log().(*wal.Log)
	if !ok {
		return dst
	}
	s := l.Stats()
	return fmt.Appendf(dst, "log_records:%d\r\nlog_bytes:%d\r\nlog_commits:%d\r\nlog_fsyncs:%d\r\nlog_segments:%d\r\nlog_waiting_bytes:%d\r\nlog_fsync_usec:%d\r\n",
		s.Records, s.Bytes, s.Commits, s.Syncs, s.Segments, s.Waiting, s.SyncAverage.Microseconds())
}

// report says what there is to say at the start.
func (d *daemon) report() report {
	r := report{
		listen: d.listen.Addr().String(), admin: d.admin.Addr().String(), loops: d.pool.Len(),
	}
	if d.redis != nil {
		r.resp = d.redis.Addr().String()
	}
	for _, b := range d.app.Bindings() {
		r.classes = append(r.classes, fmt.Sprintf("%s as env.%s", b.Class, b.Name))
	}
	found := d.eng.Recovered()
	r.objects, r.records, r.recovery = found.Objects, found.Records, found.Took
	if found.Torn > 0 {
		r.torn = fmt.Sprintf("%d bytes of a write that was not finished (%s at %d)", found.Torn, found.TornFile, found.TornAt)
	}
	return r
}

// drain ends in the order of a request's way: no new connections, the requests under way, the objects, the log.
func (d *daemon) drain(ctx context.Context) error {
	var errs []error
	d.mu.Lock()
	d.ended = true
	if d.stop != nil {
		close(d.stop)
	}
	app := d.app
	d.mu.Unlock()
	if d.admin != nil {
		d.admin.Drain()
	}
	if d.listen != nil {
		errs = append(errs, d.listen.Close())
	}
	if d.redis != nil {
		errs = append(errs, d.redis.Close())
	}
	if d.eng != nil {
		if err := d.pool.Drain(ctx); err != nil {
			errs = append(errs, fmt.Errorf("connections: %w", err))
		}
		errs = append(errs, d.eng.Close(ctx))
	}
	if app != nil {
		app.Close()
	}
	if d.pool != nil {
		errs = append(errs, d.pool.Close(ctx))
	}
	if d.admin != nil {
		errs = append(errs, d.admin.Close(ctx))
	}
	return errors.Join(errs...)
}

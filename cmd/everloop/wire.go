package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
	http   *server.Server
	listen *loop.Listener
	admin  *admin.Server
	broken chan error
	stop   chan struct{} // ends the compression of static files; nil where there are none
}

// wire puts the daemon together. When it fails, what it has opened is closed again.
func wire(ctx context.Context, c *serveCmd, loops int, p *project.Project, bundle *project.Bundle, logger *slog.Logger) (_ served, err error) {
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
	if d.eng, err = engine.Open(engine.Options{Dir: c.dataDir(), Pool: d.pool, Sync: syncModes[c.Sync], Logger: logger}); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	d.app, err = js.Load(d.eng, p, bundle, js.Options{
		CPULimit: c.CPULimit, Logger: logger, QuarantineFile: filepath.Join(c.dataDir(), quarantineFile),
	})
	if err != nil {
		return nil, err
	}
	address, err := parseAddress(c.Listen)
	if err != nil {
		return nil, err
	}
	site, first, err := files(p)
	if err != nil {
		return nil, err
	}
	if site != nil {
		d.stop = make(chan struct{})
		go site.Compress(d.stop)
	}
	d.http, err = server.New(d.eng, d.app.Entrypoint(), server.Options{
		Assets: site, WorkerFirst: first,
		// A person who sees the program's terminal may see its errors in the browser, too.
		Detail: address.local() && isTerminal(os.Stderr),
		Logger: logger,
		Nanos:  func() int64 { return int64(time.Since(processStart)) },
	})
	if err != nil {
		return nil, err
	}
	if d.admin, err = admin.Listen(admin.Options{
		Addr: c.Admin, Token: c.AdminToken, Engine: d.eng, Version: version(), Logger: logger,
		HTTP:              func() admin.HTTP { return admin.HTTP(d.http.Metrics()) },
		HTTPLatencyBounds: server.LatencyBounds[:],
		Log:               d.logStats,
	}); err != nil {
		return nil, err
	}
	// The program's address comes last: whoever can connect is served.
	if d.listen, err = d.http.Listen(d.pool, c.Listen); err != nil {
		return nil, err
	}
	return d, nil
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

func (d *daemon) report() report {
	r := report{
		listen: d.listen.Addr().String(), admin: d.admin.Addr().String(), loops: d.pool.Len(),
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

func (d *daemon) failed() <-chan error { return d.broken }

// drain ends in the order of a request's way: no new connections, the requests under way, the objects, the log.
func (d *daemon) drain(ctx context.Context) error {
	var errs []error
	if d.stop != nil {
		close(d.stop)
	}
	if d.admin != nil {
		d.admin.Drain()
	}
	if d.listen != nil {
		errs = append(errs, d.listen.Close())
	}
	if d.eng != nil {
		if err := d.pool.Drain(ctx); err != nil {
			errs = append(errs, fmt.Errorf("connections: %w", err))
		}
		errs = append(errs, d.eng.Close(ctx))
	}
	if d.app != nil {
		d.app.Close()
	}
	if d.pool != nil {
		errs = append(errs, d.pool.Close(ctx))
	}
	if d.admin != nil {
		errs = append(errs, d.admin.Close(ctx))
	}
	return errors.Join(errs...)
}

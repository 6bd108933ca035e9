package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/loop"
	"everloop/proto/server"
	"everloop/wal"
	"everloop/wal/waltest"
)

// crashVariable has the settings of a process that a crash test starts: the test's own binary, which serves the program of
// testdata/ledger, in TypeScript or Go, on a disk that keeps a journal.
const crashVariable = "CRASH_SERVE"

// crashSettings say what is served, and where the process kills itself.
type crashSettings struct {
	Data    string
	Journal string
	Loops   int
	Sync    string
	Go      bool
	Retain  int64 // bytes of history
	// Where is the kind of operation on the disk that is fatal: "any", or what phase.at says. Nth counts them, from 1.
	Where string
	Nth   int
	After bool // it has been carried out
	// Errno has the operation fail instead; with Forever, so do all that come after it.
	Errno   syscall.Errno
	Forever bool
}

// phase follows what a log does on its disk.
type phase struct {
	now     string
	started bool // this process has written a manifest
	renamed bool // the manifest has been renamed, and its directory not been fsynced
}

// at is what the next operation belongs to: "rotation", "snapshot", "install" or "removal", or else "log".
func (p *phase) at(op wal.Op) string {
	base := filepath.Base(op.Path)
	manifest := strings.HasPrefix(base, "MANIFEST")
	switch snapshot := strings.HasPrefix(base, "snap-"); {
	case op.Kind == wal.OpRemove && !strings.HasSuffix(base, ".tmp"):
		p.now = "removal"
	case op.Kind == wal.OpMkdir && strings.HasPrefix(base, "gen-") && p.started:
		p.now = "rotation"
	case snapshot && op.Kind == wal.OpRename:
		p.now = "install"
	case snapshot:
		return "snapshot"
	case op.Kind == wal.OpSyncDir && base == "p0" && (p.renamed || p.now == "removal"):
		now := p.now
		p.now, p.renamed = "", false
		if now == "" {
			return "log"
		}
		return now
	case manifest && op.Kind == wal.OpRename:
		p.started, p.renamed = true, true
	case op.Kind == wal.OpWrite && !manifest && p.now != "rotation":
		return "log" // the loops go on meanwhile
	}
	if p.now == "" {
		return "log"
	}
	return p.now
}

func crashServe(text string) int {
	var s crashSettings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(logger)
	if err := s.serve(logger); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// disk is the journal, with the fatal operation.
func (s *crashSettings) disk() (*waltest.Journal, error) {
	var p phase
	seen, hit := 0, false
	return waltest.NewJournal(s.Data, s.Journal, func(op wal.Op, done bool) error {
		if !done {
			at := p.at(op)
			if hit = s.Where == "any" || s.Where == at; hit {
				seen++
			}
		}
		switch {
		case s.Errno != 0 && !done && (hit && seen == s.Nth || s.Forever && seen >= s.Nth):
			return s.Errno
		case s.Errno == 0 && hit && seen == s.Nth && done == s.After:
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it cannot fail
			select {}
		}
		return nil
	})
}

// serve serves until SIGTERM.
func (s *crashSettings) serve(logger *slog.Logger) error {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if err := os.MkdirAll(s.Data, 0o750); err != nil {
		return err
	}
	disk, err := s.disk()
	if err != nil {
		return err
	}
	pool, err := loop.New(loop.Options{Loops: s.Loops, Logger: logger})
	if err != nil {
		return err
	}
	retain := wal.Retain{Age: time.Hour, Bytes: s.Retain}
	options := engine.Options{
		Dir: s.Data, Pool: pool, Logger: logger, SnapshotLog: crashSnapshotLog,
		OpenLog: func(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
			return wal.Open(s.Data, wal.Options{Buffers: loops, Sync: syncModes[s.Sync], OnDurable: durable, Logger: logger, Disk: disk, Retain: retain})
		},
	}
	eng, err := engine.Open(options)
	if err != nil {
		return err
	}
	entry, err := s.program(eng, logger)
	if err != nil {
		return err
	}
	srv, err := server.New(eng, entry, server.Options{Logger: logger})
	if err != nil {
		return err
	}
	l, err := srv.Listen(pool, "127.0.0.1:0")
	if err != nil {
		return err
	}
	found := eng.Recovered()
	fmt.Printf("  listening on  %s\n  recovered     %d objects from %d records\n", l.Addr(), found.Objects, found.Records)
	<-stop.Done()
	_ = l.Close() // it ends with the process
	ctx, end := context.WithTimeout(context.Background(), patience)
	defer end()
	if err := eng.Close(ctx); err != nil {
		return err
	}
	return pool.Close(ctx)
}

// program loads the program.
func (s *crashSettings) program(eng *engine.Engine, logger *slog.Logger) (engine.Entrypoint, error) {
	if !s.Go {
		p, bundle, err := bundled(&serveCmd{Project: ledgerProgram}, logger.Warn)
		if err != nil {
			return nil, err
		}
		app, err := js.Load(eng, p, bundle, js.Options{CPULimit: time.Minute, Logger: logger})
		if err != nil {
			return nil, err
		}
		return app.Entrypoint(), nil
	}
	// The keys are those of the program in TypeScript: one directory has both, one after the other.
	if _, err := eng.Register("Ledger", engine.ClassOf(func(st *engine.State) (*goLedger, error) { return &goLedger{st}, nil }), engine.UniqueKey("ledger-Ledger")); err != nil {
		return nil, err
	}
	if _, err := eng.Register("Inbox", engine.ClassOf(func(st *engine.State) (*goInbox, error) { return &goInbox{st}, nil }), engine.UniqueKey("ledger-Inbox")); err != nil {
		return nil, err
	}
	return engine.EntrypointFunc(func(ctx context.Context, ev *engine.Event, r *engine.Request) (*engine.Response, error) {
		u, err := url.Parse(r.URL)
		if err != nil {
			return nil, err
		}
		class := "Ledger"
		if strings.HasPrefix(u.Path, "/inbox/") {
			class = "Inbox"
		}
		return ev.Namespace(class).GetByName(strings.Split(u.Path, "/")[2]).Fetch(ctx, r)
	}), nil
}

// goLedger is class Ledger of testdata/ledger in Go.
type goLedger struct{ st *engine.State }

func (g *goLedger) Fetch(ctx context.Context, r *engine.Request) (*engine.Response, error) {
	if strings.HasSuffix(r.URL, "/read") {
		return stored(g.st.Storage())
	}
	var s step
	body, err := g.st.ReadBody(ctx, r.Body, 1<<20)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, err
	}
	storage := g.st.Storage()
	if s.Wipe {
		if err := storage.DeleteAll(); err != nil {
			return nil, err
		}
	}
	for _, k := range s.Delete {
		if _, err := storage.Delete(k); err != nil {
			return nil, err
		}
	}
	for k, v := range s.Put {
		if err := storage.Put(k, v); err != nil {
			return nil, err
		}
	}
	if s.Alarm != 0 {
		if err := storage.SetAlarm(time.UnixMilli(s.Alarm)); err != nil {
			return nil, err
		}
	}
	if s.Tell != "" {
		if err := g.st.Namespace("Inbox").GetByName(s.Tell).Call(ctx, "note", nil, s.From, s.Number); err != nil {
			return nil, err
		}
	}
	return engine.TextResponse(200, "taken"), nil
}

// Alarm notes for which step it has rung.
func (g *goLedger) Alarm(context.Context, engine.AlarmInfo) error {
	var armed string
	if _, err := g.st.Storage().Get("armed", &armed); err != nil {
		return err
	}
	return g.st.Storage().Put("rung", armed)
}

// goInbox is class Inbox of testdata/ledger in Go.
type goInbox struct{ st *engine.State }

func (g *goInbox) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	return stored(g.st.Storage())
}

// Note is told of a step.
func (g *goInbox) Note(from, number string) error { return g.st.Storage().Put(from, number) }

// stored says all that an object has.
func stored(storage *engine.Storage) (*engine.Response, error) {
	all := contents{Keys: map[string]string{}}
	var keys []string
	if err := storage.List(engine.ListOptions{}, func(key, _ []byte) bool { keys = append(keys, string(key)); return true }); err != nil {
		return nil, err
	}
	for _, k := range keys {
		var v string
		if _, err := storage.Get(k, &v); err != nil {
			return nil, err
		}
		all.Keys[k] = v
	}
	if ms, set, err := storage.Alarm(); err != nil {
		return nil, err
	} else if set {
		all.Alarm = &ms
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return engine.TextResponse(200, string(text)), nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto/server"
)

// Phase is what was seen since the last question for it: how many snapshots were installed, and how long tasks waited for the loop that
// the probe posted to it, at most and but for one in a thousand. Times are in seconds.
type Phase struct {
	Made             uint64
	Most, Thousandth float64
	Posted           int
}

// serve serves writes on listen. On admin GET /phase is answered with a Phase and begins another, GET /snapshots/on has snapshots made,
// one behind the other, and GET /snapshots/off ends that, with the snapshot that is being made.
func serve(data, listen, admin string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// By age or size no snapshot is made: what is measured is with them all the time, and without any.
	n, err := open(engine.Options{Dir: data, SnapshotLog: -1, SnapshotAge: -1})
	if err != nil {
		return err
	}
	return errors.Join(n.serve(ctx, listen, admin), n.close())
}

func (n *node) serve(ctx context.Context, listen, admin string) error {
	srv, err := server.New(n.eng, engine.EntrypointFunc(route), server.Options{})
	if err != nil {
		return err
	}
	if _, err := srv.Listen(n.pool, listen); err != nil {
		return err
	}
	p := &probe{}
	var probing sync.WaitGroup
	probing.Go(func() { p.run(ctx, n.pool.Loop(0)) })
	defer probing.Wait()
	s := &series{eng: n.eng}
	defer func() { _ = s.off() }() // the one who ends the program has asked for it by then
	mux := http.NewServeMux()
	mux.HandleFunc("GET /phase", func(w http.ResponseWriter, _ *http.Request) {
		got := p.take()
		got.Made = s.take()
		_ = json.NewEncoder(w).Encode(got) // who has asked sees that the answer is none
	})
	mux.HandleFunc("GET /snapshots/on", func(http.ResponseWriter, *http.Request) { s.on() })
	mux.HandleFunc("GET /snapshots/off", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.off(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	side := &http.Server{Addr: admin, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- side.ListenAndServe() }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	return errors.Join(err, side.Close())
}

func route(ctx context.Context, env *engine.Event, r *engine.Request) (*engine.Response, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, err
	}
	return env.Namespace("Cell").GetByName(u.Query().Get("id")).Fetch(ctx, r)
}

// series makes snapshots one behind the other.
type series struct {
	eng *engine.Engine

	mu     sync.Mutex
	stop   chan struct{} // nil: it is off
	ended  chan error
	before uint64 // installed by the last take
}

func (s *series) on() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return
	}
	s.stop, s.ended = make(chan struct{}), make(chan error, 1)
	go func(stop chan struct{}, ended chan error) {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			if _, err := s.eng.Snapshot(context.Background()); err != nil {
				ended <- err
				return
			}
		}
	}(s.stop, s.ended)
}

func (s *series) off() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return nil
	}
	close(s.stop)
	err := <-s.ended
	s.stop = nil
	return err
}

func (s *series) take() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	installed := s.eng.SnapshotStats().Installed
	made := installed - s.before
	s.before = installed
	return made
}

// probePause is the time between two tasks of the probe.
const probePause = time.Millisecond

// probe posts tasks to a loop. How long one waits is what the round takes that is under way, and what the loop itself waits for a processor.
type probe struct {
	mu    sync.Mutex
	waits []time.Duration
}

func (p *probe) run(ctx context.Context, l loop.Loop) {
	every := time.NewTicker(probePause)
	defer every.Stop()
	ran := make(chan time.Time, 1)
	task := loop.Func(func() { ran <- time.Now() })
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		posted := time.Now()
		if !l.Post(task) {
			return
		}
		wait := (<-ran).Sub(posted)
		p.mu.Lock()
		p.waits = append(p.waits, wait)
		p.mu.Unlock()
	}
}

func (p *probe) take() Phase {
	p.mu.Lock()
	waits := p.waits
	p.waits = nil
	p.mu.Unlock()
	if len(waits) == 0 {
		return Phase{}
	}
	slices.Sort(waits)
	return Phase{Most: waits[len(waits)-1].Seconds(), Thousandth: waits[(len(waits)-1)*999/1000].Seconds(), Posted: len(waits)}
}

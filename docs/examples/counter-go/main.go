// The program counter-go serves durable counters over HTTP from a Go program of its own: everloop's engine is a part of
// it, not a daemon beside it.
//
// counter.go has the object and the way to it; this file puts the parts together and takes them apart again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"everloop/engine"
	"everloop/engine/tune"
	"everloop/loop"
	"everloop/proto/server"
	"everloop/wal"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8787", "`address` to serve HTTP on, host:port or unix:path")
	data := flag.String("data", ".everloop", "data `directory`; made if it does not exist")
	sync := flag.String("sync", "always", "when a write counts as durable: always, interval or none")
	flag.Parse()

	// SIGTERM and Ctrl-C end the context, and with it run. A second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, *listen, *data, *sync); err != nil {
		fmt.Fprintln(os.Stderr, "counter-go:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then finishes what is under way.
func run(ctx context.Context, listen, data, sync string) (err error) {
	mode, err := wal.ParseSyncMode(sync)
	if err != nil {
		return err
	}

	tune.Process(1) // threads and garbage collector, for a program with one loop

	// The loops. Connections and objects live on them; with one loop, all that happens in one of its rounds
	// shares one fsync.
	pool, err := loop.New(loop.Options{Loops: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close(context.Background())) }()

	// The engine. When Open returns, every object is as it last was on disk.
	eng, err := engine.Open(engine.Options{Dir: data, Pool: pool, Sync: mode})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut(pool, eng)) }()
	counters, err := eng.Register("Counter", engine.ClassOf(NewCounter))
	if err != nil {
		return err
	}

	// Any goroutine of the program may call an object's methods by name. The call returns when what it did is
	// durable.
	var starts int
	if err := counters.GetByName("starts of this program").Call(ctx, "add", &starts, 1); err != nil {
		return err
	}

	// HTTP, on the same loops.
	srv, err := server.New(eng, engine.EntrypointFunc(route), server.Options{})
	if err != nil {
		return err
	}
	lis, err := srv.Listen(pool, listen)
	if err != nil {
		return err
	}
	slog.Info("serving", "address", lis.Addr().String(), "objects", eng.Recovered().Objects, "starts", starts)

	<-ctx.Done()
	return nil
}

// shut ends in the order of a request's way: no new connections, the requests under way, the objects, the log.
func shut(pool *loop.Net, eng *engine.Engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = pool.Drain(ctx) // its error is that of pool.Close, too
	err := eng.Close(ctx)
	if log, ok := eng.Log().(*wal.Log); ok {
		s := log.Stats()
		slog.Info("ended", "records", s.Records, "commits", s.Commits, "syncs", s.Syncs)
	}
	return err
}

// The program memcached speaks the classic text protocol of memcached: each key is a durable object in this process, and what is
// stored outlives it.
//
// object.go is what a key is and does; codec.go and session.go are the protocol; this file puts the parts together and takes them apart
// again.
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
	"everloop/proto"
	"everloop/wal"
)

type settings struct {
	listen, data, sync string
	loops              int
}

func main() {
	var o settings
	flag.StringVar(&o.listen, "listen", "127.0.0.1:11211", "`address` to serve on, host:port or unix:path")
	flag.StringVar(&o.data, "data", ".everloop", "data `directory`; made if it does not exist")
	flag.StringVar(&o.sync, "sync", "always", "when a write counts as durable: always, interval or none")
	flag.IntVar(&o.loops, "loops", 1, "`number` of event loops; with one, all commands of a round share an fsync")
	flag.Parse()

	// SIGTERM and Ctrl-C end the context, and with it run. A second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "memcached:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then finishes what is under way.
func run(ctx context.Context, o settings) (err error) {
	mode, err := wal.ParseSyncMode(o.sync)
	if err != nil {
		return err
	}
	tune.Process(o.loops) // threads and garbage collector

	pool, err := loop.New(loop.Options{Loops: o.loops})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close(context.Background())) }()

	// When Open returns, every key is as it last was on disk, and alarms that came due meanwhile are about to run.
	eng, err := engine.Open(engine.Options{Dir: o.data, Pool: pool, Sync: mode})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut(pool, eng)) }()
	if _, err := eng.Register("Item", engine.DirectOf(handle)); err != nil {
		return err
	}

	lis, err := proto.Serve(pool, eng, o.listen, memcached{}, options())
	if err != nil {
		return err
	}
	slog.Info("serving", "address", lis.Addr().String(), "keys", eng.Recovered().Objects)

	<-ctx.Done()
	return nil
}

// shut ends in the order of a request's way: no new connections, the commands under way, the objects, the log.
func shut(pool *loop.Net, eng *engine.Engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = pool.Drain(ctx) // its error is that of pool.Close, too
	return eng.Close(ctx)
}

// The program redis-strings speaks the protocol of Redis for strings: each key is a durable object in this process, and redis-cli,
// redis-benchmark and client libraries talk to it as to a Redis server.
//
// object.go is what a key is and does; commands.go is the protocol; this file puts the parts together and takes them apart
// again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
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
	listen, data, sync, pprof string
	loops                     int
}

func main() {
	var o settings
	flag.StringVar(&o.listen, "resp", "127.0.0.1:6379", "`address` to serve on, host:port or unix:path")
	flag.StringVar(&o.data, "data", ".everloop", "data `directory`; made if it does not exist")
	flag.StringVar(&o.sync, "sync", "always", "when a write counts as durable: always, interval or none")
	flag.IntVar(&o.loops, "loops", 1, "`number` of event loops; with one, all commands of a round share an fsync")
	flag.StringVar(&o.pprof, "pprof", "", "loopback `address` to serve Go's profiles on; none if empty")
	flag.Parse()

	// SIGTERM and Ctrl-C end the context, and with it run. A second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "redis-strings:", err)
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
	if o.pprof != "" {
		if err := serveProfiles(o.pprof); err != nil {
			return err
		}
	}

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
	if _, err := eng.Register("String", engine.DirectOf(handle)); err != nil {
		return err
	}

	p := &redis{sync: map[wal.SyncMode]string{wal.SyncAlways: "always", wal.SyncInterval: "everysec", wal.SyncNone: "no"}[mode]}
	lis, err := proto.Serve(pool, eng, o.listen, p, p.options())
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

func serveProfiles(address string) error {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return err
	}
	if !addr.IP.IsLoopback() {
		return fmt.Errorf("--pprof %s: profiles tell much of a process: give a loopback address", address)
	}
	lis, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	slog.Info("profiles", "address", lis.Addr().String())
	go func() { _ = (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(lis) }() // until the process ends
	return nil
}

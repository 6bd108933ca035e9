// The program journal keeps journals, each a durable object in this process, behind a protocol of its own: lines of text.
//
//	ADD name text   +7              the seventh line of that journal
//	PAGE name       *7, 7 lines     all of it
//	QUIT            +bye
//
// What is wrong is answered by a line that begins with "-". docs/embedding.md goes through it.
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
	"everloop/proto/admin"
)

type settings struct{ listen, data, admin string }

func main() {
	var o settings
	flag.StringVar(&o.listen, "listen", "127.0.0.1:7007", "`address` to serve on, host:port or unix:path")
	flag.StringVar(&o.data, "data", ".everloop", "data `directory`; made if it does not exist")
	flag.StringVar(&o.admin, "admin", "127.0.0.1:7008", "loopback `address` of health, metrics and failed alarms")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "journal:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then finishes what is under way.
func run(ctx context.Context, o settings) (err error) {
	tune.Process(1) // threads and garbage collector, for a program with one loop
	pool, err := loop.New(loop.Options{Loops: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close(context.Background())) }()

	eng, err := engine.Open(engine.Options{Dir: o.data, Pool: pool})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shut(pool, eng)) }()
	if _, err := eng.Register("Journal", engine.DirectOf(handle)); err != nil {
		return err
	}

	side, err := admin.Listen(admin.Options{Addr: o.admin, Engine: eng})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, side.Close(context.Background())) }()

	lis, err := proto.Serve(pool, eng, o.listen, protocol{}, proto.Options{})
	if err != nil {
		return err
	}
	slog.Info("serving", "address", lis.Addr().String(), "journals", eng.Recovered().Objects)

	<-ctx.Done()
	return nil
}

// shut ends in the order of a request's way: no new connections, the requests under way, the objects, the log.
func shut(pool *loop.Net, eng *engine.Engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = pool.Drain(ctx) // its error is that of pool.Close, too
	return eng.Close(ctx)
}

// The program bells serves the alarms of bench's workloads by a Go class, so that what alarms cost is measured without
// JavaScript. Paths and answers are those of bench/workloads: /arm?id=NAME&at=MILLISECONDS, /rung?id=NAME, /memory?id=NAME.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"everloop/engine"
	"everloop/engine/tune"
	"everloop/loop"
	"everloop/proto/server"
)

// bell rings once, when it was told to.
type bell struct{ st *engine.State }

func newBell(st *engine.State) (*bell, error) { return &bell{st}, nil }

// outcome is what a bell says of itself later, in milliseconds since 1970.
type outcome struct {
	Scheduled int64     `json:"scheduled"`
	Ran       []float64 `json:"ran"`
}

// rung has the outcome of each bell that has rung. An object that was woken by its alarm may be put to sleep at once, so it is kept beside
// the objects, which are all on one loop.
var rung = make(map[string]outcome)

// Fetch sets the alarm, or says in JSON when it was due and when it has rung.
func (b *bell) Fetch(_ context.Context, r *engine.Request) (*engine.Response, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, err
	}
	if u.Path == "/rung" {
		o, ok := rung[b.st.ID().String()]
		if !ok {
			o.Ran = []float64{} // it has not
		}
		text, err := json.Marshal(o)
		return engine.TextResponse(200, string(text)+"\n"), err
	}
	at, err := strconv.ParseInt(u.Query().Get("at"), 10, 64)
	if err != nil {
		return nil, err
	}
	if err := b.st.Storage().SetAlarm(time.UnixMilli(at)); err != nil {
		return nil, err
	}
	return engine.TextResponse(200, "armed\n"), nil
}

// Alarm rings.
//
//nolint:unparam // an alarm may fail; this one does not
func (b *bell) Alarm(_ context.Context, info engine.AlarmInfo) error {
	now := float64(time.Now().UnixNano()) / 1e6
	rung[b.st.ID().String()] = outcome{info.ScheduledTime, append(rung[b.st.ID().String()].Ran, now)}
	return nil
}

// visits counts in memory.
type visits struct{ count int }

func newVisits(*engine.State) (*visits, error) { return &visits{}, nil }

// Fetch counts.
//
//nolint:unparam // an object that answers requests may fail; this one does not
func (v *visits) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	v.count++
	return engine.TextResponse(200, fmt.Sprintf("%d\n", v.count)), nil
}

func route(ctx context.Context, env *engine.Event, r *engine.Request) (*engine.Response, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, err
	}
	class := "Bell"
	if u.Path == "/memory" {
		class = "Visits"
	}
	return env.Namespace(class).GetByName(u.Query().Get("id")).Fetch(ctx, r)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`address` to serve HTTP on, host:port")
	data := flag.String("data", "", "data `directory`; made if it does not exist")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, *listen, *data)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bells:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listen, data string) (err error) {
	if data == "" {
		return errors.New("-data names no directory")
	}
	tune.Process(1)
	pool, err := loop.New(loop.Options{Loops: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close(context.Background())) }()
	eng, err := engine.Open(engine.Options{Dir: data, Pool: pool})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = pool.Drain(ctx) // its error is that of pool.Close, too
		err = errors.Join(err, eng.Close(ctx))
	}()
	if _, err := eng.Register("Bell", engine.ClassOf(newBell)); err != nil {
		return err
	}
	if _, err := eng.Register("Visits", engine.ClassOf(newVisits)); err != nil {
		return err
	}
	srv, err := server.New(eng, engine.EntrypointFunc(route), server.Options{})
	if err != nil {
		return err
	}
	if _, err := srv.Listen(pool, listen); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

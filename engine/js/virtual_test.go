package js_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/engine/js/project"
	"everloop/loop/looptest"
)

// virtual serves a project on two loops that the test's goroutine steps, inside a synctest bubble: time stands still while
// anything runs, and jumps to the next timer when nothing does. Owned by the test's goroutine.
type virtual struct {
	t          *testing.T
	path, data string
	pool       *looptest.Pool
	wall       int64 // of the wall clock at the restart, or 0
	eng        *engine.Engine
	app        *js.App
	logs       *logBuffer
}

func serveVirtual(t *testing.T, f *conformanceFile, dir string) *virtual {
	v := &virtual{t: t, path: f.write(t, dir), data: dir + "/data", logs: new(logBuffer)}
	v.start()
	return v
}

func (v *virtual) start() {
	p, err := project.Load(v.path, project.Options{})
	if err != nil {
		v.t.Fatal(err)
	}
	b, err := p.Bundle()
	if err != nil {
		v.t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(v.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	v.pool = looptest.New(2, 1)
	if v.wall > 0 {
		v.pool.JumpWall(time.Duration(v.wall-v.pool.Wall()) * time.Millisecond)
	}
	if v.eng, err = engine.Open(engine.Options{Dir: v.data, Pool: v.pool, Logger: logger}); err != nil {
		v.t.Fatal(err)
	}
	loaded := false
	go func() {
		v.app, err = js.Load(v.eng, p, b, js.Options{Logger: logger})
		loaded = true
	}()
	v.until(func() bool { return loaded })
	if err != nil {
		v.t.Fatal(err)
	}
}

// until runs everything, and lets time pass where nothing else happens, until done.
func (v *virtual) until(done func() bool) {
	v.t.Helper()
	const patience = int64(2 * time.Hour / time.Millisecond)
	for end := v.pool.Now() + patience; ; {
		v.pool.Run()
		synctest.Wait()
		switch {
		case done():
			return
		case !v.pool.Idle():
			continue
		}
		// The log's own timers and the watchdog run on the bubble's clock: both clocks go together.
		d := 10 * time.Millisecond
		if next, ok := v.pool.NextTimer(); ok {
			d = max(0, time.Duration(next-v.pool.Now())*time.Millisecond)
		}
		time.Sleep(d)
		v.pool.Advance(d)
		if v.pool.Now() > end {
			v.t.Fatalf("no answer within %v\n%s", time.Duration(patience)*time.Millisecond, v.logs)
		}
	}
}

// pass lets time pass.
func (v *virtual) pass(d time.Duration) {
	v.t.Helper()
	passed := false
	// A timer of its own: otherwise time jumps to whatever comes next, perhaps far behind the end.
	v.eng.Post(0, func() { v.eng.After(0, d, func() { passed = true }) })
	v.until(func() bool { return passed })
}

func (v *virtual) ask(i int) string {
	var reply engine.Reply
	answered := false
	on := i % v.eng.Loops()
	port := v.eng.Port(v.pool.Loop(on))
	v.eng.Post(on, func() {
		port.Enter(v.app.Entrypoint(), caseRequest(i), engine.ReplyFunc(func(r engine.Reply) { reply, answered = r, true }))
	})
	v.until(func() bool { return answered })
	return text(reply.Response, reply.Err)
}

func (v *virtual) log() string { return v.logs.String() }

func (v *virtual) restart() {
	v.close()
	v.wall = v.pool.Wall()
	v.start()
}

func (v *virtual) close() {
	closed := false
	// What an object still waits for is not waited for without end: a timer may be far away.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	go func() {
		if err := v.eng.Close(ctx); err != nil {
			v.t.Errorf("close: %v", err)
		}
		closed = true
	}()
	v.until(func() bool { return closed })
	v.app.Close()
	v.pool.Close(0)
	time.Sleep(time.Second) // the bundler leaves a goroutine behind that sleeps
}

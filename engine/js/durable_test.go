package js_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/engine/js/project"
	"everloop/engine/value"
	"everloop/loop/looptest"
	"everloop/wal"
	"everloop/wal/waltest"
)

// stepped is a program in an engine whose loops are stepped by hand, on a log that commits on command.
type stepped struct {
	t    *testing.T
	eng  *engine.Engine
	app  *js.App
	pool *looptest.Pool
	log  *waltest.MemLog
}

// bundled is a program of one file, as a project and as its bundle.
func bundled(t *testing.T, source string) (*project.Project, *project.Bundle) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program.ts")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := project.Load(file, project.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	return p, b
}

func stepProgram(t *testing.T, source string, loops int) *stepped {
	t.Helper()
	p, b := bundled(t, source)
	var err error
	s := &stepped{t: t, pool: looptest.New(loops, 1)}
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	s.eng, err = engine.Open(engine.Options{Pool: s.pool, Logger: logger, OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
		s.log = waltest.NewMemLog(waltest.MemOptions{Buffers: n, OnDurable: durable})
		return s.log, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	loaded := make(chan error, 1)
	go func() {
		var err error
		s.app, err = js.Load(s.eng, p, b, js.Options{Logger: logger})
		loaded <- err
	}()
	for {
		select {
		case err := <-loaded:
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.app.Close)
			s.settle()
			return s
		default:
			s.pool.Run()
			runtime.Gosched()
		}
	}
}

func (s *stepped) settle() {
	for range 1000 {
		s.pool.Run()
		if s.log.Last() == s.log.Durable() && s.pool.Idle() {
			return
		}
		s.log.Commit()
	}
	s.t.Fatal("the engine does not come to rest")
}

// answer is what an outside caller was told.
type answer struct {
	done bool
	got  engine.Reply
}

func (a *answer) Reply(r engine.Reply) { a.done, a.got = true, r }

// call calls a method of an object from outside, as a Go program does.
func (s *stepped) call(name, method string, args ...any) *answer {
	s.t.Helper()
	encoded, err := value.Marshal(append([]any{}, args...))
	if err != nil {
		s.t.Fatal(err)
	}
	a := new(answer)
	s.eng.Namespace("Thing").GetByName(name).StartCall(method, encoded, a)
	return a
}

func (s *stepped) number(a *answer) (n int) {
	s.t.Helper()
	if !a.done || a.got.Err != nil {
		s.t.Fatalf("no answer: done %v, %v", a.done, a.got.Err)
	}
	if err := value.Unmarshal(a.got.Value, &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

const durableProgram = `
import { DurableObject } from "cloudflare:workers";
export class Thing extends DurableObject {
	heard = 0;
	kept = null;
	async write(n) { await this.ctx.storage.put("n", n); return n; }
	read() { return this.heard; }
	hear(n) { this.heard = n; }
	// Writes and tells another object, which keeps it in memory.
	async tell(name, n) { this.ctx.storage.put("n", n); await this.env.Thing.getByName(name).hear(n); return n; }
	// Gives a function away.
	async offer(name) { await this.env.Thing.getByName(name).take((n) => { this.heard = n; return n + 1; }); return 1; }
	take(f) { this.kept = f.dup(); }
	// Writes, and calls the function that it was given.
	async callBack(n) { this.ctx.storage.put("n", n); return await this.kept(n); }
	// Asks another object for a function, and calls it without waiting for the first call.
	counter() { return { hear: (n) => { this.heard = n; return n; } }; }
	async pipeline(name, n) { this.ctx.storage.put("n", n); return await this.env.Thing.getByName(name).counter().hear(n); }
	// Writes and lets go of what it was given, whose disposer takes note.
	async offerDisposable(name) {
		const owner = this;
		class Target extends RpcTarget { [Symbol.dispose]() { owner.heard = 9; } }
		await this.env.Thing.getByName(name).take(new Target());
		return 1;
	}
	// Through an entry point, and through a result of it that is called before it is there.
	async viaEntry(name, n) { this.ctx.storage.put("n", n); return await this.ctx.exports.Mid.tell(name, n); }
	async viaResult(name, n) { this.ctx.storage.put("n", n); return await this.ctx.exports.Mid.make().tell(name, n); }
	async viaSlowResult(name, n) { const p = this.ctx.exports.Mid.slow(); await this.env.Thing.getByName("third").read(); this.ctx.storage.put("n", n); return await p.tell(name, n); }
	drop(n) { this.ctx.storage.put("n", n); this.kept[Symbol.dispose](); return n; }
}
import { RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
export class Mid extends WorkerEntrypoint {
	async tell(name, n) { await this.env.Thing.getByName(name).hear(n); return n; }
	make() { return { tell: (name, n) => this.tell(name, n) }; }
	async slow() { for (let i = 0; i < 5; i++) await this.env.Thing.getByName("third").read(); return { tell: (name, n) => this.tell(name, n) }; }
}
export default { fetch() { return new Response(""); } };
`

// The answer of a call waits for the write that it reveals.
func TestAnswerOfCallWaitsForWrite(t *testing.T) {
	s := stepProgram(t, durableProgram, 1)
	a, other := s.call("a", "write", 5), s.call("b", "read")
	s.pool.Run()
	if a.done {
		t.Error("a call was answered before its write was durable")
	}
	if !other.done {
		t.Error("an object that knows nothing of it has to wait")
	}
	s.settle()
	if n := s.number(a); n != 5 {
		t.Errorf("write returned %d", n)
	}
}

// What an object knows of another one's write by a call, a callback, a pipelined call or a disposer holds back what it
// answers later.
func TestStickyDependencyOfCalls(t *testing.T) {
	for _, loops := range []int{1, 2} {
		for _, c := range []struct {
			what, prepare string
			by            []any // of a: the method that writes and lets b know
			method        string
			heard         int
		}{
			{"call", "", []any{"b", 7}, "tell", 7},
			{"callback", "offer", []any{7}, "callBack", 7},
			{"pipelined call", "", []any{"b", 7}, "pipeline", 7},
			{"call through an entry point", "", []any{"b", 7}, "viaEntry", 7},
			{"pipelined call through an entry point", "", []any{"b", 7}, "viaResult", 7},
			{"pipelined call that waits in an entry point", "", []any{"b", 7}, "viaSlowResult", 7},
			{"disposal", "offerDisposable", []any{7}, "drop", 9},
		} {
			s := stepProgram(t, durableProgram, loops)
			if c.prepare != "" {
				p := s.call("b", c.prepare, "a")
				s.settle()
				s.number(p)
			}
			told := s.call("a", c.method, c.by...)
			s.pool.Run()
			heard, other := s.call("b", "read"), s.call("somebody else", "read")
			s.pool.Run()
			if told.done || heard.done {
				t.Errorf("%d loops, %s: answered before the write was durable: %v, %v", loops, c.what, told.done, heard.done)
			}
			if !other.done {
				t.Errorf("%d loops, %s: an object that knows nothing of it has to wait", loops, c.what)
			}
			s.settle()
			if n := s.number(heard); n != c.heard {
				t.Errorf("%d loops, %s: heard %d", loops, c.what, n)
			}
			s.number(told)
		}
	}
}

// on returns a name whose object lives on loop i of 2.
func (s *stepped) on(i int) string {
	s.t.Helper()
	for k := range 1000 {
		name := string(rune('a'+k%26)) + string(rune('a'+k/26))
		if id := s.eng.Namespace("Thing").IDFromName(name).Bytes(); int(id[0]>>7) == i {
			return name
		}
	}
	s.t.Fatal("no name found")
	return ""
}

// A call on the result of another goes along with it: the other object makes both before it is heard of again.
func TestPipelinedCallsGoInOneTrip(t *testing.T) {
	s := stepProgram(t, durableProgram, 2)
	a, b := s.on(0), s.on(1)
	for _, name := range []string{a, b} {
		s.call(name, "read")
		s.settle()
	}
	told := s.call(a, "pipeline", b, 7)
	for s.pool.StepLoop(0) {
	}
	for s.pool.StepLoop(1) {
	}
	heard := s.call(b, "read")
	for s.pool.StepLoop(1) {
	}
	s.log.Commit()
	for s.pool.StepLoop(1) {
	}
	if n := s.number(heard); n != 7 {
		t.Errorf("after one trip: heard %d", n)
	}
	if told.done {
		t.Error("the caller has its answer already: the test shows nothing")
	}
	s.settle()
	if n := s.number(told); n != 7 {
		t.Errorf("pipeline returned %d", n)
	}
}

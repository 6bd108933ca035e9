package enginetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"everloop/engine"
	"everloop/loop"
)

// visit is an event of an entry point: stateless code that calls objects, and hears from them. What it has heard
// it must not let out before it is durable, either. Owned by its loop.
type visit struct {
	w       *world
	n       int
	env     *engine.Event
	fuel    int
	knows   knowledge
	waiting string
	stubs   map[int]*line
}

// enter starts an event of the entry point, on a loop, as a protocol does.
func (w *world) enter(who int) {
	w.numbers++
	v := &visit{w: w, n: int(w.numbers), fuel: w.pick(3), stubs: map[int]*line{}}
	w.visits[v.n] = v
	i := w.pick(w.pool.Len())
	w.note("caller %d: visit %d on loop %d", who, v.n, i)
	w.unanswered++
	answered := false
	w.pool.Loop(i).Post(loop.Func(func() {
		req := &engine.Request{Method: "GET", URL: "http://sim/", Body: engine.Bytes(binary.BigEndian.AppendUint64(nil, uint64(v.n)))}
		w.engine.Port(w.pool.Loop(i)).Enter(engine.EntrypointFunc(w.serve), req, engine.ReplyFunc(func(r engine.Reply) {
			if w.over {
				return
			}
			w.unanswered--
			what := fmt.Sprintf("the answer to visit %d", v.n)
			w.note("%s: %v", what, r.Err)
			if answered {
				w.fail(Answers, "%s comes twice", what)
			}
			answered = true
			w.plausible(what, r.Err)
			if r.Err == nil {
				k := &w.replies[binary.BigEndian.Uint64(r.Response.Body.Bytes())].knowledge
				w.leaves(what, nil, k, w.journal.Durable())
			}
		}))
	}))
}

// serve is the entry point.
func (w *world) serve(_ context.Context, env *engine.Event, r *engine.Request) (*engine.Response, error) {
	if w.over {
		return nil, errOnPurpose
	}
	v := w.visits[int(binary.BigEndian.Uint64(r.Body.Bytes()))]
	v.env = env
	defer delete(w.visits, v.n)
	for range 1 + w.pick(3) {
		if err := v.step(); err != nil {
			return nil, err
		}
		if w.over {
			return nil, errOnPurpose
		}
	}
	w.note("visit %d: ends", v.n)
	return &engine.Response{Body: engine.Bytes(w.remember(&v.knows, nil, nil))}, nil
}

func (v *visit) step() error {
	switch v.w.pick(8) {
	case 0, 1, 2:
		return v.call()
	case 3, 4:
		v.send()
	case 5:
		v.env.After(time.Duration(1+v.w.pick(20))*time.Millisecond, func() { v.called("timer") })
	case 6:
		j := v.w.job(fmt.Sprintf("visit %d", v.n), nil, &v.knows)
		v.env.Start(func() { _ = j.run(context.Background()) }, func(error) { v.called("work off the loop") })
	default:
		if v.w.pick(8) == 0 {
			panic(&failed{what: "a panic on purpose", knowledge: v.knows})
		}
	}
	return nil
}

// called is what a function that is called back does.
func (v *visit) called(what string) {
	if v.w.over {
		return
	}
	v.w.note("visit %d: %s: called back", v.n, what)
	if v.fuel--; v.fuel > 0 {
		v.send()
	}
}

func (v *visit) line() *line {
	o := v.w.objects[v.w.pick(len(v.w.objects))]
	l := v.stubs[o.index]
	if l == nil {
		l = &line{stub: v.env.Namespace(o.class()).GetByName(o.name), to: o}
		v.stubs[o.index] = l
	}
	return l
}

func (v *visit) call() error {
	w, l := v.w, v.line()
	m := w.message(fmt.Sprintf("visit %d", v.n), l, v.fuel, &v.knows)
	w.note("visit %d: call %d to %s", v.n, m.n, l.to.name)
	v.waiting = fmt.Sprintf("call %d", m.n)
	value, err := l.stub.CallRaw(context.Background(), "run", m.args())
	v.waiting = ""
	if w.over {
		return errOnPurpose
	}
	v.hear(w.answered(m, engine.Reply{Value: value, Err: err}), l, err)
	if w.pick(3) > 0 {
		return nil
	}
	return err
}

func (v *visit) send() {
	w, l := v.w, v.line()
	m := w.message(fmt.Sprintf("visit %d", v.n), l, v.fuel, &v.knows)
	w.note("visit %d: starts call %d to %s", v.n, m.n, l.to.name)
	l.stub.StartCall("run", m.args(), engine.ReplyFunc(func(r engine.Reply) {
		v.hear(w.answered(m, r), l, r.Err)
	}))
}

func (v *visit) hear(k *knowledge, l *line, err error) {
	if k != nil {
		v.knows.merge(k)
	}
	if l.breaks(v.w, err) {
		delete(v.stubs, l.to.index)
	}
}

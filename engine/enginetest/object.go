package enginetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	"everloop/engine"
	"everloop/loop"
)

// instance is one live instance of a simulated object. Owned by its loop; since the simulation plays all loops
// on one goroutine, it may touch the whole world.
type instance struct {
	w       *world
	obj     *object
	st      *engine.State // nil for a call of a Direct object
	store   *engine.Storage
	code    int // of its class
	dead    bool
	running *thread    // whose straight-line code runs
	open    []*section // open critical sections, the innermost last
	txns    []overlay  // open transactions, the innermost last
	knows   knowledge
	stubs   map[int]*line
}

// reset reports whether the engine says that the instance is dead; gone also whether the model does.
func (in *instance) reset() bool { return in.st != nil && in.st.Dead() }
func (in *instance) gone() bool  { return in.dead || in.reset() }

// live reports whether there is such an instance. A call of a Direct object is none.
func (in *instance) live() bool { return in != nil && in.st != nil && !in.gone() }

// section is an open critical section.
type section struct {
	parent *section
	opened int64
	closed bool
}

// around is the nearest section around s that is open.
func (s *section) around() *section {
	for s != nil && s.closed {
		s = s.parent
	}
	return s
}

// overlay is what a transaction holds: nil for a deleted key.
type overlay map[string]*uint64

// line is a stub, and the calls that were made on it.
type line struct {
	stub      *engine.Stub      // or one of the two below
	port      *engine.Namespace // of a loop: calls are made by name
	pipe      *engine.Pipe
	to        *object
	outside   bool      // a caller outside of the process has it
	loop      loop.Loop // that it has to be used on, if any
	sent      int
	delivered int
	broken    int // calls made later than this one must fail: the object was reset; 0: it was not
}

// message is a call on its way.
type message struct {
	n         int
	from      string
	to        *object
	line      *line
	place     int // among the calls of its line
	fuel      int
	knows     knowledge
	delivered bool
	ended     bool // its code has returned
	answered  bool
}

// thread is one piece of an object's code that is straight-line between its waits: a handler, a constructor, or a
// function that is called back.
type thread struct {
	w       *world
	in      *instance
	name    string
	fuel    int      // how deep it may still call
	section *section // what it belongs to
	waits   bool     // it may wait: it runs in a coroutine
	waiting string   // for what
	on      *message // the call that it waits for, if it does
	ghost   bool     // its instance is dead
}

// construct is the constructor of the simulated class.
func (w *world) construct(st *engine.State, code int) (*instance, error) {
	name, _ := st.ID().Name()
	o := w.byName[name]
	in := &instance{w: w, obj: o, st: st, store: st.Storage(), code: code, knows: o.awake(), stubs: map[int]*line{}}
	if o.inst.live() {
		w.fail(Overlap, "a second instance of %s is made while the first is live", o.name)
	}
	o.begins(w)
	if newest := w.code(o).n; code != newest {
		w.fail(Wrong, "an instance of %s is made of code %d, and the newest is %d", o.name, code, newest)
	}
	o.inst = in
	sec := in.enter(nil)
	t := w.thread(in, fmt.Sprintf("constructor of %s", o.name), 1, sec, true)
	built := false
	defer func() {
		in.leave(sec)
		if !built && o.inst == in {
			o.takeBack()
			in.dead = true
		}
		t.end()
	}()
	t.begin()
	err := t.construct()
	built = err == nil && !t.gone()
	return in, err
}

// construct is the constructor's program.
func (t *thread) construct() error {
	defer t.survive()
	switch t.w.pick(12) {
	case 1:
		return t.body()
	case 2, 3:
		return t.exclusive(t.body)
	case 4:
		if t.w.pick(3) == 0 && !t.w.over {
			t.write(true, "born")
			return t.error("the constructor fails")
		}
	}
	return nil
}

// CallRaw takes a call.
func (in *instance) CallRaw(_ context.Context, method string, args []byte) ([]byte, error) {
	w := in.w
	if w.over {
		return nil, errOnPurpose
	}
	if method != "run" {
		w.fail(Wrong, "a call of a dead instance reaches %s", in.obj.name)
		return nil, errOnPurpose
	}
	m := w.messages[binary.BigEndian.Uint64(args)]
	t := w.thread(in, fmt.Sprintf("call %d to %s", m.n, in.obj.name), m.fuel, nil, true)
	w.deliver(m, t)
	t.begin()
	in.knows.merge(&m.knows)
	err := t.program()
	w.note("%s: ends: %v", t.name, err)
	reply := w.remember(&in.knows, in.obj, m)
	m.ended = true
	t.end()
	return reply, err
}

// Evicted is told that the instance is dropped.
func (in *instance) Evicted() {
	in.dead = true
	in.obj.takeBack()
	if len(in.open) > 0 && !in.st.Dead() && !in.w.over {
		in.w.fail(Entered, "%s is evicted inside a critical section", in.obj.name)
	}
}

// program is the program of a call: a few steps, and an end.
func (t *thread) program() error {
	defer t.survive()
	return t.body()
}

// survive runs deferred where code of the instance may panic: the panic goes on, the model is told.
func (t *thread) survive() {
	if v := recover(); v != nil {
		t.w.note("%s: panics", t.name)
		t.end()
		panic(v)
	}
}

func (w *world) thread(in *instance, name string, fuel int, s *section, waits bool) *thread {
	t := &thread{w: w, in: in, name: name, fuel: fuel, section: s, waits: waits}
	w.threads[t] = struct{}{}
	if w.spent++; w.spent > maxThreads {
		t.fuel = 0
	}
	return t
}

// begin is called where straight-line code begins: at the start of a thread and after each wait.
func (t *thread) begin() {
	in := t.in
	if in.gone() {
		t.ghost = true
		return
	}
	switch {
	case in.running != nil && in.running != t:
		t.w.fail(Overlap, "%s: runs inside the straight-line code of %s", t.name, in.running.name)
	case in.obj.inst != in:
		t.w.fail(Overlap, "%s: runs on an instance that has been replaced", t.name)
	case in.obj.pending != nil:
		t.w.fail(Wrong, "%s: begins, and what the turn before it wrote to %s was not handed over", t.name, in.obj.name)
	}
	if in.innermost() != t.section.around() {
		t.w.fail(Entered, "%s: enters a critical section of %s that it does not belong to", t.name, in.obj.name)
	}
	in.running = t
}

// pause is called before what may be a wait, resume after it with what pause returned.
func (t *thread) pause(what string) (handed int) {
	if t.in.running == t {
		t.in.running = nil
	}
	t.waiting = what
	return t.in.obj.handed
}

func (t *thread) resume(handed int) {
	t.waiting = ""
	if o := t.in.obj; o.pending != nil && o.handed == handed && o.inst == t.in && !t.in.dead {
		// What was written before has no record yet, so this is still the same turn: it was no wait.
		t.in.running = t
		return
	}
	t.begin()
}

// end is called when the thread is over.
func (t *thread) end() {
	if t.in.running == t {
		t.in.running = nil
	}
	delete(t.w.threads, t)
}

func (t *thread) gone() bool {
	if t.in.gone() {
		t.ghost = true
	}
	return t.ghost || t.w.over
}

func (in *instance) innermost() *section {
	if n := len(in.open); n > 0 {
		return in.open[n-1]
	}
	return nil
}

func (in *instance) enter(parent *section) *section {
	s := &section{parent: parent, opened: in.w.now()}
	in.open = append(in.open, s)
	return s
}

func (in *instance) leave(s *section) {
	s.closed = true
	for n := len(in.open); n > 0 && in.open[n-1].closed; n = len(in.open) {
		in.open = in.open[:n-1]
	}
}

// body runs a few steps drawn from the source.
func (t *thread) body() error {
	for range 1 + t.w.pick(4) {
		if err := t.step(); err != nil {
			return err
		}
		if t.w.over {
			return errOnPurpose
		}
	}
	return nil
}

var keys = [...]string{"a", "b", "c", "left", "right"}

// step is one step of a program. Its error ends the program.
func (t *thread) step() error {
	w := t.w
	if t.gone() {
		return t.haunt()
	}
	switch n := w.pick(42); n {
	case 40, 41:
		if t.waits {
			return t.travel()
		}
	case 36, 37, 38, 39:
		t.say()
	case 32, 33, 34, 35:
		t.alarms()
	case 0, 1, 2, 3, 4:
		t.write(true, keys[w.pick(len(keys))])
	case 5:
		t.write(false, keys[w.pick(len(keys))])
	case 6, 7, 8:
		// Two keys that are equal after every turn.
		t.write(true, "left", "right")
	case 9, 10:
		t.remove(keys[w.pick(len(keys))], keys[w.pick(len(keys))])
	case 11:
		t.removeAll()
	case 12, 13, 14:
		t.read()
	case 15:
		if w.pick(2) == 0 {
			t.block()
		} else {
			t.later()
		}
	case 16, 17, 18:
		if t.fuel > 0 {
			t.send()
		}
	default:
		if t.waits {
			return t.waitingStep(n)
		}
		if n >= 30 && w.pick(6) == 0 {
			return t.misbehave()
		}
	}
	return nil
}

// waitingStep is a step that only a coroutine can do.
func (t *thread) waitingStep(n int) error {
	switch n {
	case 19, 20, 21, 22:
		if t.fuel > 0 {
			return t.call()
		}
	case 23, 24:
		return t.exclusive(t.body)
	case 25, 26:
		return t.transaction()
	case 27, 28:
		return t.do()
	case 29:
		return t.sync()
	default:
		if t.w.pick(3) == 0 {
			return t.misbehave()
		}
	}
	return nil
}

// misbehave fails, panics or aborts.
func (t *thread) misbehave() error {
	switch t.w.pick(5) {
	case 0:
		t.w.note("%s: panics on purpose", t.name)
		panic(t.error("a panic on purpose"))
	case 1, 2:
		forGood := t.w.pick(4) == 3
		t.w.note("%s: aborts, with its alarm %t", t.name, forGood)
		t.in.obj.dropped = t.in.obj.dropped || forGood && t.in.obj.ringing() != nil
		t.in.st.AbortWith(errOnPurpose, engine.AbortOptions{NoAlarmRetry: forGood})
		if !t.in.st.Dead() {
			t.w.fail(Wrong, "%s: Abort did not drop the instance", t.name)
		}
		t.in.dead = true
		t.in.obj.takeBack()
		return nil
	default:
		return t.error("an error on purpose")
	}
}

var errOnPurpose = errors.New("on purpose")

// error makes an error that carries what the instance knows.
func (t *thread) error(what string) error {
	return &failed{what, t.in.obj, t.in.knows}
}

// haunt is what code of a dead instance does: nothing must come of it.
func (t *thread) haunt() error {
	if t.w.over {
		return errOnPurpose
	}
	st := t.in.store
	if err := st.PutRaw("a", encode(0), engine.WriteOptions{}); !errors.Is(err, engine.ErrReset) {
		t.w.fail(Wrong, "%s: its instance is dead and its write ended with %v", t.name, err)
	}
	if t.waits && t.w.pick(2) == 0 {
		h := t.pause("haunting")
		err := t.in.st.Namespace(t.in.obj.class()).GetByName(t.in.obj.name).Call(context.Background(), "haunt", nil)
		t.resume(h)
		if err == nil {
			t.w.fail(Wrong, "%s: its instance is dead and its call was answered", t.name)
		}
	}
	return errOnPurpose
}

// took reports whether a write was taken, and checks that it was not refused without a reason.
func (t *thread) took(what string, err error) bool {
	if err != nil {
		t.w.note("%s: %s: %v", t.name, what, err)
		t.w.plausible(t.name+": "+what, err)
	}
	return err == nil
}

// write writes one value under all of these keys.
func (t *thread) write(confirmed bool, keys ...string) {
	in, w := t.in, t.w
	w.value++
	v := w.value
	entries := make([]engine.Entry, 0, 3)
	for _, k := range keys {
		entries = append(entries, engine.Entry{Key: k, Value: encode(v)})
	}
	stamp := uint64(in.obj.stamp())
	if len(in.txns) == 0 {
		entries = append(entries, engine.Entry{Key: stampKey, Value: encode(stamp)})
	}
	err := in.store.PutEntries(entries, engine.WriteOptions{AllowUnconfirmed: !confirmed})
	if !t.took("write", err) {
		return
	}
	w.note("%s: writes %d to %v, version %d, confirmed %t", t.name, v, keys, stamp, confirmed)
	if n := len(in.txns); n > 0 {
		for _, k := range keys {
			in.txns[n-1][k] = &v
		}
		return
	}
	in.wrote(confirmed)
	for _, k := range keys {
		in.obj.content[k] = v
	}
	in.obj.content[stampKey] = stamp
}

// wrote notes that the running turn writes.
func (in *instance) wrote(confirmed bool) {
	o := in.obj
	p := o.writing()
	p.confirmed = p.confirmed || confirmed
	in.knows.seen[o.index] = p.n
	if p.confirmed {
		in.knows.must[o.index] = p.n
	}
}

// remove deletes keys.
func (t *thread) remove(keys ...string) {
	in := t.in
	now := in.view()
	want := 0
	for i, k := range keys {
		if _, ok := now[k]; ok && (i == 0 || keys[0] != k) {
			want++
		}
	}
	n, err := in.store.DeleteKeys(engine.WriteOptions{}, keys...)
	if !t.took("delete", err) {
		return
	}
	if n != want {
		t.w.fail(Wrong, "%s: delete of %v says %d were there, %d were", t.name, keys, n, want)
	}
	t.w.note("%s: deletes %v", t.name, keys)
	if len(in.txns) > 0 {
		for _, k := range keys {
			in.txns[len(in.txns)-1][k] = nil
		}
		return
	}
	if n == 0 {
		return
	}
	in.wrote(true)
	for _, k := range keys {
		delete(in.obj.content, k)
	}
	t.stamp()
}

// stamp writes the version of the running turn. It leaves it to the turn's other writes to be confirmed.
func (t *thread) stamp() {
	n := uint64(t.in.obj.stamp())
	o := engine.WriteOptions{AllowUnconfirmed: true}
	if t.took("stamp", t.in.store.PutRaw(stampKey, encode(n), o)) {
		t.in.wrote(false)
		t.in.obj.content[stampKey] = n
	}
}

func (t *thread) removeAll() {
	in := t.in
	o := engine.DeleteAllOptions{KeepAlarm: t.w.pick(3) == 2}
	err := in.store.DeleteAllWith(o)
	if len(in.txns) > 0 {
		if err == nil {
			t.w.fail(Wrong, "%s: deleteAll in a transaction is taken", t.name)
		}
		return
	}
	if !t.took("deleteAll", err) {
		return
	}
	t.w.note("%s: deletes all, version %d", t.name, in.obj.stamp())
	in.wrote(true)
	for k := range in.obj.content.stored() {
		delete(in.obj.content, k)
	}
	in.obj.content.forgetPast()
	if !o.KeepAlarm {
		in.obj.setAlarm(nil)
	}
	if t.w.pick(2) == 0 {
		t.stamp()
	}
}

// view is the content as the instance's reads must see it.
func (in *instance) view() content {
	if len(in.txns) == 0 {
		return in.obj.content
	}
	c := maps.Clone(in.obj.content)
	for _, o := range in.txns {
		o.apply(c)
	}
	return c
}

func (o overlay) apply(c content) {
	for k, v := range o {
		if v == nil {
			delete(c, k)
		} else {
			c[k] = *v
		}
	}
}

// read compares everything that is stored with the model.
func (t *thread) read() {
	in := t.in
	got := content{}
	err := in.store.List(engine.ListOptions{}, func(k, v []byte) bool {
		got[string(k)] = decode(v)
		return true
	})
	if err != nil {
		t.w.fail(Wrong, "%s: read: %v", t.name, err)
		return
	}
	want := in.view().stored()
	t.readAlarm()
	if !maps.Equal(got, want) {
		t.w.fail(Wrong, "%s: %s holds %v, was written %v", t.name, in.obj.name, got, want)
	}
	for _, k := range keys {
		v, ok, err := in.store.GetRaw(k)
		if w, there := want[k]; err != nil || ok != there || ok && decode(v) != w {
			t.w.fail(Wrong, "%s: get %s: %v, %v; was written %d, %t", t.name, k, ok, err, w, there)
		}
	}
}

// exclusive runs fn in blockConcurrencyWhile.
func (t *thread) exclusive(fn func() error) error {
	t.w.note("%s: opens a critical section", t.name)
	return t.inside(fn, t.in.st.BlockConcurrencyWhile)
}

// inside runs fn in the critical section that run opens.
func (t *thread) inside(fn func() error, run func(func() error) error) error {
	in := t.in
	outer := t.section
	h := t.pause("entering a critical section")
	entered := false
	err := run(func() error {
		entered = true
		t.resume(h)
		s := in.enter(outer.around())
		t.section = s
		defer func() {
			in.leave(s)
			t.section = outer
		}()
		return fn()
	})
	if !entered {
		t.resume(h)
	}
	t.w.note("%s: has left the critical section: %v", t.name, err)
	if t.gone() && in.obj.inst == in {
		in.obj.takeBack()
	}
	return err
}

// block opens a critical section as code does that ends by callback: it begins in a turn of its own, and ends there
// or in a later one.
func (t *thread) block() {
	w, in := t.w, t.in
	cb := w.callback(t, "block", t.fuel-1)
	outer := t.section
	err := in.st.Block(func(end func(error)) {
		if w.over {
			return
		}
		var s *section
		finish := func(c *callback) {
			fails := w.pick(8) == 7
			in.leave(s)
			w.note("%s: ends the critical section, fails: %t", c.name, fails)
			if fails {
				end(errOnPurpose)
				return
			}
			end(nil)
		}
		cb.turn(func() {
			s = in.enter(outer.around())
			cb.section = s
			_ = cb.program()
			if w.pick(2) == 0 {
				finish(cb)
				return
			}
			last := w.callback(cb.thread, "last turn", cb.fuel)
			in.store.StartSync(func(error) {
				last.turn(func() {
					_ = last.program()
					finish(last)
				})
			})
		})
	})
	if err != nil {
		w.fail(Answers, "%s: Block: %v", t.name, err)
	}
}

// transaction runs a program in a transaction, which it may roll back.
func (t *thread) transaction() error {
	in, w := t.in, t.w
	w.note("%s: opens a transaction", t.name)
	depth := len(in.txns)
	var holds overlay
	var stamp uint64
	rollback := false
	err := t.inside(func() error {
		holds = overlay{}
		in.txns = append(in.txns, holds)
		defer func() {
			if v := recover(); v != nil {
				in.txns = in.txns[:depth]
				panic(v)
			}
		}()
		if err := t.body(); err != nil {
			return err
		}
		if t.gone() {
			return errOnPurpose
		}
		if rollback = w.pick(4) == 0; rollback {
			return t.error("a rollback on purpose")
		}
		if depth == 0 && len(holds) > 0 {
			stamp = uint64(in.obj.stamp())
			if err := in.store.PutRaw(stampKey, encode(stamp), engine.WriteOptions{}); err != nil {
				return err
			}
			holds[stampKey] = &stamp
		}
		return nil
	}, func(fn func() error) error { return in.store.Transaction(context.Background(), fn) })
	if len(in.txns) > depth {
		in.txns = in.txns[:depth]
	}
	if err != nil {
		w.plausible(t.name+": transaction", err)
		if rollback {
			return nil // the program goes on, and must find nothing of it
		}
		return err
	}
	if t.gone() {
		w.fail(Wrong, "%s: a transaction of a dead instance was committed", t.name)
		return errOnPurpose
	}
	switch {
	case depth > 0:
		maps.Copy(in.txns[depth-1], holds)
	case len(holds) > 0:
		in.wrote(true)
		alarm, changed := holds[alarmKey]
		delete(holds, alarmKey)
		holds.apply(in.obj.content)
		if changed {
			in.obj.setAlarm(alarm)
		}
		w.note("%s: commits version %d", t.name, stamp)
	}
	return nil
}

// do waits for work off the loop.
func (t *thread) do() error {
	w := t.w
	k := t.in.knows
	j := w.job(t.name, t.in.obj, &k)
	h := t.pause("work off the loop")
	err := t.in.st.Do(context.Background(), j.run)
	t.resume(h)
	if err == nil && !j.released && !w.over {
		w.fail(Answers, "%s: goes on before its work off the loop has ended", t.name)
	}
	if err != nil {
		w.plausible(t.name+": work off the loop", err)
		return err
	}
	return nil
}

// sync waits until everything written is durable.
func (t *thread) sync() error {
	w := t.w
	k := t.in.knows
	h := t.pause("sync")
	err := t.in.store.Sync(context.Background())
	if err == nil {
		w.leaves(t.name+": sync", t.in.obj, &k, w.journal.Durable())
	}
	t.resume(h)
	if err != nil {
		w.plausible(t.name+": sync", err)
	}
	return err
}

// later has a function called back by a timer, or cancels it again.
func (t *thread) later() {
	w := t.w
	n := t.fuel - 1
	cancelled := false
	cb := w.callback(t, "timer", n)
	due := w.now() + int64(1+w.pick(40))
	cb.due = func() bool { return w.now() > due }
	cancel := t.in.st.After(w.millis(due-w.now()), func() {
		if cancelled {
			w.fail(Answers, "%s: a cancelled timer fires", cb.name)
		}
		if w.now() < due {
			w.fail(Answers, "%s: fires at %d, before %d", cb.name, w.now(), due)
		}
		cb.run(nil)
	})
	if w.pick(4) == 0 {
		cancelled = true
		cancel()
		cb.drop()
	}
}

// send starts a call whose answer is taken by a function, in a turn of its own.
func (t *thread) send() {
	w := t.w
	l := t.in.line(w.objects[w.pick(len(w.objects))])
	m := w.message(t.name, l, t.fuel-1, &t.in.knows)
	cb := w.callback(t, fmt.Sprintf("answer to call %d", m.n), t.fuel-1)
	cb.due = func() bool { return m.ended }
	w.note("%s: starts call %d to %s", t.name, m.n, l.to.name)
	l.stub.StartCall("run", m.args(), engine.ReplyFunc(func(r engine.Reply) {
		k := w.answered(m, r)
		if r.Err != nil {
			t.in.broken(l, r.Err)
		}
		cb.run(k)
	}))
}

// call waits for the answer of a call.
func (t *thread) call() error {
	w := t.w
	l := t.in.line(w.objects[w.pick(len(w.objects))])
	m := w.message(t.name, l, t.fuel-1, &t.in.knows)
	w.note("%s: call %d to %s", t.name, m.n, l.to.name)
	ctx := context.Background()
	if w.pick(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		w.cancels[m.n] = cancel
		defer func() { delete(w.cancels, m.n); cancel() }()
	}
	h := t.pause(fmt.Sprintf("call %d", m.n))
	t.on = m
	value, err := l.stub.CallRaw(ctx, "run", m.args())
	t.on = nil
	t.resume(h)
	if w.over {
		return errOnPurpose
	}
	w.note("%s: call %d ended: %v", t.name, m.n, err)
	k := w.answered(m, engine.Reply{Value: value, Err: err})
	if t.gone() {
		return errOnPurpose
	}
	if k != nil {
		t.in.knows.merge(k)
	}
	if err != nil {
		t.in.broken(l, err)
		if w.pick(3) == 0 {
			return err
		}
	}
	return nil
}

// line returns the instance's stub of an object.
func (in *instance) line(o *object) *line {
	l := in.stubs[o.index]
	if l == nil {
		l = &line{stub: in.st.Namespace(o.class()).GetByName(o.name), to: o}
		in.stubs[o.index] = l
	}
	return l
}

// broken looks at how a call has ended. A stub that has seen its object being reset stays broken, so it is dropped,
// or used again to see that it fails.
func (in *instance) broken(l *line, err error) {
	if l.breaks(in.w, err) {
		delete(in.stubs, l.to.index)
	}
}

// breaks notes that a stub is broken by err, and reports whether to drop it.
func (l *line) breaks(w *world, err error) bool {
	e, ok := err.(*engine.Error) // another that is wrapped in err is one that the object has heard
	if !ok || !e.Reset || l.stub == nil {
		return false
	}
	if l.broken == 0 && e.Object == l.stub.ID().String() {
		l.broken = l.sent
	}
	return w.pick(2) == 0
}

// callback is a thread that has not begun.
type callback struct {
	*thread
	called bool
	due    func() bool // it should have been called by now, unless its section lets it wait
}

func (w *world) callback(t *thread, what string, fuel int) *callback {
	cb := w.thread(t.in, t.name+", "+what, max(fuel, 0), t.section, false)
	delete(w.threads, cb) // it need not ever be called: its object may be reset
	c := &callback{thread: cb, due: func() bool { return false }}
	w.callbacks[c] = struct{}{}
	return c
}

// run is the turn in which the function is called, with what it hears.
func (c *callback) run(heard *knowledge) {
	c.turn(func() {
		if heard != nil {
			c.in.knows.merge(heard)
		}
		_ = c.program() // nobody is told how it ends
	})
}

// turn runs fn as the turn in which the function is called.
func (c *callback) turn(fn func()) {
	if c.w.over {
		return
	}
	if c.called {
		c.w.fail(Answers, "%s: called twice", c.name)
	}
	c.drop()
	c.begin()
	if c.gone() {
		c.w.fail(Wrong, "%s: called back, and its instance is dead", c.name)
		return
	}
	c.w.note("%s: called back", c.name)
	fn()
	c.end()
}

// drop forgets the callback: it is called, or never will be.
func (c *callback) drop() {
	c.called = true
	delete(c.w.callbacks, c)
}

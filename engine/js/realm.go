package js

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/clone"
	"everloop/engine/js/internal/slots"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/project"
	"everloop/engine/js/web"
)

// host is one loop's runtimes. Owned by its loop.
type host struct {
	app      *App
	loop     int
	realms   []*realm // nil where none has been needed yet
	retiring bool     // the program was updated: no runtime is made any more
	ids      idCache
	// collected is when a runtime was last collected, on the loop's clock, which stands still in a round.
	collected int64
}

func newHost(a *App, loop int) *host {
	return &host{app: a, loop: loop, realms: make([]*realm, a.opts.Runtimes)}
}

// realm returns runtime i, which it builds if there is none.
func (h *host) realm(i int) (*realm, error) {
	if rl := h.realms[i]; rl != nil {
		return rl, nil
	}
	if h.retiring {
		return nil, updated("The code that this belonged to was updated.")
	}
	rl, err := newRealm(h, i)
	if err != nil {
		return nil, err
	}
	h.realms[i] = rl
	return rl, nil
}

// realm is one runtime with the program in it. Owned by its loop.
type realm struct {
	app   *App
	host  *host
	index int
	r     *vm.Runtime
	in    *web.Instance

	env, exports vm.Value
	tried        map[string]vm.Value // what env has for the exports that may be classes, until App.settle
	entries      map[string]vm.Value // entry points, by export, as they are first needed
	classes      map[string]vm.Value // constructors, by export

	// What JavaScript knows by a number.
	objects  slots.Table[*object]
	events   slots.Table[*event]
	stubs    slots.Table[*stub]
	txns     slots.Table[*transaction]
	sections slots.Table[func(error)]
	away     []*awayWork
	timers   map[int64]*timer
	waits    map[int64]*wait
	lastID   int64 // of a timer or a wait

	// Bodies under way, by numbers that are not used again.
	inbound    map[uint64]*inbound
	outbound   map[uint64]*outbound
	lastStream uint64
	// Requests out of the process whose answer has not come, and those that can be aborted, by their numbers.
	fetches   map[*fetching]struct{}
	abortable map[uint64]*fetching

	// later are values to free when no JavaScript is running: it may be using them.
	later []vm.Value

	// What Errors of the program stand for.
	failures             map[uint64]*engine.Error
	lastFailure          uint64
	rememberer, recaller vm.Value // functions

	// current is who the running turn belongs to; nil while the program starts.
	current actor
	// waiting are handlers whose promise has not settled.
	waiting []waiting

	writer      clone.Writer
	reader      clone.Reader
	crossings   []*crossing // spare ones
	objectProto vm.Value    // Object.prototype

	underway  map[uintptr]*calling // calls that others may be sent after, by the address of their promise
	following map[*engine.Event]*follower
	kept      map[*engine.Event]*keptResult
	turn      uint64 // counts turns
	refused   bool   // a write was, in this turn
	broken    []broken
	collectAt int64 // the size of the heap, in bytes, from which it is collected
	buf       []byte
	out       web.Reply
}

// actor is who a turn belongs to: an object, or an event of the Worker.
type actor interface {
	// namespace returns a namespace whose stubs call in its name.
	namespace(class string) *engine.Namespace
	// alive reports whether it can still call.
	alive() bool
	// labelled names it for the watchdog; it does not change.
	labelled() *vm.Label
	// where describes it for log lines.
	where() (class, id string)
	// interrupted ends it after its turn was interrupted.
	interrupted()
	// pin keeps it until unpin.
	pin()
	unpin()
	// promises counts the promises that waitUntil keeps it for, and adds n.
	promises(n int) int
	// expire calls fn in a turn of its own when d has passed, and keeps nothing.
	expire(d time.Duration, fn func()) (cancel func())
	// hold keeps it until unhold, because others have something of it.
	hold()
	unhold()
	// after calls fn in a later turn of it.
	after(d time.Duration, fn func()) (cancel func())
	// every calls fn in turns of it, again and again until it is cancelled.
	every(d time.Duration, fn func()) (cancel func())
	// start runs work off the loop, and then done in a turn of it.
	start(work func(), done func(error))
	// startRead reads a body and calls done in a turn of it.
	startRead(b engine.Body, max int, done func([]byte, error))
	// startFetch sends a request out of the process; r is told the end in a turn of it.
	startFetch(req *engine.Request, r engine.Replier) *engine.Subrequest
	// to and entry return stubs that call in its name.
	to(l *engine.Live) *engine.Stub
	entry(p engine.Entrypoint) *engine.Stub
	// live returns its address, and tell sends to one without waiting, also after its end.
	live(deliver func(*engine.Event)) *engine.Live
	tell(l *engine.Live, ev *engine.Event)
	// later runs fn in a turn of it, behind what waits already.
	later(fn func())
	// possessions is what it gave away and what it holds of others; nil for nothing.
	possessions() *possessions
	// startStream reads a body a piece at a time, in turns of it; streamFrom makes one that is produced in turns of it.
	startStream(b engine.Body, sink engine.Sink) *engine.Stream
	streamFrom(src engine.Source) engine.Body
	// bodyBegins keeps it for a body that it is still to produce, until bodyEnds.
	bodyBegins()
	bodyEnds()
	// socketPair makes a WebSocketPair, and holdSocket makes it the holder of an end: sink is told in turns of it.
	socketPair() (a, b *engine.WebSocket)
	holdSocket(ws *engine.WebSocket, sink engine.SocketSink) error
}

// waiting is a handler that has not answered.
type waiting struct {
	promise   vm.Value
	ev        *engine.Event
	object    *object // nil for the Worker
	event     *event
	params    []uint64 // stubs that came with a call, which end with it
	followers []*follower
	nested    bool // a call on something that the object or event gave away, rather than what began the event
}

// by is who handles it.
func (w *waiting) by() actor {
	if w.object != nil {
		return w.object
	}
	return w.event
}

var errNeverStarts = errors.New("the program waits at its top level for something that cannot come: top-level await may only wait for what needs no request")

func newRealm(h *host, index int) (_ *realm, err error) {
	a := h.app
	r, err := vm.New(vm.Options{MemoryLimit: a.opts.MemoryLimit, Group: a.group})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = r.Close() // nothing runs in it, so it cannot refuse
		}
	}()
	r.SetLimit(a.opts.CPULimit)
	// The program and its alarms go by one clock.
	if err = r.SetClock(func() float64 { _, wall := a.eng.Clock(h.loop); return float64(wall) }); err != nil {
		return nil, err
	}
	rl := &realm{
		app: a, host: h, index: index, r: r, classes: make(map[string]vm.Value), timers: make(map[int64]*timer), tried: make(map[string]vm.Value), waits: make(map[int64]*wait),
		env: vm.Undefined, exports: vm.Undefined, entries: make(map[string]vm.Value), objectProto: vm.Undefined,
		underway: make(map[uintptr]*calling), following: make(map[*engine.Event]*follower), kept: make(map[*engine.Event]*keptResult),
		inbound: make(map[uint64]*inbound), outbound: make(map[uint64]*outbound),
		fetches: make(map[*fetching]struct{}), abortable: make(map[uint64]*fetching),
		failures: make(map[uint64]*engine.Error), rememberer: vm.Undefined, recaller: vm.Undefined,
	}
	if rl.in, err = web.Load(r, rl); err != nil {
		return nil, err
	}
	if err = rl.in.Older(web.Older{
		RelativeURLs: !a.project.On(project.FullURL), NoCalls: !a.project.On(project.RPC), NoExports: !a.project.On(project.CtxExports),
		SocketBytes: !a.project.On(project.BinaryTypeBlob), LongReasons: !a.project.On(project.CloseReasonLimit),
	}); err != nil {
		return nil, err
	}
	rl.writer.IsDOMException, rl.reader.DOMException = rl.isDOMException, rl.makeDOMException
	rl.writer.Plain, rl.writer.Instances, rl.writer.Special = rl.plain, true, rl.storable
	rl.reader.Web = rl.fromParts
	rl.writer.ErrorProps = true
	if err = rl.makeRecall(); err != nil {
		return nil, err
	}
	if rl.objectProto, err = r.Eval("everloop:object", "Object.prototype"); err != nil {
		return nil, err
	}
	if rl.env, err = rl.makeEnv(); err != nil {
		return nil, fmt.Errorf("make env: %w", err)
	}
	r.AddModule(rl.in.WorkersModule(r.Dup(rl.env)))
	r.SetResolver(func(name, _ string) (*vm.NativeModule, error) { return rl.in.Module(name) })
	if a.project.NodeJS() {
		rl.in.ProcessEnv = a.processEnv
		if err = rl.in.EnableNode(); err != nil {
			return nil, err
		}
	}
	var label vm.Label = vm.Text("the program's top level")
	r.Begin(&label)
	exports, done, err := r.RunModule(a.code)
	if err == nil {
		_, err = r.Pump()
	}
	r.End()
	if errors.Is(err, vm.ErrInterrupted) {
		err = fmt.Errorf("the program's top level ran longer than %v: it never ends, or does too much before the first request", a.opts.CPULimit)
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", relative(a.project, a.project.Main), mapped(a.bundle, err))
	}
	defer r.Free(done)
	rl.exports = exports
	switch r.PromiseState(done) {
	case vm.Pending:
		return nil, fmt.Errorf("start %s: %w", relative(a.project, a.project.Main), errNeverStarts)
	case vm.Rejected:
		r.Begin(&label)
		failure := r.Describe(r.PromiseResult(done))
		r.End()
		return nil, fmt.Errorf("start %s: %w", relative(a.project, a.project.Main), mapped(a.bundle, failure))
	}
	if a.project.SingleFile() && !a.settled {
		if err = a.settle(rl); err != nil {
			return nil, err
		}
	}
	for _, name := range a.classNames() {
		if rl.classes[name], err = r.GetName(exports, name); err != nil {
			return nil, err
		}
	}
	if err = rl.addExports(); err != nil {
		return nil, err
	}
	return rl, nil
}

// makeEnv builds the object of bindings.
func (rl *realm) makeEnv() (vm.Value, error) {
	r := rl.r
	env, err := r.Object()
	if err != nil {
		return vm.Undefined, err
	}
	p := rl.app.project
	for _, name := range slices.Sorted(maps.Keys(p.Vars)) {
		v, err := r.ParseJSON([]byte(p.Vars[name]))
		if err != nil {
			return vm.Undefined, fmt.Errorf("variable %s: %w", name, err)
		}
		if err := r.SetName(env, name, v); err != nil {
			return vm.Undefined, err
		}
	}
	for _, u := range p.Unsupported {
		if err := rl.addRefusal(env, u.Name, fmt.Sprintf("The binding %s (%s) is of a kind that everloop does not have.", u.Name, u.Kind)); err != nil {
			return vm.Undefined, err
		}
	}
	for _, b := range p.Objects {
		if b.ScriptName == "" || b.ScriptName == p.Name {
			continue
		}
		err := rl.addRefusal(env, b.Name, fmt.Sprintf("The binding %s is for the class %s of another script, %s. everloop serves one script: it has no objects of others.", b.Name, b.ClassName, b.ScriptName))
		if err != nil {
			return vm.Undefined, err
		}
	}
	rl.env = env
	if err := rl.addServices(); err != nil {
		return vm.Undefined, err
	}
	return env, rl.addBindings(rl.app.bindings)
}

// addBindings puts namespaces into env.
func (rl *realm) addBindings(list []Binding) error {
	for _, b := range list {
		ns, err := rl.in.Namespace(uint64(b.number))
		if err != nil {
			return err
		}
		if rl.app.project.SingleFile() && !rl.app.settled {
			rl.r.Free(rl.tried[b.Name])
			rl.tried[b.Name] = rl.r.Dup(ns)
		}
		if err := rl.r.SetName(rl.env, b.Name, ns); err != nil {
			return err
		}
	}
	return nil
}

// addServices puts the entry points that the project binds into env.
func (rl *realm) addServices() error {
	p := rl.app.project
	for _, b := range p.Services {
		if b.Service != p.Name {
			if err := rl.addRefusal(rl.env, b.Name, fmt.Sprintf("The binding %s is for another script, %s. everloop serves one script: it cannot reach others.", b.Name, b.Service)); err != nil {
				return err
			}
			continue
		}
		props, err := rl.propsOf(b)
		if err != nil {
			return err
		}
		v, err := rl.in.Fetcher(rl.stubs.Add(&stub{entry: rl.app.newEntry(cmp.Or(b.Entrypoint, "default"), props), shared: true}))
		if err != nil {
			return err
		}
		if err := rl.r.SetName(rl.env, b.Name, v); err != nil {
			return err
		}
	}
	if p.Assets == nil || p.Assets.Binding == "" {
		return nil
	}
	if rl.app.opts.Assets == nil {
		return rl.addRefusal(rl.env, p.Assets.Binding, fmt.Sprintf("The binding %s (assets) is of a kind that this host of the program does not have.", p.Assets.Binding))
	}
	assets := rl.app.newEntry(p.Assets.Binding, nil)
	assets.outside = rl.app.opts.Assets
	v, err := rl.in.Fetcher(rl.stubs.Add(&stub{entry: assets, shared: true}))
	if err != nil {
		return err
	}
	return rl.r.SetName(rl.env, p.Assets.Binding, v)
}

// propsOf is what a service binding gives its entry point as props, encoded.
func (rl *realm) propsOf(b project.ServiceBinding) ([]byte, error) {
	if b.Props == nil {
		return nil, nil
	}
	v, err := rl.r.ParseJSON(b.Props)
	if err != nil {
		return nil, fmt.Errorf("props of service binding %s: %w", b.Name, err)
	}
	defer rl.r.Free(v)
	return rl.encodeProps(v)
}

// addExports fills ctx.exports: each entry point as a stub of it, and each class that has a namespace as that.
func (rl *realm) addExports() error {
	names, err := rl.in.Entries(rl.exports)
	if err != nil {
		return mapped(rl.app.bundle, err)
	}
	for _, name := range names {
		v, err := rl.in.EntrypointExport(rl.stubs.Add(&stub{entry: rl.app.newEntry(name, nil), shared: true}))
		if err == nil {
			err = rl.in.AddExport(name, v)
		}
		if err != nil {
			return err
		}
	}
	return rl.addClassExports()
}

func (rl *realm) addClassExports() error {
	for i, class := range rl.app.namespaces {
		if class == "" || slices.Index(rl.app.namespaces, class) < i {
			continue
		}
		v, err := rl.in.Namespace(uint64(i))
		if err == nil {
			err = rl.in.AddExport(class, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addRefusal puts a binding into env that throws a text when it is used, not when it is looked at: many programs check
// whether they have one, or show all that they have.
func (rl *realm) addRefusal(env vm.Value, name, message string) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	v, err := rl.r.Eval("everloop:unsupported", fmt.Sprintf(unsupportedSource, text))
	if err != nil {
		return err
	}
	return rl.r.SetName(env, name, v)
}

const unsupportedSource = `(function (text) {
	const refuse = () => { throw new Error(text); };
	return new Proxy(function () {}, { get: (_, name) => typeof name === "symbol" || name === "then" || name === "toJSON" ? undefined : refuse, apply: refuse, construct: refuse });
})(%s)`

// exportedClasses returns the names of the program's exports that are classes and no entry points, sorted.
func (rl *realm) exportedClasses() ([]string, error) {
	names, err := rl.in.Classes(rl.exports)
	return names, mapped(rl.app.bundle, err)
}

// begin starts a turn of w. Every begin is followed by an end.
func (rl *realm) begin(w actor) {
	rl.current = w
	rl.turn++
	rl.r.Begin(w.labelled())
}

// end runs the jobs that the turn has made and ends it: handlers whose promise has settled are answered. err is how
// entering the program ended.
func (rl *realm) end(err error) {
	w := rl.current
	if err == nil || !lost(err) && !errors.Is(err, vm.ErrInterrupted) {
		_, perr := rl.r.Pump()
		if perr != nil && (lost(perr) || errors.Is(perr, vm.ErrInterrupted)) {
			err = perr
		}
		for err == nil && rl.r.AnyUnhandled() {
			// The program hears of it in this turn, and may reject more. What ends that is the turn's limit.
			rl.unhandled(w)
			if _, perr := rl.r.Pump(); perr != nil && (lost(perr) || errors.Is(perr, vm.ErrInterrupted)) {
				err = perr
			}
		}
	}
	rl.r.End()
	if errors.Is(err, vm.ErrInterrupted) {
		if rl.r.Interrupted() && w.alive() { // otherwise it called abort
			class, id := w.where()
			rl.app.opts.Logger.Warn("a turn computed longer than it may and was interrupted", "class", class, "object", id,
				"limit", rl.app.opts.CPULimit, "stack", sourceStack(rl.app.bundle, rl.r.InterruptedAt()))
		}
		if w.alive() {
			w.interrupted()
		}
		// The jobs of others are still there. They are their turn, not this one's.
		rl.r.SetLimit(min(rl.app.opts.CPULimit, leftoverLimit))
		rl.r.Begin(w.labelled())
		if _, perr := rl.r.Pump(); perr != nil {
			err = perr
		}
		endless := rl.r.Interrupted()
		rl.r.End()
		rl.r.SetLimit(rl.app.opts.CPULimit)
		if endless && !lost(err) {
			// A chain of promises can go on behind a job that was interrupted. Nobody knows whose it is, and it
			// would be run at the end of every turn from now on, and get the wrong object interrupted.
			rl.lose(vm.ErrInterrupted)
			return
		}
	}
	if lost(err) {
		rl.lose(err)
		return
	}
	if len(rl.broken) > 0 {
		rl.resetBroken() // what waits for an answer is not to succeed first
	}
	rl.settle()
	if len(rl.broken) > 0 { // a handler has failed
		rl.resetBroken()
	}
	rl.in.ForgetSaid()
	rl.current, rl.refused = nil, false
	if len(rl.later) > 0 {
		rl.r.FreeAll(rl.later...)
		rl.later = rl.later[:0]
	}
	rl.collect()
}

// unhandled gives rejections that nobody handles to the program's listeners for "unhandledrejection", and to the log unless one
// of them prevents that.
func (rl *realm) unhandled(w actor) {
	rl.r.Unhandled(func(promise, reason vm.Value) {
		rl.uncaught(reason)
		prevented, err := rl.in.UnhandledRejection(promise, reason)
		if prevented || err != nil {
			return
		}
		e := rl.r.Describe(rl.r.Dup(reason))
		class, id := w.where()
		rl.app.opts.Logger.Warn("a promise was rejected and nobody handled it", "class", class, "object", id,
			"err", e.Error(), "stack", sourceStack(rl.app.bundle, e.Stack))
	})
}

// leftoverLimit bounds what is run of others after a turn was interrupted: they had been waiting for a moment, no more.
const leftoverLimit = time.Second

// lost reports whether err says that the runtime cannot be used any more.
func lost(err error) bool {
	if err == nil {
		return false
	}
	var fault *vm.FaultError
	return errors.Is(err, vm.ErrOutOfMemory) || errors.As(err, &fault) || errors.Is(err, vm.ErrClosed)
}

// settle answers the handlers whose promise has settled. It looks at all of them: a promise can be settled by
// anybody's turn, and a look costs a few nanoseconds where a reaction would cost microseconds.
func (rl *realm) settle() {
	for i := 0; i < len(rl.waiting); {
		w := rl.waiting[i]
		pending := rl.r.PromiseState(w.promise) == vm.Pending
		if pending && !rl.r.Alone(w.promise) {
			i++
			continue
		}
		last := len(rl.waiting) - 1
		rl.waiting[i] = rl.waiting[last]
		rl.waiting[last] = waiting{}
		rl.waiting = rl.waiting[:last]
		// What was thrown may have getters, and they may run for ever.
		by := w.by()
		rl.r.Begin(by.labelled())
		if pending {
			rl.r.Free(w.promise)
			w.fail(rl, errHung(&w))
		} else {
			rl.answer(w)
		}
		rl.r.End()
		if rl.r.Err() != nil {
			return
		}
		if rl.r.Interrupted() && by.alive() {
			by.interrupted()
		}
	}
}

// await answers an event with what its handler returned: now if it can be told, else when its promise settles. It
// consumes v.
func (rl *realm) await(v vm.Value, w waiting) {
	r := rl.r
	if r.PromiseState(v) == vm.NotAPromise {
		// A Response, or another thenable. Resolving a promise with it tells which, as await does.
		p, err := r.PendingPromise()
		if err == nil {
			err = r.Resolve(p, v)
		} else {
			r.Free(v)
		}
		if err != nil {
			w.fail(rl, err)
			return
		}
		v = p
	}
	w.promise = v
	r.MarkHandled(v)
	rl.waiting = append(rl.waiting, w)
}

// answer gives a settled promise's result to its event.
func (rl *realm) answer(w waiting) {
	r := rl.r
	state, v := r.PromiseState(w.promise), r.PromiseResult(w.promise)
	r.Free(w.promise)
	if state == vm.Rejected {
		w.fail(rl, rl.throwable(v))
		return
	}
	switch w.ev.Kind {
	case engine.EventCall:
		rl.answerCall(w, v)
		return
	case engine.EventAlarm:
		r.Free(v)
		w.ev.Succeed()
		w.done(rl)
		return
	case engine.EventWebSocket:
		r.Free(v)
		w.ev.Return(nil)
		w.done(rl)
		return
	}
	err := rl.in.Reply(v, &rl.out)
	r.Free(v)
	var ws *engine.WebSocket
	if err == nil {
		ws, err = rl.giveSocket(&rl.out, w.ev)
	}
	if err != nil {
		rl.out.Forward = nil
		r.FreeAll(rl.out.WebSocket, rl.out.Stream)
		w.fail(rl, err)
		return
	}
	resp := rl.responseOf(&rl.out, w.by())
	if ws != nil && resp.WebSocket != ws {
		resp.WebSocket = ws
	}
	rl.out.Forward = nil // or it would keep the request that it answers, and a body that nobody reads
	r.Free(rl.out.WebSocket)
	w.ev.Respond(resp)
	w.done(rl)
}

func (w *waiting) fail(rl *realm, err error) {
	failure := rl.engineError(err, w)
	w.ev.Fail(failure)
	rl.unfollowed(w.followers, failure)
	w.followers = nil
	w.done(rl)
}

// done ends what the handler's event holds in the realm.
func (w *waiting) done(rl *realm) {
	for _, n := range w.params {
		rl.DisposeStub(n)
	}
	switch {
	case w.nested:
		w.by().unpin()
	case w.event != nil:
		w.event.answered()
	}
}

// lose drops a runtime that cannot be used any more. Its objects are reset, with their storage intact, and its events
// fail; others go on.
func (rl *realm) lose(cause error) {
	h := rl.host
	if h.realms[rl.index] != rl {
		return
	}
	h.realms[rl.index] = nil
	message := "Durable Object's isolate exceeded its memory limit and was reset."
	switch {
	case errors.Is(cause, vm.ErrInterrupted):
		message = "Durable Object's isolate exceeded its CPU time limit and was reset."
	case !errors.Is(cause, vm.ErrOutOfMemory):
		message = "The JavaScript engine failed and was restarted."
	}
	rl.app.opts.Logger.Error("a JavaScript runtime was lost and will be built anew", "loop", h.loop, "runtime", rl.index, "err", cause)
	rl.drop(&engine.Error{Name: "Error", Message: message}, &engine.Error{Name: "Error", Message: message, Retryable: true})
}

// drop ends everything that lives in a runtime, and closes it: events of the Worker fail with event, and objects are reset
// with object. It is not called in a turn.
func (rl *realm) drop(event, object *engine.Error) {
	for _, w := range rl.waiting {
		if w.object == nil {
			w.ev.Fail(event)
			if w.nested {
				w.event.unpin()
			}
		}
	}
	rl.waiting = nil
	for _, e := range rl.events.All() {
		rl.endPossessions(e)
	}
	rl.loseStreams(event)
	rl.cancelFetches()
	for _, o := range rl.objects.All() {
		o.st.Abort(object)
	}
	if err := rl.r.Close(); err != nil {
		rl.app.opts.Logger.Error("a lost JavaScript runtime keeps its memory", "loop", rl.host.loop, "runtime", rl.index, "err", err)
	}
	rl.current = nil
	for id, t := range rl.timers {
		delete(rl.timers, id)
		t.cancel()
	}
	// What a promise kept going goes on no longer. (Whatever objects had pending ended with them.)
	for n, w := range rl.waits {
		delete(rl.waits, n)
		w.cancel()
		rl.release(w)
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"everloop/engine/value"
)

// Fetcher is a Go object that takes requests.
type Fetcher interface {
	Fetch(ctx context.Context, r *Request) (*Response, error)
}

// RawCaller is a Go object that takes calls without reflection: method and args are what Stub.CallRaw sent, and
// what it returns goes back as it is. It is asked before the methods are looked at; ErrNoMethod passes the
// call on to them. args must not be changed, nor may the result be, once it is returned.
type RawCaller interface {
	CallRaw(ctx context.Context, method string, args []byte) ([]byte, error)
}

// WebSocketMessager is a Go object that takes the messages of the sockets that it has accepted ([State.AcceptWebSocket]). The next message of a
// socket is delivered when the method has returned; those of other sockets may come while it waits. An error is logged, and the
// socket stays open. A message to an object that has no such method is dropped.
type WebSocketMessager interface {
	WebSocketMessage(ctx context.Context, ws *WebSocket, m *Message) error
}

// WebSocketCloser is a Go object that wants to know when a socket has ended: see [SocketSink] for what it is told. The socket is
// not in [State.WebSockets] any more.
type WebSocketCloser interface {
	WebSocketClose(ctx context.Context, ws *WebSocket, code int, reason string, clean bool) error
}

// WebSocketErrorer is a Go object that wants to know when a socket has ended because the client broke the protocol.
type WebSocketErrorer interface {
	WebSocketError(ctx context.Context, ws *WebSocket, cause error) error
}

// Evicter is a Go object that wants to know when its instance is dropped. It must not wait.
type Evicter interface{ Evicted() }

// ErrNoMethod is what a RawCaller returns for a method that it does not have.
var ErrNoMethod = errors.New("engine: no such method")

// reservedMethods cannot be called by name: the engine calls them (Cloudflare's list).
var reservedMethods = map[string]bool{
	"fetch": true, "connect": true, "alarm": true, "webSocketMessage": true, "webSocketClose": true,
	"webSocketError": true, "dup": true, "constructor": true,
}

// ClassOf makes a Class of a Go type. construct makes one instance; it may use st, and may wait.
//
// An instance takes requests if it is a [Fetcher], and alarms if it is an [Alarmer]. Its exported methods are callable by name, as in net/rpc:
//
//	func (c *Counter) Add(ctx context.Context, n int) (int, error)
//
// The context is optional, and so are the result and the error. Arguments and result cross as values of
// package value. A caller may write the name with a lower-case first letter ("add"), as TypeScript does.
// Fetch, CallRaw, Evicted, Alarm and the WebSocket methods are the engine's and cannot be called by name.
//
// All of it runs in the object's turns: one at a time, on one loop, with no locks. Where a method waits (for a
// stub, State.Do, a critical section), other events of the object may run.
func ClassOf[T any](construct func(st *State) (T, error)) Class {
	return &goClass{
		construct: func(st *State) (any, error) { return construct(st) },
		methods:   methodsOf(reflect.TypeFor[T]()),
	}
}

type goClass struct {
	construct func(st *State) (any, error)
	methods   map[string]*goMethod
}

// New runs the constructor in a coroutine.
func (c *goClass) New(st *State, ready func(Object, error)) {
	st.a.own.spawn(&st.a.origin, &constructJob{c, st, ready})
}

type constructJob struct {
	class *goClass
	st    *State
	ready func(Object, error)
}

func (j *constructJob) run() {
	v, err := j.class.construct(j.st)
	if err != nil {
		j.ready(nil, err)
		return
	}
	o := &goObject{class: j.class, st: j.st, instance: v}
	o.fetcher, _ = v.(Fetcher)
	o.raw, _ = v.(RawCaller)
	o.messager, _ = v.(WebSocketMessager)
	o.closer, _ = v.(WebSocketCloser)
	o.errorer, _ = v.(WebSocketErrorer)
	o.alarmer, _ = v.(Alarmer)
	j.ready(o, nil)
}

func (j *constructJob) fail(f failure) {
	j.ready(nil, f.error(j.st.Class(), j.st.ID().String(), "constructor"))
}

// goObject is one instance. Owned by its loop.
type goObject struct {
	class    *goClass
	st       *State
	instance any
	fetcher  Fetcher
	raw      RawCaller
	messager WebSocketMessager
	closer   WebSocketCloser
	errorer  WebSocketErrorer
	alarmer  Alarmer
}

// Deliver runs the event in a coroutine.
func (o *goObject) Deliver(ev *Event) {
	a := o.st.a
	a.own.spawn(&a.origin, (*objectJob)(ev))
}

// objectJob is an event of a Go object, as a job.
type objectJob Event

func (j *objectJob) run() {
	ev := (*Event)(j)
	ev.actor.object.(*goObject).handle(ev)
}

func (j *objectJob) fail(f failure) {
	ev := (*Event)(j)
	ev.Fail(f.error(ev.class.name, ev.id.String(), ev.Name()))
}

// HandlesAlarm is part of [AlarmHandler].
func (o *goObject) HandlesAlarm() bool { return o.alarmer != nil }

func (o *goObject) handle(ev *Event) {
	switch ev.Kind {
	case EventAlarm:
		if err := o.alarmer.Alarm(ev, *ev.Alarm); err != nil {
			ev.Fail(err)
			return
		}
		ev.Succeed()
		return
	case EventWebSocket:
		if err := o.socket(ev, ev.Socket); err != nil {
			ev.Fail(err)
			return
		}
		ev.Succeed()
		return
	case EventFetch:
		if o.fetcher == nil {
			ev.Fail(ErrNoFetch)
			return
		}
		ev.fetched(o.fetcher.Fetch(ev, ev.Request))
		return
	}
	result, err := o.call(ev)
	if err != nil {
		ev.Fail(err)
		return
	}
	ev.Return(result)
}

// socket handles an event of a WebSocket. One that the instance does not take has no handler.
func (o *goObject) socket(ctx context.Context, s *SocketEvent) error {
	switch {
	case s.Message != nil && o.messager != nil:
		return o.messager.WebSocketMessage(ctx, s.WebSocket, s.Message)
	case s.Closed && o.closer != nil:
		return o.closer.WebSocketClose(ctx, s.WebSocket, s.Code, s.Reason, s.Clean)
	case s.Err != nil && o.errorer != nil:
		return o.errorer.WebSocketError(ctx, s.WebSocket, s.Err)
	}
	return nil
}

func (o *goObject) call(ev *Event) ([]byte, error) {
	if len(ev.Caps) > 0 {
		drop(ev.Caps)
		return nil, errTakesNoCaps(ev.Method)
	}
	if ev.Target != nil {
		return nil, errNoSuchMethod(ev.Method)
	}
	if o.raw != nil {
		result, err := o.raw.CallRaw(ev, ev.Method, ev.Args)
		if !errors.Is(err, ErrNoMethod) {
			return result, err
		}
	}
	if reservedMethods[ev.Method] {
		return nil, &Error{Name: "TypeError", Message: fmt.Sprintf("'%s' is a reserved method and cannot be called over RPC.", ev.Method)}
	}
	m := o.class.methods[ev.Method]
	if m == nil {
		return nil, errNoSuchMethod(ev.Method)
	}
	return m.call(o.instance, ev)
}

// Evict tells the instance.
func (o *goObject) Evict() {
	if e, ok := o.instance.(Evicter); ok {
		e.Evicted()
	}
}

// goMethod is one method that can be called by name.
type goMethod struct {
	name      string
	index     int
	hasCtx    bool
	args      []reflect.Type
	hasResult bool
	hasErr    bool
}

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// engineMethods are exported methods that the engine calls by itself.
var engineMethods = map[string]bool{
	"Fetch": true, "CallRaw": true, "Evicted": true, "Alarm": true, "WebSocketMessage": true,
	"WebSocketClose": true, "WebSocketError": true,
}

// methodsOf returns the methods of t by both spellings of their names. A method whose signature does not fit
// is left out, as net/rpc does: it is not there for callers.
func methodsOf(t reflect.Type) map[string]*goMethod {
	methods := make(map[string]*goMethod)
	for i := range t.NumMethod() {
		m := t.Method(i)
		if engineMethods[m.Name] {
			continue
		}
		if g := methodOf(t, m); g != nil {
			methods[m.Name] = g
			r, n := utf8.DecodeRuneInString(m.Name)
			methods[string(unicode.ToLower(r))+m.Name[n:]] = g
		}
	}
	return methods
}

func methodOf(t reflect.Type, m reflect.Method) *goMethod {
	g := &goMethod{name: m.Name, index: m.Index}
	first := 1 // the receiver
	if t.Kind() == reflect.Interface {
		first = 0
	}
	if m.Type.IsVariadic() {
		return nil
	}
	for i := first; i < m.Type.NumIn(); i++ {
		in := m.Type.In(i)
		if i == first && in == contextType {
			g.hasCtx = true
			continue
		}
		g.args = append(g.args, in)
	}
	switch outs := m.Type.NumOut(); {
	case outs == 0:
	case outs == 1 && m.Type.Out(0) == errorType:
		g.hasErr = true
	case outs == 1:
		g.hasResult = true
	case outs == 2 && m.Type.Out(1) == errorType:
		g.hasResult, g.hasErr = true, true
	default:
		return nil
	}
	return g
}

func (m *goMethod) call(instance any, ev *Event) ([]byte, error) {
	in := make([]reflect.Value, 0, 1+len(m.args))
	if m.hasCtx {
		in = append(in, reflect.ValueOf(ev))
	}
	in, err := m.decode(in, ev.Args)
	if err != nil {
		return nil, &Error{Name: "TypeError", Message: fmt.Sprintf("%s: %v", m.name, err)}
	}
	out := reflect.ValueOf(instance).Method(m.index).Call(in)
	if m.hasErr {
		if err, _ := out[len(out)-1].Interface().(error); err != nil {
			return nil, err
		}
	}
	if !m.hasResult {
		return undefined, nil
	}
	return value.Marshal(out[0].Interface())
}

// decode reads the arguments. Missing ones are zero, as JavaScript callers leave them out; too many are refused.
func (m *goMethod) decode(in []reflect.Value, args []byte) ([]reflect.Value, error) {
	raw, err := splitArgs(args)
	if err != nil {
		return nil, err
	}
	if len(raw) > len(m.args) {
		return nil, fmt.Errorf("%d arguments given, %d taken", len(raw), len(m.args))
	}
	for i, t := range m.args {
		p := reflect.New(t)
		if i < len(raw) {
			if err := value.Unmarshal(raw[i], p.Interface()); err != nil {
				return nil, fmt.Errorf("argument %d: %s", i+1, strings.TrimPrefix(err.Error(), "value: "))
			}
		}
		in = append(in, p.Elem())
	}
	return in, nil
}

// splitArgs returns the encoded arguments one by one; they alias args. No bytes are no arguments.
func splitArgs(args []byte) (raw [][]byte, err error) {
	if len(args) == 0 {
		return nil, nil
	}
	r := value.NewReader(args)
	head := r.Next()
	if head.Kind != value.KindArray {
		if err := r.Err(); err != nil {
			return nil, err
		}
		return nil, errors.New("the arguments are not an array")
	}
	for range head.N {
		arg, ok := r.Raw()
		if !ok {
			return nil, r.Err()
		}
		raw = append(raw, arg)
	}
	return raw, r.Finish()
}

var undefined = []byte{0xf7} // CBOR's undefined

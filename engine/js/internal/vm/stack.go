package vm

import (
	"strings"

	lib "modernc.org/libquickjs"
)

// V8's stack API on the engine's backtraces: the accessor "stack" with its
// header line, Error.captureStackTrace, Error.stackTraceLimit and
// Error.prepareStackTrace. A backtrace is taken when an error is made and put
// into form when somebody reads it, so the limit that counts is the one at
// that moment.

var (
	hostStackGet = RegisterHost("get stack", 0, stackGet)
	hostStackSet = RegisterHost("set stack", 1, stackSet)
	hostCapture  = RegisterHost("captureStackTrace", 2, captureStackTrace)

	keyStackLimit   = Intern("stackTraceLimit")
	keyPrepareStack = Intern("prepareStackTrace")
)

// defaultStackLimit is what Error.stackTraceLimit is before a program sets it,
// in V8 as well.
const defaultStackLimit = 10

// mendStack puts the accessor "stack" on Error.prototype, and V8's functions
// on Error.
func (r *Runtime) mendStack() error {
	global := Value{r.engineContext().Fglobal_obj}
	var err error
	if r.errorCtor, err = r.Get(global, Intern("Error")); err != nil {
		return err
	}
	proto, err := r.Get(r.errorCtor, Intern("prototype"))
	if err != nil {
		return err
	}
	defer r.Free(proto)
	get, err := r.Function(hostStackGet)
	if err != nil {
		return err
	}
	set, err := r.Function(hostStackSet)
	if err != nil {
		return err
	}
	if err := r.DefineGetSet(proto, keyStack, get, set, Configurable); err != nil {
		return err
	}
	if err := r.Define(r.errorCtor, keyStackLimit, Int(defaultStackLimit), Plain); err != nil {
		return err
	}
	return r.SetFunction(r.errorCtor, hostCapture)
}

func stackGet(r *Runtime, this Value, _ Args) (Value, error) {
	trace, ok := r.trace(this)
	if !ok {
		return Undefined, nil
	}
	v, prepared, err := r.formStack(this, trace)
	if err != nil || !prepared {
		return v, err
	}
	// What the program has made of it, once, is the stack.
	if err := r.Define(this, keyStack, r.Dup(v), Method); err != nil {
		r.Free(v)
		return Undefined, err
	}
	return v, nil
}

func stackSet(r *Runtime, this Value, args Args) (Value, error) {
	if !this.IsObject() {
		return Undefined, nil
	}
	return Undefined, r.Define(this, keyStack, r.Dup(args.At(0)), Method)
}

// captureStackTrace is Error.captureStackTrace(object, function): it gives
// object a stack, without the frames down to function.
func captureStackTrace(r *Runtime, _ Value, args Args) (Value, error) {
	obj := args.At(0)
	if !obj.IsObject() {
		return Undefined, TypeError("Invalid argument: captureStackTrace needs an object")
	}
	holder, err := r.NewErrorObject(ClassError)
	if err != nil {
		return Undefined, err
	}
	defer r.Free(holder)
	const skipFirst = 1 // this function's own frame
	buildBacktrace(r.tls, r.ctx, holder.js, 0, 0, 0, skipFirst)
	trace, _ := r.trace(holder)
	if until := args.At(1); r.IsFunction(until) {
		name := r.textOf(until, keyName)
		lines := strings.SplitAfter(trace, "\n")
		for i, line := range lines {
			if name != "" && strings.HasPrefix(strings.TrimLeft(line, " "), "at "+name+" (") {
				trace = strings.Join(lines[i+1:], "")
				break
			}
		}
	}
	v, _, err := r.formStack(obj, trace)
	if err != nil || v.IsUndefined() {
		return Undefined, err
	}
	return Undefined, r.Define(obj, keyStack, v, Method)
}

// trace is the backtrace that the engine took when v was made: a frame a line,
// without a header.
func (r *Runtime) trace(v Value) (text string, ok bool) {
	if r.dead != nil || !v.IsObject() || r.classOf(v) == lib.EJS_CLASS_PROXY {
		return "", false
	}
	var err error
	defer r.leave(r.enter(), &err)
	js := lib.XJS_GetPropertyInternal(r.tls, r.ctx, v.js, atomStack, v.js, 0)
	if js.Ftag == tagException {
		lib.XFreeValue(r.tls, r.ctx, lib.XJS_GetException(r.tls, r.ctx))
		return "", false
	}
	if (Value{js}).IsString() {
		text, ok = r.GoString(Value{js}), true
	}
	lib.XFreeValue(r.tls, r.ctx, js)
	return text, ok
}

// formStack is what a program sees of a trace of e: the value that its
// Error.prepareStackTrace makes of it, or else a text in V8's form. It is
// undefined where Error.stackTraceLimit is no number.
func (r *Runtime) formStack(e Value, trace string) (v Value, prepared bool, err error) {
	limit, ok, err := r.OwnData(r.errorCtor, keyStackLimit)
	if err != nil {
		return Undefined, false, err
	}
	n, isNumber := limit.Float64()
	r.Free(limit)
	if !ok || !isNumber {
		return Undefined, false, nil
	}
	trace = firstLines(trace, n)
	prepare, ok, err := r.OwnData(r.errorCtor, keyPrepareStack)
	if err != nil {
		return Undefined, false, err
	}
	defer r.Free(prepare)
	if !ok || r.preparing || !r.IsFunction(prepare) {
		v, err = r.StringBytes(r.appendStack(nil, e, trace))
		return v, false, err
	}
	// It may look at e.stack itself, which then is the text.
	r.preparing = true
	defer func() { r.preparing = false }()
	sites, err := r.callSites(trace)
	if err != nil {
		return Undefined, false, err
	}
	v, err = r.Call(prepare, r.errorCtor, e, sites)
	r.Free(sites)
	return v, err == nil, err
}

// callSites makes the array of call sites of a trace.
func (r *Runtime) callSites(trace string) (Value, error) {
	list, err := r.Array()
	if err != nil {
		return Undefined, err
	}
	for i, f := range ParseStack(trace) {
		site, err := r.site(f)
		if err == nil {
			err = r.DefineIndex(list, uint32(i), site)
		}
		if err != nil {
			r.Free(list)
			return Undefined, err
		}
	}
	return list, nil
}

func (r *Runtime) site(f Frame) (Value, error) {
	args := [4]Value{Null, Null, Null, Null}
	defer func() { r.FreeAll(args[0], args[1]) }()
	var err error
	if f.Func != "" {
		if args[0], err = r.String(f.Func); err != nil {
			return Undefined, err
		}
	}
	if f.File != "" {
		if args[1], err = r.String(f.File); err != nil {
			return Undefined, err
		}
		args[2], args[3] = Int(int32(f.Line)), Int(int32(f.Col))
	}
	return r.Call(r.callSite, Undefined, args[:]...)
}

// firstLines is at most n lines of a trace.
func firstLines(trace string, n float64) string {
	at := 0
	for ; n >= 1; n-- {
		i := strings.IndexByte(trace[at:], '\n')
		if i < 0 {
			return trace
		}
		at += i + 1
	}
	return trace[:at]
}

// appendStack appends V8's form of a backtrace: the header, then the frames.
func (r *Runtime) appendStack(b []byte, e Value, trace string) []byte {
	name := r.textOf(e, keyName)
	message := r.textOf(e, keyMessage)
	if name == "" {
		name = "Error"
	}
	b = append(b, name...)
	if message != "" {
		b = append(b, ": "...)
		b = append(b, message...)
	}
	if trace = strings.TrimRight(trace, "\n"); trace != "" {
		b = append(b, '\n')
		b = append(b, trace...)
	}
	return b
}

// stackOf is the stack of a thrown value for people and logs: whole, whatever
// Error.stackTraceLimit says, unless the program gave the value one of its own.
func (r *Runtime) stackOf(v Value) string {
	if trace, ok := r.trace(v); ok && !r.hasOwnStack(v) {
		return string(r.appendStack(nil, v, trace))
	}
	return r.textOf(v, keyStack)
}

func (r *Runtime) hasOwnStack(v Value) bool {
	var err error
	defer r.leave(r.enter(), &err)
	a := r.atom(keyStack)
	own, err := r.hasOwn(v, a)
	return a == 0 || own || err != nil
}

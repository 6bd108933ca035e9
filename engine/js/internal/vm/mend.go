package vm

import (
	_ "embed"
	"math/rand/v2"
	"strings"
	_ "unsafe" // for go:linkname

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// mend repairs what the engine does differently from what programs written
// for V8 expect. It runs once in every new runtime.
func (r *Runtime) mend() (err error) {
	// InternalError (stack overflow, out of memory) becomes RangeError.
	ctx := r.engineContext()
	old := ctx.Fnative_error_proto[lib.EJS_INTERNAL_ERROR]
	ctx.Fnative_error_proto[lib.EJS_INTERNAL_ERROR] = r.Dup(Value{ctx.Fnative_error_proto[lib.EJS_RANGE_ERROR]}).js
	lib.XFreeValue(r.tls, r.ctx, old)
	if err := r.Delete(Value{ctx.Fglobal_obj}, Intern("InternalError")); err != nil {
		return err
	}
	r.seedRandom(rand.Uint64())
	if err := r.mendStack(); err != nil {
		return err
	}
	v, err := r.Run(mendCode)
	r.Free(v)
	return err
}

//go:embed mend.js
var mendSource []byte

// mendCode is mend.js compiled. Written once, by selfTest.
var mendCode *Code

var (
	hostStackGet = RegisterHost("get stack", 0, stackGet)
	hostStackSet = RegisterHost("set stack", 1, stackSet)
	hostCapture  = RegisterHost("captureStackTrace", 2, captureStackTrace)
)

// mendStack puts the accessor "stack" on Error.prototype: the engine's hidden
// backtrace with V8's header line.
func (r *Runtime) mendStack() error {
	global := Value{r.engineContext().Fglobal_obj}
	ctor, err := r.Get(global, Intern("Error"))
	if err != nil {
		return err
	}
	proto, err := r.Get(ctor, Intern("prototype"))
	if err != nil {
		return err
	}
	get, err := r.Function(hostStackGet)
	if err != nil {
		return err
	}
	set, err := r.Function(hostStackSet)
	if err != nil {
		return err
	}
	err = r.DefineGetSet(proto, keyStack, get, set, Configurable)
	if err == nil {
		err = r.SetFunction(ctor, hostCapture)
	}
	r.FreeAll(ctor, proto)
	return err
}

func stackGet(r *Runtime, this Value, _ Args) (Value, error) {
	if !this.IsObject() {
		return Undefined, nil
	}
	js := lib.XJS_GetPropertyInternal(r.tls, r.ctx, this.js, atomStack, this.js, 0)
	trace := Value{js}
	if !trace.IsString() {
		if js.Ftag == tagException {
			return Undefined, r.thrown()
		}
		r.Free(trace)
		return Undefined, nil
	}
	b := r.appendStack(nil, this, r.GoString(trace))
	r.Free(trace)
	return r.StringBytes(b)
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
	js := lib.XJS_GetPropertyInternal(r.tls, r.ctx, holder.js, atomStack, holder.js, 0)
	trace := r.GoString(Value{js})
	r.Free(Value{js})
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
	text, err := r.StringBytes(r.appendStack(nil, obj, trace))
	if err != nil {
		return Undefined, err
	}
	return Undefined, r.Define(obj, keyStack, text, Method)
}

func stackSet(r *Runtime, this Value, args Args) (Value, error) {
	if !this.IsObject() {
		return Undefined, nil
	}
	return Undefined, r.Define(this, keyStack, r.Dup(args.At(0)), Method)
}

//go:linkname iteratorHelperFuncs modernc.org/libquickjs._js_iterator_helper_proto_funcs
var iteratorHelperFuncs [3]lib.TJSCFunctionListEntry

// helperReturn is return() of iterator helpers. The engine's insists that the
// iterator below has a return() too, which an array's has not: closing
// .filter().take() threw.
func helperReturn(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	r := runtimeOf(ctx)
	n := &replacements[magic]
	if r.classOf(Value{this}) == lib.EJS_CLASS_ITERATOR_HELPER {
		data := at[lib.TJSIteratorHelperData](*at[uintptr]((Value{this}).ptr() + objectData))
		method, err := r.Get(Value{data.Fobj}, keyReturn)
		if err != nil {
			return r.throwInEngine(err)
		}
		missing := method.IsNullish()
		r.Free(method)
		if missing && data.F__ccgo72&helperRunning == 0 {
			data.F__ccgo72 |= helperDone
			return r.iteratorResult(Undefined.js, 1)
		}
	}
	done := tls.Alloc(8)
	defer tls.Free(8)
	*at[int32](done) = 0
	f := asFunc[func(*libc.TLS, uintptr, lib.TJSValue, int32, uintptr, uintptr, int32) lib.TJSValue](&n.fn)
	v := f(tls, ctx, this, argc, argv, done, n.magic)
	if v.Ftag == tagException || *at[int32](done) == 2 {
		return v // 2: v is a result object already
	}
	return r.iteratorResult(v, *at[int32](done))
}

// Bits of an iterator helper.
const (
	helperRunning = 0x100
	helperDone    = 0x200
)

var (
	keyReturn = Intern("return")
	keyValue  = Intern("value")
	keyDone   = Intern("done")
)

// iteratorResult makes {value, done}. It consumes value.
func (r *Runtime) iteratorResult(value lib.TJSValue, done int32) lib.TJSValue {
	o, err := r.Object()
	if err == nil {
		if err = r.Define(o, keyValue, Value{value}, Plain); err == nil {
			err = r.Define(o, keyDone, Bool(done != 0), Plain)
		}
	} else {
		r.Free(Value{value})
	}
	if err != nil {
		r.Free(o)
		return r.throwInEngine(err)
	}
	return o.js
}

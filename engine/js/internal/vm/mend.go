package vm

import (
	_ "embed"
	"math/rand/v2"
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
	r.keepWeakTargets()
	if r.callSite, err = r.Run(mendCode); err != nil {
		return err
	}
	return r.mendStack()
}

//go:embed mend.js
var mendSource []byte

// mendCode is mend.js compiled. Written once, by selfTest.
var mendCode *Code

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

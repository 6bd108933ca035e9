package vm

import (
	_ "unsafe" // for go:linkname

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// f.call.bind(f) is how careful programs, and the host's own prelude, keep a
// built-in method that nobody can replace: a bound Function.prototype.call. The
// engine takes three calls for one of it. A built-in function is called
// directly here; all other bound functions go the engine's way.

//go:linkname callBound modernc.org/libquickjs._js_call_bound_function
func callBound(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr, flags int32) lib.TJSValue

//go:linkname callNative modernc.org/libquickjs._js_call_c_function
func callNative(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr, flags int32) lib.TJSValue

// boundCall is a call of a bound function.
func boundCall(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr, flags int32) lib.TJSValue {
	r := runtimeOf(ctx)
	b := at[lib.TJSBoundFunction](*at[uintptr]((Value{fn}).ptr() + objectData))
	if flags&lib.MJS_CALL_FLAG_CONSTRUCTOR != 0 || b.Fargc != 0 || argc == 0 ||
		!(Value{b.Ffunc_obj}).Same(r.functionCall) || r.classOf(Value{b.Fthis_val}) != lib.EJS_CLASS_C_FUNCTION {
		return callBound(tls, ctx, fn, this, argc, argv, flags)
	}
	return callNative(tls, ctx, b.Fthis_val, *at[lib.TJSValue](argv), argc-1, argv+uintptr(valueSize), 0)
}

// shortenBound puts boundCall into the engine's class of bound functions.
func (r *Runtime) shortenBound() (err error) {
	if r.functionCall, err = r.methodOf("Function", "call"); err != nil {
		return err
	}
	r.engineClass(lib.EJS_CLASS_BOUND_FUNCTION).Fcall = fp(boundCall)
	return nil
}

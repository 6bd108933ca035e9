package vm

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// SetClock makes Date.now and new Date() read now, in milliseconds since 1970.
// nil is the system's clock.
func (r *Runtime) SetClock(now func() float64) error {
	first := r.now == nil && now != nil
	r.now = now
	if !first || r.dead != nil {
		return r.dead
	}
	// new Date() without arguments asks the system by itself: give it one.
	global := r.Global()
	defer r.Free(global)
	date, err := r.Get(global, Intern("Date"))
	if err != nil {
		return err
	}
	defer r.Free(date)
	if r.classOf(date) == lib.EJS_CLASS_C_FUNCTION {
		f := at[lib.TJSCFunctionType](date.ptr() + objectData + 8)
		if f.Fgeneric != fp(dateConstructor) {
			engineDateOnce.Do(func() { engineDate = f.Fgeneric })
			f.Fgeneric = fp(dateConstructor)
		}
	}
	return nil
}

// engineDate is the engine's Date constructor, the same for every runtime.
var (
	engineDate     uintptr
	engineDateOnce sync.Once
)

// SetRandom makes Math.random return what random returns, which must be in
// [0, 1). nil is the engine's own generator, seeded by the time.
func (r *Runtime) SetRandom(random func() float64) { r.random = random }

func dateConstructor(tls *libc.TLS, ctx uintptr, newTarget lib.TJSValue, argc int32, argv uintptr) lib.TJSValue {
	f := asFunc[func(*libc.TLS, uintptr, lib.TJSValue, int32, uintptr) lib.TJSValue](&engineDate)
	r := runtimeOf(ctx)
	if argc > 0 || r.now == nil || newTarget.Ftag == tagUndefined {
		return f(tls, ctx, newTarget, argc, argv)
	}
	arg := tls.Alloc(valueSize)
	defer tls.Free(valueSize)
	*at[Value](arg) = Float(r.now())
	return f(tls, ctx, newTarget, 1, arg)
}

func dateNow(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	if r := runtimeOf(ctx); r.now != nil {
		return Float(r.now()).js
	}
	return replacements[magic].call(tls, ctx, this, argc, argv)
}

func mathRandom(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	if r := runtimeOf(ctx); r.random != nil {
		return Float(r.random()).js
	}
	return replacements[magic].call(tls, ctx, this, argc, argv)
}

// seedRandom gives the engine's generator a state of its own: the engine seeds
// by the microsecond, so runtimes made together would agree.
func (r *Runtime) seedRandom(seed uint64) {
	*(*uint64)(unsafe.Pointer(&r.engineContext().Frandom_state)) = seed | 1
}

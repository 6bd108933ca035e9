package vm

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// This file holds everything that depends on the engine's private layout. The
// offsets belong to EngineVersion; selfTest (selftest.go) proves them at start.

// EngineVersion is the version of modernc.org/libquickjs that layout.go is
// written for.
const EngineVersion = "v0.14.0"

// The tags of a JSValue. Negative tags carry a pointer with a reference count.
const (
	tagBigInt        = int64(lib.EJS_TAG_BIG_INT)
	tagSymbol        = int64(lib.EJS_TAG_SYMBOL)
	tagString        = int64(lib.EJS_TAG_STRING)
	tagStringRope    = int64(lib.EJS_TAG_STRING_ROPE)
	tagModule        = int64(lib.EJS_TAG_MODULE)
	tagObject        = int64(lib.EJS_TAG_OBJECT)
	tagInt           = int64(lib.EJS_TAG_INT)
	tagBool          = int64(lib.EJS_TAG_BOOL)
	tagNull          = int64(lib.EJS_TAG_NULL)
	tagUndefined     = int64(lib.EJS_TAG_UNDEFINED)
	tagUninitialized = int64(lib.EJS_TAG_UNINITIALIZED)
	tagException     = int64(lib.EJS_TAG_EXCEPTION)
	tagShortBigInt   = int64(lib.EJS_TAG_SHORT_BIG_INT)
	tagFloat64       = int64(lib.EJS_TAG_FLOAT64)
)

const (
	refCountOffset = 4  // bytes before a counted block: its int32 reference count
	stringHeader   = 12 // bytes of a string's header, before its characters

	promiseSize = unsafe.Sizeof(lib.TJSPromiseData{})

	atomStack      = uint32(lib.EJS_ATOM_stack)
	atomConcat     = uint32(lib.EJS_ATOM_concat)
	atomThen       = uint32(lib.EJS_ATOM_then)
	atomCtor       = uint32(lib.EJS_ATOM_constructor)
	atomEmpty      = uint32(lib.EJS_ATOM_empty_string)
	hashPrivate    = 1<<30 - 1
	atomTypeSymbol = 3
)

// at turns an address in the engine's memory, which is never Go's, into a
// pointer.
func at[T any](p uintptr) *T { return (*T)(unsafe.Add(nil, p)) }

// fp gives the engine a Go function in the form it calls: the address of the
// function value's static closure. f must be a top-level function.
func fp(f any) uintptr {
	type iface [2]uintptr
	return (*iface)(unsafe.Pointer(&f))[1]
}

// Unexported functions of the engine. The Go linker resolves them by name, so
// a version that renames one fails to link and never runs wrongly.

//go:linkname asyncFuncInit modernc.org/libquickjs._async_func_init
func asyncFuncInit(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr) uintptr

//go:linkname asyncFuncFree modernc.org/libquickjs._async_func_free
func asyncFuncFree(tls *libc.TLS, rt uintptr, s uintptr)

//go:linkname asyncFuncResume modernc.org/libquickjs._async_func_resume
func asyncFuncResume(tls *libc.TLS, ctx uintptr, s uintptr) lib.TJSValue

//go:linkname fulfillOrReject modernc.org/libquickjs._fulfill_or_reject_promise
func fulfillOrReject(tls *libc.TLS, ctx uintptr, promise, value lib.TJSValue, isReject int32)

//go:linkname performPromiseThen modernc.org/libquickjs._perform_promise_then
func performPromiseThen(tls *libc.TLS, ctx uintptr, promise lib.TJSValue, handlers, capability uintptr) int32

//go:linkname newPromiseCapability modernc.org/libquickjs._js_new_promise_capability
func newPromiseCapability(tls *libc.TLS, ctx uintptr, functions uintptr, constructor lib.TJSValue) lib.TJSValue

//go:linkname speciesConstructor modernc.org/libquickjs._JS_SpeciesConstructor
func speciesConstructor(tls *libc.TLS, ctx uintptr, obj, otherwise lib.TJSValue) lib.TJSValue

//go:linkname resolveThenableJob modernc.org/libquickjs._js_promise_resolve_thenable_job
func resolveThenableJob(tls *libc.TLS, ctx uintptr, argc int32, argv uintptr) lib.TJSValue

//go:linkname weakRefConstructor modernc.org/libquickjs._js_weakref_constructor
func weakRefConstructor(tls *libc.TLS, ctx uintptr, newTarget lib.TJSValue, argc int32, argv uintptr) lib.TJSValue

//go:linkname buildBacktrace modernc.org/libquickjs._build_backtrace
func buildBacktrace(tls *libc.TLS, ctx uintptr, obj lib.TJSValue, filename uintptr, line, col, flags int32)

//go:linkname createArray modernc.org/libquickjs._js_create_array
func createArray(tls *libc.TLS, ctx uintptr, n int32, values uintptr) lib.TJSValue

func (r *Runtime) engineRuntime() *lib.TJSRuntime { return at[lib.TJSRuntime](r.rt) }
func (r *Runtime) engineContext() *lib.TJSContext { return at[lib.TJSContext](r.ctx) }

// interruptCounterOffset is where a context counts down to its next poll of
// the interrupt handler.
const interruptCounterOffset = unsafe.Offsetof(lib.TJSContext{}.Finterrupt_counter)

// hideAtom makes a predefined atom a private one, so that the name is another
// atom to JavaScript. Two are hidden:
//
//   - "stack", under which the engine stores a backtrace. It lacks V8's header
//     line; with it hidden, an accessor on Error.prototype can present it with
//     the header, and an error whose stack is never read costs nothing more.
//   - "concat", the method that the engine calls for a template literal: the
//     language calls none, and a program may replace String.prototype.concat.
func (r *Runtime) hideAtom(atom uint32) bool {
	rt := r.engineRuntime()
	array := rt.Fatom_array
	p := *at[uintptr](array + uintptr(atom)*8)
	h := *at[uint32](p + 4) & hashPrivate
	link := rt.Fatom_hash + uintptr(h&uint32(rt.Fatom_hash_size-1))*4
	for n := 0; *at[uint32](link) != atom; n++ {
		i := *at[uint32](link)
		if i == 0 || n > 1000 {
			return false
		}
		link = *at[uintptr](array + uintptr(i)*8) + 8
	}
	*at[uint32](link) = *at[uint32](p + 8)
	*at[uint32](p + 8) = atom
	*at[uint32](p + 4) = atomTypeSymbol<<30 | hashPrivate
	return true
}

// defineConcat gives strings the method under its hidden name.
func (r *Runtime) defineConcat() error {
	ctor, err := r.Get(Value{r.engineContext().Fglobal_obj}, Intern("String"))
	if err != nil {
		return err
	}
	defer r.Free(ctor)
	proto, err := r.Get(ctor, Intern("prototype"))
	if err != nil {
		return err
	}
	defer r.Free(proto)
	concat, err := r.Get(proto, Intern("concat"))
	if err != nil {
		return err
	}
	if lib.XJS_DefinePropertyValue(r.tls, r.ctx, proto.js, atomConcat, concat.js, 0) < 0 {
		return r.thrown()
	}
	return nil
}

// asFunc reads a function's address, as fp gives it, back as a Go function.
func asFunc[F any](address *uintptr) F { return *(*F)(unsafe.Pointer(address)) }

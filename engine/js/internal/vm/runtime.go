package vm

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Options of a runtime. The zero value works.
type Options struct {
	// MemoryLimit is the most that the runtime may hold, in bytes. A runtime
	// that reaches it is lost (ErrOutOfMemory). 0 means 128 MiB.
	MemoryLimit int64
	// MaxStack is how deep calls may nest, in frames of the engine: a plain
	// JavaScript call takes one, a call through a getter or forEach up to
	// nine. Deeper calls throw a RangeError. 0 means 5000; at most 20000,
	// because the goroutine's stack grows with it.
	MaxStack int
	// GCThreshold is the heap size, in bytes, at which the engine first
	// collects cycles; afterwards at one and a half times what survived. 0
	// means 1 MiB; negative means only when RunGC is called.
	GCThreshold int64
	// Group tells whose watchdog judges the runtime.
	Group *Group

	bare        bool // without mend.js
	engineAsync bool // with the engine's own async functions, for tests to compare with
}

const (
	defaultMemoryLimit = 128 << 20
	defaultMaxStack    = 5000
	maxMaxStack        = 20000
	defaultGCThreshold = 1 << 20
)

// Runtime is one JavaScript heap with its global object. Owned by its loop:
// one goroutine at a time, except for Interrupt, SetLimit and Label. Not
// reusable once a method has returned ErrOutOfMemory or a *FaultError; Close it
// then as well.
type Runtime struct {
	tls *libc.TLS
	rt  uintptr
	ctx uintptr

	heap  heap
	atoms []lib.TJSAtom // by Key; 0 until first used here

	depth int   // nested entries from Go into the engine
	dead  error // non-nil: the runtime is lost or closed

	lastThrown    Value // the value of the newest Exception; owned
	lastException *Exception
	rejections    []rejection
	classes       map[*Class]lib.TJSClassID
	callables     map[*Callable]lib.TJSClassID
	followed      followed // see Follow
	handles       handleTable
	modules       map[string]*NativeModule
	moduleDefs    map[string]uintptr // of those that were imported
	compiling     bool               // in Compile
	importer      string             // the module that the newest import is in
	resolve       func(name, from string) (*NativeModule, error)

	now    func() float64
	random func() float64

	errorCtor Value // Error; owned. See stack.go.
	callSite  Value // makes a call site; owned
	preparing bool  // Error.prepareStackTrace runs

	collators collators

	kept map[uintptr]Value // what WeakRefs were asked for in this turn; owned. See weakref.go.

	context  Value // see context.go; owned
	contexts bool  // contexts are followed

	// promiseThen is the engine's own Promise.prototype.then; owned. See async.go.
	promiseThen Value
	// functionCall is the engine's own Function.prototype.call; owned. See bound.go.
	functionCall Value

	// Lazy makes the value of a lazy property; see DefineLazy. It is called in the middle of whatever looks at the property,
	// must not touch the object that has it, and must not fail.
	Lazy     func(name string) (Value, error)
	maxStack uint64
	whole    int // calls of Whole under way

	// Host is for the host's use: what this runtime belongs to.
	Host any
	// OnPanic, if set, is told of a Go panic in a host function, after it has
	// been turned into a JavaScript exception.
	OnPanic func(name string, cause any, stack []byte)

	turn  turnState
	group *Group // never changes

	// pokeMu keeps Interrupt from writing into a heap that Close is unmapping.
	pokeMu sync.Mutex
	open   bool // guarded by pokeMu
}

// live keeps every open runtime reachable: the engine holds pointers to them
// where Go's collector does not look.
var live = struct {
	sync.Mutex
	set map[*Runtime]struct{}
	n   atomic.Int64
}{set: map[*Runtime]struct{}{}}

// New makes an empty runtime with the standard globals.
func New(o Options) (*Runtime, error) {
	if err := engineOK(); err != nil {
		return nil, err
	}
	return newRuntime(o)
}

func newRuntime(o Options) (_ *Runtime, err error) {
	if o.MemoryLimit == 0 {
		o.MemoryLimit = defaultMemoryLimit
	}
	if o.MaxStack == 0 {
		o.MaxStack = defaultMaxStack
	}
	o.MaxStack = min(o.MaxStack, maxMaxStack)
	if o.GCThreshold == 0 {
		o.GCThreshold = defaultGCThreshold
	}
	r := &Runtime{tls: libc.NewTLS(), lastThrown: Undefined, context: Undefined, open: true, group: o.Group}
	live.Lock()
	live.set[r] = struct{}{}
	live.n.Add(1)
	live.Unlock()
	defer func() {
		if err != nil {
			r.closeIdle()
		}
	}()
	defer r.leave(r.enter(), &err)
	r.rt = lib.XJS_NewRuntime2(r.tls, uintptr(unsafe.Pointer(&mallocFuncs)), uintptr(unsafe.Pointer(r)))
	if r.rt == 0 {
		return nil, ErrOutOfMemory
	}
	lib.XJS_SetMemoryLimit(r.tls, r.rt, uint64(o.MemoryLimit))
	r.maxStack = uint64(o.MaxStack)
	lib.XJS_SetMaxStackSize(r.tls, r.rt, r.maxStack)
	if o.GCThreshold < 0 {
		lib.XJS_SetGCThreshold(r.tls, r.rt, ^uint64(0))
	} else {
		lib.XJS_SetGCThreshold(r.tls, r.rt, uint64(o.GCThreshold))
	}
	if !r.hideAtom(atomStack) || !r.hideAtom(atomConcat) {
		return nil, fmt.Errorf("%w: the predefined atoms are not where %s has them", ErrEngine, EngineVersion)
	}
	r.ctx = lib.XJS_NewContext(r.tls, r.rt)
	if r.ctx == 0 {
		return nil, ErrOutOfMemory
	}
	lib.XJS_SetContextOpaque(r.tls, r.ctx, uintptr(unsafe.Pointer(r)))
	lib.XJS_SetInterruptHandler(r.tls, r.rt, fp(interruptHandler), uintptr(unsafe.Pointer(r)))
	lib.XJS_SetHostPromiseRejectionTracker(r.tls, r.rt, fp(rejectionTracker), uintptr(unsafe.Pointer(r)))
	lib.XJS_SetModuleLoaderFunc(r.tls, r.rt, fp(moduleNormalize), fp(moduleLoad), 0)
	if err := r.defineConcat(); err != nil {
		return nil, err
	}
	if !o.engineAsync {
		if err := r.shortenAsync(); err != nil {
			return nil, err
		}
	}
	if !o.bare {
		if err := r.mend(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// runtimeOf finds the runtime of a context that the engine calls back with.
func runtimeOf(ctx uintptr) *Runtime {
	return *(**Runtime)(unsafe.Pointer(&at[lib.TJSContext](ctx).Fuser_opaque))
}

// enter begins a visit to the engine. Every exported method that can run
// JavaScript, allocate or free does
//
//	defer r.leave(r.enter(), &err)
//
// so that a fault in the translated C becomes an error instead of a dead
// process. SetPanicOnFault is per goroutine, hence set here each time; only
// the outermost visit pays for it.
func (r *Runtime) enter() bool {
	r.depth++
	if r.depth == 1 {
		return debug.SetPanicOnFault(true)
	}
	return true
}

// leave ends a visit. It must be deferred directly: it recovers.
func (r *Runtime) leave(old bool, err *error) {
	r.depth--
	if p := recover(); p != nil {
		r.fault(p)
		*err = r.dead
	}
	if r.depth > 0 {
		return
	}
	debug.SetPanicOnFault(old)
	if r.dead == nil && r.heap.refused {
		r.dead = ErrOutOfMemory
	}
	if r.dead != nil {
		*err = r.dead
		r.release()
	}
}

// abandoned is what a host call's trampoline panics with to unwind the
// engine's frames of a runtime that was lost further in.
type abandoned struct{}

func (r *Runtime) fault(p any) {
	if r.dead != nil {
		return
	}
	if r.heap.refused {
		r.dead = ErrOutOfMemory
		return
	}
	r.dead = &FaultError{Cause: p, Stack: debug.Stack()}
}

// release gives the memory of a dead runtime back, without asking the engine:
// its structures may be broken.
func (r *Runtime) release() {
	r.pokeMu.Lock()
	wasOpen := r.open
	r.open = false
	r.pokeMu.Unlock()
	if !wasOpen {
		return
	}
	r.handles.finalizeAll()
	_ = r.heap.pages.Close() // unmapping fails on no mapping of its own
	r.tls.Close()
	r.rt, r.ctx, r.atoms, r.rejections = 0, 0, nil, nil
	r.lastException, r.lastThrown, r.context = nil, Undefined, Undefined
	live.Lock()
	delete(live.set, r)
	live.n.Add(-1)
	live.Unlock()
}

// Close ends the runtime and gives its memory back. Every Value of it becomes
// invalid; finalizers of handles run. Calling it again does nothing. It must
// not be called from inside a host function.
func (r *Runtime) Close() error {
	if r.depth > 0 {
		return fmt.Errorf("vm: Close inside a call of the runtime")
	}
	if r.dead == nil {
		r.dead = ErrClosed
	}
	r.release()
	return nil
}

// closeIdle is Close where no call of the runtime can be under way, so that it cannot fail.
func (r *Runtime) closeIdle() {
	if err := r.Close(); err != nil {
		panic(err)
	}
}

// Err says why the runtime cannot be used: nil while it is alive, then
// ErrClosed, ErrOutOfMemory or a *FaultError.
func (r *Runtime) Err() error { return r.dead }

// Count is how many runtimes are open in the process. Safe for concurrent use.
func Count() int { return int(live.n.Load()) }

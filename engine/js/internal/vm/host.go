package vm

import (
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// HostFunc is a Go function that JavaScript calls. It runs on the runtime's
// loop, inside a turn. this and args are borrowed, and args is a view of the
// engine's memory that ends with the call: keep nothing of it. The result is
// given away. An error is thrown: *Error as its class, the newest *Exception
// as the value it stands for, anything else as an Error with its text.
//
// args holds what the caller passed, which may be fewer or more than declared:
// see Args.At.
type HostFunc func(r *Runtime, this Value, args Args) (Value, error)

// Args are the arguments of a host call. Valid during the call.
type Args []Value

// At is argument i, Undefined if it was not passed. Borrowed.
func (a Args) At(i int) Value {
	if i < len(a) {
		return a[i]
	}
	return Undefined
}

// HostID names a registered host function. It is the same in every runtime of
// the process.
type HostID int16

type hostEntry struct {
	name   string
	length int
	fn     HostFunc
}

var hosts struct {
	sync.Mutex
	table atomic.Pointer[[]hostEntry]
}

// RegisterHost registers fn once for the process, usually from a package
// variable. name and length are what JavaScript sees. At most 32,767.
func RegisterHost(name string, length int, fn HostFunc) HostID {
	hosts.Lock()
	defer hosts.Unlock()
	var table []hostEntry
	if p := hosts.table.Load(); p != nil {
		table = *p
	}
	if len(table) > math.MaxInt16 {
		panic("vm: more than 32,767 host functions")
	}
	table = append(table[:len(table):len(table)], hostEntry{name, length, fn})
	hosts.table.Store(&table)
	return HostID(len(table) - 1)
}

// Function makes a function object that calls host function id.
func (r *Runtime) Function(id HostID) (v Value, err error) {
	return r.hostFunction(id, lib.EJS_CFUNC_generic_magic)
}

// Constructor makes a function object that can also be called with new; the
// host function then gets the constructor as this (new.target).
func (r *Runtime) Constructor(id HostID) (v Value, err error) {
	return r.hostFunction(id, lib.EJS_CFUNC_constructor_or_func_magic)
}

func (r *Runtime) hostFunction(id HostID, kind int32) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	h := &(*hosts.table.Load())[id]
	name := r.cString(h.name)
	if name == 0 {
		return Undefined, r.thrown()
	}
	v, err = r.result(lib.XJS_NewCFunction2(r.tls, r.ctx, fp(hostCall), name, int32(h.length), kind, int32(id)))
	lib.Xjs_free(r.tls, r.ctx, name)
	return v, err
}

// SetFunction defines a host function under its own name as a method of obj.
func (r *Runtime) SetFunction(obj Value, id HostID) error {
	return r.SetFunctionAs(obj, (*hosts.table.Load())[id].name, id)
}

// SetFunctionAs is SetFunction under another name.
func (r *Runtime) SetFunctionAs(obj Value, name string, id HostID) error {
	f, err := r.Function(id)
	if err != nil {
		return err
	}
	return r.Define(obj, Intern(name), f, Method)
}

// hostCall is what the engine calls for every host function; magic is its id.
func hostCall(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	return enterHost(runtimeOf(ctx), &(*hosts.table.Load())[magic], Value{this}, unsafe.Slice(at[Value](argv), int(argc)))
}

// enterHost calls a host function for the engine.
func enterHost(r *Runtime, h *hostEntry, this Value, args Args) (ret lib.TJSValue) {
	depth := r.depth
	defer func() {
		if p := recover(); p != nil {
			r.depth = depth
			if r.dead != nil {
				panic(abandoned{})
			}
			ret = r.hostPanic(h, p)
		}
	}()
	v, err := h.fn(r, this, args)
	if r.dead != nil {
		// The runtime was lost inside: unwind the engine's frames.
		panic(abandoned{})
	}
	if err != nil {
		return r.throwInEngine(err)
	}
	return v.js
}

// hostPanic turns a panic of a host function into a JavaScript exception.
func (r *Runtime) hostPanic(h *hostEntry, p any) lib.TJSValue {
	if r.OnPanic != nil {
		r.OnPanic(h.name, p, debug.Stack())
	}
	return r.throwInEngine(fmt.Errorf("internal error in %s: %v", h.name, p))
}

// throwInEngine makes err the engine's pending exception.
func (r *Runtime) throwInEngine(err error) lib.TJSValue {
	if r.turn.hit {
		// Stay uncatchable on the way out.
		lib.XJS_ThrowInternalError(r.tls, r.ctx, interruptedText, 0)
		lib.XJS_SetUncatchableException(r.tls, r.ctx, 1)
		return exception.js
	}
	v, fail := r.ErrorValue(err)
	if fail != nil {
		if r.dead != nil {
			panic(abandoned{})
		}
		return lib.XJS_ThrowOutOfMemory(r.tls, r.ctx)
	}
	return lib.XJS_Throw(r.tls, r.ctx, v.js)
}

// interruptedText is a C string that lives as long as the process.
var interruptedText = func() uintptr {
	p, err := libc.CString("interrupted")
	if err != nil {
		panic(err)
	}
	return p
}()

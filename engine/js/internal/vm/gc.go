package vm

import (
	"unsafe"

	lib "modernc.org/libquickjs"
)

// RunGC collects cycles now. It blocks the loop in proportion to the heap (13
// ms at 10,000 instances), so call it when idle.
func (r *Runtime) RunGC() (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	lib.XJS_RunGC(r.tls, r.rt)
	return nil
}

// SetGCThreshold sets the heap size, in bytes, at which the engine next
// collects cycles by itself; negative means never.
func (r *Runtime) SetGCThreshold(bytes int64) {
	if r.dead == nil {
		lib.XJS_SetGCThreshold(r.tls, r.rt, uint64(max(bytes, -1)))
	}
}

// Memory is what the runtime holds, in bytes, and its limit. It reads two
// counters.
func (r *Runtime) Memory() (used, limit int64) {
	if r.dead != nil {
		return 0, 0
	}
	s := &r.engineRuntime().Fmalloc_ctx.Fmalloc_state
	return int64(s.Fmalloc_size), int64(s.Fmalloc_limit)
}

// Stats are figures of a heap.
type Stats struct {
	Used, Limit                         int64
	Objects, Functions, Strings, Arrays int64
	Atoms, Shapes, Properties, Bytecode int64
	Handles                             int // host objects that JavaScript holds
}

// Stats walks the whole heap: for the inspector and tests.
func (r *Runtime) Stats() (s Stats, err error) {
	if r.dead != nil {
		return s, r.dead
	}
	defer r.leave(r.enter(), &err)
	n := int(unsafe.Sizeof(lib.TJSMemoryUsage{}))
	p := r.tls.Alloc(n)
	defer r.tls.Free(n)
	lib.XJS_ComputeMemoryUsage(r.tls, r.rt, p)
	u := at[lib.TJSMemoryUsage](p)
	s = Stats{
		Used: u.Fmalloc_size, Limit: u.Fmalloc_limit,
		Objects: u.Fobj_count, Functions: u.Fjs_func_count, Strings: u.Fstr_count, Arrays: u.Farray_count,
		Atoms: u.Fatom_count, Shapes: u.Fshape_count, Properties: u.Fprop_count, Bytecode: u.Fjs_func_code_size,
		Handles: len(r.handles.slots) - len(r.handles.free),
	}
	return s, nil
}

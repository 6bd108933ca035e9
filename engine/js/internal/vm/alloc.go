package vm

import (
	"math"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
	"modernc.org/memory"
)

// heap is the memory of one runtime. The engine asks it for pages of small
// blocks and for large blocks. It is the runtime's own, rather than libc's
// shared one, for two reasons: a runtime that faulted cannot be freed block by
// block, but its heap can be unmapped whole; and loops share no lock.
//
// Owned by its runtime's loop.
type heap struct {
	pages memory.Allocator
	// refused is set when a request did not fit and left too little room for
	// the engine to say so: the runtime is lost.
	refused bool
}

// headroom is what must remain below the limit, after a refused request, for
// the refusal to be an ordinary exception. A single request that is too large
// (a 2 GB ArrayBuffer, a doubled string) leaves the engine enough memory to
// throw; refusing a small one means that the runtime is full.
const headroom = 1 << 20

var mallocFuncs = lib.TJSMallocFunctions{
	Fjs_malloc:             fp(heapMalloc),
	Fjs_free:               fp(heapFree),
	Fjs_realloc:            fp(heapRealloc),
	Fjs_malloc_usable_size: fp(heapUsableSize),
}

func heapOf(s *lib.TJSMallocState) *Runtime {
	return *(**Runtime)(unsafe.Pointer(&s.Fopaque))
}

// refuse reports that size bytes do not fit.
func (r *Runtime) refuse(s *lib.TJSMallocState, size uint64) bool {
	if size <= s.Fmalloc_limit && s.Fmalloc_size <= s.Fmalloc_limit-size && size < math.MaxInt32*2 {
		return false
	}
	if s.Fmalloc_size+headroom > s.Fmalloc_limit || size < headroom/2 {
		r.heap.refused = true
		if r.ctx != 0 {
			// Stop the turn at its next poll: it must not carry on catching
			// errors in a full heap.
			r.engineContext().Finterrupt_counter = 0
		}
	}
	return true
}

func heapMalloc(tls *libc.TLS, state uintptr, size lib.Tsize_t) uintptr {
	s := at[lib.TJSMallocState](state)
	r := heapOf(s)
	if r.refuse(s, size) {
		return 0
	}
	p, err := r.heap.pages.UintptrMalloc(int(size))
	if err != nil || p == 0 {
		r.heap.refused = true
		return 0
	}
	s.Fmalloc_count++
	s.Fmalloc_size += uint64(memory.UintptrUsableSize(p))
	return p
}

func heapFree(tls *libc.TLS, state uintptr, p uintptr) {
	if p == 0 {
		return
	}
	s := at[lib.TJSMallocState](state)
	s.Fmalloc_count--
	s.Fmalloc_size -= uint64(memory.UintptrUsableSize(p))
	_ = heapOf(s).heap.pages.UintptrFree(p) // it fails on no address that it gave itself
}

func heapRealloc(tls *libc.TLS, state uintptr, p uintptr, size lib.Tsize_t) uintptr {
	if p == 0 {
		if size == 0 {
			return 0
		}
		return heapMalloc(tls, state, size)
	}
	if size == 0 {
		heapFree(tls, state, p)
		return 0
	}
	s := at[lib.TJSMallocState](state)
	r := heapOf(s)
	old := uint64(memory.UintptrUsableSize(p))
	if size <= old && size >= old/2 {
		return p
	}
	if size > old && r.refuse(s, size) {
		return 0
	}
	q, err := r.heap.pages.UintptrMalloc(int(size))
	if err != nil || q == 0 {
		r.heap.refused = true
		return 0
	}
	n := min(old, size)
	copy(unsafe.Slice(at[byte](q), n), unsafe.Slice(at[byte](p), n))
	_ = r.heap.pages.UintptrFree(p)
	s.Fmalloc_size += uint64(memory.UintptrUsableSize(q)) - old
	return q
}

func heapUsableSize(tls *libc.TLS, p uintptr) lib.Tsize_t {
	if p == 0 {
		return 0
	}
	return uint64(memory.UintptrUsableSize(p))
}

package vm

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Class is a kind of JavaScript object that stands for something of the host:
// a request, a socket, an object's context. Each such object carries a Handle.
// Register a class once for the process, from a package variable.
type Class struct {
	name     string
	finalize func(r *Runtime, payload uint64)
}

// RegisterClass registers a class. finalize, if not nil, is called on the
// runtime's loop when JavaScript has dropped the object, or its runtime is
// closed or lost; it must not use the runtime.
func RegisterClass(name string, finalize func(r *Runtime, payload uint64)) *Class {
	return &Class{name: name, finalize: finalize}
}

// Handle names one host object of one runtime: a slot and the generation it
// was made in. JavaScript may keep the object longer than the host keeps what
// it stands for (request handles outlive events), so a handle that was revoked
// never means the slot's next owner.
type Handle struct {
	Slot       uint32
	Generation uint32
}

type handleSlot struct {
	payload    uint64
	generation uint32
	class      *Class // nil: free
	live       bool   // false: revoked, but JavaScript still has the object
	objects    int32  // that JavaScript has of it; see Alias
}

// handleTable is owned by its runtime's loop.
type handleTable struct {
	owner *Runtime
	slots []handleSlot
	free  []uint32
}

func (t *handleTable) get(slot uint32) *handleSlot {
	if int(slot) < len(t.slots) {
		return &t.slots[slot]
	}
	return nil
}

func (t *handleTable) finalizeAll() {
	for i := range t.slots {
		if s := &t.slots[i]; s.class != nil && s.live && s.class.finalize != nil {
			s.class.finalize(t.owner, s.payload)
		}
	}
	t.slots, t.free = nil, nil
}

var (
	classIDs     = map[*Class]lib.TJSClassID{}
	classByID    [1 << 12]*Class
	classMu      sync.Mutex
	engineIDWord = func() uintptr { // a word outside Go's memory for XJS_NewClassID
		return libc.Xmalloc(nil, 8)
	}()
)

// classID is the class's number, the same in every runtime.
func (c *Class) id() lib.TJSClassID {
	classMu.Lock()
	defer classMu.Unlock()
	if id := classIDs[c]; id != 0 {
		return id
	}
	id := newClassID()
	classIDs[c] = id
	classByID[id] = c
	return id
}

// newClassID is the engine's number for another class, the same in every runtime. classMu is held.
func newClassID() lib.TJSClassID {
	*at[uint32](engineIDWord) = 0
	id := lib.XJS_NewClassID(nil, engineIDWord)
	if int(id) >= len(classByID) {
		panic("vm: too many host classes")
	}
	return id
}

// newClass makes a class known to the runtime. The name is its definition's.
func (r *Runtime) newClass(id lib.TJSClassID, name string, d lib.TJSClassDef) error {
	def := r.scratch(int(unsafe.Sizeof(d)))
	text := r.cString(name)
	if def == 0 || text == 0 {
		return r.thrown()
	}
	d.Fclass_name = text
	*at[lib.TJSClassDef](def) = d
	n := lib.XJS_NewClass(r.tls, r.rt, id, def)
	lib.Xjs_free(r.tls, r.ctx, def)
	lib.Xjs_free(r.tls, r.ctx, text)
	if n < 0 {
		return ErrOutOfMemory
	}
	return nil
}

func (r *Runtime) class(c *Class) (lib.TJSClassID, error) {
	if id := r.classes[c]; id != 0 {
		return id, nil
	}
	id := c.id()
	if err := r.newClass(id, c.name, lib.TJSClassDef{Ffinalizer: fp(finalizeHandle)}); err != nil {
		return 0, err
	}
	proto := lib.XJS_NewObject(r.tls, r.ctx)
	if proto.Ftag == tagException {
		return 0, r.thrown()
	}
	lib.XJS_SetClassProto(r.tls, r.ctx, id, proto)
	if r.classes == nil {
		r.classes = map[*Class]lib.TJSClassID{}
	}
	r.classes[c] = id
	return id, nil
}

// ClassProto is the prototype that new objects of class c get in this runtime,
// for the host to put methods on. Owned by the caller.
func (r *Runtime) ClassProto(c *Class) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	id, err := r.class(c)
	if err != nil {
		return Undefined, err
	}
	return Value{lib.XJS_GetClassProto(r.tls, r.ctx, id)}, nil
}

// HostObject makes an object of class c that carries payload. proto replaces
// the class's prototype unless it is Undefined (borrowed).
func (r *Runtime) HostObject(c *Class, proto Value, payload uint64) (v Value, h Handle, err error) {
	if r.dead != nil {
		return Undefined, Handle{}, r.dead
	}
	defer r.leave(r.enter(), &err)
	id, err := r.class(c)
	if err != nil {
		return Undefined, Handle{}, err
	}
	if proto.IsObject() {
		v, err = r.result(lib.XJS_NewObjectProtoClass(r.tls, r.ctx, proto.js, id))
	} else {
		v, err = r.result(lib.XJS_NewObjectClass(r.tls, r.ctx, int32(id)))
	}
	if err != nil {
		return Undefined, Handle{}, err
	}
	t := &r.handles
	t.owner = r
	var slot uint32
	if n := len(t.free); n > 0 {
		slot = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		slot = uint32(len(t.slots))
		t.slots = append(t.slots, handleSlot{})
	}
	s := &t.slots[slot]
	s.generation++
	s.payload, s.class, s.live, s.objects = payload, c, true, 1
	lib.XJS_SetOpaque(r.tls, v.js, uintptr(slot)+1)
	return v, Handle{slot, s.generation}, nil
}

// Alias makes another object over the handle of v, a host object of class c, with a prototype of its own (borrowed): it
// carries the same payload, and revoking the handle ends both.
func (r *Runtime) Alias(c *Class, v, proto Value) (w Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	s := r.slotOf(c, v)
	if s == nil {
		return Undefined, TypeError("Illegal invocation")
	}
	defer r.leave(r.enter(), &err)
	w, err = r.result(lib.XJS_NewObjectProtoClass(r.tls, r.ctx, proto.js, r.classes[c]))
	if err != nil {
		return Undefined, err
	}
	s.objects++
	lib.XJS_SetOpaque(r.tls, w.js, *at[uintptr](v.ptr() + objectData))
	return w, nil
}

// Payload is what the host object v of class c carries; ok is false if v is
// something else, or if its handle was revoked.
func (r *Runtime) Payload(c *Class, v Value) (payload uint64, ok bool) {
	s := r.slotOf(c, v)
	if s == nil || !s.live {
		return 0, false
	}
	return s.payload, true
}

// IsHost reports whether v is of class c, revoked or not.
func (r *Runtime) IsHost(c *Class, v Value) bool { return r.slotOf(c, v) != nil }

func (r *Runtime) slotOf(c *Class, v Value) *handleSlot {
	id := r.classOf(v)
	if id == 0 || lib.TJSClassID(id) != r.classes[c] {
		return nil
	}
	opaque := *at[uintptr](v.ptr() + objectData)
	if opaque == 0 {
		return nil
	}
	return r.handles.get(uint32(opaque - 1))
}

// SetPayload replaces what the host object v of class c carries; false if v is something else, or was revoked.
func (r *Runtime) SetPayload(c *Class, v Value, payload uint64) bool {
	s := r.slotOf(c, v)
	if s == nil || !s.live {
		return false
	}
	s.payload = payload
	return true
}

// Revoke ends what a handle stands for, although JavaScript may still hold the
// object: from now on Payload says no. The finalizer runs now, and not again.
func (r *Runtime) Revoke(h Handle) {
	s := r.handles.get(h.Slot)
	if s == nil || s.generation != h.Generation || !s.live {
		return
	}
	s.live = false
	if s.class != nil && s.class.finalize != nil {
		s.class.finalize(r, s.payload)
	}
	s.payload = 0
}

// finalizeHandle is called by the engine when an object is freed.
func finalizeHandle(tls *libc.TLS, rt uintptr, v lib.TJSValue) {
	obj := at[lib.TJSObject]((Value{v}).ptr())
	opaque := *at[uintptr]((Value{v}).ptr() + objectData)
	if opaque == 0 {
		return
	}
	r := *(**Runtime)(unsafe.Pointer(&at[lib.TJSRuntime](rt).Fmalloc_ctx.Fmalloc_state.Fopaque))
	s := r.handles.get(uint32(opaque - 1))
	if s == nil || s.class == nil || classByID[obj.Fclass_id] != s.class {
		return
	}
	if s.objects--; s.objects > 0 {
		return
	}
	c, payload, live := s.class, s.payload, s.live
	s.class, s.live, s.payload = nil, false, 0
	r.handles.free = append(r.handles.free, uint32(opaque-1))
	if live && c.finalize != nil {
		c.finalize(r, payload)
	}
}

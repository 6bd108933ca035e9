package vm

import (
	"sync"
	"sync/atomic"

	lib "modernc.org/libquickjs"
)

// Key is a property name interned once for the whole process. Each runtime
// resolves it to its own atom when it first meets it; from then on a property
// access by Key hashes nothing.
type Key uint32

var keys struct {
	sync.Mutex
	byName map[string]Key
	names  atomic.Pointer[[]string]
}

// Intern gives the Key of a name. Call it from package variables: keys are
// never forgotten, so never intern names that come from outside.
func Intern(name string) Key {
	keys.Lock()
	defer keys.Unlock()
	if k, ok := keys.byName[name]; ok {
		return k
	}
	if keys.byName == nil {
		keys.byName = map[string]Key{}
	}
	var names []string
	if p := keys.names.Load(); p != nil {
		names = *p
	}
	k := Key(len(names))
	names = append(names[:len(names):len(names)], name)
	keys.names.Store(&names)
	keys.byName[name] = k
	return k
}

func (k Key) String() string { return (*keys.names.Load())[k] }

// atom is the runtime's atom for k, borrowed from the table. 0 means that an
// exception is pending.
func (r *Runtime) atom(k Key) lib.TJSAtom {
	if int(k) < len(r.atoms) {
		if a := r.atoms[k]; a != 0 {
			return a
		}
	}
	return r.makeAtom(k)
}

func (r *Runtime) makeAtom(k Key) lib.TJSAtom {
	a := r.newAtom(k.String())
	if a == 0 {
		return 0
	}
	for len(r.atoms) <= int(k) {
		r.atoms = append(r.atoms, 0)
	}
	r.atoms[k] = a
	return a
}

// newAtom makes an owned atom; 0 means that an exception is pending.
func (r *Runtime) newAtom(name string) lib.TJSAtom {
	p := r.scratch(len(name) + 1)
	if p == 0 {
		return 0
	}
	copy(bytesAt(p, len(name)), name)
	a := lib.XJS_NewAtomLen(r.tls, r.ctx, p, uint64(len(name)))
	lib.Xjs_free(r.tls, r.ctx, p)
	return a
}

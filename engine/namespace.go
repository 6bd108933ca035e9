package engine

import "unsafe"

// Namespace is all objects of one class, as one caller sees it: where it was taken from decides where the
// calls on its stubs come from. Engine.Namespace is for goroutines of the embedding program, State.Namespace
// and Event.Namespace for turns, Port.Namespace for protocols. Making IDs and stubs costs no I/O; an object
// comes into being with the first call.
type Namespace struct {
	class  *class
	from   *origin
	port   *Port
	direct *direct // of the port's loop, once it was asked for
}

// Class returns the class's name.
func (ns *Namespace) Class() string { return ns.class.name }

// IDFromName returns the ID of the object with that name. The same name gives the same ID for ever. The empty
// name is a name.
func (ns *Namespace) IDFromName(name string) ID { return ns.class.key.fromName(name) }

// IDFromString parses what ID.String returned: ErrInvalidID if it is no ID at all, ErrForeignID if it is one
// of another class.
func (ns *Namespace) IDFromString(s string) (ID, error) { return ns.class.key.fromString(s) }

// NewUniqueID returns an ID that nobody has.
func (ns *Namespace) NewUniqueID() ID { return ns.class.key.newUnique() }

// Get returns a stub of an object. Calling a stub with an ID of another class fails with ErrForeignID.
func (ns *Namespace) Get(id ID) *Stub { return &Stub{ns: *ns, id: id} }

// GetByName is Get of IDFromName. On a namespace of a State, an Event or a Port, which remembers on its loop where
// objects are that have been called by name, it takes a tenth of the time.
func (ns *Namespace) GetByName(name string) *Stub {
	switch {
	case ns.from != nil:
		return ns.Get(ns.from.own.idFromName(ns.class, name))
	case ns.port != nil:
		return ns.Get(ns.port.own.idFromName(ns.class, name))
	}
	return ns.Get(ns.IDFromName(name))
}

// idFromName is Namespace.IDFromName for a caller on the loop. The ID of an object that lives on it is taken from its record.
func (o *owner) idFromName(k *class, name string) ID {
	b := unsafe.Slice(unsafe.StringData(name), len(name))
	h := o.names.hash(b)
	if slot := o.names.find(&o.table, k.number, h, b); slot != noSlot {
		o.named = slot
		return ID{bytes: o.table.at(slot).id, name: name, named: true, key: k.key}
	}
	id := k.key.fromName(name)
	if o.eng.ownerOf(&id) == o {
		if r, slot := o.table.find(k.number, &id); r != nil && r.name.known() {
			o.names.add(h, slot, o.table.n)
		}
	}
	return id
}

// find returns the record of an object, or nil.
func (o *owner) find(k *class, id *ID) (*record, uint32) {
	if slot := o.named; slot != noSlot {
		if r := o.table.at(slot); r.used && r.class == k.number && r.id == id.bytes {
			return r, slot
		}
	}
	return o.table.find(k.number, id)
}

package engine

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

// GetByName is Get of IDFromName.
func (ns *Namespace) GetByName(name string) *Stub { return ns.Get(ns.IDFromName(name)) }

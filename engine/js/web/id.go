package web

import "everloop/engine/js/internal/vm"

// heldID is what a DurableObjectId stands for. The object is the handle of it, so that making one is one step.
type heldID struct {
	ns    uint64
	known bool   // ns is; not so for the id of an object itself
	hex   string // "" until asked for: an id from a name is worked out in the host
	name  string
	named bool
}

// idClass is the class of those objects; the payload is an index into Instance.ids.
var idClass = vm.RegisterClass("DurableObjectId", func(r *vm.Runtime, payload uint64) {
	in := r.Host.(*Instance)
	in.ids.Remove(payload)
})

// holdID makes the DurableObjectId of an id.
func (in *Instance) holdID(id heldID) (vm.Value, error) {
	slot := in.ids.Add(id)
	v, _, err := in.r.HostObject(idClass, in.idProto, slot)
	if err != nil {
		in.ids.Remove(slot)
	}
	return v, err
}

// id finds what a DurableObjectId stands for; the pointer is good until the next holdID.
func (in *Instance) id(v vm.Value) (*heldID, error) {
	slot, ok := in.r.Payload(idClass, v)
	if !ok {
		return nil, errIllegal
	}
	return in.ids.At(slot), nil
}

// hex is the id in hexadecimal digits.
func (in *Instance) hex(id *heldID) (string, error) {
	if id.hex == "" {
		var err error
		if id.hex, err = in.Host.IDFromName(id.ns, id.name); err != nil {
			return "", err
		}
	}
	return id.hex, nil
}

var errForeign = vm.TypeError("Durable Object ID is not valid for this namespace.")

// stub makes the stub of an object in a namespace. idValue is the DurableObjectId, which becomes a property of it, as does its
// name. Both are defined here: an assignment would look for setters up to the proxy at the end of the prototype chain.
func (in *Instance) stub(ns uint64, idValue vm.Value) (vm.Value, error) {
	id, err := in.id(idValue)
	if err != nil {
		return vm.Undefined, err
	}
	if !id.known || id.ns != ns {
		// The same class may be bound twice: the host decides.
		hex, err := in.hex(id)
		if err != nil {
			return vm.Undefined, err
		}
		if !in.Host.CheckID(ns, hex) {
			return vm.Undefined, errForeign
		}
	}
	var n uint64
	name := vm.Undefined
	if id.named {
		if name, err = in.r.String(id.name); err != nil {
			return vm.Undefined, err
		}
		n, err = in.Host.StubByName(ns, id.name)
	} else {
		n, err = in.Host.StubByID(ns, id.hex)
	}
	var v vm.Value
	if err == nil {
		v, err = in.handle(in.stubProto, n)
	}
	if err != nil {
		in.r.Free(name)
		return vm.Undefined, err
	}
	if err = in.r.Define(v, keyName, name, vm.Plain); err == nil { // Object.keys has them in workerd's order
		err = in.r.Define(v, keyID, in.r.Dup(idValue), vm.Plain)
	}
	if err != nil {
		in.r.Free(v)
		return vm.Undefined, err
	}
	return v, nil
}

var keyID, keyName = vm.Intern("id"), vm.Intern("name")

// nameOf makes the id of a name, which is a string.
func (in *Instance) nameOf(ns uint64, name vm.Value) (vm.Value, error) {
	return in.holdID(heldID{ns: ns, known: true, name: in.r.GoString(name), named: true})
}

var (
	// The methods of a DurableObjectNamespace. What is no string, and what is no id, is JavaScript's business.
	_ = method("namespaceIDFromName", "idFromName", 1, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		ns, err := in.namespace(this)
		if err != nil {
			return vm.Undefined, err
		}
		if len(args) == 0 {
			return vm.Undefined, wrongType("idFromName", "DurableObjectNamespace", 1, "string")
		}
		if !args.At(0).IsString() {
			name, err := in.r.ToStringValue(args.At(0))
			if err != nil {
				return vm.Undefined, err
			}
			defer in.r.Free(name)
			return in.nameOf(ns, name)
		}
		return in.nameOf(ns, args.At(0))
	})
	_ = method("namespaceGet", "get", 1, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		ns, err := in.namespace(this)
		if err != nil {
			return vm.Undefined, err
		}
		if !in.r.IsHost(idClass, args.At(0)) {
			return vm.Undefined, wrongType("get", "DurableObjectNamespace", 1, "DurableObjectId")
		}
		if err := in.checkRouting(args.At(1)); err != nil {
			return vm.Undefined, err
		}
		return in.stub(ns, args.At(0))
	})
	_ = method("namespaceGetByName", "getByName", 1, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		ns, err := in.namespace(this)
		if err != nil {
			return vm.Undefined, err
		}
		if len(args) == 0 {
			return vm.Undefined, wrongType("getByName", "DurableObjectNamespace", 1, "string")
		}
		if err := in.checkRouting(args.At(1)); err != nil {
			return vm.Undefined, err
		}
		name := in.r.Dup(args.At(0))
		if !name.IsString() {
			if name, err = in.r.ToStringValue(name); err != nil {
				return vm.Undefined, err
			}
		}
		id, err := in.nameOf(ns, name)
		in.r.Free(name)
		if err != nil {
			return vm.Undefined, err
		}
		defer in.r.Free(id)
		return in.stub(ns, id)
	})
	// idFromString: the id; 0 if it is not an id, 1 if it is one of another namespace.
	_ = registerNamespace("idFromString", 2, func(in *Instance, ns uint64, args vm.Args) (vm.Value, error) {
		hex, ok := lowerHex64(in.utf8(args.At(1)))
		if !ok {
			return vm.Int(0), nil
		}
		if !in.Host.CheckID(ns, hex) {
			return vm.Int(1), nil
		}
		return in.holdID(heldID{ns: ns, known: true, hex: hex})
	})
	_ = registerNamespace("newUniqueId", 1, func(in *Instance, ns uint64, _ vm.Args) (vm.Value, error) {
		hex, err := in.Host.NewUniqueID(ns)
		if err != nil {
			return vm.Undefined, err
		}
		return in.holdID(heldID{ns: ns, known: true, hex: hex})
	})
	// sameNamespace: another object for a namespace.
	_ = registerNamespace("sameNamespace", 1, func(in *Instance, ns uint64, _ vm.Args) (vm.Value, error) { return in.Namespace(ns) })

	_ = register("isID", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(in.r.IsHost(idClass, args.At(0))), nil
	})
	_ = register("idHex", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		id, err := in.id(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		hex, err := in.hex(id)
		if err != nil {
			return vm.Undefined, err
		}
		return in.r.String(hex)
	})
	_ = register("idName", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		id, err := in.id(args.At(0))
		if err != nil || !id.named {
			return vm.Undefined, err
		}
		return in.r.String(id.name)
	})
)

// wrongType refuses an argument in Cloudflare's words.
func wrongType(method, of string, n int, want string) error {
	return vm.TypeError("Failed to execute '%s' on '%s': parameter %d is not of type '%s'.", method, of, n, want)
}

// checkRouting refuses options of get that ask for what there cannot be. Getters of them run.
func (in *Instance) checkRouting(options vm.Value) error {
	if options.IsNullish() {
		return nil
	}
	_, err := in.r.Call(in.routing, vm.Undefined, options)
	return err
}

package web

import (
	"errors"

	"everloop/engine/js/internal/vm"
)

// The handles of what the host knows by a number of its own. The payload is that number.
var (
	namespaceClass   = vm.RegisterClass("Namespace", nil)
	objectClass      = vm.RegisterClass("Object", func(r *vm.Runtime, payload uint64) { r.Host.(*Instance).dropStorage(payload) })
	eventClass       = vm.RegisterClass("Event", nil)
	transactionClass = vm.RegisterClass("Transaction", nil)
	stubClass        = vm.RegisterClass("Stub", func(r *vm.Runtime, payload uint64) { r.Host.(*Instance).Host.StubClosed(payload) })
)

// ObjectHandle makes the handle of an object (its number is what [ObjectHost] and [StorageHost] get), which is its
// DurableObjectState. Revoke it when the instance is evicted or reset: what is left of its code then gets errors. The value is
// owned by the caller.
func (in *Instance) ObjectHandle(object uint64) (vm.Value, vm.Handle, error) {
	return in.r.HostObject(objectClass, in.stateProto, object)
}

// EventHandle makes the handle of a Worker's event, which is its ExecutionContext. Revoke it when the event is over.
func (in *Instance) EventHandle(event uint64) (vm.Value, vm.Handle, error) {
	return in.r.HostObject(eventClass, in.contextProto, event)
}

// Namespace makes a DurableObjectNamespace, owned by the caller, for an env.
func (in *Instance) Namespace(ns uint64) (vm.Value, error) {
	v, _, err := in.r.HostObject(namespaceClass, in.namespaceProto, ns)
	return v, err
}

var (
	errEvicted = vm.PlainError("This Durable Object instance is no longer running: it was evicted or reset. What it left behind cannot use its storage any more.")
	errOver    = vm.PlainError("This event is over: waitUntil must be called while it is being handled.")
	errTxnBack = errors.New("web: the transaction was rolled back")
	errTxnOver = errors.New("web: the transaction was committed")
	errIllegal = vm.TypeError("Illegal invocation")
)

func (in *Instance) object(v vm.Value) (uint64, error) {
	id, ok := in.r.Payload(objectClass, v)
	if !ok {
		if in.r.IsHost(objectClass, v) {
			return 0, errEvicted
		}
		return 0, errIllegal
	}
	return id, nil
}

// store finds the storage of an object's handle or a transaction's.
func (in *Instance) store(v vm.Value) (Store, error) {
	if id, ok := in.r.Payload(objectClass, v); ok {
		return Store{ID: id}, nil
	}
	if payload, ok := in.r.Payload(transactionClass, v); ok {
		id, err := openTransaction(payload)
		return Store{ID: id, Transaction: true}, err
	}
	_, err := in.object(v)
	return Store{}, err
}

func (in *Instance) namespace(v vm.Value) (uint64, error) {
	id, ok := in.r.Payload(namespaceClass, v)
	if !ok {
		return 0, errIllegal
	}
	return id, nil
}

// holder finds what a waitUntil belongs to.
func (in *Instance) holder(v vm.Value) (Owner, uint64, error) {
	if v.IsNullish() {
		return OwnerUnknown, 0, nil
	}
	if id, ok := in.r.Payload(eventClass, v); ok {
		return OwnerEvent, id, nil
	}
	if in.r.IsHost(eventClass, v) {
		return 0, 0, errOver
	}
	id, err := in.object(v)
	return OwnerObject, id, err
}

// dropStorage lets go of the storage of an object whose handle has ended.
func (in *Instance) dropStorage(object uint64) {
	if object < uint64(len(in.storages)) {
		in.r.Free(in.storages[object])
		in.storages[object] = vm.Undefined
	}
}

func registerNamespace(name string, length int, fn func(in *Instance, ns uint64, args vm.Args) (vm.Value, error)) struct{} {
	return register(name, length, func(in *Instance, args vm.Args) (vm.Value, error) {
		ns, err := in.namespace(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return fn(in, ns, args)
	})
}

func registerObject(name string, length int, fn func(in *Instance, object uint64, args vm.Args) (vm.Value, error)) struct{} {
	return register(name, length, func(in *Instance, args vm.Args) (vm.Value, error) {
		object, err := in.object(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return fn(in, object, args)
	})
}

// stop ends the running turn here and now. Interrupt alone strikes at the next function that JavaScript calls; so one is
// called.
func (in *Instance) stop() error {
	in.r.Interrupt()
	if _, err := in.r.Call(in.nothing, vm.Undefined); err != nil {
		return err
	}
	return vm.ErrInterrupted
}

// lowerHex64 is b in lower case; ok is false if it is not 64 hex digits.
func lowerHex64(b []byte) (s string, ok bool) {
	if len(b) != 64 {
		return "", false
	}
	var out [64]byte
	for i, c := range b {
		if unhex(c) == 0xff {
			return "", false
		}
		if c >= 'A' && c <= 'F' {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return string(out[:]), true
}

var (
	// isContext: whether it is an event's handle, also of one that is over.
	_ = register("isContext", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(in.r.IsHost(eventClass, args.At(0))), nil
	})
	// stubForward(stub, message, sure): sends a request of the host as it is, or answers null if it is something else, or if JavaScript
	// has to decide and is not sure yet. A request that came in is not followed when it is redirected: who sent it decides.
	_ = register("stubForward", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		stub, ok := in.r.Payload(stubClass, args.At(0))
		if !ok {
			return vm.Undefined, errIllegal
		}
		h, err := in.held(args.At(1))
		if err != nil || !h.request {
			return vm.Null, nil
		}
		if !args.At(2).Truth() {
			if ok, err := h.use(); !ok {
				return vm.Null, err
			}
		}
		return in.Host.Fetch(stub, 0, h.m, RedirectManual)
	})
	// stubFetch(stub, method, url, headers, body, redirect, n)
	_ = register("stubFetch", 7, func(in *Instance, args vm.Args) (vm.Value, error) {
		stub, ok := in.r.Payload(stubClass, args.At(0))
		if !ok {
			return vm.Undefined, errIllegal
		}
		m, redirect, err := in.outgoing(args)
		if err != nil {
			return vm.Undefined, err
		}
		v, err := in.Host.Fetch(stub, bodyNumber(args.At(6)), m, redirect)
		if err != nil {
			in.r.Free(m.Stream) // nobody got it
		}
		return v, err
	})

	// fetchForward(message): sends a request of the host out as it is, or answers null where JavaScript has to decide.
	_ = register("fetchForward", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.held(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		if ok, err := h.use(); !ok {
			return vm.Null, err
		}
		return in.Host.FetchOut(0, h.m, RedirectManual)
	})
	// fetchOut(n, method, url, headers, body, redirect)
	_ = register("fetchOut", 6, func(in *Instance, args vm.Args) (vm.Value, error) {
		m, redirect, err := in.outgoing(args)
		if err != nil {
			return vm.Undefined, err
		}
		v, err := in.Host.FetchOut(bodyNumber(args.At(0)), m, redirect)
		if err != nil {
			in.r.Free(m.Stream) // nobody got it
		}
		return v, err
	})
	// msgWatch(message, signal)
	_ = register("msgWatch", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		m, err := in.message(args.At(0))
		if err == nil {
			in.Host.WatchCaller(m, args.At(1))
		}
		return vm.Undefined, err
	})
	_ = register("fetchCancel", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		in.Host.FetchCancel(bodyNumber(args.At(0)))
		return vm.Undefined, nil
	})

	// actorID: the DurableObjectId of an object.
	_ = registerObject("actorID", 1, func(in *Instance, object uint64, _ vm.Args) (vm.Value, error) {
		id := heldID{}
		id.hex, id.name, id.named = in.Host.ObjectID(object)
		return in.holdID(id)
	})
	// state.storage: the DurableObjectStorage of a DurableObjectState, always the same.
	_ = method("stateStorage", "get storage", 0, func(in *Instance, this vm.Value, _ vm.Args) (vm.Value, error) {
		object, ok := in.r.Payload(objectClass, this)
		if !ok {
			return in.r.Alias(objectClass, this, in.storageProto) // of an object that is gone: it says so when it is used
		}
		for uint64(len(in.storages)) <= object {
			in.storages = append(in.storages, vm.Undefined)
		}
		if in.storages[object].IsUndefined() {
			v, err := in.r.Alias(objectClass, this, in.storageProto)
			if err != nil {
				return vm.Undefined, err
			}
			in.storages[object] = v
		}
		return in.r.Dup(in.storages[object]), nil
	})
	_ = register("isObject", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(in.r.IsHost(objectClass, args.At(0))), nil
	})
	_ = registerObject("blockEnter", 1, func(in *Instance, object uint64, _ vm.Args) (vm.Value, error) {
		return in.Host.BlockEnter(object)
	})
	// blockLeave(object, section, ok, reason). An object that was reset meanwhile has no section any more.
	_ = register("blockLeave", 4, func(in *Instance, args vm.Args) (vm.Value, error) {
		object, ok := in.r.Payload(objectClass, args.At(0))
		if !ok {
			return vm.Undefined, nil
		}
		section, _ := args.At(1).Float64()
		return vm.Undefined, in.Host.BlockLeave(object, int64(section), args.At(2).Truth(), args.At(3))
	})
	_ = registerObject("abort", 3, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		err := in.Host.Abort(object, args.At(1), args.At(2).Truth())
		if err == vm.ErrInterrupted {
			err = in.stop()
		}
		return vm.Undefined, err
	})
	_ = register("waitBegin", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		owner, id, err := in.holder(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		n, err := in.Host.WaitBegin(owner, id)
		return vm.Int64(n), err
	})
	// waitEnd(holder, wait, reason): reason is passed only by a rejection. Nobody is left to tell when the holder is gone.
	_ = register("waitEnd", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		owner, id, err := in.holder(args.At(0))
		if err != nil {
			return vm.Undefined, nil
		}
		n, _ := args.At(1).Float64()
		in.Host.WaitEnd(owner, id, int64(n), len(args) > 2, args.At(2))
		return vm.Undefined, nil
	})
)

// outgoing is the request that a host function is given behind its first argument: method, url, headers, body, redirect.
func (in *Instance) outgoing(args vm.Args) (*Outgoing, Redirect, error) {
	m := &Outgoing{ReqMethod: methodText(in.utf8(args.At(1))), ReqURL: in.r.GoString(args.At(2))}
	var err error
	if args.At(3).IsObject() {
		if m.Fields, err = in.appendFields(nil, args.At(3)); err != nil {
			return nil, 0, err
		}
	}
	body := args.At(4)
	if m.Streamed, m.Stream = in.streamedBody(body); !body.IsNullish() && !m.Streamed.Streamed() && !m.Stream.IsObject() {
		if m.Bytes, err = in.appendBody([]byte{}, body); err != nil {
			return nil, 0, err
		}
	}
	redirect, _ := args.At(5).Int32()
	return m, Redirect(redirect), nil
}

// methodText is a method as a string that is not made anew for the usual ones.
func methodText(b []byte) string {
	switch string(b) {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "DELETE":
		return "DELETE"
	case "HEAD":
		return "HEAD"
	}
	return string(b)
}

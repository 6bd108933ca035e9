package web

import (
	"everloop/engine/js/internal/vm"
)

// A node is what can be called by name and is not the stub of an object or entry point: the stub of something given away,
// the promise of a call, and a property of one of all these. It is the host's function, because what it stands for may be
// one, and it holds what it leads from.
var nodeClass *vm.Callable

func init() { nodeClass = vm.RegisterCallable("Node", callNode) }

// The kinds of nodes. A property's depth is added to its kind: how many properties are before it.
const (
	stubNode     = iota // holds the handle of a stub
	promiseNode         // holds the promise of a call
	propertyNode        // holds the node or the stub that it is a property of, and its name
)

var keyThen = vm.Intern("then")

// maxPathDepth bounds how deep a property of a property of a node is.
const maxPathDepth = 64

// property makes the property name of receiver, a node or a stub. It is a property of nothing else.
var wildcard = vm.RegisterWildcard("Wildcard", func(r *vm.Runtime, receiver, name vm.Value) (vm.Value, error) {
	in := r.Host.(*Instance)
	kind := uint64(propertyNode)
	if before, _, ok := r.Held(nodeClass, receiver); ok {
		if before >= propertyNode {
			kind = before + 1
		}
	} else if !r.IsHost(stubClass, receiver) {
		return vm.Undefined, nil
	}
	if kind > propertyNode+maxPathDepth {
		return vm.Undefined, vm.TypeError("RPC pipelined property path is too deep (max %d).", maxPathDepth)
	}
	return r.Callable(nodeClass, in.propertyProto, kind, receiver, name)
})

// callNode calls what a node stands for. It throws nothing that its promise can be rejected with.
func callNode(r *vm.Runtime, node vm.Value, args vm.Args) (vm.Value, error) {
	in := r.Host.(*Instance)
	list, err := r.Array()
	if err != nil {
		return vm.Undefined, err
	}
	defer r.Free(list)
	for i, v := range args {
		if err := r.DefineIndex(list, uint32(i), r.Dup(v)); err != nil {
			return vm.Undefined, err
		}
	}
	p, err := in.sendFrom(node, nil, list)
	if err != nil {
		if p, err = in.rejected(err); err != nil {
			return vm.Undefined, err
		}
	}
	defer r.Free(p)
	return r.Callable(nodeClass, in.callProto, promiseNode, p)
}

// sendFrom calls what path leads to from a node or a stub (args Null: reads it) and returns a promise of the result.
func (in *Instance) sendFrom(from vm.Value, path []string, args vm.Value) (vm.Value, error) {
	var names [4]string
	reversed := names[:0] // the properties, last one first
	at := from
	for {
		kind, held, ok := in.r.Held(nodeClass, at)
		switch {
		case !ok:
		case kind == promiseNode:
			return in.pipeline(held[0], fromRoot(reversed, path), args)
		case kind == stubNode:
			at = held[0]
		default:
			reversed = append(reversed, in.r.GoString(held[1]))
			at = held[0]
			continue
		}
		n, err := in.stubNumber(at)
		if err != nil {
			return vm.Undefined, err
		}
		return in.Host.Send(n, fromRoot(reversed, path), args)
	}
}

// fromRoot is the path to what path leads to from the last of some properties.
func fromRoot(reversed, path []string) []string {
	all := make([]string, 0, len(reversed)+len(path))
	for i := len(reversed) - 1; i >= 0; i-- {
		all = append(all, reversed[i])
	}
	return append(all, path...)
}

// pipeline makes a call on the result of another without waiting for it: it follows the other to where it is handled, or is
// made here as soon as the result is there.
func (in *Instance) pipeline(promise vm.Value, path []string, args vm.Value) (vm.Value, error) {
	p, err := in.Host.Pipeline(promise, path, args)
	if err != nil || !p.IsNull() {
		return p, err
	}
	return in.PipelinedHere(promise, path, args)
}

// node is v's kind and what it holds.
func (in *Instance) node(v vm.Value) (kind uint64, held vm.Value, err error) {
	kind, values, ok := in.r.Held(nodeClass, v)
	if !ok {
		return 0, vm.Undefined, vm.TypeError("Illegal invocation")
	}
	return kind, values[0], nil
}

var (
	// linkNodes(promise, property, stub, ...): the prototypes of nodes, and of stubs. What they do not have is a property of
	// the receiver's. A promise that is resolved with the promise of a call follows that.
	_ = register("linkNodes", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		w, err := in.r.Wildcard(wildcard)
		if err != nil {
			return vm.Undefined, err
		}
		defer in.r.Free(w)
		for _, proto := range args {
			if err := in.r.SetProto(proto, w); err != nil {
				return vm.Undefined, err
			}
		}
		in.callProto, in.propertyProto, in.nodeProto = in.r.Dup(args.At(0)), in.r.Dup(args.At(1)), in.r.Dup(args.At(2))
		then, err := in.r.Get(in.callProto, keyThen)
		if err != nil {
			return vm.Undefined, err
		}
		defer in.r.Free(then)
		in.r.Follow(nodeClass, promiseNode, then)
		return vm.Undefined, nil
	})
	_ = register("isNode", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(in.r.IsCallable(nodeClass, args.At(0))), nil
	})
	// nodeStub(handle): the node of a stub.
	_ = register("nodeStub", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.r.Callable(nodeClass, in.nodeProto, stubNode, args.At(0))
	})
	// nodeHandle(v): the handle of a stub that is a node; undefined for anything else.
	_ = register("nodeHandle", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		if kind, held, ok := in.r.Held(nodeClass, args.At(0)); ok && kind == stubNode {
			return in.r.Dup(held[0]), nil
		}
		return vm.Undefined, nil
	})
	// nodePromise(node): the promise of a call; undefined for another node.
	_ = register("nodePromise", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		kind, held, err := in.node(args.At(0))
		if err != nil || kind != promiseNode {
			return vm.Undefined, err
		}
		return in.r.Dup(held), nil
	})
	// nodeRead(node): a promise of what it stands for.
	_ = register("nodeRead", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		kind, held, err := in.node(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		if kind == promiseNode {
			return in.r.Dup(held), nil
		}
		p, err := in.sendFrom(args.At(0), nil, vm.Null)
		if err != nil {
			return in.rejected(err)
		}
		return p, nil
	})
	// nodeSend(node or stub, path, args): args null reads.
	_ = register("nodeSend", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		path, err := in.path(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		return in.sendFrom(args.At(0), path, args.At(2))
	})
)

package web

import "everloop/engine/js/internal/vm"

// Fetcher makes what a program sees of a stub of an entry point, or of an object that another program passed: a Fetcher. The
// stub is closed if that fails.
func (in *Instance) Fetcher(stub uint64) (vm.Value, error) {
	return in.handle(in.fetcherProto, stub)
}

// Stub makes what a program sees of a stub of something given away: an RpcStub, and the handle in it. Both are owned by the
// caller.
func (in *Instance) Stub(stub uint64) (v, handle vm.Value, err error) {
	if handle, err = in.handle(vm.Undefined, stub); err != nil {
		return vm.Undefined, vm.Undefined, err
	}
	v, err = in.r.Call(in.newStub, vm.Undefined, handle)
	return v, handle, err
}

func (in *Instance) handle(proto vm.Value, stub uint64) (vm.Value, error) {
	h, _, err := in.r.HostObject(stubClass, proto, stub)
	if err != nil {
		in.Host.StubClosed(stub)
	}
	return h, err
}

func (in *Instance) bare(stub uint64, err error) (vm.Value, error) {
	if err != nil {
		return vm.Undefined, err
	}
	return in.handle(vm.Undefined, stub)
}

// ObjectCall delivers a call to an object, as NewObject returned it: see [RPCHost] for path and args.
func (in *Instance) ObjectCall(object vm.Value, path []string, args vm.Value) (vm.Value, error) {
	return in.onPath(in.objectCall, object, path, args)
}

// WorkerCall delivers a call to an entry point.
func (in *Instance) WorkerCall(handler vm.Value, path []string, args, env, event, props vm.Value) (vm.Value, error) {
	p, err := in.strings(path...)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(p)
	return in.r.Call(in.workerCall, vm.Undefined, handler, p, args, env, event, props)
}

// ExportCall delivers a call to what the program gave away.
func (in *Instance) ExportCall(v vm.Value, path []string, args vm.Value, own bool) (vm.Value, error) {
	p, err := in.strings(path...)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(p)
	return in.r.Call(in.exportCall, vm.Undefined, v, p, args, vm.Bool(own))
}

// PipelinedOn makes a call that was sent ahead on the result v that it waited for, and PipelinedHere on the promise of one.
func (in *Instance) PipelinedOn(v vm.Value, path []string, args vm.Value) (vm.Value, error) {
	return in.onPath(in.pipelinedOn, v, path, args)
}

// PipelinedHere is PipelinedOn for a promise of the result.
func (in *Instance) PipelinedHere(promise vm.Value, path []string, args vm.Value) (vm.Value, error) {
	return in.onPath(in.pipelinedHere, promise, path, args)
}

func (in *Instance) onPath(door, v vm.Value, path []string, args vm.Value) (vm.Value, error) {
	p, err := in.strings(path...)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(p)
	return in.r.Call(door, vm.Undefined, v, p, args)
}

// HasDisposer tells whether v, an object, has a disposer of its own. A getter may run.
func (in *Instance) HasDisposer(v vm.Value) (bool, error) {
	has, err := in.r.Call(in.hasDisposer, vm.Undefined, v)
	return has.Truth(), err
}

// DisposeExport runs the disposer of what the program gave away, if it has one.
func (in *Instance) DisposeExport(v vm.Value) error {
	done, err := in.r.Call(in.disposeExport, vm.Undefined, v)
	in.r.Free(done)
	return err
}

// Disposable gives the result of a call a Symbol.dispose, which disposes of the stubs in it. It does nothing to what is no
// object, and to stubs, which have their own.
func (in *Instance) Disposable(v vm.Value, stubs []vm.Value) error {
	if !v.IsObject() || in.r.IsFunction(v) {
		return nil
	}
	list, err := in.r.Array()
	if err != nil {
		return err
	}
	defer in.r.Free(list)
	for i, h := range stubs {
		if err := in.r.DefineIndex(list, uint32(i), in.r.Dup(h)); err != nil {
			return err
		}
	}
	done, err := in.r.Call(in.disposable, vm.Undefined, v, list)
	in.r.Free(done)
	return err
}

// AddExport puts what others see of an export of the program where its contexts have it: a namespace, or, of an entry
// point, a function that is also a Fetcher.
func (in *Instance) AddExport(name string, v vm.Value) error {
	return in.r.SetName(in.exports, name, v)
}

// EntrypointExport makes it of a stub of the host.
func (in *Instance) EntrypointExport(stub uint64) (vm.Value, error) {
	h, err := in.Fetcher(stub)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(h)
	return in.r.Call(in.loopbackFrom, vm.Undefined, h)
}

func (in *Instance) path(v vm.Value) (path []string, err error) {
	err = in.each(v, func(_ int, v vm.Value) error {
		path = append(path, in.r.GoString(v))
		in.r.Free(v)
		return nil
	})
	return path, err
}

func (in *Instance) stubNumber(v vm.Value) (uint64, error) {
	n, ok := in.r.Payload(stubClass, v)
	if !ok {
		return 0, errIllegal
	}
	return n, nil
}

var (
	_ = register("rpcExport", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.bare(in.Host.Export(args.At(0), args.At(1).Truth()))
	})
	_ = register("rpcDup", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		stub, err := in.stubNumber(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return in.bare(in.Host.DupStub(stub))
	})
	// isStub tells a stub of an object or entry point.
	_ = register("isStub", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(in.r.IsHost(stubClass, args.At(0))), nil
	})
	_ = register("rpcDispose", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		stub, err := in.stubNumber(args.At(0))
		if err == nil {
			in.Host.DisposeStub(stub)
		}
		return vm.Undefined, err
	})
	_ = register("rpcLoopback", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		stub, err := in.stubNumber(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		n, err := in.Host.Loopback(stub, args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		return in.Fetcher(n)
	})
)

package web

import "everloop/engine/js/internal/vm"

var (
	_ = register("log", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		in.Host.Log(in.r.GoString(args.At(0)), in.r.GoString(args.At(1)))
		return vm.Undefined, nil
	})
	_ = register("reportError", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		in.Host.ReportError(args.At(0))
		return vm.Undefined, nil
	})
	_ = register("now", 0, func(in *Instance, _ vm.Args) (vm.Value, error) { return vm.Float(in.Host.Now()), nil })
	_ = register("timeOrigin", 0, func(in *Instance, _ vm.Args) (vm.Value, error) {
		return vm.Float(in.Host.TimeOrigin()), nil
	})
	_ = register("timerStart", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		ms, _ := args.At(0).Float64()
		id, err := in.Host.TimerStart(ms, args.At(1).Truth())
		return vm.Int64(id), err
	})
	_ = register("timerStop", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		id, _ := args.At(0).Float64()
		in.Host.TimerStop(int64(id))
		return vm.Undefined, nil
	})
	// structuredClone(value, transfer): transfer is an array or null.
	_ = register("structuredClone", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		var transfer []vm.Value
		if args.At(1).IsObject() {
			err := in.each(args.At(1), func(_ int, v vm.Value) error {
				transfer = append(transfer, v)
				return nil
			})
			defer func() { in.r.FreeAll(transfer...) }()
			if err != nil {
				return vm.Undefined, err
			}
		}
		return in.Host.StructuredClone(args.At(0), transfer)
	})
)

// IsDOMException reports whether v is a DOMException.
func (in *Instance) IsDOMException(v vm.Value) bool {
	is, err := in.r.InstanceOf(v, in.domException)
	return err == nil && is
}

// DOMException makes a DOMException, owned by the caller, for the host to throw or to reject with.
func (in *Instance) DOMException(message, name string) (vm.Value, error) {
	m, err := in.r.String(message)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(m)
	n, err := in.r.String(name)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(n)
	return in.r.Construct(in.domException, m, n)
}

// NewDOMException makes a DOMException of values, which are borrowed.
func (in *Instance) NewDOMException(message, name vm.Value) (vm.Value, error) {
	return in.r.Construct(in.domException, message, name)
}

package web

import "everloop/engine/js/internal/vm"

// Promises that the prelude settles itself. Each is made by hand, in one step: the constructor's way makes an executor and
// two functions.
var (
	_ = register("pending", 0, func(in *Instance, _ vm.Args) (vm.Value, error) { return in.r.PendingPromise() })
	// fulfill(promise, value): value is no thenable, or is meant to be taken as it is.
	_ = register("fulfill", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Undefined, in.r.Fulfill(args.At(0), in.r.Dup(args.At(1)))
	})
	_ = register("isPromise", 1, func(in *Instance, args vm.Args) (vm.Value, error) { return vm.Bool(in.r.IsPromise(args.At(0))), nil })
	// settle(promise, value): as the resolve function of a promise does.
	_ = register("settle", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Undefined, in.r.Resolve(args.At(0), in.r.Dup(args.At(1)))
	})
	_ = register("refuse", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Undefined, in.r.Reject(args.At(0), in.r.Dup(args.At(1)))
	})
	// then(promise, fulfilled, rejected): see vm.Runtime.Then.
	_ = register("then", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.r.Then(args.At(0), args.At(1), args.At(2))
	})
	// react(promise, fulfilled, rejected): then without the promise that it returns.
	_ = register("react", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Undefined, in.r.React(args.At(0), args.At(1), args.At(2))
	})
	// handled(promise): whether it is rejected is nobody's concern.
	_ = register("handled", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		in.r.MarkHandled(args.At(0))
		return vm.Undefined, nil
	})
)

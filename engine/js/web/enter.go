package web

import (
	"slices"

	"everloop/engine/js/internal/vm"
)

// The methods below are how the engine enters JavaScript. Each runs JavaScript up to its first wait and returns what the
// program returned: usually a promise, whose state is to be read after Pump. The result is owned by the caller; arguments
// are borrowed.

// WorkerFetch delivers a request to a Worker's handler: the default export (or a named entry point) of its module, an
// object with fetch or a class. event is the handle of the event, which it gets as its ctx; props are those of the context, or
// Undefined.
func (in *Instance) WorkerFetch(handler vm.Value, m Message, env, event, props vm.Value) (vm.Value, error) {
	h, err := in.hold(m, true)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(h)
	if in.r.IsFunction(handler) || !props.IsUndefined() {
		return in.r.Call(in.workerFetch, vm.Undefined, handler, h, env, event, props)
	}
	return in.fetch(handler, h, env, event)
}

// fetch calls the method fetch of a handler or object.
func (in *Instance) fetch(of vm.Value, args ...vm.Value) (vm.Value, error) {
	f, err := in.r.Get(of, keyFetch)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(f)
	if !in.r.IsFunction(f) {
		return vm.Undefined, in.r.Throw(errNoFetch)
	}
	return in.r.Call(f, of, args...)
}

var (
	keyFetch   = vm.Intern("fetch")
	errNoFetch = vm.PlainError("Handler does not export a fetch() function.")
)

// NewObject runs the constructor of an object's class. object is its handle.
func (in *Instance) NewObject(class, object, env vm.Value) (vm.Value, error) {
	return in.r.Construct(class, object, env)
}

// ObjectFetch delivers a request to an object, as NewObject returned it.
func (in *Instance) ObjectFetch(object vm.Value, m Message) (vm.Value, error) {
	h, err := in.hold(m, true)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(h)
	return in.fetch(object, h)
}

// Response makes the Response of a message, to resolve the promise of a fetch with.
func (in *Instance) Response(m Message) (vm.Value, error) {
	return in.hold(m, false)
}

// CallerLeft aborts a signal that [FetchHost].WatchCaller was given.
func (in *Instance) CallerLeft(signal vm.Value) error {
	_, err := in.r.Call(in.callerLeft, vm.Undefined, signal)
	return err
}

// UnhandledRejection gives a rejection that nobody handles to the program's listeners, and reports whether one of them wants it
// to go no further. Both values are borrowed.
func (in *Instance) UnhandledRejection(promise, reason vm.Value) (prevented bool, err error) {
	v, err := in.r.Call(in.unhandledRejection, vm.Undefined, promise, reason)
	return v.Truth(), err
}

// FireTimer runs a timer's function. It reports false if the timer was stopped.
func (in *Instance) FireTimer(id int64) (bool, error) {
	v, err := in.r.Call(in.fireTimer, vm.Undefined, vm.Int64(id))
	return v.Truth(), err
}

// Classes and Entries are the names of a program's exports (its namespace, borrowed) that are classes of objects, and entry points,
// both sorted. Getters of the exports run.
func (in *Instance) Classes(exports vm.Value) ([]string, error) {
	return in.names(in.programClasses, exports)
}

// Entries is what Classes says.
func (in *Instance) Entries(exports vm.Value) ([]string, error) {
	return in.names(in.programEntries, exports)
}

func (in *Instance) names(door, exports vm.Value) (names []string, err error) {
	list, err := in.r.Call(door, vm.Undefined, exports)
	if err != nil {
		return nil, err
	}
	defer in.r.Free(list)
	err = in.each(list, func(_ int, v vm.Value) error {
		names = append(names, in.r.GoString(v))
		in.r.Free(v)
		return nil
	})
	slices.Sort(names)
	return names, err
}

// Workers is the object of what the module cloudflare:workers exports, besides env and exports. Owned by the caller.
func (in *Instance) Workers() vm.Value { return in.r.Dup(in.workers) }

// WorkersExports are the names in it, and env.
var WorkersExports = []string{
	"DurableObject", "WorkerEntrypoint", "RpcTarget", "RpcStub", "RpcPromise", "RpcProperty", "exports", "waitUntil", "withEnv", "withExports", "withEnvAndExports", "env",
	"ServiceStub", "WorkflowEntrypoint", "abortIsolate", "cache", "restore", "tracing",
}

// WorkersModule is the module for [vm.Runtime.AddModule]. env, which is consumed, is the object of bindings.
func (in *Instance) WorkersModule(env vm.Value) *vm.NativeModule {
	return &vm.NativeModule{Name: "cloudflare:workers", Exports: WorkersExports, Values: func(r *vm.Runtime) (vm.Value, error) {
		v, err := r.Call(in.workersModule, vm.Undefined, env)
		r.Free(env)
		return v, err
	}}
}

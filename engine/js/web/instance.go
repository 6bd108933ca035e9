package web

import (
	"errors"
	"fmt"

	"everloop/engine/js/internal/slots"
	"everloop/engine/js/internal/vm"
)

// Instance is the Web APIs in one runtime. Owned by the runtime's loop.
type Instance struct {
	// Host is what Load was given.
	Host Host

	r *vm.Runtime

	// messages are the requests and responses that JavaScript holds, by the payload of their handles.
	messages slots.Table[held]

	// ids are those that JavaScript holds, by the payload of their handles.
	ids slots.Table[heldID]

	// storages are the storages of live objects, by the numbers of those; Undefined where nobody has asked. Owned.
	storages []vm.Value

	keys keyTable

	// reply is where host.reply and host.forward put what Reply returns.
	reply *Reply

	// codecs are the compressors and decompressors under way, by the payload of their handles.
	codecs    map[uint64]codec
	lastCodec uint64

	// Scratch of host calls: none of it lives beyond a call, nor is in use while JavaScript can run.
	text     []byte
	repaired []byte
	part     []byte

	// brought are the lazy parts of the prelude that are there, by name: what they export, owned.
	brought map[string]vm.Value

	// ProcessEnv are the names and values that process.env begins with.
	ProcessEnv [][2]string

	// The prelude's doors, owned.
	workerFetch, takeReply, fireTimer                                   vm.Value
	nothing, domException, workers                                      vm.Value
	requestProto, responseProto, contextProto, stubProto, fetcherProto  vm.Value
	workerCall, objectCall, exportCall, newStub, disposable             vm.Value
	crossShape, fromParts, takeReadable, streamOver                     vm.Value
	takeWritable, writableOver                                          vm.Value
	hasDisposer, nodeProto, callProto, propertyProto                    vm.Value
	disposeExport, loopbackFrom, exports, pipelinedHere, pipelinedOn    vm.Value
	streamStart, streamRoom, streamCancel, callerLeft                   vm.Value
	moduleExports, nodeGlobals, workersModule, unhandledRejection       vm.Value
	programClasses, programEntries, alarmInfoProto                      vm.Value
	namespaceProto, idProto, stateProto, storageProto, transactionProto vm.Value
	routing, storageGet, storagePut, bringPart, older                   vm.Value
	socketEvent, socketBytes                                            vm.Value
	socketProto                                                         vm.Value // Undefined until there is a socket

	// sockets are the WebSockets that JavaScript has objects of, by the payload of their handles.
	sockets slots.Table[heldSocket]
	listed  []vm.Value // scratch of getWebSockets
	said    said
	// socketBlobs: binaryType is "blob" at first; shortReasons: the reason of a Close has a limit.
	socketBlobs, shortReasons bool
}

// Older is what differs for programs of an older compatibility date.
type Older struct {
	RelativeURLs bool // a stub's fetch takes a URL without scheme and host
	NoCalls      bool // stubs have fetch alone
	NoExports    bool // ctx has no exports
	SocketBytes  bool // a WebSocket's binaryType is "arraybuffer" at first
	LongReasons  bool // the reason of WebSocket.close has no limit
}

// Older makes the Web APIs what such a program is used to. It is called before the program runs.
func (in *Instance) Older(o Older) error {
	in.socketBlobs, in.shortReasons = !o.SocketBytes, !o.LongReasons
	if o == (Older{}) {
		return nil
	}
	v, err := in.r.Call(in.older, vm.Undefined, vm.Bool(o.RelativeURLs), vm.Bool(o.NoCalls), vm.Bool(o.NoExports))
	in.r.Free(v)
	return err
}

// Load runs the prelude in a fresh runtime and makes r.Host the Instance. Everything of it lives as long as r.
func Load(r *vm.Runtime, h Host) (*Instance, error) {
	p, err := compiled()
	if err != nil {
		return nil, fmt.Errorf("web: compile the prelude: %w", err)
	}
	in := &Instance{Host: h, r: r, brought: map[string]vm.Value{}, socketProto: vm.Undefined, socketBlobs: true, shortReasons: true}
	r.Host = in
	fn, err := r.Run(p.code)
	if err != nil {
		return nil, fmt.Errorf("web: load the prelude: %w", err)
	}
	defer r.Free(fn)
	host, err := r.Object()
	if err != nil {
		return nil, err
	}
	defer r.Free(host)
	for _, f := range hostFunctions {
		if err := r.SetFunctionAs(host, f.key, f.id); err != nil {
			return nil, err
		}
	}
	doors, err := r.Call(fn, vm.Undefined, host)
	if err != nil {
		return nil, fmt.Errorf("web: run the prelude: %w", err)
	}
	defer r.Free(doors)
	for _, d := range []struct {
		name string
		to   *vm.Value
	}{
		{"workerFetch", &in.workerFetch},
		{"reply", &in.takeReply},
		{"fireTimer", &in.fireTimer},
		{"requestProto", &in.requestProto},
		{"responseProto", &in.responseProto},
		{"contextProto", &in.contextProto},
		{"stubProto", &in.stubProto},
		{"namespaceProto", &in.namespaceProto},
		{"idProto", &in.idProto},
		{"stateProto", &in.stateProto},
		{"storageProto", &in.storageProto},
		{"transactionProto", &in.transactionProto},
		{"bringPart", &in.bringPart},
		{"routing", &in.routing},
		{"storageGet", &in.storageGet},
		{"storagePut", &in.storagePut},
		{"streamStart", &in.streamStart},
		{"streamRoom", &in.streamRoom},
		{"streamCancel", &in.streamCancel},
		{"callerLeft", &in.callerLeft},
		{"socketEvent", &in.socketEvent},
		{"socketBytes", &in.socketBytes},
		{"nothing", &in.nothing},
		{"DOMException", &in.domException},
		{"workers", &in.workers},
		{"workerCall", &in.workerCall},
		{"objectCall", &in.objectCall},
		{"alarmInfoProto", &in.alarmInfoProto},
		{"exportCall", &in.exportCall},
		{"crossShape", &in.crossShape},
		{"fromParts", &in.fromParts},
		{"takeReadable", &in.takeReadable},
		{"streamOver", &in.streamOver},
		{"takeWritable", &in.takeWritable},
		{"writableOver", &in.writableOver},
		{"pipelinedHere", &in.pipelinedHere},
		{"pipelinedOn", &in.pipelinedOn},
		{"newStub", &in.newStub},
		{"hasDisposer", &in.hasDisposer},
		{"fetcherProto", &in.fetcherProto},
		{"disposable", &in.disposable},
		{"disposeExport", &in.disposeExport},
		{"loopbackFrom", &in.loopbackFrom},
		{"programExports", &in.exports},
		{"unhandledRejection", &in.unhandledRejection},
		{"moduleExports", &in.moduleExports},
		{"nodeGlobals", &in.nodeGlobals},
		{"workersModule", &in.workersModule},
		{"programClasses", &in.programClasses},
		{"programEntries", &in.programEntries},
		{"older", &in.older},
	} {
		if *d.to, err = r.GetName(doors, d.name); err != nil {
			return nil, err
		}
	}
	r.Lazy = in.lazyGlobal
	global := r.Global()
	defer r.Free(global)
	for _, part := range lazyParts {
		for _, name := range part.globals {
			if err := r.DefineLazy(global, name, vm.Method); err != nil {
				return nil, err
			}
		}
	}
	return in, nil
}

// hostFunctions is everything that the prelude can call; each file registers its own.
var hostFunctions []hostFunction

// hostFunction is one of them, and its name in the object that the prelude gets.
type hostFunction struct {
	key string
	id  vm.HostID
}

// method adds a host function that becomes a method or getter of a class, under a name that programs see. Call it from
// package variables.
func method(key, name string, length int, fn func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error)) struct{} {
	return expose(key, vm.RegisterHost(name, length, func(r *vm.Runtime, this vm.Value, args vm.Args) (vm.Value, error) {
		return fn(r.Host.(*Instance), this, args)
	}))
}

// register adds a host function. Call it from package variables.
func register(name string, length int, fn func(in *Instance, args vm.Args) (vm.Value, error)) struct{} {
	return expose(name, vm.RegisterHost(name, length, func(r *vm.Runtime, _ vm.Value, args vm.Args) (vm.Value, error) {
		return fn(r.Host.(*Instance), args)
	}))
}

func expose(key string, id vm.HostID) struct{} {
	hostFunctions = append(hostFunctions, hostFunction{key, id})
	return struct{}{}
}

// utf8 is a string in UTF-8: a view of the engine's own characters when they are ASCII, of the scratch text otherwise, until
// the next call of utf8.
func (in *Instance) utf8(v vm.Value) []byte {
	if b, ok := in.r.Latin1(v); ok && isASCII(b) {
		return b
	}
	in.text = in.r.AppendString(in.text[:0], v)
	return in.text
}

func isASCII(b []byte) bool {
	for len(b) >= 8 {
		if (uint64(b[0])|uint64(b[1])|uint64(b[2])|uint64(b[3])|uint64(b[4])|uint64(b[5])|uint64(b[6])|uint64(b[7]))&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// strings makes an array of strings that are UTF-8.
func (in *Instance) strings(list ...string) (vm.Value, error) {
	a, err := in.r.Array()
	if err != nil {
		return vm.Undefined, err
	}
	for i, s := range list {
		v, err := in.r.String(s)
		if err == nil {
			err = in.r.DefineIndex(a, uint32(i), v)
		}
		if err != nil {
			in.r.Free(a)
			return vm.Undefined, err
		}
	}
	return a, nil
}

// each calls f with the elements of an array of the prelude's, each owned by f.
func (in *Instance) each(array vm.Value, f func(i int, v vm.Value) error) error {
	n, err := in.r.Get(array, keyLength)
	if err != nil {
		return err
	}
	length, _ := n.Int32()
	for i := range int(length) {
		v, err := in.r.GetIndex(array, uint32(i))
		if err != nil {
			return err
		}
		if err := f(i, v); err != nil {
			return err
		}
	}
	return nil
}

var keyLength = vm.Intern("length")

// rejected is a promise that is rejected with err, unless err ends the turn.
func (in *Instance) rejected(err error) (vm.Value, error) {
	if errors.Is(err, vm.ErrInterrupted) || in.r.Err() != nil {
		return vm.Undefined, err
	}
	reason, err := in.r.ErrorValue(err)
	if err != nil {
		return vm.Undefined, err
	}
	return in.rejectedFor(reason)
}

// rejectedFor makes a promise rejected with reason, which it consumes. That of a refused write is one whose fate the host
// follows; others are nobody's concern.
func (in *Instance) rejectedFor(reason vm.Value) (vm.Value, error) {
	if !in.Host.RefusedWrite(reason) {
		return in.r.RejectedPromise(reason)
	}
	p, err := in.r.PendingPromise()
	if err != nil {
		in.r.Free(reason)
		return vm.Undefined, err
	}
	return p, in.r.Reject(p, reason)
}

func (in *Instance) promise(v vm.Value, err error) (vm.Value, error) {
	if err != nil {
		return vm.Undefined, err
	}
	return in.r.ResolvedPromise(v)
}

var (
	_ = register("resolved", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.r.ResolvedPromise(in.r.Dup(args.At(0)))
	})
	_ = register("rejected", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.rejectedFor(in.r.Dup(args.At(0)))
	})
	_ = register("promiseState", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		state := in.r.PromiseState(args.At(0))
		if state == vm.NotAPromise {
			return vm.Null, nil
		}
		a, err := in.r.Array()
		if err != nil {
			return vm.Undefined, err
		}
		err = in.r.DefineIndex(a, 0, vm.Int(int32(state)))
		if err == nil && state == vm.Fulfilled {
			// The result of a rejected promise is not looked at: that would mark it as handled.
			err = in.r.DefineIndex(a, 1, in.r.PromiseResult(args.At(0)))
		}
		if err != nil {
			in.r.Free(a)
			return vm.Undefined, err
		}
		return a, nil
	})
)

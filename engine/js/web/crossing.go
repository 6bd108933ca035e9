package web

import "everloop/engine/js/internal/vm"

// Shape says how an object crosses to another program where structured clone does not take it.
type Shape uint8

const (
	Refused  Shape = iota // it does not
	Given                 // given away, as an instance
	Own                   // given away, with its own properties
	Readable              // a ReadableStream, which moves: see TakeReadable
	Writable              // a WritableStream, which moves: see TakeWritable
	Door                  // given away, with its own properties; the receiver has no stub of it, but the object that it is a part of
	Stub                  // a stub, of the number that comes along
	Parts                 // an object of the Web APIs, by its parts, which come along and go through FromParts
)

// ShapeOf tells how v, an object that structured clone does not take, crosses. calls: in a call, where everything may; otherwise
// it is stored or cloned. parts is owned by the caller, and Undefined for every shape but Parts. An error is thrown:
// v is of a kind that does not cross as it is.
func (in *Instance) ShapeOf(v vm.Value, calls bool) (shape Shape, stub uint64, parts vm.Value, err error) {
	s, err := in.r.Call(in.crossShape, vm.Undefined, v, vm.Bool(calls))
	if err != nil {
		return Refused, 0, vm.Undefined, err
	}
	if in.r.IsArray(s) {
		return Parts, 0, s, nil
	}
	defer in.r.Free(s)
	if n, ok := s.Int32(); ok {
		return Shape(n), 0, vm.Undefined, nil
	}
	if n, ok := in.r.Payload(stubClass, s); ok {
		return Stub, n, vm.Undefined, nil
	}
	return Refused, 0, vm.Undefined, nil
}

// FromParts makes an object of the Web APIs of its parts (borrowed), whatever they are: what does not fit is an error.
func (in *Instance) FromParts(parts vm.Value) (vm.Value, error) {
	return in.r.Call(in.fromParts, vm.Undefined, parts)
}

// TakeReadable takes what a ReadableStream will give out of it: it is locked from now on. The answer has a body, and the rest
// of a Reply is empty.
func (in *Instance) TakeReadable(stream vm.Value) (*Reply, error) {
	out := &Reply{WebSocket: vm.Undefined}
	in.reply = out
	_, err := in.r.Call(in.takeReadable, vm.Undefined, stream)
	in.reply = nil
	return out, err
}

// TakeWritable locks a WritableStream and returns a function, owned by the caller, with the methods write, close and abort: it is
// to be given away.
func (in *Instance) TakeWritable(stream vm.Value) (vm.Value, error) {
	return in.r.Call(in.takeWritable, vm.Undefined, stream)
}

// StreamOver makes a ReadableStream of the body of a message that came with a call.
func (in *Instance) StreamOver(m Message) (vm.Value, error) {
	return in.stream(in.hold(m, false))
}

// StreamOf is StreamOver for bytes, which are copied into the runtime.
func (in *Instance) StreamOf(b []byte) (vm.Value, error) {
	return in.stream(in.r.Uint8Array(b))
}

func (in *Instance) stream(body vm.Value, err error) (vm.Value, error) {
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(body)
	return in.r.Call(in.streamOver, vm.Undefined, body)
}

// WritableOver makes a WritableStream that writes through a stub of what TakeWritable returned. The stub is closed if that fails.
func (in *Instance) WritableOver(stub uint64) (vm.Value, error) {
	h, err := in.handle(vm.Undefined, stub)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(h)
	return in.r.Call(in.writableOver, vm.Undefined, h)
}

// takeBody(body): what TakeReadable returns.
var _ = register("takeBody", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
	out := in.reply
	if out.Streamed, out.Stream = in.streamedBody(args.At(0)); out.Streamed.Streamed() || out.Stream.IsObject() {
		return vm.Undefined, nil
	}
	if m, err := in.message(args.At(0)); err == nil {
		out.Body = m.Body().Bytes() // nobody changes it
		return vm.Undefined, nil
	}
	var err error
	out.Body, err = in.appendBody(nil, args.At(0))
	return vm.Undefined, err
})

// signalsCross(): whether an AbortSignal may cross.
var _ = register("signalsCross", 0, func(in *Instance, _ vm.Args) (vm.Value, error) {
	return vm.Bool(in.Host.SignalsCross()), nil
})

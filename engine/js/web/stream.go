package web

import "everloop/engine/js/internal/vm"

// Streams between JavaScript and the host. Into JavaScript a stream is pulled: streamOpen, streamRead, streamCancel. What a
// program produces is pumped into the host while it has room: StreamStart begins, and every piece is a call of streamWrite.

// inboundClass is a stream of the host that JavaScript reads. The payload is the host's number.
var inboundClass = vm.RegisterClass("Inbound", func(r *vm.Runtime, payload uint64) { r.Host.(*Instance).Host.StreamClosed(payload) })

// StreamStart starts to pump a ReadableStream of the program (see [Outgoing.Stream]) into the host. body is the host's number
// for it. The answer, owned by the caller, is what StreamRoom and StreamCancel want.
func (in *Instance) StreamStart(stream vm.Value, body uint64) (vm.Value, error) {
	return in.r.Call(in.streamStart, vm.Undefined, stream, vm.Int64(int64(body)))
}

// StreamRoom asks for more.
func (in *Instance) StreamRoom(pump vm.Value) error {
	_, err := in.r.Call(in.streamRoom, vm.Undefined, pump)
	return err
}

// StreamCancel tells the program that nobody reads its stream. pump is what StreamStart returned, or the stream itself if it
// was never started.
func (in *Instance) StreamCancel(pump vm.Value) error {
	_, err := in.r.Call(in.streamCancel, vm.Undefined, pump)
	return err
}

func bodyNumber(v vm.Value) uint64 {
	f, _ := v.Float64()
	return uint64(f)
}

var (
	// streamOpen(body): a handle of the stream, if the body is that of a message with a stream; null for all others.
	_ = register("streamOpen", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		m := in.streamedMessage(args.At(0))
		if m == nil {
			return vm.Null, nil
		}
		n, err := in.Host.StreamOpen(m)
		if err != nil {
			return vm.Undefined, err
		}
		v, _, err := in.r.HostObject(inboundClass, vm.Undefined, n)
		if err != nil {
			in.Host.StreamClosed(n)
		}
		return v, err
	})
	_ = register("streamRead", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		n, ok := in.r.Payload(inboundClass, args.At(0))
		if !ok {
			return vm.Undefined, errIllegal
		}
		return in.Host.StreamRead(n)
	})
	_ = register("streamCancel", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		if n, ok := in.r.Payload(inboundClass, args.At(0)); ok {
			in.Host.StreamClosed(n)
		}
		return vm.Undefined, nil
	})
	// streamWrite(number, view): whether there is room.
	_ = register("streamWrite", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, _ := in.r.Bytes(args.At(1))
		return vm.Bool(in.Host.StreamWrite(bodyNumber(args.At(0)), b)), nil
	})
	// streamEnd(number, failed, reason)
	_ = register("streamEnd", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		in.Host.StreamEnd(bodyNumber(args.At(0)), args.At(1).Truth(), args.At(2))
		return vm.Undefined, nil
	})
)

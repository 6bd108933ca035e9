package js

import (
	"errors"

	"everloop/engine"
	"everloop/engine/js/internal/clone"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
	"everloop/engine/value"
)

// crossing takes values from one program to another. Plain data is bytes. What is not (functions, instances of RpcTarget,
// stubs) is a number in the bytes, and what the number stands for goes beside them. One crossing is one message. Owned
// by its loop.
type crossing struct {
	rl       *realm
	by       actor // whose values they are
	external bool  // the message leaves the engine, and capabilities cannot
	spent    bool  // a stream of the value was taken before, or is in use
	reply    bool  // what is given away keeps an event of an entry point going
	keep     bool  // handles are collected

	writer clone.Writer
	reader clone.Reader

	bytes   []byte
	caps    []engine.Cap
	moves   []move          // streams that were met while writing
	moved   map[uintptr]int // their places in caps, by their addresses
	taken   []bool          // of caps, while reading
	sent    []uint64        // stubs of given things that were written
	stubs   []uint64        // stubs of given things that were read
	handles []vm.Value      // of those, where keep; owned
}

// Stubs of objects and entry points, as they travel.
type objectCap struct {
	class string // whose namespace; numbers of namespaces are another program's after an update
	name  string // of the object, or its id in hex
	isID  bool
}

func (objectCap) Dropped() {}

type entryCap struct{ *entry }

func (entryCap) Dropped() {}

// disposerCap travels beside a result that is a plain object with a disposer of its own: the disposer runs when the result
// is disposed of, or its last trace is gone. Nothing in the bytes refers to it.
type disposerCap struct{ *export }

// A bodyCap is a ReadableStream: what it gives, which now belongs to the receiver.
type bodyCap struct{ engine.Body }

func (c bodyCap) Dropped() { c.Discard() }

// Size is part of [engine.Sized].
func (c bodyCap) Size() int { return c.Len() }

// A sinkCap is a WritableStream: an export that the receiver's stream writes to.
type sinkCap struct{ *export }

// A doorCap is an export that is a part of an object of the Web APIs: its stub is the object's, and does not end with the call.
type doorCap struct{ *export }

// move is a stream in a value that is being written. It is taken when all of the value has been written, so that one that cannot be sent
// costs no stream.
type move struct {
	stream   vm.Value // owned
	cap      int      // its place in caps
	writable bool
}

// crossing returns a crossing for values of by; done gives it back. Several may be in use: a getter of a value that is being
// written can make a call of its own.
func (rl *realm) crossing(by actor) *crossing {
	if n := len(rl.crossings); n > 0 {
		c := rl.crossings[n-1]
		rl.crossings = rl.crossings[:n-1]
		c.by = by
		return c
	}
	c := &crossing{rl: rl, by: by}
	c.writer.Plain, c.writer.Special = rl.plain, c.special
	c.writer.ErrorProps = rl.app.errorProps
	c.writer.IsDOMException = rl.isDOMException
	c.reader.Special, c.reader.Web, c.reader.DOMException = c.make, rl.fromParts, rl.makeDOMException
	return c
}

func (rl *realm) done(c *crossing) {
	c.by, c.external, c.spent, c.reply, c.keep = nil, false, false, false, false
	for _, m := range c.moves {
		rl.r.Free(m.stream)
	}
	clear(c.moves)
	c.moves, c.moved = c.moves[:0], nil
	c.bytes, c.caps, c.taken, c.sent, c.stubs, c.handles = nil, nil, nil, nil, nil, nil
	rl.crossings = append(rl.crossings, c)
}

// leftOut names properties of thrown errors that say how the error came here: the next caller gets its own.
func leftOut(name string) bool {
	switch name {
	case "remote", "retryable", "overloaded", "durableObjectReset":
		return true
	}
	return false
}

// plain tells which ordinary objects travel by their properties: those that no class made.
func (rl *realm) plain(r *vm.Runtime, v vm.Value) bool {
	p, err := r.Proto(v)
	if err != nil {
		return false
	}
	defer r.Free(p)
	return !p.IsObject() || p.Same(rl.objectProto)
}

// write encodes v, borrowed, into bytes and caps. Getters run. After an error nothing is left to drop.
func (c *crossing) write(v vm.Value) error {
	var err error
	c.bytes, err = c.writer.Append(nil, c.rl.r, v)
	if err == nil && len(c.moves) > 0 {
		err = c.takeStreams()
	}
	if err == nil {
		return nil
	}
	dropCaps(c.caps)
	c.caps = nil
	if errors.Is(err, clone.ErrTooLarge) {
		return vm.PlainError("Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was more than %d bytes.", value.MaxSize)
	}
	return c.rl.cloneError(err)
}

// special is the writer's hook for what structured clone does not take.
func (c *crossing) special(dst []byte, r *vm.Runtime, v vm.Value) (_ []byte, parts vm.Value, ok bool, err error) {
	shape, n, parts, err := c.rl.in.ShapeOf(v, true)
	if err != nil || shape == web.Refused {
		return dst, vm.Undefined, false, err
	}
	if c.external {
		r.Free(parts)
		return dst, vm.Undefined, false, nil
	}
	if shape == web.Parts {
		return dst, parts, true, nil
	}
	var what engine.Cap
	switch shape {
	case web.Stub:
		s, ok := c.rl.stubs.Get(n)
		switch {
		case !ok:
			return dst, vm.Undefined, false, nil
		case s.disposed:
			return dst, vm.Undefined, false, vm.PlainError("RPC stub used after being disposed.")
		case s.export != nil:
			s.export.refs.Add(1)
			c.sent = append(c.sent, n)
			what = s.export
		case s.entry != nil:
			what = entryCap{s.entry}
		default:
			what = s.objectCap
		}
	case web.Readable, web.Writable:
		dst = value.AppendTag(dst, value.TagCap)
		return value.AppendInt(dst, int64(c.moving(v, shape == web.Writable))), vm.Undefined, true, nil
	default:
		x, err := c.rl.give(c.by, v, shape != web.Given, c.reply)
		if err != nil {
			return dst, vm.Undefined, false, err
		}
		what = x
		if shape == web.Door {
			what = doorCap{x}
		}
	}
	c.caps = append(c.caps, what)
	dst = value.AppendTag(dst, value.TagCap)
	return value.AppendInt(dst, int64(len(c.caps)-1)), vm.Undefined, true, nil
}

// moving notes a stream, and returns its place in caps. A value that is written again has it already.
func (c *crossing) moving(v vm.Value, writable bool) int {
	if at, again := c.moved[v.Address()]; again {
		return at
	}
	if c.moved == nil {
		c.moved = make(map[uintptr]int)
	}
	c.moved[v.Address()] = len(c.caps)
	c.moves = append(c.moves, move{stream: c.rl.r.Dup(v), cap: len(c.caps), writable: writable})
	c.caps = append(c.caps, nil) // takeStreams fills it
	return len(c.caps) - 1
}

// takeStreams takes the streams of a value that has been written.
func (c *crossing) takeStreams() error {
	rl := c.rl
	if c.by == nil || !c.by.alive() {
		return vm.PlainError(globalScope)
	}
	for _, m := range c.moves {
		if m.writable {
			sink, err := rl.in.TakeWritable(m.stream)
			if err != nil {
				c.spent = true
				return err
			}
			x, err := rl.give(c.by, sink, true, c.reply)
			rl.r.Free(sink)
			if err != nil {
				return err
			}
			c.caps[m.cap] = sinkCap{x}
			continue
		}
		out, err := rl.in.TakeReadable(m.stream)
		switch {
		case err != nil:
			c.spent = true
			return err
		case out.Stream.IsObject():
			c.caps[m.cap] = bodyCap{rl.produce(c.by, out.Stream)}
		case out.Streamed.Streamed():
			c.caps[m.cap] = bodyCap{out.Streamed}
		default:
			c.caps[m.cap] = bodyCap{engine.Bytes(out.Body)}
		}
	}
	return nil
}

// storable is the hook of the writer for storage and structuredClone, where everything has to be in the bytes.
func (rl *realm) storable(dst []byte, _ *vm.Runtime, v vm.Value) (_ []byte, parts vm.Value, ok bool, err error) {
	_, _, parts, err = rl.in.ShapeOf(v, false)
	return dst, parts, false, err
}

// fromParts is the readers' hook for an object of the Web APIs.
func (rl *realm) fromParts(_ *vm.Runtime, parts vm.Value) (vm.Value, error) {
	return rl.in.FromParts(parts)
}

// read makes the value of bytes and caps, which it consumes: stubs in it belong to c.by.
func (c *crossing) read(b []byte, caps []engine.Cap) (vm.Value, error) {
	c.caps, c.taken = caps, nil
	if len(caps) > 0 {
		c.taken = make([]bool, len(caps))
	}
	v, err := c.reader.Read(c.rl.r, b)
	for i, what := range caps {
		if c.taken[i] {
			continue
		}
		if d, ok := what.(disposerCap); ok && err == nil && c.keep {
			err = c.takeDisposer(d)
			continue
		}
		what.Dropped()
	}
	c.caps = nil
	if err != nil {
		for _, n := range c.stubs {
			c.rl.DisposeStub(n)
		}
		c.stubs = nil
	}
	return v, err
}

// takeDisposer makes a stub of a disposer, which is never called: disposing of it is what it is for.
func (c *crossing) takeDisposer(d disposerCap) error {
	n := c.rl.stubs.Add(&stub{owner: c.by, export: d.export})
	c.rl.hold(c.by, n)
	_, h, err := c.rl.in.Stub(n)
	if err != nil {
		return err
	}
	c.handles = append(c.handles, h)
	return nil
}

// make is the reader's hook for a capability.
func (c *crossing) make(r *vm.Runtime, tag uint64, rd *value.Reader) (vm.Value, error) {
	if tag != value.TagCap {
		rd.Fail(value.ErrUnsupported, "tag %d", tag)
		return vm.Undefined, rd.Err()
	}
	t := rd.Next()
	if t.Kind != value.KindUint || t.N >= uint64(len(c.caps)) || c.taken[t.N] {
		rd.Fail(value.ErrMalformed, "a reference to what did not come along")
		return vm.Undefined, rd.Err()
	}
	c.taken[t.N] = true
	s := &stub{owner: c.by}
	switch what := c.caps[t.N].(type) {
	case bodyCap:
		return c.rl.arrive(c.by, what.Body)
	case sinkCap:
		s.export = what.export
		n := c.rl.stubs.Add(s)
		c.rl.hold(c.by, n)
		return c.rl.in.WritableOver(n)
	case doorCap:
		s.export = what.export
		n := c.rl.stubs.Add(s)
		c.rl.hold(c.by, n)
		v, h, err := c.rl.in.Stub(n)
		c.rl.r.Free(h)
		return v, err
	case objectCap:
		s.objectCap = what
		return c.rl.in.Fetcher(c.rl.stubs.Add(s))
	case entryCap:
		s.entry = what.entry
		return c.rl.in.Fetcher(c.rl.stubs.Add(s))
	case *export:
		s.export = what
	}
	n := c.rl.stubs.Add(s)
	c.rl.hold(c.by, n)
	c.stubs = append(c.stubs, n)
	v, h, err := c.rl.in.Stub(n)
	if err == nil && c.keep {
		c.handles = append(c.handles, h)
	} else {
		c.rl.r.Free(h)
	}
	return v, err
}

// encodeError encodes a thrown value, borrowed, as it leaves the program. What cannot be encoded travels as name and message
// alone, and so does what is no object, and every error of a program of the time before errors kept more than that: then it
// returns nil.
func (rl *realm) encodeError(v vm.Value) []byte {
	if !v.IsObject() || !rl.app.errorProps && !rl.isDOMException(rl.r, v) {
		return nil
	}
	c := rl.crossing(nil)
	c.external = true
	c.writer.LeaveOut = leftOut
	b, err := c.writer.Append(nil, rl.r, v)
	c.writer.LeaveOut = nil
	rl.done(c)
	if err != nil {
		return nil
	}
	return b
}

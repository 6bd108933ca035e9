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
	reply    bool  // what is given away keeps an event of an entry point going
	keep     bool  // handles are collected

	writer clone.Writer
	reader clone.Reader

	bytes   []byte
	caps    []engine.Cap
	taken   []bool     // of caps, while reading
	sent    []uint64   // stubs of given things that were written
	stubs   []uint64   // stubs of given things that were read
	handles []vm.Value // of those, where keep; owned
}

// Stubs of objects and entry points, as they travel.
type objectCap struct {
	ns   uint64 // the namespace; they are the same in all runtimes
	name string // of the object, or its id in hex
	isID bool
}

func (objectCap) Dropped() {}

type entryCap struct{ *entry }

func (entryCap) Dropped() {}

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
	c.writer.ErrorProps, c.writer.LeaveOut = true, leftOut
	c.writer.IsDOMException = rl.isDOMException
	c.reader.Special, c.reader.DOMException = c.make, rl.makeDOMException
	return c
}

func (rl *realm) done(c *crossing) {
	c.by, c.external, c.reply, c.keep = nil, false, false, false
	c.bytes, c.caps, c.taken, c.sent, c.stubs, c.handles = nil, nil, nil, nil, nil, nil
	rl.crossings = append(rl.crossings, c)
}

// leftOut names properties of errors that say how the error came here: the next caller gets its own.
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
func (c *crossing) special(dst []byte, r *vm.Runtime, v vm.Value) ([]byte, bool, error) {
	shape, n, err := c.rl.in.ShapeOf(v)
	if err != nil || shape == web.Refused || c.external {
		return dst, false, err
	}
	var what engine.Cap
	if shape == web.Stub {
		s, ok := c.rl.stubs.get(n)
		switch {
		case !ok:
			return dst, false, nil
		case s.disposed:
			return dst, false, vm.PlainError("RPC stub used after being disposed.")
		case s.export != nil:
			s.export.refs.Add(1)
			c.sent = append(c.sent, n)
			what = s.export
		case s.entry != nil:
			what = entryCap{s.entry}
		default:
			what = s.objectCap
		}
	} else {
		x, err := c.rl.give(c.by, v, shape == web.Own, c.reply)
		if err != nil {
			return dst, false, err
		}
		what = x
	}
	c.caps = append(c.caps, what)
	dst = value.AppendTag(dst, value.TagCap)
	return value.AppendInt(dst, int64(len(c.caps)-1)), true, nil
}

// read makes the value of bytes and caps, which it consumes: stubs in it belong to c.by.
func (c *crossing) read(b []byte, caps []engine.Cap) (vm.Value, error) {
	c.caps, c.taken = caps, nil
	if len(caps) > 0 {
		c.taken = make([]bool, len(caps))
	}
	v, err := c.reader.Read(c.rl.r, b)
	for i, what := range caps {
		if !c.taken[i] {
			what.Dropped()
		}
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
	service := true
	switch what := c.caps[t.N].(type) {
	case objectCap:
		s.objectCap = what
	case entryCap:
		s.entry = what.entry
	case *export:
		s.export, service = what, false
	}
	n := c.rl.stubs.add(s)
	if s.export != nil {
		c.rl.hold(c.by, n)
		c.stubs = append(c.stubs, n)
	}
	if service {
		return c.rl.in.Fetcher(n)
	}
	v, h, err := c.rl.in.Stub(n)
	if err == nil && c.keep {
		c.handles = append(c.handles, h)
	} else {
		c.rl.r.Free(h)
	}
	return v, err
}

// encodeError encodes a thrown value, borrowed, as it leaves the program. What cannot be encoded travels as name and message
// alone: then it returns nil.
func (rl *realm) encodeError(v vm.Value) []byte {
	c := rl.crossing(nil)
	c.external = true
	b, err := c.writer.Append(nil, rl.r, v)
	rl.done(c)
	if err != nil {
		return nil
	}
	return b
}

package clone

import (
	"fmt"
	"math/big"
	"time"

	"everloop/engine/js/internal/vm"
	"everloop/engine/value"
)

// Reader makes JavaScript values from stored values. Owned by its loop. The
// zero Reader works.
type Reader struct {
	// Special, if set, makes the values of tags that the format does not know:
	// it reads the one item behind the tag from rd.
	Special func(r *vm.Runtime, tag uint64, rd *value.Reader) (vm.Value, error)

	// Web, if set, makes an object of the Web APIs of its parts, a borrowed value
	// that may be anything.
	Web func(r *vm.Runtime, parts vm.Value) (vm.Value, error)

	// DOMException, if set, makes a DOMException.
	DOMException func(r *vm.Runtime, message, name vm.Value) (vm.Value, error)

	r      *vm.Runtime
	rd     value.Reader
	shared []vm.Value // by number; owned; Undefined while still being read
	known  []bool
	units  []uint16 // reused
}

// Read makes the value that data holds, owned by the caller. It runs no user
// code, as long as Special and Web run none. Malformed data is a *value.FormatError.
func (rd *Reader) Read(r *vm.Runtime, data []byte) (vm.Value, error) {
	rd.r, rd.rd = r, value.NewReader(data)
	v, err := rd.item(rd.rd.Next(), -1)
	if err == nil {
		if err = rd.rd.Finish(); err != nil {
			r.Free(v)
		}
	}
	r.FreeAll(rd.shared...)
	clear(rd.shared)
	rd.shared, rd.known, rd.r, rd.rd = rd.shared[:0], rd.known[:0], nil, value.Reader{}
	if err != nil {
		return vm.Undefined, err
	}
	return v, nil
}

// fail is the error for an item that does not fit.
func (rd *Reader) fail(format string, args ...any) error {
	rd.rd.Fail(value.ErrMalformed, format, args...)
	return rd.rd.Err()
}

func (rd *Reader) next() value.Token { return rd.rd.Next() }

// publish gives the object under construction its number, if it has one, so
// that what is inside it can refer to it.
func (rd *Reader) publish(number int, v vm.Value) vm.Value {
	if number >= 0 && !rd.known[number] {
		rd.shared[number] = rd.r.Dup(v)
		rd.known[number] = true
	}
	return v
}

// item makes the value that begins with token t. number is that of the shared
// item it is, or -1.
func (rd *Reader) item(t value.Token, number int) (vm.Value, error) {
	r := rd.r
	switch t.Kind {
	case value.KindUndefined:
		return vm.Undefined, nil
	case value.KindNull:
		return vm.Null, nil
	case value.KindBool:
		return vm.Bool(t.N != 0), nil
	case value.KindUint:
		if t.N > value.MaxSafeInteger {
			return r.NewBigInt(new(big.Int).SetUint64(t.N))
		}
		return vm.Int64(int64(t.N)), nil
	case value.KindNegInt:
		if t.N >= value.MaxSafeInteger {
			x := new(big.Int).SetUint64(t.N)
			return r.NewBigInt(x.Not(x))
		}
		return vm.Int64(-1 - int64(t.N)), nil
	case value.KindFloat:
		return vm.Float(t.Float), nil
	case value.KindText:
		return r.StringBytes(t.Bytes)
	case value.KindBytes:
		v, err := r.Uint8Array(t.Bytes)
		return rd.publish(number, v), err
	case value.KindArray:
		v, err := r.Array()
		if err != nil {
			return v, err
		}
		rd.publish(number, v)
		return rd.keep(v, rd.elements(t.N, func(i uint64, e vm.Value) error { return r.DefineIndex(v, uint32(i), e) }))
	case value.KindMap:
		v, err := r.Object()
		if err != nil {
			return v, err
		}
		rd.publish(number, v)
		return rd.keep(v, rd.pairs(v, t.N, 0))
	case value.KindTag:
		return rd.tagged(t.N, number)
	}
	if err := rd.rd.Finish(); err != nil {
		return vm.Undefined, err
	}
	return vm.Undefined, rd.fail("a value is missing")
}

func (rd *Reader) keep(v vm.Value, err error) (vm.Value, error) {
	if err != nil {
		rd.r.Free(v)
		return vm.Undefined, err
	}
	return v, nil
}

func (rd *Reader) elements(n uint64, put func(i uint64, e vm.Value) error) error {
	for i := range n {
		e, err := rd.item(rd.next(), -1)
		if err != nil {
			return err
		}
		if err := put(i, e); err != nil {
			return err
		}
	}
	return nil
}

// pairs reads n properties into v. Integers below length are keys too, if they
// ascend and come first.
func (rd *Reader) pairs(v vm.Value, n uint64, length uint64) error {
	r := rd.r
	least := uint64(0)
	for range n {
		k := rd.next()
		switch {
		case k.Kind == value.KindText:
			least = length
			// The bytes alias the data, so they outlive the reading of x.
			x, err := rd.item(rd.next(), -1)
			if err != nil {
				return err
			}
			if err := r.DefineKey(v, k.Bytes, x, vm.Plain); err != nil {
				return err
			}
		case k.Kind == value.KindUint && k.N >= least && k.N < length:
			least = k.N + 1
			x, err := rd.item(rd.next(), -1)
			if err != nil {
				return err
			}
			if err := r.DefineIndex(v, uint32(k.N), x); err != nil {
				return err
			}
		case k.Kind == value.KindTag && k.N == value.TagWTF8:
			least = length
			key, err := rd.tagged(k.N, -1)
			if err != nil {
				return err
			}
			x, err := rd.item(rd.next(), -1)
			if err == nil {
				err = r.DefineValue(v, key, x, vm.Plain)
			}
			r.Free(key)
			if err != nil {
				return err
			}
		default:
			if err := rd.rd.Err(); err != nil {
				return err
			}
			return rd.fail("a %v is no key here", k.Kind)
		}
	}
	return nil
}

// array begins an array of exactly n items.
func (rd *Reader) array(n uint64, what string) error {
	if t := rd.next(); t.Kind != value.KindArray || t.N != n {
		return rd.fail("%s is not an array of %d items", what, n)
	}
	return nil
}

func (rd *Reader) tagged(tag uint64, number int) (vm.Value, error) {
	r := rd.r
	switch tag {
	case value.TagShared:
		if number >= 0 {
			return vm.Undefined, rd.fail("an item is marked as shared twice")
		}
		number = len(rd.shared)
		rd.shared = append(rd.shared, vm.Undefined)
		rd.known = append(rd.known, false)
		v, err := rd.item(rd.next(), number)
		if err == nil && !v.IsObject() {
			err = rd.fail("a primitive is marked as shared")
			r.Free(v)
		}
		if err != nil {
			return vm.Undefined, err
		}
		return rd.publish(number, v), nil
	case value.TagRef:
		t := rd.next()
		if t.Kind != value.KindUint || t.N >= uint64(len(rd.shared)) || !rd.known[t.N] {
			return vm.Undefined, rd.fail("a reference to an item that is not there")
		}
		return r.Dup(rd.shared[t.N]), nil
	case value.TagDateText:
		t := rd.next()
		if t.Kind != value.KindText {
			return vm.Undefined, rd.fail("a date is not text")
		}
		when, err := time.Parse(time.RFC3339Nano, string(t.Bytes))
		if err != nil {
			return vm.Undefined, rd.fail("a date is not in the form of RFC 3339")
		}
		v, err := r.NewDate(float64(when.UnixMilli()))
		return rd.publish(number, v), err
	case value.TagDate:
		var seconds float64
		switch t := rd.next(); t.Kind {
		case value.KindUint:
			seconds = float64(t.N)
		case value.KindNegInt:
			seconds = -1 - float64(t.N)
		case value.KindFloat:
			seconds = t.Float
		default:
			return vm.Undefined, rd.fail("a date is not a number")
		}
		v, err := r.NewDate(value.DateMs(seconds))
		return rd.publish(number, v), err
	case value.TagBigInt, value.TagNegBigInt:
		t := rd.next()
		if t.Kind != value.KindBytes {
			return vm.Undefined, rd.fail("a BigInt is not bytes")
		}
		if len(t.Bytes) > 1<<17 {
			return vm.Undefined, rd.fail("a BigInt of %d bytes", len(t.Bytes))
		}
		x := new(big.Int).SetBytes(t.Bytes)
		if tag == value.TagNegBigInt {
			x.Not(x)
		}
		return r.NewBigInt(x)
	case value.TagWTF8:
		t := rd.next()
		if t.Kind != value.KindBytes {
			return vm.Undefined, rd.fail("a string in WTF-8 is not bytes")
		}
		var ok bool
		if rd.units, ok = value.AppendWTF8AsUTF16(rd.units[:0], t.Bytes); !ok {
			return vm.Undefined, rd.fail("a string is not WTF-8")
		}
		return r.StringUTF16(rd.units)
	case value.TagSet, value.TagMap:
		return rd.collection(tag, number)
	case value.TagRegExp:
		return rd.regExp(number)
	case value.TagArrayBuffer:
		return rd.buffer(number)
	case value.TagView:
		return rd.view(number)
	case value.TagArray:
		return rd.sparse(number)
	case value.TagBoxed:
		p, err := rd.item(rd.next(), -1)
		if err != nil {
			return vm.Undefined, err
		}
		v, err := r.Box(p)
		r.Free(p)
		if err != nil {
			return vm.Undefined, rd.fail("a boxed value of the wrong kind")
		}
		return rd.publish(number, v), nil
	case value.TagError:
		return rd.errorObject(number)
	}
	if kind, ok := value.ArrayKindOfTag(tag); ok {
		return rd.typedArray(kind, number)
	}
	if tag == value.TagWeb && rd.Web != nil {
		parts, err := rd.item(rd.next(), -1)
		if err != nil {
			return vm.Undefined, err
		}
		v, err := rd.Web(r, parts)
		r.Free(parts)
		if err != nil {
			return vm.Undefined, err
		}
		return rd.publish(number, v), nil
	}
	if rd.Special != nil {
		v, err := rd.Special(r, tag, &rd.rd)
		return rd.publish(number, v), err
	}
	rd.rd.Fail(value.ErrUnsupported, "tag %d", tag)
	return vm.Undefined, rd.rd.Err()
}

func (rd *Reader) collection(tag uint64, number int) (vm.Value, error) {
	r := rd.r
	t := rd.next()
	if tag == value.TagSet {
		if t.Kind != value.KindArray {
			return vm.Undefined, rd.fail("a Set is not an array")
		}
		v, err := r.NewSet()
		if err != nil {
			return vm.Undefined, err
		}
		rd.publish(number, v)
		return rd.keep(v, rd.elements(t.N, func(_ uint64, e vm.Value) error { return r.SetEntry(v, e, vm.Undefined) }))
	}
	if t.Kind != value.KindMap {
		return vm.Undefined, rd.fail("a Map is not a map")
	}
	v, err := r.NewMap()
	if err != nil {
		return vm.Undefined, err
	}
	rd.publish(number, v)
	for range t.N {
		key, err := rd.item(rd.next(), -1)
		if err != nil {
			return rd.keep(v, err)
		}
		x, err := rd.item(rd.next(), -1)
		if err != nil {
			r.Free(key)
			return rd.keep(v, err)
		}
		if err := r.SetEntry(v, key, x); err != nil {
			return rd.keep(v, err)
		}
	}
	return v, nil
}

func (rd *Reader) regExp(number int) (vm.Value, error) {
	r := rd.r
	if err := rd.array(2, "a RegExp"); err != nil {
		return vm.Undefined, err
	}
	source, err := rd.item(rd.next(), -1)
	if err != nil {
		return vm.Undefined, err
	}
	defer r.Free(source)
	flags := rd.next()
	if !source.IsString() || flags.Kind != value.KindText {
		return vm.Undefined, rd.fail("a RegExp is not source and flags")
	}
	v, err := r.NewRegExp(source, string(flags.Bytes))
	if err != nil {
		if r.Err() != nil {
			return vm.Undefined, r.Err()
		}
		return vm.Undefined, rd.fail("a RegExp does not compile: %v", err)
	}
	return rd.publish(number, v), nil
}

func (rd *Reader) buffer(number int) (vm.Value, error) {
	r := rd.r
	t := rd.next()
	switch {
	case t.Kind == value.KindBytes:
		v, err := r.ArrayBuffer(t.Bytes)
		return rd.publish(number, v), err
	case t.Kind == value.KindArray && t.N == 2:
		b, most := rd.next(), rd.next()
		if b.Kind != value.KindBytes || most.Kind != value.KindUint || most.N < uint64(len(b.Bytes)) || most.N > 1<<31-1 {
			return vm.Undefined, rd.fail("an ArrayBuffer is not bytes and a maximum")
		}
		v, err := r.ResizableBuffer(b.Bytes, int(most.N))
		return rd.publish(number, v), err
	}
	return vm.Undefined, rd.fail("an ArrayBuffer is not bytes")
}

// elementKinds is arrayKinds the other way round.
var elementKinds = func() map[value.ArrayKind]vm.ElementKind {
	m := map[value.ArrayKind]vm.ElementKind{}
	for e, k := range arrayKinds {
		m[k] = vm.ElementKind(e)
	}
	return m
}()

func (rd *Reader) typedArray(kind value.ArrayKind, number int) (vm.Value, error) {
	r := rd.r
	t := rd.next()
	if t.Kind != value.KindBytes || len(t.Bytes)%kind.ElementSize() != 0 {
		return vm.Undefined, rd.fail("a typed array is not whole elements")
	}
	buf, err := r.ArrayBuffer(t.Bytes)
	if err != nil {
		return vm.Undefined, err
	}
	v, err := r.NewView(elementKinds[kind], buf, 0, len(t.Bytes))
	r.Free(buf)
	return rd.publish(number, v), err
}

func (rd *Reader) view(number int) (vm.Value, error) {
	r := rd.r
	if err := rd.array(4, "a view"); err != nil {
		return vm.Undefined, err
	}
	k := rd.next()
	kind, known := elementKinds[value.ArrayKind(k.N)]
	if k.Kind != value.KindUint || k.N > 255 || !known {
		return vm.Undefined, rd.fail("a view of an unknown kind")
	}
	buf, err := rd.item(rd.next(), -1)
	if err != nil {
		return vm.Undefined, err
	}
	defer r.Free(buf)
	b, ok := r.Bytes(buf)
	if !ok || r.ObjectClass(buf) != vm.ArrayBufferObject {
		return vm.Undefined, rd.fail("a view of something that is no ArrayBuffer")
	}
	offset, length := rd.next(), rd.next()
	size := uint64(kind.Size())
	if offset.Kind != value.KindUint || offset.N > uint64(len(b)) || offset.N%size != 0 {
		return vm.Undefined, rd.fail("a view with a wrong offset")
	}
	n := -1
	if length.Kind == value.KindUint && length.N <= uint64(len(b))-offset.N && length.N%size == 0 {
		n = int(length.N)
	} else if length.Kind != value.KindNull || r.MaxByteLength(buf) < 0 && (uint64(len(b))-offset.N)%size != 0 {
		return vm.Undefined, rd.fail("a view with a wrong length")
	}
	v, err := r.NewView(kind, buf, int(offset.N), n)
	return rd.publish(number, v), err
}

func (rd *Reader) sparse(number int) (vm.Value, error) {
	r := rd.r
	if err := rd.array(2, "an array with holes"); err != nil {
		return vm.Undefined, err
	}
	n, m := rd.next(), rd.next()
	if n.Kind != value.KindUint || n.N > 1<<32-1 || m.Kind != value.KindMap {
		return vm.Undefined, rd.fail("an array with holes is not a length and a map")
	}
	v, err := r.Array()
	if err != nil {
		return vm.Undefined, err
	}
	rd.publish(number, v)
	if err := r.SetLength(v, uint32(n.N)); err != nil {
		return rd.keep(v, err)
	}
	return rd.keep(v, rd.pairs(v, m.N, n.N))
}

func (rd *Reader) errorObject(number int) (vm.Value, error) {
	r := rd.r
	if err := rd.array(2, "an error"); err != nil {
		return vm.Undefined, err
	}
	name, m := rd.next(), rd.next()
	if name.Kind != value.KindText || m.Kind != value.KindMap {
		return vm.Undefined, rd.fail("an error is not a name and a map")
	}
	if string(name.Bytes) == "DOMException" && rd.DOMException != nil {
		return rd.domException(m.N, number)
	}
	v, err := r.NewErrorObject(vm.ErrorClassNamed(string(name.Bytes)))
	if err != nil {
		return vm.Undefined, err
	}
	rd.publish(number, v)
	for range m.N {
		k := rd.next()
		if k.Kind != value.KindText {
			return rd.keep(v, rd.fail("a key of an error is not text"))
		}
		x, err := rd.item(rd.next(), -1)
		if err != nil {
			return rd.keep(v, err)
		}
		flags := vm.Plain
		switch string(k.Bytes) {
		case "message", "stack", "cause", "errors":
			flags = vm.Method // as the language has them: not enumerable
		}
		if err := r.DefineKey(v, k.Bytes, x, flags); err != nil {
			return rd.keep(v, err)
		}
	}
	return v, nil
}

func (rd *Reader) domException(n uint64, number int) (vm.Value, error) {
	r := rd.r
	parts := [2]vm.Value{vm.Undefined, vm.Undefined}
	defer func() { r.FreeAll(parts[:]...) }()
	for range n {
		k := rd.next()
		if k.Kind != value.KindText {
			return vm.Undefined, rd.fail("a key of an error is not text")
		}
		x, err := rd.item(rd.next(), -1)
		if err != nil {
			return vm.Undefined, err
		}
		switch string(k.Bytes) {
		case "message":
			x, parts[0] = parts[0], x
		case "name":
			x, parts[1] = parts[1], x
		}
		r.Free(x)
	}
	v, err := rd.DOMException(r, parts[0], parts[1])
	return rd.publish(number, v), err
}

// Clone copies v within its runtime or into another, as structuredClone does.
func Clone(w *Writer, rd *Reader, from *vm.Runtime, v vm.Value, to *vm.Runtime) (vm.Value, error) {
	b, err := w.Append(nil, from, v)
	if err != nil {
		return vm.Undefined, err
	}
	out, err := rd.Read(to, b)
	if err != nil {
		return vm.Undefined, fmt.Errorf("clone: %w", err)
	}
	return out, nil
}

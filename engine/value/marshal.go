package value

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

var bufferPool = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// The modes of fxamacker/cbor for what needs reflection. They agree with the tables of docs/format/value.md; what
// they cannot do is mended before decoding (lower) and after encoding (appendRepaired).
var encMode, decMode = modes()

func modes() (cbor.UserBufferEncMode, cbor.DecMode) {
	tags := cbor.NewTagSet()
	for _, t := range []struct {
		num uint64
		typ any
	}{
		{TagWTF8, WTF8("")},
		{TagSet, Set(nil)},
		{TagWeb, Web(nil)},
		{TagMap, Map(nil)},
		{TagRegExp, RegExp{}},
		{TagBoxed, Boxed{}},
		{TagArray, Array{}},
		{TagArrayBuffer, ArrayBuffer{}},
		{TagView, View{}},
		{TagError, Error{}},
	} {
		opts := cbor.TagOptions{EncTag: cbor.EncTagRequired, DecTag: cbor.DecTagOptional}
		if err := tags.Add(opts, reflect.TypeOf(t.typ), t.num); err != nil {
			panic(err)
		}
	}
	enc, err := cbor.EncOptions{
		Sort:          cbor.SortNone, // structs keep the order of their fields, as objects keep theirs
		ShortestFloat: cbor.ShortestFloat16,
		NaNConvert:    cbor.NaNConvert7e00,
		InfConvert:    cbor.InfConvertFloat16,
		BigIntConvert: cbor.BigIntConvertNone,
		Time:          cbor.TimeRFC3339NanoUTC, // appendRepaired makes a Date of it, to the millisecond
		TimeTag:       cbor.EncTagRequired,
		IndefLength:   cbor.IndefLengthForbidden,
	}.UserBufferEncModeWithTags(tags)
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		TimeTag:          cbor.DecTagIgnored,
		MaxNestedLevels:  MaxDepth + 1,
		MaxArrayElements: 1<<31 - 1,
		MaxMapPairs:      1<<31 - 1,
		IndefLength:      cbor.IndefLengthForbidden,
		IntDec:           cbor.IntDecConvertSignedOrBigInt,
		BigIntDec:        cbor.BigIntDecodePointer,
		DefaultMapType:   reflect.TypeFor[map[string]any](),
		TimeTagToAny:     cbor.TimeTagToTime,
	}.DecModeWithTags(tags)
	if err != nil {
		panic(err)
	}
	return enc, dec
}

// Marshal returns v as a value. See [Append].
func Marshal(v any) ([]byte, error) { return Append(nil, v) }

// Append appends v as a value to dst: nil, booleans, numbers, strings, []byte, time.Time, *big.Int, slices, maps, the
// types of this package, and structs as fxamacker/cbor takes them (field tags `cbor:"name,omitempty"`, or `json:`).
// docs/format/value.md has the table. On an error dst is returned as it was.
//
// Strings must be valid UTF-8. A pointer that occurs twice is written twice, and a cycle is an error.
func Append(dst []byte, v any) ([]byte, error) {
	e := encoder{dst: dst}
	if err := e.value(v); err != nil {
		return dst, err
	}
	if n := len(e.dst) - len(dst); n > MaxSize {
		return dst, fmt.Errorf("value: marshal: %d bytes are more than the limit of %d: %w", n, MaxSize, ErrTooLarge)
	}
	return e.dst, nil
}

// Unmarshal reads a value into *v. Everything is copied: nothing of data is kept.
//
// Into an any it gives what the table of docs/format/value.md has, with shared objects shared and cycles closed.
// Into everything else it decodes as fxamacker/cbor does: objects into structs and maps, Maps into maps and Sets into
// slices, undefined and null into the zero value, a shared object once for each place, and a cycle is an
// error. Unknown tags are errors everywhere.
func Unmarshal(data []byte, v any) error {
	switch p := v.(type) {
	case *any:
		x, err := decodeAny(data)
		if err != nil {
			return err
		}
		*p = x
		return nil
	case *Undefined, *WTF8, *Set, *Web, *Map, *Object, *InvalidDate, *RegExp, *Boxed, *Array, *ArrayBuffer, *TypedArray, *View, *Error:
		// Not by way of lower, which would take from them what they are there for.
		return v.(cbor.Unmarshaler).UnmarshalCBOR(data)
	case *string:
		// The most frequent types skip the general way.
		r := NewReader(data)
		if t := r.Next(); t.Kind == KindText {
			if err := r.Finish(); err != nil {
				return err
			}
			*p = string(t.Bytes)
			return nil
		}
	case *int64:
		r := NewReader(data)
		t := r.Next()
		if n, ok := t.Int64(); ok {
			if err := r.Finish(); err != nil {
				return err
			}
			*p = n
			return nil
		}
	case *int:
		r := NewReader(data)
		t := r.Next()
		if n, ok := t.Int64(); ok && int64(int(n)) == n {
			if err := r.Finish(); err != nil {
				return err
			}
			*p = int(n)
			return nil
		}
	}
	data, typedArrays, err := lower(data)
	if err != nil {
		return err
	}
	if err := decMode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("value: unmarshal into %T: %w", v, err)
	}
	if typedArrays {
		raiseTypedArrays(reflect.ValueOf(v), 0)
	}
	return nil
}

// appendRepaired appends what fxamacker/cbor wrote, with what it cannot be told: Go maps whose keys are not strings
// are Maps, times are Dates. It checks the rest on the way, so that nothing malformed is ever stored.
func appendRepaired(dst, data []byte) ([]byte, error) {
	r := NewReader(data)
	rep := repairer{dst: dst, r: &r}
	rep.item()
	if err := r.Finish(); err != nil {
		if e := new(FormatError); errors.As(err, &e) && e.Err == ErrMalformed {
			return dst, fmt.Errorf("%w; a string that is not UTF-8 must be a []byte", err)
		}
		return dst, err
	}
	if rep.tags {
		// A type of the program's may write itself, or hold raw CBOR: its tags must be ours, and be used as ours are.
		if err := Validate(rep.dst[len(dst):]); err != nil {
			return dst, err
		}
	}
	return rep.dst, nil
}

type repairer struct {
	dst  []byte
	r    *Reader
	tags bool // there were tags that were copied
}

// item copies one item and mends it; it reports whether the item is a string.
func (p *repairer) item() (isString bool) {
	at := p.r.Offset()
	t := p.r.Next()
	switch t.Kind {
	case KindTag:
		p.tags = p.tags || t.N != TagDateText
		switch t.N {
		case TagDateText:
			if ms := p.r.ReadDate(t.N); p.r.err == nil {
				p.dst = AppendDate(p.dst, ms)
			}
			return false
		case TagMap:
			p.copy(at)
			p.pairs()
			return false
		case TagArray:
			p.copy(at)
			at = p.r.Offset()
			if t = p.r.Next(); t.Kind == KindArray && t.N == 2 {
				p.copy(at)
				p.item()
				p.pairs()
				return false
			}
			p.r.Fail(ErrMalformed, "%v where an array with holes is wanted", t.Kind)
			return false
		}
		p.copy(at)
		p.item()
		return t.N == TagWTF8
	case KindArray:
		p.copy(at)
		for range t.N {
			if p.r.err != nil {
				return false
			}
			p.item()
		}
		return false
	case KindMap:
		p.copy(at)
		head := len(p.dst) - (p.r.Offset() - at)
		names := true
		for range t.N {
			if p.r.err != nil {
				return false
			}
			names = p.item() && names
			p.item()
		}
		if !names {
			p.dst = slices.Insert(p.dst, head, AppendTag(nil, TagMap)...)
		}
		return false
	default:
		p.copy(at)
		return t.Kind == KindText
	}
}

// pairs copies a map that has its meaning from a tag in front of it.
func (p *repairer) pairs() {
	at := p.r.Offset()
	t := p.r.Next()
	p.copy(at)
	for n := 2 * t.N; n > 0 && p.r.err == nil; n-- {
		p.item()
	}
}

// copy appends what was read since offset at.
func (p *repairer) copy(at int) { p.dst = append(p.dst, p.r.data[at:p.r.Offset()]...) }

// checkDepth refuses Go values that are too deep, which those with a cycle always are: fxamacker/cbor would recurse
// until the process dies. Types that cannot hold a cycle are not walked.
func checkDepth(v reflect.Value, depth int) error {
	if !v.IsValid() || !mayCycle(v.Type()) {
		return nil
	}
	if depth > MaxDepth {
		return fmt.Errorf("value: marshal %v: more than %d levels, or a cycle: %w", v.Type(), MaxDepth, ErrTooDeep)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return checkDepth(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if err := checkDepth(v.Field(i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := checkDepth(v.Index(i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := checkDepth(it.Value(), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

var cycleTypes sync.Map // reflect.Type to bool

var (
	typeTime   = reflect.TypeFor[time.Time]()
	typeBigInt = reflect.TypeFor[big.Int]()
)

// mayCycle reports whether a value of type t can contain itself: its type does, or something in it is an interface.
func mayCycle(t reflect.Type) bool {
	if known, ok := cycleTypes.Load(t); ok {
		return known.(bool)
	}
	may := findCycle(t, map[reflect.Type]bool{})
	cycleTypes.Store(t, may)
	return may
}

func findCycle(t reflect.Type, within map[reflect.Type]bool) bool {
	switch t {
	case typeTime, typeBigInt:
		return false
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
	default:
		return false
	}
	if within[t] {
		return true
	}
	within[t] = true
	defer delete(within, t)
	if t.Kind() != reflect.Struct {
		return findCycle(t.Elem(), within)
	}
	for i := range t.NumField() {
		if findCycle(t.Field(i).Type, within) {
			return true
		}
	}
	return false
}

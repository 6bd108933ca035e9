package value

import (
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// maxSpread bounds how many holes a sparse array may have when it is read into a Go slice.
const maxSpread = 1 << 16

// lower rewrites a value into CBOR that a reader without our tags can decode into typed Go values: shared items are
// written out in every place, dates become text of RFC 3339 (exact, where seconds in floating point are not), strings with
// lone surrogates lose those, views become the part of their buffer that they show, arrays with holes plain ones
// with undefined, boxed primitives plain ones. It checks the value on the way. Most values need nothing of it, and are
// returned as they are.
func lower(data []byte) (_ []byte, typedArrays bool, err error) {
	r := NewReader(data)
	need := false
	for {
		t := r.Next()
		if t.Kind == KindEnd {
			break
		}
		if t.Kind != KindTag {
			continue
		}
		switch t.N {
		case TagDate, TagShared, TagRef, TagWTF8, TagView, TagArray, TagBoxed:
			need = true
		case TagDateText, TagBigInt, TagNegBigInt, TagSet, TagMap, TagRegExp, TagArrayBuffer, TagError, TagWeb:
		default:
			if _, ok := ArrayKindOfTag(t.N); !ok {
				r.Fail(ErrUnsupported, "tag %d is not one of the format's", t.N)
			}
			typedArrays = true
		}
	}
	if err := r.Finish(); err != nil || !need {
		return data, typedArrays, err
	}
	l := lowerer{r: NewReader(data)}
	out := l.next(make([]byte, 0, len(data)+len(data)/4))
	if err := l.r.Finish(); err != nil {
		return nil, false, err
	}
	// A view of numbers became a typed array.
	return out, true, nil
}

type lowerer struct {
	r Reader
	// shared are the lowered shared items by number; nil for one that is still being read.
	shared [][]byte
}

func (l *lowerer) next(dst []byte) []byte {
	at := l.r.Offset()
	return l.item(dst, l.r.Next(), at)
}

// item appends the lowered form of the item that begins with t, at offset at.
func (l *lowerer) item(dst []byte, t Token, at int) []byte {
	r := &l.r
	if t.Kind == KindTag {
		return l.tagged(dst, t.N, at)
	}
	dst = append(dst, r.data[at:r.at]...)
	n := t.N
	switch t.Kind {
	case KindMap:
		n *= 2
	case KindArray:
	default:
		return dst
	}
	for ; n > 0 && r.err == nil; n-- {
		dst = l.next(dst)
		l.checkSize(dst)
	}
	return dst
}

// checkSize is called behind every item, so that shared parts within shared parts cannot grow without bound.
func (l *lowerer) checkSize(dst []byte) {
	if len(dst) > MaxSize {
		l.r.Fail(ErrTooLarge, "value with its shared parts written out is more than %d bytes", MaxSize)
	}
}

func (l *lowerer) tagged(dst []byte, tag uint64, at int) []byte {
	r := &l.r
	switch tag {
	case TagDate:
		ms := r.ReadDate(tag)
		if ms != ms {
			return AppendNull(dst)
		}
		if tm := time.UnixMilli(int64(ms)).UTC(); tm.Year() >= 0 && tm.Year() <= 9999 {
			var text [32]byte
			return AppendText(AppendTag(dst, TagDateText), tm.AppendFormat(text[:0], time.RFC3339Nano))
		}
		return AppendFloat(AppendTag(dst, TagDate), ms/1000)
	case TagWTF8:
		return AppendText(dst, toValidUTF8(r.ReadWTF8()))
	case TagBoxed:
		return l.next(dst)
	case TagShared:
		number := len(l.shared)
		l.shared = append(l.shared, nil)
		start := len(dst)
		dst = l.next(dst)
		// dst may be moved or cut off later, but this part of it is not written again while it is needed: only a
		// view cuts, and it lowers its buffer into memory of its own.
		l.shared[number] = dst[start:len(dst):len(dst)]
		return dst
	case TagRef:
		n := r.readRef(false, len(l.shared))
		switch {
		case r.err != nil:
		case l.shared[n] == nil:
			r.Fail(ErrUnsupported, "a cycle, which can only be read into an any,")
		default:
			dst = append(dst, l.shared[n]...)
		}
		return dst
	case TagView:
		return l.view(dst)
	case TagArray:
		return l.array(dst)
	}
	dst = append(dst, r.data[at:r.at]...)
	return l.next(dst)
}

func (l *lowerer) view(dst []byte) []byte {
	kind := l.r.ReadViewKind()
	if l.r.err != nil {
		return dst
	}
	var lowered []byte
	at := l.r.Offset()
	if t := l.r.Next(); t.Kind == KindTag && t.N == TagRef {
		// Not copied: many views may show a large buffer.
		if n := l.r.readRef(false, len(l.shared)); l.r.err == nil {
			lowered = l.shared[n]
		}
	} else {
		lowered = l.item(nil, t, at)
	}
	if l.r.err != nil {
		return dst
	}
	sub := NewReader(lowered)
	if t := sub.Next(); t.Kind != KindTag || t.N != TagArrayBuffer {
		l.r.Fail(ErrMalformed, "a view wants an ArrayBuffer")
		return dst
	}
	b, _, _ := sub.ReadArrayBuffer()
	offset, length, _ := l.r.ReadViewRange(kind, len(b))
	if sub.err != nil || l.r.err != nil {
		l.r.Fail(ErrMalformed, "a view wants an ArrayBuffer")
		return dst
	}
	if kind == DataView {
		kind = Uint8Array
	}
	return AppendTypedArray(dst, kind, b[offset:offset+length])
}

func (l *lowerer) array(dst []byte) []byte {
	length, n := l.r.ReadSparseArray()
	if l.r.err != nil {
		return dst
	}
	if int64(length) > int64(n)+maxSpread {
		l.r.Fail(ErrUnsupported, "array of length %d with %d elements, which can only be read into an any or a value.Array,", length, n)
		return dst
	}
	dst = AppendArrayHeader(dst, int(length))
	at := uint32(0)
	var order sparseOrder
	for range n {
		index, _, isIndex := l.r.ReadSparseKey(length)
		if order.check(&l.r, index, isIndex); l.r.err != nil {
			return dst
		}
		if !isIndex {
			l.next(nil)
			continue
		}
		for ; at < index; at++ {
			dst = AppendUndefined(dst)
		}
		dst = l.next(dst)
		l.checkSize(dst)
		at++
	}
	for ; at < length; at++ {
		dst = AppendUndefined(dst)
	}
	return dst
}

// toValidUTF8 replaces lone surrogates by U+FFFD, which is 3 bytes long as they are.
func toValidUTF8(s []byte) []byte {
	out := cloneBytes(s)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == 0xed && out[i+1] >= 0xa0 {
			copy(out[i:], "\uFFFD")
		}
	}
	return out
}

// raiseTypedArrays goes through the anys in v and makes TypedArrays of what the CBOR library left as tags.
func raiseTypedArrays(v reflect.Value, depth int) {
	if depth > MaxDepth {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			raiseTypedArrays(v.Elem(), depth+1)
		}
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		if tag, ok := v.Interface().(cbor.Tag); ok {
			if raised, ok := raise(tag); ok && v.CanSet() {
				v.Set(reflect.ValueOf(raised))
			}
			return
		}
		raiseTypedArrays(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				raiseTypedArrays(v.Field(i), depth+1)
			}
		}
	case reflect.Slice, reflect.Array:
		switch v.Type().Elem().Kind() {
		case reflect.Interface, reflect.Pointer, reflect.Struct, reflect.Slice, reflect.Array, reflect.Map:
			for i := range v.Len() {
				raiseTypedArrays(v.Index(i), depth+1)
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			item := it.Value()
			if item.Kind() == reflect.Interface {
				if tag, ok := item.Interface().(cbor.Tag); ok {
					if raised, ok := raise(tag); ok {
						v.SetMapIndex(it.Key(), reflect.ValueOf(raised))
					}
					continue
				}
			}
			raiseTypedArrays(item, depth+1)
		}
	}
}

func raise(tag cbor.Tag) (any, bool) {
	kind, ok := ArrayKindOfTag(tag.Number)
	b, isBytes := tag.Content.([]byte)
	if !ok || !isBytes {
		return nil, false
	}
	if kind == Uint8Array {
		return b, true
	}
	return TypedArray{kind, b}, true
}

package value

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"time"
	"unicode/utf8"
)

// encoder writes Go values that need no reflection; it hands the others to fxamacker/cbor.
type encoder struct {
	dst   []byte
	depth int
}

// value appends v, or reports why it cannot.
func (e *encoder) value(v any) error {
	if e.depth++; e.depth > MaxDepth {
		return fmt.Errorf("value: marshal: more than %d levels, or a cycle: %w", MaxDepth, ErrTooDeep)
	}
	defer func() { e.depth-- }()
	switch v := v.(type) {
	case nil:
		e.dst = AppendNull(e.dst)
	case Undefined:
		e.dst = AppendUndefined(e.dst)
	case bool:
		e.dst = AppendBool(e.dst, v)
	case int:
		e.dst = AppendInt(e.dst, int64(v))
	case int64:
		e.dst = AppendInt(e.dst, v)
	case int32:
		e.dst = AppendInt(e.dst, int64(v))
	case uint32:
		e.dst = AppendUint(e.dst, uint64(v))
	case uint64:
		e.dst = AppendUint(e.dst, v)
	case float64:
		// Not AppendNumber: a Go float stays one for the Go program that reads it. JavaScript sees no difference.
		e.dst = AppendFloat(e.dst, v)
	case float32:
		e.dst = AppendFloat(e.dst, float64(v))
	case string:
		return e.string(v)
	case []byte:
		if v == nil {
			e.dst = AppendNull(e.dst)
			return nil
		}
		e.dst = AppendBytes(e.dst, v)
	case WTF8:
		return e.wtf8(string(v))
	case time.Time:
		e.time(v)
	case *time.Time:
		if v == nil {
			e.dst = AppendNull(e.dst)
			return nil
		}
		e.time(*v)
	case InvalidDate:
		e.dst = AppendDate(e.dst, math.NaN())
	case *big.Int:
		if v == nil {
			e.dst = AppendNull(e.dst)
			return nil
		}
		e.dst = AppendBigInt(e.dst, v.Sign() < 0, v.Bytes())
	case big.Int:
		e.dst = AppendBigInt(e.dst, v.Sign() < 0, v.Bytes())
	case []any:
		if v == nil {
			e.dst = AppendNull(e.dst)
			return nil
		}
		e.dst = AppendArrayHeader(e.dst, len(v))
		return e.items(v)
	case map[string]any:
		if v == nil {
			e.dst = AppendNull(e.dst)
			return nil
		}
		e.dst = AppendMapHeader(e.dst, len(v))
		for name, item := range v {
			if err := e.property(name, item); err != nil {
				return err
			}
		}
	case map[any]any:
		if v == nil {
			e.dst = AppendNull(e.dst)
			return nil
		}
		e.dst = AppendMapHeader(AppendTag(e.dst, TagMap), len(v))
		for key, item := range v {
			if err := e.value(key); err != nil {
				return err
			}
			if err := e.value(item); err != nil {
				return err
			}
		}
	case Set:
		e.dst = AppendArrayHeader(AppendTag(e.dst, TagSet), len(v))
		return e.items(v)
	case Web:
		e.dst = AppendArrayHeader(AppendTag(e.dst, TagWeb), len(v))
		return e.items(v)
	case Map:
		e.dst = AppendMapHeader(AppendTag(e.dst, TagMap), len(v))
		for _, entry := range v {
			if err := e.value(entry.Key); err != nil {
				return err
			}
			if err := e.value(entry.Value); err != nil {
				return err
			}
		}
	case Object:
		e.dst = AppendMapHeader(e.dst, len(v))
		return e.properties(v)
	case RegExp:
		if !ValidWTF8([]byte(v.Source)) || !utf8.ValidString(v.Flags) {
			return fmt.Errorf("value: marshal: regular expression %q is not valid WTF-8: %w", v.Source, ErrMalformed)
		}
		e.dst = AppendRegExp(e.dst, v.Source, v.Flags)
	case Boxed:
		return e.boxed(v)
	case *Array:
		return e.array(v)
	case Array:
		return e.array(&v)
	case *ArrayBuffer:
		e.buffer(v)
	case ArrayBuffer:
		e.buffer(&v)
	case TypedArray:
		if size := v.Kind.ElementSize(); v.Kind == DataView || size == 0 || len(v.Data)%size != 0 {
			return fmt.Errorf("value: marshal: typed array of kind %d (%v) with %d bytes: %w", v.Kind, v.Kind, len(v.Data), ErrMalformed)
		}
		e.dst = AppendTypedArray(e.dst, v.Kind, v.Data)
	case *View:
		return e.view(v)
	case View:
		return e.view(&v)
	case *Error:
		return e.error(v)
	case Error:
		return e.error(&v)
	default:
		return e.reflected(v)
	}
	return nil
}

func (e *encoder) string(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("value: marshal: string %.40q is not valid UTF-8; pass it as []byte, or as value.WTF8: %w", s, ErrMalformed)
	}
	e.dst = AppendString(e.dst, s)
	return nil
}

func (e *encoder) wtf8(s string) error {
	if !ValidWTF8([]byte(s)) {
		return fmt.Errorf("value: marshal: string %.40q is not valid WTF-8; pass it as []byte: %w", s, ErrMalformed)
	}
	e.dst = AppendWTF8(e.dst, s)
	return nil
}

// time appends a time.Time to the millisecond: below that, JavaScript has nothing. The zero time is null, so that a
// field that was never set does not become a Date in the year 1.
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.dst = AppendNull(e.dst)
		return
	}
	e.dst = AppendDate(e.dst, float64(t.UnixMilli()))
}

func (e *encoder) items(items []any) error {
	for _, item := range items {
		if err := e.value(item); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) properties(properties []Property) error {
	for _, p := range properties {
		if err := e.property(p.Name, p.Value); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) property(name string, v any) error {
	if err := e.wtf8(name); err != nil {
		return err
	}
	return e.value(v)
}

func (e *encoder) boxed(b Boxed) error {
	switch b.Value.(type) {
	case bool, int, int64, int32, uint32, uint64, float64, float32, string, WTF8, *big.Int, big.Int:
		e.dst = AppendTag(e.dst, TagBoxed)
		return e.value(b.Value)
	}
	return fmt.Errorf("value: marshal: Boxed holds a %T, which is no primitive: %w", b.Value, ErrUnsupported)
}

func (e *encoder) array(a *Array) error {
	e.dst = AppendSparseArrayHeader(e.dst, a.Length, len(a.Elements)+len(a.Named))
	next := uint64(0)
	for _, el := range a.Elements {
		if el.Index >= a.Length || uint64(el.Index) < next {
			return fmt.Errorf("value: marshal: Array of length %d has its element %d out of order or range: %w", a.Length, el.Index, ErrMalformed)
		}
		next = uint64(el.Index) + 1
		e.dst = AppendUint(e.dst, uint64(el.Index))
		if err := e.value(el.Value); err != nil {
			return err
		}
	}
	return e.properties(a.Named)
}

func (e *encoder) buffer(b *ArrayBuffer) {
	switch {
	case b == nil:
		e.dst = AppendNull(e.dst)
	case b.Resizable:
		e.dst = AppendResizableArrayBuffer(e.dst, b.Bytes, max(b.MaxByteLength, uint64(len(b.Bytes))))
	default:
		e.dst = AppendArrayBuffer(e.dst, b.Bytes)
	}
}

func (e *encoder) view(v *View) error {
	if v == nil {
		e.dst = AppendNull(e.dst)
		return nil
	}
	size := v.Kind.ElementSize()
	if size == 0 || v.Buffer == nil || v.Offset < 0 || v.Length < 0 || v.Offset > len(v.Buffer.Bytes) ||
		v.Length > len(v.Buffer.Bytes)-v.Offset || v.Offset%size != 0 || v.Length%size != 0 {
		return fmt.Errorf("value: marshal: View does not fit its buffer, or has none: %w", ErrMalformed)
	}
	e.dst = AppendViewHeader(e.dst, v.Kind)
	e.buffer(v.Buffer)
	e.dst = AppendUint(e.dst, uint64(v.Offset))
	if v.Tracking {
		e.dst = AppendNull(e.dst)
	} else {
		e.dst = AppendUint(e.dst, uint64(v.Length))
	}
	return nil
}

func (e *encoder) error(v *Error) error {
	if v == nil {
		e.dst = AppendNull(e.dst)
		return nil
	}
	own := make(Object, 0, 3+len(v.Properties))
	if v.Message != "" { // JavaScript inherits the empty one
		own = append(own, Property{"message", v.Message})
	}
	if v.Stack != "" {
		own = append(own, Property{"stack", v.Stack})
	}
	if v.HasCause || v.Cause != nil {
		own = append(own, Property{"cause", v.Cause})
	}
	own = append(own, v.Properties...)
	if !utf8.ValidString(v.Name) {
		return fmt.Errorf("value: marshal: name %q of an error is not valid UTF-8: %w", v.Name, ErrMalformed)
	}
	e.dst = AppendErrorHeader(e.dst, v.Name, len(own))
	return e.properties(own)
}

// reflected appends what only reflection can see: structs, and slices, maps and pointers of a type of the program's.
func (e *encoder) reflected(v any) error {
	if err := checkDepth(reflect.ValueOf(v), e.depth); err != nil {
		return err
	}
	buf := bufferPool.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= 64<<10 {
			bufferPool.Put(buf)
		}
	}()
	buf.Reset()
	if err := encMode.MarshalToBuffer(v, buf); err != nil {
		return fmt.Errorf("value: marshal %T: %w", v, err)
	}
	var err error
	e.dst, err = appendRepaired(e.dst, buf.Bytes())
	if err != nil {
		return fmt.Errorf("value: marshal %T: %w", v, err)
	}
	return nil
}

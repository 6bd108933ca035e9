package value

import "fmt"

// The types of this package are written and read by their own codec also where fxamacker/cbor meets them within a
// struct of the program's: that is what these methods are for. Their data is one whole item.

// MarshalCBOR writes undefined.
func (u Undefined) MarshalCBOR() ([]byte, error) { return Marshal(u) }

// UnmarshalCBOR takes anything that is well-formed.
func (u *Undefined) UnmarshalCBOR(data []byte) error {
	r := NewReader(data)
	r.Skip()
	return r.Finish()
}

// MarshalCBOR writes a string.
func (s WTF8) MarshalCBOR() ([]byte, error) { return Marshal(s) }

// UnmarshalCBOR reads a string of either form.
func (s *WTF8) UnmarshalCBOR(data []byte) error {
	r := NewReader(data)
	b, _ := r.ReadString()
	if err := r.Finish(); err != nil {
		return err
	}
	*s = WTF8(b)
	return nil
}

// MarshalCBOR writes a Set.
func (s Set) MarshalCBOR() ([]byte, error) { return Marshal(s) }

// UnmarshalCBOR reads a Set.
func (s *Set) UnmarshalCBOR(data []byte) error { return unmarshalAs(data, s) }

// MarshalCBOR writes an object of the Web APIs.
func (w Web) MarshalCBOR() ([]byte, error) { return Marshal(w) }

// UnmarshalCBOR reads an object of the Web APIs.
func (w *Web) UnmarshalCBOR(data []byte) error { return unmarshalAs(data, w) }

// MarshalCBOR writes a Map.
func (m Map) MarshalCBOR() ([]byte, error) { return Marshal(m) }

// UnmarshalCBOR reads a Map.
func (m *Map) UnmarshalCBOR(data []byte) error { return unmarshalAs(data, m) }

// MarshalCBOR writes a plain object.
func (o Object) MarshalCBOR() ([]byte, error) { return Marshal(o) }

// UnmarshalCBOR reads a plain object and keeps its order.
func (o *Object) UnmarshalCBOR(data []byte) error {
	d := decoder{r: NewReader(data)}
	t := d.r.expect(KindMap, "an Object")
	object := make(Object, 0, t.N)
	for range t.N {
		key, _ := d.r.ReadString()
		if d.r.err != nil {
			break
		}
		object = append(object, Property{string(key), d.next()})
	}
	if err := d.r.Finish(); err != nil {
		return err
	}
	*o = object
	return nil
}

// MarshalCBOR writes an invalid Date.
func (d InvalidDate) MarshalCBOR() ([]byte, error) { return Marshal(d) }

// UnmarshalCBOR reads an invalid Date.
func (d *InvalidDate) UnmarshalCBOR(data []byte) error { return unmarshalAs(data, d) }

// MarshalCBOR writes a regular expression.
func (x RegExp) MarshalCBOR() ([]byte, error) { return Marshal(x) }

// UnmarshalCBOR reads a regular expression.
func (x *RegExp) UnmarshalCBOR(data []byte) error { return unmarshalAs(data, x) }

// MarshalCBOR writes a wrapper object.
func (b Boxed) MarshalCBOR() ([]byte, error) { return Marshal(b) }

// UnmarshalCBOR reads a wrapper object, or a primitive.
func (b *Boxed) UnmarshalCBOR(data []byte) error {
	v, err := decodeAny(data)
	if err != nil {
		return err
	}
	if boxed, ok := v.(Boxed); ok {
		*b = boxed
	} else {
		*b = Boxed{v}
	}
	return nil
}

// MarshalCBOR writes an array with holes.
func (a Array) MarshalCBOR() ([]byte, error) { return Marshal(a) }

// UnmarshalCBOR reads an array, with holes or without.
func (a *Array) UnmarshalCBOR(data []byte) error {
	v, err := decodeAny(data)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *Array:
		*a = *v
	case []any:
		*a = Array{Length: uint32(len(v)), Elements: make([]Element, len(v))}
		for i := range v {
			a.Elements[i] = Element{uint32(i), v[i]}
		}
	default:
		return fmt.Errorf("value: a %T where an Array is wanted", v)
	}
	return nil
}

// MarshalCBOR writes an ArrayBuffer.
func (b ArrayBuffer) MarshalCBOR() ([]byte, error) { return Marshal(b) }

// UnmarshalCBOR reads an ArrayBuffer, or the bytes of a Uint8Array.
func (b *ArrayBuffer) UnmarshalCBOR(data []byte) error {
	v, err := decodeAny(data)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *ArrayBuffer:
		*b = *v
	case []byte:
		*b = ArrayBuffer{Bytes: v}
	default:
		return fmt.Errorf("value: a %T where an ArrayBuffer is wanted", v)
	}
	return nil
}

// MarshalCBOR writes a typed array.
func (a TypedArray) MarshalCBOR() ([]byte, error) { return Marshal(a) }

// UnmarshalCBOR reads a typed array of any kind, with a buffer of its own.
func (a *TypedArray) UnmarshalCBOR(data []byte) error {
	v, err := decodeAny(data)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case TypedArray:
		*a = v
	case []byte:
		*a = TypedArray{Uint8Array, v}
	default:
		return fmt.Errorf("value: a %T where a TypedArray is wanted", v)
	}
	return nil
}

// MarshalCBOR writes a view with its buffer.
func (v View) MarshalCBOR() ([]byte, error) { return Marshal(v) }

// UnmarshalCBOR reads a view, or a typed array as a view of its whole buffer.
func (v *View) UnmarshalCBOR(data []byte) error {
	x, err := decodeAny(data)
	if err != nil {
		return err
	}
	switch x := x.(type) {
	case *View:
		*v = *x
	case TypedArray:
		*v = View{Kind: x.Kind, Buffer: &ArrayBuffer{Bytes: x.Data}, Length: len(x.Data)}
	case []byte:
		*v = View{Kind: Uint8Array, Buffer: &ArrayBuffer{Bytes: x}, Length: len(x)}
	default:
		return fmt.Errorf("value: a %T where a View is wanted", x)
	}
	return nil
}

// MarshalCBOR writes an error.
func (e *Error) MarshalCBOR() ([]byte, error) { return Marshal(e) }

// UnmarshalCBOR reads an error.
func (e *Error) UnmarshalCBOR(data []byte) error {
	v, err := decodeAny(data)
	if err != nil {
		return err
	}
	x, ok := v.(*Error)
	if !ok {
		return fmt.Errorf("value: a %T where an Error is wanted", v)
	}
	*e = *x
	return nil
}

// unmarshalAs reads a value that must be a T.
func unmarshalAs[T any](data []byte, dst *T) error {
	v, err := decodeAny(data)
	if err != nil {
		return err
	}
	x, ok := v.(T)
	if !ok {
		return fmt.Errorf("value: a %T where a %T is wanted", v, *dst)
	}
	*dst = x
	return nil
}

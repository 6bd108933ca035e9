package value

import "time"

// decoder reads a value into Go values without a schema. It copies everything that it returns.
type decoder struct {
	r Reader
	// shared are the items that references can point at, by number. An item is entered before its content is
	// read, so that it can occur within itself.
	shared []any
}

// decodeAny reads a value as Go has it; docs/format/value.md has the table. Shared objects and cycles come out as
// such: maps, slices and pointers that are one.
func decodeAny(data []byte) (any, error) {
	d := decoder{r: NewReader(data)}
	v := d.value(d.r.Next(), -1)
	if err := d.r.Finish(); err != nil {
		return nil, err
	}
	return v, nil
}

// share enters v as the shared item of that number; -1 is none.
func (d *decoder) share(number int, v any) {
	if number >= 0 {
		d.shared[number] = v
	}
}

// value reads the item that begins with t.
func (d *decoder) value(t Token, number int) any {
	switch t.Kind {
	case KindUndefined:
		return Undefined{}
	case KindNull, KindEnd:
		return nil
	case KindBool:
		return t.N == 1
	case KindUint, KindNegInt:
		if n, ok := t.Int64(); ok {
			return n
		}
		return bigInt(&t)
	case KindFloat:
		return t.Float
	case KindText:
		return string(t.Bytes)
	case KindBytes:
		b := cloneBytes(t.Bytes)
		d.share(number, b)
		return b
	case KindArray:
		a := make([]any, t.N)
		d.share(number, a)
		for i := range a {
			if d.r.err != nil {
				return nil
			}
			a[i] = d.next()
		}
		return a
	case KindMap:
		// The size is a hint that the data gives: bounded, because a map costs more memory than its bytes.
		m := make(map[string]any, min(t.N, 1024))
		d.share(number, m)
		for range t.N {
			key, _ := d.r.ReadString()
			if d.r.err != nil {
				return nil
			}
			m[string(key)] = d.next()
		}
		return m
	default:
		return d.tagged(t.N, number)
	}
}

func (d *decoder) next() any { return d.value(d.r.Next(), -1) }

func (d *decoder) tagged(tag uint64, number int) any {
	r := &d.r
	var v any
	switch tag {
	case TagShared:
		return d.sharedItem(number)
	case TagRef:
		return d.ref(number)
	case TagWTF8:
		return WTF8(r.ReadWTF8())
	case TagBigInt, TagNegBigInt:
		return r.readBigInt(tag)
	case TagDate, TagDateText:
		ms := r.ReadDate(tag)
		if v = (InvalidDate{}); ms == ms {
			v = time.UnixMilli(int64(ms)).UTC()
		}
	case TagRegExp:
		source, flags := r.ReadRegExp()
		v = RegExp{string(source), string(flags)}
	case TagBoxed:
		t := r.Next()
		r.checkBoxed(&t)
		v = Boxed{d.value(t, -1)}
	case TagSet:
		t := r.expect(KindArray, "a Set")
		s := make(Set, t.N)
		d.share(number, s)
		for i := 0; i < len(s) && r.err == nil; i++ {
			s[i] = d.next()
		}
		return s
	case TagWeb:
		t := r.expect(KindArray, "an object of the Web APIs")
		w := make(Web, t.N)
		d.share(number, w)
		for i := 0; i < len(w) && r.err == nil; i++ {
			w[i] = d.next()
		}
		return w
	case TagMap:
		t := r.expect(KindMap, "a Map")
		m := make(Map, t.N)
		d.share(number, m)
		for i := 0; i < len(m) && r.err == nil; i++ {
			m[i].Key = d.next()
			m[i].Value = d.next()
		}
		return m
	case TagArray:
		return d.array(number)
	case TagError:
		return d.error(number)
	case TagArrayBuffer:
		b, most, resizable := r.ReadArrayBuffer()
		v = &ArrayBuffer{cloneBytes(b), most, resizable}
	case TagView:
		return d.view(number)
	default:
		kind, ok := ArrayKindOfTag(tag)
		if !ok {
			r.Fail(ErrUnsupported, "tag %d is not one of the format's", tag)
			return nil
		}
		b := cloneBytes(r.readTypedArray(kind))
		if v = b; kind != Uint8Array {
			v = TypedArray{kind, b}
		}
	}
	d.share(number, v)
	return v
}

func (d *decoder) sharedItem(number int) any {
	if number >= 0 {
		d.r.Fail(ErrMalformed, "an item is shared twice")
		return nil
	}
	number = len(d.shared)
	d.shared = append(d.shared, nil)
	t := d.r.Next()
	d.r.checkShareable(&t)
	v := d.value(t, number)
	d.share(number, v)
	return v
}

func (d *decoder) ref(number int) any {
	n := d.r.readRef(number >= 0, len(d.shared))
	if d.r.err != nil {
		return nil
	}
	// It is nil within an item that is not entered before its content, of which only a view has any: and a view
	// does not take itself for its buffer.
	return d.shared[n]
}

func (d *decoder) array(number int) any {
	length, n := d.r.ReadSparseArray()
	a := &Array{Length: length}
	d.share(number, a)
	var order sparseOrder
	for range n {
		index, name, isIndex := d.r.ReadSparseKey(length)
		if order.check(&d.r, index, isIndex); d.r.err != nil {
			return nil
		}
		if isIndex {
			a.Elements = append(a.Elements, Element{index, d.next()})
		} else {
			a.Named = append(a.Named, Property{string(name), d.next()})
		}
	}
	return a
}

func (d *decoder) error(number int) any {
	name, n := d.r.ReadError()
	e := &Error{Name: string(name)}
	d.share(number, e)
	for range n {
		key, _ := d.r.ReadString()
		if d.r.err != nil {
			return nil
		}
		v := d.next()
		text, isText := v.(string)
		switch k := string(key); {
		case k == "message" && isText:
			e.Message = text
		case k == "stack" && isText:
			e.Stack = text
		case k == "cause":
			e.Cause, e.HasCause = v, true
		default:
			e.Properties = append(e.Properties, Property{k, v})
		}
	}
	return e
}

func (d *decoder) view(number int) any {
	kind := d.r.ReadViewKind()
	buffer, ok := d.next().(*ArrayBuffer)
	if d.r.err == nil && !ok {
		d.r.Fail(ErrMalformed, "a view wants an ArrayBuffer")
	}
	if d.r.err != nil {
		return nil
	}
	offset, length, tracking := d.r.ReadViewRange(kind, len(buffer.Bytes))
	v := &View{kind, buffer, offset, length, tracking}
	d.share(number, v)
	return v
}

// cloneBytes never returns nil.
func cloneBytes(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }

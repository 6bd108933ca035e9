package value

// Validate checks that data is exactly one value, in all that docs/format/value.md asks of it: for values that
// come from outside and are to be stored as they are. It allocates only if data has shared items.
func Validate(data []byte) error {
	v := validator{r: NewReader(data)}
	v.next()
	return v.r.Finish()
}

type validator struct {
	r Reader
	// shared has an entry for every shared item so far.
	shared []sharedShape
}

// sharedShape is what must be known of a shared item when a reference to it comes. A reference from within an item
// finds the zero shape, which is right: only a view asks, and a buffer has nothing within.
type sharedShape struct {
	isBuffer bool
	length   int // of a buffer
}

const notShared = -1

func (v *validator) next() { v.item(v.r.Next(), notShared) }

// item checks the item that begins with t, which is the shared item of that number or notShared. It returns the
// shape of the item.
func (v *validator) item(t Token, number int) sharedShape {
	switch t.Kind {
	case KindArray:
		v.items(t.N)
	case KindMap:
		v.properties(t.N)
	case KindTag:
		return v.tagged(t.N, number)
	}
	return sharedShape{}
}

func (v *validator) items(n uint64) {
	for ; n > 0 && v.r.err == nil; n-- {
		v.next()
	}
}

func (v *validator) properties(n uint64) {
	for ; n > 0 && v.r.err == nil; n-- {
		v.r.ReadString()
		v.next()
	}
}

func (v *validator) tagged(tag uint64, number int) sharedShape {
	r := &v.r
	var shape sharedShape
	switch tag {
	case TagShared:
		return v.sharedItem(number)
	case TagRef:
		return v.ref(number)
	case TagWTF8:
		r.ReadWTF8()
	case TagBigInt, TagNegBigInt:
		r.ReadBytes()
	case TagDate, TagDateText:
		r.ReadDate(tag)
	case TagRegExp:
		r.ReadRegExp()
	case TagBoxed:
		t := r.Next()
		r.checkBoxed(&t)
		v.item(t, notShared)
	case TagSet:
		v.items(r.expect(KindArray, "a Set").N)
	case TagWeb:
		v.items(r.expect(KindArray, "an object of the Web APIs").N)
	case TagMap:
		v.items(2 * r.expect(KindMap, "a Map").N)
	case TagArray:
		v.array()
	case TagError:
		_, n := r.ReadError()
		v.properties(uint64(n))
	case TagArrayBuffer:
		b, _, _ := r.ReadArrayBuffer()
		shape.isBuffer, shape.length = true, len(b)
	case TagView:
		kind := r.ReadViewKind()
		buffer := v.item(r.Next(), notShared)
		if r.err == nil && !buffer.isBuffer {
			r.Fail(ErrMalformed, "a view wants an ArrayBuffer")
		}
		r.ReadViewRange(kind, buffer.length)
	default:
		if kind, ok := ArrayKindOfTag(tag); ok {
			r.readTypedArray(kind)
		} else {
			r.Fail(ErrUnsupported, "tag %d is not one of the format's", tag)
		}
	}
	return shape
}

func (v *validator) sharedItem(number int) sharedShape {
	if number >= 0 {
		v.r.Fail(ErrMalformed, "an item is shared twice")
		return sharedShape{}
	}
	number = len(v.shared)
	v.shared = append(v.shared, sharedShape{})
	t := v.r.Next()
	v.r.checkShareable(&t)
	shape := v.item(t, number)
	v.shared[number] = shape
	return shape
}

func (v *validator) ref(number int) sharedShape {
	n := v.r.readRef(number >= 0, len(v.shared))
	if v.r.err != nil {
		return sharedShape{}
	}
	return v.shared[n]
}

func (v *validator) array() {
	length, n := v.r.ReadSparseArray()
	var order sparseOrder
	for ; n > 0 && v.r.err == nil; n-- {
		index, _, isIndex := v.r.ReadSparseKey(length)
		order.check(&v.r, index, isIndex)
		v.next()
	}
}

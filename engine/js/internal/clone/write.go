// Package clone writes JavaScript values as stored values and reads them back:
// the structured clone algorithm between a runtime and the CBOR format of
// engine/value. The host uses it for storage, calls between objects, messages
// and structuredClone, on the loop that owns the runtime.
//
// Nothing in it trusts the value or the bytes: cycles, proxies, getters that
// throw or change what is being written, and malformed data end in an error.
package clone

import (
	"slices"
	"strconv"

	"everloop/engine/js/internal/vm"
	"everloop/engine/value"
)

// Error is what structured clone refuses: in JavaScript a DOMException called
// DataCloneError, with V8's text.
type Error struct{ Message string }

func (e *Error) Error() string { return "DataCloneError: " + e.Message }

// maxDepth is how deep objects may nest: a tag and a map of the format for
// each, within value.MaxDepth.
const maxDepth = 1000

// Writer writes values of runtimes of one loop. Its tables are reused; owned
// by its loop. The zero Writer works.
type Writer struct {
	// Special, if set, is asked about every object that structured clone
	// refuses, those of the host (vm.HostObject) among them, and those that Plain
	// does not tell. It appends the object's form, one item under a tag of its
	// own, and reports true; or returns the parts of an object of the Web APIs,
	// an array owned by the Writer, which is written under value.TagWeb; or
	// reports false.
	Special func(dst []byte, r *vm.Runtime, v vm.Value) (_ []byte, parts vm.Value, ok bool, err error)

	// Plain, if set, tells which ordinary objects are written by their
	// properties. Others are refused, as what structured clone refuses is:
	// between programs an instance of a class would lose its methods, which
	// nobody wants.
	Plain func(r *vm.Runtime, v vm.Value) bool
	// Instances is whether those others are not refused, but written by their
	// properties all the same, as structured clone does.
	Instances bool

	// ErrorProps is whether errors keep properties of their own beside those
	// that structured clone keeps.
	ErrorProps bool
	// LeaveOut names those that they do not keep.
	LeaveOut func(name string) bool

	// IsDOMException, if set, tells which errors are DOMExceptions.
	IsDOMException func(r *vm.Runtime, v vm.Value) bool

	r     *vm.Runtime
	dst   []byte
	base  int
	depth int

	seen    table      // address of an object -> where its item begins
	held    []vm.Value // keeps what getters return alive, so addresses stay unique
	shared  []int      // where items begin that something refers to
	refs    []ref
	inlined table // address of a buffer that was written inside its view
	apart   table // address of a buffer that must be written apart from its views
	retry   bool  // apart has grown: what is written now will be thrown away
}

// ref is a placeholder in the output for a reference.
type ref struct{ at, target int }

// maxTries is how often a value is written again: once is enough unless getters
// make new buffers each time.
const maxTries = 4

// ErrTooLarge is refused for its size, which value.MaxSize bounds.
var ErrTooLarge = &Error{"The object is too large to be cloned."}

var (
	keyMessage     = vm.Intern("message")
	keyName        = vm.Intern("name")
	keyStack       = vm.Intern("stack")
	keyCause       = vm.Intern("cause")
	keyConstructor = vm.Intern("constructor")
)

// Append appends v to dst. Getters run, so user code may. The error is an
// *Error, what a getter threw (*vm.Exception), or the runtime's loss.
func (w *Writer) Append(dst []byte, r *vm.Runtime, v vm.Value) ([]byte, error) {
	if w.r != nil {
		// A getter of the value that is being written has something written itself.
		inner := Writer{Special: w.Special, Plain: w.Plain, ErrorProps: w.ErrorProps, LeaveOut: w.LeaveOut, IsDOMException: w.IsDOMException}
		return inner.Append(dst, r, v)
	}
	out, err := w.try(dst, r, v)
	for tries := 0; err == nil && w.retry; tries++ {
		// A buffer was written inside a view before it turned out that
		// something else refers to it as well.
		if tries == maxTries {
			err = &Error{"The object changes while it is being cloned."}
			break
		}
		out, err = w.try(dst, r, v)
	}
	w.apart.reset()
	w.retry = false
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (w *Writer) try(dst []byte, r *vm.Runtime, v vm.Value) ([]byte, error) {
	w.r, w.dst, w.base, w.depth, w.retry = r, dst, len(dst), 0, false
	err := w.value(v)
	out := w.dst
	if err == nil && len(w.refs) > 0 {
		out = w.link()
	}
	if err == nil && len(out)-w.base > value.MaxSize {
		err = ErrTooLarge
	}
	if len(w.held) > 0 {
		r.FreeAll(w.held...)
		clear(w.held)
	}
	w.r, w.dst, w.held, w.shared, w.refs = nil, nil, w.held[:0], w.shared[:0], w.refs[:0]
	w.seen.reset()
	w.inlined.reset()
	return out, err
}

func (w *Writer) value(v vm.Value) error {
	if len(w.dst)-w.base > value.MaxSize {
		return ErrTooLarge
	}
	switch v.Kind() {
	case vm.KindUndefined:
		w.dst = value.AppendUndefined(w.dst)
	case vm.KindNull:
		w.dst = value.AppendNull(w.dst)
	case vm.KindBool:
		w.dst = value.AppendBool(w.dst, v.Truth())
	case vm.KindNumber:
		if i, ok := v.Int32(); ok {
			w.dst = value.AppendInt(w.dst, int64(i))
			return nil
		}
		f, _ := v.Float64()
		w.dst = value.AppendNumber(w.dst, f)
	case vm.KindString:
		w.text(v)
	case vm.KindBigInt:
		return w.bigint(v)
	case vm.KindSymbol:
		return w.refuse(v)
	default:
		return w.object(v)
	}
	return nil
}

func (w *Writer) text(v vm.Value) {
	if b, ok := w.r.Latin1(v); ok {
		w.dst = value.AppendLatin1(w.dst, b)
	} else if u, ok := w.r.UTF16(v); ok {
		w.dst = value.AppendUTF16(w.dst, u)
	} else {
		w.dst = value.AppendUTF16(w.dst, w.r.AppendUTF16(nil, v))
	}
}

func (w *Writer) bigint(v vm.Value) error {
	x, err := w.r.BigInt(v)
	if err != nil {
		return err
	}
	if x.IsInt64() {
		w.dst = value.AppendBigInt64(w.dst, x.Int64())
	} else {
		w.dst = value.AppendBigInt(w.dst, x.Sign() < 0, x.Bytes())
	}
	return nil
}

func (w *Writer) object(v vm.Value) error {
	start := len(w.dst)
	if at, again := w.seen.put(v.Address(), start); again {
		w.reference(at)
		return nil
	}
	if w.depth > 0 {
		// A getter's result could be freed, and its address reused.
		w.held = append(w.held, w.r.Dup(v))
	}
	if w.depth >= maxDepth {
		return &Error{"The object is nested too deeply to be cloned."}
	}
	w.depth++
	defer func() { w.depth-- }()
	r := w.r
	switch c := r.ObjectClass(v); c {
	case vm.PlainObject:
		if w.Plain != nil && !w.Plain(r, v) {
			return w.instance(v)
		}
		return w.plain(v)
	case vm.ArrayObject:
		return w.array(v)
	case vm.DateObject:
		p := r.Primitive(v)
		ms, _ := p.Float64()
		w.dst = value.AppendDate(w.dst, ms)
		r.Free(p)
	case vm.RegExpObject:
		source, flags := r.RegExp(v)
		w.dst = value.AppendTag(w.dst, value.TagRegExp)
		w.dst = value.AppendArrayHeader(w.dst, 2)
		w.text(source)
		w.dst = value.AppendString(w.dst, flags)
		r.Free(source)
	case vm.NumberObject, vm.StringObject, vm.BooleanObject, vm.BigIntObject:
		p := r.Primitive(v)
		w.dst = value.AppendTag(w.dst, value.TagBoxed)
		err := w.value(p)
		r.Free(p)
		return err
	case vm.MapObject, vm.SetObject:
		return w.entries(v, c)
	case vm.ErrorObject:
		return w.errorObject(v)
	case vm.ArrayBufferObject:
		return w.buffer(v)
	case vm.TypedArrayObject, vm.DataViewObject:
		return w.view(v)
	default:
		return w.refuse(v)
	}
	return nil
}

// plain writes an object's properties. Their count comes first in the format
// but is known last: a header for a guess is written, and corrected.
func (w *Writer) plain(v vm.Value) error {
	at := len(w.dst)
	w.dst = value.AppendMapHeader(w.dst, w.r.PropCount(v))
	body := len(w.dst)
	n := 0
	err := w.r.Props(v, func(key, x vm.Value) error {
		w.key(key)
		n++
		return w.value(x)
	})
	if err != nil {
		return err
	}
	var h [16]byte
	w.widen(at, body, value.AppendMapHeader(h[:0], n))
	return nil
}

// widen replaces the guessed header dst[at:body] by the true one, and, if that
// has another length, moves what was recorded about the items behind it.
func (w *Writer) widen(at, body int, header []byte) {
	if grow := at + len(header) - body; grow != 0 {
		w.dst = slices.Replace(w.dst, at, body, header...)
		w.seen.shift(body, grow)
		w.inlined.shift(body, grow)
		for i := range w.shared {
			if w.shared[i] >= body {
				w.shared[i] += grow
			}
		}
		for i := range w.refs {
			if w.refs[i].at >= body {
				w.refs[i].at += grow
			}
			if w.refs[i].target >= body {
				w.refs[i].target += grow
			}
		}
	}
	copy(w.dst[at:], header)
}

func (w *Writer) key(key vm.Value) {
	if f, ok := key.Float64(); ok {
		var b [20]byte
		w.dst = value.AppendText(w.dst, strconv.AppendUint(b[:0], uint64(f), 10))
		return
	}
	w.text(key)
}

func (w *Writer) array(v vm.Value) error {
	r := w.r
	n, _ := r.ArrayLength(v)
	if r.Dense(v) {
		w.dst = value.AppendArrayHeader(w.dst, int(n))
		for i := range n {
			e, ok := r.Element(v, i)
			if !ok {
				// A getter further in changed the array.
				var err error
				if e, err = r.GetIndex(v, i); err != nil {
					return err
				}
			}
			err := w.value(e)
			r.Free(e)
			if err != nil {
				return err
			}
		}
		return nil
	}
	at := len(w.dst)
	count := 0
	w.dst = value.AppendSparseArrayHeader(w.dst, n, r.PropCount(v))
	body := len(w.dst)
	err := r.Props(v, func(key, x vm.Value) error {
		if f, ok := key.Float64(); ok && f < float64(n) {
			w.dst = value.AppendInt(w.dst, int64(f))
		} else {
			w.key(key)
		}
		count++
		return w.value(x)
	})
	if err != nil {
		return err
	}
	var h [32]byte
	w.widen(at, body, value.AppendSparseArrayHeader(h[:0], n, count))
	return nil
}

func (w *Writer) entries(v vm.Value, c vm.ObjectClass) error {
	r := w.r
	from := len(w.held)
	w.held = r.AppendEntries(w.held, v) // a copy: writing may run user code
	to := len(w.held)
	if c == vm.MapObject {
		w.dst = value.AppendTag(w.dst, value.TagMap)
		w.dst = value.AppendMapHeader(w.dst, (to-from)/2)
	} else {
		w.dst = value.AppendTag(w.dst, value.TagSet)
		w.dst = value.AppendArrayHeader(w.dst, to-from)
	}
	for i := from; i < to; i++ {
		if err := w.value(w.held[i]); err != nil {
			return err
		}
	}
	return nil
}

// errorObject writes name, message, stack and cause, as V8 does.
func (w *Writer) errorObject(v vm.Value) error {
	r := w.r
	name := "Error"
	n, err := r.Get(v, keyName)
	if err != nil {
		return err
	}
	if n.IsString() {
		name = vm.ErrorClassNamed(r.GoString(n)).String()
	}
	r.Free(n)
	keys := errorKeys[:3]
	if name == "AggregateError" {
		keys = errorKeys[:4]
	}
	if w.IsDOMException != nil && w.IsDOMException(r, v) {
		return w.domException(v)
	}
	at := len(w.dst)
	w.dst = value.AppendErrorHeader(w.dst, name, 3)
	body := len(w.dst)
	count := 0
	for _, k := range keys {
		var x vm.Value
		var ok bool
		if k == keyStack {
			x, err = r.Get(v, k)
			ok = x.IsString()
		} else {
			x, ok, err = r.OwnData(v, k)
			if ok && k == keyMessage && !x.IsString() {
				var s vm.Value
				s, err = r.ToStringValue(x)
				r.Free(x)
				x = s
			}
		}
		if err != nil {
			return err
		}
		if !ok {
			r.Free(x)
			continue
		}
		w.dst = value.AppendString(w.dst, k.String())
		err = w.value(x)
		if x.IsObject() {
			w.held = append(w.held, x)
		} else {
			r.Free(x)
		}
		if err != nil {
			return err
		}
		count++
	}
	if w.ErrorProps {
		err = r.Props(v, func(key, x vm.Value) error {
			if k := r.GoString(key); key.IsString() && !slices.Contains(errorNames[:], k) && (w.LeaveOut == nil || !w.LeaveOut(k)) {
				w.text(key)
				count++
				return w.value(x)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	var h [64]byte
	w.widen(at, body, value.AppendErrorHeader(h[:0], name, count))
	return nil
}

var errorNames = [...]string{"message", "stack", "cause", "errors"}

var errorKeys = [...]vm.Key{keyMessage, keyStack, keyCause, vm.Intern("errors")}

func (w *Writer) domException(v vm.Value) error {
	w.dst = value.AppendErrorHeader(w.dst, "DOMException", 2)
	for _, k := range [...]vm.Key{keyMessage, keyName} {
		x, err := w.r.Get(v, k)
		if err != nil {
			return err
		}
		w.dst = value.AppendString(w.dst, k.String())
		s, err := w.r.ToStringValue(x)
		w.r.Free(x)
		if err != nil {
			return err
		}
		w.text(s)
		w.r.Free(s)
	}
	return nil
}

func (w *Writer) buffer(v vm.Value) error {
	b, ok := w.r.Bytes(v)
	if !ok {
		return &Error{"An ArrayBuffer is detached and could not be cloned."}
	}
	if w.inlined.has(v.Address()) {
		w.apart.put(v.Address(), 0)
		w.retry = true
	}
	if most := w.r.MaxByteLength(v); most >= 0 {
		w.dst = value.AppendResizableArrayBuffer(w.dst, b, uint64(most))
	} else {
		w.dst = value.AppendArrayBuffer(w.dst, b)
	}
	return nil
}

var arrayKinds = [...]value.ArrayKind{
	vm.Uint8Clamped: value.Uint8ClampedArray, vm.Int8: value.Int8Array, vm.Uint8: value.Uint8Array,
	vm.Int16: value.Int16Array, vm.Uint16: value.Uint16Array, vm.Int32: value.Int32Array, vm.Uint32: value.Uint32Array,
	vm.BigInt64: value.BigInt64Array, vm.BigUint64: value.BigUint64Array, vm.Float16: value.Float16Array,
	vm.Float32: value.Float32Array, vm.Float64: value.Float64Array, vm.NoElement: value.DataView,
}

func (w *Writer) view(v vm.Value) error {
	r := w.r
	view, ok := r.ViewOf(v)
	if !ok {
		return &Error{"An ArrayBuffer is detached and could not be cloned."}
	}
	whole, ok := r.Bytes(view.Buffer)
	if !ok {
		return &Error{"An ArrayBuffer is detached and could not be cloned."}
	}
	kind := arrayKinds[view.Kind]
	shared := w.apart.has(view.Buffer.Address())
	alone := !shared && kind != value.DataView && view.Offset == 0 && view.Length == len(whole) &&
		r.MaxByteLength(view.Buffer) < 0
	if alone {
		known := w.seen.has(view.Buffer.Address())
		_, again := w.inlined.put(view.Buffer.Address(), 0)
		if known || again {
			w.apart.put(view.Buffer.Address(), 0)
			w.retry = true
		}
		w.held = append(w.held, r.Dup(view.Buffer))
		w.dst = value.AppendTypedArray(w.dst, kind, whole)
		return nil
	}
	if w.inlined.has(view.Buffer.Address()) {
		w.apart.put(view.Buffer.Address(), 0)
		w.retry = true
	}
	w.dst = value.AppendViewHeader(w.dst, kind)
	if err := w.object(view.Buffer); err != nil {
		return err
	}
	w.dst = value.AppendInt(w.dst, int64(view.Offset))
	if view.Tracks {
		w.dst = value.AppendNull(w.dst)
	} else {
		w.dst = value.AppendInt(w.dst, int64(view.Length))
	}
	return nil
}

// reference writes a placeholder for a reference to the item at target.
func (w *Writer) reference(target int) {
	if !slices.Contains(w.shared, target) {
		w.shared = append(w.shared, target)
	}
	w.refs = append(w.refs, ref{len(w.dst), target})
	w.dst = value.AppendNull(w.dst) // one byte, replaced by link
}

// link marks what is referred to, and numbers the references. Most values have
// none, so the marks are not made while writing: the output is copied instead.
func (w *Writer) link() []byte {
	slices.Sort(w.shared)
	out := slices.Grow(slices.Clone(w.dst[:w.base]), len(w.dst)-w.base+2*len(w.shared)+4*len(w.refs))
	slices.SortFunc(w.refs, func(a, b ref) int { return a.at - b.at })
	pos, s, k := w.base, 0, 0
	for s < len(w.shared) || k < len(w.refs) {
		if k == len(w.refs) || s < len(w.shared) && w.shared[s] <= w.refs[k].at {
			out = append(out, w.dst[pos:w.shared[s]]...)
			pos = w.shared[s]
			out = value.AppendTag(out, value.TagShared)
			s++
			continue
		}
		out = append(out, w.dst[pos:w.refs[k].at]...)
		pos = w.refs[k].at + 1
		number, _ := slices.BinarySearch(w.shared, w.refs[k].target)
		out = value.AppendTag(out, value.TagRef)
		out = value.AppendInt(out, int64(number))
		k++
	}
	return append(out, w.dst[pos:]...)
}

// instance writes an object that some class made.
func (w *Writer) instance(v vm.Value) error {
	if !w.Instances {
		return w.refuse(v)
	}
	if known, err := w.special(v); known || err != nil {
		return err
	}
	return w.plain(v)
}

// special writes an object that the host knows.
func (w *Writer) special(v vm.Value) (known bool, err error) {
	if w.Special == nil || !v.IsObject() {
		return false, nil
	}
	out, parts, ok, err := w.Special(w.dst, w.r, v)
	switch {
	case err != nil:
		return false, err
	case parts.IsObject():
		w.held = append(w.held, parts)
		w.dst = value.AppendTag(w.dst, value.TagWeb)
		return true, w.value(parts)
	case ok:
		w.dst = out
	}
	return ok, nil
}

// refuse ends with V8's text, unless the host knows the object.
func (w *Writer) refuse(v vm.Value) error {
	if known, err := w.special(v); known || err != nil {
		return err
	}
	if w.r.Err() != nil {
		return w.r.Err()
	}
	if c := w.r.ObjectClass(v); w.Plain != nil && !w.Instances && (c == vm.PlainObject || c == vm.FunctionObject || c == vm.HostObject) {
		if name := className(w.r, v); name != "Function" {
			return &Error{`Could not serialize object of type "` + name + `". This type does not support serialization.`}
		}
	}
	return &Error{describe(w.r, v) + " could not be cloned."}
}

// describe names a value as V8 does. It runs user code only for functions
// whose toString was replaced.
func describe(r *vm.Runtime, v vm.Value) string {
	if v.Kind() == vm.KindSymbol {
		return r.SymbolString(v)
	}
	c := r.ObjectClass(v)
	if c == vm.FunctionObject {
		if s, err := r.ToString(v); err == nil {
			return s
		}
		return "A function"
	}
	if c == vm.ProxyObject {
		return "#<Object>"
	}
	return "#<" + className(r, v) + ">"
}

// className is the name of the class of an object, as its prototype has it. It runs no user code.
func className(r *vm.Runtime, v vm.Value) string {
	name := "Object"
	p, err := r.Proto(v)
	if err != nil {
		return name
	}
	if p.IsObject() && r.ObjectClass(p) != vm.ProxyObject {
		if ctor, ok, err := r.OwnData(p, keyConstructor); err == nil && ok {
			if r.ObjectClass(ctor) == vm.FunctionObject {
				if n, ok, err := r.OwnData(ctor, keyName); err == nil && ok {
					if s := r.GoString(n); s != "" {
						name = s
					}
					r.Free(n)
				}
			}
			r.Free(ctor)
		}
	}
	r.Free(p)
	return name
}

package vm

import (
	"slices"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Array.prototype.sort and toSorted. The engine's sort is stable but makes
// 18,441 comparisons on 2,000 sorted items. This one is a natural merge sort:
// it finds the runs that are there and merges them, so sorted input costs one
// comparison an item. Programs that keep lists nearly sorted (yjs) rely on it.

func arraySort(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	return sortCall(tls, ctx, this, argc, argv, magic, false)
}

func arrayToSorted(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	return sortCall(tls, ctx, this, argc, argv, magic, true)
}

func sortCall(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32, fresh bool) lib.TJSValue {
	r := runtimeOf(ctx)
	cmp := Undefined
	if argc > 0 {
		cmp = *at[Value](argv)
	}
	if !cmp.IsUndefined() && !r.IsFunction(cmp) {
		return r.throwInEngine(TypeError("The comparison function must be either a function or undefined"))
	}
	if !(Value{this}).IsObject() {
		return replacements[magic].call(tls, ctx, this, argc, argv)
	}
	v, err := r.sortArray(Value{this}, cmp, fresh)
	if r.dead != nil {
		panic(abandoned{})
	}
	if err != nil {
		return r.throwInEngine(err)
	}
	return v.js
}

// maxTypedSort is the longest typed array that is sorted here with a function:
// its elements take ten times the room as items. Longer ones go to the engine.
const maxTypedSort = 1 << 20

// typedSort is sort and toSorted of typed arrays. Without a function the
// engine's is right; with one, it counts no fewer comparisons than for arrays.
func typedSort(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	r := runtimeOf(ctx)
	n := &replacements[magic]
	w, ok := r.ViewOf(Value{this})
	if !ok || w.Kind == NoElement || argc == 0 || !r.IsFunction(*at[Value](argv)) || w.Length/w.Kind.Size() > maxTypedSort {
		return n.call(tls, ctx, this, argc, argv)
	}
	v, err := r.sortTyped(Value{this}, w, *at[Value](argv), n.name == "toSorted")
	if r.dead != nil {
		panic(abandoned{})
	}
	if err != nil {
		return r.throwInEngine(err)
	}
	return v.js
}

func (r *Runtime) sortTyped(this Value, w View, cmp Value, fresh bool) (_ Value, err error) {
	s := &sorter{r: r, cmp: cmp, items: make([]sortItem, w.Length/w.Kind.Size())}
	defer func() {
		for _, it := range s.items {
			r.Free(it.v)
		}
	}()
	for i := range s.items {
		v, err := r.GetIndex(this, uint32(i))
		if err != nil {
			return Undefined, err
		}
		s.items[i] = sortItem{v, Undefined}
	}
	out := this
	if fresh {
		buffer, err := r.ArrayBuffer(make([]byte, w.Length))
		if err != nil {
			return Undefined, err
		}
		out, err = r.NewView(w.Kind, buffer, 0, w.Length)
		r.Free(buffer)
		if err != nil {
			return Undefined, err
		}
	} else {
		r.Dup(out)
	}
	if err = s.sort(); err != nil {
		r.Free(out)
		return Undefined, err
	}
	// The function may have detached the array, or made it shorter.
	w, _ = r.ViewOf(out)
	for i := range s.items[:min(len(s.items), w.Length/w.Kind.Size())] {
		v := s.items[i].v
		s.items[i].v = Undefined
		if err := r.SetIndex(out, uint32(i), v); err != nil {
			r.Free(out)
			return Undefined, err
		}
	}
	return out, nil
}

// sortItem is one element, owned, with its text once the default order needed
// it.
type sortItem struct {
	v    Value
	text Value // owned; Undefined until made
}

// sorter is one sort. Owned by its call.
type sorter struct {
	r     *Runtime
	cmp   Value
	items []sortItem // all of it: an item is never lost, nor there twice
	spare []sortItem
	argv  uintptr
}

func (r *Runtime) sortArray(obj, cmp Value, fresh bool) (_ Value, err error) {
	n, ok := r.plainLength(obj)
	if !ok || r.classOf(obj) != lib.EJS_CLASS_ARRAY {
		if n, err = r.lengthOf(obj); err != nil {
			return Undefined, err
		}
	}
	if n > maxGenericLength {
		return Undefined, RangeError("Invalid array length: sort is limited to 2^26 elements")
	}
	length := uint32(n)
	s := &sorter{r: r, cmp: cmp}
	defer func() {
		for _, it := range s.items {
			r.Free(it.v)
			r.Free(it.text)
		}
	}()
	undefineds := 0
	_, limit := r.Memory()
	most := int(limit / int64(valueSize))
	add := func(v Value) {
		if v.IsUndefined() {
			undefineds++
			return
		}
		s.items = append(s.items, sortItem{v, Undefined})
	}
	if values, ok := r.fastArray(obj); ok && len(values) == int(length) {
		s.items = make([]sortItem, 0, length)
		for _, v := range values {
			add(r.Dup(v))
		}
	} else {
		for i := range length {
			if i&0xfff == 0 && r.interruptNow() {
				return Undefined, ErrInterrupted
			}
			if len(s.items) > most {
				// An array-like that makes its elements up.
				return Undefined, RangeError("Invalid array length: too many elements to sort")
			}
			if !fresh {
				has, err := r.hasIndex(obj, i)
				if err != nil {
					return Undefined, err
				}
				if !has {
					continue
				}
			}
			v, err := r.GetIndex(obj, i)
			if err != nil {
				return Undefined, err
			}
			add(v)
		}
	}
	if err := s.sort(); err != nil {
		return Undefined, err
	}
	out := obj
	if fresh {
		if out, err = r.Array(); err != nil {
			return Undefined, err
		}
	} else {
		r.Dup(out)
	}
	i := uint32(0)
	for k := range s.items {
		v := s.items[k].v
		s.items[k].v = Undefined
		if err := r.SetIndex(out, i, v); err != nil {
			r.Free(out)
			return Undefined, err
		}
		i++
	}
	for range undefineds {
		if err := r.SetIndex(out, i, Undefined); err != nil {
			r.Free(out)
			return Undefined, err
		}
		i++
	}
	for ; i < length && !fresh; i++ {
		if err := r.deleteIndex(out, i); err != nil {
			r.Free(out)
			return Undefined, err
		}
	}
	return out, nil
}

// fastArray is a view of an array's elements if they are stored as a plain
// vector without holes. Valid until JavaScript runs.
func (r *Runtime) fastArray(obj Value) ([]Value, bool) {
	if r.classOf(obj) != lib.EJS_CLASS_ARRAY || *at[byte](obj.ptr() + 16)&0x10 == 0 {
		return nil, false
	}
	data := obj.ptr() + objectData
	return unsafe.Slice(at[Value](*at[uintptr](data + 8)), *at[uint32](data + 16)), true
}

func (r *Runtime) hasIndex(obj Value, i uint32) (bool, error) {
	a := lib.XJS_NewAtomUInt32(r.tls, r.ctx, i)
	n := lib.XJS_HasProperty(r.tls, r.ctx, obj.js, a)
	lib.XJS_FreeAtom(r.tls, r.ctx, a)
	if n < 0 {
		return false, r.thrown()
	}
	return n > 0, nil
}

func (r *Runtime) deleteIndex(obj Value, i uint32) error {
	if lib.XJS_DeletePropertyInt64(r.tls, r.ctx, obj.js, int64(i), lib.MJS_PROP_THROW) < 0 {
		return r.thrown()
	}
	return nil
}

// less reports whether b must come before a, that is, whether they are in the
// wrong order.
func (s *sorter) less(b, a *sortItem) (bool, error) {
	r := s.r
	if s.cmp.IsUndefined() {
		return s.textLess(b, a)
	}
	args := at[[2]Value](s.argv)
	args[0], args[1] = a.v, b.v
	js := lib.XJS_Call(r.tls, r.ctx, s.cmp.js, Undefined.js, 2, s.argv)
	switch js.Ftag {
	case tagException:
		return false, r.thrown()
	case tagInt:
		return int32((Value{js}).bits()) > 0, nil
	}
	f, err := r.ToFloat64(Value{js})
	r.Free(Value{js})
	return f > 0, err
}

func (s *sorter) textLess(b, a *sortItem) (bool, error) {
	for _, it := range [...]*sortItem{a, b} {
		if !it.text.IsUndefined() {
			continue
		}
		t, err := s.r.ToStringValue(it.v)
		if err != nil {
			return false, err
		}
		if t.js.Ftag == tagStringRope {
			flat, err := s.r.StringUTF16(s.r.AppendUTF16(nil, t))
			s.r.Free(t)
			if err != nil {
				return false, err
			}
			t = flat
		}
		it.text = t
	}
	return s.r.compareStrings(b.text, a.text) < 0, nil
}

// compareStrings compares flat strings by their units.
func (r *Runtime) compareStrings(a, b Value) int {
	la, na := r.Latin1(a)
	lb, nb := r.Latin1(b)
	if na && nb {
		return slices.Compare(la, lb)
	}
	wa, _ := r.UTF16(a)
	wb, _ := r.UTF16(b)
	unit := func(l []byte, w []uint16, i int) uint16 {
		if l != nil {
			return uint16(l[i])
		}
		return w[i]
	}
	n, m := len(la)+len(wa), len(lb)+len(wb)
	for i := range min(n, m) {
		if x, y := unit(la, wa, i), unit(lb, wb, i); x != y {
			return int(x) - int(y)
		}
	}
	return n - m
}

// minRun is the shortest run; shorter ones are filled up by binary insertion.
const minRun = 24

func (s *sorter) sort() error {
	n := len(s.items)
	if n < 2 {
		return nil
	}
	tls := s.r.tls
	s.argv = tls.Alloc(2 * valueSize)
	defer tls.Free(2 * valueSize)
	var runs []int // lengths of the sorted runs so far, as a stack
	for lo := 0; lo < n; {
		hi, err := s.countRun(lo, n)
		if err != nil {
			return err
		}
		if want := min(lo+minRun, n); hi < want {
			if err := s.insert(lo, hi, want); err != nil {
				return err
			}
			hi = want
		}
		runs = append(runs, hi-lo)
		lo = hi
		// Merge while the stack's lengths do not shrink fast enough.
		for len(runs) > 1 {
			k := len(runs)
			if runs[k-2] > 2*runs[k-1] && lo < n {
				break
			}
			mid := lo - runs[k-1]
			if err := s.merge(mid-runs[k-2], mid, lo); err != nil {
				return err
			}
			runs[k-2] += runs[k-1]
			runs = runs[:k-1]
		}
	}
	return nil
}

// countRun finds the end of the run at lo. A strictly falling run is turned
// round, which keeps the sort stable.
func (s *sorter) countRun(lo, n int) (int, error) {
	hi := lo + 1
	if hi == n {
		return hi, nil
	}
	falling, err := s.less(&s.items[hi], &s.items[lo])
	if err != nil {
		return 0, err
	}
	for hi++; hi < n; hi++ {
		less, err := s.less(&s.items[hi], &s.items[hi-1])
		if err != nil {
			return 0, err
		}
		if less != falling {
			break
		}
	}
	if falling {
		slices.Reverse(s.items[lo:hi])
	}
	return hi, nil
}

// insert extends the sorted items[lo:mid] to items[lo:hi].
func (s *sorter) insert(lo, mid, hi int) error {
	for i := mid; i < hi; i++ {
		left, right := lo, i
		for left < right {
			m := int(uint(left+right) >> 1)
			less, err := s.less(&s.items[i], &s.items[m])
			if err != nil {
				return err
			}
			if less {
				right = m
			} else {
				left = m + 1
			}
		}
		it := s.items[i]
		copy(s.items[left+1:i+1], s.items[left:i])
		s.items[left] = it
	}
	return nil
}

// merge merges items[lo:mid] and items[mid:hi]. When a comparison fails, every
// item is still there once, in some order.
func (s *sorter) merge(lo, mid, hi int) error {
	less, err := s.less(&s.items[mid], &s.items[mid-1])
	if err != nil || !less {
		return err
	}
	s.spare = append(s.spare[:0], s.items[lo:mid]...)
	a, b, out := 0, mid, lo
	for a < len(s.spare) && b < hi {
		less, err := s.less(&s.items[b], &s.spare[a])
		if err != nil {
			copy(s.items[out:], s.spare[a:])
			return err
		}
		if less {
			s.items[out] = s.items[b]
			b++
		} else {
			s.items[out] = s.spare[a]
			a++
		}
		out++
	}
	copy(s.items[out:], s.spare[a:])
	return nil
}

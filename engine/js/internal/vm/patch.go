package vm

import (
	"fmt"
	_ "unsafe" // for go:linkname

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// The engine makes the methods of its built-in objects from static tables.
// Some methods must behave differently here; they are replaced in the tables,
// once for the process and before the first runtime, which costs a runtime
// nothing. What is replaced:
//
//   - Array.prototype's generic methods refuse lengths above 2^26: their loops
//     over holes never poll for an interrupt, and 2^53 steps are forever.
//   - sort and toSorted are adaptive, of arrays and typed arrays (sort.go).
//   - localeCompare collates (collate.go).
//   - JSON.parse and JSON.stringify say what is wrong with a value that is
//     nested too deeply.
//   - What a WeakRef was made of or gave stays alive in the turn (weakref.go).
//   - String searches refuse a long needle in a long text: the engine's search
//     is quadratic and never polls.
//   - BigInt.asUintN and asIntN are right for negative numbers (bigint.go).
//   - return() of iterator helpers does not need one below (mend.go).
//   - The values of lazy properties can be the host's (lazy.go).
//   - then, and next of async generators, carry the context (context.go).
//   - Date.now and Math.random can be driven by the host (clock.go).

//go:linkname arrayProtoFuncs modernc.org/libquickjs._js_array_proto_funcs
var arrayProtoFuncs [40]lib.TJSCFunctionListEntry

//go:linkname arrayFuncs modernc.org/libquickjs._js_array_funcs
var arrayFuncs [4]lib.TJSCFunctionListEntry

//go:linkname iteratorProtoFuncs modernc.org/libquickjs._js_iterator_proto_funcs
var iteratorProtoFuncs [13]lib.TJSCFunctionListEntry

//go:linkname stringProtoFuncs modernc.org/libquickjs._js_string_proto_funcs
var stringProtoFuncs [50]lib.TJSCFunctionListEntry

//go:linkname stringFuncs modernc.org/libquickjs._js_string_funcs
var stringFuncs [3]lib.TJSCFunctionListEntry

//go:linkname mathFuncs modernc.org/libquickjs._js_math_funcs
var mathFuncs [46]lib.TJSCFunctionListEntry

//go:linkname dateFuncs modernc.org/libquickjs._js_date_funcs
var dateFuncs [3]lib.TJSCFunctionListEntry

//go:linkname typedArrayProtoFuncs modernc.org/libquickjs._js_typed_array_base_proto_funcs
var typedArrayProtoFuncs [36]lib.TJSCFunctionListEntry

//go:linkname jsonFuncs modernc.org/libquickjs._js_json_funcs
var jsonFuncs [5]lib.TJSCFunctionListEntry

//go:linkname weakRefProtoFuncs modernc.org/libquickjs._js_weakref_proto_funcs
var weakRefProtoFuncs [2]lib.TJSCFunctionListEntry

//go:linkname normalizeFuncs modernc.org/libquickjs._js_string_proto_normalize
var normalizeFuncs [2]lib.TJSCFunctionListEntry

//go:linkname bigintFuncs modernc.org/libquickjs._js_bigint_funcs
var bigintFuncs [2]lib.TJSCFunctionListEntry

// native is a function of the engine as it was before we replaced it.
type native struct {
	name  string
	fn    uintptr
	magic int32
	kind  uint8
}

// call calls the engine's own function.
func (n *native) call(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr) lib.TJSValue {
	if n.kind == lib.EJS_CFUNC_generic_magic {
		f := asFunc[func(*libc.TLS, uintptr, lib.TJSValue, int32, uintptr, int32) lib.TJSValue](&n.fn)
		return f(tls, ctx, this, argc, argv, n.magic)
	}
	f := asFunc[func(*libc.TLS, uintptr, lib.TJSValue, int32, uintptr) lib.TJSValue](&n.fn)
	return f(tls, ctx, this, argc, argv)
}

// replacements holds the engine's functions by the magic that their
// replacement is called with. Written once, by patchEngine.
var replacements []native

type wrapper = func(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue

// replace puts f in the place of the functions called names.
func replace(table []lib.TJSCFunctionListEntry, f uintptr, names ...string) error {
	for _, name := range names {
		found := false
		for i := range table {
			e := &table[i]
			if libc.GoString(e.Fname) != name {
				continue
			}
			fu := &e.Fu.Ffunc1
			if e.Fdef_type != lib.MJS_DEF_CFUNC || fu.Fcproto > lib.EJS_CFUNC_generic_magic && fu.Fcproto != lib.EJS_CFUNC_iterator_next {
				return fmt.Errorf("%w: %s is not a plain function", ErrEngine, name)
			}
			replacements = append(replacements, native{name, fu.Fcfunc.Fgeneric, int32(e.Fmagic), fu.Fcproto})
			fu.Fcproto = lib.EJS_CFUNC_generic_magic
			fu.Fcfunc.Fgeneric = f
			e.Fmagic = int16(len(replacements) - 1)
			found = true
			break
		}
		if !found {
			return fmt.Errorf("%w: it has no function %s", ErrEngine, name)
		}
	}
	return nil
}

func patchEngine() error {
	patchAutoInit()
	for _, p := range []struct {
		table []lib.TJSCFunctionListEntry
		f     wrapper
		names []string
	}{
		{arrayProtoFuncs[:], guardLength, []string{
			"concat", "copyWithin", "every", "fill", "filter", "find", "findIndex", "findLast", "findLastIndex", "flat",
			"flatMap", "forEach", "includes", "indexOf", "join", "lastIndexOf", "map", "reduce", "reduceRight", "reverse",
			"shift", "slice", "some", "splice", "toLocaleString", "toReversed", "toSpliced", "unshift", "with",
		}},
		{arrayProtoFuncs[:], arraySort, []string{"sort"}},
		{arrayProtoFuncs[:], arrayToSorted, []string{"toSorted"}},
		{arrayFuncs[:], guardArgument, []string{"from"}},
		{typedArrayProtoFuncs[:], typedSort, []string{"sort", "toSorted"}},
		{stringFuncs[:], guardArgument, []string{"raw"}},
		{stringProtoFuncs[:], guardSearch, []string{"indexOf", "lastIndexOf", "includes", "split", "replace", "replaceAll"}},
		{iteratorHelperFuncs[:], helperReturn, []string{"return"}},
		{iteratorProtoFuncs[:], guardDrop, []string{"drop"}},
		{normalizeFuncs[:], localeCompare, []string{"localeCompare"}},
		{jsonFuncs[:], guardDepth, []string{"parse", "stringify"}},
		{weakRefProtoFuncs[:], weakDeref, []string{"deref"}},
		{mathFuncs[:], mathRandom, []string{"random"}},
		{dateFuncs[:], dateNow, []string{"now"}},
		{promiseProtoFuncs[:], promiseThen, []string{"then"}},
		{asyncGeneratorProtoFuncs[:], generatorNext, []string{"next", "return", "throw"}},
		{bigintFuncs[:], bigintWrap, []string{"asUintN", "asIntN"}},
	} {
		if err := replace(p.table, fp(p.f), p.names...); err != nil {
			return err
		}
	}
	return nil
}

const (
	// maxGenericLength is the longest array-like that a generic array method
	// walks. A real array this long does not fit any sane memory limit.
	maxGenericLength = 1 << 26
	// maxSearchWork bounds length of text times length of needle.
	maxSearchWork = 1 << 33
)

// guardLength refuses a this that is too long for a loop that cannot be
// interrupted.
func guardLength(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	n := &replacements[magic]
	r := runtimeOf(ctx)
	if !r.lengthOK(Value{this}, n.name) {
		return exception.js
	}
	if n.name == "concat" {
		for i := range uintptr(argc) {
			if a := *at[Value](argv + i*uintptr(valueSize)); a.IsObject() && !r.lengthOK(a, n.name) {
				return exception.js
			}
		}
	}
	return n.call(tls, ctx, this, argc, argv)
}

// guardArgument is guardLength for the first argument.
func guardArgument(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	n := &replacements[magic]
	r := runtimeOf(ctx)
	if argc > 0 {
		v := *at[Value](argv)
		if n.name == "raw" && v.IsObject() {
			raw, err := r.Get(v, keyRaw)
			if err != nil {
				return r.throwInEngine(err)
			}
			ok := r.lengthOK(raw, n.name)
			r.Free(raw)
			if !ok {
				return exception.js
			}
		} else if !r.lengthOK(v, n.name) {
			return exception.js
		}
	}
	return n.call(tls, ctx, this, argc, argv)
}

var (
	keyRaw    = Intern("raw")
	keyLength = Intern("length")
)

// lengthOK reports whether v is short enough, and throws if not. A getter
// called length runs, here and again in the method: it may answer differently,
// which is what the watchdog's last resort is for.
func (r *Runtime) lengthOK(v Value, method string) bool {
	n, ok := r.plainLength(v)
	if !ok {
		var err error
		if n, err = r.lengthOf(v); err != nil {
			r.throwInEngine(err)
			return false
		}
	}
	if n <= maxGenericLength {
		return true
	}
	r.throwInEngine(RangeError("Invalid array length: %s is limited to 2^26 elements", method))
	return false
}

// plainLength is the length of a true array, and 0 for values whose length is
// bounded by memory.
func (r *Runtime) plainLength(v Value) (float64, bool) {
	c := r.classOf(v)
	switch {
	case c == lib.EJS_CLASS_ARRAY:
		// An array's first property is its length.
		n, ok := at[Value](at[lib.TJSObject](v.ptr()).Fprop).Float64()
		return n, ok
	case c >= lib.EJS_CLASS_UINT8C_ARRAY && c < lib.EJS_CLASS_DATAVIEW, !v.IsObject():
		return 0, true
	}
	return 0, false
}

func (r *Runtime) lengthOf(v Value) (float64, error) {
	l, err := r.Get(v, keyLength)
	if err != nil {
		return 0, err
	}
	n, err := r.ToFloat64(l)
	r.Free(l)
	if !(n > 0) {
		n = 0
	}
	return n, err
}

// guardSearch refuses a search that could take minutes.
func guardSearch(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	n := &replacements[magic]
	if argc > 0 {
		r := runtimeOf(ctx)
		text, needle := r.StringLen(Value{this}), r.StringLen(*at[Value](argv))
		if int64(text)*int64(needle) > maxSearchWork && needle > 1<<12 {
			return r.throwInEngine(RangeError("String.prototype.%s: a text of %d units is too long to search for %d units", n.name, text, needle))
		}
	}
	return n.call(tls, ctx, this, argc, argv)
}

// guardDrop refuses to skip more elements than an array may have: skipping
// does not poll.
func guardDrop(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	if argc > 0 {
		if f, ok := at[Value](argv).Float64(); ok && f > maxGenericLength {
			return runtimeOf(ctx).throwInEngine(RangeError("Iterator.prototype.drop is limited to 2^26 elements"))
		}
	}
	return replacements[magic].call(tls, ctx, this, argc, argv)
}

// guardDepth makes the engine's overflow of its stack in JSON an error that
// says what it is about.
func guardDepth(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	n := &replacements[magic]
	v := n.call(tls, ctx, this, argc, argv)
	if v.Ftag != tagException {
		return v
	}
	r := runtimeOf(ctx)
	if r.turn.hit || r.heap.refused {
		return v
	}
	if err := r.nestedTooDeeply("JSON." + n.name); err != nil {
		return r.throwInEngine(err)
	}
	return v
}

// nestedTooDeeply takes the pending exception if it is the overflow of the
// engine's stack, which JSON.parse calls a SyntaxError, and returns one that
// says so. It returns nil, and leaves the exception pending, if it is another.
func (r *Runtime) nestedTooDeeply(what string) error {
	e := Value{lib.XJS_GetException(r.tls, r.ctx)}
	if r.classOf(e) != lib.EJS_CLASS_ERROR || r.textOf(e, keyMessage) != "stack overflow" {
		lib.XJS_Throw(r.tls, r.ctx, e.js)
		return nil
	}
	r.Free(e)
	return RangeError("%s: the value is nested too deeply: a few thousand levels are the most", what)
}

package value

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// TestKinds has a line for every kind of value: what it is in Go, its bytes, and how it is shown.
func TestKinds(t *testing.T) {
	date := time.Date(2026, 11, 24, 6, 0, 0, 123_000_000, time.UTC)
	buffer := &ArrayBuffer{Bytes: []byte{1, 2, 3, 4}}
	tests := []struct {
		v     any
		bytes string // "" is not compared
		text  string
	}{
		{nil, "f6", "null"},
		{Undefined{}, "f7", "undefined"},
		{true, "f5", "true"},
		{int64(-7), "26", "-7"},
		{int64(1 << 60), "1b1000000000000000", "1152921504606846976n"},
		{1.5, "f93e00", "1.5"},
		{math.Copysign(0, -1), "f98000", "-0"},
		{math.Inf(-1), "f9fc00", "-Infinity"},
		{1e21, "", "1e+21"},
		{1e-7, "", "1e-7"},
		{new(big.Int).Lsh(big.NewInt(-1), 70), "", "-1180591620717411303424n"},
		{"héllo\n", "67 68c3a96c6c6f0a", `"héllo\n"`},
		{WTF8("\xed\xa0\x80x"), "d90111 44 eda080 78", `"\ud800x"`},
		{[]byte{0xde, 0xad}, "42 dead", "Uint8Array(2)[dead]"},
		{date, "", "Date(2026-11-24T06:00:00.123Z)"},
		{time.Unix(0, 0).UTC(), "c100", "Date(1970-01-01T00:00:00.000Z)"},
		{InvalidDate{}, "c1 f97e00", "Date(invalid)"},
		{RegExp{"a/b", "gi"}, "d9524a 82 63612f62 626769", "/a/b/gi"},
		{[]any{int64(1), nil, "x"}, "83 01 f6 6178", `[1, null, "x"]`},
		{[]any{}, "80", "[]"},
		{map[string]any{"a b": int64(1)}, "a1 63612062 01", `{"a b": 1}`},
		{map[string]any{}, "a0", "{}"},
		{Set{int64(1), "a"}, "d90102 82 01 6161", `Set{1, "a"}`},
		{Web{"Blob", "a/b", []byte{1}}, "da65766c07 83 64426c6f62 63612f62 41 01", `Web["Blob", "a/b", Uint8Array(1)[01]]`},
		{Map{{int64(1), "one"}, {math.NaN(), nil}}, "d90103 a2 01 636f6e65 f97e00 f6", `Map{1 => "one", NaN => null}`},
		{Boxed{"s"}, "da65766c04 6173", `Object("s")`},
		{Boxed{false}, "da65766c04 f4", `Object(false)`},
		{&Array{Length: 5, Elements: []Element{{1, "b"}}, Named: []Property{{"x", true}}}, "da65766c03 82 05 a2 01 6162 6178 f5", `Array(5){1: "b", x: true}`},
		{buffer, "da65766c01 44 01020304", "ArrayBuffer(4)[01020304]"},
		{&ArrayBuffer{Bytes: []byte{1}, MaxByteLength: 8, Resizable: true}, "da65766c01 82 41 01 08", "ArrayBuffer(1)[01]"},
		{TypedArray{Uint16Array, []byte{1, 0, 0, 1}}, "d845 44 01000001", "Uint16Array(2)[1, 256]"},
		{TypedArray{Int8Array, []byte{0xff, 1}}, "d848 42 ff01", "Int8Array(2)[-1, 1]"},
		{TypedArray{BigInt64Array, bytes.Repeat([]byte{0xff}, 8)}, "", "BigInt64Array(1)[-1n]"},
		{TypedArray{BigUint64Array, bytes.Repeat([]byte{0xff}, 8)}, "", "BigUint64Array(1)[18446744073709551615n]"},
		{TypedArray{Float16Array, []byte{0, 0x3c}}, "d854 42 003c", "Float16Array(1)[1]"},
		{TypedArray{Float32Array, []byte{0, 0, 0xc0, 0x3f}}, "d855 44 0000c03f", "Float32Array(1)[1.5]"},
		{TypedArray{Float64Array, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}}, "", "Float64Array(1)[1.5]"},
		{TypedArray{Uint8ClampedArray, []byte{255}}, "d844 41 ff", "Uint8ClampedArray(1)[255]"},
		{&View{DataView, buffer, 1, 2, false}, "da65766c02 84 00 da65766c01 44 01020304 01 02", "DataView(ArrayBuffer(4)[01020304], 1, 2)"},
		{&View{Uint16Array, buffer, 2, 2, true}, "da65766c02 84 1845 da65766c01 44 01020304 02 f6", "Uint16Array(ArrayBuffer(4)[01020304], 2)"},
		{
			&Error{Name: "TypeError", Message: "no", Stack: "at x", Cause: Undefined{}, HasCause: true, Properties: []Property{{"code", int64(7)}}}, "",
			`TypeError{message: "no", stack: "at x", cause: undefined, code: 7}`,
		},
	}
	for _, tt := range tests {
		data, err := Marshal(tt.v)
		if err != nil {
			t.Errorf("%#v: %v", tt.v, err)
			continue
		}
		if tt.bytes != "" && !bytes.Equal(data, unhex(t, tt.bytes)) {
			t.Errorf("%#v: %x, want %s", tt.v, data, tt.bytes)
		}
		if got := Format(data); got != tt.text {
			t.Errorf("%#v: %s, want %s", tt.v, got, tt.text)
		}
		var back any
		if err := Unmarshal(data, &back); err != nil || !equal(back, tt.v) {
			t.Errorf("%x: %#v, %v, want %#v", data, back, err, tt.v)
		}
		if err := Validate(data); err != nil {
			t.Errorf("%x: not valid: %v", data, err)
		}
		// The same within a struct, by way of the CBOR library: written the same, and read into its own type.
		within, err := Marshal(struct {
			V any `cbor:"v"`
		}{tt.v})
		if err != nil || !bytes.Equal(within, append(unhex(t, "a1 6176"), data...)) {
			t.Errorf("%#v within a struct: %x, want a16176%x; %v", tt.v, within, data, err)
		}
		if tt.v == nil {
			continue
		}
		own := reflect.New(reflect.TypeOf(tt.v))
		got := func() any { return own.Elem().Interface() }
		if typ := reflect.TypeOf(tt.v); typ.Kind() == reflect.Pointer && typ != reflect.TypeFor[*big.Int]() {
			own = reflect.New(typ.Elem())
			got = own.Interface
		}
		if err := Unmarshal(data, own.Interface()); err != nil || !equal(got(), tt.v) {
			t.Errorf("%x into its own type: %#v, %v, want %#v", data, got(), err, tt.v)
		}
		if !testing.Short() {
			for n := range data {
				var v any
				if err := Unmarshal(data[:n], &v); !errors.Is(err, ErrTruncated) {
					t.Errorf("%#v cut at %d of %d: %v", tt.v, n, len(data), err)
				}
			}
		}
	}
}

// equal is DeepEqual that takes NaN for itself and big.Ints by value.
func equal(a, b any) bool {
	return fmt.Sprintf("%#v", plain(a)) == fmt.Sprintf("%#v", plain(b))
}

// plain replaces pointers, whose addresses would differ, by what they point at.
func plain(v any) any {
	switch v := v.(type) {
	case *big.Int:
		return v.String()
	case *View:
		return []any{v.Kind, *v.Buffer, v.Offset, v.Length, v.Tracking}
	case *ArrayBuffer:
		return *v
	case *Array:
		return *v
	case *Error:
		return *v
	case float64:
		return math.Float64bits(v)
	}
	return v
}

type inner struct {
	Name string    `cbor:"name"`
	At   time.Time `cbor:"at"`
	Tags []string  `cbor:"tags,omitempty"`
}

type args struct {
	N        int              `cbor:"n"`
	F        float64          `cbor:"f"`
	S        string           `cbor:"s"`
	B        []byte           `cbor:"b"`
	Big      *big.Int         `cbor:"big"`
	Inner    *inner           `cbor:"inner"`
	Any      any              `cbor:"any"`
	Set      Set              `cbor:"set"`
	ByNumber map[int]string   `cbor:"byNumber"`
	ByName   map[string]inner `cbor:"byName"`
	Array    TypedArray       `cbor:"array"`
	Gone     *string          `cbor:"gone"`
	Err      *Error           `cbor:"err"`
	Skipped  string           `cbor:"-"`
}

func TestStruct(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	in := args{
		N: 7, F: 0.1, S: "s", B: []byte{1, 2}, Big: big.NewInt(-9), Inner: &inner{"i", at, []string{"x"}},
		Any: map[string]any{"list": []any{int64(1), "two", at}}, Set: Set{"a"}, ByNumber: map[int]string{1: "one"},
		ByName: map[string]inner{"k": {Name: "n", At: at}}, Array: TypedArray{Float64Array, make([]byte, 16)},
		Err: &Error{Name: "RangeError", Message: "far", Properties: []Property{}}, Skipped: "no",
	}
	data, err := Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{n: 7, f: 0.1, s: "s", b: Uint8Array(2)[0102], big: -9n, ` +
		`inner: {name: "i", at: Date(2026-01-02T03:04:05.678Z), tags: ["x"]}, any: {list: [1, "two", Date(2026-01-02T03:04:05.678Z)]}, ` +
		`set: Set{"a"}, byNumber: Map{1 => "one"}, byName: {k: {name: "n", at: Date(2026-01-02T03:04:05.678Z)}}, ` +
		`array: Float64Array(2)[0, 0], gone: null, err: RangeError{message: "far"}}`
	if got := Format(data); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	var out args
	if err := Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	in.Skipped = ""
	in.Err.Properties = nil
	if !reflect.DeepEqual(in, out) {
		t.Errorf("%+v\nwant\n%+v", out, in)
	}
}

// TestTyped reads what JavaScript writes into the Go types that one would declare for it.
func TestTyped(t *testing.T) {
	type object struct {
		A any            `cbor:"a"`
		L []any          `cbor:"l"`
		M map[string]any `cbor:"m"`
	}
	shared := func() []byte {
		var sh Sharing
		dst := AppendArrayHeader(nil, 2)
		at := len(dst)
		dst = AppendInt(AppendString(AppendMapHeader(dst, 1), "n"), 1)
		return sh.Finish(sh.AppendRef(dst, at))
	}()
	twoViews := func() []byte {
		var sh Sharing
		dst := AppendViewHeader(AppendArrayHeader(nil, 2), Uint8Array)
		at := len(dst)
		dst = AppendInt(AppendInt(AppendArrayBuffer(dst, []byte{1, 2, 3, 4}), 1), 2)
		dst = sh.AppendRef(AppendViewHeader(dst, DataView), at)
		return sh.Finish(AppendInt(AppendInt(dst, 0), 4))
	}()
	tests := []struct {
		name string
		data []byte
		into any
		want any
	}{
		{"integer into a float", AppendInt(nil, 3), new(float64), 3.0},
		{"whole float into an int", AppendNumber(nil, 3), new(int), 3},
		{"integer into an int8", AppendInt(nil, -3), new(int8), int8(-3)},
		{"BigInt into an int64", AppendBigInt64(nil, 5), new(int64), int64(5)},
		{"large integer into a big.Int", AppendInt(nil, 1<<60), new(big.Int), *big.NewInt(1 << 60)},
		{"undefined into a pointer", AppendUndefined(nil), new(*int), (*int)(nil)},
		{"boxed number", AppendInt(AppendTag(nil, TagBoxed), 4), new(int), 4},
		{"lone surrogate into a string", AppendUTF16(nil, []uint16{'a', 0xd800}), new(string), "a\uFFFD"},
		{"lone surrogate into WTF8", AppendUTF16(nil, []uint16{'a', 0xd800}), new(WTF8), WTF8("a\xed\xa0\x80")},
		{"Date", AppendDate(nil, 1732428000123), new(time.Time), time.UnixMilli(1732428000123).UTC()},
		{"invalid Date", AppendDate(nil, math.NaN()), new(time.Time), time.Time{}},
		{"Map into a map", AppendString(AppendInt(AppendMapHeader(AppendTag(nil, TagMap), 1), 1), "x"), new(map[int]string), map[int]string{1: "x"}},
		{"Map into map[any]any", AppendString(AppendInt(AppendMapHeader(AppendTag(nil, TagMap), 1), 1), "x"), new(map[any]any), map[any]any{int64(1): "x"}},
		{"Set into a slice", AppendInt(AppendArrayHeader(AppendTag(nil, TagSet), 1), 2), new([]int), []int{2}},
		{"ArrayBuffer into bytes", AppendArrayBuffer(nil, []byte{1}), new([]byte), []byte{1}},
		{"typed array into bytes", AppendTypedArray(nil, Int16Array, []byte{1, 2}), new([]byte), []byte{1, 2}},
		{"views of one buffer", twoViews, new([][]byte), [][]byte{{2, 3}, {1, 2, 3, 4}}},
		{"views of one buffer into Views", twoViews, new([]View), []View{
			{Uint8Array, &ArrayBuffer{Bytes: []byte{2, 3}}, 0, 2, false}, {Uint8Array, &ArrayBuffer{Bytes: []byte{1, 2, 3, 4}}, 0, 4, false},
		}},
		{"shared object", shared, new([]struct {
			N int `cbor:"n"`
		}), []struct {
			N int `cbor:"n"`
		}{{1}, {1}}},
		{"array with holes", unhex(t, "da65766c03 82 03 a2 01 05 6178 f5"), new([]int), []int{0, 5, 0}},
		{"array into an Array", unhex(t, "81 05"), new(Array), Array{Length: 1, Elements: []Element{{0, int64(5)}}}},
		{"object that keeps its order", unhex(t, "a2 6162 01 6161 02"), new(Object), Object{{"b", int64(1)}, {"a", int64(2)}}},
		{
			"typed arrays in anys", unhex(t, "a3 6161 d84542 0100 616c 81 d840 4107 616d a1 6178 d845420200"), new(object),
			object{TypedArray{Uint16Array, []byte{1, 0}}, []any{[]byte{7}}, map[string]any{"x": TypedArray{Uint16Array, []byte{2, 0}}}},
		},
		{"view in an any", unhex(t, "a1 6161 da65766c02 84 1845 da65766c01 44 01020304 02 02"), new(object), object{A: TypedArray{Uint16Array, []byte{3, 4}}}},
		{"Date before the year 0", AppendDate(nil, -8e14), new(time.Time), time.UnixMilli(-8e14).UTC()},
	}
	for _, tt := range tests {
		if err := Unmarshal(tt.data, tt.into); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := reflect.ValueOf(tt.into).Elem().Interface()
		if at, ok := got.(time.Time); ok {
			got = at.UTC()
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %#v, want %#v", tt.name, got, tt.want)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		data string
		err  error
	}{
		"unknown tag":                  {"d9ffff 01", ErrUnsupported},
		"self-described":               {"d9d9f7 01", ErrUnsupported},
		"object with a number as name": {"a1 01 02", ErrMalformed},
		"typed array of odd length":    {"d845 43 010203", ErrMalformed},
		"view beyond its buffer":       {"da65766c02 84 1840 da65766c01 41 01 00 02", ErrMalformed},
		"view that is not aligned":     {"da65766c02 84 1845 da65766c01 44 01020304 01 02", ErrMalformed},
		"view of an unknown kind":      {"da65766c02 84 1841 da65766c01 41 01 00 01", ErrMalformed},
		"view of no buffer":            {"da65766c02 84 1840 41 01 00 01", ErrMalformed},
		"index beyond the length":      {"da65766c03 82 01 a1 01 00", ErrMalformed},
		"name before an index":         {"da65766c03 82 05 a2 6161 00 01 00", ErrMalformed},
		"indexes out of order":         {"da65766c03 82 05 a2 02 00 01 00", ErrMalformed},
		"boxed object":                 {"da65766c04 a0", ErrMalformed},
		"Web over a map":               {"da65766c07 a0", ErrMalformed},
		"Set over a map":               {"d90102 a0", ErrMalformed},
		"Map over an array":            {"d90103 80", ErrMalformed},
		"BigInt over text":             {"c2 6161", ErrMalformed},
		"Date over text":               {"c1 6161", ErrMalformed},
		"text that is no date":         {"c0 6161", ErrMalformed},
		"RegExp of one part":           {"d9524a 81 6161", ErrMalformed},
		"buffer longer than its most":  {"da65766c01 82 42 0102 01", ErrMalformed},
	} {
		data := unhex(t, tt.data)
		var v any
		err := Unmarshal(data, &v)
		var e *FormatError
		if !errors.Is(err, tt.err) || !errors.As(err, &e) {
			t.Errorf("%s: %v, %v, want %v", name, v, err, tt.err)
		}
		if got := Validate(data); got == nil || got.Error() != err.Error() {
			t.Errorf("%s: Validate says %v, Unmarshal %v", name, got, err)
		}
		if text := Format(data); !strings.Contains(text, "<value: ") && tt.err == ErrUnsupported {
			t.Errorf("%s: shown as %s", name, text)
		}
	}
	// Into a struct unknown tags are refused as well, wherever they are.
	if err := Unmarshal(unhex(t, "a1 6161 81 d9ffff 01"), &struct{}{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("unknown tag into a struct: %v", err)
	}
	if err := Unmarshal(AppendSparseArrayHeader(nil, 1<<20, 0), new([]int)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("an array of a million holes: %v", err)
	}
	if err := Unmarshal(unhex(t, "a1 6161 6162"), &struct {
		A int `cbor:"a"`
	}{}); err == nil || !strings.HasPrefix(err.Error(), "value: unmarshal into *struct") {
		t.Errorf("wrong type: %v", err)
	}
}

type node struct {
	Next *node `cbor:"next"`
	Any  any   `cbor:"any"`
}

func TestMarshalRefuses(t *testing.T) {
	cycle := &node{}
	cycle.Next = cycle
	through := &node{}
	through.Any = []any{map[string]any{"x": through}}
	self := []any{nil}
	self[0] = self
	set := Set{nil}
	set[0] = node{Any: set}
	for name, tt := range map[string]struct {
		v   any
		err error
	}{
		"cycle of structs":           {cycle, ErrTooDeep},
		"cycle through anys":         {through, ErrTooDeep},
		"cycle of slices":            {self, ErrTooDeep},
		"cycle through a Set":        {set, ErrTooDeep},
		"string":                     {"\xff", ErrMalformed},
		"name":                       {map[string]any{"\xff": 1}, ErrMalformed},
		"string in a struct":         {struct{ S string }{"\xff"}, ErrMalformed},
		"WTF8":                       {WTF8("\xff"), ErrMalformed},
		"boxed slice":                {Boxed{[]any{}}, ErrUnsupported},
		"view without a buffer":      {View{Kind: Uint8Array}, ErrMalformed},
		"typed array of odd length":  {TypedArray{Uint16Array, []byte{1}}, ErrMalformed},
		"typed array of no kind":     {TypedArray{7, nil}, ErrMalformed},
		"element beyond the length":  {Array{Length: 1, Elements: []Element{{1, nil}}}, ErrMalformed},
		"elements out of order":      {Array{Length: 9, Elements: []Element{{1, nil}, {1, nil}}}, ErrMalformed},
		"more than the limit":        {make([]byte, MaxSize), ErrTooLarge},
		"tag that is not ours":       {struct{ V cbor.Tag }{cbor.Tag{Number: 1234, Content: 1}}, ErrUnsupported},
		"raw CBOR that misuses ours": {struct{ V cbor.RawMessage }{unhex(t, "d90102 a0")}, ErrMalformed},
		"cycle in a slice of a type": {[]*node{cycle}, ErrTooDeep},
	} {
		dst := []byte("before")
		got, err := Append(dst, tt.v)
		if !errors.Is(err, tt.err) || string(got) != "before" {
			t.Errorf("%s: %q, %v, want %v", name, truncate(got, 20), err, tt.err)
		}
	}
	if _, err := Marshal(func() {}); err == nil || !strings.Contains(err.Error(), "func()") {
		t.Errorf("function: %v", err)
	}
}

// TestBomb: shared items that double at every level must not be written out.
func TestBomb(t *testing.T) {
	var sh Sharing
	dst := AppendArrayHeader(nil, 31)
	at := len(dst)
	dst = AppendBytes(dst, make([]byte, 100))
	for range 30 {
		next := len(dst)
		dst = AppendArrayHeader(dst, 2)
		dst = sh.AppendRef(dst, at)
		dst = sh.AppendRef(dst, at)
		at = next
	}
	dst = sh.Finish(dst)
	if err := Unmarshal(dst, new([]any)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
	if _, err := decodeAny(dst); err != nil {
		t.Errorf("into an any it is small: %v", err)
	}
}

// TestManyViews: many small views of one large buffer must not cost a copy of it each.
func TestManyViews(t *testing.T) {
	const views = 20_000
	var sh Sharing
	dst := AppendArrayHeader(nil, views)
	buffer := 0
	for i := range views {
		dst = AppendViewHeader(dst, Uint8Array)
		if i == 0 {
			buffer = len(dst)
			dst = AppendArrayBuffer(dst, make([]byte, 1<<20))
		} else {
			dst = sh.AppendRef(dst, buffer)
		}
		dst = AppendInt(AppendInt(dst, 0), 1)
	}
	dst = sh.Finish(dst)
	var out [][]byte
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Unmarshal(dst, &out); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if len(out) != views || len(out[views-1]) != 1 {
		t.Errorf("%d views", len(out))
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
		t.Errorf("%d bytes are allocated for a value of %d", n, len(dst))
	}
}

func TestFormatIsBounded(t *testing.T) {
	long, err := Marshal(map[string]any{"text": strings.Repeat("é\x00", 5000), "list": make([]any, 5000)})
	if err != nil {
		t.Fatal(err)
	}
	deep := []byte(strings.Repeat("\x81\xd9\x01\x02\x81", 1000) + "\x01")
	for _, data := range [][]byte{long, deep, bytes.Repeat([]byte{0x9b, 0, 0, 0, 0, 0, 0, 0, 9}, 50)} {
		for limit := range 200 {
			got := AppendFormat([]byte("x"), data, limit)
			if len(got) > limit+1 || got[0] != 'x' || !strings.HasPrefix(strings.ToValidUTF8(string(got), "!"), string(got)) {
				t.Fatalf("limit %d: %d bytes: %q", limit, len(got), got)
			}
		}
		if got := Format(data); len(got) > MaxFormat {
			t.Errorf("%d bytes", len(got))
		}
	}
	for _, head := range []string{"\x81", "\xd9\x01\x02\x81", "\xa1\x61a", "\xd9\x01\x03\xa1\x01"} {
		got := Format([]byte(strings.Repeat(head, 100) + "\x01"))
		if n := strings.Count(got, "[") + strings.Count(got, "{"); n > formatDepth+1 || n < formatDepth/2 || !strings.Contains(got, "…") || strings.Contains(got, "<") {
			t.Errorf("%x: %d levels are shown: %s", head, n, got)
		}
	}
	if got := Format(long); !strings.HasSuffix(got, "…") {
		t.Errorf("%q", got[len(got)-20:])
	}
	if got := Format([]byte{0x82, 0x01}); got != "[1,  <value: array of 2, but only 1 bytes are left, at offset 0>" && !strings.Contains(got, "<value: ") {
		t.Errorf("%q", got)
	}
}

func TestErrorIsAnError(t *testing.T) {
	base := &Error{Name: "Error", Message: "base"}
	e := &Error{Name: "TypeError", Message: "m", Cause: base, HasCause: true}
	if e.Error() != "TypeError: m" || !errors.Is(e, base) {
		t.Errorf("%v", e)
	}
	if got := (&Error{Name: "Error"}).Error(); got != "Error" {
		t.Error(got)
	}
}

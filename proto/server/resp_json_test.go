package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"everloop/engine/value"
	"everloop/proto/resp"
)

func TestJSONArguments(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{`1`, `1`},
		{` [ 1 , -2.5e3 , -0 , 1e400 , 9007199254740993, 123456789012345 ] `, `[1, -2500, -0, Infinity, 9007199254740992, 123456789012345]`},
		{`{"a":{},"b":[],"":null,"c":[true,false]}`, `{a: {}, b: [], "": null, c: [true, false]}`},
		{`"\u00e9\n\t\"\\\/\b\f\r\ud83d\ude00"`, "\"é\\n\\t\\\"\\\\/\\u0008\\u000c\\r😀\""},
		{`"\ud83d"`, `"\ud83d"`},
		{`"\ude00\ud83d"`, `"\ude00\ud83d"`},
		{`"\ud83dx"`, `"\ud83dx"`},
		{`{"a":1,"b":2,"a":3}`, `{b: 2, a: 3}`},
		{`{"a":{"x":[1]},"\u0061":{"y":[[2]]},"c":[4]}`, `{a: {y: [[2]]}, c: [4]}`},
		{`{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"1":10}`, `{"2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7, "8": 8, "9": 9, "1": 10}`},
		{`{"\u0061":1,"\u0062":2,"b":3}`, `{a: 1, b: 3}`},
		{`{"k":[[1],{}],"2":{},"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":[9],"\u006b":{"k":[1],"k":[2]},"k":{"k":[[3]]}}`, `{"2": {}, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7, "8": 8, "9": [9], k: {k: [[3]]}}`},
		{`{"__proto__":{"x":1}}`, `{__proto__: {x: 1}}`},
		// What is wrong.
		{``, `! offset 0: the text ends where a value is wanted`},
		{`nul`, `! offset 0: a value is wanted`},
		{`[1,]`, `! offset 3: a value is wanted`},
		{`[1`, `! offset 2: the text ends where a comma or the end (]) is wanted`},
		{`{"a":1,}`, `! offset 7: a name is wanted`},
		{`{"a" 1}`, `! offset 5: a colon is wanted`},
		{`{a:1}`, `! offset 1: a name is wanted`},
		{`1 2`, `! offset 2: something stands behind the value`},
		{`01`, `! offset 0: a number does not begin with 0`},
		{`-`, `! offset 1: the text ends where a digit is wanted`},
		{`1.`, `! offset 2: the text ends where a digit is wanted`},
		{`1e+`, `! offset 3: the text ends where a digit is wanted`},
		{`.5`, `! offset 0: a value is wanted`},
		{`NaN`, `! offset 0: a value is wanted`},
		{`'a'`, `! offset 0: a value is wanted`},
		{`"a`, `! offset 2: the text ends within a string`},
		{"\"a\nb\"", `! offset 2: control characters in a string are written as escapes`},
		{`"ab\x"`, `! offset 3: there is no such escape`},
		{`"\u12g4"`, `! offset 1: \u is followed by four hexadecimal digits`},
		{"\"ab\xff\"", `! offset 3: the text is not UTF-8`},
		{"\"\xed\xa0\x80\"", `! offset 1: the text is not UTF-8`},
		{"\xef\xbb\xbf1", `! offset 0: a value is wanted`},
		{`[1] // no`, `! offset 4: something stands behind the value`},
	} {
		var r jsonReader
		b, err := r.append(nil, []byte(tc.in))
		got := value.Format(b)
		if err != nil {
			got = "! " + err.Error()
		} else if err := value.Validate(b); err != nil {
			t.Errorf("%s: %v", tc.in, err)
		}
		expect(t, tc.in, got, tc.want)
	}
}

func TestJSONDepth(t *testing.T) {
	nested := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	var r jsonReader
	b, err := r.append(nil, nested(maxJSONDepth))
	if err != nil {
		t.Fatal(err)
	}
	if text, _, err := appendJSON(nil, b); err != nil || !bytes.Equal(text, nested(maxJSONDepth)) {
		t.Errorf("it comes back as %d bytes, %v", len(text), err)
	}
	if _, err := r.append(nil, nested(maxJSONDepth+1)); err == nil {
		t.Error("one level more is taken")
	}
	deeper := append([]byte{0x81}, b...)
	if _, _, err := appendJSON(nil, deeper); err == nil {
		t.Error("one level more is answered in JSON")
	}
	native, _ := r.append(nil, nested(maxNativeDepth+1))
	if _, err := appendNative(nil, resp.V3, native); err == nil || !strings.Contains(err.Error(), "CLIENT ENCODING JSON") {
		t.Errorf("one level more is answered in types: %v", err)
	}
	if _, err := appendNative(nil, resp.V3, native[1:]); err != nil {
		t.Error(err)
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := value.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// encodedValue is a value that is encoded already.
type encodedValue []byte

// TestResults has a row for each of the table "Results" of docs/format/resp.md.
func TestResults(t *testing.T) {
	big19, _ := new(big.Int).SetString("-12345678901234567890", 10)
	buffer := &value.ArrayBuffer{Bytes: []byte{1, 2, 3, 4}}
	shared := map[string]any{"x": int64(1)}
	cycle := encodedValue{0xd8, 0x1c, 0x81, 0xd8, 0x1d, 0x00}
	for _, tc := range []struct {
		name         string
		v            any
		json, native string
	}{
		{"undefined", value.Undefined{}, "undefined", "_"},
		{"undefined inside", []any{value.Undefined{}, value.Object{{Name: "a", Value: value.Undefined{}}, {Name: "b", Value: int64(1)}}}, `[null,{"b":1}]`, "*2|_|%2|$1|a|_|$1|b|:1"},
		{"null", nil, "null", "_"},
		{"booleans", []any{true, false}, "[true,false]", "*2|#t|#f"},
		{"numbers", []any{int64(-5), 1.5, 1e21, 1e-7, math.Copysign(0, -1), 123456789.0}, "[-5,1.5,1e+21,1e-7,0,123456789]", "*6|:-5|,1.5|,1e+21|,1e-07|,-0|,123456789"},
		{"not finite", []any{math.NaN(), math.Inf(1), math.Inf(-1)}, "[null,null,null]", "*3|,nan|,inf|,-inf"},
		{"big", []any{big19, int64(math.MaxInt64)}, `["-12345678901234567890","9223372036854775807"]`, "*2|(-12345678901234567890|(9223372036854775807"},
		{"string", "a\"\\\b\f\n\r\té\x01", `"a\"\\\b\f\n\r\té\u0001"`, "$11|a\"\\\b\f\n\r\té\x01"},
		{"lone surrogates", value.WTF8("a\xed\xa0\xbd\xed\xb8"[:4]), `"a\ud83d"`, "$4|a\uFFFD"},
		{"date", time.Date(2026, 11, 24, 6, 0, 0, 5e6, time.UTC), `"2026-11-24T06:00:00.005Z"`, "$24|2026-11-24T06:00:00.005Z"},
		{"date far away", time.Date(-1, 1, 2, 0, 0, 0, 0, time.UTC), `"-000001-01-02T00:00:00.000Z"`, "$27|-000001-01-02T00:00:00.000Z"},
		{"invalid date", value.InvalidDate{}, "null", "_"},
		{"object", map[string]any{"a": []any{}}, `{"a":[]}`, "%1|$1|a|*0"},
		{"holes", &value.Array{Length: 3, Elements: []value.Element{{Index: 1, Value: "b"}}}, `[null,"b",null]`, "*3|_|$1|b|_"},
		{"map of strings", value.Map{{Key: "a", Value: int64(1)}}, `{"a":1}`, "%1|$1|a|:1"},
		{"map of others", value.Map{{Key: "a", Value: int64(1)}, {Key: int64(2), Value: value.Map{{Key: "k", Value: nil}}}}, `[["a",1],[2,{"k":null}]]`, "%2|$1|a|:1|:2|%1|$1|k|_"},
		{"set", value.Set{int64(1), "a"}, `[1,"a"]`, "~2|:1|$1|a"},
		{"bytes", []byte{1, 2, 255}, `"AQL/"`, "$3|\x01\x02\xff"},
		{"buffer", buffer, `"AQIDBA=="`, "$4|\x01\x02\x03\x04"},
		{"typed", value.TypedArray{Kind: value.Int16Array, Data: []byte{1, 0}}, `"AQA="`, "$2|\x01\x00"},
		{"view", &value.View{Kind: value.Uint8Array, Buffer: buffer, Offset: 1, Length: 2}, `"AgM="`, "$2|\x02\x03"},
		{"views of one buffer", []any{&value.View{Kind: value.Uint8Array, Buffer: buffer, Offset: 1, Length: 2}, &value.View{Kind: value.DataView, Buffer: buffer, Offset: 3, Length: 1}}, `["AgM=","BA=="]`, "*2|$2|\x02\x03|$1|\x04"},
		{"regexp", value.RegExp{Source: "a+", Flags: "gi"}, `"/a+/gi"`, "$6|/a+/gi"},
		{"error", &value.Error{Name: "TypeError", Message: "no", Stack: "at /home/x", Properties: []value.Property{{Name: "code", Value: int64(7)}}}, `{"message":"no","code":7,"name":"TypeError"}`, "%3|$7|message|$2|no|$4|code|:7|$4|name|$9|TypeError"},
		{"boxed", value.Boxed{Value: "s"}, `"s"`, "$1|s"},
		{"shared", []any{shared, shared, []any{shared}}, `[{"x":1},{"x":1},[{"x":1}]]`, "*3|%1|$1|x|:1|%1|$1|x|:1|*1|%1|$1|x|:1"},
		{"cycle", cycle, "! the result is a cycle: something in it refers to what it is in", "! the result is a cycle: something in it refers to what it is in"},
		{"web", value.Web{"Blob", "text/plain", []byte{1}}, "! the result has a Blob, which has no form here: ask for it with CLIENT ENCODING VALUE", "! the result has a Blob, which has no form here: ask for it with CLIENT ENCODING VALUE"},
	} {
		data, encoded := tc.v.(encodedValue)
		if !encoded {
			data = marshal(t, tc.v)
		}
		text, undefined, err := appendJSON([]byte("before"), data)
		got := string(bytes.TrimPrefix(text, []byte("before")))
		switch {
		case err != nil:
			got = "! " + err.Error()
		case undefined:
			got = "undefined"
		case !json.Valid([]byte(got)):
			t.Errorf("%s: no JSON: %s", tc.name, got)
		}
		expect(t, tc.name+" as JSON", got, tc.json)
		native, err := appendNative(nil, resp.V3, data)
		got = strings.TrimSuffix(strings.ReplaceAll(string(native), "\r\n", "|"), "|")
		if err != nil {
			got = "! " + err.Error()
		}
		expect(t, tc.name+" as types", got, tc.native)
	}
}

// TestResultsThatExplode: what is small as a value and without end when it is written out takes neither the memory nor the time, also where it is left out
// of the text.
func TestResultsThatExplode(t *testing.T) {
	// Each level is a shared item that stands in the one above it twice: once as it is, once as a reference (docs/format/value.md, "Shared objects").
	const levels = 40
	build := func(head []byte, between string, level func(number int) []byte) []byte {
		var b []byte
		for range levels {
			b = append(value.AppendTag(b, value.TagShared), head...)
		}
		b = append(value.AppendTag(b, value.TagShared), 0x80)
		for i := range levels {
			b = append(append(b, between...), level(levels-i)...)
		}
		return b
	}
	ref := func(n int) []byte { return value.AppendInt(value.AppendTag(nil, value.TagRef), int64(n)) }
	const tooOften = "the result has the same objects again and again: more than 200000 items or 8 MiB of them"
	text := append(value.AppendTag(nil, value.TagShared), marshal(t, []any{strings.Repeat("x", 1<<20)})...)
	bytesAgain := append(value.AppendArrayHeader(nil, 10), text...)
	// An array of length 0 with the name a.
	left := append(value.AppendSparseArrayHeader(value.AppendTag(nil, value.TagShared), 0, 1), append([]byte("\x61a"), marshal(t, strings.Repeat("x", 1<<20))...)...)
	leftAgain := append(value.AppendArrayHeader(nil, 10), left...)
	itemsAgain := append(value.AppendArrayHeader(nil, 250_001), value.AppendArrayHeader(value.AppendTag(nil, value.TagShared), 0)...)
	for range 9 {
		bytesAgain = append(bytesAgain, ref(0)...)
		leftAgain = append(leftAgain, ref(0)...)
	}
	for range 250_000 {
		itemsAgain = append(itemsAgain, ref(0)...)
	}
	// The members of each error are looked at before they are written, and the last of them is the next error.
	nested := marshal(t, strings.Repeat("x", 4<<20))
	for range 20 {
		nested = append(value.AppendErrorHeader(nil, "Error", 1), append([]byte("\x65cause"), nested...)...)
	}
	for _, tc := range []struct {
		name         string
		data         []byte
		json, native string
	}{
		{"lists", build(value.AppendArrayHeader(nil, 2), "", ref), tooOften, "the result nests deeper than 32: ask for it with CLIENT ENCODING JSON"},
		// An array of length 0 with the names a and b, which are left out.
		{"names beside elements", build(append(value.AppendSparseArrayHeader(nil, 0, 2), "\x61a"...), "\x61b", ref), tooOften, "the result nests deeper than 32: ask for it with CLIENT ENCODING JSON"},
		{"a long text, ten times", bytesAgain, tooOften, tooOften},
		{"a long text that is left out, ten times", leftAgain, tooOften, tooOften},
		{"an empty array, ever so often", itemsAgain, tooOften, tooOften},
		{"errors within errors", nested, "<nil>", "the result is longer than 64 MiB"},
	} {
		if err := value.Validate(tc.data); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		_, _, err := appendJSON(nil, tc.data)
		expect(t, tc.name+" as JSON", fmt.Sprint(err), tc.json)
		_, err = appendNative(nil, resp.V3, tc.data)
		expect(t, tc.name+" as types", fmt.Sprint(err), tc.native)
	}
}

// BenchmarkResultThatRepeats is the longest that the references of one result can take.
func BenchmarkResultThatRepeats(b *testing.B) {
	data := append(value.AppendArrayHeader(nil, 1000), value.AppendArrayHeader(value.AppendTag(nil, value.TagShared), 250)...)
	for range 250 {
		data = append(data, 0xf9, 0x3e, 0x00) // 1.5
	}
	for range 999 {
		data = value.AppendInt(value.AppendTag(data, value.TagRef), 0)
	}
	var dst []byte
	for b.Loop() {
		dst, _, _ = appendJSON(dst[:0], data)
		if _, err := appendNative(dst[:0], resp.V3, data); err == nil {
			b.Fatal("it is not refused")
		}
	}
}

// FuzzJSON: what encoding/json takes, and only that, is taken, and comes back as what it was.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`null`, `[1,2.5,-0,1e400,{"a":"\ud800\u0000é","a":[]}]`, `{"":{"":[[]]}}`, `"\ud83d\ude00"`, `[tru]`, `1 `, "\"\x7f\"", `-0.0e-5`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r jsonReader
		b, err := r.append([]byte("x"), text)
		if valid := json.Valid(text) && utf8.Valid(text); valid != (err == nil) {
			if valid && strings.Contains(err.Error(), "nests deeper") {
				return
			}
			t.Fatalf("%q: %v, and encoding/json says %v", text, err, valid)
		}
		if err != nil {
			return
		}
		if b = b[1:]; value.Validate(b) != nil {
			t.Fatalf("%q makes no value: %v", text, value.Validate(b))
		}
		out, undefined, err := appendJSON(nil, b)
		if err != nil || undefined {
			t.Fatalf("%q does not come back: %v", text, err)
		}
		again, err := r.append(nil, out)
		if err != nil {
			t.Fatalf("%q comes back as %q: %v", text, out, err)
		}
		// Infinity comes back as null, and -0 as 0; the text that this makes is stable.
		twice, _, err := appendJSON(nil, again)
		if err != nil || !bytes.Equal(twice, out) {
			t.Fatalf("%q came back as %q, and that as %q (%v)", text, out, twice, err)
		}
		if bytes.Contains(text, []byte(`\u`)) || bytes.ContainsAny(text, "eE") {
			return // encoding/json has U+FFFD for halves of characters, and refuses what is out of the range of doubles
		}
		var want, got any
		if json.Unmarshal(text, &want) == nil && json.Unmarshal(out, &got) == nil && !reflect.DeepEqual(want, got) {
			t.Fatalf("%q is %v, and came back as %v", text, want, got)
		}
	})
}

// FuzzResult: whatever bytes an object answers with, what is made of them is JSON, and one answer of RESP.
func FuzzResult(f *testing.F) {
	for _, v := range []any{nil, "a", []any{1, 2.5}, map[string]any{"a": value.Set{1}}, value.Map{{Key: 1, Value: 2}}, &value.Array{Length: 3}, value.RegExp{Source: "a"}} {
		f.Add(marshal(f, v))
	}
	f.Add([]byte{0xd8, 0x1c, 0x81, 0xd8, 0x1d, 0x00})
	f.Add([]byte{0x82, 0xd8, 0x1c, 0x80, 0xd8, 0x1d, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		text, undefined, err := appendJSON(nil, data)
		if err == nil && !undefined && !json.Valid(text) {
			t.Fatalf("%x is written as %q", data, text)
		}
		for _, v := range []resp.Version{resp.V2, resp.V3} {
			b, err := appendNative(nil, v, data)
			if err != nil {
				continue
			}
			var r resp.ReplyReader
			var got resp.Value
			l := resp.ReplyLimits{Depth: 32}
			l.EnsureDefaults()
			if n, err := r.Read(b, &got, &l); err != nil || n != len(b) {
				t.Fatalf("%x is written as %q, of which %d bytes are an answer (%v)", data, b, n, err)
			}
		}
	})
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*b*c", "aXbXbXc", true},
		{"a*b*c", "aXbX", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"[abc]x", "bx", true},
		{"[^abc]x", "bx", false},
		{"[a-c]x", "bx", true},
		{"[c-a]x", "bx", true},
		{"[a-c", "b", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`[\]]`, "]", true},
		{`a\`, `a\`, true},
		{strings.Repeat("*a", 500) + "b", strings.Repeat("a", 1000), false},
	} {
		expect(t, fmt.Sprintf("%q with %q", tc.s, tc.pattern), fmt.Sprint(glob([]byte(tc.pattern), tc.s)), fmt.Sprint(tc.want))
	}
}

package transfer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"everloop/engine/value"
)

// samples are values of every kind, and their text.
var samples = []struct {
	v    any
	text string
}{
	{nil, "null"},
	{value.Undefined{}, `{"$undefined":true}`},
	{true, "true"},
	{int64(-3), "-3"},
	{float64(3), "3.0"},
	{math.Copysign(0, -1), "-0.0"},
	{1e21, "1e+21"},
	{math.Inf(-1), `{"$number":"-Infinity"}`},
	{int64(math.MaxInt64), `{"$int":"9223372036854775807"}`},
	{big.NewInt(-12), `{"$bigint":"-12"}`},
	{"a\"\\\n\x01\u2028<é😀", `"a\"\\\n\u0001` + "\u2028" + `<é😀"`},
	{value.WTF8("a\xed\xa0\x80"), `{"$wtf8":"Ye2ggA=="}`},
	{[]any{int64(1), []any{}}, "[1,[]]"},
	{value.Object{{Name: "b", Value: int64(1)}, {Name: "a", Value: int64(2)}}, `{"b":1,"a":2}`},
	{value.Object{{Name: "a", Value: value.Object{{Name: "$set", Value: value.Object{{Name: "x", Value: int64(2)}}}}}}, `{"a":{"$object":[["$set",{"x":2}]]}}`},
	{time.UnixMilli(1795500000123).UTC(), `{"$date":"2026-11-24T06:00:00.123Z"}`},
	{value.InvalidDate{}, `{"$date":null}`},
	{value.RegExp{Source: "a+", Flags: "gi"}, `{"$regexp":["a+","gi"]}`},
	{value.Map{{Key: "k", Value: value.Set{int64(1)}}}, `{"$map":[["k",{"$set":[1]}]]}`},
	{&value.Error{Name: "TypeError", Message: "no", Cause: int64(1), HasCause: true}, `{"$error":["TypeError",{"message":"no","cause":1}]}`},
	{value.Boxed{Value: "s"}, `{"$boxed":"s"}`},
	{&value.Array{Length: 5, Elements: []value.Element{{Index: 1, Value: "b"}}, Named: []value.Property{{Name: "n", Value: nil}}}, `{"$holes":[5,[[1,"b"],["n",null]]]}`},
	{[]byte{0xde, 0xad}, `{"$bytes":"3q0="}`},
	{value.TypedArray{Kind: value.Float16Array, Data: []byte{0, 0x3c}}, `{"$typed":["Float16Array","ADw="]}`},
	{&value.ArrayBuffer{Bytes: []byte{1}, Resizable: true, MaxByteLength: 8}, `{"$buffer":["AQ==",8]}`},
	{&value.View{Kind: value.DataView, Buffer: &value.ArrayBuffer{Bytes: []byte{1, 2}}, Offset: 1, Length: 1}, `{"$view":["DataView",{"$buffer":"AQI="},1,1]}`},
	{value.Web{"Blob", "text/plain", []byte("hi")}, `{"$web":["Blob","text/plain",{"$bytes":"aGk="}]}`},
}

func TestJSON(t *testing.T) {
	for _, s := range samples {
		encoded, err := value.Marshal(s.v)
		if err != nil {
			t.Fatalf("%s: %v", s.text, err)
		}
		if text := string(AppendJSON(nil, encoded)); text != s.text {
			t.Errorf("%x: got %s, want %s", encoded, text, s.text)
		}
		again, err := FromJSON([]byte(s.text))
		if err != nil || !bytes.Equal(again, encoded) {
			t.Errorf("%s: %x, %v, want %x", s.text, again, err, encoded)
		}
	}
}

// TestJSONAsItIs has values whose text would not come back, and some that are none.
func TestJSONAsItIs(t *testing.T) {
	for _, encoded := range []string{
		"1801",       // a longer form than needed
		"fa3f800000", // likewise
		"c0740000",   // no date
		"c074323032362d31312d32345430363a30303a30305a", // a date in the form that is only read
		"d9ffff00",                         // an unknown tag
		"ff",                               // nothing
		"98c8" + strings.Repeat("f7", 200), // a text far longer than its bytes
	} {
		b, err := hex.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(AppendJSON(nil, b)); !strings.HasPrefix(text, `{"$cbor":"`) {
			t.Errorf("%s: %s", encoded, text)
		}
	}
}

func TestFromJSONRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                 "unexpected EOF",
		`[1,`:                              "unexpected EOF",
		`1 2`:                              "behind a value",
		`{"a":1}]`:                         "",
		"\"\xff\"":                         "not UTF-8",
		`"\ud800"`:                         "half a character",
		`"\udc00\ud800"`:                   "half a character",
		`"\\\uDBFFx"`:                      "half a character",
		`9007199254740993`:                 "none that JavaScript has",
		`-0`:                               "none that JavaScript has",
		`1e999`:                            "out of range",
		`{"$set":[],"a":1}`:                "written as $object",
		`{"$unknown":1}`:                   "nothing that is known",
		`{"$undefined":1}`:                 "wants true",
		`{"$date":"yesterday"}`:            "$date wants",
		`{"$bytes":"a"}`:                   "base64",
		`{"$bytes":"AA==\n"}`:              "base64",
		`{"$bigint":"1x"}`:                 "decimal digits",
		`{"$int":"99999999999999999999"}`:  "64 bits",
		`{"$typed":["Int16Array","AA=="]}`: "makes no value",
		`{"$typed":["Foo","AA=="]}`:        "wants a list",

		`{"$view":["DataView",{"$buffer":"AA=="},0,2]}`: "makes no value",

		`{"$ref":0}`:             "makes no value",
		`{"$map":[[1]]}`:         "list of two",
		`{"$regexp":["a"]}`:      "source and flags",
		`{"$error":["Error",1]}`: "$error wants",

		`{"$error":["Error",{"$undefined":true}]}`: "makes no value",
		`{"$holes":[-1,[]]}`:                       "$holes wants",
		`{"$holes":[1,[[1,1]]]}`:                   "makes no value",
		`{"$cbor":"/w=="}`:                         "makes no value",
		`[{"$cbor":"AA=="}]`:                       "a whole value",
		strings.Repeat("[", 20000):                 "",
	} {
		if got, err := FromJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %x, %v, want something of %q", text, got, err, want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range samples {
		encoded, err := value.Marshal(s.v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Add([]byte{0xd8, 0x1c, 0x81, 0xd8, 0x1d, 0})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		text := AppendJSON([]byte("x"), encoded)[1:]
		if !json.Valid(text) || len(text) > 8*len(encoded)+64 || bytes.ContainsAny(text, "\n\r") {
			t.Fatalf("%x: %s", encoded, text)
		}
		again, err := FromJSON(text)
		switch valid := value.Validate(encoded) == nil; {
		case valid && (err != nil || !bytes.Equal(again, encoded)):
			t.Fatalf("%x: %s: %x, %v", encoded, text, again, err)
		case !valid && err == nil:
			t.Fatalf("%x is no value, and %s is read as %x", encoded, text, again)
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	for _, s := range samples {
		f.Add(s.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		encoded, err := FromJSON([]byte(text))
		if err != nil {
			return
		}
		again, err := FromJSON(AppendJSON(nil, encoded))
		if err != nil || !bytes.Equal(again, encoded) {
			t.Fatalf("%s: %x, then %x, %v", text, encoded, again, err)
		}
	})
}

package value

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFC8949AppendixA goes through the examples of RFC 8949, appendix A, that the format uses: each is what we append,
// and what we read.
func TestRFC8949AppendixA(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	tests := []struct {
		name string
		want string
		got  []byte
	}{
		{"0", "00", AppendInt(nil, 0)},
		{"1", "01", AppendInt(nil, 1)},
		{"10", "0a", AppendInt(nil, 10)},
		{"23", "17", AppendInt(nil, 23)},
		{"24", "1818", AppendInt(nil, 24)},
		{"25", "1819", AppendInt(nil, 25)},
		{"100", "1864", AppendInt(nil, 100)},
		{"1000", "1903e8", AppendInt(nil, 1000)},
		{"1000000", "1a000f4240", AppendInt(nil, 1000000)},
		{"1000000000000", "1b000000e8d4a51000", AppendInt(nil, 1000000000000)},
		{"18446744073709551615", "1bffffffffffffffff", AppendUint(nil, math.MaxUint64)},
		{"18446744073709551616", "c249010000000000000000", AppendBigInt(nil, false, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0})},
		{"-18446744073709551617", "c349010000000000000000", AppendBigInt(nil, true, []byte{1, 0, 0, 0, 0, 0, 0, 0, 1})},
		{"-1", "20", AppendInt(nil, -1)},
		{"-10", "29", AppendInt(nil, -10)},
		{"-100", "3863", AppendInt(nil, -100)},
		{"-1000", "3903e7", AppendInt(nil, -1000)},
		{"0.0", "f90000", AppendFloat(nil, 0)},
		{"-0.0", "f98000", AppendNumber(nil, math.Copysign(0, -1))},
		{"1.0", "f93c00", AppendFloat(nil, 1)},
		{"1.1", "fb3ff199999999999a", AppendNumber(nil, 1.1)},
		{"1.5", "f93e00", AppendNumber(nil, 1.5)},
		{"65504.0", "f97bff", AppendFloat(nil, 65504)},
		{"100000.0", "fa47c35000", AppendFloat(nil, 100000)},
		{"3.4028234663852886e+38", "fa7f7fffff", AppendNumber(nil, 3.4028234663852886e+38)},
		{"1.0e+300", "fb7e37e43c8800759c", AppendNumber(nil, 1.0e+300)},
		{"5.960464477539063e-8", "f90001", AppendNumber(nil, 5.960464477539063e-8)},
		{"0.00006103515625", "f90400", AppendNumber(nil, 0.00006103515625)},
		{"-4.0", "f9c400", AppendFloat(nil, -4)},
		{"-4.1", "fbc010666666666666", AppendNumber(nil, -4.1)},
		{"Infinity", "f97c00", AppendNumber(nil, inf)},
		{"NaN", "f97e00", AppendNumber(nil, nan)},
		{"-Infinity", "f9fc00", AppendNumber(nil, -inf)},
		{"false", "f4", AppendBool(nil, false)},
		{"true", "f5", AppendBool(nil, true)},
		{"null", "f6", AppendNull(nil)},
		{"undefined", "f7", AppendUndefined(nil)},
		{`0("2013-03-21T20:04:00Z")`, "c074323031332d30332d32315432303a30343a30305a", AppendString(AppendTag(nil, 0), "2013-03-21T20:04:00Z")},
		{"1(1363896240)", "c11a514b67b0", AppendDate(nil, 1363896240000)},
		{"1(1363896240.5)", "c1fb41d452d9ec200000", AppendDate(nil, 1363896240500)},
		{"h''", "40", AppendBytes(nil, nil)},
		{"h'01020304'", "4401020304", AppendBytes(nil, []byte{1, 2, 3, 4})},
		{`""`, "60", AppendString(nil, "")},
		{`"a"`, "6161", AppendString(nil, "a")},
		{`"IETF"`, "6449455446", AppendString(nil, "IETF")},
		{`"\"\\"`, "62225c", AppendString(nil, `"\`)},
		{`"\u00fc"`, "62c3bc", AppendLatin1(nil, []byte{0xfc})},
		{`"\u6c34"`, "63e6b0b4", AppendUTF16(nil, []uint16{0x6c34})},
		{`"\ud800\udd51"`, "64f0908591", AppendUTF16(nil, []uint16{0xd800, 0xdd51})},
		{"[]", "80", AppendArrayHeader(nil, 0)},
		{"[1, 2, 3]", "83010203", AppendInt(AppendInt(AppendInt(AppendArrayHeader(nil, 3), 1), 2), 3)},
		{"{}", "a0", AppendMapHeader(nil, 0)},
		{"{1: 2, 3: 4}", "a201020304", AppendInt(AppendInt(AppendInt(AppendInt(AppendMapHeader(nil, 2), 1), 2), 3), 4)},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		r := NewReader(unhex(t, tt.want))
		r.Skip()
		if err := r.Finish(); err != nil {
			t.Errorf("%s: read: %v", tt.name, err)
		}
	}
	// Numbers must come back as what they were.
	for s, want := range map[string]float64{
		"f90000": 0, "f90001": 5.960464477539063e-8, "f90400": 0.00006103515625, "f97bff": 65504,
		"f9c400": -4, "fa47c35000": 100000, "fb3ff199999999999a": 1.1, "1b000000e8d4a51000": 1e12, "3863": -100, "f97c00": inf, "f9fc00": -inf,
	} {
		r := NewReader(unhex(t, s))
		tok := r.Next()
		if got, ok := tok.Number(); !ok || got != want {
			t.Errorf("%s: %v %v, want %v", s, got, ok, want)
		}
	}
}

// TestNotWellFormed has the cases of RFC 8949, appendix F, and what the format does not use.
func TestNotWellFormed(t *testing.T) {
	tests := []struct {
		name, data string
		err        error
		offset     int
	}{
		{"nothing", "", ErrTruncated, 0},
		{"head cut off", "18", ErrTruncated, 0},
		{"head cut off", "19 03", ErrTruncated, 0},
		{"head cut off", "1a 00 00 00", ErrTruncated, 0},
		{"head cut off", "1b 00 00 00 00 00 00 00", ErrTruncated, 0},
		{"head cut off within", "82 01 38", ErrTruncated, 2},
		{"string cut off", "61", ErrTruncated, 0},
		{"string cut off", "5a ff ff ff ff 00", ErrTruncated, 0},
		{"string of 2^64-1", "5b ff ff ff ff ff ff ff ff 01 02 03", ErrTruncated, 0},
		{"text of 2^63-1", "7b 7f ff ff ff ff ff ff ff 01 02 03", ErrTruncated, 0},
		{"array cut off", "81", ErrTruncated, 0},
		{"array of arrays cut off", "81 81 81 81 81 81 81 81 81", ErrTruncated, 8},
		{"array of 2^64-1", "9b ff ff ff ff ff ff ff ff 01", ErrTruncated, 0},
		{"map cut off", "a1", ErrTruncated, 0},
		{"map without its last value", "a2 01 02 03", ErrTruncated, 0},
		{"map of 2^63, whose items wrap around", "bb 80 00 00 00 00 00 00 00 01", ErrTruncated, 0},
		{"inner arrays that claim it all", "83 83 01 02 03", ErrTruncated, 1},
		{"tag without its item", "c0", ErrTruncated, 0},
		{"reserved head", "1c", ErrMalformed, 0},
		{"reserved head", "7d", ErrMalformed, 0},
		{"reserved head", "fe", ErrMalformed, 0},
		{"simple value in two bytes", "f8 18", ErrMalformed, 0},
		{"simple value in two bytes", "f8 00", ErrMalformed, 0},
		{"unassigned simple value", "f0", ErrUnsupported, 0},
		{"unassigned simple value", "f8 ff", ErrUnsupported, 0},
		{"break", "ff", ErrUnsupported, 0},
		{"indefinite array", "9f 01 ff", ErrUnsupported, 0},
		{"indefinite string", "5f 41 00 ff", ErrUnsupported, 0},
		{"bytes behind", "00 00", ErrMalformed, 1},
		{"text that is not UTF-8", "62 c3 28", ErrMalformed, 0},
		{"text with a surrogate", "63 ed a0 80", ErrMalformed, 0},
	}
	for _, tt := range tests {
		r := NewReader(unhex(t, tt.data))
		for r.Next().Kind != KindEnd {
		}
		err := r.Finish()
		var e *FormatError
		if !errors.As(err, &e) || !errors.Is(err, tt.err) || e.Offset != tt.offset {
			t.Errorf("%s (%s): %v, want %v at %d", tt.name, tt.data, err, tt.err, tt.offset)
		}
	}
}

func TestDepth(t *testing.T) {
	for _, head := range []string{"\x81", "\xc6", "\xa1\x60"} {
		ok := strings.Repeat(head, MaxDepth) + "\x01"
		r := NewReader([]byte(ok))
		if !r.Skip() || r.Finish() != nil {
			t.Errorf("%x: %d levels are refused: %v", head, MaxDepth, r.Finish())
		}
		r = NewReader([]byte(head + ok))
		r.Skip()
		if err := r.Finish(); !errors.Is(err, ErrTooDeep) {
			t.Errorf("%x: %d levels: %v", head, MaxDepth+1, err)
		}
	}
	if _, err := decodeAny([]byte(strings.Repeat("\x81", MaxDepth) + "\x01")); err != nil {
		t.Error(err)
	}
	// Levels are used again: 1,000 items that are 40 deep need no more than one.
	siblings := AppendArrayHeader(nil, 1000)
	for range 1000 {
		siblings = append(append(siblings, strings.Repeat("\x81", 40)...), 1)
	}
	r := NewReader(siblings)
	for r.Next().Kind != KindEnd {
	}
	if err := r.Finish(); err != nil || len(r.deep) > 40 {
		t.Errorf("%d levels are kept, %v", len(r.deep), err)
	}
	r = NewReader(make([]byte, MaxSize+1))
	if r.Next(); !errors.Is(r.Finish(), ErrTooLarge) {
		t.Errorf("size is not bounded: %v", r.Finish())
	}
}

// TestSkip: Depth, Skip and Raw agree on where items end.
func TestSkip(t *testing.T) {
	data := unhex(t, "84 01 a1 61 61 82 02 c1 03 80 61 62")
	r := NewReader(data)
	if tok := r.Next(); tok.Kind != KindArray || tok.N != 4 || r.Depth() != 1 {
		t.Fatalf("%+v at depth %d", tok, r.Depth())
	}
	want := []string{"01", "a1616182 02c103", "80", "6162"}
	for i, w := range want {
		raw, ok := r.Raw()
		if !ok || !bytes.Equal(raw, unhex(t, w)) {
			t.Errorf("item %d: %x, want %s", i, raw, w)
		}
	}
	if err := r.Finish(); err != nil || r.Depth() != 0 {
		t.Errorf("%v at depth %d", err, r.Depth())
	}
}

func TestNumbers(t *testing.T) {
	for _, f := range []float64{
		0, 1, -1, 0.5, 0.1, 1e21, MaxSafeInteger, -MaxSafeInteger, MaxSafeInteger + 1, -MaxSafeInteger - 1, 1e308, 5e-324,
		math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 65504, 65505, 65520, 6.1e-5, 3.4028235677973366e38, 1e-45, 5.877471754111438e-39,
		math.Ldexp(1, -24), math.Ldexp(1, -25), math.Ldexp(3, -25), math.Ldexp(1023, -24), math.Ldexp(2047, -25),
	} {
		for _, data := range [][]byte{AppendNumber(nil, f), AppendFloat(nil, f)} {
			r := NewReader(data)
			tok := r.Next()
			got, ok := tok.Number()
			if !ok || math.Float64bits(got) != math.Float64bits(f) && got == got || (got != got) != (f != f) {
				t.Errorf("%v: %x reads as %v", f, data, got)
			}
		}
	}
	// Every half-precision number is its own shortest form.
	for h := range 1 << 16 {
		f := float16Value(uint16(h))
		if f != f {
			continue
		}
		if got := AppendFloat(nil, f); len(got) != 3 || got[1] != byte(h>>8) || got[2] != byte(h) {
			t.Fatalf("half %04x became %x", h, got)
		}
	}
	for _, tt := range []struct {
		data string
		safe bool
	}{{"1b001fffffffffffff", true}, {"1b0020000000000000", false}, {"3b001ffffffffffffe", true}, {"3b001fffffffffffff", false}} {
		r := NewReader(unhex(t, tt.data))
		tok := r.Next()
		if _, ok := tok.Number(); ok != tt.safe {
			t.Errorf("%s: safe is %v", tt.data, ok)
		}
	}
}

func TestBigInts(t *testing.T) {
	check := func(n *big.Int) {
		t.Helper()
		data := AppendBigInt(nil, n.Sign() < 0, append([]byte{0, 0}, n.Bytes()...))
		v, err := decodeAny(data)
		if err != nil || v.(*big.Int).Cmp(n) != 0 {
			t.Fatalf("%v: %x reads as %v, %v", n, data, v, err)
		}
		if n.IsInt64() {
			if again := AppendBigInt64(nil, n.Int64()); !bytes.Equal(again, data) {
				t.Fatalf("%v: %x by magnitude, %x by int64", n, data, again)
			}
		}
		if library, err := Marshal(struct{ N *big.Int }{n}); err != nil || !bytes.HasSuffix(library, data) {
			t.Fatalf("%v: %x, but within a struct %x, %v", n, data, library, err)
		}
	}
	for _, n := range []int64{0, 1, -1, 255, 256, -255, -256, -257, 65536, -65536, -65537, math.MaxInt64, math.MinInt64} {
		check(big.NewInt(n))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		n := new(big.Int).Lsh(big.NewInt(r.Int64N(1<<16)), uint(r.IntN(200)))
		if r.IntN(2) == 0 {
			n.Neg(n)
		}
		check(n)
	}
}

func TestDates(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	check := func(ms float64) {
		t.Helper()
		data := AppendDate(nil, ms)
		rd := NewReader(data)
		tag := rd.Next()
		if got := rd.ReadDate(tag.N); got != ms || rd.Finish() != nil {
			t.Fatalf("%v became %v (%x) %v", ms, got, data, rd.Finish())
		}
	}
	for _, ms := range []float64{0, 1, -1, 999, 1000, 1001, -999, -1000, 1e12, 1732428000123, MaxDateMs, -MaxDateMs, MaxDateMs - 1, 1 - MaxDateMs, 4503599627370497} {
		check(ms)
	}
	for range 200_000 {
		check(float64(r.Int64N(2*MaxDateMs) - MaxDateMs))
	}
	for _, ms := range []float64{math.NaN(), math.Inf(1), MaxDateMs + 1, -MaxDateMs - 1} {
		data := AppendDate(nil, ms)
		if want := unhex(t, "c1f97e00"); !bytes.Equal(data, want) {
			t.Errorf("%v: %x", ms, data)
		}
	}
	for _, s := range []string{"c1f97e00", "c1f97c00", "c11b7fffffffffffffff", "c13b7fffffffffffffff", "c1fb7fefffffffffffff", "c1fb429f6ea086000001"} {
		if v, err := decodeAny(unhex(t, s)); err != nil || v != (InvalidDate{}) {
			t.Errorf("%s: %v %v", s, v, err)
		}
	}
}

func TestStrings(t *testing.T) {
	tests := []struct {
		name  string
		units []uint16
		want  string
	}{
		{"empty", nil, "60"},
		{"ASCII", []uint16{'a', 'b'}, "626162"},
		{"two bytes", []uint16{0x7f, 0x80, 0x7ff}, "657f c280 dfbf"},
		{"three bytes", []uint16{0x800, 0xffff}, "66e0a080 efbfbf"},
		{"a pair", []uint16{0xd83d, 0xde00}, "64f09f9880"},
		{"a lone high one", []uint16{'a', 0xd83d}, "d90111 44 61 eda0bd"},
		{"a lone low one", []uint16{0xde00, 'b'}, "d90111 44 edb880 62"},
		{"a pair the wrong way round", []uint16{0xde00, 0xd83d}, "d90111 46 edb880 eda0bd"},
		{"a high one before a pair", []uint16{0xd800, 0xd83d, 0xde00}, "d90111 47 eda080 f09f9880"},
		{"a lone one before others of three bytes", []uint16{0xd800, 0x20ac}, "d90111 46 eda080 e282ac"},
		{"both ends", []uint16{0xdfff, 0xd7ff, 0xe000, 0xdbff}, "d90111 4c edbfbf ed9fbf ee8080 edafbf"},
	}
	for _, tt := range tests {
		data := AppendUTF16(nil, tt.units)
		if !bytes.Equal(data, unhex(t, tt.want)) {
			t.Errorf("%s: %x, want %s", tt.name, data, tt.want)
		}
		r := NewReader(data)
		s, _ := r.ReadString()
		if err := r.Finish(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		units, ok := AppendWTF8AsUTF16(nil, s)
		if !ok || len(units) != len(tt.units) || string(AppendUTF16AsWTF8(nil, units)) != string(s) {
			t.Errorf("%s: back as %x", tt.name, units)
		}
		for i := range min(len(units), len(tt.units)) {
			if units[i] != tt.units[i] {
				t.Errorf("%s: unit %d is %x, want %x", tt.name, i, units[i], tt.units[i])
			}
		}
		if again := AppendWTF8(nil, s); !bytes.Equal(again, data) {
			t.Errorf("%s: AppendWTF8 gives %x", tt.name, again)
		}
	}
	for _, bad := range []string{"\xff", "\xed\xa0", "\xed\xa0\xbd\xed\xb8\x80", "\xc0\x80", "a\xe2\x82", "\xf4\x90\x80\x80"} {
		if ValidWTF8([]byte(bad)) {
			t.Errorf("%x is taken for WTF-8", bad)
		}
		if _, ok := AppendWTF8AsUTF16(nil, []byte(bad)); ok {
			t.Errorf("%x is turned into UTF-16", bad)
		}
		if _, err := decodeAny(AppendBytes(AppendTag(nil, TagWTF8), []byte(bad))); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

func TestSharing(t *testing.T) {
	// a = {}; [a, a] and, within itself, b = []; b[0] = b; and a reference in front of what is shared later.
	var sh Sharing
	dst := AppendArrayHeader(nil, 5)
	a := len(dst)
	dst = AppendMapHeader(dst, 0)
	dst = sh.AppendRef(dst, a)
	b := len(dst)
	dst = AppendArrayHeader(dst, 1)
	dst = sh.AppendRef(dst, b)
	c := len(dst)
	dst = AppendString(AppendArrayHeader(dst, 1), "c")
	dst = sh.AppendRef(dst, c)
	dst = sh.Finish(dst)
	if want := unhex(t, "85 d81c a0 d81d 00 d81c 81 d81d 01 d81c 81 61 63 d81d 02"); !bytes.Equal(dst, want) {
		t.Fatalf("%x, want %x", dst, want)
	}
	v, err := decodeAny(dst)
	if err != nil {
		t.Fatal(err)
	}
	if err := Validate(dst); err != nil {
		t.Error(err)
	}
	items := v.([]any)
	items[0].(map[string]any)["x"] = 1
	if items[1].(map[string]any)["x"] != 1 {
		t.Error("the object is not shared")
	}
	if self := items[2].([]any); &self[0] != &self[0].([]any)[0] {
		t.Error("the cycle is not closed")
	}
	if err := Unmarshal(dst, &struct{}{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a cycle in a struct: %v", err)
	}

	// It can be used again, and changes nothing when nothing is shared.
	if dst := sh.Finish(AppendInt(nil, 1)); !bytes.Equal(dst, []byte{1}) {
		t.Errorf("%x", dst)
	}
	// Many items: numbers of more than one byte.
	dst = AppendArrayHeader(nil, 600)
	var at []int
	for range 300 {
		at = append(at, len(dst))
		dst = AppendArrayHeader(dst, 0)
	}
	for i := range 300 {
		dst = sh.AppendRef(dst, at[299-i])
	}
	v, err = decodeAny(sh.Finish(dst))
	if err != nil || len(v.([]any)) != 600 {
		t.Fatal(err)
	}

	for name, s := range map[string]string{
		"reference to nothing": "d81d00", "reference to a later one": "82 d81d00 d81c80", "shared twice": "d81cd81c80", "a shared number": "d81c01", "a shared string": "d81cd901114100", "a shared BigInt": "d81cc24101",
		"a shared reference": "82 d81c80 d81cd81d00", "a negative number": "82d81c80d81d20", "a view of itself": "d81c da65766c02 84 1840 d81d00 00 00",
	} {
		if v, err := decodeAny(unhex(t, s)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
		if err := Validate(unhex(t, s)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: Validate: %v", name, err)
		}
	}
}

// TestBytesOf: it takes what a Reader takes for a byte string that is all there is.
func TestBytesOf(t *testing.T) {
	check := func(data []byte) {
		t.Helper()
		r := NewReader(data)
		token := r.Next()
		want := token.Kind == KindBytes && r.Finish() == nil
		b, ok := BytesOf(data)
		if ok != want || ok && !bytes.Equal(b, token.Bytes) {
			t.Errorf("%.20x: %.20x, %v; the reader has %.20x, %v", data, b, ok, token.Bytes, want)
		}
	}
	for _, n := range []int{0, 1, 23, 24, 255, 256, 65535, 65536, 70000} {
		data := AppendBytes(nil, bytes.Repeat([]byte{0x41}, n))
		if b, ok := BytesOf(data); !ok || len(b) != n {
			t.Errorf("of %d bytes: %d, %v", n, len(b), ok)
		}
		check(data)
		check(append(data, 0))
		for cut := range min(len(data), 12) {
			check(data[:cut])
			check(data[:len(data)-cut])
		}
	}
	check(nil)
	for first := range 256 {
		check([]byte{byte(first)})
		check([]byte{byte(first), 0, 0, 0, 0, 0, 0, 0, 0})
	}
	check([]byte{0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
}

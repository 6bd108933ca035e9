package value

import (
	"bytes"
	"errors"
	"testing"
)

func seeds(f *testing.F) {
	for _, s := range []string{
		"f6", "1818", "fb3ff199999999999a", "c249010000000000000000", "83010203", "a1616101", "d90102820102", "d90103a1016161",
		"d9524a82616162 6769", "da65766c0382 05a20161626178f5", "da65766c028400da65766c0144010203040102", "d84544 01000001", "d90111 44 eda0bd61",
		"d81c81d81d00", "82d81ca0d81d00", "da65766c0582 69547970654572726f72 a1 676d657373616765 626e6f", "c1fb41d452d9ec200000", "c07432303133 2d30332d32315432303a30343a30305a",
		"da65766c04f5", "da65766c018241 0108",
	} {
		f.Add(unhex(f, s))
	}
}

// FuzzReader: any bytes are read or refused with their place, and cost no more than they should.
func FuzzReader(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(data)
		end := 0
		for {
			tok := r.Next()
			if tok.Kind == KindEnd {
				break
			}
			if r.Offset() <= end || r.Offset() > len(data) || r.TokenOffset() < end {
				t.Fatalf("at %d after %d", r.Offset(), end)
			}
			end = r.Offset()
			if (tok.Kind == KindArray || tok.Kind == KindMap) && tok.N > uint64(len(data)-end) {
				t.Fatalf("%v of %d with %d bytes left", tok.Kind, tok.N, len(data)-end)
			}
		}
		err := r.Finish()
		skip := NewReader(data)
		skip.Skip()
		if skipErr := skip.Finish(); (err == nil) != (skipErr == nil) {
			t.Fatalf("token by token: %v; skipped: %v", err, skipErr)
		}
		var e *FormatError
		if err != nil && (!errors.As(err, &e) || e.Offset < 0 || e.Offset > len(data)) {
			t.Fatal(err)
		}
	})
}

// FuzzRoundTrip: what can be read into Go and has no cycles can be written, and reads as the same; decoding into
// types must not panic and must agree on what is acceptable.
func FuzzRoundTrip(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var typed struct {
			A any            `cbor:"a"`
			B []byte         `cbor:"b"`
			M map[string]any `cbor:"m"`
			S Set            `cbor:"s"`
		}
		_ = Unmarshal(data, &typed)
		var list []any
		_ = Unmarshal(data, &list)
		var v any
		err := Unmarshal(data, &v)
		if valid := Validate(data); (valid == nil) != (err == nil) {
			t.Fatalf("Validate says %v, Unmarshal %v", valid, err)
		}
		if err != nil {
			return
		}
		once, err := Marshal(v)
		if err != nil {
			if errors.Is(err, ErrTooDeep) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrMalformed) {
				return // a cycle, a bomb, or a name of a property that is not WTF-8 cannot be
			}
			t.Fatalf("%x: %v", data, err)
		}
		var again any
		if err := Unmarshal(once, &again); err != nil {
			t.Fatalf("%x became %x: %v", data, once, err)
		}
		twice, err := Marshal(again)
		if err != nil || len(twice) != len(once) {
			t.Fatalf("%x became %x became %x: %v", data, once, twice, err)
		}
		if !hasMap(again) && !bytes.Equal(once, twice) { // Go's maps have no order
			t.Fatalf("%x became %x became %x", data, once, twice)
		}
	})
}

// hasMap reports whether there may be a map with more than one name anywhere in v.
func hasMap(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) > 0
	case []any:
		for _, x := range v {
			if hasMap(x) {
				return true
			}
		}
		return false
	case nil, bool, int64, float64, string, []byte:
		return false
	}
	return true
}

// FuzzFormat: anything can be shown, within the bound.
func FuzzFormat(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if got := AppendFormat(nil, data, 200); len(got) > 200 {
			t.Fatalf("%d bytes: %s", len(got), got)
		}
		Format(data)
	})
}

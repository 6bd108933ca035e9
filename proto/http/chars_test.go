package http

import (
	"bytes"
	"testing"
)

// TestCleanValue puts every byte at every place of values of every length up to 26, alone and next to bytes that
// a borrow could reach.
func TestCleanValue(t *testing.T) {
	for _, around := range []byte{'a', '\t', ' ', 0x21, 0x80, 0xff} {
		for n := range 27 {
			v := bytes.Repeat([]byte{around}, n)
			for at := range n {
				for c := range 256 {
					v[at] = byte(c)
					want := c == '\t' || c >= 0x20 && c != 0x7f
					if cleanValue(v) != want || isValueText(v) != want {
						t.Fatalf("%q: %v and %v, want %v", v, cleanValue(v), isValueText(v), want)
					}
				}
				v[at] = around
			}
		}
	}
}

// TestKnownNames: every well-known name is found in any case, is a token in lower case, and nothing else is found.
func TestKnownNames(t *testing.T) {
	for id := 1; id < len(known); id++ {
		s := known[id]
		if got := lookup(s); got != nameID(id) {
			t.Errorf("%s is %d, want %d (twice in the list?)", s, got, id)
		}
		if got := lookup(bytes.ToUpper([]byte(s))); got != nameID(id) {
			t.Errorf("%s in upper case is %d, want %d", s, got, id)
		}
		if !isTokenText(s) || s != string(bytes.ToLower([]byte(s))) {
			t.Errorf("%q is no lower-case token", s)
		}
		for _, other := range []string{s + "x", s[1:], "x" + s[1:], s[:len(s)-1] + "\x00"} {
			if got := lookup(other); got != 0 && known[got] != other {
				t.Errorf("%q is taken for %s", other, known[got])
			}
		}
	}
	if len(known) > 255 || lookup("") != 0 {
		t.Error(len(known), lookup(""))
	}
}

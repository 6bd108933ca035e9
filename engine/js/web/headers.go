package web

import "everloop/engine/js/internal/vm"

// tokenChars are the characters of a header name or a method (RFC 9110, section 5.6.2): 1 for those that stay, the
// lower-case letter for upper-case ones.
var tokenChars = func() (t [256]byte) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz" {
		t[c] = byte(c)
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = byte(c) + 'a' - 'A'
	}
	return t
}()

// appendHeaderName appends name in lower case; ok is false if it is not a token.
func appendHeaderName(dst, name []byte) (_ []byte, ok bool) {
	if len(name) == 0 {
		return dst, false
	}
	for _, c := range name {
		l := tokenChars[c]
		if l == 0 {
			return dst, false
		}
		dst = append(dst, l)
	}
	return dst, true
}

// trimHeaderValue cuts the white space of HTTP off both ends; ok is false if a byte cannot be in a value.
func trimHeaderValue(b []byte) (_ []byte, ok bool) {
	space := func(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
	for len(b) > 0 && space(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && space(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	for _, c := range b {
		if c == 0 || c == '\r' || c == '\n' {
			return nil, false
		}
	}
	return b, true
}

var (
	// headerName is the name in lower case, or null.
	_ = register("headerName", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, ok := in.r.Latin1(args.At(0))
		if !ok {
			// A rope, or characters beyond Latin-1, which no name has.
			b = in.r.AppendString(nil, args.At(0))
		}
		if in.text, ok = appendHeaderName(in.text[:0], b); !ok {
			return vm.Null, nil
		}
		return in.r.StringLatin1(in.text)
	})
	_ = register("headerRecord", 1, func(in *Instance, args vm.Args) (vm.Value, error) { return in.recordHeaders(args.At(0)) })
	// headerValue is the value without the space around it, or null.
	_ = register("headerValue", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		v := args.At(0)
		b, ok := in.r.Latin1(v)
		if !ok {
			if b, ok = narrow(in.r.AppendUTF16(nil, v)); !ok {
				return vm.Null, nil
			}
		}
		n := len(b)
		if b, ok = trimHeaderValue(b); !ok {
			return vm.Null, nil
		}
		if len(b) == n {
			return in.r.Dup(v), nil
		}
		in.text = append(in.text[:0], b...)
		return in.r.StringLatin1(in.text)
	})
)

// recordHeaders reads an object of names and values into a flat array, in one step. It gives up (null) on whatever is not plain:
// another kind of object, a getter, a value that is not a string, anything wrong. No code of the program has run then; the prelude does
// it by the book, and says what is wrong.
func (in *Instance) recordHeaders(record vm.Value) (vm.Value, error) {
	r := in.r
	if r.ObjectClass(record) != vm.PlainObject {
		return vm.Null, nil
	}
	a, err := r.Array()
	if err != nil {
		return vm.Undefined, err
	}
	n := uint32(0)
	plain := r.DataProps(record, func(key, value vm.Value) bool {
		b, ok := r.Latin1(value)
		if !ok || !isPlainHeaderValue(b) {
			return false
		}
		name, ok := in.plainName(key)
		if !ok {
			return false
		}
		if err = r.DefineIndex(a, n, name); err == nil {
			err = r.DefineIndex(a, n+1, r.Dup(value))
		}
		n += 2
		return err == nil
	})
	if err != nil || !plain {
		r.Free(a)
		return vm.Null, err
	}
	return a, nil
}

// plainName is a header name in lower case, owned by the caller.
func (in *Instance) plainName(key vm.Value) (_ vm.Value, ok bool) {
	b, ok := in.r.Latin1(key)
	if !ok || len(b) == 0 {
		return vm.Undefined, false
	}
	lower := true
	for _, c := range b {
		l := tokenChars[c]
		if l == 0 {
			return vm.Undefined, false
		}
		lower = lower && l == c
	}
	if lower {
		return in.r.Dup(key), true
	}
	in.text, _ = appendHeaderName(in.text[:0], b)
	v, err := in.r.StringLatin1(in.text)
	return v, err == nil
}

// isPlainHeaderValue reports whether a value is already as it is to be.
func isPlainHeaderValue(b []byte) bool {
	clean, ok := trimHeaderValue(b)
	return ok && len(clean) == len(b)
}

// narrow makes bytes of units; ok is false if one does not fit.
func narrow(units []uint16) (_ []byte, ok bool) {
	b := make([]byte, len(units))
	for i, u := range units {
		if u > 0xff {
			return nil, false
		}
		b[i] = byte(u)
	}
	return b, true
}

package web

import (
	"unicode/utf8"

	"everloop/engine/js/internal/vm"
)

// appendBody appends the bytes of a body: null, a string, bytes, or the handle of a message. See body.js.
func (in *Instance) appendBody(dst []byte, v vm.Value) ([]byte, error) {
	switch {
	case v.IsNullish():
		return dst, nil
	case v.IsString():
		return in.r.AppendString(dst, v), nil
	}
	b, err := in.bodyView(v)
	return append(dst, b...), err
}

// bodyView is the bytes of a body that is not a string, without a copy: a view until JavaScript runs again.
func (in *Instance) bodyView(v vm.Value) ([]byte, error) {
	if b, ok := in.r.Bytes(v); ok {
		return b, nil
	}
	m, err := in.message(v)
	if err != nil {
		return nil, err
	}
	return m.Body(), nil
}

// bodyUTF8 is the text of a body in UTF-8 without a byte order mark; a view like bodyView's, or of scratch.
func (in *Instance) bodyUTF8(v vm.Value) (b []byte, err error) {
	switch {
	case v.IsNullish():
		return nil, nil
	case v.IsString():
		b = in.utf8(v)
	default:
		if b, err = in.bodyView(v); err != nil {
			return nil, err
		}
	}
	if len(b) >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf {
		b = b[3:]
	}
	return b, nil
}

// bodyText is a promise of a body's text.
func (in *Instance) bodyText(v vm.Value) (vm.Value, error) {
	if b, ok := in.r.Latin1(v); ok && isASCII(b) {
		return in.r.ResolvedPromise(in.r.Dup(v))
	}
	b, err := in.bodyUTF8(v)
	if err != nil {
		return vm.Undefined, err
	}
	return in.promise(in.decodeUTF8(b))
}

// bodyJSON is a promise of the value that a body's text says.
func (in *Instance) bodyJSON(v vm.Value) (vm.Value, error) {
	b, err := in.bodyUTF8(v)
	if err != nil {
		return vm.Undefined, err
	}
	if !utf8.Valid(b) {
		b = appendRepaired(nil, b)
	}
	return in.promise(in.r.ParseJSON(b))
}

var (
	_ = register("bodyText", 1, func(in *Instance, args vm.Args) (vm.Value, error) { return in.bodyText(args.At(0)) })
	_ = register("bodyJSON", 1, func(in *Instance, args vm.Args) (vm.Value, error) { return in.bodyJSON(args.At(0)) })
	_ = register("bodyBytes", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		v := args.At(0)
		if v.IsString() {
			return in.r.Uint8Array(in.utf8(v))
		}
		b, err := in.bodyView(v)
		if err != nil {
			return vm.Undefined, err
		}
		return in.r.Uint8Array(b)
	})
	// reasonPhrase says whether a text can be a status text: bytes without control characters.
	_ = register("reasonPhrase", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, ok := in.r.Latin1(args.At(0))
		if !ok {
			in.text = in.r.AppendString(in.text[:0], args.At(0))
			if ok = isASCII(in.text); !ok {
				return vm.False, nil
			}
			b = in.text
		}
		for _, c := range b {
			if c < 0x20 && c != '\t' || c == 0x7f {
				return vm.False, nil
			}
		}
		return vm.True, nil
	})
)

// decodeUTF8 makes a string of bytes as the Encoding standard's "UTF-8 decode without BOM" does.
func (in *Instance) decodeUTF8(b []byte) (vm.Value, error) {
	if !utf8.Valid(b) {
		// b may be a view of the scratch text.
		in.repaired = appendRepaired(in.repaired[:0], b)
		b = in.repaired
	}
	return in.r.StringBytes(b)
}

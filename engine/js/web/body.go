package web

import (
	"unicode/utf8"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// maxScratch is how much memory a scratch keeps from one call to the next, where the size is up to a program.
const maxScratch = 1 << 20

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
	return m.Body().Bytes(), nil
}

// streamedMessage is the message that a body is the handle of, if its body is a stream; nil for all others.
func (in *Instance) streamedMessage(v vm.Value) Message {
	if !v.IsObject() {
		return nil
	}
	m, err := in.message(v)
	if err != nil || !m.Body().Streamed() {
		return nil
	}
	return m
}

// streamedBody is a body that is a stream: of the host, or a ReadableStream of the program, which then is owned by the caller. At
// most one of them is there.
func (in *Instance) streamedBody(v vm.Value) (engine.Body, vm.Value) {
	if !v.IsObject() {
		return engine.Body{}, vm.Undefined
	}
	if m, err := in.message(v); err == nil {
		if b := m.Body(); b.Streamed() {
			if moved, ok := m.(Moved); ok {
				moved.BodyMoved()
			}
			return b, vm.Undefined
		}
		return engine.Body{}, vm.Undefined
	}
	if _, ok := in.r.Bytes(v); ok {
		return engine.Body{}, vm.Undefined
	}
	return engine.Body{}, in.r.Dup(v)
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
	return withoutBOM(b), nil
}

// bodyText is a promise of a body's text.
func (in *Instance) bodyText(v vm.Value) (vm.Value, error) {
	if b, ok := in.r.Latin1(v); ok && isASCII(b) {
		return in.r.ResolvedPromise(in.r.Dup(v))
	}
	if m := in.streamedMessage(v); m != nil {
		return in.Host.ReadBody(m, in.textOf)
	}
	b, err := in.bodyUTF8(v)
	if err != nil {
		return vm.Undefined, err
	}
	return in.promise(in.decodeUTF8(b))
}

// textOf and jsonOf are what the bytes of a body say.
func (in *Instance) textOf(b []byte) (vm.Value, error) { return in.decodeUTF8(withoutBOM(b)) }

func (in *Instance) jsonOf(b []byte) (vm.Value, error) {
	if b = withoutBOM(b); !utf8.Valid(b) {
		b = appendRepaired(nil, b)
	}
	return in.r.ParseJSON(b)
}

func withoutBOM(b []byte) []byte {
	if len(b) >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf {
		return b[3:]
	}
	return b
}

// bodyJSON is a promise of the value that a body's text says.
func (in *Instance) bodyJSON(v vm.Value) (vm.Value, error) {
	if m := in.streamedMessage(v); m != nil {
		return in.Host.ReadBody(m, in.jsonOf)
	}
	b, err := in.bodyUTF8(v)
	if err != nil {
		return vm.Undefined, err
	}
	return in.promise(in.jsonOf(b))
}

var (
	_ = register("bodyText", 1, func(in *Instance, args vm.Args) (vm.Value, error) { return in.bodyText(args.At(0)) })
	_ = register("bodyJSON", 1, func(in *Instance, args vm.Args) (vm.Value, error) { return in.bodyJSON(args.At(0)) })
	// bodyBytes: a Uint8Array of its own, or a promise of one.
	_ = register("bodyBytes", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		v := args.At(0)
		if v.IsString() {
			return in.r.Uint8Array(in.utf8(v))
		}
		if m := in.streamedMessage(v); m != nil {
			return in.Host.ReadBody(m, in.r.Uint8Array)
		}
		b, err := in.bodyView(v)
		if err != nil {
			return vm.Undefined, err
		}
		return in.r.Uint8Array(b)
	})
	_ = register("textOf", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, _ := in.r.Bytes(args.At(0))
		return in.textOf(b)
	})
	_ = register("jsonOf", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, _ := in.r.Bytes(args.At(0))
		return in.jsonOf(b)
	})
	// concat(list): a Uint8Array of strings and views, one after the other.
	_ = register("concat", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		all := in.part[:0]
		err := in.each(args.At(0), func(_ int, v vm.Value) error {
			defer in.r.Free(v)
			if v.IsString() {
				all = in.r.AppendString(all, v)
				return nil
			}
			b, _ := in.r.Bytes(v)
			all = append(all, b...)
			return nil
		})
		if err != nil {
			return vm.Undefined, err
		}
		if in.part = all[:0]; cap(all) > maxScratch {
			in.part = nil
		}
		return in.r.Uint8Array(all)
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

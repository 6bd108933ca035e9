package web

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"everloop/engine/js/internal/vm"
)

// The flags of host.decode, as encoding.js has them.
const (
	decodeFatal     = 1
	decodeIgnoreBOM = 2
	decodeStream    = 4 // more will come
	decodePending   = 8 // part of a stream: the answer is an array of the text and what is pending
)

var (
	// utf8Encode(text): a Uint8Array.
	_ = register("utf8Encode", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.r.Uint8Array(in.utf8(args.At(0)))
	})
	// utf8EncodeInto(text, view): the bytes written plus 2^26 times the units read. It stops at 2^26-1 bytes.
	_ = register("utf8EncodeInto", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		dst, _ := in.r.Bytes(args.At(1)) // of a detached buffer nothing, which has no room
		dst = dst[:min(len(dst), 1<<26-1)]
		src := in.utf8(args.At(0))
		read, written := 0, 0
		for written < len(src) {
			c, n := rune(src[written]), 1
			if c >= utf8.RuneSelf {
				c, n = utf8.DecodeRune(src[written:])
			}
			if written+n > len(dst) {
				break
			}
			written += n
			read++
			if c > 0xffff {
				read++
			}
		}
		copy(dst, src[:written])
		return vm.Float(float64(read)*(1<<26) + float64(written)), nil
	})
	// encodingOf(label): the encoding's name, or null.
	_ = register("encodingOf", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		name, ok := encodingName(in.r.GoString(args.At(0)))
		if !ok {
			return vm.Null, nil
		}
		return in.r.String(name)
	})
	_ = register("decode", 4, func(in *Instance, args vm.Args) (vm.Value, error) {
		flags, _ := args.At(1).Int32()
		b, _ := in.r.Bytes(args.At(2))
		name, _ := in.r.Latin1(args.At(0))
		if flags&decodePending == 0 {
			text, _, ok := decodeText(in.text[:0], string(name), b, int(flags), true)
			if !ok {
				return vm.Null, nil
			}
			return in.r.StringBytes(text)
		}
		return in.decodeStream(string(name), b, int(flags), args.At(3))
	})
)

// encodingName finds an encoding by one of its labels (Encoding standard, section 4.2).
func encodingName(label string) (string, bool) {
	label = strings.Trim(label, "\t\n\f\r ")
	for _, c := range []byte(label) {
		if c <= ' ' || c >= 0x7f {
			return "", false // htmlindex would drop other white space, and fold what is not ASCII
		}
	}
	switch l := strings.ToLower(label); l {
	case "utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8":
		return "utf-8", true
	case "utf-16", "utf-16le", "ucs-2", "unicode", "iso-10646-ucs-2", "csunicode", "unicodefeff":
		return "utf-16le", true
	case "utf-16be", "unicodefffe":
		return "utf-16be", true
	case "replacement":
		return "", false
	}
	e, err := htmlindex.Get(label)
	if err != nil {
		return "", false
	}
	name, err := htmlindex.Name(e)
	if err != nil || name == "replacement" {
		return "", false
	}
	return name, true
}

// decodeText decodes b into UTF-8. The result may be b itself, or be in dst. rest is how many bytes at the end wait for more; 0
// when last. ok is false for a broken sequence under fatal.
func decodeText(dst []byte, name string, b []byte, flags int, first bool) (text []byte, rest int, ok bool) {
	last := flags&decodeStream == 0
	bom := first && flags&decodeIgnoreBOM == 0
	switch name {
	case "utf-8":
		if bom && bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
			b = b[3:]
		}
		if !last {
			rest = partialTail(b)
			b = b[:len(b)-rest]
		}
		if utf8.Valid(b) {
			return b, rest, true
		}
		if flags&decodeFatal != 0 {
			return nil, 0, false
		}
		return appendRepaired(dst, b), rest, true
	case "utf-16le", "utf-16be":
		return decodeUTF16(dst, b, name == "utf-16be", bom, last, flags&decodeFatal != 0)
	}
	return decodeLegacy(dst, name, b, last, flags&decodeFatal != 0)
}

func decodeUTF16(dst, b []byte, big, bom, last, fatal bool) (text []byte, rest int, ok bool) {
	unit := func(i int) rune {
		if big {
			return rune(b[i])<<8 | rune(b[i+1])
		}
		return rune(b[i+1])<<8 | rune(b[i])
	}
	i := 0
	if bom && len(b) >= 2 && unit(0) == 0xfeff {
		i = 2
	}
	for ; i+1 < len(b); i += 2 {
		c := unit(i)
		if c >= 0xd800 && c < 0xe000 {
			switch {
			case c < 0xdc00 && i+3 < len(b) && unit(i+2)&0xfc00 == 0xdc00:
				c = (c-0xd800)<<10 + (unit(i+2) - 0xdc00) + 0x10000
				i += 2
			case c < 0xdc00 && i+3 >= len(b) && !last:
				return dst, len(b) - i, true
			case fatal:
				return nil, 0, false
			default:
				if c < 0xdc00 && i+3 == len(b) {
					// A high half and one byte at the very end are one broken sequence.
					i += 2
				}
				c = utf8.RuneError
			}
		}
		dst = utf8.AppendRune(dst, c)
	}
	if i < len(b) {
		if !last {
			return dst, len(b) - i, true
		}
		if fatal {
			return nil, 0, false
		}
		dst = append(dst, replacement...)
	}
	return dst, 0, true
}

// decodeStream decodes a part of a stream. What is pending between two parts is a Uint8Array that the prelude keeps: one
// byte that is 1 once the place of a BOM has passed, or for ISO-2022-JP the state of its decoder, then the bytes that wait. The answer is
// an array of text and pending, or null.
func (in *Instance) decodeStream(name string, chunk []byte, flags int, pending vm.Value) (vm.Value, error) {
	var state byte
	var b []byte
	if p, ok := in.r.Bytes(pending); ok && len(p) > 0 {
		state = p[0]
		b = append(b, p[1:]...)
	}
	b = append(b, chunk...)
	var text []byte
	var rest int
	var ok bool
	if name == "iso-2022-jp" {
		text, rest, state, ok = decodeISO2022JP(in.text[:0], b, state, flags&decodeStream == 0, flags&decodeFatal != 0)
	} else {
		text, rest, ok = decodeText(in.text[:0], name, b, flags, state == 0)
		// A BOM may still come as long as all there was is the beginning of one.
		if len(text) > 0 || len(b) > rest {
			state = 1
		}
	}
	if !ok {
		return vm.Null, nil
	}
	wait := append([]byte{state}, b[len(b)-rest:]...)
	a, err := in.r.Array()
	if err != nil {
		return vm.Undefined, err
	}
	s, err := in.r.StringBytes(text)
	if err == nil {
		err = in.r.DefineIndex(a, 0, s)
	}
	if err == nil {
		if s, err = in.r.Uint8Array(wait); err == nil {
			err = in.r.DefineIndex(a, 1, s)
		}
	}
	if err != nil {
		in.r.Free(a)
		return vm.Undefined, err
	}
	return a, nil
}

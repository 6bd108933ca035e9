package web

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/transform"

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
		dst, ok := in.r.Bytes(args.At(1))
		if !ok {
			return vm.Undefined, vm.TypeError("TextEncoder.encodeInto: the destination is detached")
		}
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
	e, err := htmlindex.Get(name)
	if err != nil {
		return nil, 0, false
	}
	if table, ok := e.(*charmap.Charmap); ok && strings.HasPrefix(name, "windows-") {
		return decodeWindows(dst, table, b, flags&decodeFatal != 0)
	}
	return decodeLegacy(dst, e, b, last, flags&decodeFatal != 0)
}

// decodeWindows decodes a Windows code page. The standard's tables fill the holes between 80 and 9F with the control
// characters of those numbers; x/text leaves them empty.
func decodeWindows(dst []byte, table *charmap.Charmap, b []byte, fatal bool) (text []byte, rest int, ok bool) {
	for _, c := range b {
		r := table.DecodeByte(c)
		if r == utf8.RuneError {
			switch {
			case c >= 0x80 && c <= 0x9f:
				r = rune(c)
			case fatal:
				return nil, 0, false
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, 0, true
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

// decodeLegacy decodes with a codec of x/text, which replaces what is broken by U+FFFD. No legacy encoding can write that
// character except GB18030 (84 31 A4 37), so under fatal its presence tells.
func decodeLegacy(dst []byte, e encoding.Encoding, b []byte, last, fatal bool) (text []byte, rest int, ok bool) {
	t := e.NewDecoder().Transformer
	if cap(dst) == 0 {
		dst = make([]byte, 0, len(b)*2+16)
	}
	src := b
	for {
		n, used, err := t.Transform(dst[len(dst):cap(dst)], src, last)
		dst = dst[:len(dst)+n]
		src = src[used:]
		if err == transform.ErrShortDst {
			dst = append(dst, make([]byte, len(dst)+64)...)[:len(dst)]
			continue
		}
		if err == transform.ErrShortSrc && !last {
			rest = len(src)
		} else if err != nil {
			return nil, 0, false
		}
		break
	}
	if fatal && bytes.Contains(dst, []byte(replacement)) && !bytes.Contains(b, []byte("\x84\x31\xa4\x37")) {
		return nil, 0, false
	}
	return dst, rest, true
}

// decodeStream decodes a part of a stream. What is pending between two parts is a Uint8Array that the prelude keeps: one
// byte that is 1 once the place of a BOM has passed, then the bytes that wait (for ISO-2022-JP, which has states, these begin
// with the escape sequence that leads to the present one). The answer is an array of text and pending, or null.
func (in *Instance) decodeStream(name string, chunk []byte, flags int, pending vm.Value) (vm.Value, error) {
	first := true
	var b []byte
	if p, ok := in.r.Bytes(pending); ok && len(p) > 0 {
		first = p[0] == 0
		b = append(b, p[1:]...)
	}
	b = append(b, chunk...)
	text, rest, ok := decodeText(in.text[:0], name, b, flags, first)
	if !ok {
		return vm.Null, nil
	}
	wait := make([]byte, 1, 1+rest+4)
	// A BOM may still come as long as all there was is the beginning of one.
	if !first || len(text) > 0 || len(b) > rest {
		wait[0] = 1
	}
	if name == "iso-2022-jp" {
		if i := bytes.LastIndexByte(b[:len(b)-rest], 0x1b); i >= 0 && i+3 <= len(b)-rest {
			wait = append(wait, b[i:i+3]...)
		}
	}
	wait = append(wait, b[len(b)-rest:]...)
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

package web

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"unicode/utf8"

	"everloop/engine/js/internal/vm"
)

// What a Buffer of node:buffer leaves to Go: text in Node's encodings, searching, comparing.

// whole is an argument of the prelude's that is a whole number.
func whole(v vm.Value) int {
	f, _ := v.Float64()
	return int(f)
}

// bufferString makes a string of bytes in one of the encodings of js/node/buffer.js.
func (in *Instance) bufferString(encoding string, b []byte) (v vm.Value, ok bool, err error) {
	switch encoding {
	case "utf8":
		text, _, _ := decodeText(nil, "utf-8", b, decodeIgnoreBOM, true)
		v, err = in.r.StringBytes(text)
	case "hex":
		v, err = in.r.StringLatin1(hex.AppendEncode(nil, b))
	case "base64":
		v, err = in.r.StringLatin1(base64.StdEncoding.AppendEncode(nil, b))
	case "base64url":
		v, err = in.r.StringLatin1(base64.RawURLEncoding.AppendEncode(nil, b))
	case "latin1":
		v, err = in.r.StringLatin1(b)
	case "ascii":
		c := make([]byte, len(b))
		for i := range b {
			c[i] = b[i] & 0x7f
		}
		v, err = in.r.StringLatin1(c)
	case "utf16le":
		units := make([]uint16, len(b)/2)
		for i := range units {
			units[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
		v, err = in.r.StringUTF16(units)
	default:
		return vm.Undefined, false, nil
	}
	return v, true, err
}

// bufferBytes makes bytes of a string. Like Node it takes what it can read.
func (in *Instance) bufferBytes(encoding string, text vm.Value) (b []byte, ok bool) {
	switch encoding {
	case "utf8":
		return in.r.AppendString(nil, text), true
	case "hex":
		digits := in.r.AppendString(nil, text)
		n, _ := hex.Decode(digits, digits[:len(digits)&^1])
		return digits[:n], true
	case "base64", "base64url":
		return looseBase64(in.r.AppendString(nil, text)), true
	case "latin1", "ascii":
		units := in.r.AppendUTF16(nil, text)
		b = make([]byte, len(units))
		for i, u := range units {
			b[i] = byte(u)
		}
		return b, true
	case "utf16le":
		units := in.r.AppendUTF16(nil, text)
		b = make([]byte, 2*len(units))
		for i, u := range units {
			b[2*i], b[2*i+1] = byte(u), byte(u>>8)
		}
		return b, true
	}
	return nil, false
}

var (
	// bufferText(bytes, encoding, start, end): a string.
	_ = register("bufferText", 4, func(in *Instance, args vm.Args) (vm.Value, error) {
		b := in.view(args.At(0))
		start, end := whole(args.At(2)), whole(args.At(3))
		end = max(0, min(end, len(b)))
		start = max(0, min(start, end))
		encoding, _ := in.r.Latin1(args.At(1))
		v, _, err := in.bufferString(string(encoding), b[start:end])
		return v, err
	})
	// bufferByteLength(text, encoding): a number, which for hex and base64 is what the length of the text promises.
	_ = register("bufferByteLength", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		n := in.r.StringLen(args.At(0))
		encoding, _ := in.r.Latin1(args.At(1))
		switch string(encoding) {
		case "latin1", "ascii":
		case "utf16le":
			n *= 2
		case "hex":
			n /= 2
		case "base64", "base64url":
			text := in.r.AppendUTF16(nil, args.At(0))
			for pad := 0; pad < 2 && n > 0 && text[n-1] == '='; pad++ {
				n--
			}
			n = n * 3 / 4
		default:
			n = len(in.utf8(args.At(0)))
		}
		return vm.Int64(int64(n)), nil
	})
	// bufferWrite(bytes, text, encoding, offset, length): how many bytes were written. Characters are not cut.
	_ = register("bufferWrite", 5, func(in *Instance, args vm.Args) (vm.Value, error) {
		encoding, _ := in.r.Latin1(args.At(2))
		name := string(encoding)
		src, _ := in.bufferBytes(name, args.At(1))
		dst := in.view(args.At(0))
		offset, length := whole(args.At(3)), whole(args.At(4))
		offset = max(0, min(offset, len(dst)))
		dst = dst[offset : offset+max(0, min(length, len(dst)-offset))]
		n := min(len(src), len(dst))
		switch {
		case n == len(src):
		case name == "utf16le":
			n &^= 1
		case name == "utf8":
			for n > 0 && !utf8.RuneStart(src[n]) {
				n--
			}
		}
		copy(dst, src[:n])
		return vm.Int64(int64(n)), nil
	})
	// bufferCompare(a, b): -1, 0 or 1.
	_ = register("bufferCompare", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Int(int32(bytes.Compare(in.view(args.At(0)), in.view(args.At(1))))), nil
	})
	// bufferIndex(bytes, needle, offset, forward, step): where the needle, which is not empty, is found, at a multiple of step; or -1.
	_ = register("bufferIndex", 5, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, needle := in.view(args.At(0)), in.view(args.At(1))
		return vm.Int64(int64(bufferIndex(b, needle, whole(args.At(2)), args.At(3).Truth(), whole(args.At(4))))), nil
	})
	// bufferFill(bytes, pattern, start, end)
	_ = register("bufferFill", 4, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, pattern := in.view(args.At(0)), in.view(args.At(1))
		start, end := whole(args.At(2)), whole(args.At(3))
		end = max(0, min(end, len(b)))
		start = max(0, min(start, end))
		dst := b[start:end]
		if len(pattern) == 0 || len(dst) == 0 {
			return vm.Undefined, nil
		}
		pattern = bytes.Clone(pattern) // it may be part of what is filled
		for n := copy(dst, pattern); n < len(dst); n *= 2 {
			copy(dst[n:], dst[:n])
		}
		return vm.Undefined, nil
	})
	_ = register("bufferIsUTF8", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(utf8.Valid(in.view(args.At(0)))), nil
	})
)

func bufferIndex(b, needle []byte, offset int, forward bool, step int) int {
	if step > 1 {
		if len(b) < step || len(needle) < step {
			return -1
		}
		for i := offset &^ (step - 1); i >= 0 && i+len(needle) <= len(b) && forward; i += step {
			if bytes.HasPrefix(b[i:], needle) {
				return i
			}
		}
		if forward {
			return -1
		}
		for i := min(offset, len(b)-len(needle)) &^ (step - 1); i >= 0; i -= step {
			if bytes.HasPrefix(b[i:], needle) {
				return i
			}
		}
		return -1
	}
	if forward {
		if offset > len(b) {
			return -1
		}
		if i := bytes.Index(b[offset:], needle); i >= 0 {
			return offset + i
		}
		return -1
	}
	if len(needle) > len(b) {
		return -1
	}
	return bytes.LastIndex(b[:min(offset, len(b)-len(needle))+len(needle)], needle)
}

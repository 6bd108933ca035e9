package web

import (
	"encoding/base64"

	"everloop/engine/js/internal/vm"
)

var (
	// atob(text): the decoded bytes as a string of those units, or null (Infra standard, "forgiving-base64 decode").
	_ = register("atob", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		out, ok := forgivingDecode(in.r.AppendString(nil, args.At(0)))
		if !ok {
			return vm.Null, nil
		}
		return in.r.StringLatin1(out)
	})
	// btoa(text): base64 of the units, or null if one is above 255.
	_ = register("btoa", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, ok := in.r.Latin1(args.At(0))
		if !ok {
			if b, ok = narrow(in.r.AppendUTF16(nil, args.At(0))); !ok {
				return vm.Null, nil
			}
		}
		in.text = base64.StdEncoding.AppendEncode(in.text[:0], b)
		return in.r.StringLatin1(in.text)
	})
)

// forgivingDecode decodes in place.
func forgivingDecode(b []byte) (_ []byte, ok bool) {
	n := 0
	for _, c := range b {
		switch c {
		case '\t', '\n', '\f', '\r', ' ':
		default:
			b[n] = c
			n++
		}
	}
	b = b[:n]
	if n%4 == 0 && n > 0 && b[n-1] == '=' {
		b = b[:n-1]
		if b[n-2] == '=' {
			b = b[:n-2]
		}
	}
	if len(b)%4 == 1 {
		return nil, false
	}
	n, err := base64.RawStdEncoding.Decode(b, b)
	return b[:n], err == nil
}

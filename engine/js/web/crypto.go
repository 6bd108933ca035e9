package web

import (
	"crypto/rand"
	"encoding/hex"

	"everloop/engine/js/internal/vm"
)

var (
	// randomUUID(): a version 4 UUID (RFC 9562).
	_ = register("randomUUID", 0, func(in *Instance, _ vm.Args) (vm.Value, error) {
		var b [16]byte
		rand.Read(b[:])
		b[6] = b[6]&0x0f | 0x40
		b[8] = b[8]&0x3f | 0x80
		t := in.text[:0]
		for i, n := range [...]int{4, 6, 8, 10, 16} {
			from := 0
			if i > 0 {
				t = append(t, '-')
				from = [...]int{0, 4, 6, 8, 10}[i]
			}
			t = hex.AppendEncode(t, b[from:n])
		}
		in.text = t
		return in.r.StringLatin1(t)
	})
	// randomFill(view)
	_ = register("randomFill", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		if b, ok := in.r.Bytes(args.At(0)); ok {
			rand.Read(b)
		}
		return vm.Undefined, nil
	})
)

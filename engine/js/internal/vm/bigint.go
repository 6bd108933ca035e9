package vm

import (
	"encoding/binary"
	"math/big"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// bigintWrap is BigInt.asUintN and asIntN: the engine's are wrong for some
// negative numbers. Numbers that need no wrapping go to the engine.
func bigintWrap(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	r := runtimeOf(ctx)
	n := &replacements[magic]
	if argc < 2 {
		return n.call(tls, ctx, this, argc, argv)
	}
	bits := *at[Value](argv)
	v := *at[Value](argv + uintptr(valueSize))
	width, ok := bits.Int32()
	if !ok || width < 0 || v.Kind() != KindBigInt {
		return n.call(tls, ctx, this, argc, argv)
	}
	x, err := r.BigInt(v)
	if err != nil {
		return r.throwInEngine(err)
	}
	if x.Sign() >= 0 && x.BitLen() < int(width) || width > 1<<20 {
		return n.call(tls, ctx, this, argc, argv)
	}
	mod := new(big.Int).Lsh(big.NewInt(1), uint(width))
	x.Mod(x, mod) // Euclidean: never negative
	if n.name == "asIntN" && width > 0 && x.Bit(int(width)-1) != 0 {
		x.Sub(x, mod)
	}
	out, err := r.NewBigInt(x)
	if err != nil {
		return r.throwInEngine(err)
	}
	return out.js
}

// BigInt is a bigint as a Go number.
func (r *Runtime) BigInt(v Value) (*big.Int, error) {
	if r.dead != nil {
		return nil, r.dead
	}
	switch v.js.Ftag {
	case tagShortBigInt:
		return big.NewInt(int64(int32(v.bits()))), nil
	case tagBigInt:
		// {uint32 length; uint32 limbs[]}: little-endian two's complement.
		p := v.ptr()
		count := int(*at[uint32](p))
		b := make([]byte, count*4)
		for i := range count {
			limb := *at[uint32](p + bigIntLimbs + uintptr(i)*4)
			binary.BigEndian.PutUint32(b[(count-1-i)*4:], limb)
		}
		x := new(big.Int).SetBytes(b)
		if count > 0 && int8(b[0]) < 0 {
			x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(count)*32))
		}
		return x, nil
	}
	return nil, TypeError("not a BigInt")
}

// bigIntLimbs is where a bigint's limbs begin.
const bigIntLimbs = 4

// NewBigInt makes a bigint. More than 2^20 bits throw a RangeError.
func (r *Runtime) NewBigInt(x *big.Int) (v Value, err error) {
	if x.IsInt64() {
		return r.BigInt64(x.Int64())
	}
	if r.dead != nil {
		return Undefined, r.dead
	}
	if x.BitLen() > 1<<20 {
		return Undefined, r.Throw(RangeError("Maximum BigInt size exceeded"))
	}
	defer r.leave(r.enter(), &err)
	// One bit more than the magnitude, for the sign.
	count := x.BitLen()/32 + 1
	y := x
	if x.Sign() < 0 {
		if m := new(big.Int).Neg(x); m.BitLen()%32 == 0 && m.TrailingZeroBits() == uint(m.BitLen()-1) {
			count = m.BitLen() / 32 // -2^(32n-1) needs no limb more
		}
		y = new(big.Int).Add(x, new(big.Int).Lsh(big.NewInt(1), uint(count)*32))
	}
	p := lib.Xjs_malloc(r.tls, r.ctx, uint64(bigIntLimbs+4*count))
	if p == 0 {
		return Undefined, r.thrown()
	}
	*at[int32](p - refCountOffset) = 1
	*at[uint32](p) = uint32(count)
	b := y.FillBytes(make([]byte, count*4))
	for i := range count {
		*at[uint32](p + bigIntLimbs + uintptr(i)*4) = binary.BigEndian.Uint32(b[(count-1-i)*4:])
	}
	return mk(tagBigInt, uint64(p)), nil
}

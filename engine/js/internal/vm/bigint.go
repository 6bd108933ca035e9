package vm

import (
	"encoding/binary"
	"math"
	"math/big"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// maxBigIntBits is the longest bigint that is made here; the engine's own limit.
const maxBigIntBits = 1 << 20

// bigintWrap is BigInt.asUintN and asIntN: the engine's are wrong for some
// negative numbers.
func bigintWrap(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	r := runtimeOf(ctx)
	n := &replacements[magic]
	var bits, v Value
	bits, v = Undefined, Undefined
	if argc > 0 {
		bits = *at[Value](argv)
	}
	if argc > 1 {
		v = *at[Value](argv + uintptr(valueSize))
	}
	width, err := r.ToFloat64(bits)
	if err != nil {
		return r.throwInEngine(err)
	}
	if width = math.Trunc(width); width != width {
		width = 0
	}
	if width < 0 || width > 1<<53-1 {
		return r.throwInEngine(RangeError("Invalid value: not (convertible to) a safe integer"))
	}
	x, err := r.toBigInt(n, v)
	if err != nil {
		return r.throwInEngine(err)
	}
	switch {
	case n.name == "asIntN" && float64(x.BitLen()) < width, x.Sign() >= 0 && float64(x.BitLen()) <= width && n.name == "asUintN":
		// It is in the range as it is.
	case width > maxBigIntBits:
		return r.throwInEngine(RangeError("Maximum BigInt size exceeded"))
	default:
		mod := new(big.Int).Lsh(big.NewInt(1), uint(width))
		x.Mod(x, mod) // Euclidean: never negative
		if n.name == "asIntN" && width > 0 && x.Bit(int(width)-1) != 0 {
			x.Sub(x, mod)
		}
	}
	out, err := r.NewBigInt(x)
	if err != nil {
		return r.throwInEngine(err)
	}
	return out.js
}

// toBigInt converts as asUintN and asIntN do, by way of n, one of them: so wide
// that it changes nothing.
func (r *Runtime) toBigInt(n *native, v Value) (*big.Int, error) {
	if v.Kind() == KindBigInt {
		return r.BigInt(v)
	}
	const wide = 1<<53 - 1
	argv := r.tls.Alloc(2 * valueSize)
	defer r.tls.Free(2 * valueSize)
	*at[[2]Value](argv) = [2]Value{Float(wide), v}
	b, err := r.result(n.call(r.tls, r.ctx, Undefined.js, 2, argv))
	if err != nil {
		return nil, err
	}
	x, err := r.BigInt(b)
	r.Free(b)
	return x, err
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
	if x.BitLen() > maxBigIntBits {
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

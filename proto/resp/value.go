package resp

import (
	"bytes"
	"math/big"
)

// Kind is the type of a [Value]: the byte that a value of the type begins with.
type Kind byte

// The kinds of values. RESP2 has the first five; its null strings and null arrays are Null here.
const (
	SimpleString   Kind = '+'
	SimpleError    Kind = '-'
	Integer        Kind = ':'
	BulkString     Kind = '$'
	Array          Kind = '*'
	Null           Kind = '_'
	Boolean        Kind = '#'
	Double         Kind = ','
	BigNumber      Kind = '('
	BulkError      Kind = '!'
	VerbatimString Kind = '='
	Map            Kind = '%'
	Set            Kind = '~'
	Push           Kind = '>'
)

// Value is a reply, or a part of one. What it holds aliases the bytes that it was read from, and is valid as long as they are;
// [Value.Clone] makes one that lasts. Reading into a Value overwrites it and uses the memory of its Elems again.
type Value struct {
	Kind Kind
	// Format says what a VerbatimString is: three characters, such as "txt".
	Format [3]byte
	// Bytes are the text of a string or an error, and the digits of a BigNumber.
	Bytes []byte
	// Int is an Integer, or a Boolean as 0 or 1.
	Int int64
	// Float is a Double.
	Float float64
	// Elems are the elements of an Array, Set or Push, and of a Map its keys and values in turns.
	Elems []Value
	// Attributes were sent before the value: keys and values in turns. Most often there are none.
	Attributes []Value
}

// IsError reports whether v is an error of either kind.
func (v *Value) IsError() bool { return v.Kind == SimpleError || v.Kind == BulkError }

// Code is the first word of an error ("ERR", "WRONGTYPE"), and empty for other kinds.
func (v *Value) Code() string {
	if !v.IsError() {
		return ""
	}
	code, _, _ := bytes.Cut(v.Bytes, []byte(" "))
	return string(code)
}

// Big is the value of a BigNumber or an Integer, and nil for other kinds.
func (v *Value) Big() *big.Int {
	switch v.Kind {
	case Integer:
		return big.NewInt(v.Int)
	case BigNumber:
		if n, ok := new(big.Int).SetString(string(v.Bytes), 10); ok {
			return n
		}
	}
	return nil
}

// Clone is a copy of v that shares nothing with it.
func (v *Value) Clone() Value {
	c := *v
	c.Bytes = bytes.Clone(v.Bytes)
	c.Elems, c.Attributes = cloneAll(v.Elems), cloneAll(v.Attributes)
	return c
}

func cloneAll(values []Value) []Value {
	if len(values) == 0 {
		return nil
	}
	out := make([]Value, len(values))
	for i := range values {
		out[i] = values[i].Clone()
	}
	return out
}

// AppendValue writes v as a server does, each kind in the form that the version has for it. Attributes are left out of RESP2.
// The zero Value is a null.
func AppendValue(dst []byte, ver Version, v *Value) []byte {
	if len(v.Attributes) > 0 && ver >= V3 {
		dst = appendAll(AppendAttribute(dst, len(v.Attributes)/2), ver, v.Attributes)
	}
	switch v.Kind {
	case SimpleString:
		return appendLine(append(dst, '+'), v.Bytes)
	case SimpleError:
		return appendLine(append(dst, '-'), v.Bytes)
	case Integer:
		return AppendInt(dst, v.Int)
	case BulkString:
		return AppendBulk(dst, v.Bytes)
	case Boolean:
		return AppendBool(dst, ver, v.Int != 0)
	case Double:
		return AppendDouble(dst, ver, v.Float)
	case BigNumber:
		if ver < V3 {
			return AppendBulk(dst, v.Bytes)
		}
		return appendLine(append(dst, '('), v.Bytes)
	case BulkError:
		return AppendBulkError(dst, ver, string(v.Bytes))
	case VerbatimString:
		return AppendVerbatim(dst, ver, string(v.Format[:]), string(v.Bytes))
	case Array:
		return appendAll(AppendArray(dst, len(v.Elems)), ver, v.Elems)
	case Map:
		return appendAll(AppendMap(dst, ver, len(v.Elems)/2), ver, v.Elems)
	case Set:
		return appendAll(AppendSet(dst, ver, len(v.Elems)), ver, v.Elems)
	case Push:
		return appendAll(AppendPush(dst, ver, len(v.Elems)), ver, v.Elems)
	default:
		return AppendNull(dst, ver)
	}
}

func appendAll(dst []byte, ver Version, values []Value) []byte {
	for i := range values {
		dst = AppendValue(dst, ver, &values[i])
	}
	return dst
}

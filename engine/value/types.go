package value

import "math/big"

// The Go types for what JavaScript has and Go does not. [Unmarshal] into an any gives these; [Marshal] takes them
// anywhere.
type (
	// Undefined is JavaScript's undefined; nil is null.
	Undefined struct{}

	// WTF8 is a string with lone surrogates, in WTF-8. Strings without any are Go strings.
	WTF8 string

	// Set is a Set, in its order.
	Set []any

	// Web is an object of the Web APIs (a Blob, Headers, ...) by its parts: see docs/format/value.md.
	Web []any

	// Map is a Map, in its order. (Go maps whose keys are not strings are written as Maps too, in the order that they
	// come in.)
	Map []Entry

	// Entry is one entry of a [Map].
	Entry struct{ Key, Value any }

	// Object is a plain object that keeps its order. Into an any, objects are read as map[string]any.
	Object []Property

	// Property is a property of an [Object].
	Property struct {
		Name  string
		Value any
	}

	// InvalidDate is an invalid Date; every valid one is a time.Time, to the millisecond, in UTC.
	InvalidDate struct{}

	// RegExp is a regular expression.
	RegExp struct{ Source, Flags string }

	// Boxed is a Boolean, Number, String or BigInt object; Value is a primitive.
	Boxed struct{ Value any }

	// Array is an array with holes or named properties. Arrays without are []any.
	Array struct {
		Length uint32
		// Elements are those that are there, by ascending index.
		Elements []Element
		Named    []Property
	}

	// Element is an element of an [Array].
	Element struct {
		Index uint32
		Value any
	}

	// ArrayBuffer is an ArrayBuffer. A []byte is a Uint8Array.
	ArrayBuffer struct {
		Bytes []byte
		// MaxByteLength counts only if Resizable is set.
		MaxByteLength uint64
		Resizable     bool
	}

	// TypedArray is a typed array over a buffer of its own; a Uint8Array of that kind is a []byte.
	TypedArray struct {
		Kind ArrayKind
		// Data is little-endian; its length is a multiple of the kind's element size.
		Data []byte
	}

	// View is a DataView, or a typed array that shows a part of a buffer, or shares it with others.
	View struct {
		Kind ArrayKind
		// Buffer is one pointer for all views that share it.
		Buffer         *ArrayBuffer
		Offset, Length int // in bytes
		// Tracking says that the length follows a resizable buffer's.
		Tracking bool
	}
)

// Error is a JavaScript error as a Go error, for instance what a method of an object threw.
type Error struct {
	// Name is the name of its constructor: Error, TypeError, ...
	Name    string
	Message string
	// Stack is "" for none.
	Stack string
	// Cause counts only if HasCause is set: a cause may be undefined.
	Cause    any
	HasCause bool
	// Properties are the other own properties, in their order.
	Properties []Property
}

// Error returns "Name: message", as JavaScript does.
func (e *Error) Error() string {
	switch {
	case e.Message == "":
		return e.Name
	case e.Name == "":
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// Unwrap returns the cause, if it is an error.
func (e *Error) Unwrap() error {
	if err, ok := e.Cause.(error); ok {
		return err
	}
	return nil
}

// Bytes is the part of the buffer that the view shows; it aliases the buffer.
func (v *View) Bytes() []byte { return v.Buffer.Bytes[v.Offset : v.Offset+v.Length] }

// bigInt is an integer token of any size.
func bigInt(t *Token) *big.Int {
	n := new(big.Int).SetUint64(t.N)
	if t.Kind == KindNegInt {
		n.Not(n)
	}
	return n
}

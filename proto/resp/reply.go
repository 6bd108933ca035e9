package resp

import "math/big"

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
func (v *Value) Code() string { return "" }

// Big is the value of a BigNumber or an Integer, and nil for other kinds.
func (v *Value) Big() *big.Int { return nil }

// Clone is a copy of v that shares nothing with it.
func (v *Value) Clone() Value { return *v }

// AppendValue writes v as a server does, each kind in the form that the version has for it. Attributes are left out of RESP2.
func AppendValue(dst []byte, ver Version, v *Value) []byte { return dst }

// Defaults of [ReplyLimits].
const (
	DefaultReplyDepth = 16
	DefaultReplyElems = 1 << 20
	DefaultReplyBytes = 64 << 20
)

// ReplyLimits bound the replies that a client takes. A field that is 0 or less stands for its default.
type ReplyLimits struct {
	// Depth is the number of arrays, maps, sets, pushes and attributes that may be inside each other. Default 16, and at most 32.
	Depth int
	// Elems is the number of values in a reply altogether. Default 1,048,576; each takes 120 bytes of memory.
	Elems int
	// Bytes is the number of bytes of a reply as it is sent. Default 64 MiB.
	Bytes int
}

// ReplyReader cuts replies from what a server has sent. The zero value works. Like [CommandReader] it looks at what is
// incomplete once, and there is one for each connection.
type ReplyReader struct{}

// Read takes the reply that in begins with, an error or a push as well as any other, into v. in is everything that has arrived and is
// not discarded yet: it begins with the same bytes as at the last call, if that call found its reply incomplete. n is the number of bytes
// of the reply, or 0 if it is incomplete, and then v is undefined. v aliases in.
//
// An error is a [*ProtocolError]; the connection cannot be read on then. Streamed strings and aggregates ("$?", "*?"), which no
// server is known to send, are refused. l must have its defaults set.
func (r *ReplyReader) Read(in []byte, v *Value, l *ReplyLimits) (n int, err error) { return 0, nil }

// EnsureDefaults sets what is not set.
func (l *ReplyLimits) EnsureDefaults() {
}

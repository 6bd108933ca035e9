package redo

import (
	"errors"
	"fmt"
)

// What an [Error] wraps, for callers that act on it.
var (
	// ErrUnknown: the record has a kind or an operation that this program does not know. It was probably
	// written by a newer one.
	ErrUnknown = errors.New("unknown kind of record or operation")
	// ErrTruncated: the record ends within something.
	ErrTruncated = errors.New("record is cut short")
	// ErrMalformed: the record breaks a rule of the format.
	ErrMalformed = errors.New("record is malformed")
)

// Error says where a record cannot be read and why.
type Error struct {
	// Offset is the place within the record, in bytes.
	Offset int
	// Kind is the record's kind, Op the operation that was being read or 0.
	Kind Kind
	Op   Op
	// Detail is the reason in words.
	Detail string
	// Err is ErrUnknown, ErrTruncated or ErrMalformed.
	Err error
}

func (e *Error) Error() string {
	where := fmt.Sprintf("record kind 0x%02x", byte(e.Kind))
	if e.Op != 0 {
		where += fmt.Sprintf(", operation 0x%02x", byte(e.Op))
	}
	return fmt.Sprintf("redo: %s at offset %d (%s)", e.Detail, e.Offset, where)
}

// Unwrap returns the sentinel that the error is a case of.
func (e *Error) Unwrap() error { return e.Err }

// Record is one parsed record. Which fields are set depends on Kind. Everything aliases the parsed bytes.
type Record struct {
	Kind Kind

	// Class is the class number: of an Object record and of a DefineClass record; the next one of a ClassCounter record.
	Class uint32

	// ID, Name and HasName are of an Object record; Name counts only if HasName is set.
	ID      *[IDSize]byte
	Name    []byte
	HasName bool
	ops     []byte

	// UniqueKey and ClassName are of a DefineClass record.
	UniqueKey []byte
	ClassName []byte

	// Tag and Details are of a Migration record.
	Tag     []byte
	Details []byte
}

// Parse reads a record and checks all of it: after Parse, going through the operations cannot fail. The error
// is an [*Error].
func Parse(record []byte) (Record, error) {
	p := parser{b: record}
	r := p.record()
	if p.err != nil {
		return Record{}, p.err
	}
	return r, nil
}

// Ops is a cursor over the operations of an Object record; the fields describe the current one.
type Ops struct {
	Op Op
	// Key is of OpPut and OpDelete, Value of OpPut.
	Key   []byte
	Value []byte
	// TimeMs is of OpSetAlarm, OpRetryAlarm and OpFailAlarm: milliseconds since 1970 UTC that the alarm was set for.
	TimeMs int64
	// Runs is of OpRetryAlarm, the retries, and of OpFailAlarm. NextMs is when the next run is due, or when the alarm was given
	// up. Error is of OpFailAlarm.
	Runs   uint32
	NextMs int64
	Error  []byte

	rest []byte
}

// Ops returns a cursor that stands before the first operation; other kinds of records have none.
func (r *Record) Ops() Ops { return Ops{rest: r.ops} }

// Next moves to the next operation, and reports whether there is one.
func (o *Ops) Next() bool {
	if len(o.rest) == 0 {
		return false
	}
	p := parser{b: o.rest}
	p.op(o)
	o.rest = o.rest[p.at:]
	return p.err == nil // Parse has been through here
}

// parser is a cursor that stops at its first error.
type parser struct {
	b    []byte
	at   int
	kind Kind
	cur  Op
	err  error
}

func (p *parser) fail(at int, err error, detail string) {
	if p.err == nil {
		p.err = &Error{Offset: at, Kind: p.kind, Op: p.cur, Detail: detail, Err: err}
	}
}

func (p *parser) record() (r Record) {
	if len(p.b) == 0 {
		p.fail(0, ErrTruncated, "empty record")
		return r
	}
	p.kind = Kind(p.b[0])
	r.Kind = p.kind
	p.at = 1
	switch p.kind {
	case KindObject:
		r.Class = p.class()
		if id := p.take(IDSize, "object ID"); id != nil {
			r.ID = (*[IDSize]byte)(id)
		}
		if n := p.uvarint("length of the name"); n > 0 {
			r.HasName = true
			r.Name = p.take(n-1, "name")
		}
		if p.err != nil {
			return r
		}
		r.ops = p.b[p.at:]
		for p.err == nil && p.at < len(p.b) {
			var o Ops
			p.op(&o)
		}
		return r
	case KindDefineClass:
		r.Class = p.class()
		r.UniqueKey = p.bytes("unique key")
		r.ClassName = p.bytes("class name")
	case KindMigration:
		r.Tag = p.bytes("tag")
		r.Details = p.bytes("details")
	case KindClassCounter:
		r.Class = p.class()
	default:
		p.fail(0, ErrUnknown, fmt.Sprintf("unknown record kind 0x%02x: it is damaged, or a newer version wrote it", byte(p.kind)))
	}
	if p.err == nil && p.at < len(p.b) {
		p.fail(p.at, ErrMalformed, fmt.Sprintf("%d bytes too many behind the record", len(p.b)-p.at))
	}
	return r
}

func (p *parser) op(o *Ops) {
	at := p.at
	p.cur = Op(p.b[at])
	p.at++
	*o = Ops{Op: p.cur, rest: o.rest}
	switch p.cur {
	case OpPut:
		o.Key = p.bytes("key")
		o.Value = p.bytes("value")
	case OpDelete:
		o.Key = p.bytes("key")
	case OpDeleteAll, OpDeleteAlarm:
	case OpSetAlarm:
		o.TimeMs = p.varint("alarm time")
	case OpRetryAlarm:
		o.TimeMs = p.varint("alarm time")
		o.Runs = p.count("number of retries")
		o.NextMs = p.varint("time of the next run")
	case OpFailAlarm:
		o.TimeMs = p.varint("alarm time")
		o.Runs = p.count("number of runs")
		o.NextMs = p.varint("time of the failure")
		o.Error = p.bytes("error")
	default:
		p.fail(at, ErrUnknown, fmt.Sprintf("unknown operation 0x%02x: it is damaged, or a newer version wrote it", byte(p.cur)))
	}
	p.cur = 0
}

func (p *parser) class() uint32 {
	at := p.at
	n := p.uvarint("class number")
	if p.err == nil && (n == 0 || n > 1<<32-1) {
		p.fail(at, ErrMalformed, fmt.Sprintf("class number %d is out of range", n))
	}
	return uint32(n)
}

func (p *parser) varint(what string) int64 {
	u := p.uvarint(what)
	return int64(u>>1) ^ -int64(u&1)
}

func (p *parser) count(what string) uint32 {
	at := p.at
	n := p.uvarint(what)
	if p.err == nil && n > 1<<32-1 {
		p.fail(at, ErrMalformed, fmt.Sprintf("%s %d is out of range", what, n))
	}
	return uint32(n)
}

func (p *parser) bytes(what string) []byte { return p.take(p.uvarint(what), what) }

// take returns the next n bytes, capped, so that nobody appends into what lies behind.
func (p *parser) take(n uint64, what string) []byte {
	if p.err != nil {
		return nil
	}
	if n > uint64(len(p.b)-p.at) {
		p.fail(p.at, ErrTruncated, fmt.Sprintf("%s of %d bytes, but only %d are left,", what, n, len(p.b)-p.at))
		return nil
	}
	b := p.b[p.at : p.at+int(n) : p.at+int(n)]
	p.at += int(n)
	return b
}

// uvarint differs from binary.Uvarint in refusing forms that are longer than they need to be.
func (p *parser) uvarint(what string) uint64 {
	if p.err != nil {
		return 0
	}
	start := p.at
	var n uint64
	for shift := uint(0); ; shift += 7 {
		if p.at == len(p.b) {
			p.fail(start, ErrTruncated, what+" is cut off")
			return 0
		}
		c := p.b[p.at]
		p.at++
		if shift == 63 && c > 1 {
			p.fail(start, ErrMalformed, what+" does not fit 64 bits")
			return 0
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if c == 0 && shift > 0 {
				p.fail(start, ErrMalformed, what+" is not in its shortest form")
				return 0
			}
			return n
		}
	}
}

package redo

import (
	"encoding/hex"
	"strconv"
	"time"
)

// Printer writes records as text for people. Both functions may be nil. A Printer is safe for concurrent use if
// they are.
type Printer struct {
	// ClassName returns the name of a class, or "" if it does not know it.
	ClassName func(class uint32) string
	// AppendValue appends a stored value in a readable form. Without it values are written in hex.
	AppendValue func(dst, value []byte) []byte
}

// Append appends r as text: the record on the first line, then every operation on its own, indented by two
// spaces, with no newline at the end. Keys and names are quoted as Go does it, so the text has no control
// characters of theirs.
func (p *Printer) Append(dst []byte, r *Record) []byte {
	switch r.Kind {
	case KindObject:
		dst = append(dst, "object "...)
		dst = p.appendClass(dst, r.Class)
		dst = append(dst, ' ')
		if r.ID != nil {
			dst = hex.AppendEncode(dst, r.ID[:])
		}
		if r.HasName {
			dst = append(dst, " name="...)
			dst = strconv.AppendQuote(dst, string(r.Name))
		}
		for ops := r.Ops(); ops.Next(); {
			dst = append(dst, "\n  "...)
			dst = p.AppendOp(dst, &ops)
		}
	case KindDefineClass:
		dst = append(dst, "define-class "...)
		dst = strconv.AppendUint(dst, uint64(r.Class), 10)
		dst = append(dst, " key="...)
		dst = strconv.AppendQuote(dst, string(r.UniqueKey))
		dst = append(dst, " name="...)
		dst = strconv.AppendQuote(dst, string(r.ClassName))
	case KindMigration:
		dst = append(dst, "migration "...)
		dst = strconv.AppendQuote(dst, string(r.Tag))
		if len(r.Details) > 0 {
			dst = append(dst, ' ')
			dst = p.appendValue(dst, r.Details)
		}
	case KindClassCounter:
		dst = append(dst, "class-counter "...)
		dst = strconv.AppendUint(dst, uint64(r.Class), 10)
	default:
		dst = append(dst, "unknown 0x"...)
		dst = hex.AppendEncode(dst, []byte{byte(r.Kind)})
	}
	return dst
}

// AppendOp appends the operation that o stands on.
func (p *Printer) AppendOp(dst []byte, o *Ops) []byte {
	switch o.Op {
	case OpPut:
		dst = append(dst, "put "...)
		dst = strconv.AppendQuote(dst, string(o.Key))
		dst = append(dst, " = "...)
		return p.appendValue(dst, o.Value)
	case OpDelete:
		dst = append(dst, "delete "...)
		return strconv.AppendQuote(dst, string(o.Key))
	case OpDeleteAll:
		return append(dst, "delete-all"...)
	case OpSetAlarm:
		return appendTime(append(dst, "set-alarm "...), o.TimeMs)
	case OpDeleteAlarm:
		return append(dst, "delete-alarm"...)
	case OpRetryAlarm:
		dst = appendTime(append(dst, "retry-alarm "...), o.TimeMs)
		dst = append(dst, " retries="...)
		dst = strconv.AppendUint(dst, uint64(o.Runs), 10)
		return appendTime(append(dst, " next="...), o.NextMs)
	case OpFailAlarm:
		dst = appendTime(append(dst, "fail-alarm "...), o.TimeMs)
		dst = append(dst, " runs="...)
		dst = strconv.AppendUint(dst, uint64(o.Runs), 10)
		dst = appendTime(append(dst, " at="...), o.NextMs)
		return strconv.AppendQuote(append(dst, " error="...), string(o.Error))
	default:
		dst = append(dst, "unknown 0x"...)
		return hex.AppendEncode(dst, []byte{byte(o.Op)})
	}
}

func appendTime(dst []byte, ms int64) []byte {
	dst = strconv.AppendInt(dst, ms, 10)
	if t := time.UnixMilli(ms).UTC(); t.Year() >= 1 && t.Year() <= 9999 {
		dst = append(dst, " ("...)
		dst = t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
		dst = append(dst, ')')
	}
	return dst
}

func (p *Printer) appendClass(dst []byte, class uint32) []byte {
	if p.ClassName != nil {
		if name := p.ClassName(class); name != "" {
			return append(dst, name...)
		}
	}
	return strconv.AppendUint(append(dst, '#'), uint64(class), 10)
}

func (p *Printer) appendValue(dst, value []byte) []byte {
	if p.AppendValue != nil {
		return p.AppendValue(dst, value)
	}
	return hex.AppendEncode(append(dst, "0x"...), value)
}

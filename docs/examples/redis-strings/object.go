package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"everloop/engine"
	"everloop/engine/value"
	"everloop/proto/resp"
)

// Each Redis key is an object of the class String, found by its name. All that it is lies in its storage: the bytes of the
// string, and an alarm for the moment when it expires. So the class needs no instances (engine.DirectOf), and a key at rest takes
// little more memory than its bytes.
//
// handle runs one command on one key. It runs on the loop that owns the key, alone, and to its end: nothing comes between a read and the
// write that follows. The engine holds the answer back until what was written is durable.
//
// Arguments have been checked and are binary, see the constants; the result is the answer in RESP, as the client gets it.
func handle(c *engine.Call) error {
	if _, is := c.Alarm(); is {
		_, err := c.Storage.Delete(stored)
		return err
	}
	s, err := open(c)
	if err != nil {
		return err
	}
	switch c.Method {
	case "get":
		return s.get()
	case "set":
		return s.set()
	case "append":
		return s.append()
	case "strlen":
		c.Result = resp.AppendInt(c.Result, int64(len(s.bytes)))
	case "incrby":
		return s.incrBy(int64(binary.BigEndian.Uint64(c.Args)))
	case "exists":
		s.answerBool(s.found)
	case "type":
		c.Result = resp.AppendSimple(c.Result, map[bool]string{true: "string", false: "none"}[s.found])
	case "del":
		s.answerBool(s.found)
		return s.delete()
	case "expireat":
		return s.expireAt(int64(binary.BigEndian.Uint64(c.Args)))
	case "persist":
		s.answerBool(s.found && s.expires != never)
		if s.found {
			return s.expire(never)
		}
	case "pttl":
		s.pttl(1)
	case "ttl":
		s.pttl(1000)
	default:
		return fmt.Errorf("no method %q", c.Method)
	}
	return nil
}

// stored is the key in the object's storage, as short as it can be: there are many objects.
const stored = "s"

// never is the expiry of a key that has none.
const never = math.MaxInt64

// The arguments of "set" begin with a byte of these and eight of the expiry, in milliseconds since 1970. The value follows.
const (
	ifAbsent  = 1 << iota // NX
	ifPresent             // XX
	keepTTL               // KEEPTTL
	wantOld               // GET
)

const setHeader = 1 + 8

// state is what a key is when a command begins.
type state struct {
	*engine.Call
	found   bool
	bytes   []byte // belong to the storage: valid until something is written
	expires int64
}

func open(c *engine.Call) (state, error) {
	s := state{Call: c, expires: never}
	encoded, found, err := c.Storage.GetRaw(stored)
	if err != nil {
		return s, err
	}
	if at, set, err := c.Storage.Alarm(); err != nil {
		return s, err
	} else if set {
		s.expires = at
	}
	// The alarm comes soon after its moment, not in it. Redis has a key gone at the moment.
	if s.found = found && (s.expires == never || c.Time().UnixMilli() < s.expires); s.found {
		var ok bool
		if s.bytes, ok = value.BytesOf(encoded); !ok {
			return s, errors.New("what is stored is no string of bytes")
		}
	}
	return s, nil
}

func (s *state) get() error {
	s.answerValue()
	return nil
}

func (s *state) set() error {
	flags, expires, value := s.Args[0], int64(binary.BigEndian.Uint64(s.Args[1:])), s.Args[setHeader:]
	refused := s.found && flags&ifAbsent != 0 || !s.found && flags&ifPresent != 0
	switch {
	case flags&wantOld != 0:
		s.answerValue()
	case refused:
		s.Result = resp.AppendNull(s.Result, resp.V2)
	default:
		s.Result = append(s.Result, "+OK\r\n"...)
	}
	if refused {
		return nil
	}
	if flags&keepTTL != 0 && s.found {
		expires = s.expires
	}
	if err := s.put(value, nil); err != nil {
		return err
	}
	return s.expire(expires)
}

func (s *state) append() error {
	s.Result = resp.AppendInt(s.Result, int64(len(s.bytes)+len(s.Args)))
	return s.change(s.bytes, s.Args)
}

func (s *state) incrBy(by int64) error {
	n := int64(0)
	if s.found {
		var ok bool
		if n, ok = parseInt(s.bytes); !ok {
			s.Result = resp.AppendError(s.Result, errNotInteger)
			return nil
		}
	}
	if by > 0 && n > math.MaxInt64-by || by < 0 && n < math.MinInt64-by {
		s.Result = resp.AppendError(s.Result, "ERR increment or decrement would overflow")
		return nil
	}
	s.Result = resp.AppendInt(s.Result, n+by)
	var digits [20]byte
	return s.change(strconv.AppendInt(digits[:0], n+by, 10), nil)
}

// change writes a value that takes the old one's expiry. A key that has expired begins anew without one.
func (s *state) change(value, more []byte) error {
	if err := s.put(value, more); err != nil || s.found {
		return err
	}
	return s.expire(never)
}

// put stores two pieces of bytes as one value: encoded as docs/format/value.md has it, so that tools can show it. It is put together behind
// the result, in memory that the engine has there for us.
func (s *state) put(b, more []byte) error {
	n := len(s.Result)
	s.Result = value.AppendBytesHeader(s.Result, len(b)+len(more))
	s.Result = append(append(s.Result, b...), more...)
	err := s.Storage.PutRaw(stored, s.Result[n:], engine.WriteOptions{})
	s.Result = s.Result[:n]
	return err
}

func (s *state) delete() error {
	if _, err := s.Storage.Delete(stored); err != nil {
		return err
	}
	return s.expire(never)
}

// expire moves the alarm, unless it is where it should be.
func (s *state) expire(at int64) error {
	switch {
	case at == s.expires:
		return nil
	case at == never:
		return s.Storage.DeleteAlarm(engine.WriteOptions{})
	default:
		return s.Storage.SetAlarm(time.UnixMilli(at))
	}
}

func (s *state) expireAt(at int64) error {
	s.answerBool(s.found)
	switch {
	case !s.found:
		return nil
	case at <= s.Time().UnixMilli():
		return s.delete()
	default:
		return s.expire(at)
	}
}

func (s *state) pttl(unit int64) {
	switch {
	case !s.found:
		s.Result = resp.AppendInt(s.Result, -2)
	case s.expires == never:
		s.Result = resp.AppendInt(s.Result, -1)
	default:
		s.Result = resp.AppendInt(s.Result, (s.expires-s.Time().UnixMilli()+unit/2)/unit)
	}
}

func (s *state) answerValue() {
	if s.found {
		s.Result = resp.AppendBulk(s.Result, s.bytes)
	} else {
		s.Result = resp.AppendNull(s.Result, resp.V2)
	}
}

func (s *state) answerBool(b bool) { s.Result = resp.AppendBool(s.Result, resp.V2, b) }

const errNotInteger = "ERR value is not an integer or out of range"

// parseInt takes what Redis takes for an integer: no blanks, plus signs or leading zeros.
func parseInt(b []byte) (n int64, ok bool) {
	digits := b
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

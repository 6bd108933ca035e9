package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unicode/utf8"

	"everloop/engine"
	"everloop/engine/value"
	"everloop/proto/resp"
)

// emptyArray is the encoded array of no arguments.
var emptyArray = []byte{0x80}

// class finds the namespace of a class, and answers if there is none.
func (s *respSession) class(name []byte) *engine.Namespace {
	ns := s.here.namespace(s.c.Port(), name)
	if ns == nil {
		s.fail("NOCLASS there is no class '" + printable(name) + "'")
	}
	return ns
}

// named checks the name of an object or a method, and answers if it is none.
func (s *respSession) named(what string, name []byte) bool {
	if utf8.Valid(name) {
		return true
	}
	s.fail("BADARG the name of the " + what + " is not UTF-8")
	return false
}

func (s *respSession) call(args [][]byte) bool {
	ns := s.class(args[1])
	if ns == nil || !s.named("object", args[2]) || !s.named("method", args[3]) {
		return true
	}
	if encoded, ok := s.arguments(args[4:]); ok {
		s.start(ns, args[2], nil, args[3], encoded, s.results())
	}
	return true
}

func (s *respSession) callID(args [][]byte) bool {
	ns := s.class(args[1])
	if ns == nil || !s.named("method", args[3]) {
		return true
	}
	id, err := ns.IDFromString(string(args[2]))
	if err != nil {
		s.fail("BADARG " + err.Error())
		return true
	}
	if encoded, ok := s.arguments(args[4:]); ok {
		s.start(ns, nil, &id, args[3], encoded, s.results())
	}
	return true
}

func (s *respSession) callBytes(args [][]byte) bool {
	ns := s.class(args[1])
	if ns == nil || !s.named("object", args[2]) || !s.named("method", args[3]) {
		return true
	}
	b := value.AppendArrayHeader(s.here.scratch[:0], len(args)-4)
	for _, a := range args[4:] {
		b = value.AppendBytes(b, a)
	}
	s.start(ns, args[2], nil, args[3], b, encodingBytes)
	return true
}

// arguments encodes what stands behind a method, into the loop's scratch memory, or answers what is wrong with it.
func (s *respSession) arguments(args [][]byte) (encoded []byte, ok bool) {
	if s.encoding == encodingValue {
		return s.encodedArguments(args)
	}
	b := value.AppendArrayHeader(s.here.scratch[:0], len(args))
	for i, a := range args {
		var err error
		if b, err = s.here.json.append(b, a); err != nil {
			s.fail("BADARG argument " + strconv.Itoa(i+1) + ", " + err.Error())
			return nil, false
		}
	}
	if len(b) > value.MaxSize {
		s.fail(fmt.Sprintf("BADARG the arguments are %d bytes as values: the limit is %d", len(b), value.MaxSize))
		return nil, false
	}
	return b, true
}

// encodedArguments checks arguments that are encoded by docs/format/value.md.
func (s *respSession) encodedArguments(args [][]byte) (encoded []byte, ok bool) {
	switch len(args) {
	case 0:
		return emptyArray, true
	case 1:
	default:
		s.fail("BADARG with CLIENT ENCODING VALUE there is one argument: the encoded array of arguments")
		return nil, false
	}
	if err := checkArguments(args[0]); err != nil {
		s.fail("BADARG argument 1, " + strings.TrimPrefix(err.Error(), "value: "))
		return nil, false
	}
	return args[0], true
}

func checkArguments(b []byte) error {
	r := value.NewReader(b)
	if t := r.Next(); r.Err() == nil && t.Kind != value.KindArray {
		return fmt.Errorf("the array of arguments is wanted, not a value of kind %v, at offset 0", t.Kind)
	}
	for {
		t := r.Next()
		if t.Kind == value.KindEnd {
			break
		}
		if t.Kind == value.KindTag && t.N == value.TagCap {
			return fmt.Errorf("something given away, which callers from outside cannot do, at offset %d", r.TokenOffset())
		}
	}
	if err := r.Finish(); err != nil {
		return err
	}
	return value.Validate(b)
}

// start makes a call: of the object with that name, or with that ID. encoded is valid until it returns.
func (s *respSession) start(ns *engine.Namespace, name []byte, id *engine.ID, method, encoded []byte, e encoding) {
	h := s.here
	defer func() {
		if cap(encoded) > maxScratch {
			h.scratch = nil
		} else if len(encoded) > 0 && &encoded[0] != &emptyArray[0] && s.encoding != encodingValue {
			h.scratch = encoded[:0]
		}
	}()
	switch {
	case h.inFlight >= s.srv.maxInFlight:
		s.fail("OVERLOADED too many commands are under way")
		return
	case h.argBytes+int64(len(encoded)) > s.srv.maxArgMemory:
		s.fail("OVERLOADED too many bytes of arguments are under way")
		return
	}
	h.counters.calls.Add(1)
	h.inFlight++
	h.argBytes += int64(len(encoded))
	x := s.slot()
	x.call, x.encoding, x.held = true, e, int64(len(encoded))
	x.class, x.method = ns.Class(), h.method(method)
	s.c.Queue(&x.Slot, x)
	x.starting = true
	var ev *engine.Event
	if id == nil {
		ev = ns.CallByName(name, x.method, encoded, &x.Slot)
	} else {
		ev = ns.Get(*id).StartCall(x.method, bytes.Clone(encoded), &x.Slot)
	}
	x.starting = false
	if x.finished {
		h.recycle(x)
		return
	}
	x.ev = ev
}

// render appends the answer to a command that waited for something.
func (x *respSlot) render(dst []byte, r *engine.Reply) []byte {
	switch {
	case x.leaves == leavesRoom:
		return x.renderLeft(dst)
	case x.join != nil:
		return x.join.confirm(dst, x.v)
	case x.listed != nil:
		return x.listed.render(dst, x.v)
	}
	x.ev = nil
	err := r.Err
	if err == nil {
		start := len(dst)
		if dst, err = x.result(dst, r.Value); err == nil {
			return dst
		}
		return x.s.failed(dst[:start], "BADRESULT "+err.Error())
	}
	x.log(err)
	return x.s.failed(dst, failureText(err, x.class, x.method))
}

func (s *respSession) failed(dst []byte, codeAndText string) []byte {
	s.here.counters.errors.Add(1)
	return resp.AppendError(dst, clip(codeAndText))
}

// result appends a result in the encoding that it was asked in.
func (x *respSlot) result(dst, data []byte) ([]byte, error) {
	switch x.encoding {
	case encodingValue:
		return resp.AppendBulk(dst, data), nil
	case encodingNative:
		return appendNative(dst, x.v, data)
	case encodingBytes:
		if x.v >= resp.V3 || plain(data) {
			return appendNative(dst, x.v, data)
		}
	}
	start := len(dst)
	dst, undefined, err := appendJSON(dst, data)
	switch {
	case err != nil:
		return dst, err
	case undefined:
		return resp.AppendNull(dst, x.v), nil
	}
	// The length stands before the text, and is known behind it.
	n := len(dst) - start
	var head [24]byte
	h := resp.AppendBulkHeader(head[:0], n)
	dst = append(dst, h...)
	copy(dst[start+len(h):], dst[start:start+n])
	copy(dst[start:], h)
	return append(dst, "\r\n"...), nil
}

// plain reports whether a value is one that CALLB answers as it is in version 2.
func plain(data []byte) bool {
	r := value.NewReader(data)
	switch t := r.Next(); t.Kind {
	case value.KindArray, value.KindMap:
		return false
	case value.KindTag:
		switch t.N {
		case value.TagBigInt, value.TagNegBigInt, value.TagWTF8, value.TagArrayBuffer, value.TagView:
			return true
		}
		_, ok := value.ArrayKindOfTag(t.N)
		return ok
	}
	return true
}

// failureText is an error as a client is told: a code of docs/format/resp.md and a text. class and method are what was called.
func failureText(err error, class, method string) string {
	e, _ := errors.AsType[*engine.Error](err)
	switch {
	case errors.Is(err, engine.ErrUnavailable):
		return "UNAVAILABLE the log has failed: nothing can be made durable until the server is restarted"
	case errors.Is(err, engine.ErrNoSpace):
		return "NOSPACE the disk is nearly full: writes are refused until there is room"
	case err == engine.ErrClosed: // by itself: the call was not begun; within another error it was
		return "RETRY Error: the server is closing"
	case errors.Is(err, engine.ErrClosed):
		return "CLOSED the server has closed while the call ran"
	case errors.Is(err, engine.ErrBacklog):
		return "OVERLOADED too much waits for the disk"
	case e == nil:
		return "ERR " + err.Error()
	case e.Overloaded:
		return "OVERLOADED " + thrown(e)
	case e.Reset:
		return "RESET " + thrown(e)
	case missing(e, class, method):
		return "NOMETHOD " + e.Message
	}
	return "THROWN " + thrown(e)
}

// missing reports whether an error says that the object that was called has no such public method. The texts are those of RPC; an error of
// another object, which it has called itself, is not meant.
func missing(e *engine.Error, class, method string) bool {
	return e.Name == "TypeError" && e.Class == class && e.Method == method &&
		(e.Message == fmt.Sprintf("The RPC receiver does not implement the method %q.", method) ||
			e.Message == "The RPC receiver does not implement the method \""+method+"\"." ||
			e.Message == "'"+method+"' is a reserved method and cannot be called over RPC.")
}

// thrown is "Name: message" of an error. A name that is none, which a program may have made up, is Error.
func thrown(e *engine.Error) string {
	name := e.Name
	for i := range len(name) {
		if c := name[i] | 0x20; (c < 'a' || c > 'z') && (name[i] < '0' || name[i] > '9') && name[i] != '_' && name[i] != '$' {
			name = ""
			break
		}
	}
	if name == "" || len(name) > 64 {
		name = "Error"
	}
	return name + ": " + strings.TrimPrefix(e.Message, name+": ")
}

// log notes a failure that somebody should look at. What is the client's own fault is not.
func (x *respSlot) log(err error) {
	level := slog.LevelError
	text := failureText(err, x.class, x.method)
	switch code, _, _ := strings.Cut(text, " "); code {
	case "NOMETHOD", "BADARG":
		return
	case "OVERLOADED", "NOSPACE", "RETRY", "CLOSED":
		level = slog.LevelWarn
	}
	ctx := context.Background()
	log := x.s.srv.opts.Logger
	if !log.Enabled(ctx, level) {
		return
	}
	e, _ := errors.AsType[*engine.Error](err)
	if e == nil {
		e = &engine.Error{Class: x.class, Method: x.method, Name: "Error", Message: err.Error()}
	}
	log.LogAttrs(ctx, level, "call failed", slog.String("class", e.Class), slog.String("object", e.Object),
		slog.String("method", e.Method), slog.String("error", named(e)), slog.String("stack", e.Stack))
}

// objects answers OBJECTS.
func (s *respSession) objects(args [][]byte) bool {
	ns := s.class(args[1])
	if ns == nil {
		return true
	}
	var q engine.ObjectsQuery
	rest := args[2:]
	if len(rest)%2 == 1 {
		n, err := strconv.ParseUint(string(rest[0]), 10, 64)
		if err != nil {
			s.fail("BADARG invalid cursor")
			return true
		}
		q.Cursor, rest = n, rest[1:]
	}
	for ; len(rest) >= 2; rest = rest[2:] {
		switch {
		case is(rest[0], "MATCH"):
			pattern := bytes.Clone(rest[1])
			if len(pattern) > maxPattern {
				s.fail(fmt.Sprintf("ERR the pattern is longer than %d bytes", maxPattern))
				return true
			}
			q.Match = func(name string) bool { return glob(pattern, name) }
		case is(rest[0], "COUNT"):
			n, err := strconv.Atoi(string(rest[1]))
			if err != nil || n < 1 {
				s.fail("ERR value is not an integer or out of range")
				return true
			}
			q.Count = min(n, engine.MaxObjectsCount)
		default:
			return s.syntax()
		}
	}
	x := s.slot()
	x.listed = new(listed)
	s.c.Queue(&x.Slot, x)
	s.c.Port().Objects(ns.Class(), q, func(got engine.Objects, err error) {
		x.listed.got, x.listed.err = got, err
		x.Reply(engine.Reply{})
	})
	return true
}

// maxPattern bounds a pattern of MATCH, as the time that it takes grows with it.
const maxPattern = 1024

// listed is what OBJECTS has found.
type listed struct {
	got engine.Objects
	err error
}

func (l *listed) render(dst []byte, v resp.Version) []byte {
	switch {
	case errors.Is(l.err, engine.ErrCursor):
		return resp.AppendError(dst, "BADARG invalid cursor: it is none, or from before the server's start")
	case l.err != nil:
		return resp.AppendError(dst, clip(failureText(l.err, "", "")))
	}
	dst = resp.AppendBulkString(resp.AppendArray(dst, 2), strconv.FormatUint(l.got.Cursor, 10))
	dst = resp.AppendArray(dst, len(l.got.IDs))
	for i := range l.got.IDs {
		id := &l.got.IDs[i]
		dst = resp.AppendBulkString(resp.AppendArray(dst, 2), id.String())
		if name, ok := id.Name(); ok {
			dst = resp.AppendBulkString(dst, name)
		} else {
			dst = resp.AppendNull(dst, v)
		}
	}
	return dst
}

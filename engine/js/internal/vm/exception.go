package vm

import (
	"fmt"
	"strconv"
	"strings"

	lib "modernc.org/libquickjs"
)

// Exception is what JavaScript threw, as an error. The thrown value itself
// stays with the runtime until the next Exception: see Runtime.Thrown.
type Exception struct {
	Name    string // "TypeError"; "" if what was thrown is not an Error
	Message string // the message, or the thrown value as text
	Stack   string // V8's form, with its header line; "" if it has none
	Frames  []Frame
}

// Frame is one line of a stack.
type Frame struct {
	Func      string // "" if unknown
	File      string // "" for native code
	Line, Col int    // from 1; 0 if unknown
}

func (e *Exception) Error() string {
	switch {
	case e.Name == "":
		return e.Message
	case e.Message == "":
		return e.Name
	}
	return e.Name + ": " + e.Message
}

// Error is an error that a host function returns, or Throw throws, to make
// JavaScript see an Error of this class.
type Error struct {
	Class   ErrorClass
	Message string
}

// ErrorClass is one of the language's own error classes.
type ErrorClass uint8

const (
	ClassError ErrorClass = iota
	ClassRangeError
	ClassReferenceError
	ClassSyntaxError
	ClassTypeError
	ClassURIError
	ClassEvalError
	ClassAggregateError
)

var errorNames = [...]string{
	"Error", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError", "EvalError", "AggregateError",
}

// errorProto is the prototype of a class other than Error, borrowed.
func (r *Runtime) errorProto(c ErrorClass) lib.TJSValue {
	i := [...]int{
		ClassRangeError: lib.EJS_RANGE_ERROR, ClassReferenceError: lib.EJS_REFERENCE_ERROR,
		ClassSyntaxError: lib.EJS_SYNTAX_ERROR, ClassTypeError: lib.EJS_TYPE_ERROR, ClassURIError: lib.EJS_URI_ERROR,
		ClassEvalError: lib.EJS_EVAL_ERROR, ClassAggregateError: lib.EJS_AGGREGATE_ERROR,
	}[c]
	return r.engineContext().Fnative_error_proto[i]
}

func (c ErrorClass) String() string { return errorNames[c] }

func (e *Error) Error() string { return e.Class.String() + ": " + e.Message }

// TypeError makes an error that JavaScript sees as a TypeError.
func TypeError(format string, args ...any) error { return newError(ClassTypeError, format, args) }

// RangeError makes an error that JavaScript sees as a RangeError.
func RangeError(format string, args ...any) error { return newError(ClassRangeError, format, args) }

// PlainError makes an error that JavaScript sees as an Error.
func PlainError(format string, args ...any) error { return newError(ClassError, format, args) }

func newError(c ErrorClass, format string, args []any) error {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	return &Error{c, format}
}

// ErrorValue makes the JavaScript value for a Go error: the thrown value
// itself for the newest *Exception, else an Error of the fitting class. The
// stack of the new Error is where JavaScript stands now.
func (r *Runtime) ErrorValue(err error) (v Value, _ error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	class := ClassError
	var message string
	switch e := err.(type) {
	case *Exception:
		if e == r.lastException {
			return r.Dup(r.lastThrown), nil
		}
		message = e.Message
		for c, name := range errorNames {
			if name == e.Name {
				class = ErrorClass(c)
			}
		}
	case *Error:
		class, message = e.Class, e.Message
	default:
		message = err.Error()
	}
	return r.newErrorValue(class, message)
}

var (
	keyMessage = Intern("message")
	keyName    = Intern("name")
	keyStack   = Intern("stack")
)

func (r *Runtime) newErrorValue(class ErrorClass, message string) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	text, err := r.String(message)
	if err != nil {
		return Undefined, err
	}
	if class == ClassError {
		v, err = r.result(lib.XJS_NewError(r.tls, r.ctx))
	} else {
		v, err = r.result(lib.XJS_NewObjectProtoClass(r.tls, r.ctx, r.errorProto(class), lib.EJS_CLASS_ERROR))
	}
	if err != nil {
		r.Free(text)
		return Undefined, err
	}
	if err := r.Define(v, keyMessage, text, Method); err != nil {
		r.Free(v)
		return Undefined, err
	}
	buildBacktrace(r.tls, r.ctx, v.js, 0, 0, 0, 0)
	return v, nil
}

// Throw makes an *Exception as if JavaScript had thrown err.
func (r *Runtime) Throw(err error) error {
	v, fail := r.ErrorValue(err)
	if fail != nil {
		return fail
	}
	return r.ThrowValue(v)
}

// ThrowValue makes an *Exception as if JavaScript had thrown v. It consumes v.
func (r *Runtime) ThrowValue(v Value) error {
	if r.dead != nil {
		return r.dead
	}
	return r.describe(v)
}

// Thrown is the value behind e, owned by the caller, as long as e is the
// newest Exception of the runtime; otherwise ok is false.
func (r *Runtime) Thrown(e *Exception) (v Value, ok bool) {
	if r.dead != nil || e == nil || e != r.lastException {
		return Undefined, false
	}
	return r.Dup(r.lastThrown), true
}

// thrown takes the engine's pending exception.
func (r *Runtime) thrown() error {
	js := lib.XJS_GetException(r.tls, r.ctx)
	if r.heap.refused {
		// leave() of the outermost visit will declare the runtime lost.
		return ErrOutOfMemory
	}
	if r.turn.hit {
		lib.XFreeValue(r.tls, r.ctx, js)
		return ErrInterrupted
	}
	if js.Ftag == tagUninitialized {
		// The engine failed without saying why, which it does when a large
		// allocation is refused deep inside.
		v, err := r.newErrorValue(ClassRangeError, "out of memory")
		if err != nil {
			return err
		}
		js = v.js
	}
	return r.describe(Value{js})
}

// Describe makes the *Exception for a value, as if it had been thrown. It
// consumes v. It is for the results of rejected promises.
func (r *Runtime) Describe(v Value) *Exception {
	if r.dead != nil {
		return &Exception{Message: r.dead.Error()}
	}
	return r.describe(v)
}

// describe makes v the newest thrown value. It must not run for long, nor
// fail, whatever v is: of an object that is no Error it reads nothing that
// could run user code except name, message and toString.
func (r *Runtime) describe(v Value) (e *Exception) {
	e = &Exception{}
	r.Free(r.lastThrown)
	r.lastThrown, r.lastException = v, e
	r.Dup(v) // reading below may throw anew
	held := v
	if !v.IsObject() {
		e.Message = r.text(v)
	} else {
		e.Name = r.textOf(v, keyName)
		e.Message = r.textOf(v, keyMessage)
		e.Stack = r.stackOf(v)
		if e.Name == "" && e.Message == "" {
			e.Message = r.text(v)
		}
		e.Frames = ParseStack(e.Stack)
	}
	if r.lastException != e {
		r.Free(r.lastThrown)
		r.lastThrown, r.lastException = r.Dup(held), e
	}
	r.Free(held)
	return e
}

// text converts without calling thrown, which would recurse.
func (r *Runtime) text(v Value) (s string) {
	if r.dead != nil {
		return ""
	}
	if v.js.Ftag == tagSymbol {
		return "a symbol"
	}
	var err error
	defer r.leave(r.enter(), &err)
	js := lib.XJS_ToString(r.tls, r.ctx, v.js)
	if js.Ftag == tagException {
		lib.XFreeValue(r.tls, r.ctx, lib.XJS_GetException(r.tls, r.ctx))
		return "an object"
	}
	s = r.GoString(Value{js})
	lib.XFreeValue(r.tls, r.ctx, js)
	return s
}

// textOf is the property k of obj if that is a string, else "".
func (r *Runtime) textOf(obj Value, k Key) (s string) {
	if r.dead != nil {
		return ""
	}
	var err error
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		lib.XFreeValue(r.tls, r.ctx, lib.XJS_GetException(r.tls, r.ctx))
		return ""
	}
	js := lib.XJS_GetPropertyInternal(r.tls, r.ctx, obj.js, a, obj.js, 0)
	if js.Ftag == tagException {
		lib.XFreeValue(r.tls, r.ctx, lib.XJS_GetException(r.tls, r.ctx))
		return ""
	}
	if (Value{js}).IsString() {
		s = r.GoString(Value{js})
	}
	lib.XFreeValue(r.tls, r.ctx, js)
	return s
}

// ParseStack reads the frames of a stack in V8's form. Lines it does not know
// are left out, so the header line does no harm.
func ParseStack(stack string) []Frame {
	var frames []Frame
	for line := range strings.SplitSeq(stack, "\n") {
		rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "at ")
		if !ok {
			continue
		}
		f := Frame{}
		place := rest
		if i := strings.LastIndex(rest, " ("); i >= 0 && strings.HasSuffix(rest, ")") {
			f.Func, place = rest[:i], rest[i+2:len(rest)-1]
		}
		if f.Func == "<anonymous>" {
			f.Func = ""
		}
		switch {
		case place == "native" || place == "":
		case place == rest && !strings.Contains(place, ":"):
			f.Func = place
		default:
			f.File = place
			if head, n, ok := cutNumber(place); ok {
				f.File, f.Line = head, n
				if head, m, ok := cutNumber(head); ok {
					f.File, f.Line, f.Col = head, m, n
				}
			}
		}
		frames = append(frames, f)
	}
	return frames
}

// cutNumber cuts ":12" off the end of s.
func cutNumber(s string) (head string, n int, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return s, 0, false
	}
	n, err := strconv.Atoi(s[i+1:])
	return s[:i], n, err == nil
}

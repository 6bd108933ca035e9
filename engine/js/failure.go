package js

import (
	"errors"
	"slices"
	"strings"

	"everloop/engine"
	"everloop/engine/js/internal/clone"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/project"
)

// mapped makes an error of the program readable for its author: the stack in terms of the source, and the line it
// happened in.
func mapped(b *project.Bundle, err error) error {
	var e *vm.Exception
	if !errors.As(err, &e) {
		return err
	}
	m := &programError{text: e.Error(), stack: sourceStack(b, e.Stack)}
	m.excerpt = codeFrame(b, e.Frames)
	return m
}

// codeFrame is the source around the innermost frame that is the program's own, or "".
func codeFrame(b *project.Bundle, frames []vm.Frame) string {
	for _, f := range frames {
		if f.File != project.BundleName {
			continue
		}
		if file, line, column, _, ok := b.Map(f.Line, f.Col); ok {
			return b.Excerpt(file, line, column)
		}
	}
	return ""
}

// maxCauses bounds the causes of a failure that are told.
const maxCauses = 4

var keyCause = vm.Intern("cause")

// causes tells what an Error (borrowed) says that it comes from, as paragraphs behind its stack.
func (rl *realm) causes(v vm.Value) string {
	r := rl.r
	v = r.Dup(v)
	var b strings.Builder
	for range maxCauses {
		if !r.IsError(v) {
			break
		}
		cause, err := r.Get(v, keyCause)
		r.Free(v)
		if v = cause; err != nil || v.IsUndefined() {
			v = vm.Undefined
			break
		}
		e := r.Describe(r.Dup(v))
		text := e.Error()
		if e.Stack != "" {
			text = strings.TrimRight(sourceStack(rl.app.bundle, e.Stack), "\n")
		}
		b.WriteString("\nCaused by: ")
		b.WriteString(text)
	}
	r.Free(v)
	return b.String()
}

// sourceStack is a stack in terms of the source, without the frames of the prelude, which nobody but us can mend.
func sourceStack(b *project.Bundle, stack string) string {
	return withoutPrelude(b.MapStack(shortened(stack)))
}

func withoutPrelude(stack string) string {
	lines := strings.Split(stack, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool {
		frame, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "at ")
		return ok && (strings.Contains(frame, "(everloop:") || strings.HasPrefix(frame, "everloop:") || strings.HasSuffix(frame, "(native)"))
	}), "\n")
}

// maxFrames bounds the stack of a failure: a recursion without end has thousands of them, and all would be mapped to
// the source, copied with the failure, and logged.
const maxFrames = 64

// shortened is a stack without what lies below the first frames.
func shortened(stack string) string {
	at := 0
	for range maxFrames + 1 { // one is the header
		i := strings.IndexByte(stack[at:], '\n')
		if i < 0 {
			return stack
		}
		at += i + 1
	}
	return stack[:at] + "    ..."
}

// programError is an exception of the program, as its author reads it.
type programError struct{ text, stack, excerpt string }

func (e *programError) Error() string {
	s := e.text
	if e.stack != "" {
		s = e.stack // it begins with the text
	}
	if e.excerpt != "" {
		s += "\n" + e.excerpt
	}
	return s
}

// throwable describes a thrown value, which it consumes.
func (rl *realm) throwable(v vm.Value) error { return rl.r.Describe(v) }

// engineError is how a handler's failure leaves the runtime. Class, object and method are filled in by the engine.
func (rl *realm) engineError(err error, w *waiting) *engine.Error {
	var e *vm.Exception
	var known *engine.Error
	switch {
	case errors.As(err, &e):
		failure := &engine.Error{Name: e.Name, Message: e.Message, Stack: sourceStack(rl.app.bundle, e.Stack), Remote: true}
		if failure.Name == "" {
			failure.Name = "Error" // something was thrown that is no Error; Value has it, if it is an object
		}
		if v, ok := rl.r.Thrown(e); ok {
			if known := rl.recall(v); known != nil {
				rl.breakGate(known, failure.Stack)
				known = passed(known, w)
				known.Name, known.Message = failure.Name, failure.Message
				if known.Stack == "" {
					known.Stack = failure.Stack
				}
				failure = known
			}
			failure.Value = rl.encodeError(v)
			if failure.Value == nil && !rl.app.errorProps && vm.ErrorClassNamed(failure.Name).String() != failure.Name {
				failure.Name, failure.Message = "Error", failure.Name+": "+failure.Message
			}
			if rl.app.opts.CodeFrames && failure.Excerpt == "" {
				failure.Excerpt = codeFrame(rl.app.bundle, e.Frames)
				failure.Stack = strings.TrimRight(failure.Stack, "\n") + rl.causes(v)
			}
			rl.r.Free(v)
		}
		return failure
	case errors.As(err, &known):
		return known
	case errors.Is(err, vm.ErrInterrupted):
		if w != nil && w.event != nil {
			return cpuLimit("Worker exceeded CPU time limit.")
		}
		return cpuLimit("Durable Object exceeded its CPU time limit and was reset.")
	case errors.Is(err, vm.ErrOutOfMemory):
		return &engine.Error{Name: "Error", Message: "The JavaScript runtime exceeded its memory limit.", Remote: true}
	}
	name, message := "Error", err.Error()
	var thrown *vm.Error
	if errors.As(err, &thrown) {
		name, message = thrown.Class.String(), thrown.Message
	}
	return &engine.Error{Name: name, Message: message, Remote: true}
}

// failCall rejects the promise of a call. What the receiver threw says which object that is.
func (rl *realm) failCall(c *calling, err error) error {
	v, verr := rl.errorValue(err)
	if verr != nil {
		return verr
	}
	var e *engine.Error
	if id := c.to.ID(); !id.IsZero() && rl.app.errorProps && errors.As(err, &e) && e.Remote && !e.Reset {
		text, terr := rl.r.String(id.String())
		if terr == nil {
			terr = rl.r.Define(v, keyObjectID, text, vm.Writable|vm.Enumerable|vm.Configurable)
		}
		if terr != nil {
			rl.r.Free(v)
			return terr
		}
	}
	return rl.r.Reject(c.promise, v)
}

var (
	keyObjectID   = vm.Intern("durableObjectId")
	keyRemote     = vm.Intern("remote")
	keyRetryable  = vm.Intern("retryable")
	keyOverloaded = vm.Intern("overloaded")
	keyReset      = vm.Intern("durableObjectReset")
)

// errorValue is an error of a call as JavaScript sees it: the thrown value itself where it could be cloned, with what
// the engine knows about it as properties.
func (rl *realm) errorValue(err error) (vm.Value, error) {
	r := rl.r
	var e *engine.Error
	if !errors.As(err, &e) {
		return r.ErrorValue(err)
	}
	v := vm.Undefined
	if e.Value != nil {
		if got, rerr := rl.reader.Read(r, e.Value); rerr == nil {
			v = got
		}
	}
	if !v.IsObject() {
		made, verr := r.ErrorValue(&vm.Error{Class: vm.ErrorClassNamed(e.Name), Message: e.Message})
		if verr != nil {
			return vm.Undefined, verr
		}
		v = made
	}
	for _, p := range []struct {
		key vm.Key
		set bool
	}{{keyRemote, e.Remote && !e.Reset}, {keyRetryable, e.Retryable}, {keyOverloaded, e.Overloaded}, {keyReset, e.Reset}} {
		if !p.set {
			continue
		}
		if err := r.Define(v, p.key, vm.Bool(true), vm.Writable|vm.Enumerable|vm.Configurable); err != nil {
			r.Free(v)
			return vm.Undefined, err
		}
	}
	if err := rl.remember(v, e); err != nil {
		r.Free(v)
		return vm.Undefined, err
	}
	return v, nil
}

// storageError makes an error of the engine's storage one that JavaScript sees.
func (rl *realm) storageError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrKeyTooLarge), errors.Is(err, engine.ErrValueTooLarge),
		errors.Is(err, engine.ErrTooManyKeys), errors.Is(err, engine.ErrTooManyPairs), errors.Is(err, engine.ErrTurnTooLarge):
		return vm.RangeError("%s", err.Error())
	case errors.Is(err, engine.ErrListBounds), errors.Is(err, engine.ErrListLimit), errors.Is(err, engine.ErrAlarmTime), errors.Is(err, engine.ErrNoAlarmHandler):
		return vm.TypeError("%s", err.Error())
	case ofDisk(err):
		// If the program lets it pass, its caller is to see what it is.
		v, verr := rl.errorValue(engine.AsError(err))
		if verr != nil {
			return verr
		}
		return rl.r.ThrowValue(v)
	}
	return err
}

// cloneError makes a refusal of structured clone the DOMException that JavaScript expects.
func (rl *realm) cloneError(err error) error {
	var refused *clone.Error
	if !errors.As(err, &refused) {
		return err
	}
	v, verr := rl.in.DOMException(refused.Message, "DataCloneError")
	if verr != nil {
		return verr
	}
	return rl.r.ThrowValue(v)
}

func (rl *realm) isDOMException(_ *vm.Runtime, v vm.Value) bool { return rl.in.IsDOMException(v) }

func (rl *realm) makeDOMException(_ *vm.Runtime, message, name vm.Value) (vm.Value, error) {
	return rl.in.NewDOMException(message, name)
}

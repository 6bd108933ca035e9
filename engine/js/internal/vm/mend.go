package vm

import (
	lib "modernc.org/libquickjs"
)

// mend repairs what the engine does differently from what programs written
// for V8 expect. It runs once in every new runtime.
func (r *Runtime) mend() (err error) {
	// InternalError (stack overflow, out of memory) becomes RangeError.
	ctx := r.engineContext()
	old := ctx.Fnative_error_proto[lib.EJS_INTERNAL_ERROR]
	ctx.Fnative_error_proto[lib.EJS_INTERNAL_ERROR] = r.Dup(Value{ctx.Fnative_error_proto[lib.EJS_RANGE_ERROR]}).js
	lib.XFreeValue(r.tls, r.ctx, old)
	if err := r.Delete(Value{ctx.Fglobal_obj}, Intern("InternalError")); err != nil {
		return err
	}
	return r.mendStack()
}

var (
	hostStackGet = RegisterHost("get stack", 0, stackGet)
	hostStackSet = RegisterHost("set stack", 1, stackSet)
)

// mendStack puts the accessor "stack" on Error.prototype: the engine's hidden
// backtrace with V8's header line.
func (r *Runtime) mendStack() error {
	global := Value{r.engineContext().Fglobal_obj}
	ctor, err := r.Get(global, Intern("Error"))
	if err != nil {
		return err
	}
	proto, err := r.Get(ctor, Intern("prototype"))
	if err != nil {
		return err
	}
	get, err := r.Function(hostStackGet)
	if err != nil {
		return err
	}
	set, err := r.Function(hostStackSet)
	if err != nil {
		return err
	}
	err = r.DefineGetSet(proto, keyStack, get, set, Configurable)
	r.FreeAll(ctor, proto)
	return err
}

func stackGet(r *Runtime, this Value, _ Args) (Value, error) {
	if !this.IsObject() {
		return Undefined, nil
	}
	js := lib.XJS_GetPropertyInternal(r.tls, r.ctx, this.js, atomStack, this.js, 0)
	trace := Value{js}
	if !trace.IsString() {
		if js.Ftag == tagException {
			return Undefined, r.thrown()
		}
		r.Free(trace)
		return Undefined, nil
	}
	name, _ := r.textOf(this, keyName)
	message, _ := r.textOf(this, keyMessage)
	if name == "" {
		name = "Error"
	}
	b := make([]byte, 0, len(name)+len(message)+3+r.StringLen(trace))
	b = append(b, name...)
	if message != "" {
		b = append(b, ": "...)
		b = append(b, message...)
	}
	b = append(b, '\n')
	b = r.AppendString(b, trace)
	r.Free(trace)
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return r.StringBytes(b)
}

func stackSet(r *Runtime, this Value, args Args) (Value, error) {
	if !this.IsObject() {
		return Undefined, nil
	}
	return Undefined, r.Define(this, keyStack, r.Dup(args.At(0)), Method)
}

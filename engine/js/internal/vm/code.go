package vm

import (
	"fmt"
	"slices"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Code is a script or module compiled to the engine's bytecode. It is bound to
// EngineVersion and is trusted: never load bytes that were not made by Compile
// in this process or by the same binary. Safe for concurrent use.
type Code struct {
	Name     string // file name, as stacks show it
	Bytecode []byte
	Module   bool
}

// CompileOptions say how to compile.
type CompileOptions struct {
	// Module compiles an ES module; otherwise a script.
	Module bool
	// StripSource drops the source text that functions keep for toString. It
	// cuts a 4 MB bundle from 34 to 8 MB a runtime. Stacks stay exact.
	StripSource bool
	// MemoryLimit bounds the compiler; 0 means 1 GiB.
	MemoryLimit int64
}

// Compile compiles source, in a runtime of its own. A syntax error is an
// *Exception whose Frames[0] is the place.
func Compile(name string, source []byte, o CompileOptions) (*Code, error) {
	limit := o.MemoryLimit
	if limit == 0 {
		limit = 1 << 30
	}
	r, err := New(Options{MemoryLimit: limit, GCThreshold: -1})
	if err != nil {
		return nil, err
	}
	defer r.closeIdle()
	// The engine asks for the modules that are imported, but looks at what they export only when it links them.
	r.SetResolver(func(name, _ string) (*NativeModule, error) { return &NativeModule{Name: name}, nil })
	return r.compile(name, source, o)
}

func (r *Runtime) compile(name string, source []byte, o CompileOptions) (c *Code, err error) {
	defer r.leave(r.enter(), &err)
	if o.StripSource {
		lib.XJS_SetStripInfo(r.tls, r.rt, lib.MJS_STRIP_SOURCE)
	}
	r.compiling = true
	defer func() { r.compiling = false }()
	flags := int32(lib.MJS_EVAL_FLAG_COMPILE_ONLY)
	if o.Module {
		flags |= lib.MJS_EVAL_TYPE_MODULE
	}
	fn, err := r.eval(name, source, flags)
	if err != nil {
		return nil, err
	}
	size := r.tls.Alloc(8)
	defer r.tls.Free(8)
	p := lib.XJS_WriteObject(r.tls, r.ctx, size, fn.js, lib.MJS_WRITE_OBJ_BYTECODE)
	if p == 0 {
		return nil, r.thrown()
	}
	c = &Code{Name: name, Bytecode: slices.Clone(bytesAt(p, int(*at[uint64](size)))), Module: o.Module}
	lib.Xjs_free(r.tls, r.ctx, p)
	r.Free(fn)
	return c, nil
}

// eval hands source to the engine's compiler.
func (r *Runtime) eval(name string, source []byte, flags int32) (v Value, err error) {
	p := r.scratch(len(source) + 1)
	if p == 0 {
		return Undefined, r.thrown()
	}
	copy(bytesAt(p, len(source)), source)
	*at[byte](p + uintptr(len(source))) = 0
	file := r.cString(name)
	if file == 0 {
		return Undefined, r.thrown()
	}
	v, err = r.result(lib.XJS_Eval(r.tls, r.ctx, p, uint64(len(source)), file, flags))
	lib.Xjs_free(r.tls, r.ctx, file)
	lib.Xjs_free(r.tls, r.ctx, p)
	return v, err
}

// Eval compiles and runs a script in the global scope and returns the value of
// its last statement. It is for tests and small glue; compile what runs twice.
func (r *Runtime) Eval(name, source string) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.eval(name, unsafe.Slice(unsafe.StringData(source), len(source)), lib.MJS_EVAL_TYPE_GLOBAL)
}

// read loads bytecode without running it.
func (r *Runtime) read(c *Code) (Value, error) {
	p := r.scratch(len(c.Bytecode))
	if p == 0 {
		return Undefined, r.thrown()
	}
	copy(bytesAt(p, len(c.Bytecode)), c.Bytecode)
	v, err := r.result(lib.XJS_ReadObject(r.tls, r.ctx, p, uint64(len(c.Bytecode)), lib.MJS_READ_OBJ_BYTECODE))
	lib.Xjs_free(r.tls, r.ctx, p)
	return v, err
}

// Run runs a compiled script in the global scope and returns the value of its
// last statement.
func (r *Runtime) Run(c *Code) (v Value, err error) {
	if c.Module {
		return Undefined, fmt.Errorf("vm: %s is a module: use RunModule", c.Name)
	}
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	fn, err := r.read(c)
	if err != nil {
		return Undefined, err
	}
	return r.result(lib.XJS_EvalFunction(r.tls, r.ctx, fn.js))
}

// RunModule loads a compiled module, links its imports and starts it. done is
// the promise of its evaluation, to be read after Pump (a module without
// top-level await settles at once); namespace holds its exports. Both owned.
func (r *Runtime) RunModule(c *Code) (namespace, done Value, err error) {
	if !c.Module {
		return Undefined, Undefined, fmt.Errorf("vm: %s is not a module: use Run", c.Name)
	}
	if r.dead != nil {
		return Undefined, Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	fn, err := r.read(c)
	if err != nil {
		return Undefined, Undefined, err
	}
	if lib.XJS_ResolveModule(r.tls, r.ctx, fn.js) < 0 {
		r.Free(fn)
		return Undefined, Undefined, r.thrown()
	}
	m := fn.ptr() // owned by the context's list of modules from here on
	done, err = r.result(lib.XJS_EvalFunction(r.tls, r.ctx, fn.js))
	if err != nil {
		return Undefined, Undefined, err
	}
	namespace, err = r.result(lib.XJS_GetModuleNamespace(r.tls, r.ctx, m))
	if err != nil {
		r.Free(done)
		return Undefined, Undefined, err
	}
	return namespace, done, nil
}

// NativeModule is a module made by the host: its exports are the properties of
// an object. Exports names them beforehand, because imports are linked before
// anything runs; Values returns the object, owned by the engine from then on,
// when the module is first evaluated in a runtime.
type NativeModule struct {
	Name    string
	Exports []string
	Values  func(r *Runtime) (Value, error)
}

// AddModule makes a module importable in this runtime under its name.
func (r *Runtime) AddModule(m *NativeModule) {
	if r.modules == nil {
		r.modules = map[string]*NativeModule{}
	}
	r.modules[m.Name] = m
}

// SetResolver sets what is asked for modules that were not added: it returns
// the module, or an error that says why there is none, or neither for the
// usual error.
func (r *Runtime) SetResolver(f func(name, from string) (*NativeModule, error)) { r.resolve = f }

// moduleNormalize leaves module names as the bundle has them: bundles are one
// file, and what is left to import has absolute names such as "node:crypto".
func moduleNormalize(tls *libc.TLS, ctx uintptr, base, name uintptr, _ uintptr) uintptr {
	runtimeOf(ctx).importer = libc.GoString(base) // moduleLoad follows at once
	return lib.Xjs_strdup(tls, ctx, name)
}

func moduleLoad(tls *libc.TLS, ctx uintptr, cname uintptr, _ uintptr) uintptr {
	r := runtimeOf(ctx)
	if r.compiling {
		// The compiler resolves imports, but their exports are only asked for
		// when a runtime links the module: an empty one stands in.
		return lib.XJS_NewCModule(tls, ctx, cname, fp(moduleInit))
	}
	name := libc.GoString(cname)
	m, err := r.modules[name], error(nil)
	if m == nil && r.resolve != nil {
		m, err = r.resolve(name, r.importer)
	}
	if err == nil && m == nil {
		err = PlainError("No such module %q.", name)
	}
	if err != nil {
		r.throwInEngine(err)
		return 0
	}
	def := lib.XJS_NewCModule(tls, ctx, cname, fp(moduleInit))
	if def == 0 {
		return 0
	}
	for _, e := range m.Exports {
		p := r.cString(e)
		if p == 0 {
			return 0
		}
		n := lib.XJS_AddModuleExport(tls, ctx, def, p)
		lib.Xjs_free(tls, ctx, p)
		if n < 0 {
			return 0
		}
	}
	if r.modules == nil {
		r.modules = map[string]*NativeModule{}
	}
	r.modules[name] = m
	if r.moduleDefs == nil {
		r.moduleDefs = map[string]uintptr{}
	}
	r.moduleDefs[name] = def
	return def
}

// SetExport changes what a native module exports under a name that it has, for everybody who has imported it: v is borrowed.
// It does nothing for a module that nobody has imported.
func (r *Runtime) SetExport(module, name string, v Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	def := r.moduleDefs[module]
	if def == 0 {
		return nil
	}
	defer r.leave(r.enter(), &err)
	p := r.cString(name)
	if p == 0 {
		return r.thrown()
	}
	defer lib.Xjs_free(r.tls, r.ctx, p)
	if lib.XJS_SetModuleExport(r.tls, r.ctx, def, p, r.Dup(v).js) < 0 {
		return PlainError("module %q does not export %q", module, name)
	}
	return nil
}

// moduleInit fills a native module's exports when it is evaluated.
func moduleInit(tls *libc.TLS, ctx uintptr, def uintptr) int32 {
	r := runtimeOf(ctx)
	atom := lib.XJS_GetModuleName(tls, ctx, def)
	s := Value{lib.XJS_AtomToString(tls, ctx, atom)}
	lib.XJS_FreeAtom(tls, ctx, atom)
	name := r.GoString(s)
	r.Free(s)
	m := r.modules[name]
	if m == nil {
		r.throwInEngine(PlainError("No such module %q.", name))
		return -1
	}
	values, err := m.Values(r)
	if err == nil {
		for _, e := range m.Exports {
			var v Value
			if v, err = r.GetName(values, e); err != nil {
				break
			}
			p := r.cString(e)
			if p == 0 {
				err = ErrOutOfMemory
				break
			}
			n := lib.XJS_SetModuleExport(tls, ctx, def, p, v.js)
			lib.Xjs_free(tls, ctx, p)
			if n < 0 {
				err = PlainError("module %q does not export %q", name, e)
				break
			}
		}
		r.Free(values)
	}
	if r.dead != nil {
		panic(abandoned{})
	}
	if err != nil {
		r.throwInEngine(err)
		return -1
	}
	return 0
}

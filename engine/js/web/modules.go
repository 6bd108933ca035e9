package web

import (
	"embed"
	"errors"
	"io/fs"
	"strings"
	"sync"

	"golang.org/x/net/idna"

	"everloop/engine/js/internal/vm"
)

// Modules that programs import by Node's and Cloudflare's names: js/node and js/cloudflare, a file each. A program that imports
// none pays nothing for them.

//go:embed js/node/*.js js/cloudflare/*.js
var moduleSources embed.FS

// moduleCodes is their bytecode, by name, made once for the process when it is first asked for.
var moduleCodes sync.Map // string -> func() (*vm.Code, error)

// moduleFile is where the source of a module is, if there is one: "node:util/types" is js/node/util_types.js.
func moduleFile(name string) string {
	scheme, path, _ := strings.Cut(name, ":")
	return "js/" + scheme + "/" + strings.ReplaceAll(path, "/", "_") + ".js"
}

// moduleCode compiles a module; nil if there is none of the name.
func moduleCode(name string) (*vm.Code, error) {
	if once, ok := moduleCodes.Load(name); ok {
		return once.(func() (*vm.Code, error))()
	}
	text, err := moduleSources.ReadFile(moduleFile(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	once, _ := moduleCodes.LoadOrStore(name, sync.OnceValues(func() (*vm.Code, error) {
		return vm.Compile("everloop:"+name, []byte("(function (kit, need) { \"use strict\";\n"+string(text)+"})"), vm.CompileOptions{StripSource: true})
	}))
	return once.(func() (*vm.Code, error))()
}

var (
	// moduleCode(name): the function that makes a module's exports; null if there is none of the name.
	_ = register("moduleCode", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		code, err := moduleCode(in.r.GoString(args.At(0)))
		if err != nil {
			return vm.Undefined, err
		}
		if code == nil {
			return vm.Null, nil
		}
		return in.r.Run(code)
	})
	// processEnv(): what process.env begins with, as an array of names and values.
	_ = register("processEnv", 0, func(in *Instance, _ vm.Args) (vm.Value, error) {
		var flat []string
		for _, v := range in.ProcessEnv {
			flat = append(flat, v[0], v[1])
		}
		return in.strings(flat...)
	})
	_ = register("useContexts", 0, func(in *Instance, _ vm.Args) (vm.Value, error) {
		in.r.UseContexts()
		return vm.Undefined, nil
	})
	// context() is the current async context; setContext(c) changes it; contextual(f) calls f in that of now.
	_ = register("context", 0, func(in *Instance, _ vm.Args) (vm.Value, error) { return in.r.Dup(in.r.Context()), nil })
	_ = register("setContext", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		in.r.SetContext(in.r.Dup(args.At(0)))
		return vm.Undefined, nil
	})
	_ = register("contextual", 1, func(in *Instance, args vm.Args) (vm.Value, error) { return in.r.Contextual(args.At(0)) })
)

// Module is the module that programs import as "node:..." or "cloudflare:...", besides cloudflare:workers; nil if there is none
// of the name. It is for [vm.Runtime.SetResolver].
func (in *Instance) Module(name string) (*vm.NativeModule, error) {
	if !strings.HasPrefix(name, "node:") && !strings.HasPrefix(name, "cloudflare:") {
		return nil, nil
	}
	s, err := in.r.String(name)
	if err != nil {
		return nil, err
	}
	defer in.r.Free(s)
	all, err := in.r.Call(in.moduleExports, vm.Undefined, s)
	if err != nil || all.IsNull() {
		return nil, err
	}
	m := &vm.NativeModule{Name: name}
	err = in.r.Props(all, func(key, _ vm.Value) error {
		m.Exports = append(m.Exports, in.r.GoString(key))
		return nil
	})
	if err != nil {
		in.r.Free(all)
		return nil, err
	}
	m.Values = func(*vm.Runtime) (vm.Value, error) { return all, nil }
	return m, nil
}

// EnableNode gives the program the globals that Cloudflare's flag nodejs_compat stands for.
func (in *Instance) EnableNode() error {
	v, err := in.r.Call(in.nodeGlobals, vm.Undefined)
	in.r.Free(v)
	return err
}

var (
	_ = register("domainToUnicode", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		text, _ := idna.Lookup.ToUnicode(in.r.GoString(args.At(0))) // what cannot be read is shown as it is
		return in.r.String(text)
	})
	_ = register("isProxy", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(in.r.ObjectClass(args.At(0)) == vm.ProxyObject), nil
	})
)

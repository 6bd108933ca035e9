package web

import (
	"embed"
	"fmt"
	"sync"

	"everloop/engine/js/internal/vm"
)

// Parts of the prelude that few programs touch are files of their own in js/lazy, each the body of a function of what it uses
// of the rest. The first touch of its global compiles it, once for the process, and runs it, once for the runtime.

//go:embed js/lazy/*.js
var lazySources embed.FS

// lazyCode compiles a file; made for each when the program starts, called when it is needed.
var lazyCode = func() map[string]func() (*vm.Code, error) {
	m := make(map[string]func() (*vm.Code, error))
	for _, name := range []string{"digeststream", "urlpattern", "webassembly"} {
		m[name] = sync.OnceValues(func() (*vm.Code, error) {
			text, err := lazySources.ReadFile("js/lazy/" + name + ".js")
			if err != nil {
				return nil, err
			}
			return vm.Compile(Frame, []byte("(function (prim) { \"use strict\";\n"+string(text)+"})"), vm.CompileOptions{StripSource: true})
		})
	}
	return m
}()

// lazyFile(name): the function that a file is.
var _ = register("lazyFile", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
	name := in.r.GoString(args.At(0))
	compile, ok := lazyCode[name]
	if !ok {
		return vm.Undefined, fmt.Errorf("web: there is no file js/lazy/%s.js", name)
	}
	code, err := compile()
	if err != nil {
		return vm.Undefined, fmt.Errorf("web: compile js/lazy/%s.js: %w", name, err)
	}
	return in.r.Run(code)
})

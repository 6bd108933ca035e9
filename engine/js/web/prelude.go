package web

import (
	"embed"
	"strings"
	"sync"

	"everloop/engine/js/internal/vm"
)

//go:embed js/*.js
var sources embed.FS

// order is the prelude: the files of js/, which together are the body of one function.
var order = []string{
	"prim", "domexception", "encoding", "url", "headers", "event", "timer", "subtle", "subtlekey", "subtlecrypto", "crypto", "console", "misc",
	"queuing", "readable", "readablebytes", "writable", "pipe", "transform", "codec", "blob", "formdata", "body",
	"request", "response", "fetch", "actor", "modules", "worker", "rpc", "crossing", "end",
}

// compiled is the prelude's bytecode, made once for the process.
var compiled = sync.OnceValues(func() (*vm.Code, error) {
	var b strings.Builder
	b.WriteString("(function (host) { \"use strict\";\n")
	for _, name := range order {
		text, err := sources.ReadFile("js/" + name + ".js")
		if err != nil {
			return nil, err
		}
		b.Write(text)
	}
	b.WriteString("})")
	return vm.Compile(Frame, []byte(b.String()), vm.CompileOptions{StripSource: true})
})

// Frame is the file name of the prelude in stacks. Those frames are no help to the author of a program.
const Frame = "everloop:web"

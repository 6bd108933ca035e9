package web

import (
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"everloop/engine/js/internal/vm"
)

// The prelude is the files of js/, which together are the body of one function. Most programs never touch a good half of it,
// and every runtime would pay for that in memory and time; so the files of a part are a function of their own, whose
// bytecode is read when somebody first needs something of it. The files know nothing of that: they name each other's
// functions as if they were one, and what crosses the border is found here.
//
//   - What the rest of the prelude calls in a part is a function there that brings the part in and steps aside for the true
//     one (a stand-in). So only functions and classes can be used across the border, and classes only by new and call.
//   - What a part uses of the rest is handed to it. It gets the value that a name has then: no name that changes while
//     programs run may be used across the border.
//   - The globals of a part are lazy properties (vm.DefineLazy).

//go:embed js/*.js
var sources embed.FS

// order is the part of the prelude that every runtime has, in the order in which it runs.
var order = []string{
	"prim", "taken", "context", "domexception", "encoding", "url", "headers", "event", "timer", "crypto", "misc", "queuing", "message", "body",
	"request", "response", "fetch", "actor", "alarm", "tracing", "worker", "rpc", "crossing", "end",
}

// lazyPart is a part that is brought in when it is needed.
type lazyPart struct {
	name    string
	files   []string
	globals []string
	// never are functions that tell whether a value is the part's: none is before the part is there.
	never []string
	// needs are parts that are brought in before it: it keeps their classes, and must not keep what stands in for them.
	needs []string
}

var lazyParts = []lazyPart{
	{
		name: "streams", files: []string{"readable", "readablebytes", "writable", "pipe", "transform", "codec", "digeststream", "integrity"},
		globals: []string{
			"CompressionStream", "DecompressionStream", "FixedLengthStream",
			"IdentityTransformStream", "ReadableByteStreamController", "ReadableStream", "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest",
			"ReadableStreamDefaultController", "ReadableStreamDefaultReader", "TextDecoderStream", "TextEncoderStream", "TransformStream",
			"TransformStreamDefaultController", "WritableStream", "WritableStreamDefaultController", "WritableStreamDefaultWriter",
		},
		never: []string{"isStream", "isWritableStream"},
	},
	{name: "forms", files: []string{"blob", "formdata"}, globals: []string{"Blob", "File", "FormData"}, never: []string{"isBlob", "isFormData"}},
	{name: "subtle", files: []string{"subtle", "subtlekey", "subtlecrypto"}, globals: []string{"CryptoKey", "SubtleCrypto"}},
	{name: "console", files: []string{"console"}, globals: []string{"console"}},
	{name: "urlpattern", files: []string{"urlpattern"}, globals: []string{"URLPattern"}},
	{name: "webassembly", files: []string{"webassembly"}, globals: []string{"WebAssembly"}},
	{name: "modules", files: []string{"modules"}, needs: []string{"streams", "forms", "subtle", "console"}},
}

// prelude is the compiled prelude. It is the same in all runtimes.
type prelude struct {
	code    *vm.Code
	parts   map[string]func() (*vm.Code, error) // compiled when first called
	needs   map[string][]string
	globals map[string]string // name of a global to that of its part
}

// Warm compiles the prelude, which Load would otherwise do the first time. It may be called from any goroutine, beside
// what else a start has to do.
func Warm() {
	_, _ = compiled() // Load tells what is wrong with it
}

// Frame is the file name of the prelude in stacks. Those frames are no help to the author of a program.
const Frame = "everloop:web"

// compiled is made once for the process.
var compiled = sync.OnceValues(func() (*prelude, error) {
	main, parts, err := linkPrelude()
	if err != nil {
		return nil, err
	}
	p := &prelude{parts: map[string]func() (*vm.Code, error){}, needs: map[string][]string{}, globals: map[string]string{}}
	for i, part := range lazyParts {
		p.parts[part.name] = sync.OnceValues(func() (*vm.Code, error) {
			return vm.Compile(Frame, []byte(parts[i]), vm.CompileOptions{StripSource: true})
		})
		p.needs[part.name] = part.needs
		for _, g := range part.globals {
			p.globals[g] = part.name
		}
	}
	if p.code, err = vm.Compile(Frame, []byte(main), vm.CompileOptions{StripSource: true}); err != nil {
		return nil, err
	}
	// The parts are compiled off the loop, so that the first program that needs one does not wait for it; but the start of a
	// daemon does not, either.
	go func() {
		for _, part := range lazyParts {
			_, _ = p.parts[part.name]() // whoever needs it gets the error
		}
	}()
	return p, nil
})

// linkPrelude returns the source of the prelude and of its lazy parts.
func linkPrelude() (main string, parts []string, err error) {
	body, err := readFiles(order)
	if err != nil {
		return "", nil, err
	}
	type source struct {
		text           string
		declared, used map[string]bool
		exports        []string
	}
	mainUses := namesIn(body)
	mainDeclares := declaredIn(body)
	all := make([]source, len(lazyParts))
	for i, part := range lazyParts {
		text, err := readFiles(part.files)
		if err != nil {
			return "", nil, err
		}
		all[i] = source{text: text, declared: declaredIn(text), used: namesIn(text)}
	}
	stands := map[string]bool{} // names that are stand-ins in the main part
	for i := range all {
		for name := range all[i].declared {
			used := mainUses[name]
			for j := range all {
				used = used || j != i && all[j].used[name]
			}
			if used || slices.Contains(lazyParts[i].globals, name) {
				all[i].exports = append(all[i].exports, name)
				stands[name] = true
			}
		}
		slices.Sort(all[i].exports)
	}
	var b strings.Builder
	b.WriteString("(function (host) { \"use strict\";\n")
	for i, part := range lazyParts {
		for _, name := range all[i].exports {
			if slices.Contains(part.never, name) {
				fmt.Fprintf(&b, "let %s = () => false;\n", name)
				continue
			}
			fmt.Fprintf(&b, "let %s = function (...args) { host.bring(%q); return new.target === undefined ? apply(%[1]s, this, args) : construct(%[1]s, args); };\n", name, part.name)
		}
	}
	b.WriteString("const partTable = { __proto__: null,\n")
	for i, part := range lazyParts {
		var imports []string
		for name := range all[i].used {
			if !all[i].declared[name] && (mainDeclares[name] || stands[name]) {
				imports = append(imports, name)
			}
		}
		slices.Sort(imports)
		list := strings.Join(imports, ", ")
		fmt.Fprintf(&b, "%s: { __proto__: null, give: () => ({ __proto__: null, %s }), take: (of) => { %s } },\n", part.name, list, takeAll(all[i].exports))
		parts = append(parts, fmt.Sprintf("(function (host, given) { \"use strict\";\nconst { %s } = given;\n%s\nreturn { __proto__: null, %s };\n})", list, all[i].text, strings.Join(all[i].exports, ", ")))
	}
	b.WriteString("};\n")
	b.WriteString(body)
	b.WriteString("})")
	return b.String(), parts, nil
}

func takeAll(names []string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s = of.%[1]s; ", name)
	}
	return b.String()
}

func readFiles(names []string) (string, error) {
	var b strings.Builder
	for _, name := range names {
		text, err := sources.ReadFile("js/" + name + ".js")
		if err != nil {
			return "", err
		}
		b.Write(text)
	}
	return b.String(), nil
}

var (
	// What is declared at the top of a file begins its line.
	declaration = regexp.MustCompile(`(?m)^(?:async )?(?:function\*?|class|const|let) (?:(\w+)|\{ ([^}]*) \})`)
	// A list of constants goes on behind a comma.
	more = regexp.MustCompile(`(?m)^const \w+ = (?:\w+|"[^"]*"), .*$`)
	next = regexp.MustCompile(`, (\w+) = `)
	word = regexp.MustCompile(`(\.\.\.)?[.#]?\b[A-Za-z_]\w*`)
)

// declaredIn is every name that is declared at the top of a text.
func declaredIn(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range declaration.FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			names[m[1]] = true
		}
		for _, name := range strings.Split(m[2], ", ") {
			if _, as, ok := strings.Cut(name, ": "); ok {
				name = as
			}
			names[name] = true
		}
	}
	for _, line := range more.FindAllString(text, -1) {
		for _, m := range next.FindAllStringSubmatch(line, -1) {
			names[m[1]] = true
		}
	}
	delete(names, "")
	return names
}

// namesIn is every name in a text that may refer to something declared elsewhere. It finds too many (in comments, in strings,
// in literals of objects), which costs a little, and never too few.
func namesIn(text string) map[string]bool {
	names := map[string]bool{}
	for _, w := range word.FindAllString(text, -1) {
		w = strings.TrimPrefix(w, "...")
		if w[0] != '.' && w[0] != '#' {
			names[w] = true
		}
	}
	return names
}

// bring(part) brings a lazy part in.
var _ = register("bring", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
	return vm.Undefined, in.bring(in.r.GoString(args.At(0)))
})

// bring brings a lazy part of the prelude in, unless it is there. It cannot stop half-way.
func (in *Instance) bring(part string) error {
	if _, ok := in.brought[part]; ok {
		return nil
	}
	return in.r.Whole(func() error {
		p, err := compiled()
		if err != nil {
			return err
		}
		for _, need := range p.needs[part] {
			if err := in.bring(need); err != nil {
				return err
			}
		}
		code, err := p.parts[part]()
		if err != nil {
			return fmt.Errorf("web: compile %s: %w", part, err)
		}
		fn, err := in.r.Run(code)
		if err != nil {
			return err
		}
		defer in.r.Free(fn)
		name, err := in.r.String(part)
		if err != nil {
			return err
		}
		defer in.r.Free(name)
		exports, err := in.r.Call(in.bringPart, vm.Undefined, name, fn)
		if err != nil {
			return err
		}
		in.brought[part] = exports
		return nil
	})
}

// lazyGlobal is the value of a global that a lazy part has.
func (in *Instance) lazyGlobal(name string) (vm.Value, error) {
	p, err := compiled()
	if err != nil {
		return vm.Undefined, err
	}
	part := p.globals[name]
	if err := in.bring(part); err != nil {
		return vm.Undefined, err
	}
	return in.r.GetName(in.brought[part], name)
}

package web

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"everloop/engine/js/internal/vm"
)

// TestHostFunctions: what the prelude calls is there, and what is there is called. A wrong name would show only when the line
// runs.
func TestHostFunctions(t *testing.T) {
	read := func(expression string, patterns ...string) map[string]bool {
		var all []string
		for _, pattern := range patterns {
			files, err := filepath.Glob(pattern)
			if err != nil || len(files) == 0 {
				t.Fatalf("%s: %d files, %v", pattern, len(files), err)
			}
			all = append(all, files...)
		}
		names := map[string]bool{}
		for _, f := range all {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(string(text), -1) {
				names[m[1]] = true
			}
		}
		return names
	}
	called := read(`host\.(\w+)`, "js/*.js", "js/node/*.js")
	for _, name := range []string{"resolved", "rejected", "pending", "fulfill", "refuse", "handled", "react", "bring"} {
		called[name] = true // taken apart in prim.js and queuing.js; called by the stand-ins of lazy parts
	}
	registered := read(`= \w*(?:register|Func|method)\w*\("(\w+)"`, "*.go")
	for name := range called {
		if !registered[name] {
			t.Errorf("the prelude calls host.%s, which is not registered", name)
		}
	}
	for name := range registered {
		if !called[name] {
			t.Errorf("host.%s is registered and never called", name)
		}
	}
	if len(registered) != len(hostFunctions) {
		t.Errorf("found %d names of %d functions", len(registered), len(hostFunctions))
	}
}

// TestOrder: every file of js/ is part of the prelude, once.
func TestOrder(t *testing.T) {
	files, err := sources.ReadDir("js")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for _, name := range order {
		listed[name+".js"]++
	}
	for _, part := range lazyParts {
		for _, name := range part.files {
			listed[name+".js"]++
		}
	}
	for _, f := range files {
		if f.IsDir() { // of modules.go
			continue
		}
		if listed[f.Name()] != 1 {
			t.Errorf("%s is listed %d times", f.Name(), listed[f.Name()])
		}
	}
	if len(files) != len(listed) {
		t.Errorf("%d files, %d names", len(files), len(listed))
	}
}

// TestParts: each lazy part can be brought in, in any order, and what is used of it elsewhere can have a stand-in: it is a
// function or a class.
func TestParts(t *testing.T) {
	for first := range lazyParts {
		h := newFake(t)
		for i := range lazyParts {
			part := lazyParts[(first+i)%len(lazyParts)]
			if err := h.in.bring(part.name); err != nil {
				t.Fatalf("%s, after %s: %v", part.name, lazyParts[first].name, err)
			}
			exports := h.in.brought[part.name]
			for _, name := range part.globals {
				if v, err := h.r.GetName(exports, name); err != nil || v.IsUndefined() {
					t.Errorf("%s has no %s: %v", part.name, name, err)
				}
			}
			h.r.Props(exports, func(k, v vm.Value) error {
				// Words of others' comments, texts and members are no use.
				if name := h.r.GoString(k); !slices.Contains([]string{"formats", "operations", "optional"}, name) && !h.r.IsFunction(v) && !slices.Contains(part.globals, name) {
					t.Errorf("%s of %s is used elsewhere and is neither a function nor a class", name, part.name)
				}
				return nil
			})
		}
	}
}

// TestLazyGlobals: a program cannot tell what is brought in when it is first touched.
func TestLazyGlobals(t *testing.T) {
	objects := []string{"console", "WebAssembly"} // the others are classes
	for _, part := range lazyParts {
		for _, name := range part.globals {
			h := newFake(t)
			if len(h.in.brought) != 0 {
				t.Fatalf("a new runtime has %d lazy parts", len(h.in.brought))
			}
			got := h.eval(t, `[`+"`"+name+"`"+` in globalThis, Object.getOwnPropertyNames(globalThis).includes("`+name+`")].join()`)
			if got != "true,true" || len(h.in.brought) != 0 {
				t.Errorf("%s: %s, and %d parts are there", name, got, len(h.in.brought))
			}
			got = h.eval(t, `(() => { const d = Object.getOwnPropertyDescriptor(globalThis, "`+name+`"); return [typeof d.value, d.writable, d.enumerable, d.configurable, d.value === `+name+`].join() })()`)
			if want := "function,true,false,true,true"; got != want && !slices.Contains(objects, name) || slices.Contains(objects, name) && got != "object,true,false,true,true" {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
			if _, ok := h.in.brought[part.name]; !ok {
				t.Errorf("%s was touched, and %s is not there", name, part.name)
			}
			// One that a program has replaced before it was there stays replaced.
			h = newFake(t)
			if got := h.eval(t, name+` = 5; globalThis.`+name); got != "5" {
				t.Errorf("%s = 5: %s", name, got)
			}
			h.eval(t, `new Response(new ReadableStream({})), new FormData(), crypto.subtle`)
			if got := h.eval(t, name); got != "5" && name != "ReadableStream" && name != "FormData" {
				t.Errorf("%s = 5, and then it is %s", name, got)
			}
		}
	}
}

// TestPartAtTheEndOfTheStack brings a part in where there is no stack left, and while the turn is to be interrupted.
func TestPartAtTheEndOfTheStack(t *testing.T) {
	h := newFake(t)
	got := h.eval(t, `(() => {
		let touched;
		const deep = () => { try { deep() } catch (e) { touched ??= typeof Blob; } };
		deep();
		return [touched, typeof Blob, new Blob(["ab"]).size].join();
	})()`)
	if got != "function,function,2" {
		t.Error(got)
	}
	h = newFake(t)
	var label vm.Label = vm.Text("a turn")
	h.r.Begin(&label)
	h.r.Interrupt()
	if err := h.in.bring("streams"); err != nil {
		t.Errorf("bring: %v", err)
	}
	if _, err := h.r.Eval("x.js", "(function f() { f() })()"); !errors.Is(err, vm.ErrInterrupted) {
		t.Errorf("the turn was to be interrupted: %v", err)
	}
	h.r.End()
	h.r.Begin(&label) // another turn
	h.r.End()
	if got := h.eval(t, `new Response(new ReadableStream({start(c) { c.enqueue(new Uint8Array([65])); c.close() }})).text()`); got != "A" {
		t.Error(got)
	}
}

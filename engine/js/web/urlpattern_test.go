package web

import "testing"

func TestURLPattern(t *testing.T) {
	cases(t, []jsCase{
		{"a group", `return new URLPattern({pathname: "/a/:id"}).exec("https://x/a/b").pathname.groups.id`, "b"},
		{"a relative pattern needs a base", `new URLPattern("/a")`, `rejects TypeError: URLPattern: the pattern "/a" is relative, and needs a base URL`},
		{"a relative pattern with one", `return String(new URLPattern("/a", "https://x").test("https://x/a"))`, "true"},
		{"inputs", `const m = new URLPattern("https://x/*").exec("/b", "https://x"); return JSON.stringify([m.inputs, m.pathname])`, `[["/b","https://x"],{"input":"/b","groups":{"0":"b"}}]`},
		{"options after the base and without one", `return [new URLPattern("/A", "https://x", {ignoreCase: true}), new URLPattern({pathname: "/A"}, {ignoreCase: true}), new URLPattern({pathname: "/A"})].map((p) => p.test("https://x/a")).join()`, "true,true,false"},
		{"what is no URL matches nothing", `return String(new URLPattern().test("not a URL"))`, "false"},
		{"a group that did not take part", `return String(new URLPattern({pathname: "/a{/:b}?"}).exec("https://x/a").pathname.groups.b)`, "undefined"},
		{"the name of a group is only a name", `const g = new URLPattern({pathname: "/:__proto__"}).exec("https://x/a").pathname.groups; return Object.keys(g).join() + (Object.getPrototypeOf(g) === Object.prototype)`, "__proto__true"},
		{"a pattern that never ends its group", `new URLPattern({pathname: "/{a"})`, `rejects TypeError: URLPattern: unexpected "" at 3 of the pattern "/{a"`},
		{"an expression that is none", `try { new URLPattern({pathname: "/([a-)"}) } catch (e) { return e.name }`, "TypeError"},
		{"an expression outside and inside of classes", `return [..."-/:"].map((c) => new URLPattern({pathname: "/a-(b::[\\-c]|d//e)"}).test("https://x/a-b::" + c)).join() + new URLPattern({pathname: "/a-(b::[\\-c]|d//e)"}).test("https://x/a-d//e")`, "true,false,falsetrue"},
		{"called without new", `URLPattern()`, "rejects TypeError: class constructors must be invoked with 'new'"},
		{"hasRegExpGroups", `return [new URLPattern({pathname: "/(a)"}), new URLPattern({pathname: "/:a"})].map((p) => p.hasRegExpGroups).join()`, "true,false"},
		{"the class stays the same", `return String(URLPattern === URLPattern && new URLPattern() instanceof URLPattern)`, "true"},
	})
}

// A program may have replaced anything of the language, or the global itself, before the class is loaded.
func TestURLPatternIsLoadedLate(t *testing.T) {
	h := newFake(t)
	got := h.eval(t, `
		RegExp.prototype.exec = RegExp.prototype[Symbol.match] = String.prototype.slice = Array.prototype.push = () => { throw new Error("touched") };
		Array.prototype[Symbol.iterator] = null;
		globalThis.RegExp = null;
		new URLPattern({ pathname: "/a/:id" }).exec("https://x/a/b").pathname.groups.id`)
	if got != "b" {
		t.Error(got)
	}
	h = newFake(t)
	if got := h.eval(t, `const d = Object.getOwnPropertyDescriptor(globalThis, "URLPattern"); globalThis.URLPattern = 1; [URLPattern, d.enumerable, d.configurable].join()`); got != "1,false,true" {
		t.Error(got)
	}
}

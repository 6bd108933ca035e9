package web

import "testing"

func TestDigestStream(t *testing.T) {
	const hex = `const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, "0")).join("");`
	cases(t, []jsCase{
		{"what is written", hex + `const d = new crypto.DigestStream("SHA-256"), w = d.getWriter(); await w.write(new Uint8Array([97])); await w.write(new Uint8Array([98, 99]).buffer); await w.close(); return hex(await d.digest) + d.bytesWritten + typeof d.bytesWritten`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad3bigint"},
		{"as SubtleCrypto has it", hex + `for (const a of ["SHA-1", "sha-384", {name: "SHA-512"}, "MD5"]) { const d = new crypto.DigestStream(a); await new Blob(["x".repeat(70000)]).stream().pipeTo(d); if (hex(await d.digest) !== hex(await crypto.subtle.digest(a, new TextEncoder().encode("x".repeat(70000))))) return JSON.stringify(a) } return "same"`, "same"},
		{"text", hex + `const d = new crypto.DigestStream("MD5"), w = d.getWriter(); w.write("abc"); w.close(); return hex(await d.digest)`, "900150983cd24fb0d6963f7d28e17f72"},
		{"another kind of chunk", `const d = new crypto.DigestStream("MD5"), w = d.getWriter(); w.write(1).catch(() => {}); await d.digest`, "rejects TypeError: DigestStream is a byte stream but received an object of non-byte type on its writable side: number"},
		{"an abort", `const d = new crypto.DigestStream("MD5"); await d.abort(new Error("enough")); await d.digest`, "rejects Error: enough"},
		{"another hash", `new crypto.DigestStream("SHA-3")`, `rejects NotSupportedError: DigestStream: "SHA-3" is not a hash: use SHA-1, SHA-256, SHA-384, SHA-512 or MD5`},
		{"what it is", `return [new crypto.DigestStream("MD5") instanceof WritableStream, crypto.DigestStream === crypto.DigestStream, String(new crypto.DigestStream("MD5"))].join()`, "true,true,[object DigestStream]"},
	})
}

func TestWebAssembly(t *testing.T) {
	const text = "is not available: everloop has no WebAssembly. Use a JavaScript build of the library."
	cases(t, []jsCase{
		{"it is an object", `return typeof WebAssembly + String(WebAssembly)`, "object[object WebAssembly]"},
		{"instantiate", `await WebAssembly.instantiate(new Uint8Array(8))`, "rejects Error: WebAssembly.instantiate " + text},
		{"compile rejects rather than throws", `const p = WebAssembly.compile(); p.catch(() => {}); return String(p instanceof Promise)`, "true"},
		{"Module", `new WebAssembly.Module(new Uint8Array(8))`, "rejects Error: WebAssembly.Module " + text},
		{"no module is valid", `return String(WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])))`, "false"},
		{"its errors", `const e = new WebAssembly.RuntimeError("x"); return [e instanceof Error, e.name, e.message, String({} instanceof WebAssembly.Memory)].join()`, "true,RuntimeError,x,false"},
	})
}

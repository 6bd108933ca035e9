package web

import (
	"bytes"
	"strings"
	"testing"
)

func TestBlob(t *testing.T) {
	streamCases(t, []jsCase{
		{"parts are joined", `const b = new Blob(["hé", new Uint8Array([33]), new Uint8Array([63]).buffer, new Blob(["z"]), 5]); return b.size + await b.text()`, "7hé!?z5"},
		{"nothing", `const b = new Blob(); return b.size + b.type + await b.text()`, "0"},
		{"the type is in lower case", `return new Blob([], {type: "Text/Plain"}).type`, "text/plain"},
		{"a type with other characters is none", `return "[" + new Blob([], {type: "text/é"}).type + "]"`, "[]"},
		{"slice", `const b = new Blob(["hello"], {type: "a/b"}); const c = b.slice(1, -1, "C/D"); return await c.text() + c.type + "|" + b.slice(2).type + await b.slice(-2).text() + await b.slice(3, 1).text() + b.slice(9).size`, "ellc/d|lo0"},
		{"a slice of a slice", `return new Blob(["hello"]).slice(1).slice(1, 3).text()`, "ll"},
		{"arrayBuffer and bytes are copies", `const b = new Blob(["a"]); (await b.bytes())[0] = 0; new Uint8Array(await b.arrayBuffer())[0] = 0; return b.text()`, "a"},
		{"stream", `return (await all(new Blob(["ab"]).stream())).map(text).join()`, "ab"},
		{"endings", `return JSON.stringify(await new Blob(["a\r\nb\rc\n"], {endings: "native"}).text())`, `"a\nb\nc\n"`},
		{"endings that are none", `return await err(() => new Blob([], {endings: "x"}))`, "TypeError"},
		{"parts must be a list", `return await err(() => new Blob("x")) + await err(() => new Blob({}))`, "TypeErrorTypeError"},
		{"later changes of a part are not seen", `const u = new Uint8Array([65]); const b = new Blob([u]); u[0] = 66; return b.text()`, "A"},
		{"File", `const f = new File(["x"], "a/b.txt", {type: "t/u", lastModified: 5}); return [f.name, f.type, f.size, f.lastModified, f instanceof Blob, f.webkitRelativePath, String(f)].join()`, "a/b.txt,t/u,1,5,true,,[object File]"},
		{"File needs a name", `return await err(() => new File([]))`, "TypeError"},
		{"File's time is now", `return String(new File([], "x").lastModified)`, "1000"},
	})
}

func TestFormData(t *testing.T) {
	streamCases(t, []jsCase{
		{"append, get, getAll, has, delete", `const f = new FormData(); f.append("a", 1); f.append("a", "2"); f.append("b", "x"); const out = [f.get("a"), f.getAll("a"), f.has("b"), f.get("c")]; f.delete("a"); return out.join("|") + f.has("a")`, "1|1,2|true|false"},
		{"set replaces the first and removes the others", `const f = new FormData(); f.append("a", 1); f.append("b", 2); f.append("a", 3); f.set("a", 9); return [...f].join("|")`, "a,9|b,2"},
		{"set adds", `const f = new FormData(); f.set("a", 1); return [...f.keys()] + "," + [...f.values()]`, "a,1"},
		{"a Blob becomes a File", `const f = new FormData(); f.append("a", new Blob(["x"], {type: "t/u"})); const v = f.get("a"); return [v instanceof File, v.name, v.type, await v.text()].join()`, "true,blob,t/u,x"},
		{"with a name", `const f = new FormData(); f.append("a", new File(["x"], "old"), "new"); return f.get("a").name`, "new"},
		{"a File stays the same", `const v = new File(["x"], "n"); const f = new FormData(); f.append("a", v); return String(f.get("a") === v)`, "true"},
		{"a name for a string is refused", `return await err(() => new FormData().append("a", "b", "c"))`, "TypeError"},
		{"forEach", `const f = new FormData(); f.append("a", 1); const out = []; f.forEach((v, k, g) => out.push(k, v, g === f)); return out.join()`, "a,1,true"},
		{"a form is refused", `return await err(() => new FormData({}))`, "TypeError"},
		{"strings are made well-formed", `const f = new FormData(); f.append("\ud800", "\ud800"); return f.get("\ufffd")`, "\uFFFD"},
	})
}

func TestFormBodies(t *testing.T) {
	streamCases(t, []jsCase{
		{"multipart there and back", `const f = new FormData(); f.append("a", "1\n2"); f.append('q"\r\n', new File([new Uint8Array([0, 13, 10, 255])], 'n"ä.bin', {type: "x/y"})); f.append("e", "");
			const r = new Response(f); const g = await r.formData(); const v = g.get('q"\r\n'); return [JSON.stringify(g.get("a")), v.name, v.type, [...await v.bytes()].join("-"), g.get("e") === ""].join("|")`, `"1\r\n2"|n"ä.bin|x/y|0-13-10-255|true`},
		{"the type has the boundary", `const r = new Response(new FormData()); const t = r.headers.get("content-type"); const b = t.split("boundary=")[1]; return [t.startsWith("multipart/form-data; boundary="), await r.text() === "--" + b + "--\r\n"].join("")`, "truetrue"},
		{
			"the bytes", `const f = new FormData(); f.append("a", "b"); f.append("c", new Blob(["d"])); const r = new Response(f); const b = r.headers.get("content-type").split("boundary=")[1]; return JSON.stringify((await r.text()).replaceAll(b, "B"))`,
			`"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--B\r\nContent-Disposition: form-data; name=\"c\"; filename=\"blob\"\r\nContent-Type: application/octet-stream\r\n\r\nd\r\n--B--\r\n"`,
		},
		{"urlencoded", `const f = await new Response(new URLSearchParams("a=1&a=%C3%A9+x&b")).formData(); return f.getAll("a") + "|" + f.get("b")`, "1,é x|"},
		{"a request's", `const f = await new Request("http://a", {method: "POST", body: "a=5", headers: {"content-type": "application/x-www-form-urlencoded"}}).formData(); return f.get("a")`, "5"},
		{"another type is refused", `return await err(() => new Response("x").formData()) + await err(() => new Response(new Uint8Array(1)).formData())`, "TypeErrorTypeError"},
		{"a boundary is needed", `return await err(() => new Response("x", {headers: {"content-type": "multipart/form-data"}}).formData())`, "TypeError"},
		{"broken multipart is refused", `return await err(() => new Response("x", {headers: {"content-type": "multipart/form-data; boundary=b"}}).formData())`, "TypeError"},
		{"blob has the type", `const b = await new Response("x", {headers: {"content-type": "A/B"}}).blob(); return b.type + await b.text() + (await new Response(new Blob(["y"], {type: "c/d"})).blob()).type + (await new Response("z").blob()).type`, "a/bxc/dtext/plain;charset=UTF-8"},
		{"a Blob body gives its type", `return new Response(new Blob(["y"], {type: "c/d"})).headers.get("content-type") + new Response(new Blob(["y"])).headers.get("content-type")`, "c/dnull"},
		{"a form is used once", `const r = new Response(new FormData()); await r.formData(); return r.bodyUsed + await err(() => r.formData())`, "trueTypeError"},
		{"a form of a stream", `const r = new Response(new Blob(["a=1"]).stream(), {headers: {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}}); return (await r.formData()).get("a")`, "1"},
	})
}

func TestParseMultipart(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"a preamble is skipped", "nothing\r\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--", "a=1;"},
		{"an epilogue is skipped", "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\nrest", "a=1;"},
		{"white space behind a boundary", "--b \t\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--", "a=1;"},
		{"an empty value", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--b--", "a=;"},
		{"a part without its own line break", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--b--", "a=;"},
		{"a file without a type is text", "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nx\r\n--b--", "a=x file f text/plain;"},
		{"escapes", "--b\r\nContent-Disposition: form-data; name=\"a%22%0d%0A\"\r\n\r\nx\r\n--b--", "a\"\r\n=x;"},
		{"a boundary in a value", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--bx\r\n--b--", "error"},
		{"no name", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "error"},
		{"no disposition", "--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--", "error"},
		{"another disposition", "--b\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--b--", "error"},
		{"no end", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx", "error"},
		{"no end of the head", "--b\r\nContent-Disposition: form-data; name=\"a\"", "error"},
		{"an open quote", "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b--", "error"},
		{"nothing", "", "error"},
		{"no parts", "--b--", ""},
	} {
		parts, err := parseMultipart([]byte(c.body), "b")
		got := ""
		for _, p := range parts {
			got += string(p.name) + "=" + string(p.value)
			if p.file {
				got += " file " + string(p.filename) + " " + string(p.mime)
			}
			got += ";"
		}
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	many := strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", maxFormParts+1) + "--b--"
	if _, err := parseMultipart([]byte(many), "b"); err == nil || !strings.Contains(err.Error(), "10000 entries") {
		t.Errorf("%d entries: %v", maxFormParts+1, err)
	}
}

func BenchmarkParseMultipart(b *testing.B) {
	var body []byte
	for range 10 {
		body = appendPart(body, "----boundary", &formPart{name: []byte("field"), value: bytes.Repeat([]byte("value "), 20)})
	}
	body = appendFormEnd(body, "----boundary")
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := parseMultipart(body, "----boundary"); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzMultipart: whatever comes, parsing ends without a panic, and what it has found is found again in what is written
// of it.
func FuzzMultipart(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\nContent-Type: x/y\r\n\r\nx\r\n--b--"), "b")
	f.Add([]byte("pre\r\n--b \r\nContent-Disposition: form-data; name=a;filename=b\r\n\r\n--b--"), "b")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		parts, err := parseMultipart(body, boundary)
		if err != nil {
			return
		}
		// A boundary of its own, which no value can hold.
		const own = "----0123456789abcdef"
		if bytes.Contains(body, []byte(own)) {
			return
		}
		var out []byte
		for i := range parts {
			p := &parts[i]
			if !p.file && strings.ContainsAny(string(p.value), "\r\n") || strings.ContainsAny(string(p.name), "\r\n%") || strings.ContainsAny(string(p.filename), "%") {
				return // line breaks of texts are normalised; a percent sign is not escaped
			}
			out = appendPart(out, own, p)
		}
		again, err := parseMultipart(appendFormEnd(out, own), own)
		if err != nil || len(again) != len(parts) {
			t.Fatalf("%q: written as %q, which has %d parts of %d: %v", body, out, len(again), len(parts), err)
		}
		for i := range parts {
			p, q := parts[i], again[i]
			if !bytes.Equal(p.name, q.name) || p.file != q.file || !bytes.Equal(p.filename, q.filename) || !bytes.Equal(p.value, q.value) {
				t.Fatalf("%q: part %d is %+v, was %+v", body, i, q, p)
			}
		}
	})
}

// FuzzDecompress: whatever comes, in whatever pieces, decompressing ends.
func FuzzDecompress(f *testing.F) {
	f.Add([]byte{31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(0), uint8(3))
	f.Add([]byte{120, 156, 3, 0, 0, 0, 0, 1}, uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, format, size uint8) {
		d := newDecompressor(int(format % 3))
		defer d.close()
		total := 0
		drain := func() bool {
			for {
				b, err := d.next()
				if err != nil {
					return false
				}
				if b == nil {
					return true
				}
				if len(b) == 0 || len(b) > codecPiece {
					t.Fatalf("a piece of %d bytes", len(b))
				}
				if total += len(b); total > 16<<20 {
					return false
				}
			}
		}
		for len(data) > 0 {
			n := min(int(size)+1, len(data))
			if d.write(data[:n]) != nil || !drain() {
				return
			}
			data = data[n:]
		}
		if d.end() == nil && drain() && !d.ended {
			t.Fatal("it neither ended nor failed")
		}
	})
}

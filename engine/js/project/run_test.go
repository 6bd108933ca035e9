package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"everloop/cmd/testenv"
)

// TestBundleRuns runs a bundle in another engine, to see that what the plugin makes of files and of require
// has the right type when it runs.
func TestBundleRuns(t *testing.T) {
	node := testenv.Program(t, "node")
	folder := t.TempDir()
	for name, text := range map[string]string{
		"wrangler.toml": "main = \"index.js\"\n",
		"notes.txt":     "notes",
		"b.bin":         "\x00\xff\x01",
		"d.json":        `{"a":1}`,
		"index.js": `
			import text from "./notes.txt";
			import bytes from "./b.bin";
			import data from "./d.json";
			const path = require("path");
			const { Buffer } = require("node:buffer");
			console.log(text, bytes instanceof ArrayBuffer, [...new Uint8Array(bytes)].join(), data.a, path.basename("/a/b"), Buffer.from("x")[0]);
		`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Load(folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(t.TempDir(), "worker.mjs")
	if err := os.WriteFile(module, b.Code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), node, module).CombinedOutput()
	if got, want := strings.TrimSpace(string(out)), "notes true 0,255,1 1 b 120"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func BenchmarkLoadAndBundleCounter(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		p, err := Load("../../../docs/examples/counter", Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Bundle(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMapStack(b *testing.B) {
	p, err := Load("../../../docs/examples/counter", Options{})
	if err != nil {
		b.Fatal(err)
	}
	bundle, err := p.Bundle()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		bundle.MapStack("    at fetch (worker.js:13:20)\n    at fetch (worker.js:6:12)\n")
	}
}

// TestNamesSurvive runs a bundle whose names esbuild has to change, and looks at what the program sees of them.
func TestNamesSurvive(t *testing.T) {
	node := testenv.Program(t, "node")
	folder := t.TempDir()
	for name, text := range map[string]string{
		"a.ts": `
			import { Counter as Other, helper as otherHelper, Failed } from "./b";
			export class Counter { static make() { return new Counter(); } }
			function helper() {}
			async function* stream() {}
			export default class Main { static limit = 1; limit() { return Main.limit; } }
			class Named { static name = "its own"; self() { return Named; } }
			class Method { static name() {} self() { return Method; } }
			const { InCommonJS, Early } = require("./lib.cjs");
			/* ä😀 */ class Wide { self() { return Wide; } }
			const Default = (await import("./anonymous")).default;
			const text = ` + "`\nvar Ghost = class _Ghost {\n`" + `;
			console.log(text.trim());
			setTimeout(() => console.log(JSON.stringify([Counter, Other, helper, otherHelper, stream, Failed, Main, Named, typeof Method.name, InCommonJS, Early, Wide, Default].map((f) => f.name ?? f))));
		`,
		"anonymous.ts": "export default class { }",
		"lib.cjs": `
			class InCommonJS { self() { return InCommonJS; } }
			class Early extends Error { self() { return Early; } }
			module.exports = { InCommonJS, Early: Early.name };
		`,
		"b.ts": `
			export class Counter {}
			export function helper() {}
			export class Failed extends Error { static because() { return new Failed(); } }
		`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Load(filepath.Join(folder, "a.ts"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(t.TempDir(), "worker.mjs")
	if err := os.WriteFile(module, b.Code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), node, module).CombinedOutput()
	want := "var Ghost = class _Ghost {\n" + `["Counter","Counter","helper","helper","stream","Failed","Main","its own","function","InCommonJS","Early","Wide","default"]`
	if got := strings.TrimSpace(string(out)); err != nil || got != want {
		t.Fatalf("%v, got\n%s\nwant\n%s", err, got, want)
	}
	for _, changed := range []string{"class _Counter", "class _InCommonJS", "function helper2", "class _Wide"} {
		if !strings.Contains(string(b.Code), changed) {
			t.Errorf("the bundler makes no %q of this program: the test proves less than it says\n%s", changed, b.Code)
		}
	}
}

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

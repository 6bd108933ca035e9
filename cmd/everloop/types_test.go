package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"everloop/cmd/testenv"
)

// TestExampleTypes holds that the examples, and the declaration of ctx.broadcast that the documentation gives, type-check with
// Cloudflare's own types, as an editor does it. It installs them, and so needs the network.
func TestExampleTypes(t *testing.T) {
	testenv.Full(t)
	npm := testenv.Program(t, "npm")
	t.Parallel()
	configs, err := filepath.Glob("../../docs/examples/*/tsconfig.json")
	if err != nil || len(configs) < 2 {
		t.Fatalf("the examples are %v (%v)", configs, err)
	}
	dir := t.TempDir()
	run := func(line ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", line, err, out)
		}
	}
	// All of them name the same types, so one install above them is enough.
	if err := os.CopyFS(dir, os.DirFS(counter)); err != nil {
		t.Fatal(err)
	}
	run(npm, "install", "--no-audit", "--no-fund", "--save-dev", "typescript")
	configs = append(configs, broadcastProgram(t)+"/tsconfig.json")
	for _, config := range configs {
		folder := filepath.Dir(config)
		name := filepath.Base(folder)
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
		run(filepath.Join(dir, "node_modules/.bin/tsc"), "--noEmit", "-p", name)
	}
}

// broadcastProgram writes a program that calls ctx.broadcast as the page for TypeScript declares it, and returns its folder. What must be an
// error is marked so, and is one itself if it is none.
func broadcastProgram(t *testing.T) (dir string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/typescript.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(pattern string) string {
		found := regexp.MustCompile("(?s)```\\w+\n(" + pattern + ".*?)```").FindSubmatch(page)
		if found == nil {
			t.Fatalf("docs/typescript.md has no code that begins with %s", pattern)
		}
		return string(found[1])
	}
	dir = program(t, map[string]string{
		"tsconfig.json":     block("// tsconfig"),
		"src/everloop.d.ts": block("interface DurableObjectState"),
		"src/room.ts": `import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject<{ ROOM: DurableObjectNamespace<Room> }> {
	override webSocketMessage(ws: WebSocket, message: string | ArrayBuffer) {
		let n: number = this.ctx.broadcast(message);
		n += this.ctx.broadcast(new Uint8Array(1), { tag: "a" }) + this.ctx.broadcast(new Blob([]), { except: ws, tag: undefined }) + this.ctx.broadcast("x", { except: null });
		// @ts-expect-error
		this.ctx.broadcast();
		// @ts-expect-error
		this.ctx.broadcast(5);
		// @ts-expect-error
		this.ctx.broadcast("x", { to: ws });
		this.ctx.getWebSockets().forEach((other) => other.send(String(n)));
	}
}
`,
	})
	return dir
}

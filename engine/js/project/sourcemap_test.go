package project

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// throwing has places that are easy to find again in the bundle.
const throwing = `import { helper } from "./lib/helper";

type Options = { deep: boolean }; // vanishes

export default {
	async fetch(request: Request, options: Options) {
		return helper(() => { throw new Error("ünïcode"), marker("entry"); });
	},
};
`

const helper = `// a comment that vanishes

export function helper(f: () => void): void {
	marker("helper");
}
`

func bundleThrowing(t *testing.T) *Bundle {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("app/lib", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"app/index.ts": throwing, "app/lib/helper.ts": helper} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Load("app/index.ts", Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// find returns the place of the nth byte of mark, both from 1, as an engine counts it for text of one-unit characters.
func find(t *testing.T, text, mark string) (line, column int) {
	t.Helper()
	i := strings.Index(text, mark)
	if i < 0 {
		t.Fatalf("no %q in\n%s", mark, text)
	}
	return position([]byte(text), i)
}

func TestMap(t *testing.T) {
	b := bundleThrowing(t)
	for _, tt := range []struct{ file, source, mark string }{
		{"app/index.ts", throwing, `marker("entry")`},
		{"app/index.ts", throwing, `new Error`},
		{"app/lib/helper.ts", helper, `marker("helper")`},
	} {
		line, column := find(t, string(b.Code), tt.mark)
		wantLine, wantColumn := find(t, tt.source, tt.mark)
		file, gotLine, gotColumn, _, ok := b.Map(line, column)
		if !ok || file != tt.file || gotLine != wantLine || gotColumn != wantColumn {
			t.Errorf("%s at %d:%d is at %s:%d:%d, %v; want %s:%d:%d", tt.mark, line, column, file, gotLine, gotColumn, ok, tt.file, wantLine, wantColumn)
		}
		shown := b.Excerpt(file, gotLine, gotColumn)
		row := strings.Split(tt.source, "\n")[wantLine-1]
		if !strings.Contains(shown, fmt.Sprintf("> %d | %s\n", wantLine, row)) || !strings.Contains(shown, "^") {
			t.Errorf("the excerpt of %s is\n%s", tt.mark, shown)
		}
	}
	for _, place := range [][2]int{{0, 1}, {-1, 1}, {1 << 20, 1}, {1, -1}, {1, 1}} {
		if file, line, column, _, ok := b.Map(place[0], place[1]); ok {
			t.Errorf("Map(%d, %d) is %s:%d:%d, and should not be anywhere", place[0], place[1], file, line, column)
		}
	}
	if shown := b.Excerpt("app/other.ts", 1, 1) + b.Excerpt("app/index.ts", 99, 1); shown != "" {
		t.Errorf("an excerpt from nowhere: %s", shown)
	}
}

func TestMapStack(t *testing.T) {
	b := bundleThrowing(t)
	entryLine, entryColumn := find(t, string(b.Code), `marker("entry")`)
	helperLine, helperColumn := find(t, string(b.Code), `marker("helper")`)
	entry := fmt.Sprintf("worker.js:%d:%d", entryLine, entryColumn)
	wantLine, wantColumn := find(t, throwing, `marker("entry")`)
	wantEntry := fmt.Sprintf("app/index.ts:%d:%d", wantLine, wantColumn)
	inHelper := fmt.Sprintf("worker.js:%d:%d", helperLine, helperColumn)
	wantLine, wantColumn = find(t, helper, `marker("helper")`)
	wantInHelper := fmt.Sprintf("app/lib/helper.ts:%d:%d", wantLine, wantColumn)

	for _, tt := range []struct{ name, stack, want string }{
		{"QuickJS", "    at <anonymous> (" + entry + ")\n    at helper (" + inHelper + ")\n", "    at <anonymous> (" + wantEntry + ")\n    at helper (" + wantInHelper + ")\n"},
		{"V8", "Error: a\n    at async Object.fetch (" + entry + ")\n    at " + inHelper, "Error: a\n    at async Object.fetch (" + wantEntry + ")\n    at " + wantInHelper},
		{"V8 with a URL", "    at file:///" + entry, "    at " + wantEntry},
		{"a line without a column", fmt.Sprintf("at f (worker.js:%d)", helperLine), "at f (app/lib/helper.ts:4)"},
		{"another file", "at f (my-worker.js:1:1) (lib/" + entry + ")", "at f (my-worker.js:1:1) (lib/" + entry + ")"},
		{"no such place", "at f (worker.js:99999:1)", "at f (worker.js:99999:1)"},
		{"a number too long", "at f (worker.js:12345678901234567890:1)", "at f (worker.js:12345678901234567890:1)"},
		{"native", "    at native\n", "    at native\n"},
		{"empty", "", ""},
	} {
		if got := b.MapStack(tt.stack); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMapDamaged(t *testing.T) {
	b := &Bundle{sources: sourceMap{text: []byte("not a map")}}
	if _, _, _, _, ok := b.Map(1, 1); ok || b.MapStack("worker.js:1:1") != "worker.js:1:1" || b.Excerpt("a.ts", 1, 1) != "" {
		t.Error("a bundle without a source map leads somewhere")
	}
}

func TestExcerpt(t *testing.T) {
	const text = "one\n\n\ttwo\u00e4x\nthree\n\nfive\n"
	for _, tt := range []struct {
		name         string
		line, column int
		want         string
	}{
		{"the first line", 1, 1, "> 1 | one\n    | ^\n"},
		{"below a tab and a wide letter", 3, 6, "  1 | one\n  2 |\n> 3 | \ttwoäx\n    | \t    ^\n  4 | three\n"},
		{"without a column", 4, 0, "  3 | \ttwoäx\n> 4 | three\n"},
		{"beyond the end of the line", 6, 99, "  4 | three\n  5 |\n> 6 | five\n    |     ^\n"},
		{"no such line", 9, 1, ""},
		{"line zero", 0, 1, ""},
	} {
		if got := excerpt(text, tt.line, tt.column); got != tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
	if got := excerpt("a\x1b[31mb\r\n", 1, 1); strings.ContainsAny(got, "\x1b\r") {
		t.Errorf("an excerpt may move the cursor: %q", got)
	}
}

func TestBindingNames(t *testing.T) {
	for class, want := range map[string]string{
		"Counter": "Counter COUNTER", "ChatRoom": "ChatRoom CHAT_ROOM", "HTTPServer": "HTTPServer HTTP_SERVER", "HTTPRoom2Log": "HTTPRoom2Log HTTP_ROOM2_LOG",
		"ROOM": "ROOM", "Room_A": "Room_A ROOM_A", "StatefulDO": "StatefulDO STATEFUL_DO", "a": "a A", "A": "A", "AB": "AB", "Äb": "Äb ÄB", "": "",
	} {
		if got := strings.Join(BindingNames(class), " "); got != want {
			t.Errorf("BindingNames(%q) is %q, want %q", class, got, want)
		}
	}
}

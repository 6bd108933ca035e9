package js_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"everloop/engine"
)

// The conformance suite: testdata/conformance/*.txt, one case a sentence of Cloudflare's documentation or of what workerd
// does. A file is
//
//	# TITLE.                     what the file is about: its heading in docs/compat.md
//	clock virtual                time stands still while something runs and jumps to the next timer when nothing does, so that
//	                             scheduler.wait(30_000) takes no time; optional
//	config NAME VALUE            a key of the wrangler configuration; optional, several
//	without workerd              workerd refuses what the file is about, and Cloudflare does not; optional
//	peer                         env.PEER is the address of another server, see peer(); optional
//	--- program                  code that the cases share: the classes that are exported, helpers
//	--- restart                  before the next case, everything is closed and started again with the same data
//	--- case SECTION: SENTENCE   the body of an async function (env, ctx, request), which runs in the Worker
//	--- inside SECTION: SENTENCE the same of (storage, ctx, env, object), which runs in an object of its own
//	--- differs: REASON          the sentence holds on Cloudflare, and not here; optional
//	--- absent: REASON           it does not hold yet, and the program is told so; optional
//	--- expect                   what it returns, as show() below writes it, or "Name: message" of what it throws
//
// Each case runs in a request of its own, in the order of the file, against one engine a file. The sentences and reasons are
// read in docs/compat.md, which TestCompatibilityPage makes of them. TestConformanceOfWorkerd runs the same files on workerd.

type conformanceCase struct {
	line              int
	section, sentence string
	code              string
	state, reason     string
	want              string
	restart           bool
	inside            bool // runs in an object
}

// What a case says of everloop; "" where it does as Cloudflare does.
const (
	differs = "differs"
	absent  = "absent"
)

type conformanceFile struct {
	title   string
	virtual bool
	config  []string
	peer    bool
	ours    bool // workerd does not have it
	program string
	cases   []conformanceCase
}

// conformancePaths returns the files of the suite.
func conformancePaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/conformance/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases", err)
	}
	return paths
}

func readConformance(t *testing.T, path string) *conformanceFile {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := new(conformanceFile)
	var into *string
	restart := false
	for n, line := range strings.Split(string(data), "\n") {
		rest, isMark := strings.CutPrefix(line, "--- ")
		state, reason, _ := strings.Cut(rest, ": ")
		switch {
		case n == 0:
			var ok bool
			if f.title, ok = strings.CutPrefix(strings.TrimSuffix(line, "."), "# "); !ok {
				t.Fatalf("%s: the first line is no title", path)
			}
		case isMark && rest == "program":
			into = &f.program
		case isMark && rest == "restart":
			restart, into = true, nil
		case isMark && (strings.HasPrefix(rest, "case ") || strings.HasPrefix(rest, "inside ")):
			kind, about, _ := strings.Cut(rest, " ")
			section, sentence, ok := strings.Cut(about, ": ")
			if !ok {
				t.Fatalf("%s:%d: a case has a section and a sentence", path, n+1)
			}
			f.cases = append(f.cases, conformanceCase{line: n + 1, section: section, sentence: sentence, restart: restart, inside: kind == "inside"})
			restart = false
			into = &f.cases[len(f.cases)-1].code
		case isMark && (state == differs || state == absent) && len(f.cases) > 0 && reason != "":
			c := &f.cases[len(f.cases)-1]
			c.state, c.reason = state, reason
			into = nil
		case isMark && rest == "expect" && len(f.cases) > 0:
			into = &f.cases[len(f.cases)-1].want
		case isMark:
			t.Fatalf("%s:%d: %q", path, n+1, line)
		case into != nil:
			*into += line + "\n"
		case line == "clock virtual":
			f.virtual = true
		case strings.HasPrefix(line, "config "):
			name, value, _ := strings.Cut(line[len("config "):], " ")
			f.config = append(f.config, fmt.Sprintf("%q: %s", name, value))
		case line == "without workerd":
			f.ours = true
		case line == "peer":
			f.peer = true
		case line != "" && !strings.HasPrefix(line, "#"):
			t.Fatalf("%s:%d: %q belongs to nothing", path, n+1, line)
		}
	}
	return f
}

// The class of the objects that cases run in.
const conformanceObject = `
import { DurableObject as ConformanceObject } from "cloudflare:workers";
export class Inside extends ConformanceObject {
	async run(n) {
		try { return show(await conformanceCases[n](this.ctx.storage, this.ctx, this.env, this)); } catch (e) { return failed(e); }
	}
	async alarm(...args) { return this.onAlarm?.(...args); }
}
`

const conformanceTail = `
function show(v) {
	if (typeof v === "string") return v;
	if (v === undefined) return "undefined";
	if (Array.isArray(v)) return v.map(show).join(" ");
	if (typeof v === "object" && v !== null && Object.getPrototypeOf(v) === Object.prototype) return JSON.stringify(v);
	return String(v);
}
function failed(e) { return e instanceof Error || e instanceof DOMException ? e.name + ": " + e.message : "thrown: " + String(e); }
async function attempt(f) { try { return await f(); } catch (e) { return failed(e); } }
async function conformance(request, env, ctx) {
	const n = Number(new URL(request.url).pathname.slice(1));
	try { return new Response(show(await (conformanceInside[n] ? env.Inside.getByName("case " + n).run(n) : conformanceCases[n](env, ctx, request)))); } catch (e) { return new Response(failed(e)); }
}
export default { fetch: conformance, ...(typeof handlers === "undefined" ? {} : handlers) };
`

func (f *conformanceFile) source() string {
	var b strings.Builder
	b.WriteString(f.program)
	b.WriteString("const conformanceCases = [\n")
	for _, c := range f.cases {
		parameters := "env, ctx, request"
		if c.inside {
			parameters = "storage, ctx, env, object"
		}
		fmt.Fprintf(&b, "async (%s) => {\n%s},\n", parameters, c.code)
	}
	b.WriteString("];\n")
	inside := make([]bool, len(f.cases))
	for i, c := range f.cases {
		inside[i] = c.inside
	}
	fmt.Fprintf(&b, "const conformanceInside = %s;\n", strings.ReplaceAll(fmt.Sprint(inside), " ", ", "))
	if slices.Contains(inside, true) {
		b.WriteString(conformanceObject)
	}
	b.WriteString(conformanceTail)
	return b.String()
}

// write makes a project of the file in dir, and returns the path that it is served by.
func (f *conformanceFile) write(t *testing.T, dir string) string {
	t.Helper()
	if f.peer {
		f.config = append(f.config, fmt.Sprintf(`"vars": {"PEER": %q, "OTHER": %q}`, peer(t), peer(t)))
	}
	files := map[string]string{"program.ts": f.source()}
	path := filepath.Join(dir, "program.ts")
	if len(f.config) > 0 {
		path = dir
		files["wrangler.jsonc"] = "{\n\"name\": \"conformance\", \"main\": \"program.ts\",\n" + strings.Join(f.config, ",\n") + "\n}"
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// conformer runs the cases of a file.
type conformer interface {
	ask(i int) string // the answer to case i
	restart()
	log() string
	close()
}

func TestConformance(t *testing.T) {
	for _, path := range conformancePaths(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			f := readConformance(t, path)
			if !f.virtual {
				f.check(t, path, serveConformance(t, f))
				return
			}
			dir := t.TempDir() // the bubble has no file of its own to clean up
			synctest.Test(t, func(t *testing.T) { f.check(t, path, serveVirtual(t, f, dir)) })
		})
	}
}

// check compares the answer to each case with what it expects.
func (f *conformanceFile) check(t *testing.T, path string, c conformer) {
	defer c.close()
	for i := range f.cases {
		tc := &f.cases[i]
		if tc.restart {
			c.restart()
		}
		if got, want := c.ask(i), strings.TrimRight(tc.want, "\n"); got != want {
			t.Errorf("%s:%d: %s: %s\n got %s\nwant %s\n%s", path, tc.line, tc.section, tc.sentence, got, want, c.log())
		}
	}
}

func caseRequest(i int) *engine.Request {
	return &engine.Request{Method: "GET", URL: fmt.Sprintf("http://example.com/%d", i)}
}

// onLoops runs cases on two loops, in real time.
type onLoops struct {
	*served
	path, data string
}

func serveConformance(t *testing.T, f *conformanceFile) *onLoops {
	c := &onLoops{path: f.write(t, t.TempDir()), data: t.TempDir()}
	c.start(t)
	return c
}

func (c *onLoops) start(t testing.TB) {
	v, err := tryServe(t, c.path, setup{dir: c.data, loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	c.served = v
}

func (c *onLoops) ask(i int) string { return text(c.do(i%2, caseRequest(i))) }
func (c *onLoops) log() string      { return c.logs.String() }
func (c *onLoops) restart() {
	c.close()
	c.start(c.t)
}

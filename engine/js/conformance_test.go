package js_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"everloop/engine"
)

// The conformance suite: testdata/conformance/*.txt, one case a sentence of Cloudflare's documentation or of what workerd
// does. A file is
//
//	# TITLE.                     what the file is about: its heading in docs/compat.md
//	config NAME VALUE            a key of the wrangler configuration; optional, several
//	--- program                  code that the cases share: the classes that are exported, helpers
//	--- case SECTION: SENTENCE   the body of an async function (env, ctx, request), which runs in the Worker
//	--- differs: REASON          the sentence holds on Cloudflare, and not here; optional
//	--- absent: REASON           it does not hold yet, and the program is told so; optional
//	--- expect                   what it returns, as show() below writes it, or "Name: message" of what it throws
//
// Each case runs in a request of its own, in the order of the file, against one engine a file. The sentences and reasons are
// read in docs/compat.md, which TestCompatibilityPage makes of them.

type conformanceCase struct{ section, sentence, code, state, reason, want string }

// What a case says of everloop; "" where it does as Cloudflare does.
const (
	differs = "differs"
	absent  = "absent"
)

type conformanceFile struct {
	title   string
	config  []string
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
		case isMark && strings.HasPrefix(rest, "case "):
			section, sentence, ok := strings.Cut(rest[len("case "):], ": ")
			if !ok {
				t.Fatalf("%s:%d: a case has a section and a sentence", path, n+1)
			}
			f.cases = append(f.cases, conformanceCase{section: section, sentence: sentence})
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
		case strings.HasPrefix(line, "config "):
			name, value, _ := strings.Cut(line[len("config "):], " ")
			f.config = append(f.config, fmt.Sprintf("%q: %s", name, value))
		case line != "" && !strings.HasPrefix(line, "#"):
			t.Fatalf("%s:%d: %q belongs to nothing", path, n+1, line)
		}
	}
	return f
}

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
	try { return new Response(show(await conformanceCases[n](env, ctx, request))); } catch (e) { return new Response(failed(e)); }
}
export default { fetch: conformance, ...(typeof handlers === "undefined" ? {} : handlers) };
`

func (f *conformanceFile) source() string {
	var b strings.Builder
	b.WriteString(f.program)
	b.WriteString("const conformanceCases = [\n")
	for _, c := range f.cases {
		fmt.Fprintf(&b, "async (env, ctx, request) => {\n%s},\n", c.code)
	}
	b.WriteString("];\n" + conformanceTail)
	return b.String()
}

func TestConformance(t *testing.T) {
	for _, path := range conformancePaths(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			f := readConformance(t, path)
			v := f.serve(t)
			for i, c := range f.cases {
				r, err := v.do(i%2, &engine.Request{Method: "GET", URL: fmt.Sprintf("http://example.com/%d", i)})
				if got, want := text(r, err), strings.TrimRight(c.want, "\n"); got != want {
					t.Errorf("%s: %s\n got %s\nwant %s\n%s", c.section, c.sentence, got, want, v.logs)
				}
			}
		})
	}
}

func (f *conformanceFile) serve(t *testing.T) *served {
	if len(f.config) == 0 {
		return serve(t, f.source(), setup{loops: 2})
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"wrangler.jsonc": "{\n\"name\": \"conformance\", \"main\": \"main.ts\",\n" + strings.Join(f.config, ",\n") + "\n}",
		"main.ts":        f.source(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := tryServe(t, dir, setup{loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

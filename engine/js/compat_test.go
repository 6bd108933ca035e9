package js_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/compat.md anew; read the diff")

// The compatibility page is made of a frame, which people write, and of what the conformance suite says. The
// frame has two marks, each a line of its own.
const (
	framePath       = "testdata/compat.md"
	compatPath      = "../../docs/compat.md"
	differencesMark = "<!-- differences -->"
	sentencesMark   = "<!-- sentences -->"
)

// TestCompatibilityPage fails when docs/compat.md is older than the frame or a case.
func TestCompatibilityPage(t *testing.T) {
	frame, err := os.ReadFile(framePath)
	if err != nil {
		t.Fatal(err)
	}
	var files []*conformanceFile
	for _, path := range conformancePaths(t) {
		files = append(files, readConformance(t, path))
	}
	page := string(frame)
	for mark, text := range map[string]string{differencesMark: differences(files), sentencesMark: sentences(files)} {
		if n := strings.Count(page, "\n"+mark+"\n"); n != 1 {
			t.Fatalf("%s has the line %q %d times: want once", framePath, mark, n)
		}
		page = strings.Replace(page, mark+"\n", text, 1)
	}
	if *rewrite {
		if err := os.WriteFile(compatPath, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(compatPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, []byte(page)) {
		t.Errorf("docs/compat.md is not what %s and the cases say: go test ./engine/js -run TestCompatibilityPage -rewrite", framePath)
	}
}

// differences lists the cases where everloop does otherwise than Cloudflare, and those of what it does not have.
func differences(files []*conformanceFile) string {
	var b strings.Builder
	for _, s := range []struct{ state, heading string }{{differs, "#### Otherwise than on Cloudflare"}, {absent, "#### Not there yet"}} {
		fmt.Fprintf(&b, "%s\n\n", s.heading)
		n := 0
		for _, f := range files {
			for _, c := range f.cases {
				if c.state == s.state {
					fmt.Fprintf(&b, "- %s %s\n", markdown(c.sentence), markdown(c.reason))
					n++
				}
			}
		}
		if n == 0 {
			b.WriteString("Nothing.\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// sentences lists what holds, a heading a file.
func sentences(files []*conformanceFile) string {
	var b strings.Builder
	for i, f := range files {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "#### %s\n\n", markdown(f.title))
		for _, c := range f.cases {
			if c.state == "" {
				fmt.Fprintf(&b, "- %s\n", markdown(c.sentence))
			}
		}
	}
	return b.String()
}

var escapes = strings.NewReplacer("\\", "\\\\", "*", "\\*", "_", "\\_", "<", "&lt;", "[", "\\[")

// markdown escapes a sentence, but for what stands between backquotes.
func markdown(sentence string) string {
	parts := strings.Split(sentence, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = escapes.Replace(parts[i])
	}
	return strings.Join(parts, "`")
}

package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var quotation = regexp.MustCompile("(?:<!-- (\\S+) -->\n)?```go\n((?s:.*?))```")

// TestEmbeddingQuotes holds each piece of Go in embedding.md to be in the file that it names, to the letter. Those files are built and
// tested.
func TestEmbeddingQuotes(t *testing.T) {
	page, err := os.ReadFile("embedding.md")
	if err != nil {
		t.Fatal(err)
	}
	quotes := quotation.FindAllStringSubmatch(string(page), -1)
	if len(quotes) < 8 {
		t.Errorf("only %d quotations", len(quotes))
	}
	for _, q := range quotes {
		if q[1] == "" {
			t.Errorf("this names no file:\n%s", q[2])
			continue
		}
		source, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(q[1])))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(source), q[2]) {
			t.Errorf("%s does not have this:\n%s", q[1], q[2])
		}
	}
}

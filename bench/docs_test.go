package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPerformance: what docs/performance.md quotes is in the files that it names, and it tells no other figures and every target.
func TestPerformance(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", performanceDoc))
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := quote(doc, "", func(file string) ([]byte, error) { return os.ReadFile(filepath.Join("..", file)) })
	if err != nil {
		t.Fatalf("%s: %v", performanceDoc, err)
	}
	if string(renewed) != string(doc) {
		t.Errorf("%s is not what the results say that it names: run bench/run -update-docs FILE", performanceDoc)
	}
	for _, target := range targets {
		if row := fmt.Sprintf("\n| `%s` | %s | %s |\n", target.id, target.text, target); !strings.Contains(string(doc), row) {
			t.Errorf("%s has no row %s", performanceDoc, strings.TrimSpace(row))
		}
	}
	prose := quotation.ReplaceAllString(string(doc), "")
	for _, figure := range measuredFigure.FindAllString(prose, -1) {
		if !strings.Contains(figure, "|") {
			t.Errorf("%s has %q outside of what it quotes", performanceDoc, figure)
		}
	}
}

// measuredFigure is a number that looks like a rate, a time of a request or a ratio.
var measuredFigure = regexp.MustCompile(`(?m)^.*\b\d[\d,.]*( ?(k|M)?/s| ?us\b| ?µs\b| times (faster|slower)| requests a second).*$`)

func TestQuote(t *testing.T) {
	files := map[string]string{
		"old.md": "# R\n\n## Go: x\n\n| a |\n| - |\n| 1 |\n\n| r |\n| - |\n\nremark\n\n## Redis: y\n\n| old |\n\n## Redis: z\n\n| z |\n\n### Profile\n\n| no |\n",
		"new.md": "## Redis: y\n\n| new |\n",
	}
	read := func(name string) ([]byte, error) {
		text, ok := files[name]
		if !ok {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	}
	block := func(file, title, body string) string {
		return fmt.Sprintf("text\n<!-- figures: %s %q -->\n%s<!-- end of figures -->\nmore\n", file, title, body)
	}
	doc := block("old.md", "Go", "stale") + block("old.md", "Redis", "")
	goTables := "\n| a |\n| - |\n| 1 |\n\n| r |\n| - |\n\n"
	for from, want := range map[string]string{
		"":       block("old.md", "Go", goTables) + block("old.md", "Redis", "\nRedis: y:\n\n| old |\n\nRedis: z:\n\n| z |\n\n"),
		"new.md": block("old.md", "Go", goTables) + block("new.md", "Redis", "\n| new |\n\n"),
	} {
		got, err := quote([]byte(doc), from, read)
		if err != nil || string(got) != want {
			t.Errorf("from %q: %v\n%s\nwant\n%s", from, err, got, want)
		}
	}
	for _, tt := range []struct{ doc, from, want string }{
		{"nothing", "", "there is none"},
		{doc + "<!-- figures: old.md \"Go\" -->\n", "", "has no end"},
		{block("old.md", "Other", ""), "", `there is no section "Other"`},
		{block("gone.md", "Go", ""), "", "gone.md: file does not exist"},
		{doc, "gone.md", "file does not exist"},
	} {
		if _, err := quote([]byte(tt.doc), tt.from, read); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q from %q: %v, want %q", tt.doc, tt.from, err, tt.want)
		}
	}
}

// TestUpdateDocs takes a file by any path, and names it from the root.
func TestUpdateDocs(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		performanceDoc:       "<!-- figures: bench/results/a.md \"Go\" -->\n<!-- end of figures -->\n",
		"bench/results/b.md": "## Go\n\n| 1 |\n",
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := updateDocs(root, filepath.Join(root, "bench/results/b.md")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, performanceDoc))
	if want := "<!-- figures: bench/results/b.md \"Go\" -->\n\n| 1 |\n\n<!-- end of figures -->\n"; err != nil || string(got) != want {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
}

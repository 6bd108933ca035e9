package project

import (
	"slices"
	"testing"
)

// TestCounterExample: the example that README.md begins with is a whole project, without a warning.
func TestCounterExample(t *testing.T) {
	p, err := Load("../../../docs/examples/counter", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []ObjectBinding{{Name: "COUNTER", ClassName: "Counter"}}; !slices.Equal(p.Objects, want) {
		t.Errorf("its bindings are %+v, want %+v", p.Objects, want)
	}
	b, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Counter", "default"}; !slices.Equal(b.Exports, want) {
		t.Errorf("it exports %q, want %q", b.Exports, want)
	}
	if want := []string{"cloudflare:workers"}; !slices.Equal(b.Externals, want) {
		t.Errorf("it needs %q, want %q", b.Externals, want)
	}
	if len(p.Warnings) > 0 || len(b.Warnings) > 0 {
		t.Errorf("warnings: %q %v", p.Warnings, b.Warnings)
	}
}

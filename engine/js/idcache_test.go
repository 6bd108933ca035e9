package js

import (
	"fmt"
	"strings"
	"testing"

	"everloop/engine"
)

// TestIDCache gives the IDs that the engine gives, tells namespaces apart, and stays within its bounds.
func TestIDCache(t *testing.T) {
	eng, err := engine.Open(engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := eng.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	var spaces []*engine.Namespace
	for _, name := range []string{"A", "B"} {
		ns, err := eng.Register(name, engine.ClassOf(func(*engine.State) (*struct{}, error) { return &struct{}{}, nil }))
		if err != nil {
			t.Fatal(err)
		}
		spaces = append(spaces, ns)
	}
	var c idCache
	check := func(name string) {
		for _, ns := range spaces {
			id := c.get(ns, name)
			if !id.Equal(ns.IDFromName(name)) {
				t.Fatalf("%s in %s: %v", name, ns.Class(), id)
			}
			if got, named := id.Name(); got != name || !named {
				t.Fatalf("%s in %s has the name %q", name, ns.Class(), got)
			}
		}
	}
	check("kept")
	for i := range 3 * idCacheHalf {
		check(fmt.Sprint(i))
		check("kept")
		if n := len(c.young) + len(c.old); n > 2*idCacheHalf {
			t.Fatalf("%d IDs are kept", n)
		}
	}
	if _, ok := c.old[idName{"A", "0"}]; ok {
		t.Error("a name that was used once is kept for ever")
	}
	if _, ok := c.young[idName{"A", "kept"}]; !ok {
		t.Error("a name that is used all the time was forgotten")
	}
	before := len(c.young)
	check(strings.Repeat("x", idCacheMaxName+1))
	if len(c.young) != before {
		t.Error("a long name is kept")
	}
}

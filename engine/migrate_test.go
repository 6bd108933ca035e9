package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"everloop/engine"
)

func TestMigrations(t *testing.T) {
	dir := t.TempDir()
	class := engine.ClassOf(newCounter)
	first := open(t, engine.Options{Dir: dir, Loops: 2})
	if err := first.Migrate(engine.Migration{Tag: "v1", New: []engine.NewClass{{Name: "Old", UniqueKey: "p-Old"}, {Name: "Gone", UniqueKey: "p-Gone"}}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Old", "Gone"} {
		ns, err := first.Register(name, class, engine.UniqueKey("p-"+name))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			call[int](t, ns.GetByName(fmt.Sprint(i)), "Add", i+1)
		}
	}
	for _, c := range []struct {
		m    engine.Migration
		want string
	}{
		{engine.Migration{Tag: "v1"}, "applied before"},
		{engine.Migration{Tag: "x", Rename: []engine.RenameClass{{From: "Nope", To: "New"}}}, "there is no class Nope"},
		{engine.Migration{Tag: "x", Rename: []engine.RenameClass{{From: "Old", To: "Gone"}}}, "there is a class of that name"},
		{engine.Migration{Tag: "x", Rename: []engine.RenameClass{{From: "Old", To: "New"}}}, "the class Old is in use"},
		{engine.Migration{Tag: "x", Delete: []string{"Nope"}}, "there is no class Nope to be deleted"},
		{engine.Migration{Tag: "x", New: []engine.NewClass{{Name: "Other", UniqueKey: "p-Old"}}}, "which Old has"},
	} {
		if err := first.Migrate(c.m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.m, err, c.want)
		}
	}
	closeEngine(t, first)

	// Applied at the next start, and there after the one that follows.
	for round := range 3 {
		e := open(t, engine.Options{Dir: dir, Loops: 1 + round})
		if round == 0 {
			m := engine.Migration{Tag: "v2", Rename: []engine.RenameClass{{From: "Old", To: "New"}}, Delete: []string{"Gone"}}
			if err := e.Migrate(m); err != nil {
				t.Fatal(err)
			}
			if err := e.Migrate(m); !errors.Is(err, engine.ErrMigrationApplied) {
				t.Errorf("applied twice: %v", err)
			}
		}
		if got := e.Migrations(); !slices.Equal(got, []string{"v1", "v2"}) {
			t.Errorf("round %d: applied %q", round, got)
		}
		key, ok := e.ClassKey("New")
		if _, old := e.ClassKey("Old"); !ok || old || key != "p-Old" {
			t.Errorf("round %d: New has the key %q, %v; Old is known: %v", round, key, ok, old)
		}
		ns, err := e.Register("New", class, engine.UniqueKey(key))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if n := call[int](t, ns.GetByName(fmt.Sprint(i)), "Value"); n != i+1 {
				t.Errorf("round %d: object %d of the renamed class has %d", round, i, n)
			}
		}
		gone, err := e.Register("Gone", class, engine.UniqueKey("p-Gone"))
		if err != nil {
			t.Fatal(err)
		}
		if n := call[int](t, gone.GetByName("3"), "Value"); n != 0 {
			t.Errorf("round %d: an object of a deleted class still has %d", round, n)
		}
		closeEngine(t, e)
	}
}

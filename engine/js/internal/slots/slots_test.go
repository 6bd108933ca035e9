package slots_test

import (
	"slices"
	"testing"

	. "everloop/engine/js/internal/slots"
)

func TestTable(t *testing.T) {
	var table Table[string]
	if _, ok := table.Get(0); ok || table.Len() != 0 || table.Remove(3) != "" || table.All() != nil {
		t.Error("an empty table has something")
	}
	a, b, c := table.Add("a"), table.Add("b"), table.Add("c")
	*table.At(c) += "!"
	if got := table.Remove(b); got != "b" {
		t.Errorf("removed %q", got)
	}
	if got := table.Remove(b); got != "" || table.Len() != 2 {
		t.Errorf("removed %q once more, and %d are left", got, table.Len())
	}
	if _, ok := table.Get(b); ok {
		t.Error("what was removed is there")
	}
	if got := table.All(); !slices.Equal(got, []string{"a", "c!"}) {
		t.Errorf("there are %q", got)
	}
	if d := table.Add("d"); d != b {
		t.Errorf("the free number %d is not used again, but %d", b, d)
	}
	for i, want := range map[uint64]string{a: "a", b: "d", c: "c!"} {
		if got, ok := table.Get(i); !ok || got != want {
			t.Errorf("%d is %q, want %q", i, got, want)
		}
	}
	if e := table.Add("e"); e != 3 || table.Len() != 4 {
		t.Errorf("the next number is %d of %d", e, table.Len())
	}
}

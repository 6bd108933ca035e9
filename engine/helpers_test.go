package engine_test

import (
	"testing"

	"everloop/engine/value"
)

// encode encodes arguments as a caller does.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := value.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decode decodes an answer, which must have come and be no error.
func decode[T any](t testing.TB, a *answer) (v T) {
	t.Helper()
	if !a.done || a.got.Err != nil {
		t.Fatalf("no answer: done %v, %v", a.done, a.got.Err)
	}
	if err := value.Unmarshal(a.got.Value, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

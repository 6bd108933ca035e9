package testenv_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"everloop/cmd/testenv"
)

// A recorder is a testing.TB that keeps what happened to it instead of ending the test.
type recorder struct {
	testing.TB
	failed, skipped bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Fatalf(string, ...any) { r.failed = true; runtime.Goexit() }
func (r *recorder) Skipf(string, ...any)  { r.skipped = true; runtime.Goexit() }
func (r *recorder) Fatal(...any)          { r.failed = true; runtime.Goexit() }

// record runs f as a test would be run and says what became of it.
func record(t *testing.T, f func(testing.TB)) *recorder {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

func TestProgram(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "present")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
	tests := []struct {
		name            string
		require         string
		programs        []string
		path            string
		failed, skipped bool
	}{
		{name: "there", programs: []string{"present"}, path: program},
		{name: "there under its second name", programs: []string{"absent", "present"}, path: program},
		{name: "missing", programs: []string{"absent"}, skipped: true},
		{name: "missing and promised", require: "redis-server, absent", programs: []string{"absent"}, failed: true},
		{name: "missing under both names, one promised", require: "absent", programs: []string{"gone", "absent"}, failed: true},
		{name: "missing, another promised", require: "absent-minded", programs: []string{"absent"}, skipped: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(testenv.Require, tt.require)
			path := ""
			r := record(t, func(tb testing.TB) { path = testenv.Program(tb, tt.programs...) })
			if path != tt.path || r.failed != tt.failed || r.skipped != tt.skipped {
				t.Errorf("path %q, failed %v, skipped %v; want %q, %v, %v", path, r.failed, r.skipped, tt.path, tt.failed, tt.skipped)
			}
		})
	}
}

func TestFull(t *testing.T) {
	for require, skipped := range map[string]bool{"": true, "node": false} {
		t.Setenv(testenv.Require, require)
		if r := record(t, func(tb testing.TB) { testenv.Full(tb) }); r.skipped != skipped || r.failed {
			t.Errorf("%s=%q: skipped %v, want %v", testenv.Require, require, r.skipped, skipped)
		}
	}
}

func TestGoProgram(t *testing.T) {
	folder := t.TempDir()
	program := filepath.Join(folder, "everloop-test-program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
	t.Setenv("XDG_CACHE_HOME", folder)
	t.Setenv(testenv.Require, "")
	path := ""
	r := record(t, func(tb testing.TB) { path = testenv.GoProgram(tb, "example.invalid/cmd/everloop-test-program@v1.0.0") })
	if path != program || r.failed || r.skipped {
		t.Errorf("what PATH has: %q, failed %v, skipped %v", path, r.failed, r.skipped)
	}
	r = record(t, func(tb testing.TB) { testenv.GoProgram(tb, "example.invalid/cmd/absent@v1.0.0") })
	if !r.skipped || r.failed {
		t.Errorf("what nobody has made: failed %v, skipped %v, want it skipped", r.failed, r.skipped)
	}
	made := filepath.Join(folder, "everloop", "absent-v1.0.0", "absent")
	if err := os.MkdirAll(filepath.Dir(made), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(made, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if record(t, func(tb testing.TB) { path = testenv.GoProgram(tb, "example.invalid/cmd/absent@v1.0.0") }); path != made {
		t.Errorf("what was made once: %q, want %q", path, made)
	}
	t.Setenv(testenv.Require, "node")
	if r = record(t, func(tb testing.TB) { testenv.GoProgram(tb, "example.invalid/cmd/gone@v1.0.0") }); !r.failed {
		t.Error("what cannot be made and is promised does not fail the test")
	}
}

// Package testenv finds the other programs that tests compare with or drive: Redis, Node, Chromium and the like; and runs those of this
// project that are examples.
//
// The test command of this project needs nothing but Go. A test that needs more asks here, and is skipped where
// the program is missing. A machine that has promised a program lists it in EVERLOOP_REQUIRE, separated by commas; there its absence
// fails the test, so that a run that was meant to be whole cannot quietly become smaller.
//
// The package is for tests only, and safe for concurrent use.
package testenv

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Require is the environment variable that lists the programs which must be there.
const Require = "EVERLOOP_REQUIRE"

// Program returns the path of a program, found under the first of its names that PATH has. Without it, it skips the
// test, or fails it if [Require] lists one of the names.
func Program(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if required(os.Getenv(Require), names) {
		t.Fatalf("this test needs %s, which %s promises and PATH does not have", strings.Join(names, " or "), Require)
	}
	t.Skipf("this test needs %s, which is not installed", strings.Join(names, " or "))
	return ""
}

// Full skips the test unless [Require] is set at all: for what takes long and needs no other program.
func Full(t testing.TB) {
	t.Helper()
	if os.Getenv(Require) == "" {
		t.Skipf("this test takes long: it runs where %s is set", Require)
	}
}

func required(list string, names []string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(promised string) bool {
		return slices.Contains(names, strings.TrimSpace(promised))
	})
}

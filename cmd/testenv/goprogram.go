package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// GoProgram returns the path of a program that is written in Go: as PATH has it, or else as the Go command makes it of a package at a version
// ("example.com/cmd/program@v1.2.3"), once, in the user's cache. Making it takes minutes and the network, so that is done only where [Require] is set; elsewhere the test is
// skipped if it has not been made.
func GoProgram(t testing.TB, pkg string) (path string) {
	t.Helper()
	name, version, _ := strings.Cut(pkg[strings.LastIndex(pkg, "/")+1:], "@")
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "everloop", name+"-"+version)
	path = filepath.Join(folder, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv(Require) == "" {
		t.Skipf("this test needs %s, which is not installed; where %s is set, it is made of %s", name, Require, pkg)
	}
	cmd := exec.Command("go", "install", pkg)
	cmd.Env = append(os.Environ(), "GOBIN="+folder, "GOFLAGS=")
	cmd.Dir = cache // outside of any module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go install %s: %v\n%s", pkg, err, out)
	}
	return path
}

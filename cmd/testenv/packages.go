package testenv

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Packages has npm install what a package.json lists, in a folder of the user's cache, once for each state of that file, and returns the folder,
// which has a node_modules. It needs npm, as by [Program], and the first time the network.
func Packages(t testing.TB, list string) (folder string) {
	t.Helper()
	npm := Program(t, "npm")
	content, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder = filepath.Join(cache, "everloop", fmt.Sprintf("packages-%x", sha256.Sum256(content))[:24])
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o750); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(folder), filepath.Base(folder)+".*") //nolint:usetesting // beside its place, so that it can be renamed
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }() // it is not there any more, unless something fails
	if err := os.WriteFile(filepath.Join(fresh, "package.json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(folder); there != nil { // another run may have been first
			t.Fatal(err)
		}
	}
	return folder
}

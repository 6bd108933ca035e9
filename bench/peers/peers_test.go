package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script makes a program of that name the only one in the path.
func script(t *testing.T, name, body string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestRedis(t *testing.T) {
	for _, tt := range []struct {
		name, says string // of the program; none, where it is empty
		version    string
		complaint  string
	}{
		{"no program", "", "", "Debian's package redis-server has it"},
		{"new enough", "echo Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", ""},
		{"of two digits", "echo Redis server v=10.2.0 sha=0", "Redis server v=10.2.0 sha=0", ""},
		{"too old", "echo Redis server v=6.2.7 sha=0", "", "too old (Redis server v=6.2.7 sha=0): install version 7 or newer"},
		{"another program", "echo hello", "", `tells no version: "hello"`},
		{"nothing said", "exit 0", "", "tells no version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.says == "" {
				t.Setenv("PATH", t.TempDir())
			} else {
				script(t, "redis-server", tt.says)
			}
			p, err := Redis(t.Context())
			if tt.complaint == "" {
				if err != nil || p.Version != tt.version || p.Source != p.Program {
					t.Errorf("%+v, %v", p, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.complaint) {
				t.Errorf("%v: want %q", err, tt.complaint)
			}
		})
	}
}

// TestWrk: wrk tells its version and then ends with an error.
func TestWrk(t *testing.T) {
	script(t, "wrk", "echo 'wrk 4.1.0 [epoll]'; echo 'Usage: ...'; exit 1")
	if p, err := Wrk(t.Context()); err != nil || p.Version != "wrk 4.1.0 [epoll]" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestWorkerd takes the pinned version alone, and installs it where another one is.
func TestWorkerd(t *testing.T) {
	dir := t.TempDir()
	var said []string
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	find := func(install bool) (Peer, error) { return Workerd(t.Context(), dir, install, say) }
	p, err := find(false)
	if err == nil || !strings.Contains(err.Error(), "is not there and -install is off") {
		t.Fatalf("an empty folder: %+v, %v", p, err)
	}

	// An npm that installs a program that tells the version which it was asked for.
	script(t, "npm", `PATH=/usr/bin:/bin
for a; do case $a in workerd@*) v=${a#workerd@};; esac; done
for arch in 64 arm64; do
	at=node_modules/@cloudflare/workerd-linux-$arch
	mkdir -p $at/bin
	printf '{\n  "name": "x",\n  "version": "%s"\n}\n' $v >$at/package.json
	printf '#!/bin/sh\necho workerd %s\n' $v >$at/bin/workerd
	chmod +x $at/bin/workerd
done`)
	for round, installs := range []int{1, 1, 2} {
		if round == 2 {
			manifests, err := filepath.Glob(filepath.Join(dir, "node_modules/@cloudflare/*/package.json"))
			if err != nil || len(manifests) == 0 {
				t.Fatal(manifests, err)
			}
			for _, m := range manifests {
				if err := os.WriteFile(m, []byte("{\n  \"version\": \"1.0.0\"\n}\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := find(false); err == nil || !strings.Contains(err.Error(), "is version 1.0.0, not "+WorkerdVersion) {
				t.Errorf("another version: %v", err)
			}
		}
		p, err := find(true)
		if err != nil || p.Version != "workerd "+WorkerdVersion || len(said) != installs {
			t.Errorf("round %d: %+v, %v; said %q", round, p, err, said)
		}
	}

	t.Setenv("PATH", t.TempDir())
	if _, err := Workerd(t.Context(), t.TempDir(), true, say); err == nil || !strings.Contains(err.Error(), "npm, which brings it, is not installed") {
		t.Errorf("without npm: %v", err)
	}
}

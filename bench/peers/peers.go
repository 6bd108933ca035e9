package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	// WorkerdVersion is the version of the npm package workerd that is compared.
	WorkerdVersion = "1.20261117.1"
	// OldestRedis is the oldest major version of Redis: the first with the log in several files, which its appendfsync is
	// compared with.
	OldestRedis = 7
)

// Peer is a program that was found.
type Peer struct {
	Name    string // what results call it
	Program string // the path
	Version string // as the program tells it, in one line
	Source  string // where it comes from: a package with its version, or the path
}

func (p Peer) String() string { return fmt.Sprintf("%s: %s (%s)", p.Name, p.Version, p.Source) }

// Workerd finds workerd in dir, or installs it there by npm where install is set, and says so to say. A version other than
// [WorkerdVersion] is replaced, or refused where install is off.
func Workerd(ctx context.Context, dir string, install bool, say func(format string, args ...any)) (Peer, error) {
	arch, ok := map[string]string{"amd64": "64", "arm64": "arm64"}[runtime.GOARCH]
	if !ok {
		return Peer{}, fmt.Errorf("there is no workerd for linux/%s", runtime.GOARCH)
	}
	// The package's own command may be a script around this one, whose cost must not be measured.
	p := Peer{Name: "workerd", Program: filepath.Join(dir, "node_modules/@cloudflare/workerd-linux-"+arch+"/bin/workerd"), Source: "npm workerd@" + WorkerdVersion}
	installed, err := packageVersion(filepath.Join(filepath.Dir(filepath.Dir(p.Program)), "package.json"))
	if err != nil || installed != WorkerdVersion {
		if !install {
			if err == nil {
				return Peer{}, fmt.Errorf("%s is version %s, not %s, and -install is off", p.Program, installed, WorkerdVersion)
			}
			return Peer{}, fmt.Errorf("%s is not there and -install is off", p.Program)
		}
		say("installing %s into %s", p.Source, dir)
		if err := installWorkerd(ctx, dir); err != nil {
			return Peer{}, err
		}
	}
	p.Version, err = tell(ctx, p.Program, "--version")
	return p, err
}

// manifestVersion is the version in a package.json that npm has written.
var manifestVersion = regexp.MustCompile(`(?m)^\s*"version"\s*:\s*"([^"]+)"`)

func packageVersion(manifest string) (string, error) {
	b, err := os.ReadFile(manifest)
	if err != nil {
		return "", err
	}
	m := manifestVersion.FindSubmatch(b)
	if m == nil {
		return "", fmt.Errorf("%s has no version", manifest)
	}
	return string(m[1]), nil
}

func installWorkerd(ctx context.Context, dir string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm, which brings it, is not installed")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// npm wants to find a package in the folder that it installs into.
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{\"private\": true}\n"), 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--prefix", dir, "workerd@"+WorkerdVersion)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install workerd@%s: %w\n%s", WorkerdVersion, err, out)
	}
	return nil
}

// Redis finds redis-server in the path.
func Redis(ctx context.Context) (Peer, error) {
	p, err := inPath(ctx, "Redis", "redis-server", "redis-server", "--version")
	if err != nil {
		return p, err
	}
	major, err := redisMajor(p.Version)
	if err == nil && major < OldestRedis {
		err = fmt.Errorf("%s is too old (%s): install version %d or newer", p.Program, p.Version, OldestRedis)
	}
	return p, err
}

// redisMajor reads the line of redis-server --version.
func redisMajor(version string) (int, error) {
	_, v, ok := strings.Cut(version, " v=")
	number, _, _ := strings.Cut(v, ".")
	major, err := strconv.Atoi(number)
	if !ok || err != nil {
		return 0, fmt.Errorf("redis-server tells no version: %q", version)
	}
	return major, nil
}

// RedisBenchmark finds the load tool of Redis in the path.
func RedisBenchmark(ctx context.Context) (Peer, error) {
	return inPath(ctx, "redis-benchmark", "redis-benchmark", "redis-tools", "--version")
}

// RedisCLI finds the command line of Redis in the path.
func RedisCLI(ctx context.Context) (Peer, error) {
	return inPath(ctx, "redis-cli", "redis-cli", "redis-tools", "--version")
}

// Wrk finds the HTTP load tool of that name in the path.
func Wrk(ctx context.Context) (Peer, error) {
	return inPath(ctx, "wrk", "wrk", "wrk", "-v")
}

// inPath finds a program, whose Debian package a complaint names.
func inPath(ctx context.Context, name, program, debian, flag string) (Peer, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return Peer{}, fmt.Errorf("%s is not installed: Debian's package %s has it", program, debian)
	}
	version, err := tell(ctx, path, flag)
	return Peer{Name: name, Program: path, Version: version, Source: path}, err
}

// tell returns the first line that a program prints when asked for its version. Some end with an error after it.
func tell(ctx context.Context, program, flag string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, flag).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() && line != "" {
		err = nil
	}
	if err != nil || line == "" {
		return "", fmt.Errorf("%s %s tells no version: %w", program, flag, errors.Join(err, ctx.Err()))
	}
	return line, nil
}

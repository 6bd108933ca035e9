package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	if settings := os.Getenv(crashVariable); settings != "" {
		os.Exit(crashServe(settings)) // this is a process that a crash test has started
	}
	os.Exit(build(m))
}

func build(m *testing.M) int {
	folder, err := os.MkdirTemp("", "everloop")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "everloop")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

// everloop runs the program, with what env adds to an environment that has no EVERLOOP_* variables.
func everloop(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(environment(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// TestProgram runs the real program the way a person does.
func TestProgram(t *testing.T) {
	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // expressions
	}{
		{"version", []string{"version"}, exitOK, `^everloop \S+ .*go1\.\S+ linux/\w+\n$`, `^$`},
		{"help", []string{"--help"}, exitOK, `Usage: everloop <command>`, `^$`},
		{"help of a command", []string{"version", "--help"}, exitOK, `Usage: everloop version`, `^$`},
		{"nothing", nil, exitUsage, `^$`, `^everloop: expected .*\nRun "everloop --help" for what there is.\n$`},
		{"a command that is not there", []string{"foo"}, exitUsage, `^$`, `unexpected argument foo`},
		{"a flag that is not there", []string{"version", "--verbose"}, exitUsage, `^$`, `unknown flag --verbose\nRun "everloop version --help"`},
		{"an argument too many", []string{"version", "x"}, exitUsage, `^$`, `unexpected argument x`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, code := everloop(t, nil, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, stream := range []struct{ name, got, want string }{{"stdout", stdout, tt.stdout}, {"stderr", stderr, tt.stderr}} {
				if !regexp.MustCompile(stream.want).MatchString(stream.got) {
					t.Errorf("%s is %q, want %s", stream.name, stream.got, stream.want)
				}
			}
		})
	}
}

// serveGrammar is a command line with serve alone.
type serveGrammar struct {
	Serve serveCmd `cmd:""`
}

// TestSettings holds where a setting comes from, and what a wrong one is answered with.
func TestSettings(t *testing.T) {
	tests := []struct {
		name string
		args []string          // behind `serve project`
		env  map[string]string // variables
		file string            // project/everloop.toml, if not ""
		want string            // what is printed of the settings below, or the error's text
	}{
		{name: "defaults", want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 0 always 30s"},
		{name: "the file", file: "listen = \"127.0.0.1:1\"\nloops = 2\nsync = \"none\"\ncpu-limit = \"5s\"\n", want: "127.0.0.1:1 127.0.0.1:8788 project/.everloop 2 none 5s"},
		{name: "a variable over the file", file: "loops = 2\nsync = \"none\"\n", env: map[string]string{"EVERLOOP_LOOPS": "3"}, want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 3 none 30s"},
		{name: "a flag over both", file: "loops = 2\n", env: map[string]string{"EVERLOOP_LOOPS": "3"}, args: []string{"--loops", "4"}, want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 4 always 30s"},
		{name: "a flag set to the default, over both", file: "sync = \"none\"\n", env: map[string]string{"EVERLOOP_SYNC": "interval"}, args: []string{"--sync=always"}, want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 0 always 30s"},
		{name: "every variable", env: map[string]string{
			"EVERLOOP_LISTEN": "unix:/a", "EVERLOOP_ADMIN": "[::1]:0", "EVERLOOP_DATA": "/d", "EVERLOOP_LOOPS": "1", "EVERLOOP_SYNC": "interval", "EVERLOOP_CPU_LIMIT": "1m",
		}, want: "unix:/a [::1]:0 /d 1 interval 1m0s"},
		{name: "a folder in the file is the file's", file: "data = \"state\"\n", want: "127.0.0.1:8787 127.0.0.1:8788 project/state 0 always 30s"},
		{name: "an absolute folder in the file", file: "data = \"/state\"\n", want: "127.0.0.1:8787 127.0.0.1:8788 /state 0 always 30s"},
		{name: "another file", args: []string{"--config", "other.toml"}, file: "loops = 2\n", want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 7 always 30s"},
		{name: "another file by its variable", env: map[string]string{"EVERLOOP_CONFIG": "other.toml"}, want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 7 always 30s"},
		{name: "a missing file that was named", args: []string{"--config", "none.toml"}, want: "none.toml: there is no such configuration file"},
		{name: "an unknown key", file: "lisen = \"127.0.0.1:1\"\n", want: `project/everloop.toml: there is no setting "lisen"; the settings are admin, admin-token, cpu-limit, data, env, listen, loops, resp, resp-password, resp-password-file, retain, retain-size, snapshot-age, snapshot-log, sync`},
		{name: "a file that names a file", file: "config = \"other.toml\"\n", want: `there is no setting "config"`},
		{name: "a table", file: "[listen]\na = 1\n", want: "project/everloop.toml: listen: want a text or a number"},
		{name: "not TOML", file: "loops = \n", want: "project/everloop.toml:1:9: "},
		{name: "a wrong value in the file", file: "loops = \"many\"\n", want: `"many" (from project/everloop.toml)`},
		{name: "a wrong word in the file", file: "sync = \"sometimes\"\n", want: `but got "sometimes" (from project/everloop.toml)`},
		{name: "a value out of range in the file", file: "loops = 65\n", want: "--loops: 65 is not between 1 and 64 (from project/everloop.toml)"},
		{name: "a wrong word in a variable", env: map[string]string{"EVERLOOP_SYNC": "sometimes"}, want: `but got "sometimes" (from the environment variable EVERLOOP_SYNC)`},
		{name: "a wrong value in a variable", env: map[string]string{"EVERLOOP_LOOPS": "many"}, want: `"many" (from envar EVERLOOP_LOOPS="many")`},
		{name: "a wrong word in a flag", args: []string{"--sync", "sometimes"}, env: map[string]string{"EVERLOOP_SYNC": "none"}, want: `must be one of "always","interval","none" but got "sometimes"`},
		{name: "loops below zero", args: []string{"--loops=-1"}, want: "--loops: -1 is not between 1 and 64"},
		{name: "no time", args: []string{"--cpu-limit=0s"}, want: "--cpu-limit: 0s is not a time above zero"},
		{name: "an address without a port", args: []string{"--listen", "localhost"}, want: `--listen: "localhost" is neither HOST:PORT nor unix:PATH`},
		{name: "a port too high", args: []string{"--listen", ":70000"}, want: `--listen: ":70000" has no port between 0 and 65535`},
		{name: "a socket without a path", args: []string{"--listen", "unix:"}, want: "--listen: unix: has no path behind it"},
		{name: "an open admin side", args: []string{"--admin", "0.0.0.0:8788"}, want: "--admin: 0.0.0.0:8788 can be reached from other machines: set EVERLOOP_ADMIN_TOKEN"},
		{name: "an open admin side on every interface", args: []string{"--admin", ":8788"}, want: "can be reached from other machines"},
		{name: "an open admin side with a token", args: []string{"--admin", ":8788"}, env: map[string]string{"EVERLOOP_ADMIN_TOKEN": "sixteen-letters-"}, want: "127.0.0.1:8787 :8788 project/.everloop 0 always 30s"},
		{name: "a short token", env: map[string]string{"EVERLOOP_ADMIN_TOKEN": "secret"}, want: "--admin-token: the token has 6 characters: give it at least 16, drawn at random (from the environment variable EVERLOOP_ADMIN_TOKEN)"},
		{name: "an admin side on a socket", args: []string{"--admin", "unix:/tmp/x"}, want: "--admin: unix:/tmp/x is a socket file"},
		{name: "an open RESP side", args: []string{"--resp", "0.0.0.0:6380"}, want: "--resp: 0.0.0.0:6380 can be reached from other machines: set EVERLOOP_RESP_PASSWORD, or listen on 127.0.0.1"},
		{name: "an open RESP side on every interface", env: map[string]string{"EVERLOOP_RESP": ":6380"}, want: "--resp: :6380 can be reached from other machines: set EVERLOOP_RESP_PASSWORD, or listen on 127.0.0.1 (from the environment variable EVERLOOP_RESP)"},
		{name: "an open RESP side with a password", args: []string{"--resp", ":6380"}, env: map[string]string{"EVERLOOP_RESP_PASSWORD": "sixteen-letters-"}, want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 0 always 30s"},
		{name: "a RESP side on a socket", args: []string{"--resp", "unix:/tmp/x"}, want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 0 always 30s"},
		{name: "a RESP side without a port", args: []string{"--resp", "localhost"}, want: `--resp: "localhost" is neither HOST:PORT nor unix:PATH`},
		{name: "a short password", args: []string{"--resp", "127.0.0.1:1"}, env: map[string]string{"EVERLOOP_RESP_PASSWORD": "secret"}, want: "--resp-password: the password has 6 characters: give it at least 16, drawn at random (from the environment variable EVERLOOP_RESP_PASSWORD)"},
		{name: "a short password in a file", args: []string{"--resp", ":1", "--resp-password-file", "short"}, want: "--resp-password: the password has 6 characters"},
		{name: "a password in a file", args: []string{"--resp", ":1", "--resp-password-file", "password"}, want: "127.0.0.1:8787 127.0.0.1:8788 project/.everloop 0 always 30s"},
		{name: "a password in an empty file", args: []string{"--resp", ":1", "--resp-password-file", "empty"}, want: "--resp-password-file: the first line of empty is empty"},
		{name: "a password in no file", args: []string{"--resp", ":1", "--resp-password-file", "none"}, want: "--resp-password-file: open none"},
		{name: "two passwords", args: []string{"--resp", ":1", "--resp-password-file", "password"}, env: map[string]string{"EVERLOOP_RESP_PASSWORD": "sixteen-letters-"}, want: "--resp-password-file: the password is given by --resp-password or EVERLOOP_RESP_PASSWORD, too: leave one of them out (from the environment variable EVERLOOP_RESP_PASSWORD)"},
		{name: "localhost", args: []string{"--admin", "localhost:1"}, want: "127.0.0.1:8787 localhost:1 project/.everloop 0 always 30s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, v := range os.Environ() {
				if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "EVERLOOP_") {
					t.Setenv(name, "") // so that it is put back afterwards
					os.Unsetenv(name)
				}
			}
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			files := map[string]string{"other.toml": "loops = 7\n", "project/wrangler.jsonc": "{}", "password": "sixteen-letters-\r\nmore\n", "short": "secret\n", "empty": "\nsixteen-letters-\n"}
			if tt.file != "" {
				files["project/everloop.toml"] = tt.file
			}
			for name, text := range files {
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var g serveGrammar
			_, err := parse(&g, append([]string{"serve", "project"}, tt.args...), io.Discard, io.Discard)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) || strings.HasPrefix(tt.want, "127.") {
					t.Errorf("got the error %q, want %q", err, tt.want)
				}
				if strings.Contains(err.Error(), "(from") != strings.Contains(tt.want, "(from") {
					t.Errorf("the error %q gives a wrong source", err)
				}
				return
			}
			s := g.Serve
			got := strings.Join([]string{s.Listen, s.Admin, s.dataDir(), strconv.Itoa(s.Loops), s.Sync, s.CPULimit.String()}, " ")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestFolder: a single file's configuration and data stand beside it.
func TestFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("room.ts", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := serveCmd{Project: "room.ts"}
	path, needed := c.configFile()
	if path != "everloop.toml" || needed || c.dataDir() != ".everloop" {
		t.Errorf("configuration %q, needed %v, data %q", path, needed, c.dataDir())
	}
}

func TestHelpFor(t *testing.T) {
	for args, want := range map[string]string{
		"": "everloop --help", "serve": "everloop serve --help", "serve x --loops": "everloop serve --help", "wal": "everloop wal --help",
		"wal dump x": "everloop wal dump --help", "wal dmup": "everloop wal --help", "--x serve": "everloop --help", "verify": "everloop verify --help",
		"snapshot x": "everloop snapshot --help", "wal repair x": "everloop wal repair --help", "export": "everloop export --help",
		"alarms": "everloop alarms --help", "alarms run Room": "everloop alarms run --help", "alarms verify": "everloop alarms --help", "run": "everloop --help",
	} {
		if got := helpFor(strings.Fields(args)); got != want {
			t.Errorf("helpFor(%q) is %q, want %q", args, got, want)
		}
	}
}

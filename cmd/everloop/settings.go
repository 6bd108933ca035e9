package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"everloop/proto/admin"
)

// configFileName is looked for in the project's folder.
const configFileName = "everloop.toml"

// serveCmd is `everloop serve`. Its flags and their names are a contract; so are the variables, which are
// EVERLOOP_ and the flag's name.
type serveCmd struct {
	Project string `arg:"" optional:"" default:"." help:"A folder with a wrangler.jsonc, .json or .toml, or a single .ts or .js file."`

	Listen        string `default:"127.0.0.1:8787" env:"EVERLOOP_LISTEN" placeholder:"ADDR" help:"Where the program is served: HOST:PORT or unix:PATH. Default ${default}."`
	Admin         string `default:"127.0.0.1:8788" env:"EVERLOOP_ADMIN" placeholder:"ADDR" help:"Where /healthz and /metrics are. Beyond loopback it wants a token. Default ${default}."`
	AdminToken    string `env:"EVERLOOP_ADMIN_TOKEN" placeholder:"TOKEN" help:"What a request to --admin must carry as its bearer token. Others on the machine can read flags: use the variable."`
	RESP          string `name:"resp" env:"EVERLOOP_RESP" placeholder:"ADDR" help:"Where objects are served to clients of Redis: HOST:PORT or unix:PATH. Whoever may connect may call every public method of every object. Beyond loopback it wants a password. Default: nowhere."`
	RESPPassword  string `name:"resp-password" env:"EVERLOOP_RESP_PASSWORD" placeholder:"PASSWORD" help:"What clients of --resp must say by AUTH. Others on the machine can read flags: use the variable or --resp-password-file."`
	RESPFile      string `name:"resp-password-file" env:"EVERLOOP_RESP_PASSWORD_FILE" placeholder:"FILE" help:"A file with that password in its first line."`
	Data          string `env:"EVERLOOP_DATA" placeholder:"DIR" help:"The data directory. Default .everloop in the project's folder."`
	Loops         int    `default:"0" env:"EVERLOOP_LOOPS" placeholder:"N" help:"The number of event loops. Default: what measures best here."`
	Sync          string `default:"always" enum:"always,interval,none" env:"EVERLOOP_SYNC" placeholder:"WHEN" help:"When a write counts as durable: always (after its fsync), interval (fsync once a second) or none. Default ${default}."`
	keepFlags     `embed:""`
	snapshotFlags `embed:""`

	CPULimit time.Duration `name:"cpu-limit" default:"30s" env:"EVERLOOP_CPU_LIMIT" placeholder:"TIME" help:"How long one turn of a program may run before it is interrupted. Default ${default}."`
	Env      string        `env:"EVERLOOP_ENV" placeholder:"NAME" help:"The environment of the wrangler configuration."`
	Config   string        `env:"EVERLOOP_CONFIG" placeholder:"FILE" help:"A file with these flags as TOML. Default everloop.toml in the project's folder, if it is there."`
}

// Help is printed below the flags.
func (*serveCmd) Help() string {
	return "Flags win over EVERLOOP_* variables, and these over the configuration file."
}

// minToken is the number of characters of a token that cannot be guessed.
const minToken = admin.MinToken

// maxLoops bounds --loops: a log has one buffer for each.
const maxLoops = 64

// Validate is called by kong once all values are there. What it finds is a usage error.
func (c *serveCmd) Validate() error {
	if _, err := parseAddress(c.Listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	side, err := parseAddress(c.Admin)
	switch {
	case err != nil:
		return fmt.Errorf("--admin: %w", err)
	case side.network == "unix":
		return fmt.Errorf("--admin: %s is a socket file, and the admin side listens on HOST:PORT only", c.Admin)
	case c.AdminToken != "" && len(c.AdminToken) < minToken:
		return fmt.Errorf("--admin-token: the token has %d characters: give it at least %d, drawn at random", len(c.AdminToken), minToken)
	case !side.local() && c.AdminToken == "":
		return fmt.Errorf("--admin: %s can be reached from other machines: set EVERLOOP_ADMIN_TOKEN, or listen on 127.0.0.1", c.Admin)
	case c.Loops < 0 || c.Loops > maxLoops:
		return fmt.Errorf("--loops: %d is not between 1 and %d", c.Loops, maxLoops)
	case c.CPULimit <= 0:
		return fmt.Errorf("--cpu-limit: %v is not a time above zero", c.CPULimit)
	}
	return errors.Join(c.checkRESP(), c.keepFlags.check(), c.snapshotFlags.check())
}

// checkRESP reads the password of --resp, and reports what is wrong with it and with the address.
func (c *serveCmd) checkRESP() error {
	if c.RESPFile != "" {
		if c.RESPPassword != "" {
			return errors.New("--resp-password-file: the password is given by --resp-password or EVERLOOP_RESP_PASSWORD, too: leave one of them out")
		}
		password, err := readPassword(c.RESPFile)
		if err != nil {
			return fmt.Errorf("--resp-password-file: %w", err)
		}
		c.RESPPassword = password
	}
	if c.RESP == "" {
		return nil
	}
	a, err := parseAddress(c.RESP)
	switch {
	case err != nil:
		return fmt.Errorf("--resp: %w", err)
	case c.RESPPassword != "" && len(c.RESPPassword) < minToken:
		return fmt.Errorf("--resp-password: the password has %d characters: give it at least %d, drawn at random", len(c.RESPPassword), minToken)
	case !a.local() && c.RESPPassword == "":
		return fmt.Errorf("--resp: %s can be reached from other machines: set EVERLOOP_RESP_PASSWORD, or listen on 127.0.0.1", c.RESP)
	}
	return nil
}

// maxPasswordFile bounds what is read of a file with a password.
const maxPasswordFile = 4 << 10

// readPassword is the first line of a file.
func readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxPasswordFile))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("the first line of %s is empty", path)
	}
	return line, nil
}

// folder is the project's folder.
func (c *serveCmd) folder() string {
	if info, err := os.Stat(c.Project); err == nil && !info.IsDir() {
		return filepath.Dir(c.Project)
	}
	return c.Project
}

func (c *serveCmd) configFile() (path string, needed bool) {
	if c.Config != "" {
		return c.Config, true
	}
	return filepath.Join(c.folder(), configFileName), false
}

// dataDir is where the data directory is.
func (c *serveCmd) dataDir() string {
	if c.Data != "" {
		return c.Data
	}
	return filepath.Join(c.folder(), ".everloop")
}

// An address is what a listener listens on.
type address struct {
	network string // tcp or unix
	name    string // HOST:PORT or a path
}

// parseAddress reads HOST:PORT, where HOST may be left out for all interfaces, or unix:PATH.
func parseAddress(text string) (address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if path == "" {
			return address{}, errors.New("unix: has no path behind it")
		}
		return address{"unix", path}, nil
	}
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return address{}, fmt.Errorf("%q is neither HOST:PORT nor unix:PATH", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return address{}, fmt.Errorf("%q has no port between 0 and 65535", text)
	}
	return address{"tcp", text}, nil
}

// local reports whether only this machine can reach the address.
func (a address) local() bool {
	if a.network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(a.name)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

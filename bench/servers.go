package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"everloop/bench/crowd"
	"everloop/bench/proc"
)

// kind is a server that can be measured.
type kind struct {
	name string
	// args returns program and arguments, for a server on a port, its admin side on another, and an empty directory.
	args func(b *bench, port, admin int, data string) []string
	// ready is a path that is answered without counting anything. Redis has none.
	ready string
	// admin says that it has metrics.
	admin bool
	// tells says that it prints at its end what its log did.
	tells bool
	// resp says that it takes Redis's commands and not HTTP.
	resp bool
}

// workload is what is asked of a server.
type workload struct {
	name string // for the report; may be empty
	// path is what is asked for; where answer is empty, ?id= behind it names an object, and it is answered with its count.
	path   string
	answer string // what is always answered
	// writes says that each request writes, and is answered when that is durable.
	writes bool
}

var (
	greeting    = workload{path: "/", answer: helloText}
	counting    = workload{path: "/", writes: true}
	durable     = workload{name: "durable get and put", path: "/durable", writes: true}
	transaction = workload{name: "transaction", path: "/transaction", writes: true}
	batch       = workload{name: "batch of 3", path: "/batch", writes: true}
	rpc         = workload{name: "durable increment by RPC", path: "/rpc", writes: true}
	inMemory    = workload{name: "counter in memory", path: "/memory"}
	worker      = workload{name: "Worker only", path: "/hello", answer: "hello\n"}
)

// helloText is what bench/hello answers.
const helloText = "hello\n"

var (
	hello = kind{name: "hello (fasthttp)", ready: "/", args: func(b *bench, port, _ int, _ string) []string {
		return []string{filepath.Join(b.bin, "hello"), "--listen", address(port)}
	}}
	counterTS = everloop("everloop (TypeScript)", "/?id=ready", "docs", "examples", "counter")
	workTS    = everloop("everloop", "/durable?id=ready", "bench", "workloads")
	workerd   = kind{name: "workerd", ready: "/durable?id=ready", args: func(b *bench, port, _ int, data string) []string {
		return []string{
			b.workerd, "serve", filepath.Join(b.root, "bench", "workloads", "config.capnp"),
			"--socket-addr", "http=" + address(port), "--directory-path", "objects=" + data,
		}
	}}
)

// counterGo is docs/examples/counter-go.
func counterGo(sync string) kind {
	return kind{name: "counter-go, --sync " + sync, ready: "/?id=ready", tells: true, args: func(b *bench, port, _ int, data string) []string {
		return []string{filepath.Join(b.bin, "counter-go"), "--listen", address(port), "--data", data, "--sync", sync}
	}}
}

// redisPubSub keeps nothing on disk.
var redisPubSub = kind{name: "Redis", args: func(b *bench, port, _ int, data string) []string {
	return []string{
		b.redis, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", data, "--save", "", "--appendonly", "no",
		"--maxclients", strconv.Itoa(b.descriptors - 64),
	}
}}

// everloop is the daemon with a project.
func everloop(name, ready string, project ...string) kind {
	return kind{name: name, ready: ready, admin: true, args: func(b *bench, port, admin int, data string) []string {
		return []string{
			filepath.Join(b.bin, "everloop"), "serve", filepath.Join(append([]string{b.root}, project...)...),
			"--listen", address(port), "--admin", address(admin), "--data", data, "--sync", "always",
		}
	}}
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// build builds the programs of this repository into the work directory.
func (b *bench) build(ctx context.Context) error {
	b.bin = filepath.Join(b.work, "bin")
	b.say("building")
	for name, pkg := range map[string]string{
		"everloop": "./cmd/everloop", "counter-go": "./docs/examples/counter-go", "redis-strings": "./docs/examples/redis-strings",
		"hello": "./bench/hello", "memory": "./bench/memory", "bells": "./bench/bells", "keep": "./bench/keep", "embed": "./bench/embed",
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(b.bin, name), pkg)
		cmd.Dir = b.root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return nil
}

// server is one that runs.
type server struct {
	*proc.Process
	kind  kind
	addr  string
	admin string
	data  string

	profile *profile // to be taken of the load
}

// during runs the load, and returns the processor time that the server took for it and its resident memory afterwards, in bytes.
func (s *server) during(load func() error) (cpu time.Duration, resident int64, err error) {
	before, err := s.CPU()
	if err != nil {
		return 0, 0, err
	}
	if err := s.profile.during(s.Process, load); err != nil {
		return 0, 0, err
	}
	after, err := s.CPU()
	if err != nil {
		return 0, 0, err
	}
	memory, err := s.Memory()
	return after - before, memory.Resident, err
}

// start starts a server on an empty directory and returns when it answers.
func (b *bench) start(ctx context.Context, k kind) (_ *server, err error) {
	port, admin, err := proc.TwoFreePorts()
	if err != nil {
		return nil, err
	}
	s := &server{kind: k, addr: address(port), admin: address(admin), profile: b.profile}
	if s.data, err = b.dataDir(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.data)
		}
	}()
	args := k.args(b, port, admin, s.data)
	b.configure(k.name, args, port, admin, s.data)
	if s.Process, err = proc.Start(k.name, nil, args[0], args[1:]...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	// An object of its own, so that the counts of the others begin at 1.
	if err := s.Ready(ctx, func() error { return s.answers(ctx) }); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// configure notes for the results with what a program runs.
func (b *bench) configure(name string, args []string, port, admin int, data string) {
	if b.configurations == nil {
		return
	}
	line := strings.Join(args, " ")
	for _, s := range [][2]string{{data, "DATA"}, {address(port), "127.0.0.1:PORT"}, {address(admin), "127.0.0.1:ADMIN"}, {b.work, "WORK"}, {b.root + "/", ""}} {
		if s[0] != "" {
			line = strings.ReplaceAll(line, s[0], s[1])
		}
	}
	line = strings.ReplaceAll(line, "--port "+strconv.Itoa(port), "--port PORT")
	b.configurations[name] = strings.ReplaceAll(line, "-p "+strconv.Itoa(port), "-p PORT")
}

// answers asks for something that a server answers once it is ready.
func (s *server) answers(ctx context.Context) error {
	switch {
	case s.kind.resp:
		c, err := dialRedis(ctx, s.addr)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.do("PING")
		return err
	case s.kind.ready != "":
		_, err := get(ctx, "http://"+s.addr+s.kind.ready)
		return err
	}
	c, err := crowd.Gather(ctx, crowd.Options{Addr: s.addr, Dialect: crowd.Redis, Rooms: []string{"ready"}})
	if err != nil {
		return err
	}
	c.Close()
	return nil
}

// end ends a server in an orderly way and removes its data.
func (s *server) end() error {
	return errors.Join(s.Stop(20*time.Second), os.RemoveAll(s.data))
}

// leave ends a server that has had sockets: ours in an orderly way, as that is ours to get right, and others at once, as workerd
// waits ten seconds for objects whose sockets have gone.
func (s *server) leave() error {
	if s.kind.name == workerd.name || s.kind.name == redisPubSub.name {
		s.abandon()
		return nil
	}
	return s.end()
}

// explain adds to an error whether the server still runs, and the last that it has said. A server that has just closed its
// connections has five seconds to end.
func (s *server) explain(err error) error {
	state := "has ended"
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second):
		state = "goes on"
	}
	said := strings.TrimSpace(s.Output())
	if said == "" {
		said = "it has said nothing"
	}
	if most := 300; len(said) > most {
		said = "..." + said[len(said)-most:]
	}
	return fmt.Errorf("%w; the process %s: %s", err, state, said)
}

// abandon ends a server after an error.
func (s *server) abandon() {
	s.Kill()
	_ = os.RemoveAll(s.data)
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Close = true // a connection that stays would be one more for the server to keep
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s: %.200s", url, resp.Status, body)
	}
	return string(body), nil
}

// logCounts are figures of a log.
type logCounts struct{ records, commits, syncs float64 }

func (c logCounts) minus(d logCounts) logCounts {
	return logCounts{c.records - d.records, c.commits - d.commits, c.syncs - d.syncs}
}

// metrics reads the figures of the daemon's log.
func (s *server) metrics(ctx context.Context) (c logCounts, err error) {
	text, err := get(ctx, "http://"+s.admin+"/metrics")
	if err != nil {
		return c, err
	}
	return parseMetrics(text)
}

func parseMetrics(text string) (c logCounts, err error) {
	wanted := map[string]*float64{
		"everloop_log_records_total":                 &c.records,
		`everloop_log_commits_total{kind="records"}`: &c.commits,
		"everloop_log_syncs_total":                   &c.syncs,
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if to := wanted[name]; to != nil {
			if *to, err = strconv.ParseFloat(value, 64); err != nil {
				return c, fmt.Errorf("metrics: %w", err)
			}
			delete(wanted, name)
		}
	}
	if len(wanted) > 0 {
		return c, fmt.Errorf("metrics: %d of the figures of the log are missing", len(wanted))
	}
	return c, nil
}

// parseEnded reads the figures that counter-go prints at its end.
func parseEnded(output string) (c logCounts, err error) {
	for line := range strings.Lines(output) {
		if _, err := fmt.Sscanf(after(line, " ended "), "records=%f commits=%f syncs=%f", &c.records, &c.commits, &c.syncs); err == nil {
			return c, nil
		}
	}
	return c, fmt.Errorf("counter-go has not said at its end what its log did:\n%s", output)
}

func after(s, sep string) string {
	_, s, _ = strings.Cut(s, sep)
	return s
}

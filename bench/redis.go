package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// docs/examples/redis-strings against Redis, with Redis's own load tool: both count, by INCR, on the same random keys, each of which is an
// object on one side and a string on the other.

// redisKeys is how many keys there are.
const redisKeys = 100_000

// redisStrings is the example, with one loop, as Redis has one thread.
func redisStrings(sync string) kind {
	return kind{name: "redis-strings, --sync " + sync, resp: true, args: func(b *bench, port, _ int, data string) []string {
		return []string{filepath.Join(b.bin, "redis-strings"), "--resp", address(port), "--data", data, "--sync", sync, "--loops", "1"}
	}}
}

// redisLog is Redis with its log of commands.
func redisLog(fsync string) kind {
	return kind{name: "Redis, appendfsync " + fsync, resp: true, args: func(b *bench, port, _ int, data string) []string {
		return []string{
			b.redis, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", data, "--save", "", "--appendonly", "yes", "--appendfsync", fsync,
		}
	}}
}

// syncModes are those that promise the same on both sides.
var syncModes = []struct {
	ours, theirs string
	informs      bool // without a target, so that two rounds do
}{{"always", "always", false}, {"none", "no", false}, {"interval", "everysec", true}}

// redisLoad is what redis-benchmark does.
type redisLoad struct {
	name              string
	clients, pipeline int
	guess             int // requests a second, before there is a rate
}

var redisLoads = []redisLoad{
	{"64 clients", 64, 1, 50_000},
	{"64 clients, pipelines of 16", 64, 16, 200_000},
	{"1 client", 1, 1, 5000},
}

// redisContestant is a server under such a load.
type redisContestant struct {
	kind kind
	load redisLoad
}

func (c redisContestant) String() string { return c.kind.name + ", " + c.load.name }

// clientLimit is the share of a core from which on redis-benchmark, which has one thread, is the limit and not the server.
const clientLimit = 0.9

// sameRate is the ratio from which on two rates count as the same: rounds of one server differ by as much.
const sameRate = 0.95

// compareRedis compares the example with Redis, all loads on one server a round, both servers next to each other.
func (b *bench) compareRedis(ctx context.Context, r *results) error {
	tools := b.redisTools(ctx, r)
	if b.redisBenchmark == "" {
		return nil
	}
	for _, mode := range syncModes {
		rounds := b.rounds
		if mode.informs {
			rounds = min(rounds, 2)
		}
		kinds := []kind{redisStrings(mode.ours)}
		if tools {
			kinds = append(kinds, redisLog(mode.theirs))
		}
		var cs []redisContestant
		for _, load := range redisLoads {
			for _, k := range kinds {
				cs = append(cs, redisContestant{k, load})
			}
		}
		samples := make([][]sample, len(cs))
		for round := range rounds {
			for turn := range kinds {
				// Who comes first changes from round to round.
				at := (turn + round) % len(kinds)
				ms, err := b.askRedis(ctx, kinds[at], redisLoads)
				if err != nil {
					return err
				}
				for i, m := range ms {
					c := i*len(kinds) + at
					b.say("round %d of %d  %-58s %9.0f requests/s  p50 %-8v p99 %-8v %v CPU a request, client's CPU %.0f %%",
						round+1, rounds, cs[c], m.rate, m.p50, m.p99, m.cpu, m.own*100)
					samples[c] = append(samples[c], m)
				}
			}
		}
		columns := append(figures("request", "requests"), column{"redis-benchmark's CPU", func(s sample) float64 { return s.own }, spread.percent})
		t := newTable(fmt.Sprintf("Redis: INCR of %d random keys, --sync %s against appendfsync %s", redisKeys, mode.ours, mode.theirs), columns, cs, samples)
		for i := 0; tools && i < len(cs); i += 2 {
			redisRatios(ctx, t, mode.ours, cs[i], samples[i], samples[i+1])
		}
		t.remarks = []string{
			"redis-benchmark has one thread: near 100 % of a core it is the limit, and what the server costs is its CPU a request. Each server's",
			"keys were counted afterwards: their sum is the number of requests that were sent.",
		}
		r.tables = append(r.tables, t)
	}
	return nil
}

// redisRatios adds the ratios of one load.
func redisRatios(ctx context.Context, t *table, sync string, c redisContestant, ours, theirs []sample) {
	var rate, p99, p50 target
	switch {
	case sync == "interval":
	case c.load.clients == 1:
		p50 = goal("redis-" + sync + "-one")
	case c.load.pipeline > 1:
		rate = goal("redis-" + sync + "-p16")
	default:
		rate = goal("redis-" + sync + "-p1")
	}
	if sync == "always" && c.load.clients > 1 {
		p99 = goal("redis-always-p99")
	}
	what := c.String()
	again := func(b *bench) error {
		_, err := b.askRedis(ctx, c.kind, []redisLoad{c.load})
		return err
	}
	x := t.ratio(what+": rate, of Redis's", ours, theirs, byRate, rate)
	x.profiled(what, again)
	if rate.id == "redis-always-p1" && !rate.met(x.value.median) {
		x.instead = clientIsLimit(x.value, ours, theirs)
	}
	t.ratio(what+": requests for the same CPU, of Redis's", ours, theirs, byCPU, target{})
	t.ratio(what+": p50, of Redis's", ours, theirs, byP50, p50).profiled(what, again)
	t.ratio(what+": p99, of Redis's", ours, theirs, byP99, p99).profiled(what, again)
}

// clientIsLimit says why a target is met at the same rate: the client has no processor time left, and the server takes less of it. It says
// nothing where that is not so.
func clientIsLimit(rate spread, ours, theirs []sample) string {
	own := func(s sample) float64 { return s.own }
	cpu := func(s sample) float64 { return s.cpu.Seconds() * 1e6 }
	a, b := over(ours, own).median, over(theirs, own).median
	if rate.median < sameRate || min(a, b) < clientLimit || over(ours, cpu).median >= over(theirs, cpu).median {
		return ""
	}
	return fmt.Sprintf("the client is the limit (%.0f %% and %.0f %% of a core), and the server takes %.2f us of CPU a request against %.2f us",
		a*100, b*100, over(ours, cpu).median, over(theirs, cpu).median)
}

// askRedis starts a server and makes loads on it, one after another, and counts afterwards.
func (b *bench) askRedis(ctx context.Context, k kind, loads []redisLoad) (samples []sample, err error) {
	s, err := b.start(ctx, k)
	if err != nil {
		return nil, err
	}
	ended := false
	defer func() {
		if !ended {
			s.abandon()
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", k.name, err)
		}
	}()
	_, p, err := net.SplitHostPort(s.addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return nil, err
	}
	total := 0
	incr := func(l redisLoad, requests int) (benchmarked, error) {
		// redis-benchmark sends whole pipelines, also where that is more than it was asked for.
		requests = (max(requests, l.clients) + l.pipeline - 1) / l.pipeline * l.pipeline
		total += requests
		return b.benchmark(ctx, port, l.clients, l.pipeline, requests, redisKeys, redisIncr, strings.Fields(redisIncr)...)
	}
	// Most keys are there before anything is measured, as what a key's first request costs is another question.
	fill := redisLoad{clients: 64, pipeline: 16, guess: 3 * redisKeys}
	if _, err := incr(fill, int(min(b.warm.Seconds(), 1)*float64(fill.guess))); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, s.Output())
	}
	for _, l := range loads {
		warm, err := incr(l, int(b.warm.Seconds()/2*float64(l.guess)))
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, s.Output())
		}
		var got benchmarked
		before := total
		used, resident, err := s.during(func() (err error) {
			got, err = incr(l, int(b.elapsed.Seconds()*warm.rate))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, s.Output())
		}
		samples = append(samples, sample{
			rate: got.rate, p50: millis(got.p50), p99: millis(got.p99), cpu: used / time.Duration(total-before), resident: resident, own: got.own,
		})
	}
	c, err := dialRedis(ctx, s.addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	sum, err := c.sum("key:%012d", redisKeys)
	if err != nil {
		return nil, err
	}
	if sum != int64(total) {
		return nil, fmt.Errorf("%d requests were answered, and the keys count %d", total, sum)
	}
	c.Close()
	ended = true
	return samples, s.end()
}

// redisIncr is the command that is compared; redis-benchmark puts a random number into it.
const redisIncr = "INCR key:__rand_int__"

func millis(ms float64) time.Duration { return time.Duration(math.Round(ms * 1e6)) }

// benchmarked is what redis-benchmark tells of one command. Times are in milliseconds.
type benchmarked struct {
	rate, p50, p99 float64
	own            float64 // its own processor time, of the time that it took
}

// benchmark runs redis-benchmark; command is the name that it gives in its answer.
func (b *bench) benchmark(ctx context.Context, port, conns, pipeline, requests, keys int, command string, args ...string) (r benchmarked, err error) {
	args = append([]string{
		"-h", "127.0.0.1", "-p", strconv.Itoa(port), "-c", strconv.Itoa(conns), "-P", strconv.Itoa(pipeline), "-n", strconv.Itoa(requests),
		"-r", strconv.Itoa(keys), "--csv",
	}, args...)
	shown := append([]string{b.redisBenchmark}, args...)
	shown[10] = "REQUESTS"
	b.configure(fmt.Sprintf("redis-benchmark, %s, %d clients, pipelines of %d", command, conns, pipeline), shown, port, 0, "")
	cmd := exec.CommandContext(ctx, b.redisBenchmark, args...)
	var said strings.Builder
	cmd.Stderr = &said
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	if err != nil {
		return r, fmt.Errorf("redis-benchmark: %w: %s", err, said.String())
	}
	if r, err = parseRedisBenchmark(string(out), command); err != nil {
		return r, err
	}
	r.own = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() / took.Seconds()
	return r, nil
}

// parseRedisBenchmark reads the line of a command: its name, requests a second, and latencies in ms: mean, least, p50, p95, p99, most.
func parseRedisBenchmark(out, command string) (r benchmarked, err error) {
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		f := strings.Split(strings.ReplaceAll(s.Text(), `"`, ""), ",")
		if len(f) < 8 || f[0] != command {
			continue
		}
		var errs []error
		for at, to := range map[int]*float64{1: &r.rate, 4: &r.p50, 6: &r.p99} {
			v, err := strconv.ParseFloat(f[at], 64)
			*to = v
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil {
			return benchmarked{}, fmt.Errorf("redis-benchmark: %w in %q", err, s.Text())
		}
		if r.rate <= 0 {
			return benchmarked{}, fmt.Errorf("redis-benchmark: a rate of nothing in %q", s.Text())
		}
		return r, nil
	}
	return benchmarked{}, fmt.Errorf("redis-benchmark: no line of %s in %q", command, out)
}

// redisConn asks a server the little that the comparison itself wants to know.
type redisConn struct {
	net.Conn
	in *bufio.Reader
}

func dialRedis(ctx context.Context, addr string) (*redisConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &redisConn{c, bufio.NewReader(c)}, nil
}

func appendRedisCommand(dst []byte, words ...string) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(words))
	for _, w := range words {
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(w), w)
	}
	return dst
}

// do sends a command and returns its answer.
func (c *redisConn) do(words ...string) (string, error) {
	if _, err := c.Write(appendRedisCommand(nil, words...)); err != nil {
		return "", err
	}
	answer, _, err := c.answer()
	return answer, err
}

// answer reads a string or a number. There is none where a key does not exist.
func (c *redisConn) answer() (s string, ok bool, err error) {
	line, err := c.in.ReadBytes('\n')
	if err != nil {
		return "", false, err
	}
	line = bytes.TrimRight(line, "\r\n")
	if len(line) == 0 {
		return "", false, errors.New("redis: an empty line for an answer")
	}
	switch kind, rest := line[0], string(line[1:]); kind {
	case '+', ':':
		return rest, true, nil
	case '_':
		return "", false, nil
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n > 1<<20 {
			return "", false, fmt.Errorf("redis: a string of length %q", rest)
		}
		if n < 0 {
			return "", false, nil
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(c.in, b); err != nil {
			return "", false, err
		}
		return string(b[:n]), true, nil
	}
	return "", false, fmt.Errorf("redis: %s", line)
}

// sum adds up the counts of keys; those that do not exist count nothing.
func (c *redisConn) sum(name string, keys int) (total int64, err error) {
	const together = 1000
	for first := 0; first < keys; first += together {
		var out []byte
		n := min(together, keys-first)
		for i := range n {
			out = appendRedisCommand(out, "GET", fmt.Sprintf(name, first+i))
		}
		if _, err := c.Write(out); err != nil {
			return 0, err
		}
		for range n {
			s, ok, err := c.answer()
			if err != nil {
				return 0, err
			}
			if !ok {
				continue
			}
			v, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("redis: a counter is %q", s)
			}
			total += v
		}
	}
	return total, nil
}

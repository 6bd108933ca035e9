package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"everloop/bench/load"
	"everloop/bench/peers"
	"everloop/bench/proc"
)

// What a data directory is like after years: how fast it is read at a start, what a snapshot costs those who write meanwhile, and how
// much disk endless overwrites take. The objects are those of bench/keep, 100 bytes each, which nothing makes smaller.

// keptReport is what bench/keep reports of a run.
type keptReport struct {
	Seconds, CPU  float64
	Snapshot, Log uint64
	Made          uint64
	Peak, Written int64
}

// keepPatience bounds one run of bench/keep.
const keepPatience = 5 * time.Minute

func (b *bench) keep(ctx context.Context, procs int, what, dir string, writes, objects int) (r keptReport, err error) {
	ctx, cancel := context.WithTimeout(ctx, keepPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(b.bin, "keep"), what, dir, strconv.Itoa(writes), strconv.Itoa(objects))
	if procs > 0 {
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", procs))
	}
	var printed strings.Builder
	cmd.Stderr = &printed
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		return r, fmt.Errorf("keep %s: %w\n%s", what, err, printed.String())
	}
	return r, nil
}

// figure is a measured quantity with what is wanted of it.
type figure struct {
	what   string
	values []float64
	format string
	want   target
	// again makes the load once more, for a profile; load names it.
	again func(*bench) error
	load  string
}

func (r *results) writeFigures(p func(string, ...any)) {
	for _, part := range r.years {
		p("")
		p("## %s", part.title)
		p("")
		p("| what | figure | target |")
		p("| --- | --- | --- |")
		for _, f := range part.figures {
			v := spreadOf(f.values)
			text := fmt.Sprintf(f.format, v.median)
			if len(f.values) > 1 {
				text += fmt.Sprintf(" ("+f.format+"-"+f.format+")", v.low, v.high)
			}
			want := "-"
			if f.want != (target{}) {
				want = f.want.String() + ": " + verdict(f.want.met(v.median))
			}
			p("| %s | %s | %s |", f.what, text, want)
		}
		for _, remark := range part.remarks {
			p("")
			p("%s", remark)
		}
	}
}

// years is the result of one scenario of this file.
type years struct {
	title   string
	figures []*figure
	remarks []string
}

func (y *years) figure(what, format string, want target) *figure {
	f := &figure{what: what, format: format, want: want}
	y.figures = append(y.figures, f)
	return f
}

func (b *bench) note(f *figure, v float64) {
	f.values = append(f.values, v)
	b.say("%-72s "+f.format, f.what, v)
}

// measureRecovery reads data directories again.
func (b *bench) measureRecovery(ctx context.Context, r *results) error {
	n := b.memoryObjects
	dir, err := b.dataDir()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if _, err := b.keep(ctx, 0, "write", dir, n, n); err != nil {
		return err
	}
	y := &years{title: fmt.Sprintf("A start: %d objects of 100 bytes", n)}
	figures := map[string]*figure{}
	reads := func(what string, want target, count func(keptReport) uint64) error {
		for _, procs := range []int{1, 2} {
			name := fmt.Sprintf("%s, GOMAXPROCS=%d", what, procs)
			figures[name] = y.figure(name, "%.0f", want)
			for range b.rounds {
				got, err := b.keep(ctx, procs, "open", dir, n, n)
				if err != nil {
					return err
				}
				if count(got) < uint64(n) {
					return fmt.Errorf("%s: only %d were read", what, count(got))
				}
				b.note(figures[name], float64(n)/got.Seconds)
			}
		}
		return nil
	}
	if err := reads("from the log alone: records/s", goal("recover-log"), func(k keptReport) uint64 { return k.Log }); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(b.bin, "everloop"), "snapshot", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("everloop snapshot: %w\n%s", err, out)
	}
	if err := reads("from a snapshot: objects/s", goal("recover-snapshot"), func(k keptReport) uint64 { return k.Snapshot }); err != nil {
		return err
	}
	if err := b.redisLoads(ctx, r, y, n); err != nil {
		return err
	}
	y.remarks = []string{"Each start is that of engine.Open in a process of its own, with the files in the page cache; a sample of the values is checked after it. Redis says itself how long it has loaded; it uses one core."}
	r.years = append(r.years, y)
	return nil
}

// withRedis starts a Redis with data in dir, and returns how to send it a command.
func (b *bench) withRedis(ctx context.Context, dir string, args ...string) (p *proc.Process, command func(...string) (string, error), port int, err error) {
	if port, err = proc.FreePort(); err != nil {
		return nil, nil, 0, err
	}
	args = append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--save", "", "--enable-debug-command", "yes"}, args...)
	b.configure("Redis, "+strings.Join(args[10:], " "), append([]string{b.redis}, args...), port, 0, dir)
	if p, err = proc.Start("Redis", nil, b.redis, args...); err != nil {
		return nil, nil, 0, err
	}
	command = func(words ...string) (string, error) {
		out, err := exec.CommandContext(ctx, b.redisCLI, append([]string{"-p", strconv.Itoa(port)}, words...)...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = p.Ready(ready, func() error {
		if got, err := command("PING"); err != nil || got != "PONG" {
			return fmt.Errorf("PING: %s %w", got, errors.Join(err, errNotReady))
		}
		return nil
	})
	if err != nil {
		p.Kill()
		return nil, nil, 0, err
	}
	return p, command, port, nil
}

var errNotReady = errors.New("it is not ready")

// redisTools reports whether there is a Redis with its tools, and says so once where there is none.
func (b *bench) redisTools(ctx context.Context, r *results) bool {
	b.store(ctx, r)
	if !b.toolsSought {
		b.toolsSought = true
		p, err := peers.RedisCLI(ctx)
		b.redisCLI = b.found(r, "redis-cli", p, err)
		p, err = peers.RedisBenchmark(ctx)
		b.redisBenchmark = b.found(r, "redis-benchmark", p, err)
	}
	return b.redis != "" && b.redisCLI != "" && b.redisBenchmark != ""
}

var redisLoaded = regexp.MustCompile(`DB loaded from [a-z ]+: ([0-9.]+) seconds`)

// redisLoads has Redis load as many keys, from its snapshot and from its log.
func (b *bench) redisLoads(ctx context.Context, r *results, y *years, n int) error {
	if !b.redisTools(ctx, r) {
		return nil
	}
	for _, kind := range []struct{ what, aof string }{{"Redis, from its snapshot (RDB): keys/s", "no"}, {"Redis, from its log (AOF): keys/s", "yes"}} {
		dir, err := b.dataDir()
		if err != nil {
			return err
		}
		args := []string{"--appendonly", kind.aof, "--aof-use-rdb-preamble", "no", "--appendfsync", "no"}
		p, command, _, err := b.withRedis(ctx, dir, args...)
		if err != nil {
			return err
		}
		words := [][]string{{"DEBUG", "POPULATE", strconv.Itoa(n), "object", "100"}, {"SAVE"}}
		if kind.aof == "yes" {
			// What DEBUG makes is in no log: it is rewritten into one, of commands.
			words = append(words[:1], []string{"BGREWRITEAOF"})
		}
		for _, w := range words {
			if got, err := command(w...); err != nil || strings.HasPrefix(got, "ERR") {
				p.Kill()
				return fmt.Errorf("redis %s: %s %w", w[0], got, err)
			}
		}
		for kind.aof == "yes" {
			got, err := command("INFO", "persistence")
			if err != nil {
				p.Kill()
				return err
			}
			if strings.Contains(got, "aof_rewrite_in_progress:0") && strings.Contains(got, "aof_rewrite_scheduled:0") {
				break
			}
			if err := sleep(ctx, 50*time.Millisecond); err != nil { // Redis tells nobody when it is done
				p.Kill()
				return err
			}
		}
		p.Kill()
		f := y.figure(kind.what, "%.0f", target{})
		for range b.rounds {
			p, command, _, err := b.withRedis(ctx, dir, args...)
			if err != nil {
				return err
			}
			size, err := command("DBSIZE")
			p.Kill() // what it has printed is here when it has ended
			took := redisLoaded.FindStringSubmatch(p.Output())
			if err != nil || took == nil || !strings.Contains(size, strconv.Itoa(n)) {
				return fmt.Errorf("redis has loaded %s keys: %w\n%s", size, err, p.Output())
			}
			seconds, err := strconv.ParseFloat(took[1], 64)
			if err != nil {
				return err
			}
			b.note(f, float64(n)/max(seconds, 0.001)) // Redis tells milliseconds
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// snapshotPhase is what bench/keep says of the time since it was asked last.
type snapshotPhase struct {
	Made             uint64
	Most, Thousandth float64
	Posted           int
}

// measureSnapshots makes the same load with snapshots one behind the other and without any, in turn.
func (b *bench) measureSnapshots(ctx context.Context, r *results) (err error) {
	dir, err := b.dataDir()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	n := b.memoryObjects / 10
	if _, err := b.keep(ctx, 0, "write", dir, n, n); err != nil {
		return err
	}
	port, admin, err := proc.TwoFreePorts()
	if err != nil {
		return err
	}
	p, err := proc.Start("keep", nil, filepath.Join(b.bin, "keep"), "serve", dir, address(port), address(admin))
	if err != nil {
		return err
	}
	defer p.Kill()
	ask := func(path string) (text string, err error) { return get(ctx, "http://"+address(admin)+path) }
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := p.Ready(ready, func() error { _, err := get(ready, "http://"+address(port)+"/?id=ready"); return err }); err != nil {
		return err
	}
	paths := make([]string, b.objects)
	for i := range paths {
		paths[i] = fmt.Sprintf("/?id=object-%07d", i)
	}
	g, err := load.Dial(load.Options{Addr: address(port), Conns: b.conns, Paths: paths, Check: load.Always("ok\n")})
	if err != nil {
		return err
	}
	defer g.Close()
	if _, err := g.Run(ctx, load.Until{Elapsed: b.warm}); err != nil {
		return err
	}
	y := &years{title: fmt.Sprintf("Snapshots of %d objects, one behind the other, while %d connections write durably", n, b.conns)}
	plainRate, rate := y.figure("requests/s without", "%.0f", target{}), y.figure("requests/s with", "%.0f", target{})
	ratio := y.figure("throughput with, of without", "%.2f", goal("snapshot-rate"))
	plainP99, p99 := y.figure("p99 without, ms", "%.2f", target{}), y.figure("p99 with, ms", "%.2f", target{})
	slower := y.figure("p99 with, of without", "%.2f", goal("snapshot-p99"))
	plainWait, wait := y.figure("a task waits for the loop without, at most, ms", "%.2f", target{}), y.figure("a task waits for the loop with, at most, ms", "%.2f", target{})
	plainMost, most := y.figure("the same, but for one in a thousand, without, ms", "%.2f", target{}), y.figure("the same, but for one in a thousand, with, ms", "%.2f", target{})
	made := y.figure("snapshots made in a round", "%.0f", target{})
	run := func(with bool) (rate, p99 float64, ph snapshotPhase, err error) {
		if with {
			if _, err := ask("/snapshots/on"); err != nil {
				return 0, 0, ph, err
			}
		}
		if _, err := ask("/phase"); err != nil {
			return 0, 0, ph, err
		}
		got, err := g.Run(ctx, load.Until{Elapsed: b.elapsed})
		if err != nil {
			return 0, 0, ph, fmt.Errorf("%w\n%s", err, p.Output())
		}
		text, err := ask("/phase")
		if err == nil {
			err = json.Unmarshal([]byte(text), &ph)
		}
		if with {
			_, oerr := ask("/snapshots/off")
			err = errors.Join(err, oerr)
		}
		return got.Rate(), got.Quantile(99).Seconds() * 1e3, ph, err
	}
	for range b.rounds {
		r1, q1, w1, err := run(false)
		if err != nil {
			return err
		}
		r2, q2, w2, err := run(true)
		if err != nil {
			return err
		}
		b.note(plainRate, r1)
		b.note(rate, r2)
		b.note(ratio, r2/r1)
		b.note(plainP99, q1)
		b.note(p99, q2)
		b.note(slower, q2/q1)
		b.note(plainWait, w1.Most*1e3)
		b.note(wait, w2.Most*1e3)
		b.note(plainMost, w1.Thousandth*1e3)
		b.note(most, w2.Thousandth*1e3)
		b.note(made, float64(w2.Made))
	}
	if err := b.redisSaves(ctx, r, y, n); err != nil {
		return err
	}
	y.remarks = []string{"A task is posted to the loop each millisecond: how long it waits is the round that is under way, and what the loop itself waits for one of the two cores that it shares with the load. Redis: appendfsync always, 100-byte values, BGSAVE one behind the other, load by redis-benchmark."}
	r.years = append(r.years, y)
	return p.Stop(time.Minute)
}

// redisSaves does the same with Redis.
func (b *bench) redisSaves(ctx context.Context, r *results, y *years, n int) error {
	if !b.redisTools(ctx, r) {
		return nil
	}
	dir, err := b.dataDir()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	p, command, port, err := b.withRedis(ctx, dir, "--appendonly", "yes", "--appendfsync", "always")
	if err != nil {
		return err
	}
	defer p.Kill()
	if got, err := command("DEBUG", "POPULATE", strconv.Itoa(n), "key", "100"); err != nil {
		return fmt.Errorf("redis DEBUG POPULATE: %s %w", got, err)
	}
	ratio, slower := y.figure("Redis: throughput with BGSAVE, of without", "%.2f", target{}), y.figure("Redis: p99 with BGSAVE, of without", "%.2f", target{})
	requests := int(b.elapsed.Seconds() * 20_000)
	for range b.rounds {
		r1, q1, err := b.setKeys(ctx, port, b.conns, 1, requests, b.objects)
		if err != nil {
			return err
		}
		saving, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for saving.Err() == nil {
				_, _ = command("BGSAVE") // refused while one is running
				_ = sleep(saving, 10*time.Millisecond)
			}
		}()
		r2, q2, err := b.setKeys(ctx, port, b.conns, 1, requests, b.objects)
		stop()
		<-ended
		if err != nil {
			return err
		}
		b.note(ratio, r2/r1)
		b.note(slower, q2/q1)
	}
	return nil
}

// setKeys has redis-benchmark write keys, and returns the requests a second and the p99 in milliseconds.
func (b *bench) setKeys(ctx context.Context, port, conns, pipeline, requests, keys int) (rate, p99 float64, err error) {
	got, err := b.benchmark(ctx, port, conns, pipeline, requests, keys, "SET", "-d", "100", "-t", "set")
	return got.rate, got.p99, err
}

// overwritten is how many objects there are, and how many times each is overwritten.
const (
	overwritten = 1000
	overwrites  = 10_000
)

// measureOverwrites overwrites the same objects for long, and starts what is left.
func (b *bench) measureOverwrites(ctx context.Context, r *results) error {
	writes := overwritten * overwrites * (b.memoryObjects / 1000) / 1000
	y := &years{title: fmt.Sprintf("%d overwrites of %d objects, with the daemon's default settings", writes, overwritten)}
	dir, err := b.dataDir()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var got keptReport
	peak, err := peakOf(dir, func() (err error) {
		got, err = b.keep(ctx, 0, "overwrite", dir, writes, overwritten)
		return err
	})
	if err != nil {
		return err
	}
	end, err := sizeOf(dir)
	if err != nil {
		return err
	}
	b.note(y.figure("overwrites/s", "%.0f", target{}), float64(writes)/got.Seconds)
	b.note(y.figure("disk, at most, MB", "%.0f", goal("overwrite-disk")), float64(peak)/1e6)
	b.note(y.figure("disk at the end, MB", "%.0f", target{}), float64(end)/1e6)
	b.note(y.figure("bytes written to the disk, of 100 bytes a write", "%.2f", target{}), float64(got.Written)/float64(100*writes))
	b.note(y.figure("snapshots", "%.0f", target{}), float64(got.Made))
	if _, err := b.keep(ctx, 0, "open", dir, writes, overwritten); err != nil {
		return err // what is there is not what was written last
	}
	f := y.figure("everloop serve on it, from its start to the first answer, s", "%.2f", goal("overwrite-start"))
	for range b.rounds {
		seconds, err := b.restart(ctx, dir)
		if err != nil {
			return err
		}
		b.note(f, seconds)
	}
	if err := b.redisOverwrites(ctx, r, y, writes); err != nil {
		return err
	}
	y.remarks = []string{"1,024 writes are under way at a time, by Go's API in the process, each durable (--sync always) before it is answered; Redis: appendfsync always, as many in pipelines of 64, rewrites of the log as by default. Disk is what is allocated, looked at every 20 ms."}
	r.years = append(r.years, y)
	return nil
}

// restart starts the daemon on what is there.
func (b *bench) restart(ctx context.Context, dir string) (seconds float64, err error) {
	port, admin, err := proc.TwoFreePorts()
	if err != nil {
		return 0, err
	}
	args := counterTS.args(b, port, admin, dir)
	began := time.Now()
	p, err := proc.Start(counterTS.name, nil, args[0], args[1:]...)
	if err != nil {
		return 0, err
	}
	defer p.Kill()
	ready, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.Ready(ready, func() error { _, err := get(ready, "http://"+address(port)+counterTS.ready); return err }); err != nil {
		return 0, err
	}
	seconds = time.Since(began).Seconds()
	return seconds, p.Stop(30 * time.Second)
}

func (b *bench) redisOverwrites(ctx context.Context, r *results, y *years, writes int) error {
	if !b.redisTools(ctx, r) {
		return nil
	}
	dir, err := b.dataDir()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args := []string{"--appendonly", "yes", "--appendfsync", "always"}
	p, _, port, err := b.withRedis(ctx, dir, args...)
	if err != nil {
		return err
	}
	defer func() { p.Kill() }()
	var rate float64
	peak, err := peakOf(dir, func() (err error) {
		rate, _, err = b.setKeys(ctx, port, 16, 64, writes, overwritten)
		return err
	})
	if err != nil {
		return err
	}
	b.note(y.figure("Redis: overwrites/s", "%.0f", target{}), rate)
	b.note(y.figure("Redis: disk, at most, MB", "%.0f", target{}), float64(peak)/1e6)
	p.Kill()
	began := time.Now()
	if p, _, _, err = b.withRedis(ctx, dir, args...); err != nil {
		return err
	}
	b.note(y.figure("Redis: from its start to the first answer, s", "%.2f", target{}), time.Since(began).Seconds())
	return nil
}

// peakOf runs fn and returns the largest size of dir that was seen meanwhile.
func peakOf(dir string, fn func() error) (peak int64, err error) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for {
			if size, err := sizeOf(dir); err == nil {
				peak = max(peak, size)
			}
			select {
			case <-stop:
				return
			case <-every.C:
			}
		}
	}()
	err = fn()
	close(stop)
	<-ended
	return peak, err
}

// sizeOf is what the files below dir take of the disk. Files that vanish meanwhile do not count.
func sizeOf(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		size += info.Sys().(*syscall.Stat_t).Blocks * 512
		return nil
	})
	return size, err
}

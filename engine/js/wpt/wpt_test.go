package wpt_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/engine/js/project"
)

var (
	only    = flag.String("only", "", "run the files whose path begins with one of these, separated by commas")
	show    = flag.Bool("show", false, "print every failure with its message, known or not")
	rewrite = flag.Bool("rewrite", false, "write down what passes and what fails")
)

// How long a file may take before its tests count as timed out, and how much later it is given up. They are wide: QuickJS is
// slower than a browser, and a machine may be busy.
const (
	limit     = 60 * time.Second
	longLimit = 240 * time.Second
	grace     = 30 * time.Second
	slow      = 20 * time.Second // worth a line
)

// suite is a checkout with our own files over it.
type suite struct{ checkout, local fs.FS }

func (s suite) Open(name string) (fs.File, error) {
	if name == "resources/WebIDLParser.js" { // as the suite's server has it
		name = "resources/webidl2/lib/webidl2.js"
	}
	if f, err := s.local.Open(name); err == nil {
		if info, err := f.Stat(); err == nil && !info.IsDir() {
			return f, nil
		}
		f.Close()
	}
	return s.checkout.Open(name)
}

func TestWebPlatform(t *testing.T) {
	dir := os.Getenv("WPT_DIR")
	if dir == "" {
		t.Skip("WPT_DIR does not name a checkout of the web platform tests")
	}
	tests := suite{os.DirFS(dir), os.DirFS("testdata/local")}
	areas, err := readAreas("testdata/areas.txt", tests)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := readExpectation("testdata/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	harness, err := fs.ReadFile(tests, "resources/testharness.js")
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{tests: tests, harness: string(harness), wanted: strings.Split(*only, ","), program: loadProgram(t)}
	found := &expectation{areas: map[string]count{}, reason: map[string]string{}}
	for _, a := range areas {
		r.run(t, a, expected, found)
	}
	if *rewrite {
		merge(expected, found, r.ran)
		maps.DeleteFunc(expected.areas, func(name string, _ count) bool {
			return !slices.ContainsFunc(areas, func(a *area) bool { return a.name == name })
		})
		if err := expected.write("testdata/expected.txt"); err != nil {
			t.Fatal(err)
		}
		return
	}
	for failure := range expected.reason {
		file, _, _ := strings.Cut(failure, separator)
		if _, ran := r.ran[file]; ran && found.reason[failure] == "" {
			t.Errorf("passes, and is named as a known failure (run -rewrite): %s", failure)
		}
	}
	if t.Failed() {
		t.Log("-show prints messages; -rewrite writes down what is so now")
	}
}

// merge replaces what is known of the files that ran.
func merge(known, found *expectation, ran map[string]bool) {
	for failure := range known.reason {
		file, _, _ := strings.Cut(failure, separator)
		if ran[file] {
			delete(known.reason, failure)
		}
	}
	for failure, reason := range found.reason {
		known.reason[failure] = reason
	}
	for name, c := range found.areas {
		known.areas[name] = c
	}
}

type runner struct {
	tests   suite
	harness string
	wanted  []string
	program *program
	ran     map[string]bool
}

// run runs an area's files and compares them, two at a time.
func (r *runner) run(t *testing.T, a *area, expected, found *expectation) {
	if r.ran == nil {
		r.ran = map[string]bool{}
	}
	type result struct {
		report *report
		err    error
		took   time.Duration
	}
	type job struct {
		file, variant string
		done          chan result
	}
	var jobs []*job
	whole := true
	for _, file := range a.files {
		if !r.wants(file) {
			whole = false
			continue
		}
		file, variant, only := strings.Cut(file, "?")
		s, err := readScript(r.tests, file)
		if err != nil {
			t.Fatal(err)
		}
		if only {
			s.variants = []string{"?" + variant}
		}
		for _, v := range s.variants {
			jobs = append(jobs, &job{file, v, make(chan result, 1)})
		}
	}
	if len(jobs) == 0 {
		return
	}
	next := make(chan *job)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for j := range next {
				began := time.Now()
				rep, err := r.one(j.file, j.variant)
				j.done <- result{rep, err, time.Since(began)}
			}
		})
	}
	go func() {
		for _, j := range jobs {
			next <- j
		}
		close(next)
	}()
	c := count{files: len(a.files), skipped: len(a.skipped)}
	for _, j := range jobs {
		res := <-j.done
		name := j.file + j.variant
		r.ran[name] = true
		if res.took > slow {
			t.Logf("%s took %v", name, res.took.Round(time.Second))
		}
		passed, failed := r.judge(t, a, name, res.report, res.err, expected, found)
		c.passed += passed
		c.failed += failed
	}
	workers.Wait()
	t.Logf("%s: %d of %d subtests pass (%.1f %%), in %d files; %d files do not apply", a.name, c.passed, c.passed+c.failed, 100*float64(c.passed)/float64(max(1, c.passed+c.failed)), len(jobs), c.skipped)
	if !whole {
		return
	}
	found.areas[a.name] = c
	if want := expected.areas[a.name]; c != want && !*rewrite {
		t.Errorf("%s: %+v, and %+v is written down (run -rewrite)", a.name, c, want)
	}
}

func (r *runner) wants(file string) bool {
	for _, prefix := range r.wanted {
		if strings.HasPrefix(file, prefix) {
			return true
		}
	}
	return false
}

// judge compares a file's report with what is known of it.
func (r *runner) judge(t *testing.T, a *area, file string, rep *report, err error, expected, found *expectation) (passed, failed int) {
	t.Helper()
	fail := func(subtest, message string) {
		failure := failureName(file, subtest)
		for n := 2; found.reason[failure] != ""; n++ {
			failure = failureName(file, fmt.Sprintf("%s (%d)", subtest, n))
		}
		failed++
		reason, known := expected.reason[failure]
		if !known {
			reason = unexplained
		}
		found.reason[failure] = reason
		switch {
		case (!known || reason == unexplained) && !*rewrite:
			t.Errorf("fails: %s\n     %s", failure, message)
		case *show:
			t.Logf("fails: %s\n     %s", failure, message)
		}
	}
	if err == nil && rep.Error != "" {
		err = errors.New(rep.Error)
	}
	if err != nil {
		fail("(the file)", err.Error())
	}
	if rep == nil {
		return passed, failed
	}
	for _, s := range rep.Tests {
		if !a.applies(failureName(file, s.Name)) {
			continue
		}
		if s.Passed {
			passed++
		} else {
			fail(s.Name, s.Message)
		}
	}
	return passed, failed
}

// report is what runner.js answers with.
type report struct {
	Error string `json:"error"`
	Tests []struct {
		Name    string `json:"name"`
		Passed  bool   `json:"passed"`
		Message string `json:"message"`
	} `json:"tests"`
}

// program is runner.js, bundled.
type program struct {
	project *project.Project
	bundle  *project.Bundle
}

func loadProgram(t *testing.T) *program {
	t.Helper()
	p, err := project.Load("testdata/runner.js", project.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	return &program{p, b}
}

// one runs a file in an engine of its own.
func (r *runner) one(file, variant string) (_ *report, err error) {
	s, err := readScript(r.tests, file)
	if err != nil {
		return nil, err
	}
	text, err := s.source(r.tests)
	if err != nil {
		return nil, err
	}
	wait := limit
	if s.long {
		wait = longLimit
	}
	body, err := json.Marshal(map[string]any{
		"url": "https://" + host + ":8443/" + file + variant, "title": s.title, "limit": wait.Milliseconds(), "harness": r.harness, "script": text,
	})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wpt")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	quiet := slog.New(slog.DiscardHandler)
	eng, err := engine.Open(engine.Options{Dir: filepath.Join(dir, "data"), Loops: 1, Logger: quiet})
	if err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if cerr := eng.Close(ctx); cerr != nil && err == nil {
			err = cerr
		}
	}()
	app, err := js.Load(eng, r.program.project, r.program.bundle, js.Options{
		Runtimes: 1, CPULimit: wait, Logger: quiet, MemoryLimit: 512 << 20,
		Classes: map[string]engine.Class{"Peer": engine.ClassOf(func(st *engine.State) (*peer, error) { return &peer{tests: r.tests, state: st}, nil })},
	})
	if err != nil {
		return nil, err
	}
	defer app.Close()
	port := eng.Port(eng.Pool().Loop(0))
	answer := make(chan engine.Reply, 1)
	eng.Post(0, func() {
		port.Enter(app.Entrypoint(), &engine.Request{Method: "POST", URL: "http://runner/", Body: engine.Bytes(body)}, engine.ReplyFunc(func(rep engine.Reply) { answer <- rep }))
	})
	select {
	case rep := <-answer:
		if rep.Err != nil {
			return nil, rep.Err
		}
		out := new(report)
		if err := json.Unmarshal(rep.Response.Body.Bytes(), out); err != nil {
			return nil, fmt.Errorf("%d %s: %w", rep.Response.Status, rep.Response.Body.Bytes(), err)
		}
		return out, nil
	case <-time.After(wait + grace):
		return nil, fmt.Errorf("no answer within %v", wait+grace)
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"everloop/engine/js"
	"everloop/engine/js/project"
	"everloop/proto/server"
)

// devCmd is `everloop dev`: serve, for the person who writes the program.
type devCmd struct {
	serveCmd `embed:""`
}

// Help is printed below the flags.
func (*devCmd) Help() string {
	return "A save is served at once, and storage is kept. A program that cannot be built is shown, here and in the browser, and the one before goes on being served."
}

// Run starts the daemon and returns when it has ended in an orderly way.
func (c *devCmd) Run(stdout io.Writer) error {
	out := newConsole(os.Stdout)
	out.requests = true
	dev := &development{c: &c.serveCmd, console: out}
	var err error
	if dev.watcher, err = newWatcher(); err != nil {
		return err
	}
	defer dev.watcher.close()
	return c.run(stdout, slog.New(out), dev)
}

// development follows a project as it changes. Its methods are called by one goroutine, but for page.
type development struct {
	c       *serveCmd
	console *console
	watcher *watcher
	project *project.Project // the last one that could be read
	inputs  []string         // of the last bundle that could be made
	problem atomic.Pointer[error]
}

// page is what browsers get while the program is broken.
func (v *development) page() *server.Page {
	problem := v.problem.Load()
	if problem == nil {
		return nil
	}
	p := &server.Page{Title: "The program cannot be built; the one before it is still served to everyone else", Again: true}
	first, rest, _ := strings.Cut((*problem).Error(), "\n")
	p.Message, p.Source = first, strings.Trim(rest, "\n")
	return p
}

// start serves the project as soon as it can be: a program that is broken at the start is waited for.
func (v *development) start(ctx context.Context, wire func(*project.Project, *project.Bundle) (*daemon, error)) (*daemon, *project.Project, error) {
	for {
		p, bundle, err := v.build()
		if err == nil {
			var d *daemon
			if d, err = wire(p, bundle); err == nil {
				return d, p, nil
			}
			if !isProgram(err) {
				return nil, p, err
			}
		} else if p == nil && !v.readable() {
			return nil, nil, err // there is nothing to wait for
		}
		v.console.problem(err)
		v.console.say(dim, "waiting for a change")
		v.watch(true)
		if v.watcher.next(ctx.Done()) == nil {
			return nil, nil, context.Canceled
		}
	}
}

// readable reports whether there is a project whose files can be watched, even if it cannot be read as it is.
func (v *development) readable() bool {
	info, err := os.Stat(v.c.Project)
	if err != nil {
		return false
	}
	if !info.IsDir() {
		return true
	}
	return slices.ContainsFunc(project.ConfigNames, func(name string) bool {
		_, err := os.Stat(filepath.Join(v.c.Project, name))
		return err == nil
	})
}

// isProgram reports whether it is the program that is at fault, rather than what it is served with.
func isProgram(err error) bool {
	_, program := errors.AsType[*programError](err)
	return program
}

// run puts each saved version of the program in the place of the one before, until stop is closed.
func (v *development) run(d *daemon, stop <-chan struct{}) {
	v.watch(false)
	for {
		changed := v.watcher.next(stop)
		if changed == nil {
			return
		}
		begun := time.Now()
		what, err := v.apply(d, changed)
		if err != nil {
			v.console.problem(err)
			if errors.Is(err, js.ErrRestart) {
				v.console.say(yellow, "the program before the change goes on being served")
			} else {
				v.console.say(dim, "the program before the change goes on being served; waiting for a change")
				v.problem.Store(&err)
			}
		} else {
			v.problem.Store(nil)
			v.console.say(green, fmt.Sprintf("%s in %s (%s)", what, took(time.Since(begun)), v.shown(changed)))
		}
		v.watch(err != nil)
	}
}

// apply serves what has changed, and says what it did.
func (v *development) apply(d *daemon, changed []string) (string, error) {
	if file, _ := v.c.configFile(); len(changed) == 1 && same(file, changed[0]) {
		return "", fmt.Errorf("%s has changed: %w", file, js.ErrRestart)
	}
	if v.problem.Load() == nil && v.onlyFiles(changed) {
		return "files replaced", d.serveFiles(v.project)
	}
	p, bundle, err := v.build()
	if err != nil {
		return "", err
	}
	return "updated", d.update(p, bundle)
}

// onlyFiles reports whether nothing has changed but static files, which the program is not made of.
func (v *development) onlyFiles(changed []string) bool {
	if v.project.Assets == nil {
		return false
	}
	for _, f := range changed {
		if slices.Contains(v.inputs, f) || !strings.HasPrefix(f, v.project.Assets.Directory+string(filepath.Separator)) {
			return false
		}
	}
	return true
}

func (v *development) build() (*project.Project, *project.Bundle, error) {
	p, bundle, err := bundled(v.c, slog.Default().Warn)
	if p != nil {
		v.project = p
	}
	if bundle != nil {
		v.inputs = bundle.Inputs
	}
	return p, bundle, err
}

// watch watches what the program is made of. broken: what it would be made of if it were whole is not known.
func (v *development) watch(broken bool) {
	files := slices.Clone(v.inputs)
	var trees []string
	root, err := filepath.Abs(v.c.folder())
	if err == nil {
		for _, name := range slices.Concat(project.ConfigNames, []string{"tsconfig.json", "package.json"}) {
			files = append(files, filepath.Join(root, name))
		}
	}
	if p := v.project; p != nil {
		files = append(files, p.Main)
		files = append(files, p.Settings()...)
		if p.Assets != nil && p.Assets.Directory != "" {
			trees = append(trees, p.Assets.Directory)
		}
	}
	if file, _ := v.c.configFile(); file != "" {
		if abs, err := filepath.Abs(file); err == nil {
			files = append(files, abs)
		}
	}
	if info, err := os.Stat(v.c.Project); err == nil && !info.IsDir() {
		if abs, err := filepath.Abs(v.c.Project); err == nil {
			files = append(files, abs)
		}
	}
	if err := v.watcher.set(files, trees, broken); err != nil {
		v.console.problem(err)
	}
}

// shown names what has changed, as far as it fits a line.
func (v *development) shown(changed []string) string {
	var names []string
	for _, f := range changed {
		if rel, err := filepath.Rel(v.project.Root, f); err == nil && !strings.HasPrefix(rel, "..") {
			f = rel
		}
		if len(names) == 3 {
			names = append(names, fmt.Sprintf("and %d more", len(changed)-3))
			break
		}
		names = append(names, f)
	}
	return strings.Join(names, ", ")
}

func same(a, b string) bool {
	a, err := filepath.Abs(a)
	return err == nil && a == b
}

package js

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/project"
)

// Options of [Load]. The zero value works.
type Options struct {
	// CPULimit is how long one turn may run. Default 30 s.
	CPULimit time.Duration
	// Runtimes is the number of JavaScript runtimes of one loop. Default 8.
	Runtimes int
	// MemoryLimit is the most that one runtime may hold, in bytes. Default 128 MiB.
	MemoryLimit int64
	// QuarantineFile names the file that lists quarantined objects. Default: there is no quarantine.
	QuarantineFile string
	// Logger takes what the program logs, and what the host has to say. Default slog.Default().
	Logger *slog.Logger
	// Classes are Go classes that take the place of exported ones of the same name.
	Classes map[string]engine.Class
	// Fatal ends the process when a turn cannot be interrupted. Default: os.Exit(70).
	Fatal func()
}

func (o *Options) ensureDefaults() {
	if o.CPULimit == 0 {
		o.CPULimit = vm.DefaultLimit
	}
	if o.Runtimes == 0 {
		o.Runtimes = 8
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Fatal == nil {
		o.Fatal = exit
	}
}

// App is a project that runs in an engine. Safe for concurrent use.
type App struct {
	eng     *engine.Engine
	project *project.Project
	bundle  *project.Bundle
	code    *vm.Code
	opts    Options

	namespaces    []string // the class of each namespace, by the number that the runtimes know it by
	bindings      []Binding
	hosts         []*host
	main          *entry      // the default export
	paramsDup     bool        // stubs in the parameters of a call are duplicated, rather than handed over
	errorProps    bool        // errors keep their own properties, their cause and their stack from one program to the next
	signals       bool        // an AbortSignal can be sent to another program
	requestSignal bool        // request.signal aborts when the client leaves
	processEnv    [][2]string // what process.env begins with

	quarantine quarantine
	stop       chan struct{}
}

// Binding is a class as env has it.
type Binding struct{ Name, Class string }

// Load compiles the project's bundle, starts it once, registers the classes that it binds with eng, and returns what
// its requests enter through. What is wrong with the program is an error for the person who wrote it.
func Load(eng *engine.Engine, p *project.Project, b *project.Bundle, o Options) (_ *App, err error) {
	o.ensureDefaults()
	code, err := vm.Compile(project.BundleName, b.Code, vm.CompileOptions{Module: true, StripSource: len(b.Code) > stripAbove})
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", relative(p, p.Main), mapped(b, err))
	}
	a := &App{eng: eng, project: p, bundle: b, code: code, opts: o, stop: make(chan struct{})}
	a.main = a.newEntry("default", nil)
	a.paramsDup = p.Enabled("rpc_params_dup_stubs", "rpc_params_transfer_stubs", "2026-01-20")
	a.errorProps = p.Enabled("enhanced_error_serialization", "legacy_error_serialization", "2026-04-21")
	a.signals = slices.Contains(p.CompatibilityFlags, "enable_abortsignal_rpc")
	// The flag has no date from which it is on by default; a single file, which cannot name flags, has it.
	a.requestSignal = p.Enabled("enable_request_signal", "disable_request_signal", "9999-12-31")
	if p.Enabled("nodejs_compat_populate_process_env", "nodejs_compat_do_not_populate_process_env", "2025-04-01") {
		a.processEnv = processEnv(p.Vars)
	}
	if err := a.quarantine.load(o.QuarantineFile); err != nil {
		return nil, err
	}
	if n := len(a.quarantine.objects); n > 0 {
		o.Logger.Warn("objects are in the quarantine and are not run", "objects", n, "file", o.QuarantineFile)
	}
	for i := range eng.Loops() {
		a.hosts = append(a.hosts, newHost(a, i))
	}
	for _, d := range p.Objects {
		if d.ScriptName == "" || d.ScriptName == p.Name {
			a.bind(d.Name, d.ClassName)
		}
	}
	// The program's top level can run forever, too.
	dog := &vm.Watchdog{Group: a, Stuck: a.stuck}
	go dog.Run(a.stop)
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	// The first runtime tells what the program exports. It is kept.
	result := make(chan error, 1)
	first := a.hosts[0]
	if !eng.Post(0, func() { result <- a.start(first) }) {
		return nil, engine.ErrClosed
	}
	if err := <-result; err != nil {
		return nil, err
	}
	if err := a.migrate(); err != nil {
		return nil, err
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(a.namespaces))) {
		var c engine.Class = &class{app: a, name: name}
		if goClass, ok := o.Classes[name]; ok {
			c = goClass
		}
		if _, err := eng.Register(name, c, engine.UniqueKey(a.uniqueKey(name))); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// processEnv is what process.env begins with: the variables of the project, sorted, those that are no strings as JSON.
func processEnv(vars map[string]json.RawMessage) [][2]string {
	var env [][2]string
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		var text string
		if json.Unmarshal(vars[name], &text) != nil {
			var compact bytes.Buffer
			if json.Compact(&compact, vars[name]) != nil {
				continue // a project with such a variable is refused when it is read
			}
			text = compact.String()
		}
		env = append(env, [2]string{name, text})
	}
	return env
}

// stripAbove is the size of a bundle, in bytes, from which runtimes do without the text of its functions: a bundle of
// 4 MB costs each of them 34 MB with it and 8 MB without.
const stripAbove = 256 << 10

func (a *App) bind(name, class string) {
	a.bindings = append(a.bindings, Binding{name, class})
	a.namespaces = append(a.namespaces, class)
}

// start builds the first runtime and checks what the program exports against what the project binds. On a loop.
func (a *App) start(h *host) error {
	rl, err := h.realm(0)
	if err != nil {
		return err
	}
	classes, err := rl.exportedClasses()
	if err != nil {
		return err
	}
	if a.project.SingleFile() {
		for _, c := range classes {
			for _, name := range project.BindingNames(c) {
				a.bind(name, c)
			}
		}
		if err := rl.addBindings(a.bindings); err != nil {
			return err
		}
		return rl.addClassExports()
	}
	for _, b := range a.project.Services {
		if name := cmp.Or(b.Entrypoint, "default"); b.Service == a.project.Name && !slices.Contains(a.bundle.Exports, name) {
			return fmt.Errorf("%s: service binding %s names entry point %s, which %s does not export: export it, or correct entrypoint",
				relative(a.project, a.project.ConfigFile), b.Name, name, relative(a.project, a.project.Main))
		}
	}
	for _, b := range a.bindings {
		if slices.Contains(classes, b.Class) {
			continue
		}
		has := "it exports no class"
		if len(classes) > 0 {
			has = "it exports " + strings.Join(classes, ", ")
		}
		return fmt.Errorf("%s: binding %s names class %s, which %s does not export (%s): export the class, or correct class_name",
			relative(a.project, a.project.ConfigFile), b.Name, b.Class, relative(a.project, a.project.Main), has)
	}
	return nil
}

// Bindings returns the classes as env has them.
func (a *App) Bindings() []Binding { return slices.Clone(a.bindings) }

// Close stops the watchdog. The engine drops the objects when it closes; runtimes go with their loops.
func (a *App) Close() { close(a.stop) }

func relative(p *project.Project, path string) string {
	if rel, err := filepath.Rel(p.Root, path); err == nil {
		return rel
	}
	return path
}

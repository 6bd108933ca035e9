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
	"sync"
	"sync/atomic"
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/project"
	"everloop/engine/js/web"
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
	// Assets is what the binding of the project's static files reaches. Default: the binding throws.
	Assets engine.Entrypoint
	// Fatal ends the process when a turn cannot be interrupted. Default: os.Exit(70).
	Fatal func()
	// CodeFrames adds the lines of the source around the place of a failure to it, and what caused it. For development: it
	// costs more than the failure itself, and tells about the code.
	CodeFrames bool
	// Grace is how long an instance of an object may take to finish what it has begun when the program is updated. Default
	// 500 ms.
	Grace time.Duration
	// Drain is how long the old program's runtimes stay for requests of its Worker that are under way then. Default 30 s.
	Drain time.Duration
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
	if o.Grace == 0 {
		o.Grace = 500 * time.Millisecond
	}
	if o.Drain == 0 {
		o.Drain = 30 * time.Second
	}
}

// App is a project that runs in an engine. Safe for concurrent use.
type App struct {
	eng     *engine.Engine
	program *program
	project *project.Project
	bundle  *project.Bundle
	code    *vm.Code
	opts    Options

	namespaces    []string // the class of each namespace, by the number that the runtimes know it by; "": it turned out to be none
	settled       bool     // a program of a single file has started, so it is known which of its exports are classes
	bindings      []Binding
	hosts         []*host
	main          *entry      // the default export
	halfOpen      bool        // a Close of the other end is answered by the program
	paramsDup     bool        // stubs in the parameters of a call are duplicated, rather than handed over
	errorProps    bool        // errors keep their own properties, their cause and their stack from one program to the next
	signals       bool        // an AbortSignal can be sent to another program
	requestSignal bool        // request.signal aborts when the client leaves
	processEnv    [][2]string // what process.env begins with

	quarantine quarantine
	group      *vm.Group // its runtimes
	stop       chan struct{}
	ended      sync.Once    // stop is closed
	open       atomic.Int64 // loops on which a retiring app has runtimes left
}

// Binding is a class as env has it.
type Binding struct {
	Name, Class string
	number      int // of its namespace
}

// Warm makes ready what every program needs. A start calls it on a goroutine of its own, beside reading the project and the data
// directory; without it, the first Load does it.
func Warm() { web.Warm() }

// Load compiles the project's bundle, starts it once, registers the classes that it binds with eng, and returns what
// its requests enter through. What is wrong with the program is an error for the person who wrote it.
func Load(eng *engine.Engine, p *project.Project, b *project.Bundle, o Options) (*App, error) {
	o.ensureDefaults()
	a, err := prepare(eng, new(program), p, b, o)
	if err != nil {
		return nil, err
	}
	if err := a.enter(nil); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// prepare compiles a project's bundle and starts its first runtime, which tells what the program exports. Nothing reaches it
// yet. When it fails, nothing of it is left.
func prepare(eng *engine.Engine, of *program, p *project.Project, b *project.Bundle, o Options) (_ *App, err error) {
	code, err := vm.Compile(project.BundleName, b.Code, vm.CompileOptions{Module: true, StripSource: len(b.Code) > stripAbove})
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", relative(p, p.Main), mapped(b, err))
	}
	a := &App{eng: eng, program: of, project: p, bundle: b, code: code, opts: o, stop: make(chan struct{}), group: vm.NewGroup()}
	a.main = a.newEntry("default", nil)
	a.halfOpen = !p.On(project.AutoReplyToClose)
	a.paramsDup = p.On(project.RPCParamsDup)
	a.errorProps = p.On(project.ErrorProps)
	a.signals = slices.Contains(p.CompatibilityFlags, "enable_abortsignal_rpc")
	// The flag has no date from which it is on by default; a single file, which cannot name flags, has it.
	a.requestSignal = p.On(project.RequestSignal)
	if p.On(project.PopulateProcessEnv) {
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
	if p.SingleFile() {
		a.bindExports()
	}
	// The program's top level can run forever, too.
	dog := &vm.Watchdog{Group: a.group, Stuck: a.stuck}
	go dog.Run(a.stop)
	result := make(chan error, 1)
	first := a.hosts[0]
	if !eng.Post(0, func() {
		err := a.start(first)
		if err != nil {
			first.close()
		}
		result <- err
	}) {
		err = engine.ErrClosed
	} else {
		err = <-result
	}
	if err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// enter lets the engine reach the program: its migrations are applied, its classes are registered, or put in the place of
// those of old, and its Worker takes requests.
func (a *App) enter(old *App) error {
	if err := a.migrate(old != nil); err != nil {
		return err
	}
	known := a.eng.Classes()
	classes := a.classNames()
	impl := func(name string) engine.Class {
		if goClass, ok := a.opts.Classes[name]; ok {
			return goClass
		}
		return &class{app: a, name: name}
	}
	// What can fail comes first: nothing that is served has changed by then.
	for _, name := range classes {
		switch {
		case !slices.Contains(known, name):
			if _, err := a.eng.Register(name, impl(name), engine.UniqueKey(a.uniqueKey(name))); err != nil {
				return err
			}
		case old == nil:
			return fmt.Errorf("the class %s is registered with the engine already", name)
		}
	}
	if old != nil {
		for _, name := range known {
			next := engine.Class(unbound(name))
			if slices.Contains(classes, name) {
				next = impl(name)
			} else if !slices.Contains(old.classNames(), name) {
				continue // it is none of the program's
			}
			if err := a.eng.Update(name, next, a.opts.Grace); err != nil {
				return err
			}
		}
	}
	a.program.current.Store(a)
	return nil
}

// classNames are the classes that the program binds, sorted.
func (a *App) classNames() []string {
	names := slices.Compact(slices.Sorted(slices.Values(a.namespaces)))
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
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
	a.bindings = append(a.bindings, Binding{name, class, len(a.namespaces)})
	a.namespaces = append(a.namespaces, class)
}

// bindExports binds whatever a program of a single file exports, before it has started: only then it is known what of it is a
// class, and its top level may look at env. Variables keep their names.
func (a *App) bindExports() {
	for _, export := range a.bundle.Exports {
		if export == "default" {
			continue
		}
		for _, name := range project.BindingNames(export) {
			if _, taken := a.project.Vars[name]; !taken {
				a.bind(name, export)
			}
		}
	}
}

// settle leaves the classes of what bindExports has bound. rl is the first runtime, whose program has started. What its top level
// has taken hold of, or has put in the place of a binding, stays, as in the runtimes that begin with the classes alone.
func (a *App) settle(rl *realm) error {
	classes, err := rl.exportedClasses()
	if err != nil {
		return err
	}
	for i, name := range a.namespaces {
		if !slices.Contains(classes, name) {
			a.namespaces[i] = ""
		}
	}
	tried := a.bindings
	a.bindings = nil
	var missing []Binding
	for _, class := range classes {
		for _, name := range project.BindingNames(class) {
			if i := slices.IndexFunc(tried, func(b Binding) bool { return b.Name == name && b.Class == class }); i >= 0 {
				a.bindings = append(a.bindings, tried[i])
			} else {
				a.bind(name, class) // in the place of a variable
				missing = append(missing, a.bindings[len(a.bindings)-1])
			}
		}
	}
	for _, b := range tried {
		if a.namespaces[b.number] != "" {
			continue
		}
		v, err := rl.r.GetName(rl.env, b.Name)
		if err != nil {
			return err
		}
		ours := v.Same(rl.tried[b.Name])
		rl.r.Free(v)
		if !ours {
			continue
		}
		if err := rl.r.DeleteName(rl.env, b.Name); err != nil {
			return err
		}
		// An export that is no class may have had the name that a class is bound under.
		if i := slices.IndexFunc(a.bindings, func(c Binding) bool { return c.Name == b.Name }); i >= 0 {
			missing = append(missing, a.bindings[i])
		}
	}
	for name, v := range rl.tried {
		rl.r.Free(v)
		delete(rl.tried, name)
	}
	a.settled = true
	return rl.addBindings(missing)
}

// start builds the first runtime and checks what the program exports against what the project binds. On a loop.
func (a *App) start(h *host) error {
	rl, err := h.realm(0)
	if err != nil {
		return err
	}
	if a.project.SingleFile() {
		return nil // it has no configuration that could contradict it
	}
	classes, err := rl.exportedClasses()
	if err != nil {
		return err
	}
	for name, e := range a.project.Exports {
		if e.Live() && !slices.Contains(classes, name) {
			return fmt.Errorf("%s: \"exports\" has the class %s, which %s does not export: export it, or say what has become of it with \"state\"",
				relative(a.project, a.project.ConfigFile), name, relative(a.project, a.project.Main))
		}
	}
	// What the project says it has is a namespace in ctx.exports, bound or not.
	for _, name := range a.project.Classes() {
		if slices.Contains(classes, name) && !slices.Contains(a.namespaces, name) {
			a.namespaces = append(a.namespaces, name)
			if rl.classes[name], err = rl.r.GetName(rl.exports, name); err != nil {
				return err
			}
		}
	}
	if err := rl.addClassExports(); err != nil {
		return err
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

// Close stops the watchdogs of the app and of those that it took the place of. The engine drops the objects when it
// closes; runtimes go with their loops.
func (a *App) Close() {
	a.ended.Do(func() { close(a.stop) })
	a.program.endRetiring()
}

func relative(p *project.Project, path string) string {
	if rel, err := filepath.Rel(p.Root, path); err == nil {
		return rel
	}
	return path
}

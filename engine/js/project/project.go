package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Project is a program as its author described it. It is read once and not changed.
type Project struct {
	// Name is the script's name: the configuration's, or else made from the folder's or file's name.
	Name string
	// Root is the absolute path of the project's folder. Paths in the configuration are relative to it.
	Root string
	// Main is the absolute path of the entry module. It exists.
	Main string
	// ConfigFile is the absolute path of the wrangler configuration, or "" for a single file.
	ConfigFile string
	// Environment is the chosen section of the configuration's "env", or "".
	Environment string

	// CompatibilityDate is YYYY-MM-DD, or "" where the project states none.
	CompatibilityDate  string
	CompatibilityFlags []string

	// Objects are the bindings to classes. For a single file there are none: every class that it exports is
	// bound, under the names that [BindingNames] gives.
	Objects    []ObjectBinding
	Migrations []Migration
	// Exports are the classes as the newer "exports" declares them; nil where the project has none. Then there are no
	// Migrations.
	Exports  map[string]Export
	Services []ServiceBinding
	// Vars holds each variable of "vars" as JSON, and each of .dev.vars (which win) as a JSON string.
	Vars   map[string]json.RawMessage
	Assets *Assets // nil if there are none
	// Unsupported are bindings of kinds that everloop does not have. A program may carry them; whoever
	// builds its env makes them throw when they are used.
	Unsupported []UnsupportedBinding

	// Warnings are for the person who starts the project: things that work, but hardly as meant.
	Warnings []string

	rules    []Rule
	alias    map[string]string
	define   map[string]string
	tsconfig string
	secrets  []string // that are required; nil: the project does not list them
	shown    string   // Root as the person named it, to put before names in messages
	nodejs   bool     // the flag nodejs_compat: bare names of Node's modules never mean a package
}

// SingleFile reports whether the project is one file without a configuration.
func (p *Project) SingleFile() bool { return p.ConfigFile == "" }

// An ObjectBinding puts the namespace of a Durable Object class into env under a name.
type ObjectBinding struct {
	Name       string // the property of env
	ClassName  string // the exported class
	ScriptName string // the script that exports it; "" for this one
}

// NodeJS reports whether the project has the flag nodejs_compat.
func (p *Project) NodeJS() bool { return p.nodejs }

// A ServiceBinding puts an entry point of a script into env under a name.
type ServiceBinding struct {
	Name       string
	Service    string // the script; may be this one
	Entrypoint string // the export; "" for the default one
	// Props is what the entry point finds as ctx.props, as JSON; nil for none.
	Props json.RawMessage
}

// An UnsupportedBinding is a binding of a kind that everloop does not have.
type UnsupportedBinding struct {
	Name string // the property of env
	Kind string // the configuration's key, such as "kv_namespaces"
}

// Assets are static files that are served beside the program.
type Assets struct {
	Directory        string // absolute
	Binding          string // the property of env, or ""
	HTMLHandling     string // as written, or ""
	NotFoundHandling string // as written, or ""
	// RunWorkerFirst says which paths reach the program before the files: RunWorkerFirstAll for all of them,
	// or else those that match a pattern of RunWorkerFirst.
	RunWorkerFirstAll bool
	RunWorkerFirst    []string
}

// Options are choices of [Load]. The zero value works.
type Options struct {
	// Environment names a section of the configuration's "env". Default: the top level alone.
	Environment string
	// Today is the date, YYYY-MM-DD: a compatibility date after it is refused. Default: none is.
	Today string
}

// ConfigNames are what a configuration is called. They are looked for in this order.
var ConfigNames = []string{"wrangler.jsonc", "wrangler.json", "wrangler.toml"}

// sourceExtensions are what a single file may end in.
var sourceExtensions = []string{".ts", ".mts", ".js", ".mjs", ".tsx", ".jsx"}

// Load reads the project at path: a folder with a wrangler configuration, such a configuration, or a single source
// file. The error is an [*Error] or [Errors].
func Load(path string, o Options) (*Project, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err, "Give a folder with a wrangler.jsonc, or a .ts or .js file.")
	}
	switch {
	case info.IsDir():
		return loadFolder(path, o)
	case isConfig(path):
		return loadConfig(filepath.Dir(path), filepath.Base(path), o)
	case isSource(path):
		return loadFile(path, o)
	}
	return nil, &Error{
		File: path, Message: "this is no project",
		Remedy: "Give a folder with a wrangler.jsonc, or a file that ends in " + strings.Join(sourceExtensions, ", ") + ".",
	}
}

func isConfig(path string) bool {
	base := filepath.Base(path)
	return strings.HasPrefix(base, "wrangler") && (strings.HasSuffix(base, ".jsonc") || strings.HasSuffix(base, ".json") || strings.HasSuffix(base, ".toml"))
}

func isSource(path string) bool {
	for _, ext := range sourceExtensions {
		if strings.HasSuffix(path, ext) && !strings.HasSuffix(path, ".d.ts") {
			return true
		}
	}
	return false
}

// unreadable tells why path cannot be used.
func unreadable(path string, err error, remedy string) *Error {
	message := err.Error()
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		message = "no such file or folder"
	case errors.Is(err, fs.ErrPermission):
		message, remedy = "no permission to read it", "Let the user that runs everloop read it."
	case errors.As(err, &pathErr):
		message = "cannot read it: " + pathErr.Err.Error()
	}
	return &Error{File: path, Message: message, Remedy: remedy}
}

func loadFolder(folder string, o Options) (*Project, error) {
	var have []string
	for _, name := range ConfigNames {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && !info.IsDir() {
			have = append(have, name)
		}
	}
	if len(have) == 0 {
		remedy := "Add a wrangler.jsonc with at least \"main\", or give a single .ts or .js file instead of a folder."
		for _, try := range []string{"src/index.ts", "index.ts", "src/index.js", "index.js", "src/worker.ts", "worker.ts", "worker.js"} {
			if file := filepath.Join(folder, try); fileExists(file) {
				remedy = fmt.Sprintf("Add a wrangler.jsonc with at least \"main\", or serve the file alone: everloop serve %s", file)
				break
			}
		}
		return nil, &Error{File: folder, Message: "the folder has no wrangler.jsonc, wrangler.json or wrangler.toml", Remedy: remedy}
	}
	p, err := loadConfig(folder, have[0], o)
	if err == nil && len(have) > 1 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%s is used and %s is not: keep one of them", have[0], strings.Join(have[1:], ", ")))
	}
	return p, err
}

func loadFile(path string, o Options) (*Project, error) {
	if o.Environment != "" {
		return nil, &Error{
			File: path, Message: fmt.Sprintf("a single file has no environment %q", o.Environment),
			Remedy: "Leave the environment out, or give a folder with a wrangler.jsonc that has it.",
		}
	}
	main, err := filepath.Abs(path)
	if err != nil {
		return nil, unreadable(path, err, "")
	}
	base := filepath.Base(main)
	p := &Project{
		Name:  scriptName(strings.TrimSuffix(base, filepath.Ext(base))),
		Root:  filepath.Dir(main),
		Main:  main,
		shown: filepath.Dir(path),
		rules: defaultRules,
		Vars:  map[string]json.RawMessage{},
	}
	if err := p.loadDevVars(); err != nil {
		return nil, err
	}
	return p, nil
}

// Settings are the files, absolute, that the project is read from beside its code: those that are there and those that would
// be read if they were. What to watch for changes.
func (p *Project) Settings() []string {
	names := append([]string{}, varFiles(p.Environment)...)
	var files []string
	for _, name := range append(names, envFiles(p.Environment)...) {
		files = append(files, filepath.Join(p.Root, name))
	}
	if p.ConfigFile != "" {
		files = append(files, p.ConfigFile)
	}
	if p.tsconfig != "" {
		files = append(files, p.tsconfig)
	}
	return files
}

// show turns an absolute path into the one that the person would use.
func (p *Project) show(file string) string {
	rel, err := filepath.Rel(p.Root, file)
	if err != nil {
		return file
	}
	return filepath.Join(p.shown, rel)
}

func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// scriptName makes a script's name of a file's or folder's: lower case, with dashes for what may not be in it.
func scriptName(base string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, base)
	if name = strings.Trim(name, "-"); name == "" {
		return "worker"
	}
	return name
}

// BindingNames returns the names in env of a class that a single file exports: its own, and that in
// UPPER_SNAKE_CASE unless it is the same. HTTPRoom2Log becomes HTTP_ROOM2_LOG.
func BindingNames(class string) []string {
	upper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	lowerOrDigit := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	var b strings.Builder
	for i := range len(class) {
		c := class[i]
		if i > 0 && upper(c) {
			afterLower := lowerOrDigit(class[i-1])
			endOfAcronym := upper(class[i-1]) && i+1 < len(class) && class[i+1] >= 'a' && class[i+1] <= 'z'
			if afterLower || endOfAcronym {
				b.WriteByte('_')
			}
		}
		b.WriteByte(c)
	}
	snake := strings.ToUpper(b.String())
	if snake == class {
		return []string{class}
	}
	return []string{class, snake}
}

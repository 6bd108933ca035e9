package project

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Namespaces of modules that are no files.
const (
	requiredNamespace = "everloop-required" // an external module that is reached by require()
	bytesNamespace    = "everloop-bytes"    // the bytes of a Data file
)

var namespaces = []string{requiredNamespace, bytesNamespace}

// nodeModules are the names of Node's modules, without `node:`.
var nodeModules = []string{
	"assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto", "dgram", "diagnostics_channel",
	"dns", "domain", "events", "fs", "http", "http2", "https", "inspector", "module", "net", "os", "path", "perf_hooks", "process",
	"punycode", "querystring", "readline", "repl", "stream", "string_decoder", "sys", "timers", "tls", "trace_events", "tty",
	"url", "util", "v8", "vm", "wasi", "worker_threads", "zlib",
}

// ownLookup marks a resolution that the plugin asked for itself.
type ownLookup struct{}

// plugin teaches esbuild what a bundle for Workers needs beyond its options:
//
//   - Node's modules under their bare names become `node:` ones. An installed package of that name (there is one for
//     buffer, events, …) goes first, unless the project has the flag nodejs_compat: this is how wrangler does it.
//   - require() of a module that the engine provides becomes an import, as a module that was loaded with
//     import has no require.
//   - files that a rule names are imported as text (a string) or data (an ArrayBuffer).
func (p *Project) plugin(build api.PluginBuild) {
	bare := api.OnResolveOptions{Filter: `^(` + strings.Join(nodeModules, "|") + `)(/[a-z_/]+)?$`}
	build.OnResolve(bare, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, own := args.PluginData.(ownLookup); own {
			return api.OnResolveResult{}, nil
		}
		if _, aliased := p.alias[args.Path]; aliased {
			return api.OnResolveResult{}, nil
		}
		if !p.nodejs {
			found := build.Resolve(args.Path, api.ResolveOptions{
				Importer: args.Importer, Namespace: args.Namespace, ResolveDir: args.ResolveDir, Kind: args.Kind, PluginData: ownLookup{},
			})
			if len(found.Errors) == 0 && !found.External {
				return api.OnResolveResult{Path: found.Path, Namespace: found.Namespace, Suffix: found.Suffix, SideEffects: sideEffects(found)}, nil
			}
		}
		return external("node:"+args.Path, args.Kind), nil
	})
	build.OnResolve(api.OnResolveOptions{Filter: `^(node|cloudflare):`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		return external(args.Path, args.Kind), nil
	})
	build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: requiredNamespace}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		text := fmt.Sprintf("import * as all from %q;\nmodule.exports = all.default ?? all;\n", args.Path)
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	})

	build.OnResolve(api.OnResolveOptions{Filter: `^` + bytesNamespace + `:`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: strings.TrimPrefix(args.Path, bytesNamespace+":"), Namespace: bytesNamespace}, nil
	})
	build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: bytesNamespace}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		return load(filepath.Join(p.Root, filepath.FromSlash(args.Path)), api.LoaderBinary)
	})
	build.OnLoad(api.OnLoadOptions{Filter: p.rulesFilter(), Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		rel, err := filepath.Rel(p.Root, args.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		rel = filepath.ToSlash(rel)
		i := slices.IndexFunc(p.rules, func(r Rule) bool { return r.match.MatchString(rel + args.Suffix) })
		if i < 0 {
			return api.OnLoadResult{}, nil
		}
		switch p.rules[i].Type {
		case "Text":
			return load(args.Path, api.LoaderText)
		case "Data":
			text := fmt.Sprintf("import bytes from %q;\nexport default bytes.buffer;\n", bytesNamespace+":"+rel)
			return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS, WatchFiles: []string{args.Path}}, nil
		default:
			return api.OnLoadResult{Errors: []api.Message{{Text: rel + " is WebAssembly, which everloop does not run"}}}, nil
		}
	})
}

// rulesFilter is an expression that files with a rule match. It keeps esbuild from calling back for every file of a
// project that has only the default rules.
func (p *Project) rulesFilter() string {
	if len(p.rules) != len(defaultRules) || !slices.EqualFunc(p.rules, defaultRules, func(a, b Rule) bool { return a.match == b.match }) {
		return `.*`
	}
	return `\.(txt|html|sql|bin|wasm)$`
}

func load(path string, loader api.Loader) (api.OnLoadResult, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return api.OnLoadResult{}, err
	}
	text := string(bytes)
	return api.OnLoadResult{Contents: &text, Loader: loader}, nil
}

// external leaves a module to the engine.
func external(path string, kind api.ResolveKind) api.OnResolveResult {
	if kind == api.ResolveJSRequireCall || kind == api.ResolveJSRequireResolve {
		return api.OnResolveResult{Path: path, Namespace: requiredNamespace}
	}
	return api.OnResolveResult{Path: path, External: true}
}

func sideEffects(found api.ResolveResult) api.SideEffects {
	if found.SideEffects {
		return api.SideEffectsTrue
	}
	return api.SideEffectsFalse
}

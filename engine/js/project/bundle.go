package project

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"
)

// BundleName is the file name under which a bundle must be evaluated: [Bundle.MapStack] looks for it.
const BundleName = "worker.js"

// A Bundle is a project as one ES module. It is not changed after it was made.
type Bundle struct {
	// Code is the module, ES2022 with decorators and `using` lowered.
	Code []byte
	// Exports are the names that the entry module exports, sorted; "default" among them if there is one. Names
	// that it passes on from an external module with `export *` are not known.
	Exports []string
	// Externals are the modules that Code imports and the engine has to provide, sorted: `cloudflare:…` and
	// `node:…`.
	Externals []string
	// Inputs are the files that went into Code, absolute and sorted: what to watch for changes.
	Inputs []string
	// Warnings are for the person who starts the project. Each has place and excerpt.
	Warnings Errors

	sources sourceMap
}

// bundleErrors bounds how many errors of one build are told.
const bundleErrors = 10

// Bundle makes one module of the project's code. It reads the project's files and writes none. The error is an [*Error]
// or [Errors], with place and excerpt for everything that has a place.
func (p *Project) Bundle() (*Bundle, error) {
	define := map[string]string{"process.env.NODE_ENV": `"production"`}
	maps.Copy(define, p.define)

	// The output's folder exists only in the source map, where paths are relative to it.
	outfile := filepath.Join(p.Root, BundleName+".d", BundleName)
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:  p.Root,
		EntryPoints:    []string{p.Main},
		Outfile:        outfile,
		Bundle:         true,
		Metafile:       true,
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentInclude,
		LogLevel:       api.LogLevelSilent,
		LogLimit:       bundleErrors,

		Format: api.FormatESModule,
		Target: api.ES2022,
		// The engine leaves a loop over an async iterator without waiting for its return().
		Supported: map[string]bool{"for-await": false},
		Charset:   api.CharsetUTF8,
		Platform:  api.PlatformNeutral,
		// A neutral platform has neither conditions nor main fields of its own.
		Conditions:    []string{"workerd", "worker", "browser"},
		MainFields:    []string{"browser", "module", "main"},
		External:      []string{"cloudflare:*", "node:*"},
		Alias:         p.alias,
		Define:        define,
		Tsconfig:      p.tsconfig,
		KeepNames:     false, // restoreNames says why
		LegalComments: api.LegalCommentsNone,
		Plugins:       []api.Plugin{{Name: "everloop", Setup: p.plugin}},
	})
	if len(result.Errors) > 0 {
		return nil, p.errors(result.Errors)
	}

	b := &Bundle{sources: sourceMap{shown: p.shown}}
	if len(result.Warnings) > 0 {
		b.Warnings = p.errors(result.Warnings)
	}
	for _, file := range result.OutputFiles {
		if strings.HasSuffix(file.Path, ".map") {
			b.sources.text = file.Contents
		} else {
			b.Code = file.Contents
		}
	}
	if err := b.readMetafile(p, result.Metafile); err != nil {
		return nil, &Error{File: p.show(p.Main), Message: "cannot read the bundler's report: " + err.Error()}
	}
	b.restoreNames()
	return b, nil
}

// readMetafile takes exports, externals and inputs from esbuild's report.
func (b *Bundle) readMetafile(p *Project, text string) error {
	var meta struct {
		Inputs  map[string]struct{} `json:"inputs"`
		Outputs map[string]struct {
			EntryPoint string   `json:"entryPoint"`
			Exports    []string `json:"exports"`
			Imports    []struct {
				Path     string `json:"path"`
				External bool   `json:"external"`
			} `json:"imports"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(text), &meta); err != nil {
		return err
	}
	for name := range meta.Inputs {
		if namespace, _, virtual := strings.Cut(name, ":"); virtual && slices.Contains(namespaces, namespace) {
			continue
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Root, filepath.FromSlash(name))
		}
		b.Inputs = append(b.Inputs, name)
	}
	for _, out := range meta.Outputs {
		if out.EntryPoint == "" {
			continue
		}
		b.Exports = append(b.Exports, out.Exports...)
		for _, in := range out.Imports {
			if in.External {
				b.Externals = append(b.Externals, in.Path)
			}
		}
	}
	for _, list := range []*[]string{&b.Inputs, &b.Exports, &b.Externals} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return nil
}

// errors turns esbuild's messages into ours.
func (p *Project) errors(messages []api.Message) Errors {
	var all Errors
	for _, m := range messages {
		if len(all) == bundleErrors {
			break
		}
		e := &Error{File: p.show(p.Main), Message: m.Text, Remedy: remedyFor(m)}
		if m.Location == nil && !p.SingleFile() {
			e.File = p.show(p.ConfigFile) // it is about an option
		}
		if at := m.Location; at != nil {
			e.File = p.showRelative(at.File)
			e.Line = at.Line
			e.Column = 1 + utf8.RuneCountInString(at.LineText[:min(max(at.Column, 0), len(at.LineText))])
			e.Excerpt = p.excerptOf(at.File, at.Line, e.Column, at.LineText)
		}
		for _, note := range m.Notes {
			if note.Location != nil && note.Text != "" {
				e.Message += "\n  " + place(p.showRelative(note.Location.File), note.Location.Line, note.Location.Column+1) + ": " + note.Text
			}
		}
		all = append(all, e)
	}
	return all
}

// showRelative shows a file that esbuild names, relative to the project's folder.
func (p *Project) showRelative(file string) string {
	if filepath.IsAbs(file) {
		return p.show(file)
	}
	return filepath.Join(p.shown, filepath.FromSlash(file))
}

// remedyFor says what to do about the errors that people meet most.
func remedyFor(m api.Message) string {
	name, ok := strings.CutPrefix(m.Text, `Could not resolve "`)
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, `"`)
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/") {
		return "Correct the path: there is no such file."
	}
	for _, note := range m.Notes {
		if strings.Contains(note.Text, "is not exported") || strings.Contains(note.Text, "module conditions") || strings.Contains(note.Text, "main field") {
			return note.Text
		}
	}
	parts := strings.SplitN(name, "/", 3)
	pkg := parts[0]
	if strings.HasPrefix(name, "@") && len(parts) > 1 {
		pkg += "/" + parts[1]
	}
	return fmt.Sprintf("Install the package in the project's folder: npm install %s", pkg)
}

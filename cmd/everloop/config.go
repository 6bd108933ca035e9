package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"
)

// configFileUser is a command that takes its flags from a file, too.
type configFileUser interface {
	// configFile returns the file's path and whether it must be there.
	configFile() (path string, needed bool)
}

// A configFile holds flags of one command, by their names without dashes.
type configFile struct {
	path   string
	values map[string]any
}

// notInFile are flags that mean nothing in the file.
var notInFile = []string{"help", "config"}

// readConfigFile reads a file of flags. It returns nil if there is none and none is needed.
func readConfigFile(path string, needed bool, command *kong.Node) (*configFile, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !needed:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such configuration file", path)
	case err != nil:
		return nil, fmt.Errorf("cannot read the configuration file: %w", err)
	}
	values := map[string]any{}
	if _, err := toml.Decode(string(text), &values); err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) {
			return nil, fmt.Errorf("%s:%d:%d: %s", path, parse.Position.Line, parse.Position.Col, parse.Message)
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}

	var known []string
	for _, flag := range command.Flags {
		if !slices.Contains(notInFile, flag.Name) {
			known = append(known, flag.Name)
		}
	}
	slices.Sort(known)
	for key, value := range values {
		if !slices.Contains(known, key) {
			return nil, fmt.Errorf("%s: there is no setting %q; the settings are %s", path, key, strings.Join(known, ", "))
		}
		switch value.(type) {
		case string, int64, bool:
		default:
			return nil, fmt.Errorf("%s: %s: want a text or a number, such as %s = \"…\"", path, key, key)
		}
	}
	return &configFile{path: path, values: values}, nil
}

// Validate has nothing left to look for. It is a part of [kong.Resolver].
func (f *configFile) Validate(*kong.Application) error { return nil }

// Resolve gives a flag its value from the file, unless an environment variable has one: that goes first.
func (f *configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	value, ok := f.values[flag.Name]
	if !ok {
		return nil, nil
	}
	text := fmt.Sprint(value)
	if flag.Name == "data" && !filepath.IsAbs(text) {
		text = filepath.Join(filepath.Dir(f.path), text) // the file means its own folder, wherever it is read from
	}
	return text, nil
}

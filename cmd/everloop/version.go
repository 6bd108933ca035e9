package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// versionCmd is `everloop version`.
type versionCmd struct{}

// Run prints one line.
func (versionCmd) Run(stdout io.Writer) error {
	_, err := fmt.Fprintln(stdout, version())
	return err
}

// plainVersion is the version by itself.
func plainVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

// version says what this program was built from, as far as the build was told.
func version() string {
	parts := []string{"everloop", plainVersion()}
	if info, ok := debug.ReadBuildInfo(); ok {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if commit := settings["vcs.revision"]; commit != "" {
			parts = append(parts, "commit", commit[:min(12, len(commit))])
			if settings["vcs.modified"] == "true" {
				parts = append(parts, "(modified)")
			}
		}
	}
	return strings.Join(append(parts, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH), " ")
}

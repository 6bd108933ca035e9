package main

import (
	"errors"
	"io"
)

// restoreCmd is `everloop restore`.
type restoreCmd struct {
	Name string    `arg:"" optional:"" help:"The object's name, or its ID with --id."`
	At   pointFlag `placeholder:"TIME" help:"What to go back to: 2026-11-24T15:04:05Z, \"2026-11-24 15:04\", a time ago as 10m, or the bookmark of an object."`

	restoreObjectFlags `embed:""`
}

// Run restores.
func (c *restoreCmd) Run(stdout io.Writer) error {
	if c.Object == "" {
		return errors.New("say which object: everloop restore --object CLASS NAME --at TIME")
	}
	return c.restoreObject(stdout, c.Name, c.At)
}

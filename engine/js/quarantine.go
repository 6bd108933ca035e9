package js

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// exitStuck is the exit code of a process that had a turn which could not be interrupted.
const exitStuck = 70

func exit() { os.Exit(exitStuck) }

// stuck is the watchdog's last resort: a turn that was interrupted is still there, so its loop serves nobody. The object
// is put into the quarantine, so that the next start does not end the same way, and the process ends.
func (a *App) stuck(r vm.Running) {
	class, id, isObject := strings.Cut(r.Label, " ")
	if isObject = isObject && len(id) == 64; !isObject {
		class = r.Label
	}
	log := a.opts.Logger.With("class", class, "ran", r.For, "limit", r.Limit)
	if isObject {
		log = log.With("object", id)
		if err := a.quarantine.add(class, id); err != nil {
			log.Error("the object could not be put into the quarantine", "err", err)
		}
	}
	log.Error("a turn cannot be interrupted: the process ends, to serve everybody else after its restart", "exit", exitStuck, "quarantine", a.quarantine.file)
	a.opts.Fatal()
}

// quarantine is the list of objects that are not run: one a line, with class, ID and reason. A person releases one by
// removing its line and starting again. It is read at the start, and then only added to on the way out.
type quarantine struct {
	file    string
	objects map[string]string // "class id" to the whole line
}

func (q *quarantine) load(file string) error {
	q.file, q.objects = file, map[string]string{}
	if file == "" {
		return nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the quarantine: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 2 || len(fields[1]) != 64 {
			return fmt.Errorf("%s:%d: want a class and an object's ID, got %q: correct the line or remove it", file, n, line)
		}
		q.objects[fields[0]+" "+fields[1]] = line
	}
	return lines.Err()
}

// refuses returns why an object is not run, or nil.
func (q *quarantine) refuses(class, id string) error {
	if _, ok := q.objects[class+" "+id]; !ok {
		return nil
	}
	return &engine.Error{Name: "Error", Overloaded: true, Message: fmt.Sprintf(
		"This object is in the quarantine: it once blocked its event loop and could not be interrupted. Remove its line from %s and restart to release it.", q.file)}
}

// add writes an object to the list, durably.
func (q *quarantine) add(class, id string) error {
	if q.file == "" {
		return nil
	}
	f, err := os.OpenFile(q.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s %s could not be interrupted\n", class, id); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(q.file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

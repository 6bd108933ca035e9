package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Saving is several events: editors write a file anew, or write another one and rename it over, and tools save many files at
// once. A change is told when nothing has happened for quiet, or after patience while it goes on.
const (
	watchQuiet    = 40 * time.Millisecond
	watchPatience = 400 * time.Millisecond
	// maxWatched bounds the folders that are watched.
	maxWatched = 8192
)

// A watcher tells when files of a project have changed. It watches folders, not files: a file that is replaced by a rename is
// another file. Owned by one goroutine, which calls set and next.
type watcher struct {
	fs    *fsnotify.Watcher
	files map[string]bool // that matter, absolute
	trees []string        // folders in which everything matters
	// broken: the program cannot be built, and what it would be made of is not known. Every source file in a watched folder
	// matters.
	broken bool
}

func newWatcher() (*watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("cannot watch files: %w", err)
	}
	return &watcher{fs: w}, nil
}

func (w *watcher) close() { _ = w.fs.Close() } // nothing waits for what it still has

// set changes what is watched: files, and folders with all that is in them. Of what cannot be watched it tells the first
// error; the rest is.
func (w *watcher) set(files, trees []string, broken bool) error {
	w.files, w.trees, w.broken = map[string]bool{}, trees, broken
	folders := map[string]bool{}
	for _, f := range files {
		w.files[f] = true
		folders[filepath.Dir(f)] = true
	}
	var first error
	for _, tree := range trees {
		_ = filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				folders[path] = true
			}
			if len(folders) > maxWatched {
				return fs.SkipAll
			}
			return nil
		})
	}
	for _, old := range w.fs.WatchList() {
		if !folders[old] {
			_ = w.fs.Remove(old) // it may be gone
		}
	}
	have := w.fs.WatchList()
	for folder := range folders {
		if slices.Contains(have, folder) {
			continue
		}
		if len(have) >= maxWatched {
			first = cmp.Or(first, fmt.Errorf("only %d folders are watched: restart to see changes in others", maxWatched))
			break
		}
		if err := w.fs.Add(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			if errors.Is(err, syscall.ENOSPC) {
				err = errors.New("the system watches no more folders: raise fs.inotify.max_user_watches")
			}
			first = cmp.Or(first, fmt.Errorf("changes in %s are not seen: %w", folder, err))
		}
		have = append(have, folder)
	}
	return first
}

// next waits for a change and returns the files that have changed, or nil once stop is closed.
func (w *watcher) next(stop <-chan struct{}) []string {
	changed := map[string]bool{}
	var quiet, patience <-chan time.Time
	for {
		select {
		case <-stop:
			return nil
		case e, ok := <-w.fs.Events:
			if !ok {
				return nil
			}
			if !w.matters(e) {
				continue
			}
			changed[e.Name] = true
			quiet = time.After(watchQuiet)
			if patience == nil {
				patience = time.After(watchPatience)
			}
			continue
		case _, ok := <-w.fs.Errors:
			if !ok {
				return nil
			}
			// Events were lost (there were too many at once): look at everything.
			for f := range w.files {
				changed[f] = true
			}
			quiet = time.After(watchQuiet)
			continue
		case <-quiet:
		case <-patience:
		}
		var list []string
		for f := range changed {
			list = append(list, f)
		}
		slices.Sort(list)
		return list
	}
}

// matters reports whether an event is about something that the program is made of.
func (w *watcher) matters(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	if w.files[e.Name] {
		return true
	}
	made := false
	if e.Has(fsnotify.Create) {
		info, err := os.Stat(e.Name)
		made = err == nil && info.IsDir()
	}
	for _, tree := range w.trees {
		if e.Name == tree || strings.HasPrefix(e.Name, tree+string(filepath.Separator)) {
			if made {
				_ = w.fs.Add(e.Name) // what is in it matters from now on; set will tell if it cannot be
			}
			return true
		}
	}
	switch base := filepath.Base(e.Name); {
	case base == "tsconfig.json", base == "package.json":
		return true
	case !w.broken, strings.HasPrefix(base, "."), strings.HasSuffix(base, "~"), base == "node_modules":
		return false
	case made:
		_ = w.fs.Add(e.Name)
		return true
	}
	return slices.Contains(sourceExtensions, filepath.Ext(e.Name))
}

// sourceExtensions are those of files that a program can be made of.
var sourceExtensions = []string{".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".txt", ".html", ".sql", ".bin", ".css"}

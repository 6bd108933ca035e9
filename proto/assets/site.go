package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// Bounds of a Site (Cloudflare's).
const (
	MaxFiles     = 20_000
	MaxFileBytes = 25 << 20
)

// The values of Options.HTMLHandling and Options.NotFound, as a wrangler configuration has them.
const (
	AutoTrailingSlash  = "auto-trailing-slash"
	ForceTrailingSlash = "force-trailing-slash"
	DropTrailingSlash  = "drop-trailing-slash"
	NoHTMLHandling     = "none"

	NotFoundPage          = "404-page"
	SinglePageApplication = "single-page-application"
)

// Options say what to serve and how. Directory must be set.
type Options struct {
	Directory string
	// HTMLHandling says how addresses of pages are written. Default auto-trailing-slash.
	HTMLHandling string
	// NotFound says what answers where there is no file: "404-page" the nearest 404.html, "single-page-application"
	// the index page. Default: nothing does.
	NotFound string
	// MaxBytes bounds the files together, which are kept in memory. Default 256 MiB.
	MaxBytes int64
}

// Site is the files of a folder.
type Site struct {
	opts  Options
	files map[string]*file // by their path below the folder, with a leading slash
	bytes int64

	headers   []headerRule
	redirects []redirect

	// Warnings tell of lines in _headers and _redirects that make no sense.
	Warnings []string
}

// file is one file in memory.
type file struct {
	data        []byte
	contentType string
	etag        string // with its quotation marks
	compressed  atomic.Pointer[forms]
}

// forms are the compressed forms of a file that are smaller than it; nil where there is none.
type forms struct{ gzip, zstd []byte }

// Load reads a folder. The error names the file and the remedy.
func Load(o Options) (*Site, error) {
	if o.HTMLHandling == "" {
		o.HTMLHandling = AutoTrailingSlash
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if !slices.Contains([]string{AutoTrailingSlash, ForceTrailingSlash, DropTrailingSlash, NoHTMLHandling}, o.HTMLHandling) {
		return nil, fmt.Errorf("assets: html_handling is %q: want auto-trailing-slash, force-trailing-slash, drop-trailing-slash or none", o.HTMLHandling)
	}
	if !slices.Contains([]string{"", "none", NotFoundPage, SinglePageApplication}, o.NotFound) {
		return nil, fmt.Errorf("assets: not_found_handling is %q: want none, 404-page or single-page-application", o.NotFound)
	}
	s := &Site{opts: o, files: make(map[string]*file)}
	root, err := os.OpenRoot(o.Directory)
	if err != nil {
		return nil, fmt.Errorf("assets: %w", err)
	}
	defer func() { _ = root.Close() }()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if hidden(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() || name == headersFile || name == redirectsFile {
			return nil
		}
		return s.add(root, name, d.Type()&fs.ModeSymlink != 0)
	})
	if err == nil {
		err = s.readRules(root)
	}
	if err != nil {
		return nil, fmt.Errorf("assets: read %s: %w", o.Directory, err)
	}
	return s, nil
}

// hidden reports whether a name is left out.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") && part != "." && part != ".well-known" {
			return true
		}
	}
	return false
}

func (s *Site) add(root *os.Root, name string, link bool) error {
	// Root follows no link that leads out of the folder, so neither does what is served.
	info, err := root.Stat(name)
	if err != nil {
		if link {
			return nil // it leads out, or to nothing
		}
		return err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil
	case info.Size() > MaxFileBytes:
		return fmt.Errorf("%s has %d bytes: the limit is %d; serve it from elsewhere", name, info.Size(), MaxFileBytes)
	case len(s.files) == MaxFiles:
		return fmt.Errorf("there are more than %d files", MaxFiles)
	}
	data, err := root.ReadFile(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	if s.bytes += int64(len(data)); s.bytes > s.opts.MaxBytes {
		return fmt.Errorf("the files have more than %d bytes together", s.opts.MaxBytes)
	}
	sum := sha256.Sum256(data)
	s.files["/"+name] = &file{data: data, contentType: contentType(name), etag: `"` + hex.EncodeToString(sum[:16]) + `"`}
	return nil
}

// types are what the system's table of types must not decide: it differs between machines.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".json": "application/json",
	".map": "application/json", ".txt": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8", ".xml": "application/xml", ".svg": "image/svg+xml", ".png": "image/png",
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".avif": "image/avif",
	".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf",
	".wasm": "application/wasm", ".pdf": "application/pdf", ".zip": "application/zip", ".mp4": "video/mp4",
	".webm": "video/webm", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".wav": "audio/wav", ".csv": "text/csv; charset=utf-8",
	".webmanifest": "application/manifest+json",
}

func contentType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t, ok := types[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// Len is the number of files.
func (s *Site) Len() int { return len(s.files) }

// Compress makes the compressed forms of all files, which takes a while for a large site; until a file's turn has come it
// is served as it is. It is meant to be called once, on a goroutine of its own; it returns when it is done or stop is
// closed.
func (s *Site) Compress(stop <-chan struct{}) {
	var c compressor
	for _, f := range s.files {
		select {
		case <-stop:
			return
		default:
		}
		if compressible(f.contentType) && len(f.data) >= minCompressed {
			f.compressed.Store(c.forms(f.data))
		}
	}
}

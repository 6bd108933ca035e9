package assets

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// folder makes a folder of files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t testing.TB, o Options) *Site {
	t.Helper()
	s, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var pages = map[string]string{
	"index.html": "home", "about.html": "about", "blog/index.html": "blog", "blog/post.html": "post", "both.html": "page",
	"both/index.html": "index", "data.json": "{}", "a b.txt": "space", "404.html": "none", "blog/404.html": "no post",
	".env": "secret", ".git/config": "secret", ".well-known/x.txt": "known", "noext": "raw",
}

// get returns "status body" or "status -> location", or "-" where nothing is found.
func get(s *Site, path string, header ...Field) string {
	a, found := s.Find(&Request{Method: "GET", Path: path, Header: header})
	return show(a, found)
}

func show(a Answer, found bool) string {
	if !found {
		return "-"
	}
	for _, f := range a.Header {
		if f.Name == "location" {
			return fmt.Sprint(a.Status, " -> ", f.Value)
		}
	}
	return fmt.Sprint(a.Status, " ", string(a.Body))
}

func TestHTMLHandling(t *testing.T) {
	dir := folder(t, pages)
	rows := []struct{ path, auto, force, drop, none string }{
		{"/", "200 home", "200 home", "200 home", "-"},
		{"/index", "307 -> /", "307 -> /", "307 -> /", "-"},
		{"/index.html", "307 -> /", "307 -> /", "307 -> /", "200 home"},
		{"/about", "200 about", "307 -> /about/", "200 about", "-"},
		{"/about/", "307 -> /about", "200 about", "307 -> /about", "-"},
		{"/about.html", "307 -> /about", "307 -> /about/", "307 -> /about", "200 about"},
		{"/blog", "307 -> /blog/", "307 -> /blog/", "200 blog", "-"},
		{"/blog/", "200 blog", "200 blog", "307 -> /blog", "-"},
		{"/blog/index", "307 -> /blog/", "307 -> /blog/", "307 -> /blog", "-"},
		{"/blog/index.html", "307 -> /blog/", "307 -> /blog/", "307 -> /blog", "200 blog"},
		{"/blog/post", "200 post", "307 -> /blog/post/", "200 post", "-"},
		{"/both", "200 page", "307 -> /both/", "200 page", "-"},
		{"/both/", "200 index", "200 index", "307 -> /both", "-"},
		{"/data.json", "200 {}", "200 {}", "200 {}", "200 {}"},
		{"/data.json/", "-", "-", "-", "-"},
		{"/a%20b.txt", "200 space", "200 space", "200 space", "200 space"},
		{"/noext", "200 raw", "200 raw", "200 raw", "200 raw"},
		{"/nothing", "-", "-", "-", "-"},
		{"/.env", "-", "-", "-", "-"},
		{"/.git/config", "-", "-", "-", "-"},
		{"/.well-known/x.txt", "200 known", "200 known", "200 known", "200 known"},
		{"/../about", "-", "-", "-", "-"},
		{"/%2e%2e/about", "-", "-", "-", "-"},
		{"/blog/..%2fabout", "-", "-", "-", "-"},
		{"/about%00", "-", "-", "-", "-"},
		{"/%zz", "-", "-", "-", "-"},
		{"about", "-", "-", "-", "-"},
		{"//evil.example/..", "-", "-", "-", "-"},
	}
	for _, row := range rows {
		for handling, want := range map[string]string{AutoTrailingSlash: row.auto, ForceTrailingSlash: row.force, DropTrailingSlash: row.drop, NoHTMLHandling: row.none} {
			if got := get(load(t, Options{Directory: dir, HTMLHandling: handling}), row.path); got != want {
				t.Errorf("%s, %s: %s, want %s", handling, row.path, got, want)
			}
		}
	}
	s := load(t, Options{Directory: dir})
	a, found := s.Find(&Request{Method: "GET", Path: "/blog", Query: "?a=1"})
	if got := show(a, found); got != "307 -> /blog/?a=1" {
		t.Errorf("a redirect and its query: %s", got)
	}
	for _, method := range []string{"POST", "DELETE", "OPTIONS"} {
		if _, found := s.Find(&Request{Method: method, Path: "/"}); found {
			t.Errorf("%s finds a file", method)
		}
	}
}

// A redirect must never lead to another host, whatever the folder is called.
func TestRedirectStaysHere(t *testing.T) {
	dir := folder(t, map[string]string{"evil.example/index.html": "x"})
	for _, path := range []string{"//evil.example", "/%2fevil.example", "//evil.example/index.html"} {
		if got := get(load(t, Options{Directory: dir}), path); strings.Contains(got, "-> //") {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestMissing(t *testing.T) {
	dir := folder(t, pages)
	for _, c := range []struct{ handling, path, want string }{
		{"", "/x", "-"},
		{"none", "/x", "-"},
		{NotFoundPage, "/x", "404 none"},
		{NotFoundPage, "/blog/x", "404 no post"},
		{NotFoundPage, "/blog/deep/x", "404 no post"},
		{NotFoundPage, "/%zz", "404 none"},
		{SinglePageApplication, "/any/where", "200 home"},
	} {
		a, found := load(t, Options{Directory: dir, NotFound: c.handling}).Missing(&Request{Method: "GET", Path: c.path})
		if got := show(a, found); got != c.want {
			t.Errorf("%q, %s: %s, want %s", c.handling, c.path, got, c.want)
		}
	}
}

func value(a Answer, name string) string {
	for _, f := range a.Header {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func TestConditionsAndRanges(t *testing.T) {
	s := load(t, Options{Directory: folder(t, map[string]string{"x.txt": "0123456789", "empty.txt": ""})})
	find := func(path string, header ...Field) Answer {
		a, _ := s.Find(&Request{Method: "GET", Path: path, Header: header})
		return a
	}
	etag := value(find("/x.txt"), "etag")
	if len(etag) != 34 || etag[0] != '"' {
		t.Fatalf("etag %s", etag)
	}
	for _, c := range []struct {
		name, value string
		status      int
		body, extra string
	}{
		{"if-none-match", etag, 304, "", ""},
		{"if-none-match", `"other", W/` + etag, 304, "", ""},
		{"if-none-match", "*", 304, "", ""},
		{"if-none-match", `"other"`, 200, "0123456789", ""},
		{"range", "bytes=0-3", 206, "0123", "bytes 0-3/10"},
		{"range", "bytes=8-", 206, "89", "bytes 8-9/10"},
		{"range", "bytes=5-100", 206, "56789", "bytes 5-9/10"},
		{"range", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"range", "bytes=-30", 206, "0123456789", "bytes 0-9/10"},
		{"range", "bytes=10-", 416, "", "bytes */10"},
		{"range", "bytes=-0", 416, "", "bytes */10"},
		{"range", "bytes=3-2", 200, "0123456789", ""},
		{"range", "bytes=0-1,3-4", 200, "0123456789", ""},
		{"range", "lines=0-1", 200, "0123456789", ""},
		{"range", "bytes=a-b", 200, "0123456789", ""},
		{"range", "bytes=99999999999999999999-", 200, "0123456789", ""},
	} {
		a := find("/x.txt", Field{c.name, c.value})
		if a.Status != c.status || string(a.Body) != c.body || value(a, "content-range") != c.extra {
			t.Errorf("%s: %s: %d %q %q", c.name, c.value, a.Status, a.Body, value(a, "content-range"))
		}
	}
	if a := find("/x.txt", Field{"range", "bytes=0-0"}, Field{"if-range", `"old"`}); a.Status != 200 {
		t.Errorf("a range of an older file: %d", a.Status)
	}
	if a := find("/empty.txt", Field{"range", "bytes=0-0"}); a.Status != 416 {
		t.Errorf("a range of an empty file: %d", a.Status)
	}
}

func TestCompression(t *testing.T) {
	long := strings.Repeat("The same again and again. ", 400)
	s := load(t, Options{Directory: folder(t, map[string]string{"x.html": long, "small.txt": "small", "x.png": long})})
	before, _ := s.Find(&Request{Method: "GET", Path: "/x", Header: []Field{{"accept-encoding", "gzip, zstd"}}})
	if value(before, "content-encoding") != "" || string(before.Body) != long {
		t.Error("compressed before it was")
	}
	s.Compress(nil)
	for _, c := range []struct{ accept, coding string }{
		{"", ""}, {"identity", ""}, {"gzip", "gzip"}, {"zstd", "zstd"}, {"br, GZIP;q=0.5", "gzip"}, {"gzip;q=0, *", "zstd"}, {"gzip;q=0", ""}, {"*", "?"},
	} {
		a, _ := s.Find(&Request{Method: "GET", Path: "/x", Header: []Field{{"accept-encoding", c.accept}}})
		coding := value(a, "content-encoding")
		if coding != c.coding && c.coding != "?" {
			t.Errorf("accept-encoding %q: %q", c.accept, coding)
		}
		var plain []byte
		switch coding {
		case "gzip":
			r, err := gzip.NewReader(bytes.NewReader(a.Body))
			if err != nil {
				t.Fatal(err)
			}
			plain, _ = io.ReadAll(r)
		case "zstd":
			d, err := zstd.NewReader(nil)
			if err != nil {
				t.Fatal(err)
			}
			plain, _ = d.DecodeAll(a.Body, nil)
		default:
			plain = a.Body
		}
		if string(plain) != long {
			t.Errorf("accept-encoding %q: the body is another", c.accept)
		}
		if value(a, "vary") != "accept-encoding" {
			t.Errorf("accept-encoding %q: no vary", c.accept)
		}
		again, _ := s.Find(&Request{Method: "GET", Path: "/x", Header: []Field{{"accept-encoding", c.accept}, {"if-none-match", value(a, "etag")}}})
		if again.Status != 304 {
			t.Errorf("accept-encoding %q: its own etag does not match", c.accept)
		}
	}
	for _, path := range []string{"/small.txt", "/x.png"} {
		if a, _ := s.Find(&Request{Method: "GET", Path: path, Header: []Field{{"accept-encoding", "gzip"}}}); value(a, "content-encoding") != "" {
			t.Errorf("%s is compressed", path)
		}
	}
	a, _ := s.Find(&Request{Method: "GET", Path: "/x", Header: []Field{{"accept-encoding", "gzip"}, {"range", "bytes=0-2"}}})
	if a.Status != 206 || string(a.Body) != "The" {
		t.Errorf("a range is one of the file as it is: %d %q", a.Status, a.Body)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := folder(t, map[string]string{"a.txt": "12345", "b.txt": "12345"})
	secret := folder(t, map[string]string{"secret.txt": "secret"})
	if err := os.Symlink(filepath.Join(secret, "secret.txt"), filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	if got := get(load(t, Options{Directory: dir}), "/link.txt"); got != "-" {
		t.Errorf("a link out of the folder is served: %s", got)
	}
	os.Remove(filepath.Join(dir, "link.txt"))
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Directory: filepath.Join(dir, "nope")}, "nope"},
		{Options{Directory: dir, MaxBytes: 9}, "more than 9 bytes together"},
		{Options{Directory: dir, HTMLHandling: "sometimes"}, "html_handling"},
		{Options{Directory: dir, NotFound: "sometimes"}, "not_found_handling"},
	} {
		if _, err := Load(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
}

func FuzzFind(f *testing.F) {
	dir := folder(f, pages)
	var sites []*Site
	for _, h := range []string{AutoTrailingSlash, ForceTrailingSlash, DropTrailingSlash, NoHTMLHandling} {
		sites = append(sites, load(f, Options{Directory: dir, HTMLHandling: h}))
	}
	f.Add("/about/", "bytes=0-1", "gzip")
	f.Add("//x/%2e%2e/", "bytes=-1", "*;q=0")
	f.Fuzz(func(t *testing.T, path, rng, accept string) {
		for _, s := range sites {
			r := &Request{Method: "GET", Path: path, Header: []Field{{"range", rng}, {"accept-encoding", accept}}}
			for hop := 0; ; hop++ {
				a, found := s.Find(r)
				if !found {
					break
				}
				if strings.Contains(string(a.Body), "secret") {
					t.Fatalf("%q reaches what is hidden", path)
				}
				location := value(a, "location")
				if location == "" {
					break
				}
				// A redirect leads to a page at once, and never to another host.
				if hop > 0 || strings.HasPrefix(location, "//") {
					t.Fatalf("%q is sent to %q", path, location)
				}
				r = &Request{Method: "GET", Path: location}
			}
		}
	})
}

func TestPatterns(t *testing.T) {
	match := Patterns([]string{"/api/*", "/exact", "/a*b*c", "!/api/docs/*"})
	for path, want := range map[string]bool{
		"/api/": true, "/api/x/y": true, "/api": false, "/exact": true, "/exact/": false, "/api/docs/x": false,
		"/abc": true, "/aXbYc": true, "/aXbY": false, "/abcb": false, "/": false,
	} {
		if match(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
	if Patterns(nil)("/") {
		t.Error("no pattern matches")
	}
}

package assets

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRedirects(t *testing.T) {
	dir := folder(t, map[string]string{
		"index.html": "home", "about.html": "about", "old.html": "old", "app/index.html": "app", "_redirects": `
# from to status
/home / 301
/old /about
/twitter https://twitter.example/me?x=1 307
/fragment /about#team 308
/blog/* /posts/:splat 303
/:year/:month/page /archive?of=:year-:month
/app/* /app/ 200
/rewritten /about 200
/out/* /:splat
/about.html /index.html 418
/just-one
no-slash /x
/two/*/stars/* /x
/same/:a/:a /x
https://example.com/x /y
/bad ftp://x
/proxy https://example.com/ 200
`,
	})
	s := load(t, Options{Directory: dir})
	for _, c := range []struct{ path, query, want string }{
		{"/home", "", "301 -> /"},
		{"/home", "?a=1", "301 -> /?a=1"},
		{"/old", "", "302 -> /about"}, // a file of that name does not matter
		{"/twitter", "?a=1", "307 -> https://twitter.example/me?x=1"},
		{"/fragment", "?a=1", "308 -> /about?a=1#team"},
		{"/blog/a/b", "", "303 -> /posts/a/b"},
		{"/blog", "", "-"},
		{"/2026/11/page", "", "302 -> /archive?of=2026-11"},
		{"/2026/11/12/page", "", "-"},
		{"/app/anything/below", "", "200 app"},
		{"/rewritten", "", "200 about"},
		{"/out//evil.example/x", "", "302 -> /evil.example/x"},
		{"/out/\\\\evil.example", "", "302 -> /evil.example"},
		{"/_redirects", "", "-"},
		{"/about", "", "200 about"},
	} {
		a, found := s.Find(&Request{Method: "GET", Path: c.path, Query: c.query})
		if got := show(a, found); got != c.want {
			t.Errorf("%s%s: %s, want %s", c.path, c.query, got, c.want)
		}
	}
	want := []string{
		"_redirects:12: 418 is none of", "_redirects:13: want FROM TO", `_redirects:14: "no-slash" does not begin`, "_redirects:15:", "_redirects:16: ",
		"_redirects:17: a redirect is for paths", "_redirects:18: ", "_redirects:19: only a path",
	}
	if len(s.Warnings) != len(want) {
		t.Fatalf("warnings:\n%s", strings.Join(s.Warnings, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(s.Warnings[i], want[i]) {
			t.Errorf("warning %q, want %q", s.Warnings[i], want[i])
		}
	}
}

func TestHeaders(t *testing.T) {
	dir := folder(t, map[string]string{
		"index.html": "home", "a.txt": "a", "sub/b.txt": "b", "404.html": "none", "_redirects": "/gone /a.txt 301", "_headers": `
/*
  X-All: yes
  X-Twice: one
/sub/*
  X-Twice: two
  X-Splat: :splat
  Cache-Control: max-age=60
/sub/b.txt
  ! X-All
https://example.com/a.txt
  X-Host: example
/:name.txt
  X-Name: :name
/a.txt
  Set-Cookie: a=1
  Set-Cookie: b=2
  No Name: x
  X-Empty:
below nothing: x
/*/*
  X-Not: x
`,
	})
	s := load(t, Options{Directory: dir, NotFound: NotFoundPage})
	header := func(a Answer, names ...string) string {
		var parts []string
		for _, f := range a.Header {
			if strings.HasPrefix(f.Name, "x-") && f.Name != "x-content-type-options" || slices.Contains(names, f.Name) {
				parts = append(parts, f.Name+": "+f.Value)
			}
		}
		slices.Sort(parts)
		return strings.Join(parts, "; ")
	}
	for _, c := range []struct{ host, path, want string }{
		{"", "/", "cache-control: public, max-age=0, must-revalidate; x-all: yes; x-twice: one"},
		{"", "/sub/b.txt", "cache-control: max-age=60; x-splat: b.txt; x-twice: one, two"},
		{"", "/a.txt", "cache-control: public, max-age=0, must-revalidate; set-cookie: a=1; set-cookie: b=2; x-all: yes; x-name: a; x-twice: one"},
		{"example.com", "/a.txt", "cache-control: public, max-age=0, must-revalidate; set-cookie: a=1; set-cookie: b=2; x-all: yes; x-host: example; x-name: a; x-twice: one"},
		{"", "/gone", "x-all: yes; x-twice: one"},
	} {
		a, found := s.Find(&Request{Method: "GET", Path: c.path, Host: c.host})
		if got := header(a, "cache-control", "set-cookie"); !found || got != c.want {
			t.Errorf("%s%s: %s\nwant %s", c.host, c.path, got, c.want)
		}
	}
	if a, found := s.Missing(&Request{Method: "GET", Path: "/nothing"}); !found || header(a) != "x-all: yes; x-twice: one" {
		t.Errorf("a page for what is missing: %v", a)
	}
	// A second request finds the rules unchanged.
	if a, _ := s.Find(&Request{Method: "GET", Path: "/"}); header(a) != "x-all: yes; x-twice: one" {
		t.Errorf("asked again: %s", header(a))
	}
	if got := fmt.Sprint(len(s.Warnings), " ", strings.Join(s.Warnings, " ")); !strings.HasPrefix(got, "5 _headers:18: want NAME: VALUE: the line is left out _headers:19: the header X-Empty has no value") {
		t.Errorf("warnings: %s", got)
	}
}

func TestRulesAreBounded(t *testing.T) {
	var headers, redirects strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&headers, "/%d\n  X: y\n", i)
		fmt.Fprintf(&redirects, "/%d /x\n/%d/* /x\n", i, i)
	}
	redirects.WriteString("/" + strings.Repeat("x", maxRuleLine) + " /x\n")
	s := load(t, Options{Directory: folder(t, map[string]string{"_headers": headers.String(), "_redirects": redirects.String()})})
	if len(s.headers) != maxHeaderRules || len(s.redirects) != maxStaticRedirects+maxDynamicRedirects || len(s.Warnings) != maxWarnings {
		t.Errorf("%d rules of headers, %d redirects, %d warnings", len(s.headers), len(s.redirects), len(s.Warnings))
	}
}

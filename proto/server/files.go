package server

import (
	"fmt"
	"strings"
	"sync/atomic"

	"everloop/engine"
	"everloop/proto/assets"
)

// Files are the static files of a project. They answer before its entry point is asked, unless they are told otherwise; and they are
// an entry point themselves, for a program that has them as a binding. They can be replaced while they are served. Safe
// for concurrent use.
type Files struct{ now atomic.Pointer[files] }

type files struct {
	site  *assets.Site
	first func(path string) bool
}

// NewFiles makes Files of a site. programFirst says which paths reach the entry point before the files; nil: none.
func NewFiles(site *assets.Site, programFirst func(path string) bool) *Files {
	f := new(Files)
	f.Replace(site, programFirst)
	return f
}

// Replace puts another site in the place of what there is; nil: no files.
func (f *Files) Replace(site *assets.Site, programFirst func(path string) bool) {
	f.now.Store(&files{site, programFirst})
}

// answer answers a request with a file, or returns nil.
func (f *Files) answer(r *engine.Request) *engine.Response {
	if f == nil || r.Method != "GET" && r.Method != "HEAD" {
		return nil
	}
	now := f.now.Load()
	if now.site == nil {
		return nil
	}
	path, query := target(r.URL)
	if now.first != nil && now.first(path) {
		return nil
	}
	q := assets.Request{Method: r.Method, Path: path, Query: query, Header: r.Header, Host: hostOf(r.URL)}
	a, found := now.site.Find(&q)
	// A browser that goes to an address of a single-page application gets its page; what its scripts ask for goes
	// to the program.
	if !found && now.site.SinglePage() && r.Header.Get("sec-fetch-mode") == "navigate" {
		a, found = now.site.Missing(&q)
	}
	if !found {
		return nil
	}
	return response(a)
}

func response(a assets.Answer) *engine.Response {
	return &engine.Response{Status: a.Status, Header: a.Header, Body: engine.Bytes(a.Body)}
}

// Serve answers a program that asks for a file through its binding: where there is none, as the site says for what is missing,
// and else with 404.
func (f *Files) Serve(ev *engine.Event) {
	if ev.Kind != engine.EventFetch {
		for _, c := range ev.Caps {
			c.Dropped()
		}
		ev.Fail(&engine.Error{Name: "TypeError", Message: fmt.Sprintf("The RPC receiver does not implement the method %q.", ev.Method)})
		return
	}
	r := ev.Request
	now := f.now.Load()
	switch {
	case now.site == nil:
		ev.Respond(&engine.Response{Status: 404})
		return
	case r.Method != "GET" && r.Method != "HEAD":
		ev.Respond(&engine.Response{Status: 405, Header: engine.Header{{Name: "allow", Value: "GET, HEAD"}}})
		return
	}
	path, query := target(r.URL)
	q := assets.Request{Method: r.Method, Path: path, Query: query, Header: r.Header, Host: hostOf(r.URL)}
	a, found := now.site.Find(&q)
	if !found {
		a, found = now.site.Missing(&q)
	}
	if !found {
		a = assets.Answer{Status: 404}
	}
	resp := response(a)
	if r.Method == "HEAD" {
		resp.Body = engine.Body{}
	}
	ev.Respond(resp)
}

// target returns path and query, with its question mark, of an absolute URL.
func target(url string) (path, query string) {
	if i := strings.Index(url, "://"); i >= 0 {
		url = url[i+3:]
	}
	i := strings.IndexAny(url, "/?")
	if i < 0 {
		return "/", ""
	}
	path, query, found := strings.Cut(url[i:], "?")
	if found {
		query = "?" + query
	}
	if path == "" {
		path = "/"
	}
	return path, query
}

// hostOf is the host of an absolute URL, without its port, in lower case.
func hostOf(url string) string {
	if i := strings.Index(url, "://"); i >= 0 {
		url = url[i+3:]
	}
	if i := strings.IndexAny(url, "/?"); i >= 0 {
		url = url[:i]
	}
	if i := strings.LastIndexByte(url, ':'); i > strings.LastIndexByte(url, ']') {
		url = url[:i]
	}
	return strings.ToLower(url)
}

package server

import (
	"strings"

	"everloop/engine"
	"everloop/proto/assets"
)

// Static files of a project answer before its entry point is asked, unless Options.WorkerFirst says otherwise.

// file answers a request with a file, or returns nil.
func (s *Server) file(r *engine.Request) *engine.Response {
	site := s.opts.Assets
	if site == nil || r.Method != "GET" && r.Method != "HEAD" {
		return nil
	}
	path, query := target(r.URL)
	if s.opts.WorkerFirst != nil && s.opts.WorkerFirst(path) {
		return nil
	}
	q := assets.Request{Method: r.Method, Path: path, Query: query, Header: r.Header}
	a, found := site.Find(&q)
	// A browser that goes to an address of a single-page application gets its page; what its scripts ask for goes
	// to the program.
	if !found && site.SinglePage() && r.Header.Get("sec-fetch-mode") == "navigate" {
		a, found = site.Missing(&q)
	}
	if !found {
		return nil
	}
	return &engine.Response{Status: a.Status, Header: a.Header, Body: engine.Bytes(a.Body)}
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

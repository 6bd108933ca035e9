package assets

import (
	"net/url"
	"path"
	"strconv"
	"strings"
)

// Field is one header field. An alias, so that lists of fields pass between packages that do not know each other.
type Field = struct{ Name, Value string }

// Request is what a Site has to know of a request. Header is in lower case.
type Request struct {
	Method string
	// Path is that of the request's URL, as it came: percent-encoded, without query.
	Path string
	// Query is the URL's query with its question mark, or "". Redirects keep it.
	Query  string
	Header []Field
	// Host is that of the request's URL, without port and in lower case. Rules of _headers may be for one host.
	Host string
}

func (r *Request) header(name string) string {
	for i := range r.Header {
		if r.Header[i].Name == name {
			return r.Header[i].Value
		}
	}
	return ""
}

// Answer is the response. Body must not be changed. For HEAD it is what GET would have had; the server leaves it out.
type Answer struct {
	Status int
	Header []Field
	Body   []byte
}

// Find answers a request for a file, a page, or another address of a page. found is false where the site has nothing
// there, and for methods other than GET and HEAD.
func (s *Site) Find(r *Request) (a Answer, found bool) {
	if r.Method != "GET" && r.Method != "HEAD" {
		return a, false
	}
	path := r.Path
	to, status := s.redirected(r)
	if status == 200 {
		path, _, _ = strings.Cut(to, "?")
		path, _, _ = strings.Cut(path, "#")
	} else if status != 0 {
		return s.dress(Answer{Status: status, Header: []Field{{"location", withQuery(to, r.Query)}}}, r), true
	}
	name, ok := decodePath(path)
	if !ok {
		return a, false
	}
	target, f := s.resolve(name)
	switch {
	case f != nil:
		return s.dress(s.serve(f, r, 200), r), true
	case target != "":
		location := escapedPath(target) + r.Query
		if strings.HasPrefix(location, "//") {
			return a, false // it would name another host
		}
		return s.dress(Answer{Status: 307, Header: []Field{{"location", location}, {"cache-control", "public, max-age=0, must-revalidate"}}}, r), true
	}
	return a, false
}

// Missing answers a request that neither the site nor the program has anything for, as Options.NotFound says.
func (s *Site) Missing(r *Request) (a Answer, found bool) {
	if r.Method != "GET" && r.Method != "HEAD" {
		return a, false
	}
	switch s.opts.NotFound {
	case SinglePageApplication:
		if f := s.files["/index.html"]; f != nil {
			return s.dress(s.serve(f, r, 200), r), true
		}
	case NotFoundPage:
		name, ok := decodePath(r.Path)
		if !ok {
			name = "/"
		}
		for dir := path.Dir(name); ; dir = path.Dir(dir) {
			if f := s.files[path.Join(dir, "404.html")]; f != nil {
				return s.dress(s.serve(f, r, 404), r), true
			}
			if dir == "/" || dir == "." {
				break
			}
		}
	}
	return a, false
}

// SinglePage reports whether the site is a single-page application.
func (s *Site) SinglePage() bool { return s.opts.NotFound == SinglePageApplication }

// decodePath decodes a request's path. It refuses what no file has: a NUL, or segments that lead elsewhere.
func decodePath(p string) (string, bool) {
	if !strings.HasPrefix(p, "/") {
		return "", false
	}
	name, err := url.PathUnescape(p)
	if err != nil || strings.ContainsRune(name, 0) {
		return "", false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "." || part == ".." {
			return "", false
		}
	}
	return name, true
}

// resolve finds what a decoded path means: a file, or the address that the page has instead.
func (s *Site) resolve(name string) (target string, f *file) {
	handling := s.opts.HTMLHandling
	if handling == NoHTMLHandling {
		return "", s.files[name]
	}
	base, slash := strings.CutSuffix(name, "/")
	if base != "" || slash {
		page, index := s.files[base+".html"], s.files[base+"/index.html"]
		if base == "" {
			page = nil // "/.html" is no page
		}
		switch {
		case slash && base == "":
			return "", index
		case slash:
			return s.withSlash(base, page, index)
		}
		// Other ways to write the address of a page.
		if dir, ok := strings.CutSuffix(name, "/index.html"); ok && s.files[name] != nil {
			return s.address(dir, true), nil
		}
		if dir, ok := strings.CutSuffix(name, "/index"); ok && s.files[name] == nil && s.files[name+".html"] != nil {
			return s.address(dir, true), nil
		}
		if bare, ok := strings.CutSuffix(name, ".html"); ok && s.files[name] != nil {
			return s.address(bare, false), nil
		}
		if f := s.files[name]; f != nil {
			return "", f
		}
		return s.withoutSlash(base, page, index)
	}
	return "", nil
}

// address is where the page base (of a folder's index, if index is set) is served.
func (s *Site) address(base string, index bool) string {
	switch {
	case base == "":
		return "/"
	case s.opts.HTMLHandling == ForceTrailingSlash, s.opts.HTMLHandling == AutoTrailingSlash && index:
		return base + "/"
	}
	return base
}

func (s *Site) withSlash(base string, page, index *file) (string, *file) {
	switch s.opts.HTMLHandling {
	case ForceTrailingSlash:
		if index != nil {
			return "", index
		}
		return "", page
	case DropTrailingSlash:
		if page != nil || index != nil {
			return base, nil
		}
	default:
		if index != nil {
			return "", index
		}
		if page != nil {
			return base, nil
		}
	}
	return "", nil
}

func (s *Site) withoutSlash(base string, page, index *file) (string, *file) {
	switch s.opts.HTMLHandling {
	case ForceTrailingSlash:
		if page != nil || index != nil {
			return base + "/", nil
		}
	case DropTrailingSlash:
		if page != nil {
			return "", page
		}
		return "", index
	default:
		if page != nil {
			return "", page
		}
		if index != nil {
			return base + "/", nil
		}
	}
	return "", nil
}

// serve answers with a file.
func (s *Site) serve(f *file, r *Request, status int) Answer {
	a := Answer{Status: status, Header: make([]Field, 0, 8)}
	add := func(name, value string) { a.Header = append(a.Header, Field{name, value}) }
	etag, body := f.etag, f.data
	forms := f.compressed.Load()
	if compressible(f.contentType) && len(f.data) >= minCompressed {
		add("vary", "accept-encoding")
	}
	ranged := status == 200 && r.Method == "GET" && r.header("range") != ""
	if forms != nil && !ranged {
		if coding, data := forms.choose(r.header("accept-encoding")); data != nil {
			body = data
			// Another sequence of bytes is another representation, with a tag of its own.
			etag = strings.TrimSuffix(f.etag, `"`) + "-" + coding + `"`
			add("content-encoding", coding)
		}
	}
	add("etag", etag)
	add("cache-control", "public, max-age=0, must-revalidate")
	if status == 200 && matches(r.header("if-none-match"), f.etag) {
		a.Status = 304
		return a
	}
	add("content-type", f.contentType)
	add("x-content-type-options", "nosniff")
	if status == 200 {
		add("accept-ranges", "bytes")
	}
	a.Body = body
	if ranged && (r.header("if-range") == "" || r.header("if-range") == f.etag) {
		first, last, kind := parseRange(r.header("range"), int64(len(f.data)))
		switch kind {
		case rangeGood:
			a.Status, a.Body = 206, f.data[first:last+1]
			add("content-range", "bytes "+strconv.FormatInt(first, 10)+"-"+strconv.FormatInt(last, 10)+"/"+strconv.Itoa(len(f.data)))
		case rangeOutside:
			a.Status, a.Body = 416, nil
			add("content-range", "bytes */"+strconv.Itoa(len(f.data)))
		case rangeIgnored:
		}
	}
	return a
}

// choose picks the form that a client takes (RFC 9110, section 12.5.3). The smaller one wins where it takes both.
func (f *forms) choose(accept string) (coding string, data []byte) {
	takes := func(name string) bool {
		others := false
		for part := range strings.SplitSeq(accept, ",") {
			token, params, _ := strings.Cut(part, ";")
			token = strings.ToLower(strings.TrimSpace(token))
			weight, given := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
			q, err := strconv.ParseFloat(weight, 64)
			ok := !given || err == nil && q > 0
			switch token {
			case name:
				return ok
			case "*":
				others = ok
			}
		}
		return others
	}
	if f.zstd != nil && takes("zstd") {
		coding, data = "zstd", f.zstd
	}
	if f.gzip != nil && (data == nil || len(f.gzip) < len(data)) && takes("gzip") {
		coding, data = "gzip", f.gzip
	}
	return coding, data
}

// matches reports whether an If-None-Match names the file, in any of its forms.
func matches(list, etag string) bool {
	if strings.TrimSpace(list) == "*" {
		return true
	}
	bare := strings.Trim(etag, `"`)
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
		if tag == bare || tag == bare+"-gzip" || tag == bare+"-zstd" {
			return true
		}
	}
	return false
}

// What a Range field asks for.
type rangeKind uint8

const (
	rangeIgnored rangeKind = iota // it is malformed, or of several ranges, which a server need not give
	rangeGood
	rangeOutside
)

// parseRange reads a Range of one range of bytes (RFC 9110, section 14.1.2).
func parseRange(field string, size int64) (first, last int64, kind rangeKind) {
	spec, ok := strings.CutPrefix(strings.TrimSpace(field), "bytes=")
	from, to, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, 0, rangeIgnored
	}
	number := func(s string) (int64, bool) {
		n, err := strconv.ParseUint(s, 10, 62)
		return int64(n), err == nil
	}
	if from == "" {
		n, ok := number(to)
		switch {
		case !ok:
			return 0, 0, rangeIgnored
		case n == 0 || size == 0:
			return 0, 0, rangeOutside
		}
		return max(0, size-n), size - 1, rangeGood
	}
	first, ok = number(from)
	last = size - 1
	if to != "" {
		n, ok2 := number(to)
		if ok = ok && ok2 && n >= first; n < last {
			last = n
		}
	}
	switch {
	case !ok:
		return 0, 0, rangeIgnored
	case first >= size:
		return 0, 0, rangeOutside
	}
	return first, last, rangeGood
}

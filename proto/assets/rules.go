package assets

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// The files _headers and _redirects of a folder are not served: they say how the others are. A line that makes no sense is
// left out, and told in Site.Warnings.

// Bounds of the rules (Cloudflare's).
const (
	maxHeaderRules      = 100
	maxStaticRedirects  = 2000
	maxDynamicRedirects = 100
	maxRuleLine         = 2000 // bytes
)

// pattern is what a rule's path matches: `*`, once, any text, and `:name` a part of a path.
type pattern struct {
	host string // lower case; "": any
	path *regexp.Regexp
	text string // of a pattern that has neither; path is nil
}

var placeholder = regexp.MustCompile(`:[A-Za-z]\w*`)

// parsePattern reads the first word of a rule.
func parsePattern(text string) (p pattern, dynamic bool, err error) {
	if rest, ok := strings.CutPrefix(text, "https://"); ok {
		host, path, _ := strings.Cut(rest, "/")
		if strings.Contains(host, ":") {
			return p, false, fmt.Errorf("a port cannot be given")
		}
		p.host, text = strings.ToLower(host), "/"+path
	}
	text, _, _ = strings.Cut(text, "#")
	switch {
	case !strings.HasPrefix(text, "/"):
		return p, false, fmt.Errorf("%q does not begin with / or https://", text)
	case strings.Count(text, "*") > 1:
		return p, false, fmt.Errorf("%q has more than one *", text)
	}
	seen := map[string]bool{"splat": true}
	var b strings.Builder
	last := 0
	for _, at := range placeholder.FindAllStringIndex(text, -1) {
		name := text[at[0]+1 : at[1]]
		if seen[name] {
			return p, false, fmt.Errorf("%q has two placeholders named %s", text, name)
		}
		seen[name] = true
		b.WriteString(quoteSplat(text[last:at[0]]))
		fmt.Fprintf(&b, "(?P<%s>[^/]+)", name)
		last = at[1]
	}
	b.WriteString(quoteSplat(text[last:]))
	if last == 0 && !strings.Contains(text, "*") {
		p.text = text
		return p, false, nil
	}
	p.path, err = regexp.Compile("^" + b.String() + "$")
	return p, true, err
}

func quoteSplat(text string) string {
	return strings.Replace(regexp.QuoteMeta(text), `\*`, "(?P<splat>.*)", 1)
}

// match reports whether a request matches, and with what its placeholders were filled.
func (p *pattern) match(r *Request) (filled map[string]string, ok bool) {
	if p.host != "" && p.host != r.Host {
		return nil, false
	}
	if p.path == nil {
		return nil, p.text == r.Path
	}
	found := p.path.FindStringSubmatch(r.Path)
	if found == nil {
		return nil, false
	}
	filled = map[string]string{}
	for i, name := range p.path.SubexpNames() {
		if name != "" {
			filled[name] = found[i]
		}
	}
	return filled, true
}

// fill puts what a pattern has matched into a text.
func fill(text string, filled map[string]string) string {
	if len(filled) == 0 {
		return text
	}
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if v, ok := filled[name[1:]]; ok {
			return v
		}
		return name
	})
}

// redirect is a line of _redirects.
type redirect struct {
	from   pattern
	to     string
	status int // 200: the file at to is served under the request's own address
}

// parseRedirects reads _redirects.
func parseRedirects(text string, warn func(line int, format string, args ...any)) []redirect {
	var list []redirect
	static, dynamic := 0, 0
	n := 0
	for line := range strings.Lines(text) {
		n++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		r := redirect{status: 302}
		switch {
		case len(line) > maxRuleLine:
			warn(n, "the line is longer than %d bytes", maxRuleLine)
			continue
		case len(words) < 2 || len(words) > 3:
			warn(n, "want FROM TO [STATUS]")
			continue
		}
		r.to = words[1]
		if len(words) == 3 {
			status, err := strconv.Atoi(words[2])
			switch {
			case err == nil && (status == 200 || status == 301 || status == 302 || status == 303 || status == 307 || status == 308):
				r.status = status
			default:
				warn(n, "%s is none of 200, 301, 302, 303, 307 and 308", words[2])
				continue
			}
		}
		from, isDynamic, err := parsePattern(words[0])
		switch {
		case err != nil:
			warn(n, "%v", err)
			continue
		case from.host != "":
			warn(n, "a redirect is for paths, not for hosts")
			continue
		case !strings.HasPrefix(r.to, "/") && !strings.HasPrefix(r.to, "https://") && !strings.HasPrefix(r.to, "http://"):
			warn(n, "%q is neither a path nor an address", r.to)
			continue
		case r.status == 200 && !strings.HasPrefix(r.to, "/"):
			warn(n, "only a path can be served with status 200")
			continue
		case isDynamic && dynamic == maxDynamicRedirects, !isDynamic && static == maxStaticRedirects:
			warn(n, "there are more than %d redirects with placeholders, or more than %d without", maxDynamicRedirects, maxStaticRedirects)
			continue
		}
		if r.from = from; isDynamic {
			dynamic++
		} else {
			static++
		}
		list = append(list, r)
	}
	return list
}

// redirected finds the redirect of a request: the topmost that matches. to is the address with its placeholders filled.
func (s *Site) redirected(r *Request) (to string, status int) {
	for i := range s.redirects {
		rule := &s.redirects[i]
		filled, ok := rule.from.match(r)
		if !ok {
			continue
		}
		to = fill(rule.to, filled)
		if strings.HasPrefix(rule.to, "/") {
			to = "/" + strings.TrimLeft(to, "/\\") // more slashes would name another host
		}
		return to, rule.status
	}
	return "", 0
}

// withQuery adds the request's query to an address that has none, before its fragment.
func withQuery(address, query string) string {
	before, fragment, hash := strings.Cut(address, "#")
	if strings.Contains(before, "?") || query == "" {
		return address
	}
	if hash {
		fragment = "#" + fragment
	}
	return before + query + fragment
}

// headerRule is a block of _headers.
type headerRule struct {
	on    pattern
	set   []Field // names in lower case
	unset []string
}

// fieldName is a header's name (RFC 9110, section 5.6.2).
var fieldName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// parseHeaders reads _headers.
func parseHeaders(text string, warn func(line int, format string, args ...any)) []headerRule {
	var list []headerRule
	var rule *headerRule // nil: its first line made no sense
	n := 0
	for line := range strings.Lines(text) {
		n++
		content := strings.TrimSpace(line)
		switch {
		case content == "" || content[0] == '#':
			continue
		case len(line) > maxRuleLine:
			warn(n, "the line is longer than %d bytes", maxRuleLine)
			continue
		case line[0] == '/' || strings.HasPrefix(line, "https://"):
			rule = nil
			on, _, err := parsePattern(content)
			switch {
			case err != nil:
				warn(n, "%v", err)
			case len(list) == maxHeaderRules:
				warn(n, "there are more than %d rules", maxHeaderRules)
			default:
				list = append(list, headerRule{on: on})
				rule = &list[len(list)-1]
			}
			continue
		case rule == nil:
			warn(n, "a header belongs below a path")
			continue
		}
		if name, ok := strings.CutPrefix(content, "!"); ok {
			if name = strings.TrimSpace(name); !fieldName.MatchString(name) {
				warn(n, "%q is no name of a header", name)
				continue
			}
			rule.unset = append(rule.unset, strings.ToLower(name))
			continue
		}
		name, value, ok := strings.Cut(content, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || !fieldName.MatchString(name):
			warn(n, "want NAME: VALUE")
		case value == "":
			warn(n, "the header %s has no value", name)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			warn(n, "the value of %s has control characters", name)
		default:
			rule.set = append(rule.set, Field{strings.ToLower(name), value})
		}
	}
	return list
}

// dress gives an answer the headers that the folder wants for the request: they take the place of those it has. What several
// rules set is joined.
func (s *Site) dress(a Answer, r *Request) Answer {
	if len(s.headers) == 0 {
		return a
	}
	set := map[string]bool{}
	for i := range s.headers {
		rule := &s.headers[i]
		filled, ok := rule.on.match(r)
		if !ok {
			continue
		}
		for _, name := range rule.unset {
			a.Header = without(a.Header, name)
			delete(set, name)
		}
		for _, f := range rule.set {
			f.Value = fill(f.Value, filled)
			if set[f.Name] && f.Name != "set-cookie" {
				for i := range a.Header {
					if a.Header[i].Name == f.Name {
						a.Header[i].Value += ", " + f.Value
					}
				}
				continue
			}
			if !set[f.Name] {
				a.Header = without(a.Header, f.Name)
			}
			set[f.Name] = true
			a.Header = append(a.Header, f)
		}
	}
	return a
}

func without(list []Field, name string) []Field {
	kept := list[:0]
	for _, f := range list {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	return kept
}

// readRules reads _headers and _redirects.
func (s *Site) readRules(root *os.Root) error {
	read := func(name string) (string, error) {
		text, err := root.ReadFile(name)
		if os.IsNotExist(err) {
			return "", nil
		}
		return string(text), err
	}
	warn := func(name string) func(int, string, ...any) {
		return func(line int, format string, args ...any) {
			if len(s.Warnings) < maxWarnings {
				s.Warnings = append(s.Warnings, fmt.Sprintf("%s:%d: %s: the line is left out", name, line, fmt.Sprintf(format, args...)))
			}
		}
	}
	text, err := read(headersFile)
	if err != nil {
		return err
	}
	s.headers = parseHeaders(text, warn(headersFile))
	if text, err = read(redirectsFile); err != nil {
		return err
	}
	s.redirects = parseRedirects(text, warn(redirectsFile))
	return nil
}

const (
	headersFile   = "_headers"
	redirectsFile = "_redirects"
	maxWarnings   = 20
)

// escapedPath is a decoded path as it stands in a URL.
func escapedPath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

package server

import (
	"html"
	"net/netip"
	"net/url"
	"strings"

	"everloop/engine"
)

// Page is a page that tells a person who develops a program what is wrong. All of it is text: it is escaped. Empty parts are left
// out.
type Page struct {
	Status  int    // default 500
	Title   string // what kind of thing is wrong, in a few words
	Message string // what is wrong
	Where   string // the place: a class, a method and an object, or a file
	Source  string // lines of the source, with a caret
	Stack   string
	// Again makes the browser ask again after a second: for what passes without its doing.
	Again bool
}

// pageHead is everything up to the title. There is no script in a page, and it loads nothing.
const pageHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem; color: light-dark(#b00020, #ff8a80); white-space: pre-wrap; overflow-wrap: anywhere }
pre { font: 13px/1.5 ui-monospace, monospace; padding: 1rem; overflow-x: auto; border-radius: 6px; background: light-dark(#f4f4f4, #222) }
pre b { color: light-dark(#b00020, #ff8a80) }
p { color: light-dark(#555, #aaa); overflow-wrap: anywhere }
</style><title>`

// maxPagePart bounds each part of a page.
const maxPagePart = 64 << 10

// response makes the answer.
func (p *Page) response() *engine.Response {
	status := p.Status
	if status == 0 {
		status = 500
	}
	part := func(text string) string {
		if len(text) > maxPagePart {
			text = text[:maxPagePart] + "..."
		}
		return html.EscapeString(strings.ToValidUTF8(text, "\ufffd"))
	}
	var b strings.Builder
	b.WriteString(pageHead)
	b.WriteString(part(p.Title))
	b.WriteString("</title>")
	if p.Again {
		b.WriteString(`<meta http-equiv="refresh" content="1">`)
	}
	b.WriteString("</head><body>\n<p id=\"title\">" + part(p.Title) + "</p>\n<h1 id=\"message\">" + part(p.Message) + "</h1>\n")
	if p.Where != "" {
		b.WriteString("<p id=\"where\">in " + part(p.Where) + "</p>\n")
	}
	if p.Source != "" {
		b.WriteString("<pre id=\"source\">")
		for line := range strings.Lines(part(p.Source)) {
			if strings.HasPrefix(line, "&gt;") || strings.HasSuffix(strings.TrimSuffix(line, "\n"), "^") && strings.Trim(line, " |^\t\n") == "" {
				line = "<b>" + line + "</b>"
			}
			b.WriteString(line)
		}
		b.WriteString("</pre>\n")
	}
	if p.Stack != "" {
		b.WriteString("<pre id=\"stack\">" + part(p.Stack) + "</pre>\n")
	}
	b.WriteString("</body></html>\n")
	return &engine.Response{Status: status, Header: engine.Header{
		{Name: "content-type", Value: "text/html; charset=utf-8"},
		{Name: "cache-control", Value: "no-store"},
		{Name: "content-security-policy", Value: "default-src 'none'; style-src 'unsafe-inline'"},
		{Name: "x-content-type-options", Value: "nosniff"},
	}, Body: engine.Bytes([]byte(b.String()))}
}

// failurePage tells of a failed request.
func failurePage(status int, e *engine.Error) Page {
	p := Page{Status: status, Title: "The program failed", Message: named(e), Source: e.Excerpt, Stack: e.Stack}
	if status == 503 {
		p.Title = "The program could not take the request"
	}
	if e.Class != "" || e.Method != "" {
		p.Where = e.Where()
	}
	return p
}

// before answers a request in the place of the entry point: with a page for the developer, or a file. It returns nil for those that
// the entry point is to answer.
func (s *Server) before(r *engine.Request) *engine.Response {
	if s.opts.Instead != nil && s.opts.Detail && browses(r) && near(r) {
		if p := s.opts.Instead(); p != nil {
			return p.response()
		}
	}
	return s.opts.Files.answer(r)
}

// browses reports whether the request is a browser's, that wants a page.
func browses(r *engine.Request) bool {
	accept := r.Header.Get("accept")
	for part := range strings.SplitSeq(accept, ",") {
		kind, _, _ := strings.Cut(part, ";")
		if strings.TrimSpace(kind) == "text/html" {
			return true
		}
	}
	return false
}

// proxied are fields that a proxy adds.
var proxied = []string{"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "cf-connecting-ip"}

// near reports whether the request was made on this machine, as far as it tells: to a name of loopback, so that no page of
// elsewhere can have made it under a name of its own, and not through a proxy.
func near(r *engine.Request) bool {
	for _, f := range r.Header {
		for _, name := range proxied {
			if f.Name == name {
				return false
			}
		}
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

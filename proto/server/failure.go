package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"everloop/engine"
)

// failed logs an error, in one line, and returns the answer for the client.
func (x *exchange) failed(err error) *engine.Response {
	s := x.s
	status, text, retryAfter := statusOf(err)
	e, _ := errors.AsType[*engine.Error](err)
	if e == nil {
		e = &engine.Error{Class: "default", Method: "fetch", Name: "Error", Message: err.Error()}
	}
	level, message := slog.LevelError, "request failed"
	switch {
	case s.c.Gone():
		// Most often it failed because the client has gone, and nobody waits for it in any case.
		level, message = slog.LevelDebug, "request failed after its client had gone"
	case status == 503:
		level, message = slog.LevelWarn, "request refused"
	}
	ctx := context.Background()
	if log := s.srv.opts.Logger; log.Enabled(ctx, level) {
		attrs := []slog.Attr{
			slog.String("request_method", x.req.Method), slog.String("path", pathOf(x.req.URL)),
			slog.Int("status", status),
			slog.String("class", e.Class), slog.String("object", e.Object), slog.String("method", e.Method),
			slog.String("error", named(e)), slog.String("stack", e.Stack),
		}
		if e.Excerpt != "" {
			attrs = append(attrs, slog.String("excerpt", e.Excerpt))
		}
		log.LogAttrs(ctx, level, message, attrs...)
	}
	var resp *engine.Response
	switch detailed := s.srv.opts.Detail && near(x.req); {
	case detailed && browses(x.req):
		page := failurePage(status, e)
		resp = page.response()
	case detailed:
		resp = engine.TextResponse(status, detail(text, e))
	default:
		resp = engine.TextResponse(status, text)
	}
	if retryAfter != "" {
		resp.Header.Add("retry-after", retryAfter)
	}
	return resp
}

// statusOf says what a stranger may know of an error.
func statusOf(err error) (status int, text, retryAfter string) {
	e, _ := errors.AsType[*engine.Error](err)
	switch {
	case errors.Is(err, engine.ErrUnavailable):
		retryAfter = "" // it lasts until a person has done something
	case errors.Is(err, engine.ErrNoSpace):
		retryAfter = "30"
	case errors.Is(err, engine.ErrClosed), e != nil && e.Overloaded:
		retryAfter = "1"
	default:
		return 500, "Internal Server Error\n", ""
	}
	return 503, "Service Unavailable\n", retryAfter
}

// named is "TypeError: text".
func named(e *engine.Error) string {
	if e.Name == "" || strings.HasPrefix(e.Message, e.Name+": ") {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// detail is for the developer.
func detail(text string, e *engine.Error) string {
	var b strings.Builder
	b.WriteString(text)
	b.WriteByte('\n')
	if e.Class != "" || e.Method != "" {
		b.WriteString(e.Where())
		b.WriteString(":\n")
	}
	b.WriteString(named(e))
	b.WriteByte('\n')
	if e.Excerpt != "" {
		b.WriteByte('\n')
		b.WriteString(e.Excerpt)
		b.WriteByte('\n')
	}
	if e.Stack != "" {
		b.WriteString(strings.TrimRight(e.Stack, "\n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// maxLoggedPath bounds what a client can write into the log with one request.
const maxLoggedPath = 256

// pathOf is the path of a URL, without the query, which often holds secrets.
func pathOf(url string) string {
	if i := strings.Index(url, "://"); i >= 0 {
		url = url[i+3:]
	}
	if i := strings.IndexAny(url, "/?"); i >= 0 {
		url = url[i:]
	} else {
		url = ""
	}
	if i := strings.IndexByte(url, '?'); i >= 0 {
		url = url[:i]
	}
	if len(url) > maxLoggedPath {
		url = strings.ToValidUTF8(url[:maxLoggedPath], "") + "..."
	}
	return url
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"everloop/proto/server"
)

// console is a log for people: what a program prints as it stands, what goes wrong with its place and the source around it, and
// what else there is to say behind it. It is a [slog.Handler]. Safe for concurrent use.
type console struct {
	to     *consoleWriter
	colour bool
	// requests: each request has a line of its own, so that a failure need not say which one it was.
	requests bool
	attrs    []slog.Attr
	group    string
}

// consoleWriter keeps lines whole.
type consoleWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *consoleWriter) write(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := io.WriteString(w.w, text)
	return err
}

// newConsole writes to a file, in colour if a person reads it and has not asked for none (no-color.org).
func newConsole(to *os.File) *console {
	return &console{to: &consoleWriter{w: to}, colour: isTerminal(to) && os.Getenv("NO_COLOR") == ""}
}

// Colours, as terminals name them.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	bold   = "1"
	dim    = "2"
)

func (c *console) paint(colour, text string) string {
	if !c.colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// Enabled is part of [slog.Handler].
func (c *console) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// WithAttrs is part of [slog.Handler].
func (c *console) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *c
	d.attrs = slices.Clone(c.attrs)
	for _, a := range attrs {
		a.Key = c.group + a.Key
		d.attrs = append(d.attrs, a)
	}
	return &d
}

// WithGroup is part of [slog.Handler].
func (c *console) WithGroup(name string) slog.Handler {
	d := *c
	d.group += name + "."
	return &d
}

// Handle is part of [slog.Handler].
func (c *console) Handle(_ context.Context, r slog.Record) error {
	values := map[string]string{}
	var rest []string
	take := func(a slog.Attr) bool {
		a.Value = a.Value.Resolve()
		text := a.Value.String()
		switch a.Key {
		case "class", "object", "method", "error", "err", "stack", "excerpt", "request_method", "path", "status":
			values[a.Key] = text
		default:
			if text != "" {
				rest = append(rest, a.Key+"="+c.clean(text))
			}
		}
		return true
	}
	for _, a := range c.attrs {
		take(a)
	}
	r.Attrs(func(a slog.Attr) bool { a.Key = c.group + a.Key; return take(a) })

	var b strings.Builder
	message := r.Message
	if why := cmp.Or(values["error"], values["err"]); why != "" {
		message += ": " + why
	}
	message = strings.TrimRight(c.clean(message), "\n")
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString(c.paint(red, "error ") + message)
	case r.Level >= slog.LevelWarn:
		b.WriteString(c.paint(yellow, "warn  ") + message)
	default:
		b.WriteString(message)
	}
	if where := c.where(values); where != "" {
		b.WriteString("  " + c.paint(dim, c.clean(where)))
	}
	if len(rest) > 0 {
		b.WriteString("  " + c.paint(dim, strings.Join(rest, " ")))
	}
	b.WriteByte('\n')
	if excerpt := values["excerpt"]; excerpt != "" {
		b.WriteString(indent(c.frame(excerpt)))
	}
	if stack := strings.TrimRight(values["stack"], "\n"); stack != "" {
		// Its first line is the message once more.
		if first, below, more := strings.Cut(stack, "\n"); more && strings.HasSuffix(message, strings.TrimSpace(c.clean(first))) {
			stack = below
		}
		b.WriteString(c.paint(dim, c.clean(stack)) + "\n")
	}
	return c.to.write(b.String())
}

// where names whom a line is about.
func (c *console) where(v map[string]string) string {
	var parts []string
	if class := v["class"]; class != "" && (class != "default" || v["method"] != "") {
		if v["method"] != "" {
			class += "." + v["method"]
		}
		parts = append(parts, class)
	}
	if id := v["object"]; id != "" {
		parts = append(parts, id[:min(len(id), 8)])
	}
	if !c.requests && v["request_method"] != "" {
		parts = append(parts, v["request_method"]+" "+v["path"]+" "+v["status"])
	}
	if len(parts) == 0 {
		return ""
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// frame colours lines of source with a caret.
func (c *console) frame(excerpt string) string {
	var b strings.Builder
	for line := range strings.Lines(excerpt) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, ">"):
			b.WriteString(c.paint(bold, c.clean(line)))
		case strings.HasSuffix(line, "^") && strings.Trim(line, " |^\t") == "":
			b.WriteString(c.paint(red, c.clean(line)))
		default:
			b.WriteString(c.paint(dim, c.clean(line)))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// problem writes what is wrong with a project: an error that has its place and the source in its text.
func (c *console) problem(err error) {
	var b strings.Builder
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSuffix(line, "\n")
		rest := strings.TrimLeft(line, " >")
		switch n := strings.TrimLeft(rest, "0123456789"); {
		case b.Len() == 0:
			b.WriteString(c.paint(red, "error ") + c.clean(line) + "\n")
		case strings.HasPrefix(n, " |"), strings.HasPrefix(n, "|"):
			b.WriteString(c.frame(line))
		default:
			b.WriteString(c.clean(line) + "\n")
		}
	}
	_ = c.to.write(b.String()) // a terminal that has gone is nobody's concern
}

// say writes a line of the daemon's own.
func (c *console) say(colour, text string) {
	_ = c.to.write(c.paint(colour, c.clean(text)) + "\n")
}

// request writes one line for a request.
func (c *console) request(a server.Answered) {
	status, colour := strconv.Itoa(a.Status), green
	switch {
	case a.Status == 0:
		status, colour = "gone", yellow
	case a.Status >= 500:
		colour = red
	case a.Status >= 400:
		colour = yellow
	case a.Status >= 300:
		colour = cyan
	}
	line := fmt.Sprintf("%s %s %s %s\n", c.paint(bold, c.clean(a.Method)), c.clean(a.Path), c.paint(colour, status), c.paint(dim, took(a.Took)))
	_ = c.to.write(line)
}

// took is a time as people read it.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}

// clean takes out of a text what a terminal would obey: it may have come from a stranger. Colours (SGR sequences) stay where
// colours are shown: programs print them on purpose.
func (c *console) clean(text string) string {
	if !strings.ContainsFunc(text, control) {
		return text
	}
	var b bytes.Buffer
	for i := 0; i < len(text); {
		if c.colour {
			if n := sgr(text[i:]); n > 0 {
				b.WriteString(text[i : i+n])
				i += n
				continue
			}
		}
		r, n := rune(text[i]), 1
		if r >= 0x80 {
			for _, r = range text[i:] {
				break
			}
			n = len(string(r))
			if r == '\ufffd' && !strings.HasPrefix(text[i:], "\ufffd") {
				n = 1
			}
		}
		if control(r) {
			r = '\ufffd'
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}

func control(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 }

// sgr is the length of the sequence that sets colours at the beginning of text, or 0.
func sgr(text string) int {
	if !strings.HasPrefix(text, "\x1b[") {
		return 0
	}
	for i := 2; i < len(text) && i < 32; i++ {
		switch c := text[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}

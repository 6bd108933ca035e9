package server

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop/looptest"
)

var rewrite = flag.Bool("rewrite", false, "write the answers of testdata/*.txt anew; read the diff")

// TestTranscripts plays testdata/*.txt. A script has these lines:
//
//	# text              a comment
//	!options K=V...     of the server; before anything else
//	!dial NAME          connects; the last named client is the one that acts
//	!as NAME            another client acts
//	> text              the client sends text and CRLF
//	>| "text"           the client sends a Go string
//	!run                runs everything; what came back follows
//	!advance 10s        the same, and time passes
//	!half  !close  !abort   the client ends its half, both, or resets
//	!answer N STATUS TEXT   answers the Nth request for /hold
//	!chunk N                the client sends a chunk of N bytes
//	!drain              the server begins to close
//
// Lines with "<" and "log" are the answers. A request is answered by what its path says; see scriptEntry.
func TestTranscripts(t *testing.T) {
	playAll(t, "testdata/*.txt", play)
}

// playAll plays the scripts that match a pattern, and compares what comes of each with what it says.
func playAll(t *testing.T, pattern string, play func(t *testing.T, script string) string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts match %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			wantLines, gotLines := strings.Split(string(want), "\n"), strings.Split(got, "\n")
			for i := range max(len(wantLines), len(gotLines)) {
				var w, g string
				if i < len(wantLines) {
					w = wantLines[i]
				}
				if i < len(gotLines) {
					g = gotLines[i]
				}
				if w != g {
					t.Fatalf("%s:%d:\n  want %s\n  got  %s\n(-rewrite writes the answers anew)", file, i+1, w, g)
				}
			}
		})
	}
}

// scriptEntry answers by path: /hold when the script says so, /status/N, /big/N with N bytes, /fail/KIND with an
// error, /unread/STATUS without reading the body, /count with the length of the body, anything else with what was asked.
type scriptEntry struct{ pending }

func (e *scriptEntry) Serve(ev *engine.Event) {
	path := pathOf(ev.Request.URL)
	kind := path[strings.LastIndexByte(path, '/')+1:]
	n, _ := strconv.Atoi(kind)
	switch {
	case path == "/hold":
		e.pending.Serve(ev)
	case strings.HasPrefix(path, "/status/"):
		ev.Respond(engine.TextResponse(n, "status\n"))
	case strings.HasPrefix(path, "/big/"):
		ev.Respond(&engine.Response{Body: engine.Text(strings.Repeat("x", n))})
	case path == "/nothing":
		ev.Respond(nil)
	case path == "/header":
		ev.Respond(&engine.Response{Header: engine.Header{
			{Name: "set-cookie", Value: "a=1"},
			{Name: "set-cookie", Value: "b=2"},
			{Name: "connection", Value: "close"},
			{Name: "content-length", Value: "99"},
			{Name: "transfer-encoding", Value: "chunked"},
			{Name: "date", Value: "yesterday"},
		}})
	case path == "/split":
		ev.Respond(&engine.Response{Header: engine.Header{{Name: "location", Value: "/\r\nset-cookie: evil=1"}}})
	case strings.HasPrefix(path, "/fail/"):
		ev.Fail(failures[kind])
	case path == "/count":
		ev.StartRead(ev.Request.Body, 1<<20, func(b []byte, _ error) { ev.Respond(engine.TextResponse(200, fmt.Sprintln(len(b)))) })
	case strings.HasPrefix(path, "/unread/"):
		ev.Respond(engine.TextResponse(n, "unread\n"))
	default:
		ev.StartRead(ev.Request.Body, 1<<20, func(b []byte, err error) {
			if err != nil {
				ev.Fail(err)
				return
			}
			ev.Respond(engine.TextResponse(200, describe(ev.Request, b)))
		})
	}
}

var failures = map[string]error{
	"plain": errors.New("the secret of the plain error"),
	"object": &engine.Error{
		Class: "Counter", Object: "00ab", Method: "increment", Name: "TypeError", Message: "x is not a function",
		Stack: "    at Counter.increment (src/counter.ts:12:5)", Remote: true,
	},
	"hostile": &engine.Error{
		Class: "<i>C</i>", Object: "00ab", Method: "</p>", Name: "Error", Message: `<script>alert("1")</script>`,
		Excerpt: "  1 | a\n> 2 | </pre><script>alert('2')</script>\n    |        ^\n", Stack: "Error: </pre><img src=x onerror=alert(3)>\n    at f (src/a.ts:2:8)",
	},
	"closed":      engine.ErrClosed,
	"space":       fmt.Errorf("put: %w", engine.ErrNoSpace),
	"unavailable": engine.ErrUnavailable,
	"overloaded":  &engine.Error{Class: "Counter", Object: "00ab", Method: "fetch", Name: "Error", Message: "Too many.", Overloaded: true},
}

func describe(r *engine.Request, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL)
	for _, f := range r.Header {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "body %q\n", body)
	}
	return b.String()
}

func setOption(t *testing.T, o *Options, option string) {
	k, v, _ := strings.Cut(option, "=")
	n, _ := strconv.Atoi(v)
	switch k {
	case "fields":
		o.Limits.Fields = n
	case "head":
		o.Limits.HeadBytes = n
	case "line":
		o.Limits.RequestLineBytes = n
	case "body":
		o.Limits.BodyBytes = int64(n)
	case "pipeline":
		o.MaxPipeline = n
	case "inflight":
		o.MaxInFlight = n
	case "memory":
		o.MaxBodyMemory = int64(n)
	case "detail":
		o.Detail = true
	default:
		t.Fatalf("no such option: %s", option)
	}
}

func play(t *testing.T, script string) string {
	var out strings.Builder
	var o Options
	entry := &scriptEntry{}
	var s *stepped
	peers := map[string]*looptest.Peer{}
	var p *looptest.Peer
	name := ""
	ended := map[string]bool{}
	show := func() {
		names := []string{}
		for _, n := range []string{"A", "B", "C"} {
			if peers[n] != nil {
				names = append(names, n)
			}
		}
		for _, n := range names {
			lines := strings.SplitAfter(string(peers[n].Read()), "\n")
			for _, l := range lines {
				if l == "" {
					continue
				}
				l = strings.TrimSuffix(l, "\n")
				body := !strings.HasSuffix(l, "\r")
				l = strings.TrimSuffix(l, "\r")
				switch {
				case len(l) > 200:
					l = fmt.Sprintf("%s... %d bytes", l[:20], len(l))
				case body:
					l = "  " + l
				}
				fmt.Fprintln(&out, strings.TrimRight("<"+n+" "+l, " "))
			}
			if peers[n].EOF() && !ended[n] {
				ended[n] = true
				fmt.Fprintf(&out, "<%s (end)\n", n)
			}
		}
		for l := range strings.Lines(s.log.String()) {
			fmt.Fprintf(&out, "log %s", l)
		}
		s.log.Reset()
	}
	start := func() {
		if s == nil {
			s = newStepped(t, 1, 1, entry, o)
		}
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "<") || strings.HasPrefix(line, "log ") {
			continue
		}
		fmt.Fprintln(&out, line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case strings.HasPrefix(line, ">|"):
			text, err := strconv.Unquote(strings.TrimSpace(line[2:]))
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			p.Write([]byte(text))
			continue
		case line[0] == '>':
			p.Write([]byte(strings.TrimPrefix(line[1:], " ") + "\r\n"))
			continue
		}
		words := strings.Fields(line)
		if words[0] != "!options" {
			start()
		}
		switch words[0] {
		case "!options":
			for _, w := range words[1:] {
				setOption(t, &o, w)
			}
		case "!dial":
			name = words[1]
			p = s.dial()
			peers[name] = p
			ended[name] = false
		case "!as":
			name = words[1]
			p = peers[name]
		case "!run":
			s.pool.Run()
			show()
		case "!advance":
			d, err := time.ParseDuration(words[1])
			if err != nil {
				t.Fatal(err)
			}
			s.pool.Advance(d)
			show()
		case "!half":
			p.CloseWrite()
		case "!close":
			p.Close()
		case "!abort":
			p.Abort()
		case "!answer":
			i, _ := strconv.Atoi(words[1])
			status, _ := strconv.Atoi(words[2])
			s.onLoop(func() { entry.answer(i, engine.TextResponse(status, strings.Join(words[3:], " ")+"\n")) })
		case "!chunk":
			n, _ := strconv.Atoi(words[1])
			p.Write(fmt.Appendf(nil, "%x\r\n%s\r\n", n, strings.Repeat("x", n)))
		case "!drain":
			s.onLoop(func() {
				for _, p := range peers {
					s.srv.Handler().Drain(p.Conn())
				}
			})
		default:
			t.Fatalf("no such command: %s", line)
		}
	}
	return out.String()
}

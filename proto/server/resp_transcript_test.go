package server

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"everloop/loop"
	"everloop/loop/looptest"
)

// TestRESPTranscripts plays testdata/resp/*.txt. A script has these lines:
//
//	# text              a comment
//	!options K=V...     of the server; before anything else
//	!dial NAME          connects; the last named client is the one that acts
//	!as NAME            another client acts
//	> text              the client sends text and CRLF
//	>| "text"           the client sends a Go string
//	!repeat N "text"    the client sends a Go string N times
//	!run                runs everything; what came back follows
//	!advance 10s        the same, and time passes
//	!half  !close       the client ends its half, or both
//	!drain              the server begins to close
//	!metrics            the server's counters
//
// Lines with "<" are the answers, as Go strings without their quotes. The objects are of the classes Room (see member) and Slow.
func TestRESPTranscripts(t *testing.T) {
	playAll(t, "testdata/resp/*.txt", playRESP)
}

func setRESPOption(t *testing.T, o *RESPOptions, option string) {
	k, v, _ := strings.Cut(option, "=")
	n, _ := strconv.Atoi(v)
	switch k {
	case "password":
		o.Password = v
	case "bulk":
		o.Limits.Bulk = n
	case "command":
		o.Limits.Command = n
	case "inflight":
		o.MaxInFlight = n
	case "memory":
		o.MaxArgMemory = int64(n)
	case "inbound":
		o.Conn.MaxInbound = n
	case "idle":
		o.IdleTimeout = time.Duration(n) * time.Second
	default:
		t.Fatalf("no such option: %s", option)
	}
}

func playRESP(t *testing.T, script string) string {
	t.Helper()
	var out strings.Builder
	o := RESPOptions{Version: "1.2.3"}
	var w *respWorld
	var p *looptest.Peer
	var names []string
	peers, ended := map[string]*looptest.Peer{}, map[string]bool{}
	show := func() {
		for _, n := range names {
			for l := range strings.SplitAfterSeq(string(peers[n].Read()), "\r\n") {
				l = strconv.Quote(strings.TrimSuffix(l, "\r\n"))
				if l = strings.ReplaceAll(l[1:len(l)-1], `\"`, `"`); len(l) > 240 {
					l = fmt.Sprintf("%s... %d bytes", l[:40], len(l))
				}
				if l != "" {
					fmt.Fprintf(&out, "<%s %s\n", n, l)
				}
			}
			if peers[n].EOF() && !ended[n] {
				ended[n] = true
				fmt.Fprintf(&out, "<%s (end)\n", n)
			}
		}
	}
	unquote := func(text string) []byte {
		s, err := strconv.Unquote(strings.TrimSpace(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return []byte(s)
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "<") {
			continue
		}
		fmt.Fprintln(&out, line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case strings.HasPrefix(line, ">|"):
			p.Write(unquote(line[2:]))
			continue
		case line[0] == '>':
			p.Write([]byte(strings.TrimPrefix(line[1:], " ") + "\r\n"))
			continue
		}
		words := strings.Fields(line)
		if words[0] != "!options" && w == nil {
			w = newRESPWorld(t, o)
		}
		switch words[0] {
		case "!options":
			for _, word := range words[1:] {
				setRESPOption(t, &o, word)
			}
		case "!dial":
			p = w.dial()
			peers[words[1]] = p
			names = append(names, words[1])
		case "!as":
			p = peers[words[1]]
		case "!repeat":
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			text := unquote(strings.Join(words[2:], " "))
			for range n {
				p.Write(text)
			}
		case "!run":
			w.pool.Run()
			show()
		case "!advance":
			d, err := time.ParseDuration(words[1])
			if err != nil {
				t.Fatal(err)
			}
			w.pool.Advance(d)
			show()
		case "!half":
			p.CloseWrite()
		case "!close":
			p.Close()
		case "!drain":
			w.pool.Loop(0).Post(loop.Func(func() {
				for _, n := range names {
					w.srv.Handler().Drain(peers[n].Conn())
				}
			}))
		case "!metrics":
			fmt.Fprintf(&out, "< %+v\n", w.srv.Metrics())
		default:
			t.Fatalf("no such command: %s", line)
		}
	}
	return out.String()
}

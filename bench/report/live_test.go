package report

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// screen is a terminal of a few columns that understands what a display sends: text, line ends, going up, and clearing downwards. It wraps long lines. Safe for concurrent use.
type screen struct {
	mu            sync.Mutex
	width, height int
	rows          [][]rune
	wrapped       []bool // whether a row goes on in the next one
	row           int
	column        int
	all           strings.Builder
}

var escape = regexp.MustCompile("^\x1b\\[([0-9;]*)([A-Za-z])")

func (s *screen) size() (width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.width, s.height
}

func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Write(text)
	for rest := string(text); rest != ""; {
		if m := escape.FindStringSubmatch(rest); m != nil {
			rest = rest[len(m[0]):]
			n, _ := strconv.Atoi(m[1])
			switch m[2] {
			case "A":
				s.row = max(0, s.row-max(n, 1))
			case "J":
				s.rows, s.wrapped = s.rows[:min(len(s.rows), s.row)], s.wrapped[:min(len(s.wrapped), s.row)]
			case "m":
			default:
				return 0, fmt.Errorf("the terminal does not know %q", m[0])
			}
			continue
		}
		c, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		switch {
		case c == '\n':
			s.row, s.column = s.row+1, 0
		case c == '\r':
			s.column = 0
		case c < ' ':
			return 0, fmt.Errorf("the terminal does not know %q", c)
		default:
			if s.column == s.width {
				s.at(s.row)
				s.wrapped[s.row] = true
				s.row, s.column = s.row+1, 0
			}
			s.at(s.row)
			line := s.rows[s.row]
			for len(line) <= s.column {
				line = append(line, ' ')
			}
			line[s.column] = c
			s.rows[s.row] = line
			s.column++
		}
	}
	return len(text), nil
}

func (s *screen) at(row int) {
	for len(s.rows) <= row {
		s.rows, s.wrapped = append(s.rows, nil), append(s.wrapped, false)
	}
}

// resize makes it narrower, as terminals do it: lines that do not fit any more are wrapped.
func (s *screen) resize(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.width = width
	var rows [][]rune
	at := s.row
	for i, line := range s.rows {
		first := true
		for first || len(line) > 0 {
			n := min(len(line), width)
			rows = append(rows, line[:n])
			line = line[n:]
			if !first && i < s.row {
				at++
			}
			first = false
		}
	}
	s.rows, s.wrapped, s.row = rows, make([]bool, len(rows)), at
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, line := range s.rows {
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}

func tick(second int) Tick {
	d := time.Duration(second) * time.Second
	return Tick{
		Phase: "measuring", At: d, Of: 10 * time.Second, Open: 64,
		Second: Sample{At: d, Span: time.Second, Requests: 7000 + int64(second)*100, InFlight: 63, Latency: Quantiles{time.Millisecond, 3 * time.Millisecond, 20 * time.Millisecond}},
		SoFar:  Totals{Requests: 7000 * int64(second), Elapsed: d}, Whole: Quantiles{time.Millisecond, 4 * time.Millisecond, 50 * time.Millisecond},
	}
}

// shown waits until a state is on the screen: the display writes from its own goroutine.
func shown(t *testing.T, s *screen, what string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(s.String(), what); time.Sleep(time.Millisecond) { // a display tells nobody that it has drawn
		if time.Now().After(end) {
			t.Fatalf("%q is not shown:\n%s", what, s)
		}
	}
}

func TestLiveDrawsInPlaceAndLeavesNothing(t *testing.T) {
	for _, color := range []bool{false, true} {
		s := &screen{width: 80, height: 24}
		_, _ = s.Write([]byte("$ everloop bench\n"))
		l := newLive(s, s.size, color, LiveOptions{Title: "http http://127.0.0.1/\x1b[2J"})
		for i := 1; i <= 6; i++ {
			l.Update(tick(i))
			shown(t, s, fmt.Sprintf("%d s of 10 s", i))
		}
		golden(t, "live.txt", s.String())
		failed := tick(7)
		failed.SoFar.Errors, failed.Error = 12, "status 503\n\x1b[31m"+strings.Repeat("long ", 40)
		l.Update(failed)
		shown(t, s, "12 errors")
		s.resize(33)
		l.Update(tick(8))
		shown(t, s, "8 s of 10 s")
		s.resize(19)
		l.End()
		l.Update(tick(9))
		_, _ = s.Write([]byte("result\n"))
		if got := s.String(); got != "$ everloop bench\nresult\n" {
			t.Errorf("the display left something:\n%s", got)
		}
		if colored := strings.Contains(s.all.String(), "\x1b[36m"); colored != color {
			t.Errorf("colours are %t, want %t", colored, color)
		}
	}
}

func TestLiveFitsLowTerminals(t *testing.T) {
	s := &screen{width: 60, height: 3}
	l := newLive(s, s.size, false, LiveOptions{Title: "title"})
	for i := range 5 {
		l.Update(tick(i + 1))
		shown(t, s, fmt.Sprintf("%d s of 10 s", i+1))
		if n := strings.Count(s.String(), "\n"); n > 2 {
			t.Errorf("%d rows of 3 are used, and one is the cursor's:\n%s", n, s)
		}
	}
	l.End()
	if got := s.String(); got != "" {
		t.Errorf("the display left something:\n%s", got)
	}
}

// Where there is no terminal there are lines: the first of each phase, then one every five seconds of the run.
func TestLiveWritesLinesElsewhere(t *testing.T) {
	s := &screen{width: 1000, height: 1000}
	l := newLive(s, nil, false, LiveOptions{Unit: "calls"})
	for i := 1; i <= 3; i++ {
		w := tick(i)
		w.Phase = "warm-up"
		l.Update(w)
		if i == 1 {
			shown(t, s, "warm-up 1 s")
		}
	}
	for i := 1; i <= 12; i++ {
		m := tick(i)
		if i > 10 {
			m.SoFar.Errors, m.Error = 3, "status\x1b[2J 503"
		}
		l.Update(m)
		if i%5 == 1 {
			shown(t, s, fmt.Sprintf("measuring %d s", i))
		}
	}
	l.End()
	golden(t, "live-lines.txt", s.String())
}

// stuck is a terminal whose person has pressed Ctrl-S.
type stuck struct{ release chan struct{} }

func (s *stuck) Write(text []byte) (int, error) {
	<-s.release
	return len(text), nil
}

func TestUpdateDoesNotWaitForTheTerminal(t *testing.T) {
	s := &stuck{make(chan struct{})}
	l := newLive(s, nil, false, LiveOptions{})
	for i := range 1000 {
		l.Update(tick(i)) // would never come back
	}
	close(s.release)
	l.End()
}

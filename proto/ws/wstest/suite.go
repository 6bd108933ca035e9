package wstest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Suite says which server is asked.
type Suite struct {
	// Dial connects to it.
	Dial func() (net.Conn, error)
	// Host and Target are of the request that opens a WebSocket which echoes every message.
	Host, Target string
	// Full has sections 12 and 13 exchange as many messages as Autobahn does. Default: as many as make half a megabyte, at
	// least 10, at most 1,000; with -short 1 to 3.
	Full bool
	// Elsewhere says that the echo does not come from where the frames are read, so that the answer to a message may or may
	// not come before the connection is failed for what stands behind it. What Golden calls NON-STRICT for that is then OK, too.
	Elsewhere bool
	// Golden is the file with the verdicts that are expected.
	Golden string
	// Rewrite writes Golden anew.
	Rewrite bool
}

// outcome is what came of a case.
type outcome struct {
	id, behavior, end string
	why               string // of a verdict that is not OK
}

func (s *Suite) rounds(size int) int {
	switch {
	case s.Full:
		return 1000
	case testing.Short():
		return min(3, max(1, 32<<10/size))
	}
	return min(1000, max(10, 512<<10/size))
}

// Run asks every question, and fails t for every verdict that is not the expected one.
func (s *Suite) Run(t *testing.T) {
	t.Helper()
	want := s.golden(t)
	all := cases(s.rounds)
	var got []outcome
	for _, c := range all {
		t.Run(c.id, func(t *testing.T) {
			o := s.run(c)
			if s.Elsewhere && c.races() && o.behavior == "OK" {
				o.behavior = "NON-STRICT"
			}
			got = append(got, o)
			if expected := o.behavior + " " + o.end; want != nil && want[c.id] != expected {
				t.Errorf("%s (%s), expected %s", expected, o.why, want[c.id])
			}
		})
	}
	if len(got) < len(all) {
		return // -run has chosen some
	}
	switch {
	case s.Rewrite:
		if err := os.WriteFile(s.Golden, []byte(report(got)), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	case len(want) != len(all):
		t.Errorf("%s has %d cases of %d", s.Golden, len(want), len(all))
	}
}

// golden reads the expected verdicts: none when they are written anew.
func (s *Suite) golden(t *testing.T) map[string]string {
	t.Helper()
	if s.Rewrite {
		return nil
	}
	file, err := os.ReadFile(s.Golden)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(file)) {
		if id, verdict, ok := strings.Cut(strings.TrimSpace(line), " "); ok && id != "#" {
			want[id] = verdict
		}
	}
	return want
}

// report is the golden file.
func report(got []outcome) string {
	var b strings.Builder
	count := map[string]int{}
	for _, o := range got {
		count[o.behavior]++
	}
	fmt.Fprintf(&b, "# Autobahn's cases: its verdict on what was received, and on how the connection ended.\n# Written by -rewrite. %d cases", len(got))
	for _, verdict := range []string{"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED"} {
		if n := count[verdict]; n > 0 {
			fmt.Fprintf(&b, ", %d %s", n, verdict)
		}
	}
	b.WriteString(".\n")
	for _, o := range got {
		fmt.Fprintf(&b, "%s %s %s\n", o.id, o.behavior, o.end)
	}
	return b.String()
}

// run asks one question.
func (s *Suite) run(tc testCase) (o outcome) {
	o = outcome{id: tc.id, behavior: "FAILED", end: "FAILED"}
	c, err := open(s, tc.extensions)
	if err != nil {
		o.why = err.Error()
		return o
	}
	defer c.conn.Close()
	scriptErr := tc.run(c)
	err = scriptErr
	stuck := false
	for err == nil {
		if tc.whenReceived && !c.sentClose && slices.Equal(c.received, tc.want) {
			c.sendClose(closePayload(tc.end.codes[0], ""))
		}
		_, err = c.read()
	}
	var wrong errPeer
	switch {
	case errors.Is(err, errUnimplemented):
		o.behavior = "UNIMPLEMENTED"
	case errors.As(err, &wrong):
	case scriptErr != nil:
		stuck = isTimeout(err)
	case isTimeout(err), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		stuck = isTimeout(err)
		switch {
		case slices.Equal(c.received, tc.want):
			o.behavior = "OK"
		case tc.laxSet && slices.Equal(c.received, tc.lax):
			o.behavior = "NON-STRICT"
		}
	}
	o.end = tc.end.verdict(c, stuck)
	if tc.end.fatal && (c.first || stuck) || tc.codeCounts && o.end == "WRONG-CODE" {
		o.behavior = "FAILED"
	}
	if tc.open && !stuck && wrong == "" {
		o.behavior, o.end = "INFORMATIONAL", "INFORMATIONAL"
	}
	o.why = fmt.Sprintf("received %v, close %d, first by us %v, by both %v, stuck %v, error %v", c.received, c.code, c.first, c.sentClose && c.gotClose, stuck, err)
	return o
}

// verdict judges how a connection has ended.
func (e ending) verdict(c *client, stuck bool) string {
	switch {
	case c.first != e.byUs, stuck && !e.byUs:
		return "FAILED"
	case e.clean && (!c.sentClose || !c.gotClose):
		return "UNCLEAN"
	case c.code != 0 && !slices.Contains(e.codes, c.code):
		return "WRONG-CODE"
	case stuck:
		return "FAILED-BY-CLIENT"
	}
	return "OK"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

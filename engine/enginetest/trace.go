package enginetest

import (
	"fmt"
	"hash"
	"strings"
)

// traceLines is how many of the last events a failure shows.
const traceLines = 120

// trace keeps the last events of a history. They are formatted only when somebody reads them, so arguments must
// be values that do not change.
type trace struct {
	lines  [traceLines]traceLine
	n      int
	digest hash.Hash // of all events, where somebody wants it
}

type traceLine struct {
	life, step int
	format     string
	args       []any
}

func (t *trace) add(life, step int, format string, args ...any) {
	t.lines[t.n%traceLines] = traceLine{life, step, format, args}
	t.n++
	if t.digest != nil {
		fmt.Fprintf(t.digest, format+"\n", args...)
	}
}

func (t *trace) String() string {
	var b strings.Builder
	for i := max(0, t.n-traceLines); i < t.n; i++ {
		l := &t.lines[i%traceLines]
		fmt.Fprintf(&b, "  life %d step %3d  ", l.life, l.step)
		fmt.Fprintf(&b, l.format, l.args...)
		b.WriteByte('\n')
	}
	return b.String()
}

package wpt_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// unexplained is the reason of failures that nobody has looked at. The test fails while there are any.
const unexplained = "not looked at yet"

// count is what became of an area's subtests, and of its files.
type count struct{ passed, failed, files, skipped int }

// expectation is testdata/expected.txt: lines "area NAME PASSED passed, FAILED failed, FILES files, SKIPPED not applicable", and then,
// under "because REASON", one "FILE | SUBTEST" a line for each known failure.
type expectation struct {
	areas  map[string]count
	reason map[string]string // by file and subtest, as a line has them
}

func readExpectation(file string) (*expectation, error) {
	e := &expectation{areas: map[string]count{}, reason: map[string]string{}}
	f, err := os.Open(file)
	if os.IsNotExist(err) {
		return e, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	reason, n := "", 0
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		n++
		line := s.Text()
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "area "):
			var name string
			var c count
			if _, err := fmt.Sscanf(line, areaFormat, &name, &c.passed, &c.failed, &c.files, &c.skipped); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, n, err)
			}
			e.areas[name] = c
		case strings.HasPrefix(line, "because "):
			reason = line[len("because "):]
		case strings.Contains(line, separator) && reason != "":
			e.reason[line] = reason
		default:
			return nil, fmt.Errorf("%s:%d: neither an area, nor a reason, nor a known failure", file, n)
		}
	}
	return e, s.Err()
}

const (
	areaFormat = "area %s %d passed, %d failed, %d files, %d not applicable"
	separator  = " | "
)

const expectedHead = `# What passes of the web platform tests, and what does not, and why. Written by "run -rewrite", which keeps the reasons: give
# what it adds one. doc.go says which state of the suite the counts belong to.

`

// write writes the file, sorted.
func (e *expectation) write(file string) error {
	var b strings.Builder
	b.WriteString(expectedHead)
	for _, name := range slices.Sorted(maps.Keys(e.areas)) {
		c := e.areas[name]
		fmt.Fprintf(&b, areaFormat+"\n", name, c.passed, c.failed, c.files, c.skipped)
	}
	byReason := map[string][]string{}
	for failure, reason := range e.reason {
		byReason[reason] = append(byReason[reason], failure)
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		fmt.Fprintf(&b, "\nbecause %s\n", reason)
		for _, failure := range slices.Sorted(slices.Values(byReason[reason])) {
			b.WriteString(failure + "\n")
		}
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// failureName is how a line names a subtest: on one line, in ASCII.
func failureName(file, subtest string) string {
	quoted := fmt.Sprintf("%+q", subtest)
	return file + separator + strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

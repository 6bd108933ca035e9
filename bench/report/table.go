package report

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// TableOptions says how a table is drawn.
type TableOptions struct {
	Width int  // of the terminal in columns; 0 is 80, less than 40 is 40
	Color bool // with escape sequences for bold, red and the like
}

func (o TableOptions) width() int {
	if o.Width == 0 {
		return 80
	}
	return min(max(o.Width, 40), 120) // longer lines are harder to read
}

// Width is how wide a terminal is, 80 if the file is none.
func Width(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	return 80
}

// Colors reports whether a file is a terminal that wants colours: NO_COLOR is empty, and TERM is not dumb.
func Colors(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// printer writes for a terminal.
type printer struct {
	b strings.Builder
	o TableOptions
}

// paint is text in colours, if there are any.
func (p *printer) paint(s string, c ...text.Color) string {
	if !p.o.Color {
		return s
	}
	codes := make([]string, len(c))
	for i, color := range c {
		codes[i] = strconv.Itoa(int(color))
	}
	// The library's own function asks the environment of its start, and not this terminal.
	return "\x1b[" + strings.Join(codes, ";") + "m" + s + "\x1b[0m"
}

// title writes a headline.
func (p *printer) title(s string) {
	p.b.WriteString(p.paint(text.Trim(s, p.o.width()), text.Bold) + "\n")
}

// section begins a part of the table.
func (p *printer) section(s string) {
	p.b.WriteString("\n" + p.paint(s, text.Bold, text.FgCyan) + "\n")
}

// lines writes text, broken at the width, with what stands before its first line and before the others.
func (p *printer) lines(first, rest, s string, c ...text.Color) {
	for i, line := range strings.Split(text.WrapSoft(s, p.o.width()-max(text.StringWidthWithoutEscSequences(first), len(rest))), "\n") {
		if line = strings.TrimRight(line, " "); len(c) > 0 {
			line = p.paint(line, c...)
		}
		if i == 0 {
			p.b.WriteString(first + line + "\n")
			continue
		}
		p.b.WriteString(rest + line + "\n")
	}
}

// table writes rows in columns; right says which columns are numbers. What does not fit is broken.
func (p *printer) table(head []string, rows [][]string, right ...int) {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.Options{SeparateHeader: len(head) > 0}
	style.Box = table.BoxStyle{MiddleHorizontal: "─", PaddingLeft: "", PaddingRight: "  "}
	style.Format = table.FormatOptions{}
	t.SetStyle(style)
	widths := make([]int, max(len(head), len(rows[0])))
	row := func(cells []string) table.Row {
		out := make(table.Row, len(cells))
		for i, c := range cells {
			out[i] = c
			widths[i] = max(widths[i], text.StringWidthWithoutEscSequences(c))
		}
		return out
	}
	if len(head) > 0 {
		t.AppendHeader(row(head))
	}
	for _, r := range rows {
		t.AppendRow(row(r))
	}
	// The widest column gives way first, so that short ones stay whole.
	for budget := p.o.width() - 2*len(widths); ; {
		sum, widest := 0, 0
		for i, w := range widths {
			sum += w
			if w > widths[widest] {
				widest = i
			}
		}
		if sum <= budget || widths[widest] <= 1 {
			break
		}
		widths[widest]--
	}
	var configs []table.ColumnConfig
	for i, w := range widths {
		c := table.ColumnConfig{Number: i + 1, WidthMax: w, WidthMaxEnforcer: text.WrapSoft}
		if slices.Contains(right, i) {
			c.Align, c.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, c)
	}
	t.SetColumnConfigs(configs)
	for line := range strings.Lines(t.Render()) {
		p.b.WriteString("  " + strings.TrimRight(strings.TrimSuffix(strings.TrimRight(line, "\n"), "──"), " ") + "\n") // the line below the head counts the last column's padding
	}
}

func (p *printer) pairs(all []Setting) {
	if len(all) == 0 {
		return
	}
	rows := make([][]string, len(all))
	for i, s := range all {
		rows[i] = []string{s.Name, s.Value}
	}
	p.table(nil, rows)
}

func (p *printer) flush(w io.Writer) error {
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("report: write a table: %w", err)
	}
	return nil
}

// headline names a run.
func (r *Result) headline() string { return joined("  ", clean(r.Scenario), r.named()) }

// named is what the load went to, and the run's label.
func (r *Result) named() string {
	s := clean(r.Target)
	switch {
	case r.Label != "" && s != "":
		s += " (" + clean(r.Label) + ")"
	case r.Label != "":
		s = clean(r.Label)
	}
	return s
}

// WriteTable writes the result for a terminal: how the load was made, what it found, errors with an example of each kind, and warnings.
func (r *Result) WriteTable(w io.Writer, o TableOptions) error {
	p := &printer{o: o}
	p.title(r.headline())
	p.pairs(r.settings())
	p.section("Result")
	p.pairs(r.facts())
	if columns := r.columns(); len(columns) > 0 {
		p.section("Latency")
		head, right := []string{""}, []int{}
		for i, c := range columns {
			head, right = append(head, c.name), append(right, i+1)
		}
		var rows [][]string
		for _, point := range pointsOf(columns) {
			row := []string{point.name}
			for _, c := range columns {
				row = append(row, point.of(c.h))
			}
			rows = append(rows, row)
		}
		p.table(head, rows, right...)
		p.b.WriteString("\n")
		p.lines("  ", "  ", r.method(), text.Faint)
	}
	p.errors(r)
	p.remarks(r.Warnings(), r.Notes)
	return p.flush(w)
}

func (p *printer) errors(r *Result) {
	failures := r.failures()
	if len(failures) == 0 {
		return
	}
	p.section("Errors")
	widest := 0
	for _, f := range failures {
		widest = max(widest, len(count(f.Count)))
	}
	for _, f := range failures {
		p.lines("  "+strings.Repeat(" ", widest-len(count(f.Count))), "      ", count(f.Count)+"  "+f.Kind+", first after "+duration(f.First))
		if f.Example != "" {
			p.lines("      ", "      ", f.Example, text.Faint)
		}
	}
}

func (p *printer) remarks(warnings, notes []string) {
	if len(warnings) > 0 {
		p.b.WriteString("\n")
	}
	for _, s := range warnings {
		p.lines(p.paint("! ", text.FgYellow, text.Bold), "  ", s, text.FgYellow)
	}
	if len(notes) > 0 {
		p.b.WriteString("\n")
	}
	for _, s := range cleaned(notes) {
		p.lines("- ", "  ", s)
	}
}

// Package report holds what a load test found, and shows it: as JSON for files and other programs, as a table and a live display for a terminal, as one page
// of HTML with charts, and as a comparison of two results.
//
// It measures nothing and knows no protocol. A generator fills a [Result], gives a [Live] one [Tick] a second while it works, and at the end calls what the
// person asked for:
//
//	live := report.NewLive(os.Stderr, report.LiveOptions{Title: "http http://127.0.0.1:8787/"})
//	for each second { live.Update(tick) }
//	live.End()
//	result.WriteTable(os.Stdout, report.TableOptions{Width: report.Width(os.Stdout), Color: report.Colors(os.Stdout)})
//	result.WriteJSON(file)
//	result.WriteHTML(file)
//
// A Result belongs to whoever fills it. Nothing here is safe for concurrent use but [Live]. The file format is specified in docs/format/bench.md.
package report

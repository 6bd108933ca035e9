package admin

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"everloop/engine"
)

// page is a plain page with the classes, the main figures, and the alarms that were given up.
func (s *Server) page(w http.ResponseWriter, r *http.Request) { s.show(w, r, http.StatusOK, "") }

// show answers with the page, under a sentence about what was asked for, if there is one.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, notice string) {
	e := s.opts.Engine
	_, state := s.state()
	v := pageView{
		Version: s.opts.Version, State: state, Classes: e.Classes(), Loops: e.Pool().Len(), Notice: notice,
	}
	m, rec := e.Metrics(), e.Recovered()
	snap, size := e.SnapshotStats(), e.Log().Size()
	v.Engine = [][2]any{
		{"live objects", m.Live},
		{"objects at rest", max(0, m.Objects-m.Live)},
		{"events", m.Events},
		{"failed events", m.Failures},
		{"resets", m.Resets},
		{"evictions", m.Evictions},
		{"answers that waited for the log", m.Gated},
		{"WebSockets", m.WebSockets},
		{"those of objects without an instance", m.Hibernating},
		{"alarms that are set", m.Alarms},
		{"runs of alarms", m.AlarmRuns},
		{"alarms given up", m.FailedAlarms},
		{"objects recovered at the start", rec.Objects},
		{"recovery took", rec.Took},
		{"last durable record", uint64(e.Log().Durable())},
		{"bytes of log that a start would read", size.Log},
		{"last snapshot", snapshotLine(snap, size.SnapshotTime, size.Snapshot)},
	}
	if s.opts.HTTP != nil {
		h := s.opts.HTTP()
		v.HTTP = [][2]any{
			{"connections", h.Conns},
			{"requests", h.Requests},
			{"in flight", h.InFlight},
			{"2xx", h.Status[2]},
			{"3xx", h.Status[3]},
			{"4xx", h.Status[4]},
			{"5xx", h.Status[5]},
			{"refused", h.Refused},
			{"clients gone", h.Status[0]},
		}
	}
	failed, err := s.listFailed(r.Context(), 0, failedShown)
	if err != nil {
		v.AlarmsUnknown = err.Error()
	}
	v.Failed, v.FailedMore = failed.Alarms, failed.Next > 0
	// Into memory first: an error in the middle would leave half a page.
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		s.opts.Logger.Error("admin page", "err", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client has gone, if it fails
}

// snapshotLine says how it stands about snapshots.
func snapshotLine(s engine.SnapshotStats, at time.Time, bytes int64) string {
	line := "none"
	if !at.IsZero() {
		line = fmt.Sprintf("%s, %d bytes", pageView{}.Moment(at.UnixMilli()), bytes)
	}
	switch {
	case s.Running:
		line += fmt.Sprintf("; one is being made (%d bytes so far)", s.Written)
	case s.Err != nil:
		line += "; the last attempt has failed: " + s.Err.Error()
	}
	return line
}

type pageView struct {
	Version string
	State   string
	Classes []string
	Loops   int
	Engine  [][2]any
	HTTP    [][2]any

	Notice        string
	Failed        []FailedAlarm
	FailedMore    bool
	AlarmsUnknown string // why Failed is not all there is to show
}

// Moment shows a time in milliseconds since 1970.
func (pageView) Moment(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05Z")
}

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>everloop</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }
td { padding: 0 2em 0 0 } td + td { text-align: right; font-variant-numeric: tabular-nums }
.alarms td, .alarms th { text-align: left; vertical-align: top; padding: 0 1em 0.5em 0; overflow-wrap: anywhere } .notice { font-weight: bold }
</style>
<h1>everloop {{.Version}}</h1>
<p>{{.State}}, on {{.Loops}} {{if eq .Loops 1}}loop{{else}}loops{{end}}. <a href="/healthz">healthz</a>, <a href="/metrics">metrics</a></p>
{{with .Notice}}<p class="notice">{{.}}</p>{{end}}
<h2>Classes</h2>
{{if .Classes}}<ul>{{range .Classes}}
<li>{{.}}</li>{{end}}
</ul>{{else}}<p>None is registered.</p>{{end}}
{{with .AlarmsUnknown}}<h2>Alarms that were given up</h2>
<p>They cannot be shown: {{.}}</p>{{end}}
{{if .Failed}}<h2>Alarms that were given up</h2>
<table class="alarms">
<tr><th>object</th><th>runs</th><th>was set for</th><th>given up</th><th>last error</th><th></th></tr>{{range .Failed}}
<tr><td>{{.Class}} {{if .Named}}{{.Name}}<br>{{end}}<code>{{.ID}}</code></td><td>{{.Runs}}</td><td>{{$.Moment .ScheduledTime}}</td><td>{{$.Moment .FailedAt}}</td><td>{{.Error}}</td>
<td>{{if .Class}}<form method="post" action="/alarms/run"><input type="hidden" name="class" value="{{.Class}}"><input type="hidden" name="id" value="{{.ID}}"><button>Run again</button></form>{{end}}</td></tr>{{end}}
</table>{{if .FailedMore}}
<p>There are more, <a href="/alarms/failed?limit=1000">a thousand a page</a>.</p>{{end}}{{end}}
<h2>Engine</h2>
<table>{{range .Engine}}
<tr><td>{{index . 0}}</td><td>{{index . 1}}</td></tr>{{end}}
</table>
{{if .HTTP}}<h2>HTTP</h2>
<table>{{range .HTTP}}
<tr><td>{{index . 0}}</td><td>{{index . 1}}</td></tr>{{end}}
</table>{{end}}
</html>
`))

package admin

import (
	"bytes"
	"html/template"
	"net/http"
)

// page is a plain page with the classes and the main figures.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	e := s.opts.Engine
	_, state := s.state()
	v := pageView{
		Version: s.opts.Version, State: state, Classes: e.Classes(), Loops: e.Pool().Len(),
	}
	m, rec := e.Metrics(), e.Recovered()
	v.Engine = [][2]any{
		{"live objects", m.Live},
		{"events", m.Events},
		{"failed events", m.Failures},
		{"resets", m.Resets},
		{"evictions", m.Evictions},
		{"answers that waited for the log", m.Gated},
		{"objects recovered at the start", rec.Objects},
		{"recovery took", rec.Took},
		{"last durable record", uint64(e.Log().Durable())},
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
	// Into memory first: an error in the middle would leave half a page.
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		s.opts.Logger.Error("admin page", "err", err)
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the client has gone, if it fails
}

type pageView struct {
	Version string
	State   string
	Classes []string
	Loops   int
	Engine  [][2]any
	HTTP    [][2]any
}

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>everloop</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }
td { padding: 0 2em 0 0 } td + td { text-align: right; font-variant-numeric: tabular-nums }
</style>
<h1>everloop {{.Version}}</h1>
<p>{{.State}}, on {{.Loops}} {{if eq .Loops 1}}loop{{else}}loops{{end}}. <a href="/healthz">healthz</a>, <a href="/metrics">metrics</a></p>
<h2>Classes</h2>
{{if .Classes}}<ul>{{range .Classes}}
<li>{{.}}</li>{{end}}
</ul>{{else}}<p>None is registered.</p>{{end}}
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

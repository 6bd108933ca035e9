package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	results "everloop/bench/report"
)

// madeUp is a result that has everything: an open loop, a slow second, errors, and texts that would like to be more than that.
func madeUp(seed uint64, open bool, median time.Duration) *results.Result {
	rng := rand.New(rand.NewPCG(seed, 1))
	const attack = `"><img src=http://127.0.0.1:1/x onerror=document.title='run'><script>document.title='run'</script>`
	r := &results.Result{
		Tool: "everloop", Started: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Command: "everloop bench http --rate 4000 --duration 30s http://127.0.0.1:8787/counter/{key}", Scenario: "http",
		Target: "http://127.0.0.1:8787/counter/{key}?q=" + attack, Unit: "requests", Ended: results.EndedTime, Notes: []string{attack},
		Machine: results.Machine{CPU: "Example CPU 3.0 GHz", Cores: 2, Memory: 8 << 30, OS: "Linux 6.1", Arch: "amd64", Go: "go1.26"},
		Config:  results.Config{Open: open, Connections: 64, Pipeline: 1, Warmup: 2 * time.Second, Duration: 30 * time.Second, Keys: "uniform 100,000", Values: "16 B", Mix: "90 % reads"},
		Latency: results.NewHistogram(),
		Totals:  results.Totals{Elapsed: 30 * time.Second, Errors: 17, GeneratorCPU: 3 * time.Second, GeneratorCores: 2, ServerCPU: 5 * time.Second, ServerResident: 87e6},
		Errors:  []results.Failure{{Kind: "status 503", Count: 17, Example: "HTTP/1.1 503 Service Unavailable " + attack, First: 15 * time.Second}},
	}
	if open {
		r.Service, r.Config.Rate, r.Config.Arrivals = results.NewHistogram(), 4000, "poisson"
	}
	for second := range 30 {
		latency, service := results.NewHistogram(), results.NewHistogram()
		n := int(4000 * (1 + 0.03*rng.NormFloat64()))
		for range n {
			d := time.Duration(float64(median) * math.Exp(0.35*rng.NormFloat64()))
			if rng.IntN(300) == 0 {
				d += time.Duration(rng.ExpFloat64() * 4e6)
			}
			service.Record(d)
			if open {
				d += time.Duration(rng.ExpFloat64() * 2e5)
			}
			if second == 14 {
				d += time.Duration(rng.ExpFloat64() * 2e7)
			}
			latency.Record(d)
		}
		s := results.Sample{At: time.Duration(second+1) * time.Second, Span: time.Second, Requests: int64(n), InFlight: 64, Latency: latency.Quantiles()}
		if open {
			q := service.Quantiles()
			s.Intended, s.Service = 4000, &q
			r.Totals.Intended += 4000
			r.Service.Merge(service)
		}
		if second == 14 {
			s.Errors = 17
		}
		r.Latency.Merge(latency)
		r.Totals.Requests += s.Requests
		r.Series = append(r.Series, s)
	}
	return r
}

// layout is what must be true of a page as it is seen: each drawing that is shown has a size, its labels are inside of it and apart from each other, and the page is not wider than its window.
// It returns what is not.
const layout = `(() => {
	const wrong = [];
	const shown = [...document.querySelectorAll('.drawing')];
	if (shown.length < 4) wrong.push('only ' + shown.length + ' charts');
	for (const drawing of shown) {
		const name = drawing.closest('figure').querySelector('h2').textContent;
		const all = [...drawing.querySelectorAll('svg')].filter(s => getComputedStyle(s).display !== 'none');
		if (all.length !== 1) { wrong.push(name + ': ' + all.length + ' sizes are shown'); continue; }
		const frame = all[0].getBoundingClientRect();
		if (frame.width < 200 || frame.height < 120) wrong.push(name + ' has ' + frame.width + ' x ' + frame.height);
		const labels = [...all[0].querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
		if (labels.length < 5) wrong.push(name + ' has ' + labels.length + ' labels');
		for (const [text, a] of labels) {
			if (a.height < 8) wrong.push(name + ': ' + text + ' is ' + a.height + ' high');
			if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1) wrong.push(name + ': ' + text + ' is cut off');
			for (const [other, b] of labels) {
				if (a !== b && a.left < b.right + 2 && b.left < a.right + 2 && a.top < b.bottom - 3 && b.top < a.bottom - 3) wrong.push(name + ': ' + text + ' is over ' + other);
			}
		}
		const colours = new Set([...all[0].querySelectorAll('path')].map(p => getComputedStyle(p).stroke));
		if (colours.size < 3) wrong.push(name + ': its lines have no colours: ' + [...colours]);
	}
	if (document.documentElement.scrollWidth > document.documentElement.clientWidth) wrong.push('the page is ' + document.documentElement.scrollWidth + ' wide');
	const foreign = document.querySelectorAll('script, img, a, iframe, link, [onerror]').length;
	if (foreign) wrong.push(foreign + ' elements came from text');
	if (document.title === 'run') wrong.push('a script ran');
	return wrong.join('\n');
})()`

// The pages of a result and of a comparison are opened in a browser: on wide and narrow windows, in light and dark, nothing is cut off or covered, nothing is asked of a network, and the console stays empty.
// EVERLOOP_SCREENSHOTS names a folder for pictures of them.
func TestPagesOfLoadTestsInABrowser(t *testing.T) {
	b := startBrowser(t)
	dir := t.TempDir()
	before, after := madeUp(1, true, 900*time.Microsecond), madeUp(2, true, 700*time.Microsecond)
	after.Config.Connections = 32
	quiet := madeUp(3, false, 40*time.Microsecond)
	quiet.Totals.Errors, quiet.Errors, quiet.Series[14].Errors = 0, nil, 0
	for name, write := range map[string]func(*os.File) error{
		"open":    func(f *os.File) error { return before.WriteHTML(f) },
		"closed":  func(f *os.File) error { return quiet.WriteHTML(f) },
		"compare": func(f *os.File) error { return results.Compare(before, after).WriteHTML(f) },
	} {
		path := filepath.Join(dir, name+".html")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := write(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		p := b.open("about:blank", true)
		for _, domain := range []string{"Network.enable", "Log.enable", "Runtime.enable"} {
			p.do(domain, struct{}{})
		}
		p.do("Emulation.setScrollbarsHidden", map[string]any{"hidden": true}) // a picture is as wide as the window
		p.do("Page.navigate", map[string]any{"url": "file://" + path})
		p.wait(`document.readyState + document.querySelectorAll('.cards .card').length`, "complete6")
		for _, width := range []int{400, 600, 900, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false})
				p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
				if got := p.run(layout); got != "" {
					t.Errorf("%s, %d pixels, %s:\n%s", name, width, scheme, got)
				}
				if got, want := p.run(`getComputedStyle(document.body).backgroundColor`), map[string]string{"light": "rgb(246, 247, 249)", "dark": "rgb(15, 18, 24)"}[scheme]; got != want {
					t.Errorf("%s: in %s the page is %s, want %s", name, scheme, got, want)
				}
				picture(t, p, fmt.Sprintf("%s-%d-%s", name, width, scheme))
			}
		}
		for _, request := range p.heard("Network.requestWillBeSent") {
			var r struct{ Request struct{ URL string } }
			if err := json.Unmarshal(request, &r); err != nil || r.Request.URL != "file://"+path && r.Request.URL != "about:blank" {
				t.Errorf("%s asks for %s (%v)", name, r.Request.URL, err)
			}
		}
		if n := len(p.heard("Network.requestWillBeSent")); n == 0 {
			t.Errorf("%s: not even the page itself was seen to be asked for", name)
		}
		for _, method := range []string{"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"} {
			for _, entry := range p.heard(method) {
				t.Errorf("%s: the console says %s", name, entry)
			}
		}
	}
}

// picture writes what a page looks like, if a person wants to see it.
func picture(t *testing.T, p *tab, name string) {
	t.Helper()
	folder := os.Getenv("EVERLOOP_SCREENSHOTS")
	if folder == "" {
		return
	}
	var shot struct{ Data string }
	if err := p.b.ask(p.session, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot); err != nil {
		t.Fatal(err)
	}
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(shot.Data))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name+".png"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

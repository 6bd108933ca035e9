package main

import (
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows a person how far something is that takes long, as a bar on a terminal. Anywhere else it shows nothing. Safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	to    *os.File
	what  string
	begun time.Time
	bytes bool // is what is counted
	bar   *progressbar.ProgressBar
}

// barAfter is how long something must take before a bar is worth the reader's time.
const barAfter = 300 * time.Millisecond

// newProgress begins a bar of bytes for what is named.
func newProgress(to *os.File, what string) *progress {
	p := newCount(to, what)
	p.bytes = true
	return p
}

// newCount begins a bar of things. As long as nobody knows how many there are, it counts them.
func newCount(to *os.File, what string) *progress {
	p := &progress{what: what, begun: time.Now()}
	if isTerminal(to) {
		p.to = to
	}
	return p
}

// update tells how much is done, of how much; -1 if that is not known.
func (p *progress) update(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to == nil || p.bar == nil && time.Since(p.begun) < barAfter {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.to), progressbar.OptionSetDescription(p.what),
			progressbar.OptionShowBytes(p.bytes), progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	}
	if total != p.bar.GetMax64() {
		p.bar.ChangeMax64(total)
	}
	_ = p.bar.Set64(done) // a terminal that went away is no reason to stop
}

// end removes the bar, so that what is printed next stands where it was.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // as above
	}
	p.to, p.bar = nil, nil
}

// lineEvery is how often what takes long is reported where there is no terminal.
const lineEvery = 10 * time.Second

// recoveryProgress shows how far a start has come with reading the data directory: as a bar on a terminal, as lines of the log elsewhere.
// update is for engine.Options.Progress.
func recoveryProgress(to *os.File, logger *slog.Logger) (update func(done, total int64), end func()) {
	bar, last := newProgress(to, "reading objects"), time.Now()
	return func(done, total int64) {
		bar.update(done, total)
		if !isTerminal(to) && time.Since(last) >= lineEvery {
			last = time.Now()
			logger.Info("reading the data directory", "bytes", done, "of", total)
		}
	}, bar.end
}

package admin

import (
	"fmt"
	"net/http"
)

// health answers 200 while requests are served, and 503 with the reason when they are not, or soon will not be.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	ok, text := s.state()
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintln(w, text)
}

// state is what /healthz says.
func (s *Server) state() (ok bool, text string) {
	log := s.opts.Engine.Log()
	if err := log.Err(); err != nil {
		return false, fmt.Sprintf("the log has failed: %v", err)
	}
	if s.draining.Load() {
		return false, "draining"
	}
	if err := log.Writable(); err != nil {
		// Reads go on, so nobody should be sent elsewhere for it; but somebody should know.
		return true, fmt.Sprintf("ok, but writes are refused: %v", err)
	}
	return true, "ok"
}

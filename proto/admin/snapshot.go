package admin

import (
	"errors"
	"net/http"
	"time"

	"everloop/engine"
)

// Snapshot is what POST /snapshot answers when a snapshot is installed.
type Snapshot struct {
	Generation uint64 `json:"generation"` // of the log, in front of which it stands
	UpTo       uint64 `json:"upTo"`       // the number of the record up to which it has everything
	Objects    uint64 `json:"objects"`
	Bytes      int64  `json:"bytes"`
	RawBytes   int64  `json:"rawBytes"` // before compression
	TookMS     int64  `json:"tookMs"`
}

// SnapshotOf converts what the engine tells.
func SnapshotOf(info engine.SnapshotInfo, objects uint64) Snapshot {
	return Snapshot{
		Generation: info.Generation, UpTo: uint64(info.Barrier), Objects: objects, Bytes: info.Bytes, RawBytes: info.RawBytes,
		TookMS: info.Took.Milliseconds(),
	}
}

// snapshot is the handler of POST /snapshot. It answers when the snapshot is installed; one that is being made already is waited for. If the
// client goes before, the snapshot goes on. What it costs does not grow with the number of those who ask: they all get the same one.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	if !s.begin(w) {
		return
	}
	defer s.ended()
	// It takes as long as the disk does. The answer then has the time of any other. Neither can fail: the connections are TCP's.
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Time{})
	info, err := s.opts.Engine.Snapshot(r.Context())
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	switch {
	case err == nil:
		reply(w, http.StatusOK, SnapshotOf(info, s.opts.Engine.SnapshotStats().Objects))
	case r.Context().Err() != nil:
		return // nobody is there to be told
	case errors.Is(err, engine.ErrClosed), errors.Is(err, engine.ErrSnapshotAborted):
		reply(w, http.StatusServiceUnavailable, failure{err.Error()})
	default:
		reply(w, http.StatusInternalServerError, failure{err.Error()})
	}
}

// begin takes a place for what is done by hand and may take long. It answers, and reports false, if there is none.
func (s *Server) begin(w http.ResponseWriter) bool {
	select {
	case s.runs <- struct{}{}:
		return true
	default:
		reply(w, http.StatusServiceUnavailable, failure{"too much is being done by hand: try again when some of it has ended"})
		return false
	}
}

// ended gives the place back.
func (s *Server) ended() { <-s.runs }

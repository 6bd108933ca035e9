package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"everloop/engine"
)

// Moment is a place in the log: behind a record.
type Moment struct {
	// Time is when the record was committed, in milliseconds since 1970 (UTC); 0 if that is not known.
	Time   int64  `json:"time"`
	Epoch  uint64 `json:"epoch"` // how often the data directory had been started
	Record uint64 `json:"record"`
}

// History is what GET /history answers: from when to when objects can go back.
type History struct {
	Start Moment `json:"start"`
	End   Moment `json:"end"`
}

// ObjectRestored is what POST /objects/restore and /objects/fork answer when it is done and durable.
type ObjectRestored struct {
	Class string `json:"class"`
	ID    string `json:"id"`    // of the object that has changed
	At    Moment `json:"at"`    // what it was restored to
	Keys  int    `json:"keys"`  // that it has now
	Bytes int    `json:"bytes"` // of keys and values
	Undo  string `json:"undo"`  // the bookmark of what it was before
}

// history is the handler of GET /history.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	ctx, done := context.WithTimeout(r.Context(), writeTimeout/2)
	defer done()
	start, end, err := s.opts.Engine.HistoryRange(ctx)
	if err != nil {
		reply(w, http.StatusServiceUnavailable, failure{err.Error()})
		return
	}
	moment := func(t time.Time, epoch, record uint64) Moment {
		m := Moment{Epoch: epoch, Record: record}
		if !t.IsZero() {
			m.Time = t.UnixMilli()
		}
		return m
	}
	reply(w, http.StatusOK, History{moment(start.Time, start.Epoch, uint64(start.LSN)), moment(end.Time, end.Epoch, uint64(end.LSN))})
}

// restoreObject is the handler of POST /objects/restore, with a form of class, either id or name, and at: a time of RFC 3339 or a bookmark.
func (s *Server) restoreObject(w http.ResponseWriter, r *http.Request) {
	form, class, id, point, ok := s.objectForm(w, r)
	switch {
	case !ok:
	case form.Get("at") == "":
		reply(w, http.StatusBadRequest, failure{"say what to restore the object to: at, a time like 2026-11-24T15:04:00Z, or a bookmark"})
	default:
		s.bringBack(w, r, class, id, func(ctx context.Context) (engine.Restored, error) {
			return s.opts.Engine.RestoreObject(ctx, class, id, point)
		})
	}
}

// forkObject is the handler of POST /objects/fork, with the form of restore, where at may be missing, and either toid or toname: what the fork is to become.
func (s *Server) forkObject(w http.ResponseWriter, r *http.Request) {
	form, class, from, point, ok := s.objectForm(w, r)
	if !ok {
		return
	}
	to, status, err := s.objectID(form, class, "toid", "toname")
	if err != nil {
		reply(w, status, failure{err.Error()})
		return
	}
	s.bringBack(w, r, class, to, func(ctx context.Context) (engine.Restored, error) {
		return s.opts.Engine.ForkObject(ctx, class, from, to, point)
	})
}

// bringBack runs a restore and answers when it has ended. It reads as much of the log as is kept, so it takes as long as it takes, and has
// the object in memory meanwhile; so there is a bound on how many there are at once. If the client goes, it may happen all the same.
func (s *Server) bringBack(w http.ResponseWriter, r *http.Request, class string, id engine.ID, do func(context.Context) (engine.Restored, error)) {
	if !s.begin(w) {
		return
	}
	defer s.ended()
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Time{})
	got, err := do(r.Context())
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		if r.Context().Err() == nil {
			reply(w, statusOf(err), failure{err.Error()})
		}
		return
	}
	at := Moment{Epoch: got.At.Epoch, Record: uint64(got.At.LSN)}
	if !got.At.Time.IsZero() {
		at.Time = got.At.Time.UnixMilli()
	}
	s.opts.Logger.Info("an object was restored by hand", "class", class, "object", id.String(), "record", at.Record, "keys", got.Keys, "undo", got.Undo)
	reply(w, http.StatusOK, ObjectRestored{Class: class, ID: id.String(), At: at, Keys: got.Keys, Bytes: got.Bytes, Undo: string(got.Undo)})
}

// statusOf is the status of a refused restore.
func statusOf(err error) int {
	var e *engine.Error
	for _, c := range []struct {
		status int
		is     []error
	}{
		{http.StatusBadRequest, []error{engine.ErrBookmark, engine.ErrForeignBookmark, engine.ErrFuture}},
		{http.StatusNotFound, []error{engine.ErrUnknownClass, engine.ErrNothingStored}},
		{http.StatusConflict, []error{engine.ErrNotEmpty, engine.ErrOneObject}},
		{http.StatusGone, []error{engine.ErrHistoryGone, engine.ErrBookmarkLost}},
		{http.StatusServiceUnavailable, []error{engine.ErrClosed, engine.ErrUnavailable, engine.ErrBacklog, engine.ErrNoSpace}},
	} {
		for _, is := range c.is {
			if errors.Is(err, is) {
				return c.status
			}
		}
	}
	if errors.As(err, &e) && e.Overloaded {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// objectForm reads which object is meant, and which moment; what is wrong is answered.
func (s *Server) objectForm(w http.ResponseWriter, r *http.Request) (form url.Values, class string, id engine.ID, at engine.RestorePoint, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		reply(w, http.StatusBadRequest, failure{fmt.Sprintf("the form cannot be read: %v", err)})
		return
	}
	form = r.PostForm
	class = form.Get("class")
	id, status, err := s.objectID(form, class, "id", "name")
	if err != nil {
		reply(w, status, failure{err.Error()})
		return
	}
	at, err = pointOf(form.Get("at"))
	if err != nil {
		reply(w, http.StatusBadRequest, failure{err.Error()})
		return
	}
	return form, class, id, at, true
}

// objectID reads an object by its ID or name.
func (s *Server) objectID(form url.Values, class, byID, byName string) (id engine.ID, status int, err error) {
	if class == "" || form.Has(byID) == form.Has(byName) {
		return id, http.StatusBadRequest, fmt.Errorf("say which object, as a form: class, and either %s or %s", byID, byName)
	}
	if form.Has(byName) {
		id, err = s.opts.Engine.KnownID(class, form.Get(byName))
	} else {
		id, err = s.opts.Engine.KnownIDFromString(class, form.Get(byID))
	}
	if errors.Is(err, engine.ErrUnknownClass) {
		return id, http.StatusNotFound, fmt.Errorf("there is no class %.200q: there are %s", class, strings.Join(s.opts.Engine.Classes(), ", "))
	}
	return id, http.StatusBadRequest, err
}

// pointOf reads a time of RFC 3339 or a bookmark; nothing is now.
func pointOf(text string) (at engine.RestorePoint, err error) {
	if text == "" {
		return at, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return engine.RestorePoint{Time: t}, nil
	}
	if at.Bookmark = engine.Bookmark(text); !at.Bookmark.Plausible() {
		return at, fmt.Errorf("at is %.100q, and is a time like 2026-11-24T15:04:00Z, or a bookmark", text)
	}
	return at, nil
}

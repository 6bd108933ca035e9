package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"everloop/engine"
)

const (
	// failedPage is how many alarms GET /alarms/failed lists if nothing else is said, failedPageMost how many at most.
	failedPage     = 100
	failedPageMost = 1000
	// failedShown is how many of them the page shows.
	failedShown = 20
	// loopPatience bounds how long the loops may take to say what they know: they may be busy, or stuck.
	loopPatience = 5 * time.Second
	// maxRuns is how many alarms may be run by hand at once, with snapshots and restores counted in: each keeps a connection until it ends.
	maxRuns = 64
	// maxForm bounds the body of a request to run an alarm. Names of objects may be long.
	maxForm = 64 << 10
)

// FailedAlarm is an alarm that was given up, as GET /alarms/failed tells it. Times are in milliseconds since 1970 (UTC).
type FailedAlarm struct {
	Class         string `json:"class"` // empty if the program has no such class any more
	ID            string `json:"id"`
	Name          string `json:"name,omitempty"` // if the object was made from one
	Named         bool   `json:"named"`          // tells an object of the empty name
	Runs          int    `json:"runs"`           // how often it has run
	ScheduledTime int64  `json:"scheduledTime"`  // what it was set for
	FailedAt      int64  `json:"failedAt"`       // when it was given up
	Error         string `json:"error"`          // of the last run
}

// FailedAlarms is what GET /alarms/failed answers: some of the alarms that were given up, in no particular order.
type FailedAlarms struct {
	Alarms []FailedAlarm `json:"alarms"`
	// Next is the skip of the next page, 0 if there is none.
	Next int `json:"next,omitempty"`
}

// AlarmRun is what POST /alarms/run answers when the alarm has run, and what it had to do is durable.
type AlarmRun struct {
	Class string `json:"class"`
	ID    string `json:"id"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"` // of the handler; the log says what becomes of the alarm then
}

// failure is what a request is answered that could not be done.
type failure struct {
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client has gone, if it fails
}

// failedAlarms is the handler of GET /alarms/failed?limit=N&skip=N.
func (s *Server) failedAlarms(w http.ResponseWriter, r *http.Request) {
	limit, err := number(r, "limit", failedPage, 1, failedPageMost)
	skip, err2 := number(r, "skip", 0, 0, 1<<31-1)
	if err = errors.Join(err, err2); err != nil {
		reply(w, http.StatusBadRequest, failure{err.Error()})
		return
	}
	got, err := s.listFailed(r.Context(), skip, limit)
	if err != nil {
		reply(w, http.StatusServiceUnavailable, failure{err.Error()})
		return
	}
	reply(w, http.StatusOK, got)
}

// number reads a parameter of the query.
func number(r *http.Request, name string, or, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return or, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is %.40q, and is a number from %d to %d", name, text, least, most)
	}
	return n, nil
}

// listFailed asks the loops for the alarms that were given up.
func (s *Server) listFailed(ctx context.Context, skip, limit int) (FailedAlarms, error) {
	list := FailedAlarms{Alarms: []FailedAlarm{}}
	if s.opts.Engine.Metrics().FailedAlarms == 0 {
		return list, nil // a counter: it is known without asking the loops
	}
	ctx, done := context.WithTimeout(ctx, loopPatience)
	defer done()
	seen := 0
	err := s.opts.Engine.FailedAlarms(ctx, func(f engine.FailedAlarm) bool {
		seen++
		if seen <= skip {
			return true
		}
		if len(list.Alarms) == limit {
			list.Next = skip + limit
			return false
		}
		a := FailedAlarm{
			Class: f.Class, ID: f.ID.String(), Runs: f.Runs, ScheduledTime: f.ScheduledTime, FailedAt: f.FailedAt, Error: f.Err,
		}
		a.Name, a.Named = f.ID.Name()
		list.Alarms = append(list.Alarms, a)
		return true
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("a loop has not answered for %v: it is busy, or stuck", loopPatience)
	}
	return list, err
}

// runAlarm is the handler of POST /alarms/run, with a form of class and either id or name. It answers when the run has ended; if
// the client goes before, the run goes on. From the page it comes by a button, and is answered with the page.
func (s *Server) runAlarm(w http.ResponseWriter, r *http.Request) {
	answer := reply
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		answer = func(w http.ResponseWriter, status int, v any) { s.show(w, r, status, told(v)) }
	}
	select {
	case s.runs <- struct{}{}:
		defer func() { <-s.runs }()
	default:
		answer(w, http.StatusServiceUnavailable, failure{fmt.Sprintf("%d alarms are being run by hand: try again when some have ended", maxRuns)})
		return
	}
	class, id, status, err := s.alarmOf(w, r)
	if err != nil {
		answer(w, status, failure{err.Error()})
		return
	}
	run := AlarmRun{Class: class, ID: id.String(), OK: true}
	// A run takes as long as the alarm's handler, which the engine bounds. The answer then has the time of any other. Neither can fail:
	// the connections are TCP's.
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Time{})
	err = s.opts.Engine.RunAlarm(r.Context(), class, id)
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	switch {
	case err == nil:
	case r.Context().Err() != nil:
		return // nobody is there to be told
	case errors.Is(err, engine.ErrNoAlarm):
		answer(w, http.StatusNotFound, failure{fmt.Sprintf("%s %s has no alarm: none is set, and none was given up", class, id)})
		return
	case errors.Is(err, engine.ErrClosed), errors.Is(err, engine.ErrUnavailable), errors.Is(err, engine.ErrBacklog):
		answer(w, http.StatusServiceUnavailable, failure{err.Error()})
		return
	default:
		run.OK, run.Error = false, err.Error()
	}
	s.opts.Logger.Info("an alarm was run by hand", "class", class, "object", run.ID, "err", err)
	answer(w, http.StatusOK, run)
}

// alarmOf reads whose alarm is meant.
func (s *Server) alarmOf(w http.ResponseWriter, r *http.Request) (class string, id engine.ID, status int, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return "", id, http.StatusBadRequest, fmt.Errorf("the form cannot be read: %w", err)
	}
	class = r.PostForm.Get("class")
	byID, byName := r.PostForm.Has("id"), r.PostForm.Has("name")
	if class == "" || byID == byName {
		return "", id, http.StatusBadRequest, errors.New("say whose alarm to run, as a form: class, and either id or name")
	}
	ns := s.opts.Engine.Namespace(class)
	if ns == nil {
		return "", id, http.StatusNotFound, fmt.Errorf("there is no class %.200q: there are %s", class, strings.Join(s.opts.Engine.Classes(), ", "))
	}
	if byName {
		return class, ns.IDFromName(r.PostForm.Get("name")), 0, nil
	}
	id, err = ns.IDFromString(r.PostForm.Get("id"))
	return class, id, http.StatusBadRequest, err
}

// told says in a sentence what a request was answered.
func told(v any) string {
	switch v := v.(type) {
	case AlarmRun:
		if v.OK {
			return fmt.Sprintf("The alarm of %s %s has run.", v.Class, v.ID)
		}
		return fmt.Sprintf("The alarm of %s %s has run and failed: %s", v.Class, v.ID, v.Error)
	case failure:
		return "It was not done: " + v.Error
	}
	return ""
}

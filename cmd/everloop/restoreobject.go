package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/url"
	"os"
	"strings"
	"time"

	"everloop/engine"
	"everloop/proto/admin"
	"everloop/wal"
)

// restoreObjectFlags are the flags of `everloop restore --object`, which restores one object: of a running daemon, or of the data directory of one that is
// stopped.
type restoreObjectFlags struct {
	daemonAt `embed:""`
	Object   string `name:"object" placeholder:"CLASS" help:"Restore one object of this class, by its name or ID, while the daemon runs."`
	As       string `name:"as" placeholder:"NEWNAME" help:"Leave the object as it is, and give what it was to another one of this name, which must be empty: a fork. With --id, of this ID."`
	ID       bool   `name:"id" help:"The object is named by its ID of 64 hexadecimal digits, not by its name."`
	Data     string `name:"data" placeholder:"DIR" help:"Open this data directory, of a daemon that is stopped, rather than ask a running one."`
}

// pointFlag is a point in time as a person gives it (see parseMoment), or the bookmark of an object.
type pointFlag struct {
	time.Time
	bookmark engine.Bookmark
}

// UnmarshalText is called by kong.
func (m *pointFlag) UnmarshalText(text []byte) (err error) {
	*m = pointFlag{}
	if b := engine.Bookmark(text); b.Plausible() {
		m.bookmark = b
		return nil
	}
	if m.Time, err = parseMoment(string(text), time.Now()); err != nil {
		err = fmt.Errorf("%w, or give the bookmark of an object", err)
	}
	return err
}

// given reports whether it says anything.
func (m pointFlag) given() bool { return m.bookmark != "" || !m.IsZero() }

// text is the moment as the admin side takes it.
func (m pointFlag) text() string {
	if m.IsZero() {
		return string(m.bookmark)
	}
	return m.UTC().Format(time.RFC3339Nano)
}

// restoreObject restores the object with that name or ID to what it was at a moment, or forks it, and says how to undo that.
func (c *restoreObjectFlags) restoreObject(stdout io.Writer, name string, at pointFlag) (err error) {
	switch {
	case name == "":
		return errors.New("name the object: everloop restore --object CLASS NAME --at TIME")
	case !at.given() && c.As == "":
		return errors.New("say what to restore the object to: --at TIME or --at BOOKMARK")
	}
	var got admin.ObjectRestored
	if c.Data == "" {
		path, form := "/objects/restore", url.Values{"class": {c.Object}, c.by(""): {name}}
		if at.given() {
			form.Set("at", at.text())
		}
		if c.As != "" {
			path = "/objects/fork"
			form.Set(c.by("to"), c.As)
		}
		err = c.ask(path, form, 0, &got)
	} else {
		got, err = c.restoreStopped(name, at)
	}
	if err != nil {
		return err
	}
	return c.tell(stdout, name, &got)
}

func (c *restoreObjectFlags) by(prefix string) string {
	if c.ID {
		return prefix + "id"
	}
	return prefix + "name"
}

// restoreStopped does it in a data directory that no daemon has open. Nothing of its program runs: no class is registered.
func (c *restoreObjectFlags) restoreStopped(name string, at pointFlag) (got admin.ObjectRestored, err error) {
	if err := existing(c.Data); err != nil {
		return got, err
	}
	e, err := engine.Open(engine.Options{
		Dir: c.Data, Logger: slog.New(slog.DiscardHandler),
		// The history that there is stays as it is: what is kept is for the daemon to decide.
		Retain: wal.Retain{Age: math.MaxInt64, Bytes: math.MaxInt64}, SnapshotLog: -1, SnapshotAge: -1,
	})
	var locked *wal.LockedError
	if errors.As(err, &locked) {
		return got, fmt.Errorf("%w\nWhile its daemon runs, leave --data away: the daemon restores the object itself", err)
	}
	if err != nil {
		return got, err
	}
	defer func() {
		ctx, done := context.WithTimeout(context.Background(), 30*time.Second)
		defer done()
		err = errors.Join(err, e.Close(ctx))
	}()
	id := func(name string) (engine.ID, error) {
		if c.ID {
			return e.KnownIDFromString(c.Object, name)
		}
		return e.KnownID(c.Object, name)
	}
	object, err := id(name)
	if err != nil {
		return got, err
	}
	point := engine.RestorePoint{Time: at.Time, Bookmark: at.bookmark}
	var done engine.Restored
	if c.As == "" {
		done, err = e.RestoreObject(context.Background(), c.Object, object, point)
	} else {
		var to engine.ID
		if to, err = id(c.As); err == nil {
			done, err = e.ForkObject(context.Background(), c.Object, object, to, point)
		}
	}
	if err != nil {
		return got, err
	}
	got = admin.ObjectRestored{Keys: done.Keys, Bytes: done.Bytes, Undo: string(done.Undo), At: admin.Moment{Epoch: done.At.Epoch, Record: uint64(done.At.LSN)}}
	if !done.At.Time.IsZero() {
		got.At.Time = done.At.Time.UnixMilli()
	}
	return got, nil
}

// tell says what was done and how to undo it.
func (c *restoreObjectFlags) tell(stdout io.Writer, name string, got *admin.ObjectRestored) error {
	when := fmt.Sprintf("record %d", got.At.Record)
	if got.At.Time != 0 {
		when = people(time.UnixMilli(got.At.Time)) + " (" + when + ")"
	}
	what := fmt.Sprintf("%s %s is what it was after the write of %s", c.Object, printable(name), when)
	if c.As != "" {
		what = fmt.Sprintf("%s %s has what %s had after the write of %s", c.Object, printable(c.As), printable(name), when)
		name = c.As
	}
	keys := "1 key"
	if got.Keys != 1 {
		keys = fmt.Sprintf("%d keys", got.Keys)
	}
	if _, err := fmt.Fprintf(stdout, "%s: %s, %d bytes\n", what, keys, got.Bytes); err != nil {
		return err
	}
	undo := []string{"everloop", "restore", "--object", shellWord(c.Object), shellWord(name), "--at", got.Undo}
	if c.ID {
		undo = append(undo, "--id")
	}
	switch {
	case c.Data != "":
		undo = append(undo, "--data", shellWord(c.Data))
	case c.Admin != "127.0.0.1:8788" && c.Admin != os.Getenv("EVERLOOP_ADMIN"): // the default, or what the next command has, too
		undo = append(undo, "--admin", shellWord(c.Admin))
	}
	_, err := fmt.Fprintf(stdout, "to undo it: %s\n", strings.Join(undo, " "))
	return err
}

// shellWord is a word as a shell takes it back.
func shellWord(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,=") == "" && text[0] != '-' {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

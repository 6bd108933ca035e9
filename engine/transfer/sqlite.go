package transfer

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite" // also the driver "sqlite"

	"everloop/engine"
	"everloop/engine/value"
)

const (
	// maxRow bounds what SQLite makes in memory for one row or value, in bytes: a file may say that a column is computed, and huge. Whatever can be
	// taken over is less.
	maxRow = value.MaxSize + engine.MaxKeyBytes + 4096
	// limitLength is SQLITE_LIMIT_LENGTH.
	limitLength = 0
)

// openSQLite opens a database for reading, and returns what must be called when it is done with. The files are never changed: where a process has left a log beside the database,
// which a reader would have to recover, everything is copied into the folder scratch first.
func openSQLite(path, scratch string) (db *sql.DB, done func(), err error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, nil, cmp.Or(err, errors.New("this is no file")) // opening a pipe would wait
	}
	copied := false
	for _, beside := range []string{"-wal", "-journal"} {
		info, err := os.Stat(path + beside)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, nil, err
		case info.Size() > 0:
			if err := copyFile(path+beside, filepath.Join(scratch, "copy.sqlite"+beside)); err != nil {
				return nil, nil, err
			}
			copied = true
		}
	}
	target, options := path, "?mode=ro&immutable=1"
	remove := func() {
		for _, beside := range []string{"", "-wal", "-shm", "-journal"} {
			_ = os.Remove(filepath.Join(scratch, "copy.sqlite"+beside)) // the next copy takes its place
		}
	}
	if copied {
		target, options = filepath.Join(scratch, "copy.sqlite"), "?mode=rw"
		if err := copyFile(path, target); err != nil {
			remove()
			return nil, nil, err
		}
	}
	// The schema is somebody else's: nothing in it is run, as far as it has any effect. Checks of its own could take for ever.
	options += "&_pragma=trusted_schema(0)&_pragma=ignore_check_constraints(1)&_pragma=cell_size_check(1)&_pragma=mmap_size(0)&_pragma=query_only(1)"
	db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: target}).EscapedPath()+options)
	if err != nil {
		remove()
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	done = func() {
		_ = db.Close() // it was only read
		remove()
	}
	if err := limitRows(db); err != nil {
		done()
		return nil, nil, err
	}
	var verdict string
	if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		done()
		return nil, nil, fmt.Errorf("this is no SQLite database, or a damaged one: %w", err)
	}
	if verdict != "ok" {
		done()
		return nil, nil, fmt.Errorf("the SQLite database is damaged: %s", strings.ReplaceAll(clip(verdict), "\n", " "))
	}
	return db, done, nil
}

// limitRows sets maxRow for the one connection of db.
func limitRows(db *sql.DB) error {
	c, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	_, err = sqlite.Limit(c, limitLength, maxRow)
	return errors.Join(err, c.Close())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// tables are the names of the tables and views of a database. plain has those that hold rows of their own: reading from a view, or from a virtual table, would run what
// somebody else wrote.
func tables(db *sql.DB) (names []string, plain map[string]bool, err error) {
	rows, err := db.Query("SELECT name, type = 'table' AND rootpage > 0 FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = rows.Close() }()
	plain = map[string]bool{}
	for rows.Next() {
		var name string
		var is bool
		if err := rows.Scan(&name, &is); err != nil {
			return nil, nil, err
		}
		names = append(names, name)
		plain[name] = is
	}
	return names, plain, rows.Err()
}

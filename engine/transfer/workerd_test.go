package transfer

import (
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// database makes a SQLite database as workerd does, runs statements in it, and returns it open: its log lies beside it until it is closed.
func database(t *testing.T, path string, statements ...string) *sql.DB {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() }) // the test may have closed it
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return db
}

const (
	makeKV       = "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"
	makeMetadata = "CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)"
	putOne       = "INSERT INTO _cf_KV VALUES ('n', x'ff0f4902')" // 1
)

// importState imports what is in a folder.
func importState(t *testing.T, from, dir string, o ImportOptions) (Imported, error) {
	t.Helper()
	scratch := t.TempDir()
	src, err := OpenState(from, scratch)
	if err != nil {
		return Imported{}, err
	}
	o.Logger = quiet
	done, err := Import(src, dir, o)
	if left, readErr := os.ReadDir(scratch); readErr != nil || len(left) > 0 {
		t.Errorf("copies are left: %v, %v", left, readErr)
	}
	return done, err
}

func path(folder, key string, id [32]byte) string {
	return filepath.Join(folder, key, hex.EncodeToString(id[:])+".sqlite")
}

// TestState imports databases with and without their logs, in every place that a state may be told by.
func TestState(t *testing.T) {
	root := t.TempDir()
	do := filepath.Join(root, ".wrangler", "state", "v3", "do")
	room := named("shop-Room", "the room")
	// Left open, as by a process that was killed: everything is in the log.
	open := database(t, path(do, "shop-Room", room), makeKV, putOne, "INSERT INTO _cf_KV VALUES ('日', x'ff0f5f')", makeMetadata, "INSERT INTO _cf_METADATA VALUES (1, -1)", "INSERT INTO _cf_METADATA VALUES (2, 9)")
	if info, err := os.Stat(path(do, "shop-Room", room) + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("there is no log: %v", err)
	}
	_ = database(t, path(do, "shop-Room", named("shop-Room", "noted")), "CREATE TABLE __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)", "INSERT INTO __miniflare_do_name VALUES (1, 'noted')", makeKV, putOne).Close()
	closed := database(t, path(do, "shop-Room", unique("shop-Room", 1)), makeKV, putOne, makeMetadata, "INSERT INTO _cf_METADATA VALUES (1, NULL)")
	_ = closed.Close()
	_ = database(t, path(do, "shop-Room", unique("shop-Room", 2)), makeKV).Close()
	_ = database(t, path(do, "my-shop-Counter", unique("my-shop-Counter", 3)), makeKV, putOne).Close()
	_ = database(t, filepath.Join(do, "shop-Room", metadataFile), "CREATE TABLE _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER, actor_name TEXT) WITHOUT ROWID",
		"INSERT INTO _cf_ALARM VALUES ('"+hex.EncodeToString(room[:])+"', 5000000, 'the room')",
		"INSERT INTO _cf_ALARM VALUES ('"+fmt.Sprintf("%x", unique("shop-Room", 1))+"', 1, 'a name that it does not have')").Close()
	_ = database(t, filepath.Join(do, "my-shop-Counter", metadataFile), "CREATE TABLE _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER) WITHOUT ROWID").Close() // of an older version
	for _, other := range []string{"kv", "r2"} {
		if err := os.MkdirAll(filepath.Join(root, ".wrangler", "state", "v3", other, "x"), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, ".wrangler", "state", "v3", "kv", "x", "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := written(t, []Class{{"Counter", "my-shop-Counter"}, {"Room", "shop-Room"}}, []string{"v1"}, []Object{
		{Class: Class{Name: "Counter"}, ID: unique("my-shop-Counter", 3), Keys: []Key{{"n", encode(t, 1)}}},
		{Class: Class{Name: "Room"}, ID: unique("shop-Room", 1), Keys: []Key{{"n", encode(t, 1)}}},
		{Class: Class{Name: "Room"}, ID: named("shop-Room", "noted"), Name: "noted", Named: true, Keys: []Key{{"n", encode(t, 1)}}},
		{Class: Class{Name: "Room"}, ID: room, Name: "the room", Named: true, Alarm: &Alarm{Time: -1}, Keys: []Key{{"n", encode(t, 1)}, {"日", []byte{0xf7}}}},
	})
	before := files(t, root)
	for _, place := range []string{"", ".wrangler", ".wrangler/state", ".wrangler/state/v3", ".wrangler/state/v3/do"} {
		dir := filepath.Join(t.TempDir(), "data")
		done, err := importState(t, filepath.Join(root, place), dir, ImportOptions{Migrations: []string{"v1"}})
		if err != nil {
			t.Fatalf("%s: %v", place, err)
		}
		if done.Objects != 4 || done.Empty != 1 || done.Alarms != 1 {
			t.Errorf("%+v", done)
		}
		if got := exported(t, dir, ExportOptions{}); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", place, got, want)
		}
	}
	for name, now := range files(t, root) {
		if now != before[name] {
			t.Errorf("an import has changed %s", name)
		}
	}
	_ = open.Close()
	s, err := OpenState(root, t.TempDir())
	if err != nil || len(s.Beside()) != 1 || s.Beside()[0] != "kv" || s.Dir() != do {
		t.Errorf("%v in %v, %v", s.Beside(), s.Dir(), err)
	}
	if _, err := OpenState(t.TempDir(), t.TempDir()); !errors.Is(err, ErrNoState) {
		t.Errorf("an empty folder: %v", err)
	}
}

// TestStateRefuses has what cannot be imported: nothing is written, unless it is said to go on without it.
func TestStateRefuses(t *testing.T) {
	const key = "shop-Room"
	id := unique(key, 1)
	for name, tt := range map[string]struct {
		make func(do string)
		o    ImportOptions
		want string // of the error; "" for none
		ok   int    // objects that are imported
	}{
		"SQL":          {func(do string) { database(t, path(do, key, id), makeKV, putOne, "CREATE TABLE users (a)") }, ImportOptions{}, "tables of its own (users)", 0},
		"SQL, skipped": {func(do string) { database(t, path(do, key, id), makeKV, putOne, "CREATE TABLE users (a)") }, ImportOptions{SkipSQL: true}, "", 2},
		"facets": {func(do string) {
			database(t, strings.Replace(path(do, key, unique(key, 5)), ".sqlite", ".1.sqlite", 1), makeKV, putOne)
		}, ImportOptions{SkipSQL: true}, "facet 1", 0},
		"facets, skipped": {func(do string) {
			database(t, strings.Replace(path(do, key, unique(key, 5)), ".sqlite", ".1.sqlite", 1), makeKV, putOne)
		}, ImportOptions{SkipFacets: true}, "", 1},
		"a bad value": {func(do string) {
			database(t, path(do, key, id), makeKV, "INSERT INTO _cf_KV VALUES ('b/d', x'ff0f5c01')")
		}, ImportOptions{SkipSQL: true}, `key "b/d": transfer: V8 value: a stub`, 0},
		"no value": {func(do string) { database(t, path(do, key, id), makeKV, "INSERT INTO _cf_KV VALUES ('b', NULL)") }, ImportOptions{}, `key "b": transfer: V8 value: the data ends`, 0},
		"a bad alarm": {func(do string) {
			database(t, path(do, key, id), makeMetadata, "INSERT INTO _cf_METADATA VALUES (1, 'x')")
		}, ImportOptions{}, "the alarm cannot be read", 0},
		"another table":     {func(do string) { database(t, path(do, key, id), "CREATE TABLE _cf_KV (a, b, c)") }, ImportOptions{}, "no such column", 0},
		"a foreign ID":      {func(do string) { database(t, path(do, key, unique("x", 1)), makeKV) }, ImportOptions{}, "another unique key", 0},
		"another file name": {func(do string) { database(t, filepath.Join(do, key, "x.sqlite"), makeKV) }, ImportOptions{}, "not the ID of an object", 0},
		"a view": {func(do string) {
			database(t, path(do, key, id), "CREATE VIEW _cf_KV AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i AS key, i AS value FROM n")
		}, ImportOptions{}, "_cf_KV is a view", 0},
		"a view of names": {func(do string) {
			database(t, path(do, key, id), "CREATE VIEW __miniflare_do_name AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i AS id, max(i) AS name FROM n")
		}, ImportOptions{}, "__miniflare_do_name is a view", 0},
		"a view of alarms": {func(do string) {
			database(t, filepath.Join(do, key, metadataFile), "CREATE VIEW _cf_ALARM AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT 'x' AS actor_id, 'y' AS actor_name FROM n")
		}, ImportOptions{}, "", 1},
		"a virtual table": {func(do string) { database(t, path(do, key, id), "CREATE VIRTUAL TABLE _cf_KV USING fts5(key, value)") }, ImportOptions{}, "a virtual table", 0},
		"a huge value": {func(do string) {
			database(t, path(do, key, id), "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, n, value AS (zeroblob(900000000)))", "INSERT INTO _cf_KV VALUES ('a', 1)")
		}, ImportOptions{}, "too big", 0},
		"a slow check": {func(do string) {
			database(t, path(do, key, id), "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB, n DEFAULT 0, CHECK (n = 0 OR length(hex(zeroblob(400000000))) = 1))", "PRAGMA ignore_check_constraints = 1", "INSERT INTO _cf_KV VALUES ('n', x'ff0f4902', 1)")
		}, ImportOptions{}, "", 2},
		"a pipe": {func(do string) {
			if err := unix.Mkfifo(path(do, key, id), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ImportOptions{}, "this is no file", 0},
		"a link to a folder": {func(do string) {
			elsewhere := t.TempDir()
			_ = database(t, path(elsewhere, "shop-Hall", unique("shop-Hall", 1)), makeKV, putOne).Close()
			if err := os.Symlink(filepath.Join(elsewhere, "shop-Hall"), filepath.Join(do, "shop-Hall")); err != nil {
				t.Fatal(err)
			}
		}, ImportOptions{}, "", 2},
		"no database": {func(do string) {
			if err := os.WriteFile(path(do, key, id), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ImportOptions{}, "no SQLite database", 0},
		"a damaged one": {func(do string) {
			_ = database(t, path(do, key, id), makeKV, putOne, "INSERT INTO _cf_KV VALUES ('z', zeroblob(9000))").Close()
			b, err := os.ReadFile(path(do, key, id))
			if err != nil {
				t.Fatal(err)
			}
			copy(b[4096:], strings.Repeat("\xff", 200)) // the root of the table
			if err := os.WriteFile(path(do, key, id), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, ImportOptions{}, "damaged", 0},
		"one that can be read": {func(do string) {
			_ = database(t, path(do, key, id), makeKV, putOne).Close()
			b, err := os.ReadFile(path(do, key, id))
			if err != nil {
				t.Fatal(err)
			}
			b[31]++ // a page more than anything uses
			if err := os.WriteFile(path(do, key, id), append(b, make([]byte, 4096)...), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ImportOptions{}, "database is damaged", 0},
		"a class without a name": {func(do string) { database(t, path(do, "shop-1", unique("shop-1", 1)), makeKV, putOne) }, ImportOptions{}, "--class shop-1=NAME", 0},
		"one that is named":      {func(do string) { database(t, path(do, "shop-1", unique("shop-1", 1)), makeKV, putOne) }, ImportOptions{Classes: map[string]string{"shop-1": "One"}}, "", 2},
		"one that is left out":   {func(do string) { database(t, path(do, "shop-1", unique("y", 1)), makeKV, "CREATE TABLE users (a)") }, ImportOptions{Classes: map[string]string{"shop-1": ""}}, "", 1},
		"one name for two":       {func(do string) { database(t, path(do, "b-Room", unique("b-Room", 1)), makeKV, putOne) }, ImportOptions{}, "would both be the class Room", 0},
		"only one of them":       {func(do string) { database(t, path(do, "b-Room", unique("b-Room", 1)), makeKV, putOne) }, ImportOptions{Only: func(key string) bool { return key == "b-Room" }}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			do, parent := t.TempDir(), t.TempDir()
			_ = database(t, path(do, key, unique(key, 9)), makeKV, putOne).Close()
			tt.make(do)
			done, err := importState(t, do, filepath.Join(parent, "data"), tt.o)
			if tt.want == "" {
				if err != nil || done.Objects != tt.ok {
					t.Errorf("%+v, %v", done, err)
				}
				if skipped := tt.o.SkipSQL || tt.o.SkipFacets; skipped != (len(done.Skipped) == 1) {
					t.Errorf("skipped: %v", done.Skipped)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want something of %q", err, tt.want)
			}
			if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

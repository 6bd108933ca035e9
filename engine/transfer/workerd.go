package transfer

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"everloop/engine"
)

// State is a folder in which workerd keeps objects: below it one folder for each unique key, in it a SQLite database for each object,
// ID.sqlite, and metadata.sqlite with the moments of alarms. wrangler and miniflare have it below .wrangler/state/v3/do.
type State struct {
	dir     string
	keys    []string // the unique keys, sorted
	scratch string
	other   []string // what the tools keep beside it, which nothing here can hold
}

var _ Source = (*State)(nil)

// ErrNoState is wrapped by what OpenState returns for a folder that has no objects of workerd.
var ErrNoState = errors.New("transfer: no objects of wrangler, miniflare or workerd")

// statePlaces are where the objects are below what people call the state.
var statePlaces = []string{"", "do", "v3/do", "state/v3/do", ".wrangler/state/v3/do"}

// OpenState finds workerd's objects in or below a folder: the storage folder itself, wrangler's state (.wrangler/state, its v3 or do), or a project that has one. scratch is
// an empty folder for copies of one database at a time; it is the caller's to remove. The files are only read. No process should write to them meanwhile.
func OpenState(path, scratch string) (*State, error) {
	for _, place := range statePlaces {
		dir := filepath.Join(path, place)
		keys, err := uniqueKeys(dir)
		if err != nil {
			return nil, err
		}
		if len(keys) == 0 {
			continue
		}
		s := &State{dir: dir, keys: keys, scratch: scratch}
		if filepath.Base(dir) == "do" && filepath.Base(filepath.Dir(dir)) == "v3" {
			s.other = neighbours(filepath.Dir(dir))
		}
		return s, nil
	}
	return nil, fmt.Errorf("%w in %s: want a folder with UNIQUEKEY/ID.sqlite, such as .wrangler/state, or that of workerd's localDisk", ErrNoState, path)
}

// uniqueKeys are the folders in dir that have objects, or the alarms of some.
func uniqueKeys(dir string) (keys []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err != nil || !info.IsDir() { // it may be a link to one
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(files, func(f fs.DirEntry) bool {
			id, _, _ := strings.Cut(f.Name(), ".")
			_, ok := parseID(id)
			return ok || f.Name() == metadataFile
		}) {
			keys = append(keys, e.Name())
		}
	}
	return keys, nil
}

// neighbours are the kinds of storage in wrangler's state that hold something and are not Durable Objects.
func neighbours(dir string) (names []string) {
	for _, name := range []string{"analytics-engine-dataset", "cache", "d1", "kv", "r2", "secrets-store", "workflows"} {
		found := false
		_ = filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				found = true
				return fs.SkipAll
			}
			return nil
		})
		if found {
			names = append(names, name)
		}
	}
	return names
}

const metadataFile = "metadata.sqlite"

// Dir is the folder that the unique keys are in.
func (s *State) Dir() string { return s.dir }

// Beside names what wrangler keeps beside the objects and an import leaves behind, such as kv.
func (s *State) Beside() []string { return s.other }

// Classes are the unique keys; what their classes are called, workerd does not write down. For wrangler and miniflare, whose unique keys are the script's name, a dash
// and the class, it is that class.
func (s *State) Classes() (classes []Class) {
	for _, key := range s.keys {
		classes = append(classes, Class{UniqueKey: key, Name: classOf(key)})
	}
	return classes
}

// identifier is what a class may be called that has its unique key from wrangler. The script's name is no part of it: it has no capital letters, but may have dashes.
var identifier = regexp.MustCompile(`^[\p{L}_$][\p{L}\p{N}_$]*$`)

// classOf guesses the class of a unique key, or returns "".
func classOf(key string) string {
	name := key[strings.LastIndexByte(key, '-')+1:]
	if !identifier.MatchString(name) {
		return ""
	}
	return name
}

// Migrations are none: workerd does not write them down.
func (s *State) Migrations() []string { return nil }

// Objects implements [Source].
func (s *State) Objects(wanted func(uniqueKey string) bool, fn func(*Object) error, wrong func(Problem) error) error {
	for _, c := range s.Classes() {
		if !wanted(c.UniqueKey) {
			continue
		}
		if err := s.class(c, fn, wrong); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) class(c Class, fn func(*Object) error, wrong func(Problem) error) error {
	dir := filepath.Join(s.dir, c.UniqueKey)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	names, err := s.names(filepath.Join(dir, metadataFile))
	if err != nil {
		if err := wrong(Problem{Place: filepath.Join(dir, metadataFile), Err: err}); err != nil {
			return err
		}
	}
	for _, e := range entries { // sorted, and so the IDs are
		place := filepath.Join(dir, e.Name())
		stem, isDatabase := strings.CutSuffix(e.Name(), ".sqlite")
		digits, facet, isFacet := strings.Cut(stem, ".")
		id, isID := parseID(digits)
		switch {
		case e.Name() == metadataFile || !isDatabase:
			continue // logs are read with their databases, and an index of facets tells nothing without them
		case !isID:
			err = wrong(Problem{Place: place, Err: errors.New("the file's name is not the ID of an object, 64 hexadecimal digits")})
		case isFacet:
			err = wrong(Problem{Place: place, Skippable: "facets", Err: fmt.Errorf("this is facet %s of the object, and there are no facets here", facet)})
		case !checkID(c.UniqueKey, &id):
			err = wrong(Problem{Place: place, Err: fmt.Errorf("the ID was made for another unique key than %q: has the folder been renamed?", c.UniqueKey)})
		default:
			err = s.object(c, id, names[digits], place, fn, wrong)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// names are what the scheduler of alarms knows of the names of objects, by the digits of their IDs.
func (s *State) names(path string) (map[string]string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, done, err := openSQLite(path, s.scratch)
	if err != nil {
		return nil, err
	}
	defer done()
	if _, plain, err := tables(db); err != nil || !plain["_cf_ALARM"] {
		return nil, err
	}
	var known int
	if err := db.QueryRow("SELECT count(*) FROM pragma_table_info('_cf_ALARM') WHERE name = 'actor_name'").Scan(&known); err != nil || known == 0 {
		return nil, err // an older version has no names
	}
	rows, err := db.Query("SELECT actor_id, actor_name FROM _cf_ALARM WHERE actor_name IS NOT NULL")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names := map[string]string{}
	for rows.Next() {
		var id, name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, err
		}
		names[id] = name
	}
	return names, rows.Err()
}

// object reads one object's database.
func (s *State) object(c Class, id [32]byte, name, place string, fn func(*Object) error, wrong func(Problem) error) error {
	db, done, err := openSQLite(place, s.scratch)
	if err != nil {
		return wrong(Problem{Place: place, Err: err})
	}
	defer done()
	names, plain, err := tables(db)
	if err != nil {
		return wrong(Problem{Place: place, Err: err})
	}
	for _, n := range []string{nameTable, "_cf_KV", "_cf_METADATA"} {
		if slices.Contains(names, n) && !plain[n] {
			return wrong(Problem{Place: place, Err: fmt.Errorf("%s is a view or a virtual table: workerd never makes such a file", n)})
		}
	}
	o := Object{Class: c, ID: id, Place: place}
	var users []string
	for _, n := range names {
		if !isTools(strings.ToLower(n)) {
			users = append(users, n)
		}
	}
	bad := false
	report := func(p Problem) error {
		bad = bad || p.Skippable == ""
		return wrong(p)
	}
	if slices.Contains(names, nameTable) {
		// An object without a name has no row.
		if err := db.QueryRow("SELECT name FROM " + nameTable + " ORDER BY id").Scan(&name); err != nil && !errors.Is(err, sql.ErrNoRows) {
			if err := report(Problem{Place: place, Err: fmt.Errorf("the name cannot be read: %w", err)}); err != nil {
				return err
			}
		}
	}
	if nameFits(c.UniqueKey, name, &id) {
		o.Name, o.Named = name, true
	}
	if len(users) > 0 {
		if err := report(Problem{Place: place, Skippable: "sql", Err: fmt.Errorf("the object has tables of its own (%s), and there is no SQL here", clip(strings.Join(users, ", ")))}); err != nil {
			return err
		}
	}
	if slices.Contains(names, "_cf_KV") {
		if o.Keys, err = readKeys(db, place, report); err != nil {
			return err
		}
	}
	if slices.Contains(names, "_cf_METADATA") {
		if o.Alarm, err = readAlarm(db); err != nil {
			if err := report(Problem{Place: place, Err: err}); err != nil {
				return err
			}
		}
	}
	if bad {
		return nil
	}
	return fn(&o)
}

// nameTable is where wrangler dev notes the name of each object.
const nameTable = "__miniflare_do_name"

// isTools reports whether a table, in lower case, is of SQLite or of Cloudflare's tools rather than of the object's program.
func isTools(table string) bool {
	return strings.HasPrefix(table, "_cf_") || strings.HasPrefix(table, "sqlite_") || strings.HasPrefix(table, "__miniflare_")
}

// readKeys reads the keys of an object, in the order of their bytes. What is wrong with one is reported; the error is that of report.
func readKeys(db *sql.DB, place string, report func(Problem) error) (keys []Key, err error) {
	rows, err := db.Query("SELECT CAST(key AS BLOB), value FROM _cf_KV")
	if err != nil {
		return nil, report(Problem{Place: place, Err: err})
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key, stored sql.RawBytes
		if err := rows.Scan(&key, &stored); err != nil {
			return nil, report(Problem{Place: place, Err: err})
		}
		encoded, err := FromV8(stored)
		switch {
		case err != nil:
		case !utf8.Valid(key):
			err = errors.New("the key is not valid UTF-8")
		case len(key) > engine.MaxKeyBytes:
			err = fmt.Errorf("the key has %d bytes, and %d are allowed", len(key), engine.MaxKeyBytes)
		}
		if err != nil {
			if err := report(Problem{Place: fmt.Sprintf("%s, key %q", place, clip(string(key))), Err: err}); err != nil {
				return nil, err
			}
			continue
		}
		keys = append(keys, Key{string(key), encoded})
	}
	if err := rows.Err(); err != nil {
		return nil, report(Problem{Place: place, Err: err})
	}
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.Key, b.Key) })
	return keys, nil
}

// readAlarm reads the object's alarm: nanoseconds since 1970, in its own database. The scheduler's table follows it.
func readAlarm(db *sql.DB) (*Alarm, error) {
	var at sql.NullInt64
	err := db.QueryRow("SELECT value FROM _cf_METADATA WHERE key = 1").Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && !at.Valid:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("the alarm cannot be read: %w", err)
	}
	ms := at.Int64 / 1e6
	if at.Int64%1e6 < 0 {
		ms--
	}
	return &Alarm{Time: ms}, nil
}

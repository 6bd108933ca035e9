package transfer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"everloop/engine"
	"everloop/engine/value"
	"everloop/wal"
)

// quiet takes log lines that nobody reads.
var quiet = slog.New(slog.DiscardHandler)

// named is the ID of a name.
func named(uniqueKey, name string) [32]byte { return objectID(uniqueKey, name) }

// unique is an ID without a name.
func unique(uniqueKey string, n byte) (id [32]byte) {
	id[0], id[15] = n, n
	copy(id[16:], idMAC(uniqueKey, id[:16]))
	return id
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := value.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// written is the export of objects, in the order in which they are given.
func written(t testing.TB, classes []Class, migrations []string, objects []Object) string {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, classes, migrations)
	if err != nil {
		t.Fatal(err)
	}
	for i := range objects {
		o := &objects[i]
		w.Object(o)
		if _, err := w.Keys(o, func(fn func(string, []byte) bool) {
			for _, k := range o.Keys {
				if !fn(k.Key, k.Value) {
					return
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// file writes a file of the test's own, and returns its path.
func file(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export.jsonl")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// importLines imports an export.
func importLines(t testing.TB, text, dir string, o ImportOptions) (Imported, error) {
	t.Helper()
	src, err := OpenLines(file(t, text))
	if err != nil {
		return Imported{}, err
	}
	o.Logger = quiet
	return Import(src, dir, o)
}

// exported is the export of a directory.
func exported(t testing.TB, dir string, o ExportOptions) string {
	t.Helper()
	v, err := engine.OpenView(dir, engine.ViewOptions{Torn: true})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := Export(&b, v, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// files are the contents of a folder.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

const keyA, keyB = "shop-Apple", "shop-Banana"

var bothClasses = []Class{{"Apple", keyA}, {"Banana", keyB}}

// everything has objects with all that objects can have, sorted.
func everything(t testing.TB) []Object {
	next := int64(2000)
	all := Object{Class: bothClasses[0], ID: named(keyA, "all"), Name: "all", Named: true}
	for i, s := range samples {
		all.Keys = append(all.Keys, Key{fmt.Sprintf("%02d", i), encode(t, s.v)})
	}
	all.Keys = append(all.Keys, Key{"$date", encode(t, 1)}, Key{"__proto__", encode(t, 2)}, Key{"a\n\"", encode(t, 3)}, Key{"ключ", encode(t, nil)}, Key{"\xff", encode(t, 4)}, Key{"\xff\x00", encode(t, 5)})
	slices.SortFunc(all.Keys, func(a, b Key) int { return strings.Compare(a.Key, b.Key) })
	objects := []Object{
		all,
		{Class: bothClasses[0], ID: unique(keyA, 1), Alarm: &Alarm{Time: 1000}},
		{Class: bothClasses[0], ID: unique(keyA, 2), Alarm: &Alarm{Time: -1000, Retries: 3, Next: &next}, Keys: []Key{{"k", encode(t, "v")}}},
		{Class: bothClasses[0], ID: unique(keyA, 3), Failed: &FailedAlarm{Time: 1, Runs: 7, At: 9, Error: "no \"luck\"\n"}},
		{Class: bothClasses[0], ID: named(keyA, "\xff"), Name: "\xff", Named: true, Keys: []Key{{"", encode(t, 0)}}},
		{Class: bothClasses[0], ID: named(keyA, ""), Name: "", Named: true, Keys: []Key{{"\xff", encode(t, 0)}}},
		{Class: bothClasses[1], ID: unique(keyB, 1), Keys: []Key{{"k", encode(t, 1)}}},
	}
	slices.SortFunc(objects, func(a, b Object) int {
		return cmp.Or(strings.Compare(a.Class.Name, b.Class.Name), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return objects
}

func TestRoundTrip(t *testing.T) {
	text := written(t, bothClasses, []string{"v1", "v\"2"}, everything(t))
	dir := filepath.Join(t.TempDir(), "data")
	done, err := importLines(t, text, dir, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if done.Objects != 7 || done.Alarms != 3 || len(done.Classes) != 2 {
		t.Errorf("%+v", done)
	}
	if got := exported(t, dir, ExportOptions{}); got != text {
		t.Errorf("got\n%s\nwant\n%s", got, text)
	}
	t.Logf("%d keys", done.Keys)

	// Once more into what is there: nothing is written.
	before := files(t, dir)
	if done, err = importLines(t, text, dir, ImportOptions{}); err != nil || done.Objects != 0 || done.Unchanged != 7 {
		t.Errorf("again: %+v, %v", done, err)
	}
	if got := exported(t, dir, ExportOptions{}); got != text {
		t.Errorf("after the second import:\n%s", got)
	}
	grown := 0
	for name, content := range files(t, dir) {
		grown += len(content) - len(before[name])
	}
	if grown > 4096 {
		t.Errorf("an import of what was there has written %d bytes", grown)
	}

	one := exported(t, dir, ExportOptions{Class: "Apple", Object: "all"})
	if want := written(t, bothClasses[:1], []string{"v1", "v\"2"}, []Object{find(everything(t), "all")}); one != want {
		t.Errorf("one object:\n%s\nwant\n%s", one, want)
	}
	if byID := exported(t, dir, ExportOptions{Class: "Apple", Object: fmt.Sprintf("%x", named(keyA, "all"))}); byID != one {
		t.Errorf("by its ID:\n%s", byID)
	}
	if banana := exported(t, dir, ExportOptions{Class: "Banana"}); strings.Count(banana, "\n") != 2 || strings.Contains(banana, "Apple") {
		t.Errorf("one class:\n%s", banana)
	}
}

func find(objects []Object, name string) Object {
	for _, o := range objects {
		if o.Named && o.Name == name {
			return o
		}
	}
	panic(name)
}

// TestLargeObject has one whose lines are cut, in keys of both kinds.
func TestLargeObject(t *testing.T) {
	o := Object{Class: bothClasses[0], ID: unique(keyA, 9)}
	large := encode(t, strings.Repeat("x", 1900<<10))
	for i := range 12 {
		o.Keys = append(o.Keys, Key{fmt.Sprintf("k%02d", i), large})
	}
	for i := range 12 {
		o.Keys = append(o.Keys, Key{fmt.Sprintf("\xff%02d", i), large})
	}
	text := written(t, bothClasses, nil, []Object{o})
	if lines := strings.Count(text, "\n"); lines < 4 {
		t.Errorf("%d lines", lines)
	}
	for line := range strings.Lines(text) {
		if len(line) > cutLine+4<<20 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	if done, err := importLines(t, text, dir, ImportOptions{}); err != nil || done.Keys != 24 {
		t.Fatalf("%+v, %v", done, err)
	}
	if got := exported(t, dir, ExportOptions{}); got != text {
		t.Errorf("%d bytes have come back as %d", len(text), len(got))
	}
}

// TestImportInto imports into a directory that has objects.
func TestImportInto(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	one := func(n int) []Object {
		return []Object{{Class: bothClasses[0], ID: unique(keyA, 1), Alarm: &Alarm{Time: int64(n)}, Keys: []Key{{"n", encode(t, n)}, {fmt.Sprint("only", n), encode(t, n)}}}}
	}
	other := Object{Class: bothClasses[1], ID: unique(keyB, 1), Keys: []Key{{"k", encode(t, 1)}}}
	if _, err := importLines(t, written(t, bothClasses[:1], []string{"v1"}, one(1)), dir, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	before := exported(t, dir, ExportOptions{})

	// Another content is refused, with all that comes with it.
	text := written(t, bothClasses, []string{"v9"}, append(one(2), other))
	content := files(t, dir)
	_, err := importLines(t, text, dir, ImportOptions{})
	var problems *ProblemsError
	if !errors.As(err, &problems) || len(problems.Problems) != 1 || !errors.Is(problems.Problems[0].Err, ErrExists) {
		t.Fatalf("%v", err)
	}
	for name, now := range files(t, dir) {
		if now != content[name] {
			t.Errorf("a refused import has changed %s", name)
		}
	}
	if got := exported(t, dir, ExportOptions{}); got != before {
		t.Errorf("after a refused import:\n%s\nwant\n%s", got, before)
	}

	// With Replace nothing of the old content stays, and the class that is new gets a number of its own. The directory's migrations stay.
	done, err := importLines(t, text, dir, ImportOptions{Replace: true})
	if err != nil || done.Objects != 2 || done.Replaced != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	want := written(t, bothClasses, []string{"v1"}, append(one(2), other))
	if got := exported(t, dir, ExportOptions{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	// A class keeps the name that the directory has for it.
	renamed := strings.ReplaceAll(written(t, []Class{{"Pear", keyA}}, nil, []Object{{Class: Class{"Pear", keyA}, ID: unique(keyA, 2), Keys: []Key{{"k", encode(t, 1)}}}}), "\n\n", "\n")
	if done, err := importLines(t, renamed, dir, ImportOptions{}); err != nil || done.Classes[0].Name != "Apple" {
		t.Errorf("%+v, %v", done, err)
	}
	for name, tt := range map[string]struct {
		text    string
		o       ImportOptions
		problem string
	}{
		"another unique key":   {strings.ReplaceAll(text, keyA, "other-Apple"), ImportOptions{}, "the class Apple has the unique key"},
		"another name":         {text, ImportOptions{Classes: map[string]string{keyA: "Pear"}}, "calls the class with the unique key"},
		"an unknown class":     {text, ImportOptions{Classes: map[string]string{"x-X": "X"}}, "has no class with the unique key"},
		"one name for two":     {text, ImportOptions{Classes: map[string]string{keyA: "Same", keyB: "Same"}}, "calls the class"},
		"nothing is asked for": {text, ImportOptions{Only: func(string) bool { return false }}, "none of the unique keys"},
	} {
		if _, err := importLines(t, tt.text, dir, tt.o); err == nil || !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%s: %v", name, err)
		}
	}

	l, err := wal.Open(dir, wal.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := importLines(t, text, dir, ImportOptions{}); !errors.Is(err, wal.ErrLocked) {
		t.Errorf("a locked directory: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestImportServes opens an engine on what was imported.
func TestImportServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := importLines(t, written(t, bothClasses, []string{"v1"}, everything(t)), dir, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Options{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if r := e.Recovered(); r.Objects != 7 || r.Classes != 2 {
		t.Errorf("%+v", r)
	}
	if key, ok := e.ClassKey("Banana"); key != keyB || !ok || len(e.Migrations()) != 1 {
		t.Errorf("%q, %q", key, e.Migrations())
	}
}

// changing is a source that is another when it is read again.
type changing struct {
	Source
	again bool
	then  func(fn func(*Object) error, wrong func(Problem) error) error
}

func (c *changing) Objects(wanted func(string) bool, fn func(*Object) error, wrong func(Problem) error) error {
	if c.again {
		return c.then(fn, wrong)
	}
	c.again = true
	return c.Source.Objects(wanted, fn, wrong)
}

// TestImportOfChanging has a source that somebody changes between the check and the writing: a new directory does not appear, and an old one says what happened.
func TestImportOfChanging(t *testing.T) {
	text := written(t, bothClasses, nil, everything(t))
	broken := errors.New("broken")
	object := Object{Class: bothClasses[0], ID: unique(keyA, 1), Keys: []Key{{"new", encode(t, 1)}}, Place: "there"}
	for name, tt := range map[string]struct {
		then func(fn func(*Object) error, wrong func(Problem) error) error
		want string
		old  bool // import into a directory that has objects
	}{
		"an error": {func(func(*Object) error, func(Problem) error) error { return broken }, "broken", false},
		"a problem": {func(_ func(*Object) error, wrong func(Problem) error) error {
			return wrong(Problem{Place: "there", Err: broken})
		}, "has changed since it was checked: there: broken", false},
		"another object":       {func(fn func(*Object) error, _ func(Problem) error) error { return fn(&object) }, "", false},
		"another, in conflict": {func(fn func(*Object) error, _ func(Problem) error) error { return fn(&object) }, "there has changed since it was checked", true},
	} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "data")
		if tt.old {
			if _, err := importLines(t, text, dir, ImportOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		src, err := OpenLines(file(t, text))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Import(&changing{Source: src, then: tt.then}, dir, ImportOptions{Logger: quiet})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
		left, err := os.ReadDir(parent)
		if there := tt.old || tt.want == ""; err != nil || there != (len(left) == 1) {
			t.Errorf("%s: %v, %v", name, left, err)
		}
	}
}

func TestImportRefusesLines(t *testing.T) {
	good := written(t, bothClasses, nil, everything(t)[:2])
	head, rest, _ := strings.Cut(good, "\n")
	id := hex.EncodeToString(append([]byte(nil), bytesOf(unique(keyA, 1))...))
	line := func(members string) string { return `{"class":"Apple","id":"` + id + `",` + members + "}\n" }
	for name, tt := range map[string]struct{ text, want string }{
		"an empty file":           {"", ":1: the file is empty"},
		"no export":               {"{}\n", ":1: this is no export"},
		"a newer version":         {strings.Replace(good, `"version":1`, `"version":2`, 1), "version 2, and this program reads version 1"},
		"a member of the head":    {strings.Replace(good, `"version":1`, `"version":1,"x":1`, 1), "unknown field"},
		"a class twice":           {strings.Replace(good, "Banana\"", "Apple\"", 1), "is there twice"},
		"cut short":               {good[:len(good)-1], ":3: the last line has no end"},
		"cut within":              {good[:len(good)-20] + "\n", ":3: "},
		"not JSON":                {head + "\nx\n", ":2: the line is no JSON object"},
		"not UTF-8":               {head + "\n\"\xff\"\n", ":2: transfer: the text is not UTF-8"},
		"no keys":                 {head + "\n" + line(`"alarm":{"time":1}`), ":2: the line wants"},
		"an unknown member":       {head + "\n" + line(`"keys":{},"x":1`), ":2: x: there is no such member"},
		"a member twice":          {head + "\n" + line(`"keys":{},"keys":{}`), ":2: the member \"keys\" comes twice"},
		"a key twice":             {head + "\n" + line(`"keys":{"a":1,"a":2}`), ":2: the key \"a\" comes twice"},
		"an object twice":         {good + rest, "the object is there twice"},
		"an alarm's member":       {head + "\n" + line(`"keys":{},"alarm":{"time":1,"x":2}`), ":2: alarm: json: unknown field"},
		"both alarms":             {head + "\n" + line(`"keys":{},"alarm":{"time":1},"failedAlarm":{"time":1,"runs":1,"at":1,"error":""}`), "an alarm and one that was given up"},
		"more behind":             {head + "\n" + strings.TrimSpace(line(`"keys":{}`)) + "{}\n", "stands behind"},
		"an unknown class":        {head + "\n" + strings.Replace(line(`"keys":{}`), "Apple", "Pear", 1), "is not in the first line"},
		"an ID of another class":  {head + "\n" + strings.Replace(line(`"keys":{}`), "Apple", "Banana", 1), "another unique key"},
		"an ID in capitals":       {head + "\n" + strings.Replace(line(`"keys":{}`), id, strings.ToUpper(id), 1), "64 hexadecimal digits"},
		"another name":            {head + "\n" + line(`"keys":{},"name":"x"`), "not made from the name"},
		"two names":               {head + "\n" + line(`"keys":{},"name":"x","nameBytes":""`), "two names"},
		"a bad value":             {head + "\n" + line(`"keys":{"a":{"$set":1}}`), `key "a": transfer: $set wants a list`},
		"continued from nothing":  {head + "\n" + line(`"continues":true,"keys":{}`), "that of the line before is another"},
		"continued with an alarm": {head + "\n" + line(`"keys":{"a":1}`) + line(`"continues":true,"keys":{},"alarm":{"time":1}`), ":3: a line that continues"},
		"continued with a key":    {head + "\n" + line(`"keys":{"a":1}`) + line(`"continues":true,"keys":{"a":1}`), "comes twice"},
		"a key that is too long":  {head + "\n" + line(`"keys":{"`+strings.Repeat("a", 2049)+`":1}`), "2049 bytes"},
		"a line too long":         {head + "\n" + strings.Repeat(" ", MaxLine) + "\n", "more than 64 MiB"},
		"two problems":            {head + "\nx\n" + line(`"keys":{},"x":1`), ":3: x: there is no such member"},
	} {
		parent := t.TempDir()
		_, err := importLines(t, tt.text, filepath.Join(parent, "data"), ImportOptions{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want something of %q", name, err, tt.want)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
}

func bytesOf(id [32]byte) []byte { return id[:] }

func FuzzLine(f *testing.F) {
	for line := range strings.Lines(written(f, bothClasses, nil, everything(f))) {
		f.Add([]byte(strings.TrimSuffix(line, "\n")))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if h, err := readHeader(line); err == nil && h.Version != exportVersion {
			t.Errorf("%+v", h)
		}
		o, err := readLine(line)
		if err != nil {
			return
		}
		for _, k := range o.keys {
			if err := value.Validate(k.Value); err != nil {
				t.Errorf("key %q: %v", k.Key, err)
			}
		}
	})
}

// Progress counts what is checked, of an unknown number, and then what is there, of as many.
func TestImportProgress(t *testing.T) {
	text := written(t, bothClasses, []string{"v1"}, everything(t))
	const objects = 7
	dir := filepath.Join(t.TempDir(), "data")
	for _, again := range []bool{false, true} {
		var told [][2]int64
		if _, err := importLines(t, text, dir, ImportOptions{Progress: func(done, total int64) { told = append(told, [2]int64{done, total}) }}); err != nil {
			t.Fatal(err)
		}
		var want [][2]int64
		for n := range int64(objects) {
			want = append(want, [2]int64{n + 1, -1})
		}
		for n := range int64(objects) {
			want = append(want, [2]int64{n + 1, objects})
		}
		if !slices.Equal(told, want) {
			t.Errorf("again %v: told %v, want %v", again, told, want)
		}
	}
}

package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"everloop/engine"
)

// Lines is an export as a [Source].
type Lines struct {
	path string
	h    header
}

var _ Source = (*Lines)(nil)

// OpenLines opens the export at path, and reads its first line.
func OpenLines(path string) (*Lines, error) {
	l := &Lines{path: path}
	r, err := l.open()
	if err != nil {
		return nil, err
	}
	return l, r.Close()
}

// lineReader reads lines of bounded length.
type lineReader struct {
	*os.File
	r    *bufio.Reader
	line []byte
	n    int // of the line
}

// open opens the file and passes over the first line.
func (l *Lines) open() (*lineReader, error) {
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	r := &lineReader{File: f, r: bufio.NewReaderSize(f, 1<<20)}
	line, err := r.next()
	if err == nil {
		l.h, err = readHeader(line)
	} else if errors.Is(err, io.EOF) {
		err = errors.New("the file is empty")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("transfer: %s:1: %w", l.path, err), f.Close())
	}
	return r, nil
}

// next returns the next line without its end, valid until the next call; io.EOF behind the last.
func (r *lineReader) next() ([]byte, error) {
	r.line = r.line[:0]
	r.n++
	for {
		part, err := r.r.ReadSlice('\n')
		r.line = append(r.line, part...)
		switch {
		case len(r.line) > MaxLine:
			return nil, fmt.Errorf("the line has more than %d MiB", MaxLine>>20)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(r.line) > 0:
			return nil, errors.New("the last line has no end: the file is cut short")
		case err != nil:
			return nil, err
		}
		return r.line[:len(r.line)-1], nil
	}
}

// Classes implements [Source].
func (l *Lines) Classes() []Class { return l.h.Classes }

// Migrations implements [Source].
func (l *Lines) Migrations() []string { return l.h.Migrations }

// Objects implements [Source]. A line that cannot be read is a problem, and the lines behind it are still read, so that all problems are told at once.
func (l *Lines) Objects(wanted func(uniqueKey string) bool, fn func(*Object) error, wrong func(Problem) error) error {
	r, err := l.open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	classes := map[string]Class{}
	for _, c := range l.h.Classes {
		classes[c.Name] = c
	}
	type address struct {
		class string
		id    [32]byte
	}
	seen := map[address]bool{}
	var o *Object // what the lines so far make; nil behind a line that is wrong
	finish := func() error {
		if o == nil {
			return nil
		}
		done := o
		o = nil
		slices.SortFunc(done.Keys, func(a, b Key) int { return strings.Compare(a.Key, b.Key) })
		for i := 1; i < len(done.Keys); i++ {
			if done.Keys[i].Key == done.Keys[i-1].Key {
				return wrong(Problem{Place: done.Place, Err: fmt.Errorf("the key %q comes twice", clip(done.Keys[i].Key))})
			}
		}
		if !wanted(done.Class.UniqueKey) {
			return nil
		}
		return fn(done)
	}
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return finish()
		}
		place := fmt.Sprintf("%s:%d", l.path, r.n)
		if err != nil {
			return errors.Join(finish(), wrong(Problem{Place: place, Err: err}))
		}
		x, err := readLine(line)
		if err == nil && x.continues {
			if o == nil || o.Class.Name != x.class || o.ID != x.id {
				err = errors.New("the line continues an object, and that of the line before is another, or wrong")
			} else {
				o.Keys = append(o.Keys, x.keys...)
				continue
			}
		}
		if err := finish(); err != nil {
			return err
		}
		class, known := classes[x.class]
		switch {
		case err != nil:
		case !known:
			err = fmt.Errorf("the class %q is not in the first line", clip(x.class))
		case seen[address{x.class, x.id}]:
			err = errors.New("the object is there twice")
		case !checkID(class.UniqueKey, &x.id):
			err = fmt.Errorf("the ID was made for another unique key than %q", class.UniqueKey)
		case x.name != nil && !nameFits(class.UniqueKey, *x.name, &x.id):
			err = fmt.Errorf("the ID was not made from the name %q", clip(*x.name))
		}
		for _, k := range x.keys {
			if err == nil && len(k.Key) > engine.MaxKeyBytes {
				err = fmt.Errorf("a key has %d bytes, and %d are allowed", len(k.Key), engine.MaxKeyBytes)
			}
		}
		if err != nil {
			if err := wrong(Problem{Place: place, Err: err}); err != nil {
				return err
			}
			continue
		}
		seen[address{x.class, x.id}] = true
		o = &Object{Class: class, ID: x.id, Alarm: x.alarm, Failed: x.failed, Keys: x.keys, Place: place}
		if x.name != nil {
			o.Name, o.Named = *x.name, true
		}
	}
}

// OpenSource opens what is at path, told by looking: an export if it is a file, and otherwise workerd's objects. scratch is as for [OpenState].
func OpenSource(path, scratch string) (Source, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir():
		return OpenLines(path)
	}
	if _, err := os.Stat(filepath.Join(path, "p0", "MANIFEST")); err == nil {
		return nil, fmt.Errorf("transfer: %s is a data directory of everloop: copy it, or import what \"everloop export\" writes of it", path)
	}
	return OpenState(path, scratch)
}

func decoder(line []byte) *json.Decoder {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	return d
}

func strictDecoder(line []byte) *json.Decoder {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d
}

// ExportOptions say what is exported. The zero value is everything.
type ExportOptions struct {
	// Class is the name of the only class whose objects are exported. Default: all.
	Class string
	// Object is the only object of Class that is exported, by its name or its ID. Default: all.
	Object string
}

// Exported is what an export has.
type Exported struct{ Classes, Objects, Keys int }

// Export writes the objects of a view as docs/format/export.md has it. It fails for a class that there is not; an object that there is not makes an export without objects, and Exported tells.
func Export(w io.Writer, v *engine.View, o ExportOptions) (done Exported, err error) {
	if o.Object != "" && o.Class == "" {
		return done, errors.New("transfer: an object is named, and its class is not")
	}
	var classes []Class
	var id [32]byte
	for _, c := range v.Classes() {
		if o.Class == "" || c.Name == o.Class {
			classes = append(classes, Class{c.Name, c.UniqueKey})
			id = objectID(c.UniqueKey, o.Object)
		}
	}
	if o.Class != "" && len(classes) == 0 {
		return done, fmt.Errorf("transfer: there is no class %q in the data directory", o.Class)
	}
	buffered := bufio.NewWriterSize(w, 1<<20)
	out, err := NewWriter(buffered, classes, v.Migrations())
	if err != nil {
		return done, err
	}
	done.Classes = len(classes)
	err = v.Objects(func(x *engine.ViewObject) error {
		if o.Class != "" && x.Class.Name != o.Class || o.Object != "" && x.ID != id {
			return nil
		}
		object := fromView(x)
		out.Object(&object)
		n, err := out.Keys(&object, x.Scan)
		done.Objects++
		done.Keys += n
		return err
	})
	return done, errors.Join(err, buffered.Flush())
}

// objectID is the object that a person means: by its ID, or else by its name.
func objectID(uniqueKey, object string) (id [32]byte) {
	if id, ok := parseID(strings.ToLower(object)); ok && checkID(uniqueKey, &id) {
		return id
	}
	copy(id[:16], idMAC(uniqueKey, []byte(object)))
	copy(id[16:], idMAC(uniqueKey, id[:16]))
	return id
}

// fromView is an object of a view, without its keys.
func fromView(x *engine.ViewObject) Object {
	o := Object{Class: Class{x.Class.Name, x.Class.UniqueKey}, ID: x.ID, Name: x.Name, Named: x.Named}
	if a := x.Alarm; a != nil {
		o.Alarm = &Alarm{Time: a.Time, Retries: uint32(a.Retries)}
		if a.Next != a.Time {
			next := a.Next
			o.Alarm.Next = &next
		}
	}
	if f := x.Failed; f != nil {
		o.Failed = &FailedAlarm{Time: f.Time, Runs: uint32(f.Runs), At: f.At, Error: f.Err}
	}
	return o
}

package transfer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// The first line of an export, and its bounds; docs/format/export.md has them.
const (
	exportFormat  = "everloop export"
	exportVersion = 1
	// MaxLine bounds a line that is read, in bytes.
	MaxLine = 64 << 20
	// cutLine is where a line ends and the object is continued on the next.
	cutLine = 16 << 20
)

type header struct {
	Format     string   `json:"format"`
	Version    int      `json:"version"`
	Classes    []Class  `json:"classes"`
	Migrations []string `json:"migrations"`
}

// Writer writes an export. Of one goroutine.
type Writer struct {
	w    io.Writer
	line []byte
}

// NewWriter writes the first line of an export. The classes are in the order of their names.
func NewWriter(w io.Writer, classes []Class, migrations []string) (*Writer, error) {
	wr := &Writer{w: w}
	line := fmt.Appendf(nil, `{"format":"%s","version":%d,"classes":[`, exportFormat, exportVersion)
	for i, c := range classes {
		if !utf8.ValidString(c.Name) || !utf8.ValidString(c.UniqueKey) {
			return nil, fmt.Errorf("transfer: the name %q or the unique key %q of a class is not UTF-8", c.Name, c.UniqueKey)
		}
		if i > 0 {
			line = append(line, ',')
		}
		line = appendJSONString(append(line, `{"name":`...), c.Name)
		line = appendJSONString(append(line, `,"uniqueKey":`...), c.UniqueKey)
		line = append(line, '}')
	}
	line = append(line, `],"migrations":[`...)
	for i, m := range migrations {
		if !utf8.ValidString(m) {
			return nil, fmt.Errorf("transfer: the tag %q of a migration is not UTF-8", m)
		}
		if i > 0 {
			line = append(line, ',')
		}
		line = appendJSONString(line, m)
	}
	_, err := w.Write(append(line, "]}\n"...))
	return wr, err
}

// Object begins an object; its keys are not looked at. Key and End follow.
func (w *Writer) Object(o *Object) {
	b := w.begin(o, false)
	if o.Named {
		if utf8.ValidString(o.Name) {
			b = appendJSONString(append(b, `,"name":`...), o.Name)
		} else {
			b = appendBase64(append(b, `,"nameBytes":`...), []byte(o.Name))
		}
	}
	if a := o.Alarm; a != nil {
		b = strconv.AppendInt(append(b, `,"alarm":{"time":`...), a.Time, 10)
		if a.Retries > 0 {
			b = strconv.AppendUint(append(b, `,"retries":`...), uint64(a.Retries), 10)
		}
		if a.Next != nil {
			b = strconv.AppendInt(append(b, `,"next":`...), *a.Next, 10)
		}
		b = append(b, '}')
	}
	if f := o.Failed; f != nil {
		b = fmt.Appendf(b, `,"failedAlarm":{"time":%d,"runs":%d,"at":%d,"error":`, f.Time, f.Runs, f.At)
		b = append(appendJSONString(b, toValid(f.Error)), '}')
	}
	w.line = b
}

// toValid makes a message UTF-8. Messages are cut at a length, maybe within a character.
func toValid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func (w *Writer) begin(o *Object, continues bool) []byte {
	b := appendJSONString(append(w.line[:0], `{"class":`...), o.Class.Name)
	b = fmt.Appendf(b, `,"id":"%x"`, o.ID)
	if continues {
		b = append(b, `,"continues":true`...)
	}
	return b
}

// Keys writes the keys that scan calls its function with, and ends the object.
func (w *Writer) Keys(o *Object, scan func(fn func(key string, encoded []byte) bool)) (n int, err error) {
	w.line = append(w.line, `,"keys":{`...)
	first := true
	type raw struct {
		key   string
		value []byte
	}
	var raws []raw // aliases what scan gives: it stays as long as the object
	scan(func(key string, encoded []byte) bool {
		n++
		if !utf8.ValidString(key) {
			raws = append(raws, raw{key, encoded})
			return true
		}
		if len(w.line) >= cutLine {
			if err = w.cut("}"); err != nil {
				return false
			}
			w.line = append(w.begin(o, true), `,"keys":{`...)
			first = true
		}
		if !first {
			w.line = append(w.line, ',')
		}
		first = false
		w.line = append(appendJSONString(w.line, key), ':')
		w.line = AppendJSON(w.line, encoded)
		return true
	})
	if err != nil {
		return n, err
	}
	w.line = append(w.line, '}')
	for i, r := range raws {
		switch {
		case i == 0:
			w.line = append(w.line, `,"keyBytes":[`...)
		case len(w.line) >= cutLine:
			if err := w.cut("]"); err != nil {
				return n, err
			}
			w.line = append(w.begin(o, true), `,"keys":{},"keyBytes":[`...)
		default:
			w.line = append(w.line, ',')
		}
		w.line = append(appendBase64(append(w.line, '['), []byte(r.key)), ',')
		w.line = append(AppendJSON(w.line, r.value), ']')
	}
	end := ""
	if len(raws) > 0 {
		end = "]"
	}
	return n, w.cut(end)
}

// cut ends the line.
func (w *Writer) cut(end string) error {
	w.line = append(append(w.line, end...), "}\n"...)
	_, err := w.w.Write(w.line)
	if cap(w.line) > 2*cutLine {
		w.line = nil // one huge value need not stay
	}
	return err
}

// readHeader reads the first line of an export.
func readHeader(line []byte) (h header, err error) {
	if err := checkText(line); err != nil {
		return h, err
	}
	var probe struct {
		Format  string
		Version int
	}
	if err := json.Unmarshal(line, &probe); err != nil || probe.Format != exportFormat {
		return h, errors.New("this is no export: its first line is not {\"format\":\"everloop export\",…}")
	}
	if probe.Version != exportVersion {
		return h, fmt.Errorf("the export has version %d, and this program reads version %d: use the program that wrote it, or a newer one", probe.Version, exportVersion)
	}
	d := strictDecoder(line)
	if err := d.Decode(&h); err != nil {
		return h, fmt.Errorf("the first line of the export cannot be read: %w", err)
	}
	names, keys := map[string]bool{}, map[string]bool{}
	for _, c := range h.Classes {
		if c.Name == "" || names[c.Name] || keys[c.UniqueKey] {
			return h, fmt.Errorf("the class %q with the unique key %q is there twice, or has no name", c.Name, c.UniqueKey)
		}
		names[c.Name], keys[c.UniqueKey] = true, true
	}
	return h, nil
}

// lineObject is a line of an export, but for its keys.
type lineObject struct {
	class     string
	id        [32]byte
	name      *string
	alarm     *Alarm
	failed    *FailedAlarm
	continues bool
	keys      []Key
}

// readLine reads a line that is not the first.
func readLine(line []byte) (o lineObject, err error) {
	if err := checkText(line); err != nil {
		return o, err
	}
	d := decoder(line)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return o, errors.New("the line is no JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return o, noEOF(err)
		}
		member, _ := t.(string)
		if seen[member] {
			return o, fmt.Errorf("the member %q comes twice", clip(member))
		}
		seen[member] = true
		if err := o.member(d, member); err != nil {
			return o, fmt.Errorf("%s: %w", clip(member), noEOF(err))
		}
	}
	if _, err := d.Token(); err != nil {
		return o, noEOF(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return o, errors.New("something stands behind the object")
	}
	switch {
	case !seen["class"] || !seen["id"] || !seen["keys"]:
		return o, errors.New("the line wants a class, an id and keys")
	case o.continues && (o.name != nil || o.alarm != nil || o.failed != nil):
		return o, errors.New("a line that continues an object has keys only")
	case seen["name"] && seen["nameBytes"]:
		return o, errors.New("the object has two names")
	case o.alarm != nil && o.failed != nil:
		return o, errors.New("the object has an alarm and one that was given up")
	}
	return o, nil
}

func (o *lineObject) member(d *json.Decoder, member string) error {
	switch member {
	case "class":
		return d.Decode(&o.class)
	case "id":
		var digits string
		if err := d.Decode(&digits); err != nil {
			return err
		}
		id, ok := parseID(digits)
		if !ok {
			return errors.New("want 64 hexadecimal digits in lower case")
		}
		o.id = id
		return nil
	case "name":
		o.name = new(string)
		return d.Decode(o.name)
	case "nameBytes":
		var text string
		if err := d.Decode(&text); err != nil {
			return err
		}
		b, err := base64.StdEncoding.DecodeString(text)
		name := string(b)
		o.name = &name
		return err
	case "alarm":
		return decodeStrictly(d, &o.alarm)
	case "failedAlarm":
		return decodeStrictly(d, &o.failed)
	case "continues":
		if err := d.Decode(&o.continues); err != nil {
			return err
		}
		if !o.continues {
			return errors.New("want true")
		}
		return nil
	case "keys":
		return o.readKeys(d)
	case "keyBytes":
		return o.readKeyBytes(d)
	}
	return errors.New("there is no such member")
}

// decodeStrictly decodes an object with no members but those of v.
func decodeStrictly(d *json.Decoder, v any) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return err
	}
	return strictDecoder(raw).Decode(v)
}

func (o *lineObject) readKeys(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("want an object")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		v, err := readJSON(d, 0)
		if err != nil {
			return err
		}
		if err := o.add(key, v); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func (o *lineObject) add(key string, v any) error {
	encoded, err := fromTree(v)
	if err != nil {
		return fmt.Errorf("key %q: %w", clip(key), err)
	}
	o.keys = append(o.keys, Key{key, encoded})
	return nil
}

func (o *lineObject) readKeyBytes(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New("want a list")
	}
	for d.More() {
		v, err := readJSON(d, 0)
		if err != nil {
			return err
		}
		pair, ok := v.([]any)
		if !ok || len(pair) != 2 {
			return errors.New("want a list of two, a key in base64 and its value")
		}
		key, err := decodeBase64(pair[0])
		if err != nil {
			return err
		}
		if err := o.add(string(key), pair[1]); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

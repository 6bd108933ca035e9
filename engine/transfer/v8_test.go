package transfer

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"everloop/cmd/testenv"
	"everloop/engine/value"
)

// nodeValue is a value that Node has serialised, and what it is by Node's own reading.
type nodeValue struct {
	name string
	v8   []byte
	json string
}

func nodeValues(t testing.TB) []nodeValue {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, "node"), "testdata/values.js")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var values []nodeValue
	for line := range strings.Lines(string(out)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		b, err := hex.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, nodeValue{parts[0], b, parts[2]})
	}
	return values
}

// float is how the script writes what is no integer: JavaScript and Go have different texts for the same number.
var float = regexp.MustCompile(`\{"\$float":([^}]*)\}`)

func TestFromV8AsNodeReadsIt(t *testing.T) {
	values := nodeValues(t)
	for _, v := range values {
		got, err := FromV8(v.v8)
		if err != nil {
			t.Errorf("%s: %v\n%x", v.name, err, v.v8)
			continue
		}
		want := float.ReplaceAllStringFunc(v.json, func(s string) string {
			f, err := strconv.ParseFloat(float.FindStringSubmatch(s)[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return string(AppendJSON(nil, value.AppendFloat(nil, f)))
		})
		if text := string(AppendJSON(nil, got)); text != want {
			t.Errorf("%s: %x\n got %s\nwant %s", v.name, v.v8, text, want)
		}
	}
	t.Logf("%d values", len(values))
}

// TestFromV8Cut reads every beginning of every value, and every value with one byte changed.
func TestFromV8Cut(t *testing.T) {
	cuts, changes, read := 0, 0, 0
	for _, v := range nodeValues(t) {
		if len(v.v8) > 2000 {
			continue
		}
		for n := range len(v.v8) {
			var wrong *V8Error
			cuts++
			if v.v8[n] == 'V' {
				continue // what a view shows is a value without it
			}
			if _, err := FromV8(v.v8[:n]); !errors.As(err, &wrong) {
				t.Errorf("%s, cut at %d of %d: %v", v.name, n, len(v.v8), err)
			}
		}
		for i := range v.v8 {
			for _, flip := range []byte{1, 0x80, 0xff} {
				changed := bytes.Clone(v.v8)
				changed[i] ^= flip
				changes++
				got, err := FromV8(changed)
				if err == nil {
					read++
					err = value.Validate(got)
				}
				var wrong *V8Error
				if err != nil && !errors.As(err, &wrong) {
					t.Errorf("%s, byte %d changed: %v", v.name, i, err)
				}
			}
		}
	}
	t.Logf("%d cuts, %d changes of which %d make another value", cuts, changes, read)
}

func TestFromV8Refuses(t *testing.T) {
	deep := append([]byte{0xff, 15}, bytes.Repeat([]byte{'A', 1}, 5000)...)
	for name, tt := range map[string]struct{ data, want string }{
		"nothing":                 {"", "ends where a value"},
		"a newer version":         {"\xff\x10_", "version 16"},
		"an older version":        {"\xff\x0c_", "version 12"},
		"two values":              {"\xff\x0f__", "too many"},
		"an unknown tag":          {"\xff\x0f%", "unknown tag"},
		"a shared buffer":         {"\xff\x0fu\x00", "shared or given away"},
		"a huge array":            {"\xff\x0fA\xff\xff\xff\xff\x0f", "elements, where"},
		"a huge string":           {"\xff\x0f\"\xff\xff\xff\xff\x0f", "a string of 4294967295 bytes"},
		"a huge BigInt":           {"\xff\x0fZ\xfe\xff\xff\xff\x0f", "a BigInt of"},
		"a reference to nothing":  {"\xff\x0f^\x00", "there are 0 so far"},
		"a part of an error":      {"\xff\x0fA\x02\\\x0a\x01\"\x01eo{\x00^\x02$\x00\x02", "a reference to the object 2"},
		"a wrong count":           {"\xff\x0fo\"\x01a_{\x02", "that says 2"},
		"an element out of order": {"\xff\x0fa\x05I\x04_I\x02_@\x02\x05", "out of order"},
		"an element beyond":       {"\xff\x0fa\x01I\x02_@\x01\x01", "beyond the array's length"},
		"a view beyond":           {"\xff\x0fB\x02\x01\x02VB\x01\x02\x00", "a Uint8Array at 1 of 2 bytes"},
		"a stub":                  {"\xff\x0f\\\x01\x00", "a stub (host object 1), which cannot be taken over"},
		"a service":               {"\xff\x0f\\\x0b\x00", "a service"},
		"an unknown host object":  {"\xff\x0f\\\x63\x00", "not known here"},
		"odd UTF-16":              {"\xff\x0fc\x03abc", "two a character"},
		"bad UTF-8":               {"\xff\x0fS\x01\xff", "not valid UTF-8"},
		"linear regular expr.":    {"\xff\x0fR\"\x01a\x40", "unknown flags"},
		"an object as a name":     {"\xff\x0foo{\x00_{\x01", "where a string is wanted"},
		"too deep":                {string(deep), "levels"},
	} {
		_, err := FromV8([]byte(tt.data))
		var wrong *V8Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want something of %q", name, err, tt.want)
		}
	}
}

// TestFromV8Host reads what only workerd writes.
func TestFromV8Host(t *testing.T) {
	for name, tt := range map[string]struct{ data, want string }{
		"headless":     {"o\"\x01aI\x02{\x01", `{"a":1}`},
		"Blob":         {"\xff\x0f\\\x0f\x0atext/plain\x02hi", `{"$web":["Blob","text/plain",{"$bytes":"aGk="}]}`},
		"Headers":      {"\xff\x0f\\\x04\x03\x02\x11\x01a\x00\x03X-Y\x01b", `{"$web":["Headers",false,["content-type","a","x-y","b"]]}`},
		"DOMException": {"\xff\x0f\\\x08\x04Name\x03why\x05stack", `{"$error":["DOMException",{"message":"why","name":"Name"}]}`},
		"Error":        {"\xff\x0f\\\x0a\x02\"\x02noo\"\x05stack\"\x01s\"\x01aI\x02{\x02", `{"$error":["TypeError",{"message":"no","stack":"s","a":1}]}`},
		"named error":  {"\xff\x0f\\\x0a\x00\"\x02My\"\x02noo{\x00", `{"$error":["Error",{"name":"My","message":"no"}]}`},
		"no such here": {"\xff\x0f\\\x0a\x0d\"\x02noo{\x00", `{"$error":["Error",{"name":"SuppressedError","message":"no"}]}`},
		"behind one":   {"\xff\x0fA\x03\\\x0a\x01\"\x01eo{\x00o{\x00^\x03$\x00\x03", `[{"$error":["Error",{"message":"e"}]},{"$shared":{}},{"$ref":0}]`},
	} {
		got, err := FromV8([]byte(tt.data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := string(AppendJSON(nil, got)); text != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, text, tt.want)
		}
	}
}

func FuzzFromV8(f *testing.F) {
	for _, seed := range []string{"\xff\x0fo\"\x01aI\x02{\x01", "\xff\x0fA\x02o{\x00^\x01$\x00\x02", "\xff\x0fB\x02\x01\x02VB\x00\x02\x00", "\xff\x0f;\"\x01a_:\x02", "\xff\x0fr\x54m\"\x01a.", "\xff\x0f\\\x0a\x01\"\x01eo{\x00", "\xff\x0fa\x05I\x02_@\x01\x05"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := FromV8(data)
		if err != nil {
			var wrong *V8Error
			if !errors.As(err, &wrong) {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if err := value.Validate(got); err != nil {
			t.Errorf("%x: %v", got, err)
		}
		if len(got) > 8*len(data)+64 {
			t.Errorf("%d bytes have become %d", len(data), len(got))
		}
	})
}

package transfer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"everloop/engine/value"
)

// FromJSON turns the text of one value, as [AppendJSON] writes it and docs/format/export.md has it, into a stored value. The result is the caller's. It
// does not panic, whatever text is, and takes memory in proportion to its length, which should be bounded by the caller. Errors say what part of the text is
// wrong. Any goroutine may call it.
func FromJSON(text []byte) ([]byte, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readJSON(d, 0)
	if err != nil {
		return nil, fmt.Errorf("transfer: a value is no JSON: %w", noEOF(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("transfer: something stands behind a value")
	}
	return fromTree(v)
}

// fromTree turns a value that was read into a stored one.
func fromTree(v any) (dst []byte, err error) {
	if o, ok := v.(jsonObject); ok && len(o) == 1 && o[0].name == "$cbor" {
		if dst, err = decodeBase64(o[0].value); err != nil {
			return nil, fmt.Errorf("transfer: $cbor: %w", err)
		}
	} else if dst, err = appendTree(nil, v); err != nil {
		return nil, fmt.Errorf("transfer: %w", err)
	}
	if err := value.Validate(dst); err != nil {
		return nil, fmt.Errorf("transfer: this makes no value: %w", err)
	}
	return dst, nil
}

// A value of JSON is nil, a bool, a json.Number, a string, a []any or a jsonObject.
type (
	jsonObject []jsonMember
	jsonMember struct {
		name  string
		value any
	}
)

// maxJSONDepth is more than what a value of the greatest depth has.
const maxJSONDepth = 2*value.MaxDepth + 16

// readJSON reads one value with all that is in it.
func readJSON(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth == maxJSONDepth {
		return nil, fmt.Errorf("more than %d levels", maxJSONDepth)
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := readJSON(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	object := jsonObject{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := readJSON(d, depth+1)
		if err != nil {
			return nil, err
		}
		object = append(object, jsonMember{name.(string), v})
	}
	_, err = d.Token()
	return object, err
}

// noEOF says that the text is cut short, where the decoder only says that it has ended.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// checkText refuses what the decoder would change instead of refusing it: bytes that are not UTF-8, and halves of surrogate pairs.
func checkText(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("transfer: the text is not UTF-8")
	}
	for i := bytes.IndexByte(text, '\\'); i >= 0 && i+1 < len(text); {
		step := 2
		if c, ok := escaped(text[i:]); ok {
			step = 6
			low, pair := escaped(text[min(i+6, len(text)):])
			switch {
			case c >= 0xd800 && c < 0xdc00 && pair && low >= 0xdc00 && low < 0xe000:
				step = 12
			case c >= 0xd800 && c < 0xe000:
				return fmt.Errorf("transfer: %s is half a character: such strings are written as $wtf8", text[i:i+6])
			}
		}
		next := bytes.IndexByte(text[i+min(step, len(text)-i):], '\\')
		if next < 0 {
			break
		}
		i += step + next
	}
	return nil
}

// escaped is the \u escape at the beginning of text.
func escaped(text []byte) (c rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, x := range text[2:6] {
		digit := strings.IndexByte("0123456789abcdef", x|0x20)
		if x < 'A' {
			digit = strings.IndexByte("0123456789", x)
		}
		if digit < 0 {
			return 0, false
		}
		c = c<<4 | rune(digit)
	}
	return c, true
}

// appendTree appends what v stands for.
func appendTree(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return value.AppendNull(dst), nil
	case bool:
		return value.AppendBool(dst, v), nil
	case string:
		return value.AppendString(dst, v), nil
	case json.Number:
		return appendNumber(dst, v)
	case []any:
		return appendList(value.AppendArrayHeader(dst, len(v)), v)
	case jsonObject:
		for _, m := range v {
			if strings.HasPrefix(m.name, "$") {
				if len(v) > 1 {
					return nil, fmt.Errorf("an object with %q and other names: it is written as $object", m.name)
				}
				return appendKind(dst, m.name, m.value)
			}
		}
		return appendObject(dst, v)
	}
	return nil, fmt.Errorf("a %T", v)
}

func appendNumber(dst []byte, n json.Number) ([]byte, error) {
	if strings.ContainsAny(n.String(), ".eE") {
		f, err := n.Float64()
		if err != nil {
			return nil, fmt.Errorf("the number %s is out of range", clip(n.String()))
		}
		return value.AppendFloat(dst, f), nil
	}
	i, err := n.Int64()
	if err != nil || i > value.MaxSafeInteger || i < -value.MaxSafeInteger || n == "-0" {
		return nil, fmt.Errorf("the integer %s is none that JavaScript has: it is written as $bigint, or with a point if it is a number", clip(n.String()))
	}
	return value.AppendInt(dst, i), nil
}

func appendList(dst []byte, list []any) (_ []byte, err error) {
	for _, v := range list {
		if dst, err = appendTree(dst, v); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendObject appends a map with the members of o, whatever they are called.
func appendObject(dst []byte, o jsonObject) (_ []byte, err error) {
	dst = value.AppendMapHeader(dst, len(o))
	for _, m := range o {
		dst = value.AppendString(dst, m.name)
		if dst, err = appendTree(dst, m.value); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendPairs appends the pairs of a list of lists of two, without a head.
func appendPairs(dst []byte, pairs []any) (_ []byte, err error) {
	for _, p := range pairs {
		pair, ok := p.([]any)
		if !ok || len(pair) != 2 {
			return nil, errors.New("what should be a list of two is not")
		}
		if dst, err = appendList(dst, pair); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendKind appends what is tagged with a name that begins with $. Whether the result is a value is checked at the end, so this
// only looks at what it needs.
func appendKind(dst []byte, name string, v any) (_ []byte, err error) {
	text, isText := v.(string)
	list, isList := v.([]any)
	wrong := func(want string) ([]byte, error) { return nil, fmt.Errorf("%s wants %s", name, want) }
	switch name {
	case "$undefined":
		if v != true {
			return wrong("true")
		}
		return value.AppendUndefined(dst), nil
	case "$number":
		switch text {
		case "NaN":
			return value.AppendFloat(dst, math.NaN()), nil
		case "Infinity":
			return value.AppendFloat(dst, math.Inf(1)), nil
		case "-Infinity":
			return value.AppendFloat(dst, math.Inf(-1)), nil
		}
		return wrong("NaN, Infinity or -Infinity")
	case "$bigint", "$int":
		if !isText || len(text) > maxBigIntBits/3 {
			return wrong("decimal digits in a string")
		}
		n, ok := new(big.Int).SetString(text, 10)
		if !ok {
			return wrong("decimal digits in a string")
		}
		if name == "$bigint" {
			return value.AppendBigInt(dst, n.Sign() < 0, n.Bytes()), nil
		}
		return appendInt(dst, n)
	case "$date":
		return appendDate(dst, v)
	case "$regexp":
		if !isList || len(list) != 2 {
			return wrong("a list of source and flags")
		}
		return appendTree(value.AppendTag(dst, value.TagRegExp), list)
	case "$map":
		if !isList {
			return wrong("a list of pairs")
		}
		return appendPairs(value.AppendMapHeader(value.AppendTag(dst, value.TagMap), len(list)), list)
	case "$object":
		if !isList {
			return wrong("a list of pairs")
		}
		return appendPairs(value.AppendMapHeader(dst, len(list)), list)
	case "$set", "$web":
		if !isList {
			return wrong("a list")
		}
		tag := uint64(value.TagSet)
		if name == "$web" {
			tag = value.TagWeb
		}
		return appendTree(value.AppendTag(dst, tag), list)
	case "$error":
		return appendError(dst, list)
	case "$boxed":
		return appendTree(value.AppendTag(dst, value.TagBoxed), v)
	case "$holes":
		return appendHoles(dst, list)
	case "$bytes", "$wtf8":
		b, err := decodeBase64(v)
		if err != nil {
			return wrong(err.Error())
		}
		if name == "$wtf8" {
			dst = value.AppendTag(dst, value.TagWTF8)
		}
		return value.AppendBytes(dst, b), nil
	case "$typed", "$view":
		return appendView(dst, name, list)
	case "$buffer":
		return appendArrayBuffer(dst, v)
	case "$shared":
		return appendTree(value.AppendTag(dst, value.TagShared), v)
	case "$ref":
		return appendTree(value.AppendTag(dst, value.TagRef), v)
	case "$cbor":
		return wrong("to be a whole value, not a part of one")
	}
	return nil, fmt.Errorf("%q is nothing that is known: an object with such a name is written as $object", clip(name))
}

// appendInt appends an integer of at most 64 bits and a sign.
func appendInt(dst []byte, n *big.Int) ([]byte, error) {
	if n.Sign() >= 0 && n.IsUint64() {
		return value.AppendUint(dst, n.Uint64()), nil
	}
	if n.IsInt64() {
		return value.AppendInt(dst, n.Int64()), nil
	}
	return nil, errors.New("$int wants an integer of 64 bits: others are written as $bigint")
}

func appendDate(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return value.AppendDate(dst, math.NaN()), nil
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return value.AppendDate(dst, float64(t.UnixMilli())), nil
		}
	case json.Number:
		if ms, err := v.Int64(); err == nil {
			return value.AppendDate(dst, float64(ms)), nil
		}
	}
	return nil, errors.New("$date wants a date such as 2026-11-24T06:00:00.000Z, milliseconds or null")
}

func appendError(dst []byte, list []any) ([]byte, error) {
	if len(list) == 2 {
		name, ok := list[0].(string)
		properties, is := list[1].(jsonObject)
		if ok && is {
			dst = value.AppendString(value.AppendArrayHeader(value.AppendTag(dst, value.TagError), 2), name)
			return appendTree(dst, properties)
		}
	}
	return nil, errors.New("$error wants a list of the constructor's name and an object")
}

func appendHoles(dst []byte, list []any) ([]byte, error) {
	if len(list) == 2 {
		length, ok := list[0].(json.Number)
		pairs, is := list[1].([]any)
		if n, err := length.Int64(); ok && is && err == nil && n >= 0 && n <= math.MaxUint32 {
			return appendPairs(value.AppendSparseArrayHeader(dst, uint32(n), len(pairs)), pairs)
		}
	}
	return nil, errors.New("$holes wants a list of the length and a list of pairs")
}

// arrayKinds are the kinds of views by name.
var arrayKinds = func() map[string]value.ArrayKind {
	kinds := map[string]value.ArrayKind{value.DataView.String(): value.DataView}
	for tag := range uint64(256) {
		if kind, ok := value.ArrayKindOfTag(tag); ok {
			kinds[kind.String()] = kind
		}
	}
	return kinds
}()

func appendView(dst []byte, name string, list []any) ([]byte, error) {
	wrong := errors.New("$typed wants a list of a kind and its bytes, $view one of a kind, a buffer, an offset and a length")
	if len(list) < 2 {
		return nil, wrong
	}
	kindName, ok := list[0].(string)
	kind, known := arrayKinds[kindName]
	if !ok || !known {
		return nil, wrong
	}
	if name == "$view" {
		if len(list) != 4 {
			return nil, wrong
		}
		return appendList(value.AppendViewHeader(dst, kind), list[1:])
	}
	b, err := decodeBase64(list[1])
	if err != nil || len(list) != 2 || kind == value.DataView {
		return nil, wrong
	}
	return value.AppendTypedArray(dst, kind, b), nil
}

func appendArrayBuffer(dst []byte, v any) ([]byte, error) {
	if list, ok := v.([]any); ok && len(list) == 2 {
		b, err := decodeBase64(list[0])
		most, is := list[1].(json.Number)
		if n, notInt := most.Int64(); err == nil && is && notInt == nil && n >= 0 {
			return value.AppendResizableArrayBuffer(dst, b, uint64(n)), nil
		}
	}
	b, err := decodeBase64(v)
	if err != nil {
		return nil, errors.New("$buffer wants its bytes in base64, or a list of those and its largest length")
	}
	return value.AppendArrayBuffer(dst, b), nil
}

func decodeBase64(v any) ([]byte, error) {
	text, ok := v.(string)
	if !ok {
		return nil, errors.New("base64 in a string")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("base64 with padding")
	}
	return b, nil
}

// clip cuts what a message quotes.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

package web

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"mime"
	"strings"
	"unicode/utf8"

	"everloop/engine/js/internal/vm"
)

// Forms as bodies: multipart/form-data (RFC 7578, and the Fetch and HTML standards where they are stricter) and
// application/x-www-form-urlencoded.

// maxFormParts bounds the entries of a form: each costs some hundred bytes, however short it is.
const maxFormParts = 10_000

// formPart is one entry. The slices are views of the body, except where a name was escaped.
type formPart struct {
	name     []byte
	file     bool
	filename []byte
	mime     []byte
	value    []byte
}

var errForm = vm.TypeError("The body is not well-formed multipart/form-data.")

// parseMultipart reads a multipart/form-data body.
func parseMultipart(body []byte, boundary string) ([]formPart, error) {
	delimiter := []byte("--" + boundary)
	if boundary == "" {
		return nil, errForm
	}
	// What comes before the first delimiter is no part of the form.
	if !bytes.HasPrefix(body, delimiter) {
		i := bytes.Index(body, append([]byte("\r\n"), delimiter...))
		if i < 0 {
			return nil, errForm
		}
		body = body[i+2:]
	}
	body = body[len(delimiter):]
	between := append([]byte("\r\n"), delimiter...)
	var parts []formPart
	for {
		if bytes.HasPrefix(body, []byte("--")) {
			return parts, nil
		}
		body = bytes.TrimLeft(body, " \t")
		if !bytes.HasPrefix(body, []byte("\r\n")) {
			return nil, errForm
		}
		if len(parts) == maxFormParts {
			return nil, vm.TypeError("The form has more than %d entries.", maxFormParts)
		}
		body = body[2:]
		var p formPart
		var ok bool
		if p, body, ok = parsePartHead(body); !ok {
			return nil, errForm
		}
		// An empty value ends with the very line break that ended the head.
		if bytes.HasPrefix(body, delimiter) {
			body = body[len(delimiter):]
			parts = append(parts, p)
			continue
		}
		i := bytes.Index(body, between)
		if i < 0 {
			return nil, errForm
		}
		p.value, body = body[:i], body[i+len(between):]
		parts = append(parts, p)
	}
}

// parsePartHead reads the header of a part, up to and with the empty line.
func parsePartHead(b []byte) (p formPart, rest []byte, ok bool) {
	named := false
	for {
		i := bytes.Index(b, []byte("\r\n"))
		if i < 0 {
			return p, nil, false
		}
		line := b[:i]
		b = b[i+2:]
		if len(line) == 0 {
			break
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			return p, nil, false
		}
		value = bytes.Trim(value, " \t")
		switch strings.ToLower(string(bytes.TrimRight(name, " \t"))) {
		case "content-disposition":
			if !p.disposition(value) {
				return p, nil, false
			}
			named = true
		case "content-type":
			p.mime = value
		}
	}
	if p.file && p.mime == nil {
		p.mime = []byte("text/plain")
	}
	return p, b, named
}

// disposition reads form-data; name="..."; filename="...".
func (p *formPart) disposition(v []byte) bool {
	kind, rest, _ := bytes.Cut(v, []byte(";"))
	if !bytes.EqualFold(bytes.TrimSpace(kind), []byte("form-data")) {
		return false
	}
	named := false
	for {
		if rest = bytes.TrimLeft(rest, " \t;"); len(rest) == 0 {
			return named
		}
		key, after, found := bytes.Cut(rest, []byte("="))
		if !found {
			return false
		}
		var value []byte
		if bytes.HasPrefix(after, []byte(`"`)) {
			end := bytes.IndexByte(after[1:], '"')
			if end < 0 {
				return false
			}
			value, rest = unescapeName(after[1:1+end]), after[end+2:]
		} else {
			value, rest, _ = bytes.Cut(after, []byte(";"))
			value = bytes.TrimSpace(value)
		}
		switch strings.ToLower(string(bytes.TrimSpace(key))) {
		case "name":
			p.name, named = value, true
		case "filename":
			p.filename, p.file = value, true
		}
	}
}

// The three characters that the HTML standard escapes in names.
var (
	nameEscapes   = strings.NewReplacer("\n", "%0A", "\r", "%0D", `"`, "%22")
	nameUnescapes = strings.NewReplacer("%0A", "\n", "%0a", "\n", "%0D", "\r", "%0d", "\r", "%22", `"`)
)

func unescapeName(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 {
		return b
	}
	return []byte(nameUnescapes.Replace(string(b)))
}

// appendPart writes one entry.
func appendPart(dst []byte, boundary string, p *formPart) []byte {
	dst = append(append(append(dst, "--"...), boundary...), "\r\nContent-Disposition: form-data; name=\""...)
	dst = append(append(dst, nameEscapes.Replace(withNewlines(string(p.name)))...), '"')
	if p.file {
		dst = append(append(append(dst, "; filename=\""...), nameEscapes.Replace(string(p.filename))...), "\"\r\nContent-Type: "...)
		if len(p.mime) == 0 {
			dst = append(dst, "application/octet-stream"...)
		} else {
			dst = append(dst, p.mime...)
		}
		return append(append(append(dst, "\r\n\r\n"...), p.value...), "\r\n"...)
	}
	return append(append(append(dst, "\r\n\r\n"...), withNewlines(string(p.value))...), "\r\n"...)
}

func appendFormEnd(dst []byte, boundary string) []byte {
	return append(append(append(dst, "--"...), boundary...), "--\r\n"...)
}

// withNewlines makes every line break CRLF.
func withNewlines(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\r':
			b.WriteString("\r\n")
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
		case c == '\n':
			b.WriteString("\r\n")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// text makes a string of bytes that are to be UTF-8.
func (in *Instance) textValue(b []byte) (vm.Value, error) {
	if !utf8.Valid(b) {
		b = appendRepaired(nil, b)
	}
	return in.r.StringBytes(b)
}

// parts makes the flat array of formdata.js: name, file name or null, type or null, value.
func (in *Instance) parts(list []formPart) (vm.Value, error) {
	a, err := in.r.Array()
	if err != nil {
		return vm.Undefined, err
	}
	n := uint32(0)
	add := func(v vm.Value, err error) error {
		if err != nil {
			return err
		}
		n++
		return in.r.DefineIndex(a, n-1, v)
	}
	for i := range list {
		p := &list[i]
		err = add(in.textValue(p.name))
		if err == nil && !p.file {
			if err = add(vm.Null, nil); err == nil {
				if err = add(vm.Null, nil); err == nil {
					err = add(in.textValue(p.value))
				}
			}
		} else if err == nil {
			if err = add(in.textValue(p.filename)); err == nil {
				if err = add(in.textValue(p.mime)); err == nil {
					err = add(in.r.Uint8Array(p.value))
				}
			}
		}
		if err != nil {
			in.r.Free(a)
			return vm.Undefined, err
		}
	}
	return a, nil
}

var (
	_ = register("formBoundary", 0, func(in *Instance, _ vm.Args) (vm.Value, error) {
		var b [16]byte
		rand.Read(b[:])
		return in.r.String("----everloop-form-" + hex.EncodeToString(b[:]))
	})
	// formWrite(boundary, list): the form as bytes. The list is flat: name, file name, type, value.
	_ = register("formWrite", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		boundary := in.r.GoString(args.At(0))
		var out []byte
		var p formPart
		err := in.each(args.At(1), func(i int, v vm.Value) error {
			defer in.r.Free(v)
			switch i % 4 {
			case 0:
				p = formPart{name: in.r.AppendString(nil, v)}
			case 1:
				if p.file = v.IsString(); p.file {
					p.filename = in.r.AppendString(nil, v)
				}
			case 2:
				if v.IsString() {
					p.mime = in.r.AppendString(nil, v)
				}
			default:
				if v.IsString() {
					p.value = in.r.AppendString(nil, v)
				} else {
					p.value, _ = in.r.Bytes(v)
				}
				out = appendPart(out, boundary, &p)
			}
			return nil
		})
		if err != nil {
			return vm.Undefined, err
		}
		return in.r.Uint8Array(appendFormEnd(out, boundary))
	})
	// formRead(type, bytes): such a list, or null if the type is none of a form.
	_ = register("formRead", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		kind, params, err := mime.ParseMediaType(in.r.GoString(args.At(0)))
		if err != nil && kind == "" {
			return vm.Null, nil
		}
		body, _ := in.r.Bytes(args.At(1))
		switch kind {
		case "multipart/form-data":
			if params["boundary"] == "" {
				return vm.Undefined, vm.TypeError("No boundary string in Content-Type header. The multipart/form-data MIME type requires a boundary parameter.")
			}
			list, err := parseMultipart(body, params["boundary"])
			if err != nil {
				return vm.Undefined, err
			}
			return in.parts(list)
		case "application/x-www-form-urlencoded":
			var list []formPart
			err := in.parseQuery(body, func(name, value []byte) error {
				if len(list) == maxFormParts {
					return vm.TypeError("The form has more than %d entries.", maxFormParts)
				}
				list = append(list, formPart{name: bytes.Clone(name), value: bytes.Clone(value)})
				return nil
			})
			if err != nil {
				return vm.Undefined, err
			}
			return in.parts(list)
		}
		return vm.Null, nil
	})
)

package transfer

import (
	"bytes"
	"unicode/utf8"

	"everloop/engine/value"
)

// The objects of workerd's own that V8 has it write, by their tags (SerializationTag in its worker-interface.capnp). All others stand for something
// outside of the value, such as a stub.
const (
	hostHeaders      = 4
	hostDOMException = 8
	hostError        = 10
	hostBlob         = 15
)

// hostNames are what the tags stand for that cannot be read, for people.
var hostNames = map[uint32]string{
	1: "a stub", 2: "a WritableStream", 3: "a ReadableStream", 5: "a Request", 6: "a Response", 7: "a DOMException in its first form", 9: "an AbortSignal",
	11: "a service", 12: "a class of Durable Objects", 13: "an R2 bucket", 14: "a KV namespace", 16: "a socket",
}

func (r *v8Reader) hostObject() {
	r.object()
	switch tag := r.uint32("the tag of a host object"); tag {
	case hostDOMException:
		name, message := r.hostText(), r.hostText()
		r.hostString() // the stack: a DOMException has none here
		r.dst = value.AppendErrorHeader(r.dst, "DOMException", 2)
		r.dst = value.AppendText(value.AppendString(r.dst, "message"), message)
		r.dst = value.AppendText(value.AppendString(r.dst, "name"), name)
	case hostError:
		r.hostError()
	case hostBlob:
		kind := r.hostText()
		content := r.bytes(r.varint("a Blob's length"), "a Blob")
		r.dst = value.AppendArrayHeader(value.AppendTag(r.dst, value.TagWeb), 3)
		r.dst = value.AppendText(value.AppendString(r.dst, "Blob"), kind)
		r.dst = value.AppendTypedArray(r.dst, value.Uint8Array, content)
	case hostHeaders:
		r.hostHeaders()
	default:
		what := hostNames[tag]
		if what == "" {
			what = "an object of a kind that is not known here"
		}
		r.fail("%s (host object %d), which cannot be taken over,", what, tag)
	}
}

// hostString reads a string of UTF-8 with its length.
func (r *v8Reader) hostString() []byte {
	return r.bytes(r.varint("a string's length"), "a string")
}

// hostErrors are the constructors by the tags of workerd's errors. The first says that a name follows.
var hostErrors = [...]string{
	"", "Error", "TypeError", "RangeError", "ReferenceError", "SyntaxError", "CompileError", "LinkError", "RuntimeError", "SuspendError",
	"EvalError", "URIError", "AggregateError", "SuppressedError",
}

// hostError reads an error with all its properties, as workerd writes it with the flag enhanced_error_serialization: its constructor or its name, its message, and an object of the
// rest. Whatever has no constructor here is an Error with a name of its own.
func (r *v8Reader) hostError() {
	had, i := r.counted()
	tag := r.uint32("an error's tag")
	if int(tag) >= len(hostErrors) {
		r.fail("an error of the unknown kind %d", tag)
		return
	}
	constructor, name := hostErrors[tag], ""
	switch constructor {
	case "", "CompileError", "LinkError", "RuntimeError", "SuspendError", "SuppressedError":
		constructor, name = "Error", constructor
	}
	r.dst = value.AppendErrorHeader(r.dst, constructor, had.items)
	c := v8Count{items: 1}
	if name != "" || tag == 0 {
		r.dst = value.AppendString(r.dst, "name")
		c.items++
		if tag == 0 {
			r.value()
		} else {
			r.dst = value.AppendString(r.dst, name)
		}
	}
	r.dst = value.AppendString(r.dst, "message")
	r.string(r.tag("an error's message"))
	if t := r.tag("an error's properties"); t != v8Object {
		r.fail("tag %q, where an error's properties are wanted,", t)
		return
	}
	r.object().at = -1 // it has a number, but is a part of the error
	c.items += r.properties(v8EndObject, "an error")
	r.count(i, c)
}

// hostHeaderNames are the names of headers that workerd writes by a number, from 1 (CommonHeaderName in capnproto's http-over-capnp.capnp).
var hostHeaderNames = [...]string{
	"", "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow", "authorization",
	"cache-control", "content-disposition", "content-encoding", "content-language", "content-length", "content-location", "content-range", "content-type",
	"cookie", "date", "etag", "expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
	"last-modified", "link", "location", "max-forwards", "proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after",
	"server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent", "vary", "via", "www-authenticate",
}

// hostHeaders reads a Headers object: what may change it, and its headers, each by a number or by its name.
func (r *v8Reader) hostHeaders() {
	guard, count := r.uint32("Headers"), r.uint32("a number of headers")
	if guard > 3 || uint64(count) > uint64(len(r.data)-r.at)/2 {
		r.fail("Headers of the guard %d with %d headers", guard, count)
		return
	}
	r.dst = value.AppendArrayHeader(value.AppendTag(r.dst, value.TagWeb), 3)
	r.dst = value.AppendBool(value.AppendString(r.dst, "Headers"), guard == 0)
	r.dst = value.AppendArrayHeader(r.dst, 2*int(count))
	for range count {
		number := r.uint32("a header")
		switch {
		case r.err != nil:
			return
		case number == 0:
			r.dst = value.AppendText(r.dst, bytes.ToLower(r.hostText()))
		case int(number) < len(hostHeaderNames):
			r.dst = value.AppendString(r.dst, hostHeaderNames[number])
		default:
			r.fail("the header number %d, which is not known,", number)
			return
		}
		r.dst = value.AppendText(r.dst, r.hostText())
	}
}

// hostText reads a string that must be valid UTF-8.
func (r *v8Reader) hostText() []byte {
	b := r.hostString()
	if !utf8.Valid(b) {
		r.fail("a string that is not valid UTF-8")
	}
	return b
}

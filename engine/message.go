package engine

import (
	"net/url"
	"strings"
)

// Field is one header field. Names are lower-case. It is an alias of a plain struct, so that lists of fields pass
// from and to codecs, which do not know this package, without being copied.
type Field = struct{ Name, Value string }

// Header is an ordered list of header fields; a name may occur several times. Names are kept in lower case,
// as the Fetch standard iterates them; the codec writes them as they are, since HTTP does not tell cases apart.
type Header []Field

// Get returns the first value of name, which is given in lower case, or "".
func (h Header) Get(name string) string {
	for i := range h {
		if h[i].Name == name {
			return h[i].Value
		}
	}
	return ""
}

// Has reports whether name, given in lower case, occurs.
func (h Header) Has(name string) bool {
	for i := range h {
		if h[i].Name == name {
			return true
		}
	}
	return false
}

// Add appends a field.
func (h *Header) Add(name, value string) {
	*h = append(*h, Field{strings.ToLower(name), value})
}

// Set replaces every field of that name by one.
func (h *Header) Set(name, value string) {
	name = strings.ToLower(name)
	h.Del(name)
	*h = append(*h, Field{name, value})
}

// Del removes every field of that name.
func (h *Header) Del(name string) {
	name = strings.ToLower(name)
	kept := (*h)[:0]
	for _, f := range *h {
		if f.Name != name {
			kept = append(kept, f)
		}
	}
	*h = kept
}

// Request is an HTTP request on its way to an entry point or an object. It travels between loops as it is,
// so whoever sends one must not change it, or what its Body and Header hold, afterwards.
type Request struct {
	// Method in upper case, for example "GET".
	Method string
	// URL is absolute: scheme, host, path and query.
	URL    string
	Header Header
	// Body is a stream where the bytes are still on their way (Body.Streamed), as those of a client's upload are; State.ReadBody and
	// Event.ReadBody read either kind.
	Body Body
}

// Path is the path of the URL as it was sent, without the query: escapes stand as they are (url.PathUnescape reads them). It is a
// part of URL, and costs no memory. It is empty where the URL has no path.
func (r *Request) Path() string {
	path, _, _ := cutURL(r.URL)
	return path
}

// Query returns the first value that the URL's query has for name, decoded as forms are, and whether there is one. What cannot be
// decoded, or has a semicolon in it, counts as not there, as with url.URL.Query, which makes a map of all of it; this one
// looks for one name, and takes memory only for a value with an escape.
func (r *Request) Query(name string) (value string, ok bool) {
	_, query, more := cutURL(r.URL)
	for more {
		var pair string
		pair, query, more = strings.Cut(query, "&")
		if pair == "" || strings.IndexByte(pair, ';') >= 0 {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if key, ok := decodeQuery(key); !ok || key != name {
			continue
		}
		if value, ok := decodeQuery(value); ok {
			return value, true
		}
	}
	return "", false
}

// cutURL returns the path and the query of an absolute URL, and whether it has one.
func cutURL(rawURL string) (path, query string, has bool) {
	if i := strings.Index(rawURL, "://"); i >= 0 {
		rawURL = rawURL[i+len("://"):]
	}
	rawURL, _, _ = strings.Cut(rawURL, "#")
	rawURL, query, has = strings.Cut(rawURL, "?")
	if i := strings.IndexByte(rawURL, '/'); i >= 0 {
		path = rawURL[i:]
	}
	return path, query, has
}

// decodeQuery decodes a name or value of a query.
func decodeQuery(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	s, err := url.QueryUnescape(s)
	return s, err == nil
}

// Response is the answer. The same rule holds: once returned it must not be changed.
type Response struct {
	// Status is 200 to 599; 0 means 200.
	Status int
	// StatusText is sent by no protocol here; TypeScript sees it.
	StatusText string
	Header     Header
	Body       Body
	// URL is the URL of the request that was answered, for callers in TypeScript. May be empty.
	URL string
	// WebSocket is the end of a pair that the client gets, with the Status 101. Once it is in a Response it is not the sender's any more.
	WebSocket *WebSocket
}

// Body is the content of a message: bytes that are all there, or a stream, which is produced while it is read
// (State.Stream). The zero Body is empty.
type Body struct {
	data   []byte
	stream *Stream
}

// Bytes makes a Body of b, which must not be changed afterwards.
func Bytes(b []byte) Body { return Body{data: b} }

// Text makes a Body of the UTF-8 bytes of s.
func Text(s string) Body { return Body{data: []byte(s)} }

// Len is the number of bytes that are there; 0 for a streamed body.
func (b Body) Len() int { return len(b.data) }

// Bytes returns the content, which must not be changed. Of a streamed body it returns nothing: see Streamed.
func (b Body) Bytes() []byte { return b.data }

// TextResponse is a response with a plain-text body.
func TextResponse(status int, text string) *Response {
	r := new(textResponse)
	r.field[0] = Field{"content-type", "text/plain;charset=UTF-8"}
	r.Status, r.Header, r.Body = status, r.field[:], Text(text)
	return &r.Response
}

// textResponse is a response and its only field, so that both are one allocation.
type textResponse struct {
	Response
	field [1]Field
}

package http

// Field is one header field: a name and a value. It is an alias of a plain struct type, so that a []Field is
// the same type wherever a package writes it so, and goes from one to the other without a copy.
type Field = struct{ Name, Value string }

// nameID is a well-known field name; 0 is every other name.
type nameID uint8

// The names that the framing, or the answer, depends on. Further well-known names follow in known.
const (
	_ nameID = iota
	nameHost
	nameContentLength
	nameTransferEncoding
	nameConnection
	nameExpect
	nameUpgrade
	nameKeepAlive
	nameProxyConnection
	nameTrailer
	nameDate
)

// known holds the well-known names in the lower case in which the Fetch API shows them. A field whose name is
// in here carries this very string: no allocation, and equal by pointer from one request to the next.
var known = [...]string{
	nameHost:             "host",
	nameContentLength:    "content-length",
	nameTransferEncoding: "transfer-encoding",
	nameConnection:       "connection",
	nameExpect:           "expect",
	nameUpgrade:          "upgrade",
	nameKeepAlive:        "keep-alive",
	nameProxyConnection:  "proxy-connection",
	nameTrailer:          "trailer",
	nameDate:             "date",

	11: "accept", "accept-charset", "accept-encoding", "accept-language", "accept-ranges",
	"access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods",
	"access-control-allow-origin", "access-control-expose-headers", "access-control-max-age",
	"access-control-request-headers", "access-control-request-method", "age", "allow", "authorization",
	"cache-control", "cdn-loop", "cf-connecting-ip", "cf-ipcountry", "cf-ray", "cf-visitor",
	"content-disposition", "content-encoding", "content-language", "content-location", "content-range",
	"content-security-policy", "content-type", "cookie", "dnt", "etag", "expires", "forwarded", "from",
	"if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified",
	"link", "location", "max-forwards", "origin", "pragma", "priority", "proxy-authenticate",
	"proxy-authorization", "range", "referer", "retry-after", "sec-ch-ua", "sec-ch-ua-mobile",
	"sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "sec-gpc",
	"sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol",
	"sec-websocket-version", "server", "set-cookie", "strict-transport-security", "te", "traceparent",
	"tracestate", "true-client-ip", "upgrade-insecure-requests", "user-agent", "vary", "via",
	"www-authenticate", "x-content-type-options", "x-forwarded-for", "x-forwarded-host",
	"x-forwarded-proto", "x-frame-options", "x-real-ip", "x-request-id", "x-requested-with",
}

// maxKnownBytes is the length of the longest known name.
const maxKnownBytes = 32

const knownSlotCount = 512

// knownSlots is an open hash table from nameHash to places in known. It is less than a quarter full.
var knownSlots = func() (slots [knownSlotCount]nameID) {
	for id := nameID(1); int(id) < len(known); id++ {
		s := known[id]
		if len(s) > maxKnownBytes {
			panic("http: maxKnownBytes is too small for " + s)
		}
		i := nameHash(s)
		for slots[i] != 0 {
			i = (i + 1) % knownSlotCount
		}
		slots[i] = id
	}
	return slots
}()

// nameHash looks at three letters and the length, whatever their case. s is not empty.
func nameHash[T text](s T) uint {
	n := uint(len(s))
	h := uint(s[0]|0x20)*7 + uint(s[n/2]|0x20)*31 + uint(s[n-1]|0x20)*67 + n*131
	return h % knownSlotCount
}

// lookup returns the well-known name that b is, whatever its case, or 0.
func lookup[T text](b T) nameID {
	if len(b) == 0 || len(b) > maxKnownBytes {
		return 0
	}
	for i := nameHash(b); ; i = (i + 1) % knownSlotCount {
		id := knownSlots[i]
		if id == 0 || foldEqual(b, known[id]) {
			return id
		}
	}
}

// knownMethods are returned as constants.
var knownMethods = [...]string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"}

// methodString returns b as a string, without an allocation for the usual methods.
func methodString(b []byte) string {
	for _, m := range knownMethods {
		if string(b) == m {
			return m
		}
	}
	return string(b)
}

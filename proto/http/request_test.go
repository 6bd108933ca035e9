package http

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// accepted are requests that must be read, with what must be seen.
var accepted = []struct{ name, in, want string }{
	{
		"a plain GET", "GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET \"/a/b?c=d\" host \"example.com\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"example.com\"}]\nend\n",
	},
	{
		"names lower-cased, values as they are, order kept",
		"GET / HTTP/1.1\r\nX-ZeD: A  b\r\nHOST: h\r\nCookie: b=1\r\nX-zed:\tC\t \r\nCookie: a=2\r\nEmpty:\r\n\r\n",
		"GET \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"x-zed\" \"A  b\"} {\"host\" \"h\"} {\"cookie\" \"b=1\"} {\"x-zed\" \"C\"} {\"cookie\" \"a=2\"} {\"empty\" \"\"}]\nend\n",
	},
	{
		"RFC 9112, 2.2: an empty line before the request line is skipped", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"}]\nend\n",
	},
	{
		"RFC 9110, 6.2: a higher minor version is 1.1", "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
		"GET \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"}]\nend\n",
	},
	{
		"RFC 9112, 3.2.2: absolute form goes before host", "GET http://Example.com:81/x?y HTTP/1.1\r\nHost: other\r\nx: y\r\n\r\n",
		"GET \"/x?y\" host \"Example.com:81\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"Example.com:81\"} {\"x\" \"y\"}]\nend\n",
	},
	{
		"absolute form without a path", "GET HTTPS://[::1]:8080?y HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET \"/?y\" host \"[::1]:8080\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"[::1]:8080\"}]\nend\n",
	},
	{
		"absolute form with nothing behind the host", "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"}]\nend\n",
	},
	{
		"RFC 9112, 3.2.4: asterisk form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"OPTIONS \"*\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"}]\nend\n",
	},
	{
		"RFC 9112, 3.2: host may be empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"GET \"/\" host \"\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"\"}]\nend\n",
	},
	{
		"a method of one's own", "M-SEARCH / HTTP/1.1\r\nHost: h\r\n\r\n",
		"M-SEARCH \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"}]\nend\n",
	},
	{
		"bytes above ASCII in target and value", "GET /\xc3\xa9|{} HTTP/1.1\r\nHost: h\r\nx: \xe9\r\n\r\n",
		"GET \"/é|{}\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"} {\"x\" \"\\xe9\"}]\nend\n",
	},
	{
		"RFC 9112, 9.3: HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n",
		"GET \"/\" host \"\" http10=true keep=false expect=false length=0 upgrade=\"\" []\nend\n",
	},
	{
		"RFC 9112, 9.3: HTTP/1.0 goes on when asked", "GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n",
		"GET \"/\" host \"\" http10=true keep=true expect=false length=0 upgrade=\"\" [{\"connection\" \"x, Keep-Alive\"}]\nend\n",
	},
	{
		"RFC 9112, 9.3: close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: CLOSE\r\n\r\n",
		"GET \"/\" host \"h\" http10=false keep=false expect=false length=0 upgrade=\"\" [{\"host\" \"h\"} {\"connection\" \"keep-alive\"} {\"connection\" \"CLOSE\"}]\nend\n",
	},
	{
		"RFC 9110, 10.1.1: 100-continue", "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nab",
		"PUT \"/\" host \"h\" http10=false keep=true expect=true length=2 upgrade=\"\" [{\"host\" \"h\"} {\"expect\" \"100-Continue\"} {\"content-length\" \"2\"}]\nbody 6162\nend\n",
	},
	{
		"RFC 9110, 10.1.1: 100-continue without a body", "GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
		"GET \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"} {\"expect\" \"100-continue\"}]\nend\n",
	},
	{
		"RFC 9110, 10.1.1: an HTTP/1.0 expectation is ignored", "PUT / HTTP/1.0\r\nExpect: whatever\r\nContent-Length: 1\r\n\r\na",
		"PUT \"/\" host \"\" http10=true keep=false expect=false length=1 upgrade=\"\" [{\"expect\" \"whatever\"} {\"content-length\" \"1\"}]\nbody 61\nend\n",
	},
	{
		"RFC 9110, 7.8: upgrade, with bytes of the new protocol behind it",
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"websocket\" [{\"host\" \"h\"} {\"connection\" \"keep-alive, Upgrade\"} {\"upgrade\" \"websocket\"}]\nend\n",
	},
	{
		"RFC 9110, 7.8: upgrade without its connection option", "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
		"GET \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"} {\"upgrade\" \"websocket\"}]\nend\n",
	},
	{
		"RFC 9110, 7.8: upgrade in HTTP/1.0", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET \"/\" host \"\" http10=true keep=false expect=false length=0 upgrade=\"\" [{\"connection\" \"upgrade\"} {\"upgrade\" \"websocket\"}]\nend\n",
	},
	{
		"content-length 0 and leading zeros, then pipelining",
		"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 0003\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: h\r\n\r\nGET /part",
		"POST \"/1\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"} {\"content-length\" \"0\"}]\nend\n" +
			"POST \"/2\" host \"h\" http10=false keep=true expect=false length=3 upgrade=\"\" [{\"host\" \"h\"} {\"content-length\" \"0003\"}]\nbody 616263\nend\n" +
			"GET \"/3\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"}]\nend\n",
	},
	{
		"RFC 9112, 7.1: chunks, with extensions and trailers, then pipelining",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n" +
			"5\r\nhello\r\n00a ; x=y;z=\"\t;\"\r\n0123456789\r\n1;\r\n!\r\nC\r\nABCDEFGHIJKL\r\n000;q\r\nT: u\r\nContent-Length: 7\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST \"/\" host \"h\" http10=false keep=true expect=false length=-1 upgrade=\"\" [{\"host\" \"h\"} {\"transfer-encoding\" \"Chunked\"}]\n" +
			fmt.Sprintf("body %x\nend\n", "hello0123456789!ABCDEFGHIJKL") +
			"GET \"/\" host \"h\" http10=false keep=true expect=false length=0 upgrade=\"\" [{\"host\" \"h\"}]\nend\n",
	},
}

func TestAccepted(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.name, func(t *testing.T) {
			got, err := requests(t, []byte(c.in), Limits{})
			if err != nil || got != c.want {
				t.Fatalf("%v\ngot\n%swant\n%s", err, got, c.want)
			}
			everySplit(t, []byte(c.in), func(cuts ...int) (string, error) {
				return requests(t, []byte(c.in), Limits{}, cuts...)
			})
		})
	}
}

const getHost = "GET / HTTP/1.1\r\nHost: h\r\n"

func post(fields string) string { return "POST / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" }

func chunks(body string) string { return post("Transfer-Encoding: chunked\r\n") + body }

// refused are requests that must be refused, with the status and a part of the reason. A test a sentence.
var refused = []struct {
	name, in string
	status   int
	reason   string
}{
	// RFC 9112, 2.2: message parsing
	{"2.2 bare LF after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400, "LF without CR"},
	{"2.2 bare LF after a field", "GET / HTTP/1.1\r\nHost: h\nx: y\r\n\r\n", 400, "LF without CR"},
	{"2.2 bare LF as the empty line", getHost + "\n", 400, "LF without CR"},
	{"2.2 bare LF first", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "LF without CR"},
	{"2.2 bare CR in a value", getHost + "x: a\rb\r\n\r\n", 400, "CR without LF"},
	{"2.2 bare CR before a field's CRLF", getHost + "x: a\r\r\n\r\n", 400, "CR without LF"},
	{"2.2 bare CR hides a length", post("x: a\rContent-Length: 5\r\n"), 400, "CR without LF"},
	{"2.2 bare CR in the target", "GET /\rx HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"2.2 bare CR in a name", getHost + "x\ry: a\r\n\r\n", 400, "field name"},
	{"2.2 whitespace before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, "begins with whitespace"},
	{"2.2 two empty lines before the request line", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request line"},
	{"2.2 a TLS handshake", "\x16\x03\x01", 400, "request line"},

	// RFC 9112, 2.3 and RFC 9110, 15.6.6: version
	{"2.3 HTTP/0.9", "GET /\r\n", 505, "HTTP/1.1"},
	{"2.3 HTTP/2.0 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"},
	{"2.3 HTTP/0.9 by name", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505, "HTTP/1.1"},
	{"2.3 HTTP/3.0", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505, "HTTP/1.1"},
	{"2.3 lower case", "GET / http/1.1\r\nHost: h\r\n\r\n", 400, "version"},
	{"2.3 two digits", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400, "version"},
	{"2.3 no minor", "GET / HTTP/1\r\nHost: h\r\n\r\n", 400, "version"},
	{"2.3 no digits", "GET / HTTP/a.b\r\nHost: h\r\n\r\n", 400, "version"},
	{"2.3 comma", "GET / HTTP/1,1\r\nHost: h\r\n\r\n", 400, "version"},
	{"2.3 other protocol", "GET / ICAP/1.1\r\nHost: h\r\n\r\n", 400, "version"},

	// RFC 9112, 3: request line
	{"3 no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n", 505, "HTTP/1.1"}, // reads as HTTP/0.9
	{"3 method only", "GET\r\nHost: h\r\n\r\n", 400, "request line"},
	{"3 two spaces before the target", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3 two spaces before the version", "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3 space after the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400, "version"},
	{"3 space first", " GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request line"},
	{"3 tab for space", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "method"},
	{"3 tab before the version", "GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", 400, "request line"},
	{"3.1 method is no token", "GE(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "method"},
	{"3.1 NUL in the method", "GE\x00T / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "method"},
	{"3.1 method too long", strings.Repeat("M", 33) + " / HTTP/1.1\r\nHost: h\r\n\r\n", 501, "method"},

	// RFC 9112, 3.2: request target
	{"3.2 space within", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2 tab within", "GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2 NUL within", "GET /a\x00b HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2 DEL within", "GET /a\x7fb HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2 fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2 relative", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2 other scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2.2 no host", "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2.2 no host, query", "GET http://?a HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2.2 user before the host", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2.3 authority form", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501, "CONNECT"},
	{"3.2.3 authority form without CONNECT", "GET h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2.4 asterisk without OPTIONS", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},

	// RFC 9112, 3.2: host
	{"3.2 host missing", "GET / HTTP/1.1\r\nx: y\r\n\r\n", 400, "host is missing"},
	{"3.2 host missing, absolute form", "GET http://h/ HTTP/1.1\r\n\r\n", 400, "host is missing"},
	{"3.2 host twice", getHost + "Host: g\r\n\r\n", 400, "more than one host"},
	{"3.2 host twice, equal", getHost + "Host: h\r\n\r\n", 400, "more than one host"},
	{"3.2 host twice, HTTP/1.0", "GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", 400, "more than one host"},
	{"3.2 host is a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "host is not"},
	{"3.2 host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "host is not"},
	{"3.2 host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "host is not"},
	{"3.2 host with a bad port", "GET / HTTP/1.1\r\nHost: a:8o\r\n\r\n", 400, "host is not"},
	{"3.2 host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400, "host is not"},
	{"3.2 host with too long a port", "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n", 400, "host is not"},
	{"3.2 host with percent-encoding", "GET / HTTP/1.1\r\nHost: a%2fb\r\n\r\n", 400, "host is not"},
	{"3.2.2 host with percent-encoding", "GET http://%FF.com/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "target"},
	{"3.2 host is a port only", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400, "host is not"},
	{"3.2 host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, "host is not"},
	{"3.2 host with text behind the bracket", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400, "host is not"},
	{"3.2 bad host beside absolute form", "GET http://h/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host is not"},

	// RFC 9112, 5: field syntax
	{"5 no colon", getHost + "x\r\n\r\n", 400, "no colon"},
	{"5 empty name", getHost + ": y\r\n\r\n", 400, "field name"},
	{"5 name is no token", getHost + "x/y: z\r\n\r\n", 400, "field name"},
	{"5 NUL in a name", getHost + "x\x00: z\r\n\r\n", 400, "field name"},
	{"5 a name above ASCII", getHost + "x\xe9: z\r\n\r\n", 400, "field name"},
	{"5 space within a name", getHost + "x y: z\r\n\r\n", 400, "field name"},
	{"5 length's name with a control", post("\x0bContent-Length: 5\r\n"), 400, "field name"},
	{"5.1 space before the colon", post("Content-Length : 5\r\n"), 400, "colon"},
	{"5.1 tab before the colon", post("Transfer-Encoding\t: chunked\r\n"), 400, "colon"},
	{"5.2 folded line", getHost + "x: y\r\n z\r\n\r\n", 400, "begins with whitespace"},
	{"5.2 folded with a tab", post("x: y\r\n\tTransfer-Encoding: chunked\r\n"), 400, "begins with whitespace"},
	{"5.2 a line of whitespace only", getHost + " \r\n\r\n", 400, "begins with whitespace"},
	{"RFC 9110, 5.5: NUL in a value", getHost + "x: a\x00b\r\n\r\n", 400, "control"},
	{"RFC 9110, 5.5: control in a long value", getHost + "x: 0123456789abcdef\x1f0123456789\r\n\r\n", 400, "control"},
	{"RFC 9110, 5.5: DEL in a value", getHost + "x: a\x7f\r\n\r\n", 400, "control"},

	// RFC 9112, 6: framing
	{"6.1 both framings", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400, "both"},
	{"6.1 both framings, other order", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400, "both"},
	{"6.1 unknown coding", post("Transfer-Encoding: gzip, chunked\r\n"), 501, "unknown"},
	{"6.1 unknown coding in a field of its own", post("Transfer-Encoding: foo;a=b\r\nTransfer-Encoding: chunked\r\n"), 501, "unknown"},
	{"6.1 identity", post("Transfer-Encoding: identity, chunked\r\n"), 501, "unknown"},
	{"6.1 chunked twice", post("Transfer-Encoding: chunked, chunked\r\n"), 400, "more than once"},
	{"6.1 chunked twice, two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400, "more than once"},
	{"6.1 HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "HTTP/1.0"},
	{"6.3 chunked is not final", post("Transfer-Encoding: chunked, gzip\r\n"), 400, "final"},
	{"6.3 chunked is not final, two fields", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400, "final"},
	{"6.3 no chunked", post("Transfer-Encoding: gzip\r\n"), 400, "final"},
	{"6.3 nearly chunked", post("Transfer-Encoding: xchunked\r\n"), 400, "final"},
	{"6.3 chunked in quotes", post("Transfer-Encoding: \"chunked\"\r\n"), 400, "malformed"},
	{"6.3 chunked with a parameter", post("Transfer-Encoding: chunked;a=b\r\n"), 400, "malformed"},
	{"6.3 empty coding", post("Transfer-Encoding:\r\n"), 400, "malformed"},
	{"6.3 empty element", post("Transfer-Encoding: chunked,\r\n"), 400, "malformed"},
	{"6.3 two words", post("Transfer-Encoding: chunked chunked\r\n"), 400, "malformed"},
	{"6.3 control before chunked", post("Transfer-Encoding: \x0bchunked\r\n"), 400, "control"},
	{"6.3 two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400, "more than one"},
	{"6.3 two equal lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n"), 400, "more than one"},
	{"6.3 two lengths, the first 0", post("Content-Length: 0\r\nContent-Length: 5\r\n"), 400, "more than one"},
	{"6.3 list of lengths", post("Content-Length: 5, 5\r\n"), 400, "decimal"},
	{"6.3 plus sign", post("Content-Length: +5\r\n"), 400, "decimal"},
	{"6.3 minus sign", post("Content-Length: -5\r\n"), 400, "decimal"},
	{"6.3 space within", post("Content-Length: 5 5\r\n"), 400, "decimal"},
	{"6.3 hexadecimal", post("Content-Length: 0x5\r\n"), 400, "decimal"},
	{"6.3 fraction", post("Content-Length: 5.0\r\n"), 400, "decimal"},
	{"6.3 empty", post("Content-Length:\r\n"), 400, "decimal"},
	{"6.3 2^63", post("Content-Length: 9223372036854775808\r\n"), 400, "decimal"},
	{"6.3 2^64+5", post("Content-Length: 18446744073709551621\r\n"), 400, "decimal"},
	{"6.3 over the limit", post("Content-Length: 104857601\r\n"), 413, "body"},
	{"6.3 the largest", post("Content-Length: 9223372036854775807\r\n"), 413, "body"},

	// RFC 9112, 7.1: chunks
	{"7.1 no size", chunks("\r\nhello\r\n"), 400, "chunk size"},
	{"7.1 size is no number", chunks("g\r\n"), 400, "chunk size"},
	{"7.1 0x", chunks("0x5\r\nhello\r\n"), 400, "chunk size"},
	{"7.1 plus sign", chunks("+5\r\nhello\r\n"), 400, "chunk size"},
	{"7.1 minus sign", chunks("-5\r\nhello\r\n"), 400, "chunk size"},
	{"7.1 space before", chunks(" 5\r\nhello\r\n"), 400, "chunk size"},
	{"7.1 space after", chunks("5 \r\nhello\r\n"), 400, "chunk size"},
	{"7.1 space within", chunks("5 5\r\nhello\r\n"), 400, "chunk size"},
	{"7.1 underscore", chunks("1_0\r\n"), 400, "chunk size"},
	{"7.1 2^64+5", chunks("10000000000000005\r\nhello\r\n"), 400, "too large"},
	{"7.1 2^63", chunks("8000000000000000\r\n"), 400, "too large"},
	{"7.1 17 zeros", chunks("00000000000000000\r\n\r\n"), 400, "too large"},
	{"7.1 over the limit", chunks("6400001\r\n"), 413, "body"},
	{"7.1 over the limit in the second chunk", chunks("1\r\na\r\n6400000\r\n"), 413, "body"},
	{"7.1 bare LF after the size", chunks("5\nhello\r\n0\r\n\r\n"), 400, "LF without CR"},
	{"7.1 bare CR after the size", chunks("5\rhello\r\n"), 400, "CR without LF"},
	{"7.1 data too long", chunks("5\r\nhelloo\r\n"), 400, "followed by CRLF"},
	{"7.1 bare LF after the data", chunks("5\r\nhello\n0\r\n\r\n"), 400, "followed by CRLF"},
	{"7.1 bare CR after the data", chunks("5\r\nhello\rX"), 400, "followed by CRLF"},
	{"7.1 another byte for the CR after the data", chunks("1\r\naX\n0\r\n\r\n"), 400, "followed by CRLF"},
	{"7.1.1 bare LF within an extension", chunks("5;x\nhello\r\n0\r\n\r\n"), 400, "LF without CR"},
	{"7.1.1 bare CR within an extension", chunks("5;x\ry\r\nhello\r\n"), 400, "CR without LF"},
	{"7.1.1 bare LF within quotes", chunks("5;x=\"\n\"\r\nhello\r\n"), 400, "LF without CR"},
	{"7.1.1 control within an extension", chunks("5;x=\x00\r\nhello\r\n"), 400, "extension"},
	{"7.1.1 extension without semicolon", chunks("5 x=y\r\nhello\r\n"), 400, "chunk size"},
	{"7.1.1 extension too long", chunks("5;" + strings.Repeat("x", 1025)), 400, "extension"},
	{"7.1.2 bare LF after a trailer", chunks("0\r\nx: y\n\r\n"), 400, "LF without CR"},
	{"7.1.2 bare LF at the end", chunks("0\r\n\n"), 400, "LF without CR"},
	{"7.1.2 no colon", chunks("0\r\nGET / HTTP/1.1\r\n\r\n"), 400, "no colon"},
	{"7.1.2 folded trailer", chunks("0\r\nx: y\r\n z\r\n\r\n"), 400, "begins with whitespace"},
	{"7.1.2 trailer section too large", chunks("0\r\n" + strings.Repeat("x: "+strings.Repeat("y", 4000)+"\r\n", 9)), 431, "trailer"},
	{"7.1.2 trailer line too large", chunks("0\r\nx: " + strings.Repeat("y", 33000)), 431, "trailer"},
	{"7.1.2 too many trailers", chunks("0\r\n" + strings.Repeat("x: y\r\n", 101)), 431, "too many"},

	// RFC 9110, 10.1.1: expectations
	{"10.1.1 unknown expectation", post("Expect: 200-ok\r\n"), 417, "expectation"},
	{"10.1.1 one known, one not", post("Expect: 100-continue\r\nExpect: x\r\n"), 417, "expectation"},
	{"10.1.1 a list", post("Expect: 100-continue, x\r\n"), 417, "expectation"},

	// bounds
	{"request line too long", "GET /" + strings.Repeat("a", 8192) + " HTTP/1.1\r\nHost: h\r\n\r\n", 414, "too long"},
	{"request line too long, no end", "GET /" + strings.Repeat("a", 8192), 414, "too long"},
	{"header too large", getHost + strings.Repeat("x: "+strings.Repeat("y", 1000)+"\r\n", 33), 431, "too large"},
	{"header too large, no end", getHost + "x: " + strings.Repeat("y", 33000), 431, "too large"},
	{"too many fields", getHost + strings.Repeat("x: y\r\n", 100) + "\r\n", 431, "too many"},
}

func TestRefused(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			got, err := requests(t, []byte(c.in), Limits{})
			if statusOf(err) != c.status || !strings.Contains(fmt.Sprint(err), c.reason) {
				t.Fatalf("got %v, want %d and %q\n%s", err, c.status, c.reason, got)
			}
			if strings.Contains(got, "end\n") {
				t.Fatalf("a message came to its end:\n%s", got)
			}
			if len(c.in) < 2000 {
				everySplit(t, []byte(c.in), func(cuts ...int) (string, error) {
					return requests(t, []byte(c.in), Limits{}, cuts...)
				})
			}
		})
	}
}

// TestLimits holds every bound to its last good and its first bad value.
func TestLimits(t *testing.T) {
	head := func(n int) string { // a head of n bytes
		const frame = getHost + "x: \r\n\r\n"
		return getHost + "x: " + strings.Repeat("y", n-len(frame)) + "\r\n\r\n"
	}
	line := func(n int) string { // a request line of n bytes
		const frame = "GET / HTTP/1.1\r\n"
		return "GET /" + strings.Repeat("a", n-len(frame)) + " HTTP/1.1\r\nHost: h\r\n\r\n"
	}
	fields := func(n int) string { return getHost + strings.Repeat("x: y\r\n", n-1) + "\r\n" }
	trailer := func(n int) string { // a trailer section of n bytes
		return chunks("0\r\nx: " + strings.Repeat("y", n-7) + "\r\n\r\n")
	}
	trailers := func(n int) string { return chunks("0\r\n" + strings.Repeat("x: y\r\n", n) + "\r\n") }
	length := func(n int) string {
		return post(fmt.Sprintf("Content-Length: %d\r\n", n)) + strings.Repeat("b", n)
	}
	twoChunks := func(n int) string {
		return chunks(fmt.Sprintf("1\r\na\r\n%x\r\n%s\r\n0\r\n\r\n", n-1, strings.Repeat("b", n-1)))
	}
	// A chunk of one byte may have 18 bytes of framing, and takes 5 beside its extension.
	overhead := func(n int) string { return chunks("1;" + strings.Repeat("x", n-1+13) + "\r\na\r\n0\r\n\r\n") }

	for _, c := range []struct {
		name   string
		lim    Limits
		make   func(int) string
		last   int
		status int
		early  bool // refused before a line ends that cannot end in time
	}{
		{"head, default", Limits{}, head, DefaultHeadBytes, 431, true},
		{"head", Limits{HeadBytes: 200}, head, 200, 431, true},
		{"head, largest", Limits{HeadBytes: 1 << 20, RequestLineBytes: 1 << 20}, head, MaxHeadBytes, 431, true},
		{"request line, default", Limits{}, line, DefaultRequestLineBytes, 414, true},
		{"request line after an empty one", Limits{RequestLineBytes: 40}, func(n int) string { return "\r\n" + line(n) }, 40, 414, false},
		{"request line", Limits{RequestLineBytes: 40}, line, 40, 414, true},
		{"fields, default", Limits{}, fields, DefaultFields, 431, false},
		{"fields", Limits{Fields: 3}, fields, 3, 431, false},
		{"trailer bytes", Limits{HeadBytes: 200}, trailer, 200, 431, true},
		{"trailer fields", Limits{Fields: 3}, trailers, 3, 431, false},
		{"content-length", Limits{BodyBytes: 10}, length, 10, 413, false},
		{"chunks", Limits{BodyBytes: 10}, twoChunks, 10, 413, false},
		{"chunk overhead", Limits{ChunkOverhead: 100}, overhead, 100, 400, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, cuts := range [][]int{nil, {20, 30, 50}} {
				got, err := requests(t, []byte(c.make(c.last)), c.lim, cuts...)
				if err != nil || !strings.HasSuffix(got, "end\n") {
					t.Errorf("%d is refused: %v\n%.200s", c.last, err, got)
				}
				if got, err = requests(t, []byte(c.make(c.last+1)), c.lim, cuts...); statusOf(err) != c.status {
					t.Errorf("%d gets %v, want %d\n%.200s", c.last+1, err, c.status, got)
				}
			}
			if c.early {
				in := c.make(c.last + 1)
				if c.name == "trailer bytes" {
					in = in[:len(in)-1] // counted from the section's begin
				} else {
					in = in[:c.last]
				}
				if _, err := requests(t, []byte(in), c.lim); statusOf(err) != c.status {
					t.Errorf("%d without an end get %v, want %d", len(in), err, c.status)
				}
			}
		})
	}
}

// TestChunkOverheadAddsUp holds many chunks, each harmless, to the bound that they share.
func TestChunkOverheadAddsUp(t *testing.T) {
	one := "1;" + strings.Repeat("x", 200) + "\r\na\r\n"
	got, err := requests(t, []byte(chunks(strings.Repeat(one, 100))), Limits{})
	if err != errChunkOverhead {
		t.Fatalf("%v\n%.200s", err, got)
	}
	small := strings.Repeat("1\r\na\r\n", 20_000)
	if got, err = requests(t, []byte(chunks(small+"0\r\n\r\n")), Limits{}); err != nil {
		t.Fatalf("chunks of one byte are refused: %v\n%.200s", err, got)
	}
}

// TestNoRescan gives a head byte by byte. A reader that looked at everything again each time would look at half a
// billion bytes here; the test counts what is left to look at.
func TestNoRescan(t *testing.T) {
	in := []byte(getHost + strings.Repeat("x: "+strings.Repeat("y", 300)+"\r\n", 90) + "\r\n")
	r := NewReader(Limits{})
	for i := 1; i < len(in); i++ {
		n, ev, err := r.Next(in[:i])
		if n != 0 || ev.Kind != NeedMore || err != nil {
			t.Fatalf("at %d: %d, %v, %v", i, n, ev.Kind, err)
		}
		if r.req.scan != i {
			t.Fatalf("%d bytes have come, and the next call would search from %d", i, r.req.scan)
		}
		if r.Idle() {
			t.Fatal("idle within a head")
		}
	}
	if _, ev, err := r.Next(in); ev.Kind != Head || err != nil || r.Request().NumFields() != 91 {
		t.Fatal(ev, err)
	}

	in = []byte("x: " + strings.Repeat("y", 5000))
	r = NewReader(Limits{})
	for _, ev := range []Kind{Head, NeedMore} {
		msg := []byte(chunks("0\r\n"))
		if ev == NeedMore {
			msg = msg[len(chunks("")):]
		}
		if _, got, err := r.Next(msg); got.Kind != ev || err != nil {
			t.Fatal(got, err)
		}
	}
	for i := 1; i <= len(in); i++ {
		if n, _, err := r.Next(in[:i]); n != 0 || err != nil || r.body.scan != i {
			t.Fatalf("trailer, at %d: %d, %v, would search from %d", i, n, err, r.body.scan)
		}
	}
}

// TestUpgradeLeftover checks that what follows an upgrade request can be had.
func TestUpgradeLeftover(t *testing.T) {
	const frame = "\x81\x05hello"
	in := []byte("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: foo/1, WebSocket\r\nSec-WebSocket-Key: dGhl\r\n\r\n" + frame)
	r := NewReader(Limits{})
	n, ev, err := r.Next(in)
	if ev.Kind != Head || err != nil {
		t.Fatal(ev, err)
	}
	q := r.Request()
	if q.Length != 0 || !q.UpgradesTo("websocket") || q.UpgradesTo("foo") || string(in[n:]) != frame {
		t.Fatalf("length %d, left %q", q.Length, in[n:])
	}
	if v, ok := q.Value("sec-websocket-key"); !ok || string(v) != "dGhl" {
		t.Fatalf("%q", v)
	}
	n2, ev, err := r.Next(in[n:])
	if n2 != 0 || ev.Kind != End || err != nil || !r.Idle() {
		t.Fatal(n2, ev, err)
	}
}

// TestNoUpgrade: without the connection option, and in HTTP/1.0, there is none (RFC 9110, 7.8).
func TestNoUpgrade(t *testing.T) {
	for in, want := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n":    true,
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n\r\n": false,
		"GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n":    false,
		"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websockets\r\n\r\n":   false,
	} {
		r := NewReader(Limits{})
		if _, ev, err := r.Next([]byte(in)); ev.Kind != Head || err != nil {
			t.Fatal(ev, err)
		}
		if got := r.Request().UpgradesTo("websocket"); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}

// TestValue looks for fields by well-known and other names.
func TestValue(t *testing.T) {
	r := NewReader(Limits{})
	if _, ev, err := r.Next([]byte(getHost + "X-A: 1\r\nX-B: 2\r\nx-a: 3\r\nAccept: 4\r\nACCEPT: 5\r\n\r\n")); ev.Kind != Head || err != nil {
		t.Fatal(ev, err)
	}
	for name, want := range map[string]string{"x-a": "1", "x-b": "2", "accept": "4", "host": "h", "x-c": "", "cookie": ""} {
		v, ok := r.Request().Value(name)
		if string(v) != want || ok != (want != "") {
			t.Errorf("%s is %q, %v", name, v, ok)
		}
	}
}

// TestFieldsOutlive checks that copied strings do not change with the input, and are one allocation.
func TestFieldsOutlive(t *testing.T) {
	in := []byte("GET /target HTTP/1.1\r\nHost: example\r\nX-Own: value\r\nAccept: text\r\n\r\n")
	r := NewReader(Limits{})
	if _, _, err := r.Next(in); err != nil {
		t.Fatal(err)
	}
	fields, target, host := r.Request().AppendFieldsTarget(nil)
	dst := make([]Field, 0, 8)
	if n := testing.AllocsPerRun(100, func() { _, _, _ = r.Request().AppendFieldsTarget(dst) }); n != 1 {
		t.Errorf("%v allocations", n)
	}
	for i := range in {
		in[i] = '!'
	}
	if got := fmt.Sprintf("%v %s %s", fields, target, host); got != "[{host example} {x-own value} {accept text}] /target example" {
		t.Fatal(got)
	}
}

// TestFieldsURL checks the URL that comes with the fields: whole, and for the same allocation, whatever form the target has.
func TestFieldsURL(t *testing.T) {
	for head, want := range map[string]string{
		"GET /a?b=c HTTP/1.1\r\nHost: Example:80\r\nX-Own: V\r\n\r\n":       "https://Example:80/a?b=c",
		"GET /a HTTP/1.1\r\nX-Own: V\r\nHost:\r\n\r\n":                      "https://stand-in/a",
		"GET /a HTTP/1.0\r\nX-Own: V\r\n\r\n":                               "https://stand-in/a",
		"OPTIONS * HTTP/1.1\r\nHost: h\r\nX-Own: V\r\n\r\n":                 "https://h",
		"GET http://target?q HTTP/1.1\r\nHost: other\r\nX-Own: V\r\n\r\n":   "https://target/?q",
		"GET http://target/p?q HTTP/1.1\r\nHost: other\r\nX-Own: V\r\n\r\n": "https://target/p?q",
	} {
		in := []byte(head)
		r := NewReader(Limits{})
		if _, ev, err := r.Next(in); err != nil || ev.Kind != Head {
			t.Fatalf("%q: %v, %v", head, ev, err)
		}
		dst := make([]Field, 0, 8)
		if n := testing.AllocsPerRun(10, func() { _, _ = r.Request().AppendFieldsURL(dst, "https", "stand-in") }); n != 1 {
			t.Errorf("%q: %v allocations", head, n)
		}
		fields, url := r.Request().AppendFieldsURL(dst, "https", "stand-in")
		for i := range in {
			in[i] = '!'
		}
		if url != want {
			t.Errorf("%q: the URL is %q, want %q", head, url, want)
		}
		if !slices.Contains(fields, Field{"x-own", "V"}) {
			t.Errorf("%q: the fields are %v", head, fields)
		}
	}
}

// TestViewsEnd checks that a head cannot be looked at when its bytes may be gone, and that nothing of the input is
// held on to.
func TestViewsEnd(t *testing.T) {
	r := NewReader(Limits{})
	if _, ev, err := r.Next([]byte(getHost + "\r\n")); ev.Kind != Head || err != nil {
		t.Fatal(ev, err)
	}
	if _, ev, err := r.Next(nil); ev.Kind != End || err != nil {
		t.Fatal(ev, err)
	}
	q := r.Request()
	if q.buf != nil || q.Target() != nil || q.Host() != nil || q.Method != "GET" || !q.KeepAlive {
		t.Errorf("%+v", q)
	}
	for name, f := range map[string]func(){
		"FieldAt":      func() { q.FieldAt(0) },
		"Value":        func() { q.Value("host") },
		"AppendFields": func() { q.AppendFields(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s after End does not panic", name)
				}
			}()
			f()
		}()
	}
}

// TestZeroReader checks that a Reader needs no constructor, and that Reset makes one as new.
func TestZeroReader(t *testing.T) {
	var r Reader
	for range 3 {
		if !r.Idle() {
			t.Fatal("not idle")
		}
		n, ev, err := r.Next([]byte(getHost + "\r\n"))
		if n != len(getHost)+2 || ev.Kind != Head || err != nil {
			t.Fatal(n, ev, err)
		}
		if _, _, err = r.Next(nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err = r.Next([]byte("\x00")); err == nil {
			t.Fatal("NUL was taken")
		}
		r.Reset(Limits{})
	}
}

package http

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAppendHead(t *testing.T) {
	date := AppendDate(nil, time.Date(2026, 11, 24, 6, 7, 8, 0, time.FixedZone("x", 3600)))
	for _, c := range []struct {
		name   string
		status int
		fields []Field
		o      Options
		want   string
	}{
		{
			"by length", 200,
			[]Field{{"content-type", "text/plain"}},
			Options{Length: 5, KeepAlive: true},
			"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\n",
		},
		{
			"the zero options close", 200, nil,
			Options{},
			"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
		},
		{
			"in chunks", 200, nil,
			Options{Length: Chunked, KeepAlive: true},
			"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
		},
		{
			"RFC 9112, 6.1: no chunks for HTTP/1.0, the close ends it", 200, nil,
			Options{Length: Chunked, KeepAlive: true, HTTP10: true},
			"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
		},
		{
			"until the close", 200, nil,
			Options{Length: NoLength, KeepAlive: true},
			"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
		},
		{
			"HTTP/1.0 that goes on", 200, nil,
			Options{Length: 1, KeepAlive: true, HTTP10: true},
			"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n",
		},
		{
			"the date in universal time", 200, nil,
			Options{KeepAlive: true, Date: date},
			"HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 05:07:08 GMT\r\ncontent-length: 0\r\n\r\n",
		},
		{
			"the handler's date", 200,
			[]Field{{"Date", "x"}},
			Options{KeepAlive: true, Date: date},
			"HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 0\r\n\r\n",
		},
		{
			"fields of the connection are left out", 200,
			[]Field{
				{"Connection", "x"},
				{"Keep-Alive", "x"},
				{"proxy-connection", "x"},
				{"transfer-encoding", "x"},
				{"Content-Length", "7"},
				{"upgrade", "x"},
				{"trailer", "x"},
				{"a", "b"},
			},
			Options{Length: 1, KeepAlive: true},
			"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 1\r\n\r\n",
		},
		{
			"several cookies stay apart", 200,
			[]Field{{"set-cookie", "a=1"}, {"b", "c"}, {"set-cookie", "d=2"}},
			Options{KeepAlive: true},
			"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nb: c\r\nset-cookie: d=2\r\ncontent-length: 0\r\n\r\n",
		},
		{
			"RFC 9110, 8.6: HEAD tells the length of GET's body", 200, nil,
			Options{Length: 5, KeepAlive: true, Head: true},
			"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
		},
		{
			"HEAD, the handler's length", 200,
			[]Field{{"content-length", "9"}},
			Options{Length: 0, KeepAlive: true, Head: true},
			"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
		},
		{
			"HEAD, a length that is none", 200,
			[]Field{{"content-length", "9, 9"}},
			Options{Length: NoLength, KeepAlive: true, Head: true},
			"HTTP/1.1 200 OK\r\n\r\n",
		},
		{
			"HEAD of chunks", 200, nil,
			Options{Length: Chunked, KeepAlive: true, Head: true},
			"HTTP/1.1 200 OK\r\n\r\n",
		},
		{
			"RFC 9110, 8.6: 204 has no length", 204,
			[]Field{{"content-length", "9"}},
			Options{Length: 0, KeepAlive: true, Head: true},
			"HTTP/1.1 204 No Content\r\n\r\n",
		},
		{
			"204 has no chunks", 204, nil,
			Options{Length: Chunked, KeepAlive: true},
			"HTTP/1.1 204 No Content\r\n\r\n",
		},
		{
			"RFC 9110, 15.3.6: 205 has length 0", 205,
			[]Field{{"content-length", "9"}},
			Options{Length: Chunked, KeepAlive: true},
			"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n",
		},
		{
			"304, the handler's length", 304,
			[]Field{{"content-length", "9"}},
			Options{Length: 3, KeepAlive: true},
			"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
		},
		{
			"304 has no length of its own", 304, nil,
			Options{Length: 0, KeepAlive: true},
			"HTTP/1.1 304 Not Modified\r\n\r\n",
		},
		{
			"RFC 9110, 7.8: 101", 101,
			[]Field{{"upgrade", "websocket"}, {"connection", "x"}},
			Options{Length: 3, Date: date},
			"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
		},
		{
			"RFC 9110, 15.5.22: 426", 426,
			[]Field{{"upgrade", "websocket"}},
			Options{KeepAlive: true},
			"HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\ncontent-length: 0\r\nconnection: upgrade\r\n\r\n",
		},
		{"103", 103, []Field{{"link", "x"}}, Options{Date: date}, "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"},
		{"RFC 9112, 4: no phrase", 299, nil, Options{KeepAlive: true}, "HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n"},
		{"999", 999, nil, Options{KeepAlive: true}, "HTTP/1.1 999 \r\ncontent-length: 0\r\n\r\n"},
		{
			"tab and bytes above ASCII in a value", 200,
			[]Field{{"x", "a\t\xe9"}, {"y", ""}},
			Options{KeepAlive: true},
			"HTTP/1.1 200 OK\r\nx: a\t\xe9\r\ny: \r\ncontent-length: 0\r\n\r\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := AppendHead([]byte("before"), c.status, c.fields, c.o)
			if err != nil || string(got) != "before"+c.want {
				t.Fatalf("%v\ngot\n%q\nwant\n%q", err, got, c.want)
			}
			// What Framing says is what a client makes of the head.
			framing, keepAlive := c.o.Framing(c.status)
			r := NewResponseReader(Limits{})
			n, ev, err := r.Next([]byte(c.want), c.o.Head)
			if c.status < 200 && c.status != 101 {
				if ev.Kind != NeedMore || err != nil {
					t.Fatal(ev, err)
				}
				return
			}
			if n != len(c.want) || ev.Kind != Head || err != nil {
				t.Fatal(n, ev, err)
			}
			body := map[Framing]bodyState{NoBody: bodyDone, ByLength: bodyLength, ByChunks: chunkSize, ByClose: bodyToClose}[framing]
			if framing == ByLength && c.o.Length == 0 {
				body = bodyDone
			}
			if r.body.state != body || c.status != 101 && r.Response().KeepAlive != keepAlive && framing != ByClose {
				t.Fatalf("framing %d, keep %v; the client sees %d, %v", framing, keepAlive, r.body.state, r.Response().KeepAlive)
			}
		})
	}
}

// injections are fields that would write more than themselves.
var injections = []struct {
	name, value string
	want        error
}{
	{"x", "a\r\nset-cookie: b=c", ErrFieldValue},
	{"x", "a\n", ErrFieldValue},
	{"x", "a\r", ErrFieldValue},
	{"x", "a\x00b", ErrFieldValue},
	{"x", "\x7f", ErrFieldValue},
	{"x\r\ny", "a", ErrFieldName},
	{"x\n", "a", ErrFieldName},
	{"x:", "a", ErrFieldName},
	{"x ", "a", ErrFieldName},
	{" x", "a", ErrFieldName},
	{"", "a", ErrFieldName},
	{"x\x00", "a", ErrFieldName},
	{"é", "a", ErrFieldName},
	// also where the field would be left out: nobody should learn that such text passes
	{"connection", "a\r\nb: c", ErrFieldValue},
	{"content-length", "1\r\nb: c", ErrFieldValue},
}

func TestInjection(t *testing.T) {
	for _, c := range injections {
		fields := []Field{{"a", "b"}, {c.name, c.value}}
		got, err := AppendHead([]byte("before"), 200, fields, Options{})
		if !errors.Is(err, c.want) || string(got) != "before" {
			t.Errorf("response, %q: %q gets %v, %q", c.name, c.value, err, got)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("the error carries it on: %q", err)
		}
		got, err = AppendRequest([]byte("before"), "GET", "/", "h", fields, RequestOptions{})
		if !errors.Is(err, c.want) || string(got) != "before" {
			t.Errorf("request, %q: %q gets %v, %q", c.name, c.value, err, got)
		}
	}
	for _, status := range []int{-1, 0, 99, 1000} {
		if got, err := AppendHead([]byte("before"), status, nil, Options{}); !errors.Is(err, ErrStatus) || string(got) != "before" {
			t.Errorf("%d: %q, %v", status, got, err)
		}
	}
	for _, c := range []struct {
		method, target, host string
		want                 error
	}{
		{"GET", "/", "h", nil},
		{"GET", "/", "", nil},
		{"OPTIONS", "*", "[::1]:80", nil},
		{"", "/", "h", ErrMethod},
		{"G T", "/", "h", ErrMethod},
		{"GET /x HTTP/1.1\r\n", "/", "h", ErrMethod},
		{"GET", "", "h", ErrTarget},
		{"GET", "x", "h", ErrTarget},
		{"GET", "/ HTTP/1.1\r\nx: y", "h", ErrTarget},
		{"GET", "/a b", "h", ErrTarget},
		{"GET", "/a#b", "h", ErrTarget},
		{"GET", "/", "h\r\nx: y", ErrHost},
		{"GET", "/", "h/x", ErrHost},
	} {
		got, err := AppendRequest([]byte("before"), c.method, c.target, c.host, nil, RequestOptions{})
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err != nil && string(got) != "before" {
			t.Errorf("%q %q %q: %q, %v", c.method, c.target, c.host, got, err)
		}
	}
}

func TestAppendRequest(t *testing.T) {
	for _, c := range []struct {
		method string
		fields []Field
		o      RequestOptions
		want   string
	}{
		{"GET", []Field{{"Accept", "*/*"}}, RequestOptions{}, "GET /a?b HTTP/1.1\r\nhost: h:1\r\nAccept: */*\r\n\r\n"},
		{"POST", nil, RequestOptions{}, "POST /a?b HTTP/1.1\r\nhost: h:1\r\ncontent-length: 0\r\n\r\n"},
		{"DELETE", nil, RequestOptions{Length: 7, Close: true}, "DELETE /a?b HTTP/1.1\r\nhost: h:1\r\ncontent-length: 7\r\nconnection: close\r\n\r\n"},
		{"PUT", nil, RequestOptions{Length: Chunked, Expect100: true}, "PUT /a?b HTTP/1.1\r\nhost: h:1\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n"},
		{"GET", nil, RequestOptions{Expect100: true}, "GET /a?b HTTP/1.1\r\nhost: h:1\r\n\r\n"},
		{"GET", []Field{{"Upgrade", "websocket"}}, RequestOptions{}, "GET /a?b HTTP/1.1\r\nhost: h:1\r\nUpgrade: websocket\r\nconnection: upgrade\r\n\r\n"},
		{"GET", []Field{{"Upgrade", "websocket"}}, RequestOptions{Close: true}, "GET /a?b HTTP/1.1\r\nhost: h:1\r\nUpgrade: websocket\r\nconnection: close, upgrade\r\n\r\n"},
		{
			"GET",
			[]Field{{"Host", "x"}, {"content-length", "1"}, {"transfer-encoding", "x"}, {"connection", "x"}, {"expect", "x"}, {"a", "b"}},
			RequestOptions{},
			"GET /a?b HTTP/1.1\r\nhost: h:1\r\na: b\r\n\r\n",
		},
	} {
		got, err := AppendRequest(nil, c.method, "/a?b", "h:1", c.fields, c.o)
		if err != nil || string(got) != c.want {
			t.Errorf("%v\ngot\n%q\nwant\n%q", err, got, c.want)
		}
		if _, ev, err := NewReader(Limits{}).Next(got); ev.Kind != Head || err != nil {
			t.Errorf("%q is read as %v, %v", got, ev, err)
		}
	}
}

func TestAppendChunks(t *testing.T) {
	var body []byte
	body = AppendChunk(body, []byte("hello"))
	body = AppendChunk(body, nil)
	body = AppendChunk(body, bytes.Repeat([]byte("x"), 300))
	body = append(AppendChunkSize(body, 1), "y\r\n"...)
	body = AppendLastChunk(body)
	want := "5\r\nhello\r\n12c\r\n" + strings.Repeat("x", 300) + "\r\n1\r\ny\r\n0\r\n\r\n"
	if string(body) != want {
		t.Fatalf("%q", body)
	}
	if got := string(Append100Continue(nil)); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("%q", got)
	}
}

func TestAppendError(t *testing.T) {
	got := string(AppendError([]byte("before"), 431, "too large", Options{Date: []byte("D")}))
	if got != "beforeHTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\ndate: D\r\ncontent-length: 10\r\nconnection: close\r\n\r\ntoo large\n" {
		t.Errorf("%q", got)
	}
	got = string(AppendError(nil, 503, "busy", Options{Head: true, KeepAlive: true}))
	if got != "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 5\r\n\r\n" {
		t.Errorf("%q", got)
	}
}

// TestNoAllocation holds the hot path to none.
func TestNoAllocation(t *testing.T) {
	dst := make([]byte, 0, 4096)
	fields := []Field{{"content-type", "text/plain"}, {"x-own", "y"}}
	r := NewReader(Limits{})
	get := []byte(benchPost + chunks("5\r\nhello\r\n0\r\n\r\n"))
	for name, f := range map[string]func(){
		"AppendHead":    func() { dst, _ = AppendHead(dst[:0], 200, fields, Options{Length: 5, Date: dst[:0:0]}) },
		"AppendRequest": func() { dst, _ = AppendRequest(dst[:0], "GET", "/", "h", fields, RequestOptions{}) },
		"AppendError":   func() { dst = AppendError(dst[:0], 400, "x", Options{}) },
		"Reader": func() {
			for rest := get; len(rest) > 0 || !r.Idle(); {
				n, _, _ := r.Next(rest)
				rest = rest[n:]
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

package http

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestResponses(t *testing.T) {
	for _, c := range []struct {
		name, in string
		head     bool
		want     string
	}{
		{
			"by length, twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Y: z\r\n\r\nabHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false,
			"200 http10=false keep=true length=2 [{\"content-length\" \"2\"} {\"x-y\" \"z\"}]\nbody 6162\nend\n" +
				"404 http10=false keep=true length=0 [{\"content-length\" \"0\"}]\nend\n",
		},
		{
			"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", false,
			"200 http10=false keep=true length=-1 [{\"transfer-encoding\" \"chunked\"}]\nbody 616263\nend\n",
		},
		{
			"RFC 9112, 6.3: until the close", "HTTP/1.1 200 OK\r\n\r\nabc", false,
			"200 http10=false keep=false length=-2 []\nbody 616263\nend by close\n",
		},
		{
			"until the close, empty", "HTTP/1.0 200\r\n\r\n", false,
			"200 http10=true keep=false length=-2 []\nend by close\n",
		},
		{
			"RFC 9112, 6.3: HEAD has no body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", true,
			"200 http10=false keep=true length=5 [{\"content-length\" \"5\"}]\nend\n200 http10=false keep=true length=-2 []\nend\n",
		},
		{
			"HEAD of chunks has no body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true,
			"200 http10=false keep=true length=-2 [{\"transfer-encoding\" \"chunked\"}]\nend\n",
		},
		{
			"RFC 9112, 6.3: 204 and 304 have no body", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", false,
			"204 http10=false keep=true length=-2 []\nend\n304 http10=false keep=true length=7 [{\"content-length\" \"7\"}]\nend\n",
		},
		{
			"RFC 9110, 15.2: interim responses are skipped", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false,
			"200 http10=false keep=true length=1 [{\"content-length\" \"1\"}]\nbody 78\nend\n",
		},
		{
			"RFC 9110, 15.2.2: 101 is final", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", false,
			"101 http10=false keep=true length=-2 [{\"upgrade\" \"websocket\"}]\nend\n",
		},
		{
			"HTTP/1.0 that goes on", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false,
			"200 http10=true keep=true length=0 [{\"connection\" \"keep-alive\"} {\"content-length\" \"0\"}]\nend\n",
		},
		{
			"close", "HTTP/1.1 599 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false,
			"599 http10=false keep=false length=0 [{\"connection\" \"close\"} {\"content-length\" \"0\"}]\nend\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := responses(t, []byte(c.in), Limits{}, c.head)
			if err != nil || got != c.want {
				t.Fatalf("%v\ngot\n%swant\n%s", err, got, c.want)
			}
			everySplit(t, []byte(c.in), func(cuts ...int) (string, error) {
				return responses(t, []byte(c.in), Limits{}, c.head, cuts...)
			})
		})
	}
}

func TestResponsesRefused(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct{ name, in, reason string }{
		{"4 other version", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1"},
		{"4 no version", "ICY 200 OK\r\n\r\n", "status line"},
		{"4 malformed version", "HTTP/1,1 200 OK\r\n\r\n", "version"},
		{"4 no status", "HTTP/1.1 OK\r\n\r\n", "status line"},
		{"4 two digits", "HTTP/1.1 20 OK\r\n\r\n", "status line"},
		{"4 four digits", "HTTP/1.1 2000 OK\r\n\r\n", "status line"},
		{"4 status below 100", "HTTP/1.1 099 OK\r\n\r\n", "status line"},
		{"4 two spaces", "HTTP/1.1  200 OK\r\n\r\n", "status line"},
		{"4 control in the reason", "HTTP/1.1 200 O\x00K\r\n\r\n", "status line"},
		{"2.2 bare LF", "HTTP/1.1 200 OK\n\r\n", "LF without CR"},
		{"2.2 bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", "status line"},
		{"5.2 folded line", ok + "x: y\r\n z\r\n\r\n", "whitespace"},
		{"6.3 both framings", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "both"},
		{"6.3 both framings in an interim response", "HTTP/1.1 100 C\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "both"},
		{"6.3 two lengths", ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", "more than one"},
		{"6.1 unknown coding", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", "unknown"},
		{"6.3 not chunked", ok + "Transfer-Encoding: gzip\r\n\r\n", "final"},
		{"6.1 HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0"},
		{"7.1 chunk size", ok + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", "chunk size"},
		{"length over the limit", ok + "Content-Length: 104857601\r\n\r\n", "body"},
		{"status line too long", "HTTP/1.1 200 " + strings.Repeat("x", DefaultHeadBytes), "too large"},
		{"too many fields", ok + strings.Repeat("x: y\r\n", 101), "too many"},
		{"too many interim responses", strings.Repeat("HTTP/1.1 100 C\r\n\r\n", 33), "interim"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := responses(t, []byte(c.in), Limits{}, false)
			if statusOf(err) != 502 || !strings.Contains(fmt.Sprint(err), c.reason) || strings.Contains(got, "end") {
				t.Fatalf("got %v, want %q\n%s", err, c.reason, got)
			}
			if len(c.in) < 1000 {
				everySplit(t, []byte(c.in), func(cuts ...int) (string, error) {
					return responses(t, []byte(c.in), Limits{}, false, cuts...)
				})
			}
		})
	}
}

func TestResponseToCloseIsBounded(t *testing.T) {
	for body, want := range map[string]error{"1234567890": nil, "12345678901": errBodyBytes} {
		_, err := responses(t, []byte("HTTP/1.1 200 OK\r\n\r\n"+body), Limits{BodyBytes: 10}, false, 22, 25)
		if (err == nil) != (want == nil) {
			t.Errorf("%d bytes: %v", len(body), err)
		}
	}
}

func TestResponseEOF(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", io.EOF},
		{"H", io.ErrUnexpectedEOF},
		{"HTTP/1.1 200 OK\r\n", io.ErrUnexpectedEOF},
		{"HTTP/1.1 100 Continue\r\n\r\n", io.ErrUnexpectedEOF},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", io.ErrUnexpectedEOF},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", io.EOF},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", io.ErrUnexpectedEOF},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", io.EOF},
		{"HTTP/1.1 200 OK\r\n\r\n", nil},
		{"HTTP/1.1 200 OK\r\n\r\na", nil},
	} {
		r := NewResponseReader(Limits{})
		next := func(in []byte) (int, Event, error) { return r.Next(in, false) }
		if err := feed(t, []byte(c.in), nil, next, func(Event) {}); err != nil {
			t.Fatal(err)
		}
		if got := r.EOF(); !errors.Is(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%q: %v, want %v", c.in, got, c.want)
		}
		if c.want == nil && r.EOF() != io.EOF {
			t.Errorf("%q: the second EOF is %v", c.in, r.EOF())
		}
	}

	// The close may come between the head of a response without a body and its End.
	r := NewResponseReader(Limits{})
	if _, ev, err := r.Next([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), false); ev.Kind != Head || err != nil {
		t.Fatal(ev, err)
	}
	if err := r.EOF(); err != nil {
		t.Error(err)
	}
}

func TestInterim(t *testing.T) {
	r := NewResponseReader(Limits{})
	for _, step := range []struct {
		in   string
		kind Kind
		want int
	}{
		{"HTTP/1.1 100 C", NeedMore, 0},
		{"HTTP/1.1 100 Continue\r\n\r\n", NeedMore, 1},
		{"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Head, 2},
		{"", End, 0},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Head, 0},
	} {
		if _, ev, err := r.Next([]byte(step.in), false); ev.Kind != step.kind || err != nil || r.Interim() != step.want {
			t.Errorf("%q: %v, %v, %d interim, want %d", step.in, ev, err, r.Interim(), step.want)
		}
	}
}

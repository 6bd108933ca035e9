package http

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

// fuzzLimits are small, so that the bounds are met too.
var fuzzLimits = Limits{HeadBytes: 512, Fields: 8, RequestLineBytes: 128, BodyBytes: 300, ChunkOverhead: 64}

// fewSplits checks that the transcript of in does not depend on how it arrives, cheaply.
func fewSplits(t *testing.T, in []byte, cut uint16, transcript func(cuts ...int) (string, error)) {
	if len(in) == 0 {
		return
	}
	want, wantErr := transcript()
	single := make([]int, 0, len(in))
	for i := range min(len(in), 1000) {
		single = append(single, i)
	}
	a := int(cut) % len(in)
	for _, cuts := range [][]int{single, {a}, {a / 2, a}} {
		if got, err := transcript(cuts...); got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("cut at %v:\n%s%v\nin one piece:\n%s%v", cuts, got, err, want, wantErr)
		}
	}
}

// FuzzRequest: a Reader never fails but by an error, keeps to the contract of Next (feed checks it), sees the same
// however the input is cut, and what it takes for complete requests net/http either refuses or sees the same.
func FuzzRequest(f *testing.F) {
	for _, c := range accepted {
		f.Add([]byte(c.in), uint16(7))
	}
	for _, c := range refused {
		if len(c.in) < 300 {
			f.Add([]byte(c.in), uint16(20))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		if len(in) > 4000 {
			return
		}
		for _, lim := range []Limits{{}, fuzzLimits} {
			fewSplits(t, in, cut, func(cuts ...int) (string, error) { return requests(t, in, lim, cuts...) })
		}
		ours, _ := readMessages(in, Limits{})
		sameAsNetHTTP(t, in, ours)
	})
}

// FuzzResponse is FuzzRequest for a ResponseReader.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\nt: u\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n\x81\x00",
		"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 \r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 205\r\nContent-Length: 1\r\n\r\na",
	} {
		f.Add([]byte(s), false, uint16(5))
		f.Add([]byte(s), true, uint16(9))
	}
	f.Fuzz(func(t *testing.T, in []byte, isHead bool, cut uint16) {
		if len(in) > 4000 {
			return
		}
		for _, lim := range []Limits{{}, fuzzLimits} {
			fewSplits(t, in, cut, func(cuts ...int) (string, error) { return responses(t, in, lim, isHead, cuts...) })
		}
		ours, _ := readResponses(in, Limits{}, isHead)
		src := bytes.NewReader(in)
		br := bufio.NewReader(src)
		method := nethttp.MethodGet
		if isHead {
			method = nethttp.MethodHead
		}
		for i, m := range ours {
			resp, err := nethttp.ReadResponse(br, &nethttp.Request{Method: method}) //nolint:bodyclose // it ends with the slice
			for err == nil && resp.StatusCode < 200 && resp.StatusCode != 101 {
				resp, err = nethttp.ReadResponse(br, &nethttp.Request{Method: method}) //nolint:bodyclose // as above
			}
			if err != nil {
				return
			}
			if resp.StatusCode == 101 {
				// net/http gives the connection itself as the body.
				sameRest(t, i, in, m, nil, len(in)-src.Len()-br.Buffered())
				return
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return
			}
			if fmt.Sprint(resp.StatusCode) != m.line {
				t.Fatalf("net/http has %d, we %s", resp.StatusCode, m.line)
			}
			sameRest(t, i, in, m, body, len(in)-src.Len()-br.Buffered())
			sameFields(t, resp.Header, m.fields)
		}
	})
}

// FuzzChunks: what the chunk decoder takes net/http's takes too, with the same data; and what AppendChunk writes
// comes back.
func FuzzChunks(f *testing.F) {
	for _, c := range refused {
		if body, ok := strings.CutPrefix(c.in, chunks("")); ok && len(body) < 300 {
			f.Add([]byte(body), uint16(3))
		}
	}
	f.Add([]byte("5\r\nhello\r\n00a ; x=y;z=\"\t;\"\r\n0123456789\r\n000;q\r\nT: u\r\n\r\n"), uint16(11))
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		if len(in) > 4000 {
			return
		}
		lim := Limits{}.withDefaults()
		decode := func(in []byte) (data []byte, end int, done bool) {
			var b body
			b.startChunked()
			for {
				n, part, ok, err := b.next(in[end:], &lim)
				if n < 0 || n > len(in)-end || b.total > lim.BodyBytes {
					t.Fatalf("consumed %d of %d, %d announced", n, len(in)-end, b.total)
				}
				end += n
				data = append(data, part...)
				if ok || err != nil || part == nil {
					return data, end, ok
				}
			}
		}
		if data, end, done := decode(in); done {
			theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in[:end])))
			if err == nil && !bytes.Equal(data, theirs) {
				t.Fatalf("net/http has %q, we %q", theirs, data)
			}
		}
		at := 0
		if len(in) > 0 {
			at = int(cut) % len(in)
		}
		wire := AppendLastChunk(AppendChunk(AppendChunk(nil, in[:at]), in[at:]))
		if data, end, done := decode(wire); !done || end != len(wire) || !bytes.Equal(data, in) {
			t.Fatalf("%q comes back as %q", in, data)
		}
	})
}

// FuzzAppendHead: a head is refused, or is read as one response with the fields that were given.
func FuzzAppendHead(f *testing.F) {
	f.Add("x", "y", 200, int64(3), true, true)
	for i, c := range injections {
		f.Add(c.name, c.value, 200+i, int64(i-2), i%2 == 0, i%3 == 0)
	}
	f.Fuzz(func(t *testing.T, name, value string, status int, length int64, isHead, http10 bool) {
		o := Options{Length: max(length, NoLength), KeepAlive: true, Head: isHead, HTTP10: http10}
		head, err := AppendHead(nil, status, []Field{{name, value}, {"z-last", "1"}}, o)
		if err != nil || status < 200 || len(head) > DefaultHeadBytes {
			return
		}
		r := NewResponseReader(Limits{BodyBytes: 1<<63 - 1})
		n, ev, err := r.Next(head, isHead)
		if err != nil || ev.Kind != Head || n != len(head) {
			t.Fatalf("%q: %d, %v, %v", head, n, ev, err)
		}
		got, ok := r.Response().Value("z-last")
		if !ok || string(got) != "1" {
			t.Fatalf("%q", head)
		}
		if id := lookup(name); id == 0 || id > nameDate {
			v, ok := r.Response().Value(strings.ToLower(name))
			if want := strings.Trim(value, " \t"); !ok || string(v) != want && !strings.EqualFold(name, "z-last") {
				t.Fatalf("%q: %q is %q", head, name, v)
			}
		}
		if extra := r.Response().NumFields() - 2; extra > 2 {
			t.Fatalf("%q", head)
		}
	})
}

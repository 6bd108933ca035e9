package http

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// benchGet is a GET with a header of about 300 bytes, benchPost a POST of 100 bytes.
const (
	benchGet = "GET /room/42/messages?limit=50 HTTP/1.1\r\nHost: localhost:8787\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\nAccept: text/html,application/xhtml+xml\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef\r\n\r\n"
	benchPostHead = "POST /counter HTTP/1.1\r\nHost: localhost:8787\r\nUser-Agent: bench/1\r\n" +
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
)

var benchPost = benchPostHead + strings.Repeat("x", 100)

func benchRead(b *testing.B, in []byte, copyOut bool) {
	r := NewReader(Limits{})
	fields := make([]Field, 0, 32)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		for rest := in; len(rest) > 0 || !r.Idle(); {
			n, ev, err := r.Next(rest)
			if err != nil {
				b.Fatal(err)
			}
			if ev.Kind == Head && copyOut {
				fields, _, _ = r.Request().AppendFieldsTarget(fields[:0])
			}
			rest = rest[n:]
		}
	}
}

func BenchmarkReadGet(b *testing.B)        { benchRead(b, []byte(benchGet), false) }
func BenchmarkReadGetAndCopy(b *testing.B) { benchRead(b, []byte(benchGet), true) }
func BenchmarkReadPost(b *testing.B)       { benchRead(b, []byte(benchPost), false) }
func BenchmarkReadPostChunked(b *testing.B) {
	benchRead(b, []byte(chunks("64\r\n"+strings.Repeat("x", 100)+"\r\n0\r\n\r\n")), false)
}

// BenchmarkReadGetFasthttp is fasthttp's parser on the same bytes, to compare: run it beside BenchmarkReadGet.
func BenchmarkReadGetFasthttp(b *testing.B) {
	in := []byte(benchGet)
	src := bytes.NewReader(in)
	br := bufio.NewReaderSize(src, 4096)
	var h fasthttp.RequestHeader
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		src.Reset(in)
		br.Reset(src)
		if err := h.Read(br); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHead(b *testing.B) {
	fields := []Field{{Name: "content-type", Value: "application/json"}, {Name: "x-request-id", Value: "0123456789abcdef"}}
	o := Options{Length: 100, KeepAlive: true, Date: AppendDate(nil, time.Unix(1e9, 0))}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = AppendHead(dst[:0], 200, fields, o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	fields := []Field{{Name: "accept", Value: "*/*"}, {Name: "user-agent", Value: "bench/1"}}
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = AppendRequest(dst[:0], "GET", "/counter", "localhost:8787", fields, RequestOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadResponse(b *testing.B) {
	in := []byte("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: Sun, 09 Sep 2001 01:46:40 GMT\r\ncontent-length: 5\r\n\r\nhello")
	r := NewResponseReader(Limits{})
	b.ReportAllocs()
	for b.Loop() {
		for rest := in; ; {
			n, ev, err := r.Next(rest, false)
			if err != nil {
				b.Fatal(err)
			}
			if rest = rest[n:]; ev.Kind == End {
				break
			}
		}
	}
}

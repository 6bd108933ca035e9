package http

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	nethttp "net/http"
	"strings"
	"testing"
	"time"
)

// message is one request or response, and where it ends in the input.
type message struct {
	line   string // method, target and host, or status
	fields []Field
	body   []byte
	end    int
}

// readMessages returns the complete requests that a Reader finds in in.
func readMessages(in []byte, lim Limits) (out []message, err error) {
	r := NewReader(lim)
	var m message
	for at := 0; ; {
		n, ev, err := r.Next(in[at:])
		if err != nil {
			return out, err
		}
		at += n
		switch ev.Kind {
		case NeedMore:
			return out, nil
		case Head:
			q := r.Request()
			fields, target, host := q.AppendFieldsTarget(nil)
			m = message{line: q.Method + " " + target + " " + host, fields: fields}
		case Body:
			m.body = append(m.body, ev.Data...)
		case End:
			m.end = at
			out = append(out, m)
		}
	}
}

// readResponses is readMessages for responses, of which the last may end by the close.
func readResponses(in []byte, lim Limits, isHead bool) (out []message, err error) {
	r := NewResponseReader(lim)
	var m message
	for at := 0; ; {
		n, ev, err := r.Next(in[at:], isHead)
		if err != nil {
			return out, err
		}
		at += n
		switch ev.Kind {
		case NeedMore:
			if err = r.EOF(); err == nil {
				m.end = at
				return append(out, m), nil
			}
			return out, nil
		case Head:
			m = message{line: fmt.Sprint(r.Response().Status), fields: r.Response().AppendFields(nil)}
		case Body:
			m.body = append(m.body, ev.Data...)
		case End:
			m.end = at
			out = append(out, m)
			if r.Response().Status == 101 {
				return out, nil // what follows is another protocol
			}
		}
	}
}

// sameAsNetHTTP compares what we found with what net/http reads from the same bytes: it must see the same messages
// with the same ends, or refuse. It reports how many it read.
func sameAsNetHTTP(t testing.TB, in []byte, ours []message) int {
	t.Helper()
	src := bytes.NewReader(in)
	br := bufio.NewReader(src)
	for i, m := range ours {
		req, err := nethttp.ReadRequest(br)
		if err != nil {
			return i
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return i
		}
		target := req.RequestURI
		if lower := strings.ToLower(target); strings.HasPrefix(lower, "http") {
			target = target[strings.Index(target, "//")+2:]
			if at := strings.IndexAny(target, "/?"); at >= 0 {
				target = target[at:]
			} else {
				target = ""
			}
			if !strings.HasPrefix(target, "/") {
				target = "/" + target
			}
		}
		if line := req.Method + " " + target + " " + req.Host; line != m.line {
			t.Fatalf("message %d of %q: net/http has %q, we %q", i, in, line, m.line)
		}
		sameRest(t, i, in, m, body, len(in)-src.Len()-br.Buffered())
		sameFields(t, req.Header, m.fields)
	}
	return len(ours)
}

func sameRest(t testing.TB, i int, in []byte, m message, body []byte, end int) {
	t.Helper()
	if !bytes.Equal(body, m.body) || end != m.end {
		t.Fatalf("message %d of %q: net/http has body %q and ends at %d, we %q and %d", i, in, body, end, m.body, m.end)
	}
}

// sameFields compares the fields that net/http keeps in its header.
func sameFields(t testing.TB, theirs nethttp.Header, ours []Field) {
	t.Helper()
	seen := map[string]int{}
	for _, f := range ours {
		switch f.Name {
		case "host", "transfer-encoding", "trailer", "pragma", "cache-control":
			continue
		}
		values := theirs.Values(f.Name)
		i := seen[f.Name]
		seen[f.Name]++
		if i >= len(values) || values[i] != f.Value {
			t.Fatalf("%s: net/http has %q, we %q", f.Name, values, f.Value)
		}
	}
}

// randomRequest writes one valid request of a random shape.
func randomRequest(rng *rand.Rand) []byte {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	word := func(letters string, n int) string {
		b := make([]byte, rng.IntN(n+1))
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return string(b)
	}
	const names = "abcXYZ019-_!#$%&'*+.^`|~"
	const text = "abc XYZ019-_:;,\"()<>@[]{}?=/\\\t!"
	var b bytes.Buffer
	host := pick("h", "example.com:8080", "[::1]:80", "127.0.0.1", "")
	target := "/" + word("abc/2Fdef=&;:@!$'()*+,~-._", 20)
	if rng.IntN(2) == 0 {
		target += "?" + word("abc/?20def=&;:@!$'()*+,~-._", 20)
	}
	if rng.IntN(8) == 0 {
		target = pick("http://", "https://") + pick("h:1", "[::1]", "example.org") + target
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", pick("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "QUERY"), target)
	var fields []string
	fields = append(fields, pick("Host", "host", "HOST")+":"+pick("", " ", " \t")+host+pick("", " "))
	for range rng.IntN(8) {
		name := "x" + word(names, 12)
		if rng.IntN(2) == 0 {
			name = pick("Cookie", "Accept", "user-agent", "ACCEPT-LANGUAGE", "X-Forwarded-For", "Content-Type", "If-None-Match")
		}
		fields = append(fields, name+":"+pick("", " ", "\t")+word(text, 40))
	}
	body := word("abc\r\n\x00\xff:0123", 300)
	chunked := false
	switch rng.IntN(3) {
	case 0:
		fields = append(fields, fmt.Sprintf("%s: %s%d", pick("Content-Length", "content-length"), pick("", "0"), len(body)))
	case 1:
		chunked = true
		fields = append(fields, pick("Transfer-Encoding", "transfer-encoding")+": "+pick("chunked", "Chunked", "CHUNKED "))
	default:
		body = ""
	}
	rng.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	b.WriteString(strings.Join(fields, "\r\n") + "\r\n\r\n")
	if !chunked {
		b.WriteString(body)
		return b.Bytes()
	}
	for len(body) > 0 {
		n := 1 + rng.IntN(len(body))
		fmt.Fprintf(&b, "%s%x%s\r\n%s\r\n", pick("", "0"), n, pick("", ";a", ";a=b", ";a=\"b;\""), body[:n])
		body = body[n:]
	}
	b.WriteString(pick("0\r\n\r\n", "000\r\n\r\n", "0\r\nX-Trailer: a\r\n\r\n", "0;x\r\na: b\r\nc: d\r\n\r\n"))
	return b.Bytes()
}

// TestSameAsNetHTTP gives runs of valid requests to both: every request must be read by both, the same.
func TestSameAsNetHTTP(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		var in []byte
		want := 1 + rng.IntN(4)
		for range want {
			in = append(in, randomRequest(rng)...)
		}
		ours, err := readMessages(in, Limits{})
		if err != nil || len(ours) != want || ours[want-1].end != len(in) {
			t.Fatalf("%d of %d requests, %v\n%q", len(ours), want, err, in)
		}
		if n := sameAsNetHTTP(t, in, ours); n != want {
			t.Fatalf("net/http read %d of %d requests\n%q", n, want, in)
		}
	}
	for _, c := range accepted {
		ours, err := readMessages([]byte(c.in), Limits{})
		if err != nil {
			t.Fatal(c.name, err)
		}
		sameAsNetHTTP(t, []byte(c.in), ours)
	}
}

// TestRandomSplits cuts random runs of requests at random places.
func TestRandomSplits(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 500 {
		in := append(randomRequest(rng), randomRequest(rng)...)
		want, err := requests(t, in, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var cuts []int
		for at := rng.IntN(40); at < len(in); at += rng.IntN(80) {
			cuts = append(cuts, at)
		}
		if got, err := requests(t, in, Limits{}, cuts...); err != nil || got != want {
			t.Fatalf("%v, cut at %v\n%s\n%s\n%q", err, cuts, got, want, in)
		}
	}
}

package egress

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestURL(t *testing.T) {
	for _, c := range []struct{ in, host, request, err string }{
		{"http://h/", "h", "/", ""},
		{"https://h:8443/a/b?c=d#e", "h:8443", "/a/b?c=d", ""},
		{"http://h?q", "h", "/?q", ""},
		{"http://h/p?", "h", "/p?", ""},
		{"http://h/p??a?b", "h", "/p??a?b", ""},
		{"http://h/%zz%2F%?%&%", "h", "/%zz%2F%?%&%", ""},
		{"http://h//two//slashes?x", "h", "//two//slashes?x", ""},
		{"http://h/a@b:c", "h", "/a@b:c", ""},
		{"http://[::1]:80/", "[::1]:80", "/", ""},
		{"http://u:p@h/", "", "", "it has a user name or a password"},
		{"http://@h/", "", "", "it has a user name or a password"},
		{"http:///p", "", "", "it has no host"},
		{"ftp://h/", "", "", "it is not an address of http or https"},
		{"file:///etc/passwd", "", "", "it is not an address of http or https"},
		{"h/p", "", "", "it is not an address of http or https"},
		{"http://h//%zz", "", "", "it cannot be parsed"},
	} {
		u, err := URL(c.in)
		if c.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.in, err, c.err)
			}
			continue
		}
		if err != nil || u.Host != c.host || u.RequestURI() != c.request {
			t.Errorf("%s: %v, %v", c.in, u, err)
		}
	}
}

// FuzzURL: whatever a program fetches, what is sent names the host that was asked for, and is one line.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"http://h/", "https://h:1//x?y#z", "http://h/%zz", "http://u@h", "http://h\\x", "http://%ee//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range s {
			if c <= ' ' || c >= 0x7f {
				return // the URL standard escapes it
			}
		}
		u, err := URL(s)
		if err != nil {
			return
		}
		req := &http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{}}
		var b bytes.Buffer
		if err := req.Write(&b); err != nil {
			return // Go refuses the host
		}
		line, _, _ := strings.Cut(b.String(), "\r\n")
		path := strings.TrimSuffix(strings.TrimPrefix(line, "GET "), " HTTP/1.1")
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \r\n") || !strings.HasPrefix(s, u.Scheme+"://"+u.Host) {
			t.Errorf("%q is sent as %q to %q", s, line, u.Host)
		}
	})
}

func TestEncodings(t *testing.T) {
	for _, c := range []struct {
		in   []string
		want string
	}{
		{nil, "gzip, deflate"},
		{[]string{"gzip, deflate, br, zstd"}, "gzip, deflate"},
		{[]string{"br;q=1.0, GZIP;q=0.8", " identity ;q=0.1"}, "GZIP;q=0.8, identity ;q=0.1"},
		{[]string{"br"}, "identity"},
		{[]string{""}, "identity"},
		{[]string{"*"}, "identity"},
	} {
		if got := Encodings(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func packed(t *testing.T, w func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	z := w(&b)
	if _, err := io.WriteString(z, "the body"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDecoded(t *testing.T) {
	zipped := packed(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	zlibbed := packed(t, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	raw := packed(t, func(w io.Writer) io.WriteCloser { z, _ := flate.NewWriter(w, 5); return z })
	for _, c := range []struct {
		name     string
		encoding []string
		in       string
		want     string
		known    bool
		fails    bool
	}{
		{"gzip", []string{"gzip"}, zipped, "the body", true, false},
		{"its old name", []string{" X-GZip "}, zipped, "the body", true, false},
		{"deflate", []string{"deflate"}, zlibbed, "the body", true, false},
		{"what servers take for deflate", []string{"deflate"}, raw, "the body", true, false},
		{"nothing at all", []string{"gzip"}, "", "", true, false},
		{"cut off", []string{"gzip"}, zipped[:len(zipped)-4], "the body", true, true},
		{"no gzip", []string{"gzip"}, "the body", "", true, true},
		{"none", nil, "the body", "the body", false, false},
		{"an unknown one", []string{"br"}, "the body", "the body", false, false},
		{"two", []string{"gzip", "gzip"}, zipped, zipped, false, false},
	} {
		body, known := Decoded(io.NopCloser(strings.NewReader(c.in)), c.encoding)
		got, err := io.ReadAll(body)
		if string(got) != c.want || known != c.known || (err != nil) != c.fails {
			t.Errorf("%s: %q, known %v, %v", c.name, got, known, err)
		}
	}
}

func TestReason(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: &os.SyscallError{Syscall: "connect", Err: syscall.ECONNREFUSED}}, "connection refused"},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "secret.example", IsNotFound: true}}, "no such host"},
		{&net.DNSError{Name: "x"}, "the name could not be looked up"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "the connection was closed before the answer was complete"},
		{context.DeadlineExceeded, "it took too long to connect"},
		{errors.New("anything else"), "anything else"},
	} {
		if got := Reason(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// TestTransportAsksNoProxy, whatever the environment says.
func TestTransportAsksNoProxy(t *testing.T) {
	if NewTransport().Proxy != nil {
		t.Error("a program's requests do not go where it sends them")
	}
}

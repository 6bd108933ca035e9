// Package egress is how outgoing requests travel: the transport on Go's HTTP client, the encodings that a body is freed
// of, and what a failure is called. It is called from goroutines off the loops, and knows nothing of objects.
package egress

import (
	"bufio"
	"compress/zlib"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// Bounds of the transport.
const (
	ConnectTimeout  = 15 * time.Second
	TLSTimeout      = 15 * time.Second
	IdleTimeout     = 90 * time.Second
	MaxIdle         = 256
	MaxIdlePerHost  = 32
	MaxHeaderBytes  = 256 << 10
	keepAlivePeriod = 30 * time.Second
)

// NewTransport makes the transport that requests leave through unless the embedder gives one. It asks no proxy,
// whatever the environment says: a program's requests go where it sends them. How long an answer may take is the
// program's affair.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: ConnectTimeout, KeepAlive: keepAlivePeriod}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    TLSTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           MaxIdle,
		MaxIdleConnsPerHost:    MaxIdlePerHost,
		IdleConnTimeout:        IdleTimeout,
		MaxResponseHeaderBytes: MaxHeaderBytes,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true, // Decoded does it, for whatever the program has asked for
	}
}

// URL is the address of a request, as it is spelled: parsing it as Go does would refuse or change escapes that the URL
// standard leaves alone. Only http and https have one.
func URL(text string) (*url.URL, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "http" && scheme != "https" {
		return nil, fmt.Errorf("it is not an address of http or https")
	}
	rest, _, _ = strings.Cut(rest, "#")
	host, path := rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	switch {
	case host == "":
		return nil, errors.New("it has no host")
	case strings.Contains(host, "@"):
		return nil, errors.New("it has a user name or a password: send them as an Authorization header")
	}
	if path[0] == '?' {
		path = "/" + path
	}
	u := &url.URL{Scheme: scheme, Host: host}
	u.Opaque, u.RawQuery, u.ForceQuery = path, "", false
	if p, query, has := strings.Cut(path, "?"); has {
		u.Opaque, u.RawQuery, u.ForceQuery = p, query, true
	}
	if strings.HasPrefix(u.Opaque, "//") {
		// Go takes such an opaque part for a whole address.
		parsed, err := url.Parse(scheme + "://" + host + path)
		if err != nil {
			return nil, errors.New("it cannot be parsed")
		}
		parsed.Host = host // as it is spelled: Parse has undone what is escaped
		return parsed, nil
	}
	return u, nil
}

// Encodings is what an answer may be encoded in, out of what a program accepts: those that Decoded knows. all are the
// program's fields; none means that it has not said anything.
func Encodings(all []string) string {
	if len(all) == 0 {
		return "gzip, deflate"
	}
	var kept []string
	for _, list := range all {
		for one := range strings.SplitSeq(list, ",") {
			name, _, _ := strings.Cut(one, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip", "deflate", "identity":
				kept = append(kept, strings.TrimSpace(one))
			}
		}
	}
	if len(kept) == 0 {
		return "identity"
	}
	return strings.Join(kept, ", ")
}

// Decoded is the body of an answer without its encoding. known is false where that is not gzip or deflate: then the body
// is as it came.
func Decoded(body io.ReadCloser, encoding []string) (_ io.ReadCloser, known bool) {
	if len(encoding) != 1 {
		return body, false
	}
	switch strings.ToLower(strings.TrimSpace(encoding[0])) {
	case "gzip", "x-gzip":
		return &decoder{body: body, open: func(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) }}, true
	case "deflate":
		return &decoder{body: body, open: openDeflate}, true
	}
	return body, false
}

// openDeflate reads what the standard means by deflate, which is zlib, and what many servers take it for.
func openDeflate(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}

// decoder opens its decompressor when it is first read, since that reads already.
type decoder struct {
	body io.ReadCloser
	open func(*bufio.Reader) (io.Reader, error)
	r    io.Reader
	err  error
}

func (d *decoder) Read(p []byte) (int, error) {
	if d.r == nil && d.err == nil {
		in := bufio.NewReader(d.body)
		if _, err := in.Peek(1); err != nil {
			d.err = err // nothing at all is an empty body
		} else if d.r, err = d.open(in); err != nil {
			d.r, d.err = nil, fmt.Errorf("decode the body: %w", err)
		}
	}
	if d.err != nil {
		return 0, d.err
	}
	return d.r.Read(p)
}

func (d *decoder) Close() error { return d.body.Close() }

// Reason says in a few words why a request has failed.
func Reason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "no such host"
		}
		return "the name could not be looked up"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not trusted: " + e.Err.Error()
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "its certificate is not trusted: " + e.Error()
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer was complete"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "it took too long to connect"
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "it took too long to connect"
	}
	return err.Error()
}

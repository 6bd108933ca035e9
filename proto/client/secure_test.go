package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// proxy hands what comes to lis on to f, as a proxy in front of a server does.
func proxy(t *testing.T, lis net.Listener, f *fake) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := lis.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[nc] = struct{}{}
			f.mu.Unlock()
			wg.Go((&fakeConn{f: f, nc: nc, cutOut: -1, cutIn: -1, authed: true}).run)
		}
	})
	t.Cleanup(func() { lis.Close(); f.close(); wg.Wait() })
}

func TestSecure(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "proxy"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	proxy(t, lis, newFake(t))
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	for _, known := range []bool{true, false} {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if known {
			config.RootCAs = roots
		}
		c, err := New(Options{Address: lis.Addr().String(), TLS: config, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		n, err := Call[int](background, c.Class("Counter").Get("a"), "add", 1)
		var unknown x509.UnknownAuthorityError
		if known && (err != nil || n != 1) || !known && (!errors.As(err, &unknown) || !errors.Is(err, ErrNotSent)) {
			t.Errorf("certificate known: %v: %d, %v", known, n, err)
		}
		if err := c.Close(background); err != nil {
			t.Error(err)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	lis, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	proxy(t, lis, newFake(t))
	c, err := New(Options{Address: "unix:" + path})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Call[int](background, c.Class("Counter").Get("a"), "add", 1); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if err := c.Close(background); err != nil {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{},
		{Address: "a:1", Name: "two words"},
		{HTTP: "127.0.0.1:80"},
		{HTTP: "ftp://a"},
		{HTTP: "http://a/path"},
		{HTTP: "http://"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	for base, want := range map[string]string{
		"http://a": "a:80 a", "https://a": "a:443 a", "http://[::1]:81": "[::1]:81 [::1]:81", "unix:/s": "unix:/s localhost", "wss://a:1/": "a:1 a:1",
	} {
		address, host, _, err := splitHTTP(base)
		if got := address + " " + host; err != nil || got != want {
			t.Errorf("%s: %q, %v", base, got, err)
		}
	}
}

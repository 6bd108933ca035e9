package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	sockload "everloop/bench/crowd"
	"everloop/bench/drive"
	"everloop/bench/load"
	results "everloop/bench/report"
)

// benchHTTPCmd is `everloop bench http`.
type benchHTTPCmd struct {
	URL    string   `arg:"" help:"What reads ask for: http://HOST:PORT/PATH?QUERY. {key}, {value} and {n} in it stand for the operation's."`
	Method string   `short:"X" default:"GET" help:"The method of reads."`
	Body   string   `placeholder:"TEXT" help:"The body of reads."`
	Field  []string `short:"H" name:"header" sep:"none" placeholder:"NAME: VALUE" help:"A field of the head. May be given several times."`

	WriteURL    string `name:"write-url" placeholder:"URL" help:"What writes ask for, of the same server. Default: what reads do."`
	WriteMethod string `name:"write-method" default:"POST" help:"The method of writes."`
	WriteBody   string `name:"write-body" default:"{value}" help:"The body of writes."`

	Status int     `name:"expect-status" placeholder:"CODE" help:"The status that is right. Default: 200 to 299."`
	Expect *string `name:"expect" placeholder:"TEXT" help:"The body of reads that is right, but for a line break at its end."`
	Socket string  `name:"unix" placeholder:"PATH" help:"Connect to a unix socket. The URL's host is still told to the server."`

	targetFlags `embed:""`
	paceFlags   `embed:""`
	mixFlags    `embed:""`
	resultFlags `embed:""`
}

// Help is printed below the flags.
func (*benchHTTPCmd) Help() string {
	return `As fast as 64 connections that wait for their answers:

    everloop bench http 'http://127.0.0.1:8080/?name=obj-{key}'

What clients see at 5,000 requests a second that come by chance, a tenth of them writes, of popular objects and others:

    everloop bench http 'http://127.0.0.1:8080/?name=obj-{key}' --rate 5000 --arrivals poisson --writes 0.1 --keys 100000 --key-distribution zipf:0.99

Where it ends: a ramp, as a page with charts:

    everloop bench http http://127.0.0.1:8080/ --rate 1000-50000 --duration 30s --html ramp.html`
}

// Validate is called by kong once all values are there.
func (c *benchHTTPCmd) Validate() error {
	_, read, write, err := c.requests()
	if err == nil {
		err = errors.Join(read.Validate(), write.Validate())
	}
	return errors.Join(err, c.paceFlags.Validate(), c.mixFlags.Validate())
}

// requests are what the flags say, and the host that they are for.
func (c *benchHTTPCmd) requests() (host string, read, write load.Request, err error) {
	host, path, err := splitURL(c.URL, "http://")
	if err != nil {
		return host, read, write, err
	}
	read = load.Request{
		Method: c.Method, Path: drive.ParseTemplate(path), Fields: c.Field, Body: drive.ParseTemplate(c.Body), Status: c.Status,
	}
	write = read
	if c.Expect != nil {
		read.Expect, read.HasExpect = drive.ParseTemplate(*c.Expect), true
	}
	write.Method, write.Body = c.WriteMethod, drive.ParseTemplate(c.WriteBody)
	if c.WriteURL != "" {
		other, path, err := splitURL(c.WriteURL, "http://")
		if err != nil {
			return host, read, write, fmt.Errorf("--write-url: %w", err)
		}
		if other != host {
			return host, read, write, fmt.Errorf("--write-url: %s is another server than %s", other, host)
		}
		write.Path = drive.ParseTemplate(path)
	}
	return host, read, write, nil
}

// splitURL cuts a URL, which may have braces in it, into host and path. schemes are those that it may have.
func splitURL(u string, schemes ...string) (host, path string, err error) {
	for _, scheme := range schemes {
		rest, ok := strings.CutPrefix(u, scheme)
		if !ok {
			continue
		}
		rest, _, _ = strings.Cut(rest, "#")
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if host, path = rest[:end], rest[end:]; host == "" || strings.Contains(host, "@") {
			return "", "", fmt.Errorf("%q: want %sHOST:PORT/PATH, without a user", u, scheme)
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		return host, path, nil
	}
	if strings.HasPrefix(u, "https://") || strings.HasPrefix(u, "wss://") {
		return "", "", fmt.Errorf("%q: no TLS is spoken here; measure behind what ends it", u)
	}
	return "", "", fmt.Errorf("%q: want %sHOST:PORT/PATH", u, schemes[0])
}

// withPort is an address for a URL's host.
func withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "80")
}

// Run makes the load.
func (c *benchHTTPCmd) Run(stdout io.Writer) error {
	host, read, write, err := c.requests()
	if err != nil {
		return err
	}
	addr := withPort(host)
	if c.Socket != "" {
		addr = "unix:" + c.Socket
	}
	to, err := c.resolve(context.Background(), addr)
	if err != nil {
		return err
	}
	p, err := planOf(&c.paceFlags, &c.mixFlags)
	if err != nil {
		return err
	}
	s := scenario{name: "http", target: c.URL, unit: "requests", pace: &c.paceFlags, pid: c.PID, reads: "read", writes: "write"}
	s.settings = append(s.settings, results.Setting{Name: "method", Value: c.Method})
	if p.Writes > 0 {
		s.settings = append(s.settings, results.Setting{Name: "writes", Value: strings.TrimSpace(c.WriteMethod + " " + c.WriteURL)})
	}
	return s.drive(stdout, load.Target(to, host, read, write), p, &c.resultFlags)
}

// benchEchoCmd is `everloop bench ws-echo`.
type benchEchoCmd struct {
	URL  string `arg:"" help:"ws://HOST:PORT/PATH?QUERY. {key} in it stands for the key of a connection: its number modulo --keys."`
	Keys uint64 `short:"k" default:"1000" help:"Number of keys."`
	Size string `name:"value-size" placeholder:"BYTES" default:"64" help:"Length of a message, from 24 to 32768: 64, 64-1024 (any between), or 64,1024 (one of these)."`

	targetFlags `embed:""`
	paceFlags   `embed:""`
	resultFlags `embed:""`
}

// Help is printed below the flags.
func (*benchEchoCmd) Help() string {
	return `Each connection says something and must hear it again, to the byte:

    everloop bench ws-echo 'ws://127.0.0.1:8080/echo?id={key}' --connections 1000 --rate 20000`
}

// Validate is called by kong once all values are there.
func (c *benchEchoCmd) Validate() error {
	_, path, err := splitURL(c.URL, "ws://", "http://")
	if err == nil {
		err = sockload.ValidatePath(path)
	}
	_, serr := drive.ParseSizes(c.Size)
	return errors.Join(err, serr, c.paceFlags.Validate())
}

// Run makes the load.
func (c *benchEchoCmd) Run(stdout io.Writer) error {
	host, path, err := splitURL(c.URL, "ws://", "http://")
	if err != nil {
		return err
	}
	to, err := c.resolve(context.Background(), withPort(host))
	if err != nil {
		return err
	}
	p, err := c.plan()
	if err == nil {
		p.Writes = 1 // all have a text
		p.Sizes, err = drive.ParseSizes(c.Size)
	}
	if err != nil {
		return err
	}
	s := scenario{name: "ws-echo", target: c.URL, unit: "messages", pace: &c.paceFlags, pid: c.PID, reads: "message"}
	return s.drive(stdout, sockload.EchoTarget(to, host, drive.ParseTemplate(path), c.Keys), p, &c.resultFlags)
}

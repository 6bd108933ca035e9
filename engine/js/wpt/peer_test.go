package wpt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"

	"everloop/engine"
)

// peer is the object that plays the suite's own server: it answers requests with the suite's files, and in place of the scripts
// that the tests of fetch ask for, with what those are there to say.
type peer struct {
	tests suite
	state *engine.State
	stash map[string]string // what stash-put.py keeps until stash-take.py takes it
}

// maxUpload is how large a body the peer reads.
const maxUpload = 1 << 20

func (p *peer) Fetch(ctx context.Context, req *engine.Request) (*engine.Response, error) {
	u, err := url.Parse(req.URL)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	res := &engine.Response{Status: 200}
	res.Header.Set("content-type", "text/plain")
	switch name := path.Base(u.Path); name {
	case "inspect-headers.py":
		for header := range strings.SplitSeq(q.Get("headers"), "|") {
			if req.Header.Has(header) {
				res.Header.Add("x-request-"+strings.ToLower(header), req.Header.Get(header))
			}
		}
	case "echo-content.py":
		b, err := p.state.ReadBody(ctx, req.Body, maxUpload)
		if err != nil {
			return nil, err
		}
		res.Body = engine.Bytes(b)
	case "status.py":
		if res.Status, err = strconv.Atoi(q.Get("code")); err != nil {
			return nil, err
		}
		res.StatusText = q.Get("text")
		res.Header.Set("content-type", q.Get("type"))
		res.Body = engine.Text(q.Get("content"))
	case "trickle.py":
		count, err := strconv.Atoi(q.Get("count"))
		if err != nil {
			return nil, err
		}
		res.Body = p.state.Stream(func(_ context.Context, write func([]byte) error) error {
			for range count {
				if err := write([]byte("TEST_TRICKLE\n")); err != nil {
					return err
				}
			}
			return nil
		})
	case "infinite-slow-response.py":
		// It is not slow: it waits for room, as the suite's does for the next hundredth of a second.
		abort, state := q.Get("abortKey"), q.Get("stateKey")
		p.put(state, "open")
		res.Body = p.state.Stream(func(_ context.Context, write func([]byte) error) (err error) {
			for err == nil && p.take(abort) == nil {
				err = write([]byte(strings.Repeat(".", 2048)))
			}
			p.put(state, "closed")
			return err
		})
	case "stash-put.py":
		p.put(q.Get("key"), q.Get("value"))
		res.Body = engine.Text("done")
	case "stash-take.py":
		b, err := json.Marshal(p.take(q.Get("key")))
		if err != nil {
			return nil, err
		}
		res.Body = engine.Bytes(b)
	default:
		if path.Ext(name) == ".py" {
			return nil, fmt.Errorf("the peer of these tests does not play %s", u.Path)
		}
		return p.file(u.Path), nil
	}
	return res, nil
}

// put keeps a value; without a key it keeps nothing.
func (p *peer) put(key, value string) {
	if key == "" {
		return
	}
	if p.stash == nil {
		p.stash = map[string]string{}
	}
	p.stash[key] = value
}

// take takes a value, which is nil when there is none.
func (p *peer) take(key string) any {
	value, ok := p.stash[key]
	if !ok {
		return nil
	}
	delete(p.stash, key)
	return value
}

var contentTypes = map[string]string{".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".txt": "text/plain"}

// file answers with a file of the checkout. One that ends in .asis is a response as it goes over the wire.
func (p *peer) file(name string) *engine.Response {
	b, err := fs.ReadFile(p.tests, strings.TrimPrefix(name, "/"))
	if err != nil {
		return engine.TextResponse(404, err.Error())
	}
	res := &engine.Response{Status: 200, Body: engine.Bytes(b)}
	if path.Ext(name) != ".asis" {
		if t := contentTypes[path.Ext(name)]; t != "" {
			res.Header.Set("content-type", t)
		}
		return res
	}
	head, body, _ := strings.Cut(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n\n")
	_, head, _ = strings.Cut(head, "\n") // the status
	for line := range strings.Lines(head) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		res.Header.Add(strings.ToLower(field), strings.Trim(value, " \t"))
	}
	res.Body = engine.Text(body)
	return res
}

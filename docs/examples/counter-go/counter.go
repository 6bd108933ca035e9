package main

import (
	"context"
	"fmt"
	"net/url"

	"everloop/engine"
)

// Counter is a durable object: one counter, found by its name. Everything on it runs in turns, one at a time, on the
// loop that owns the object. So nothing can come between the read and the write below, and there is no lock.
type Counter struct{ storage *engine.Storage }

// NewCounter makes the instance when the object is first called, and again after it has been idle. What must last is
// in its storage.
func NewCounter(st *engine.State) (*Counter, error) {
	return &Counter{storage: st.Storage()}, nil
}

// Add adds n and returns the new count. Exported methods can be called by name, see main.
func (c *Counter) Add(n int) (int, error) {
	count, err := c.Value()
	if err != nil {
		return 0, err
	}
	count += n
	return count, c.storage.Put("count", count)
}

// Value returns the count.
func (c *Counter) Value() (int, error) {
	count, _, err := engine.Get[int](c.storage, "count") // 0 as long as nothing was stored
	return count, err
}

// Fetch answers HTTP requests. It waits for no disk: the engine holds the answer back until the new count is durable,
// and meanwhile the loop runs other objects, whose writes share the same fsync.
func (c *Counter) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	count, err := c.Add(1)
	if err != nil {
		return nil, err
	}
	return engine.TextResponse(200, fmt.Sprintf("%d\n", count)), nil
}

// route chooses who answers an HTTP request: a counter, by its name from ?id= or from the path. The same name always means
// the same object.
func route(p *engine.Port, r *engine.Request) (*engine.Stub, *engine.Response) {
	name, ok := nameIn(r)
	if !ok {
		return nil, engine.TextResponse(400, "This URL names no counter.\n")
	}
	return p.Namespace("Counter").GetByName(name), nil
}

func nameIn(r *engine.Request) (name string, ok bool) {
	if id, ok := r.Query("id"); ok {
		return id, true
	}
	path, err := url.PathUnescape(r.Path())
	return path, err == nil
}

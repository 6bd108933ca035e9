package engine

import "everloop/loop"

// Port is a protocol's door into the engine on one loop: what a connection of that loop asks for enters here,
// and the answer comes back on the loop, once everything that it reveals is durable. Owned by its loop; take
// it once with Engine.Port and keep it.
type Port struct{ own *owner }

// Port returns the door on a loop of the engine's pool.
func (e *Engine) Port(l loop.Loop) *Port { return &Port{e.owners[l.Index()]} }

// Namespace returns the namespace of a class for this protocol, or nil if no such class is registered.
func (p *Port) Namespace(class string) *Namespace {
	if c := (*p.own.eng.byName.Load())[class]; c != nil {
		return &Namespace{class: c, port: p}
	}
	return nil
}

// Enter starts an event of an entry point with a request. r is called on this loop when the answer may leave,
// perhaps before Enter returns. Gone ends the event's context when the client has left. There is no event, and nil is returned, for a
// request that a [RouteFunc] has answered itself.
func (p *Port) Enter(ep Entrypoint, req *Request, r Replier) *Event {
	o := p.own
	if f, ok := ep.(RouteFunc); ok && !o.eng.closing.Load() {
		return o.enterBy(f, p, req, r)
	}
	ev := &Event{Kind: EventFetch, Request: req, entry: ep, home: o, replier: r}
	if o.eng.closing.Load() {
		r.Reply(Reply{Err: ErrClosed})
		return ev
	}
	o.enter(ev)
	o.drain()
	return ev
}

// StreamFrom makes a Body that source produces on this loop: of a request whose bytes are still on their way. size is what the
// body will have, or 0 if that is not known. Source's methods are called between the loop's other turns; what it writes
// comes from outside and waits for nothing.
func (p *Port) StreamFrom(source Source, size int64) Body {
	b := p.own.outside.stream(source)
	b.stream.size = max(0, size)
	return b
}

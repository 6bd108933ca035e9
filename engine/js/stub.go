package js

import (
	"fmt"
	"slices"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// stub is a stub that JavaScript holds: of an object, of an entry point, or of what a program gave away. It calls in the
// name of whoever first called through it, as long as that lives: the turn that uses it may be somebody else's, which
// happened to resolve the promise that the user waited for. Owned by its loop.
type stub struct {
	objectCap         // of an object
	entry     *entry  // of an entry point
	export    *export // of what a program gave away
	owner     actor
	to        *engine.Stub // nil until the first call
	disposed  bool
	shared    bool // in env: it calls in the name of whoever uses it
}

// open makes the stub ready to call.
func (rl *realm) open(s *stub) error {
	switch {
	case s.disposed:
		return vm.PlainError("RPC stub used after being disposed.")
	case s.shared:
		if s.owner != rl.current || s.owner != nil && !s.owner.alive() {
			s.owner, s.to = rl.current, nil
		}
	case s.owner != nil && s.owner.alive():
	case s.export != nil:
		return vm.PlainError("%s", errOtherContext)
	default:
		s.owner, s.to = rl.current, nil
	}
	if s.owner == nil {
		return vm.PlainError(globalScope)
	}
	if s.to != nil {
		return nil
	}
	switch {
	case s.export != nil:
		s.to = s.owner.to(s.export.live)
	case s.entry != nil:
		s.to = s.owner.entry(s.entry)
	default:
		ns := s.owner.namespace(s.class)
		if ns == nil {
			return engine.ErrUnknownClass
		}
		if !s.isID {
			s.to = ns.Get(rl.host.ids.get(ns, s.name))
			return nil
		}
		id, err := ns.IDFromString(s.name)
		if err != nil {
			return vm.TypeError("%s", err.Error())
		}
		s.to = ns.Get(id)
	}
	return nil
}

const errOtherContext = "Cannot perform I/O on behalf of a different request. An RPC stub ends with the event or the instance that it was made for."

func (rl *realm) space(ns uint64) *engine.Namespace {
	return rl.app.eng.Namespace(rl.app.namespaces[ns])
}

func (rl *realm) namespaceOf(ns uint64) (*engine.Namespace, error) {
	if s := rl.space(ns); s != nil {
		return s, nil
	}
	return nil, vm.PlainError(globalScope)
}

// IDFromName is part of [web.NamespaceHost].
func (rl *realm) IDFromName(ns uint64, name string) (string, error) {
	s, err := rl.namespaceOf(ns)
	if err != nil {
		return "", err
	}
	return rl.host.ids.get(s, name).String(), nil
}

// CheckID is part of [web.NamespaceHost].
func (rl *realm) CheckID(ns uint64, hex string) bool {
	s := rl.space(ns)
	if s == nil {
		return false
	}
	_, err := s.IDFromString(hex)
	return err == nil
}

// NewUniqueID is part of [web.NamespaceHost].
func (rl *realm) NewUniqueID(ns uint64) (string, error) {
	s, err := rl.namespaceOf(ns)
	if err != nil {
		return "", err
	}
	return s.NewUniqueID().String(), nil
}

// StubByName is part of [web.NamespaceHost].
func (rl *realm) StubByName(ns uint64, name string) (uint64, error) {
	return rl.stubs.Add(&stub{objectCap: objectCap{class: rl.app.namespaces[ns], name: name}}), nil
}

// StubByID is part of [web.NamespaceHost].
func (rl *realm) StubByID(ns uint64, hex string) (uint64, error) {
	return rl.stubs.Add(&stub{objectCap: objectCap{class: rl.app.namespaces[ns], name: hex, isID: true}}), nil
}

// StubClosed is part of [web.StubHost].
func (rl *realm) StubClosed(n uint64) {
	rl.DisposeStub(n)
	rl.stubs.Remove(n)
}

// Fetch is part of [web.StubHost].
func (rl *realm) Fetch(n, abort uint64, m web.Message, redirect web.Redirect) (vm.Value, error) {
	s, ok := rl.stubs.Get(n)
	if !ok {
		return vm.Undefined, vm.TypeError("Illegal invocation")
	}
	if err := rl.open(s); err != nil {
		return vm.Undefined, err
	}
	p, err := rl.r.PendingPromise()
	if err != nil {
		return vm.Undefined, err
	}
	f := &fetching{rl: rl, by: s.owner, to: s.to, n: abort, redirect: redirect, promise: rl.r.Dup(p)}
	if abort != 0 {
		rl.abortable[abort] = f
	}
	if o, ok := s.owner.(*object); ok {
		o.keep(f)
	}
	f.send(rl.requestOf(m, s.owner))
	if r, ok := m.(*request); ok && rl.app.requestSignal {
		r.ev.Followed(f.sent) // a client that leaves leaves whoever its request was passed on to
	}
	return p, nil
}

// maxRedirects is how many redirects a fetch follows (the Fetch standard's limit).
const maxRedirects = 20

// fetching is a fetch under way: of a stub, or out of the process.
type fetching struct {
	rl       *realm
	by       actor
	to       *engine.Stub       // nil: out of the process
	out      *engine.Subrequest // then the exchange that is under way
	sent     *engine.Event      // else the event
	n        uint64             // that JavaScript knows it by, to abort it; 0 for none
	req      *engine.Request
	redirect web.Redirect
	hops     int
	promise  vm.Value // owned
	answer   *engine.Response
	socket   *socket // of the answer, once the program has looked at it

	object     *object // whose list it is in, if any; see object.fetches
	prev, next *fetching
}

// keep puts a fetch into the list of its object.
func (o *object) keep(f *fetching) {
	f.object, f.next = o, o.fetches
	if f.next != nil {
		f.next.prev = f
	}
	o.fetches = f
}

// unlink takes it out of there.
func (f *fetching) unlink() {
	if f.object == nil {
		return
	}
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		f.object.fetches = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.object, f.prev, f.next = nil, nil, nil
}

// send sends the request, which may be the first or one that a redirect asks for.
func (f *fetching) send(req *engine.Request) {
	f.req = req
	if f.to != nil {
		f.sent = f.to.StartFetch(req, f)
		return
	}
	f.out = f.by.startFetch(req, f)
}

// Reply takes the answer, as a turn of the caller.
func (f *fetching) Reply(reply engine.Reply) {
	rl := f.rl
	if rl.r.Err() != nil || !f.by.alive() {
		if reply.Response != nil && f.to == nil {
			reply.Response.Body.Discard()
		}
		f.forget()
		return
	}
	rl.begin(f.by)
	again, err := f.settle(reply)
	if !again {
		f.forget()
	}
	rl.end(err)
}

// forget lets go of the promise.
func (f *fetching) forget() {
	rl := f.rl
	if rl.r.Err() == nil {
		rl.r.Free(f.promise)
	}
	f.promise = vm.Undefined
	f.unlink()
	if f.to == nil {
		if e, ok := f.by.(*event); ok {
			e.sends--
		}
		delete(rl.fetches, f)
	}
	if f.n != 0 {
		delete(rl.abortable, f.n)
	}
}

// settle gives the answer to the promise, or sends the request again, where a redirect points.
func (f *fetching) settle(reply engine.Reply) (again bool, err error) {
	rl := f.rl
	if reply.Err != nil {
		return false, rl.reject(f.promise, reply.Err)
	}
	if location := redirectTo(reply.Response); location != "" && f.redirect != web.RedirectManual {
		next, err := f.follow(reply.Response, location)
		if err != nil {
			return false, rl.reject(f.promise, err)
		}
		if f.to == nil {
			reply.Response.Body.Discard()
		}
		f.send(next)
		return true, nil
	}
	f.answer = reply.Response
	v, err := rl.in.Response(response{f})
	if err != nil {
		return false, rl.reject(f.promise, err)
	}
	return false, rl.r.Resolve(f.promise, v)
}

// redirectTo returns where a response redirects to, or "".
func redirectTo(r *engine.Response) string {
	switch r.Status {
	case 301, 302, 303, 307, 308:
		return r.Header.Get("location")
	}
	return ""
}

// follow makes the request that a redirect asks for (Fetch standard, HTTP-redirect fetch).
func (f *fetching) follow(r *engine.Response, location string) (*engine.Request, error) {
	if f.redirect == web.RedirectError {
		return nil, &engine.Error{Name: "TypeError", Message: "Unexpected redirect: the request was made with redirect: \"error\"."}
	}
	if f.hops++; f.hops > maxRedirects {
		return nil, &engine.Error{Name: "TypeError", Message: "Too many redirects."}
	}
	u, ok := web.ResolveURL(f.req.URL, location)
	if !ok {
		return nil, &engine.Error{Name: "TypeError", Message: "Invalid Location header; unable to follow redirect."}
	}
	next := &engine.Request{Method: f.req.Method, URL: u, Header: f.req.Header, Body: f.req.Body}
	if f.to == nil {
		if !isHTTP(u) || badPort(u) {
			return nil, &engine.Error{Name: "TypeError", Message: fmt.Sprintf("Fetch API cannot load: a redirect to %q.", u)}
		}
		if !web.SameOrigin(f.req.URL, u) {
			next.Header = without(next.Header, "authorization", "proxy-authorization", "cookie")
		}
	}
	toGet := r.Status == 303 && next.Method != "GET" && next.Method != "HEAD" ||
		(r.Status == 301 || r.Status == 302) && next.Method == "POST"
	if toGet {
		next.Method, next.Body = "GET", engine.Body{}
		next.Header = without(next.Header, "content-encoding", "content-language", "content-location", "content-type", "content-length")
	}
	if next.Body.Streamed() {
		return nil, &engine.Error{Name: "TypeError", Message: errOneTimeBody}
	}
	return next, nil
}

// without is a header without some of its fields.
func without(h engine.Header, names ...string) (kept engine.Header) {
	for _, f := range h {
		if !slices.Contains(names, f.Name) {
			kept = append(kept, f)
		}
	}
	return kept
}

// errOneTimeBody has workerd's text.
const errOneTimeBody = "A request with a one-time-use body (it was initialized from a stream, not a buffer) encountered a redirect requiring the body to be retransmitted. " +
	"To avoid this error in the future, construct this request from a buffer-like body initializer."

// reject rejects a promise with an error as JavaScript sees it.
func (rl *realm) reject(promise vm.Value, err error) error {
	v, verr := rl.errorValue(err)
	if verr != nil {
		return verr
	}
	return rl.r.Reject(promise, v)
}

package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"

	"everloop/engine/internal/egress"
	"everloop/loop"
)

// Outgoing HTTP requests. Like all that leaves the process, one is held until everything that its maker knows is
// durable. It then travels on a goroutine of its own, and its answer comes back as a turn of whoever made it, through the
// input gate. The bodies of both are streams: they move as fast as whoever reads them.

const (
	// MaxConnecting is how many outgoing requests of one object, or of one event of an entry point, wait for the head of their
	// answer at once. Further ones are sent in their order.
	MaxConnecting = 6
	// MaxSubrequests is how many outgoing requests an event may make. Each event that is delivered to an object gives the
	// object that many anew.
	MaxSubrequests = 1000
)

// errTooManySubrequests has Cloudflare's text.
var errTooManySubrequests = &Error{Name: "Error", Message: "Too many subrequests."}

// Fetch sends a request out of the process and waits for the head of the answer, or for ctx; other events run
// meanwhile. It is one exchange: a redirect is an answer like any other. The answer's body is streamed (ReadBody); it is
// freed of gzip and deflate. Nothing is sent before all that the object knows is durable. A failure on the way is an [*Error]
// with the name TypeError. A reset of the object cancels what is under way.
func (s *State) Fetch(ctx context.Context, r *Request) (*Response, error) {
	return s.a.origin.fetch(ctx, r)
}

// Fetch is State.Fetch for the event of an entry point.
func (ev *Event) Fetch(ctx context.Context, r *Request) (*Response, error) {
	return ev.origin().fetch(ctx, r)
}

// StartFetch is Fetch for code that works by callbacks: r is told the end in a turn of the object.
func (s *State) StartFetch(req *Request, r Replier) *Subrequest {
	return s.a.origin.startFetch(req, r)
}

// StartFetch is State.StartFetch for the event of an entry point.
func (ev *Event) StartFetch(req *Request, r Replier) *Subrequest {
	return ev.origin().startFetch(req, r)
}

func (o *origin) fetch(ctx context.Context, r *Request) (*Response, error) {
	var q *Subrequest
	reply := o.await(ctx, func(rep waiter) { q = o.startFetch(r, rep) })
	if reply.Err != nil && q != nil {
		q.Cancel(reply.Err)
	}
	return reply.Response, reply.Err
}

// subrequests are the outgoing requests of one origin. Owned by its loop.
type subrequests struct {
	queue      []*Subrequest            // not sent, in the order in which they were made
	under      map[*Subrequest]struct{} // those, and all whose answer is not over
	connecting int                      // sent, and without an answer
	made       int                      // since the last event was delivered
}

// Subrequest is an outgoing request under way, from its making to the end of its answer's body. Owned by the loop of
// whoever made it.
type Subrequest struct {
	by      *origin
	sec     *section
	req     *Request
	replier Replier

	open   bool // the output gate has let it through
	sent   bool
	told   bool // the replier has been told, or is about to be
	over   bool
	cancel context.CancelCauseFunc
	upload *upload   // of the request's body, if it is a stream
	body   *download // of the answer, if it has a body

	handshake SocketHandshake // if it asks for a WebSocket
}

func (o *origin) startFetch(r *Request, rep Replier) *Subrequest {
	q := &Subrequest{by: o, sec: o.section(), req: r, replier: rep}
	if !o.live() { // reset in this very turn, and with it whoever waits
		q.told, q.over = true, true
		return q
	}
	o.pin()
	if o.out == nil {
		o.out = &subrequests{under: make(map[*Subrequest]struct{})}
	}
	if o.out.made == MaxSubrequests {
		q.finish(errTooManySubrequests)
		return q
	}
	o.out.made++
	o.out.queue = append(o.out.queue, q)
	o.out.under[q] = struct{}{}
	o.own.outgoing[q] = struct{}{}
	o.own.eng.metrics.outgoing.Add(1)
	o.own.stage(effect{kind: effectHold, by: o, hold: q.pass})
	return q
}

// pass is called by the output gate.
func (q *Subrequest) pass(err error) {
	switch {
	case q.over:
	case err != nil:
		q.finish(err)
		q.by.own.drain()
	default:
		q.open = true
		q.by.send()
	}
}

// send sends what may be sent.
func (o *origin) send() {
	out := o.out
	for len(out.queue) > 0 && out.queue[0].open && out.connecting < MaxConnecting {
		q := out.queue[0]
		out.queue[0] = nil
		out.queue = out.queue[1:]
		q.send()
	}
}

func (q *Subrequest) send() {
	own := q.by.own
	ctx, cancel := context.WithCancelCause(context.Background())
	req, err := q.httpRequest(ctx)
	if err != nil {
		cancel(nil)
		q.finish(err)
		own.drain()
		return
	}
	q.sent, q.cancel = true, cancel
	q.by.out.connecting++
	own.eng.metrics.sent.Add(1)
	go func() {
		resp, err := own.eng.roundTrip(req) //nolint:bodyclose // answered, or whoever reads the body, closes it
		if !own.loop.Post(loop.Func(func() { q.answered(resp, err); own.drain() })) && resp != nil {
			_ = resp.Body.Close() // the engine has closed
		}
	}()
}

// roundTrip makes one exchange, and survives a RoundTripper of the embedder's that panics.
func (e *Engine) roundTrip(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			e.logger.Error("panic in the transport of outgoing requests", "panic", v)
			resp, err = nil, fmt.Errorf("the transport panicked: %v", v)
		}
	}()
	resp, err = e.opts.Transport.RoundTrip(req)
	if err == nil && resp.Body == nil {
		resp.Body = http.NoBody
	}
	return resp, err
}

// httpRequest makes the request of Go's client, and starts to read its body.
func (q *Subrequest) httpRequest(ctx context.Context) (*http.Request, error) {
	r := q.req
	u, err := egress.URL(r.URL)
	if err != nil {
		return nil, &Error{Name: "TypeError", Message: fmt.Sprintf("Fetch API cannot load: %s: %v", withoutQuery(r.URL), err)}
	}
	req := (&http.Request{
		Method: r.Method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header, len(r.Header)+2),
	}).WithContext(ctx)
	var encodings []string
	for _, f := range r.Header {
		switch f.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "expect", "host", "content-length":
			// They are the connection's, or follow from the address and the body.
		case "accept-encoding":
			encodings = append(encodings, f.Value)
		default:
			req.Header.Add(f.Name, f.Value)
		}
	}
	if encodings == nil && r.Header.Has("range") {
		encodings = []string{"identity"} // a part of what is encoded could not be decoded
	}
	req.Header.Set("Accept-Encoding", egress.Encodings(encodings))
	if req.Header.Get("User-Agent") == "" {
		req.Header["User-Agent"] = []string{""} // or Go's client would name itself
	}
	if r.asksForSocket() {
		r.Body.Discard() // as workerd does: it is always a GET without a body
		return req, q.askForSocket(req)
	}
	switch b := r.Body; {
	case b.Streamed():
		q.upload = newUpload(q.by.own.loop)
		req.Body, req.ContentLength = q.upload, b.Size()
		b.stream.start(q.by.own, nil, q.upload)
		if b.stream.sink == Sink(q.upload) { // otherwise it has another reader, and is none of ours to cancel
			q.upload.stream = b.stream
		}
	case b.data != nil:
		req.ContentLength = int64(len(b.data))
		req.Body = io.NopCloser(bytes.NewReader(b.data))
		if len(b.data) == 0 {
			req.Body = http.NoBody
		}
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.data)), nil }
	}
	return req, nil
}

// answered takes the head of the answer, on the loop.
func (q *Subrequest) answered(resp *http.Response, err error) {
	q.by.out.connecting--
	if q.by.live() {
		q.by.send()
	}
	switch {
	case q.over:
		if resp != nil {
			go resp.Body.Close()
		}
	case err != nil:
		q.finish(q.failed(err))
	case q.handshake != nil && resp.StatusCode == http.StatusSwitchingProtocols:
		q.upgraded(resp)
	default:
		q.reply(Reply{Response: q.response(resp)})
		if q.body == nil {
			q.end()
		}
	}
}

// failed is why the exchange has failed, as the program sees it.
func (q *Subrequest) failed(err error) error {
	if q.upload != nil {
		if cause := q.upload.failure(); cause != nil {
			return cause
		}
	}
	return &Error{
		Name: "TypeError", Message: fmt.Sprintf("fetch failed: %s %s: %s", q.req.Method, placeOf(q.req.URL), egress.Reason(err)), cause: err,
	}
}

// response makes the engine's response of Go's.
func (q *Subrequest) response(resp *http.Response) *Response {
	body, known := egress.Decoded(resp.Body, resp.Header["Content-Encoding"])
	size := resp.ContentLength
	r := &Response{Status: resp.StatusCode, URL: q.req.URL, Header: make(Header, 0, len(resp.Header))}
	if _, text, ok := strings.Cut(resp.Status, " "); ok {
		r.StatusText = text
	}
	names := make([]string, 0, len(resp.Header))
	for name := range resp.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lower := strings.ToLower(name)
		switch lower {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade":
			continue // they speak of this connection, which ends here
		case "content-encoding", "content-length":
			if known { // they would not be true of the body any more
				continue
			}
		}
		for _, v := range resp.Header[name] {
			r.Header = append(r.Header, Field{lower, v})
		}
	}
	switch {
	case resp.StatusCode == 101 && q.handshake != nil: // its body is the connection
	case q.req.Method == http.MethodHead, resp.StatusCode == 101, resp.StatusCode == 204, resp.StatusCode == 205, resp.StatusCode == 304:
		go resp.Body.Close()
	case resp.Body == http.NoBody:
		r.Body = Bytes([]byte{})
	default:
		if known {
			size = -1
		}
		r.Body = q.download(body, size)
	}
	return r
}

// reply tells whoever made the request, in a turn of it.
func (q *Subrequest) reply(r Reply) {
	q.told = true
	rep := q.replier
	q.replier = nil // it may keep the answer, and a body of it that nobody reads is to be noticed
	q.by.inject(q.sec, func() {
		defer q.by.unpin()
		rep.Reply(r)
	})
}

// finish ends the request, with the reason if there was no answer yet.
func (q *Subrequest) finish(cause error) {
	if q.over {
		return
	}
	if !q.told && q.by.live() {
		q.reply(Reply{Err: cause})
	}
	q.end()
}

// end forgets the request, and whatever is under way of it.
func (q *Subrequest) end() {
	if q.over {
		return
	}
	q.over = true
	o := q.by
	if _, counted := o.own.outgoing[q]; counted {
		delete(o.own.outgoing, q)
		o.own.eng.metrics.outgoing.Add(-1)
	}
	delete(o.out.under, q)
	if !q.sent {
		if i := slices.Index(o.out.queue, q); i >= 0 {
			o.out.queue = slices.Delete(o.out.queue, i, i+1)
			if o.live() {
				o.send() // it may have been the first, and held up the others
			}
		}
		return
	}
	if q.upload != nil {
		q.upload.stop()
	}
	if q.cancel != nil {
		q.cancel(nil)
	}
}

// Cancel gives the request up, wherever it is: waiting, being sent, or with its answer under way. Whoever waits for
// the head of the answer gets cause, and so does whoever reads its body. It is called on the loop; nothing happens if the
// request is over.
func (q *Subrequest) Cancel(cause error) {
	if q.over {
		return
	}
	if q.body != nil {
		q.body.fail(cause)
	}
	q.finish(cause)
}

// Release says that nobody waits for the answer any more. The request still goes out; what is not over within
// patience, in milliseconds, is given up.
func (q *Subrequest) Release(patience int64) {
	if q.over {
		return
	}
	l := q.by.own.loop
	l.At(l.Now()+patience, loop.Func(func() {
		q.Cancel(context.Canceled)
		q.by.own.drain()
	}))
}

// dropSubrequests cancels what an object that was reset has under way.
func (o *origin) dropSubrequests(cause error) {
	if o.out == nil {
		return
	}
	for q := range o.out.under {
		q.told = true // there is nobody to be told
		q.Cancel(cause)
	}
}

// placeOf is where a URL points, without path and query: they often hold secrets, and messages end up in logs.
func placeOf(url string) string {
	if i := strings.Index(url, "://"); i >= 0 {
		if j := strings.IndexAny(url[i+3:], "/?#"); j >= 0 {
			url = url[:i+3+j]
		}
	}
	return withoutUser(url)
}

// withoutUser is a URL without user name and password.
func withoutUser(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	host, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	return scheme + "://" + host[strings.LastIndexByte(host, '@')+1:] + path
}

func withoutQuery(url string) string {
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		url = url[:i]
	}
	url = withoutUser(url)
	const most = 256
	if len(url) > most {
		url = strings.ToValidUTF8(url[:most], "") + "..."
	}
	return url
}

// download is the body of an answer, which a goroutine reads a piece at a time while its consumer has room. Its producer is
// the loop, not whoever made the request: the pieces come from outside and reveal nothing, and a body that an object only
// hands on does not need the object. Owned by its loop, but for body and more.
type download struct {
	q    *Subrequest
	own  *owner
	body io.ReadCloser // the goroutine's, once there is one
	more chan struct{} // one for each piece that the consumer has room for; closed at the end
	w    *BodyWriter
	over bool
}

// downloadSource is a download as the stream holds it, so that a body which nobody ever asks for is noticed.
type downloadSource struct{ d *download }

func (q *Subrequest) download(body io.ReadCloser, size int64) Body {
	d := &download{q: q, own: q.by.own, body: body, more: make(chan struct{}, 1)}
	q.body = d
	src := &downloadSource{d}
	runtime.AddCleanup(src, func(d *download) {
		d.own.loop.Post(loop.Func(func() {
			if d.w == nil {
				d.drop()
			}
		}))
	}, d)
	b := d.own.outside.stream(src)
	b.stream.size = max(0, size)
	return b
}

// Start is part of [Source].
func (s *downloadSource) Start(w *BodyWriter) {
	d := s.d
	d.w = w
	if d.over {
		w.Close(ErrStreamLost)
		return
	}
	go d.read()
}

// Room is part of [Source].
func (s *downloadSource) Room() { s.d.ask() }

// Cancel is part of [Source].
func (s *downloadSource) Cancel() {
	if s.d.w == nil {
		s.d.drop()
		return
	}
	s.d.stop()
}

// pieceBytes is how much of a body is read at once.
const pieceBytes = 32 << 10

// read is the goroutine of the download.
func (d *download) read() {
	buf := make([]byte, pieceBytes)
	defer d.body.Close()
	for {
		n, err := d.body.Read(buf)
		piece := bytes.Clone(buf[:n])
		posted := d.own.loop.Post(loop.Func(func() { d.take(piece, err); d.own.drain() }))
		if err != nil || !posted {
			return
		}
		if _, ok := <-d.more; !ok {
			return
		}
	}
}

// take passes on a piece, on the loop.
func (d *download) take(piece []byte, err error) {
	if d.over {
		return
	}
	room := d.w.Write(piece)
	switch {
	case errors.Is(err, io.EOF):
		d.w.Close(nil)
		d.stop()
	case err != nil:
		d.fail(&Error{
			Name: "TypeError", cause: err,
			Message: fmt.Sprintf("the body of %s %s failed: %s", d.q.req.Method, placeOf(d.q.req.URL), egress.Reason(err)),
		})
	case room:
		d.ask()
	}
}

// ask lets the goroutine read on.
func (d *download) ask() {
	if !d.over {
		d.more <- struct{}{} // it has room: one was taken for each piece
	}
}

// fail ends the body for its consumer.
func (d *download) fail(cause error) {
	if d.over {
		return
	}
	if d.w != nil {
		d.w.Close(cause)
	}
	d.stop()
}

// stop ends the download.
func (d *download) stop() {
	if d.over {
		return
	}
	d.over = true
	close(d.more)
	d.q.end()
	if d.w == nil {
		go d.body.Close()
	}
}

// smallRest is how much of a body that nobody wants is read all the same, so that its connection can be used again.
const smallRest = 2 << 10

// drop ends a body that nobody wants.
func (d *download) drop() {
	if d.over {
		return
	}
	d.over = true
	close(d.more)
	q := d.q
	go func() {
		_, _ = io.CopyN(io.Discard, d.body, smallRest) // whatever comes of it, the body is closed
		_ = d.body.Close()
		d.own.loop.Post(loop.Func(q.end))
	}()
}

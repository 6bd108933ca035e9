package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"everloop/engine/internal/egress"
	"everloop/loop"
)

// dialled is the connection of a WebSocket to another server: the transport that holds one end of its pair. Its reader is a goroutine that
// takes what comes, a piece at a time while the other end has room; what is sent waits for a goroutine that lives while there is something
// to write. Both are told what to do by the loop, and tell it what was done. Owned by its loop, but for what mu guards, and for conn and
// codec, which the goroutines use.
type dialled struct {
	own    *owner
	end    *WebSocket
	conn   io.ReadWriteCloser
	codec  SocketCodec
	cancel context.CancelCauseFunc // of the request that opened it
	place  string                  // where it leads, for messages
	more   chan struct{}           // one for each piece that the other end has room for; closed at the end

	sentClose bool // a Close was sent, or waits
	gotClose  bool // a Close has come
	ended     bool
	full      bool // the reader waits for room

	mu      sync.Mutex
	queue   []dialledFrame
	bytes   int  // of the messages that wait, or are being written
	writing bool // a goroutine writes
	wrote   int  // pieces that the connection has taken
	closing bool // it closes when queue is empty
}

// dialledFrame is what is to be written: a message, a Close, or else a Pong.
type dialledFrame struct {
	message *Message
	close   bool
	code    int
	reason  string
	payload []byte
}

const (
	// dialledRead is how much is read at once.
	dialledRead = 8 << 10
	// dialledWrite is how much is written at once, so that a slow server can be told from one that takes nothing.
	dialledWrite = 64 << 10
	// dialledStall is how long a server may take nothing of what waits for it. It is looked at so often that the connection is closed after
	// once to twice this time.
	dialledStall = 30 * time.Second
	// dialledPongs is how many Pongs wait at most.
	dialledPongs = 64
)

// upgraded takes the answer that opens a WebSocket.
func (q *Subrequest) upgraded(resp *http.Response) {
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		go resp.Body.Close()
		q.finish(q.failed(errors.New("the transport gives no connection to write to")))
		return
	}
	answer := q.response(resp)
	codec, err := q.handshake.Answered(fieldsOf(resp.Header))
	if err != nil {
		go conn.Close()
		q.finish(q.failed(err))
		return
	}
	d := &dialled{
		own: q.by.own, conn: conn, codec: codec, cancel: q.cancel, place: placeOf(q.req.URL), more: make(chan struct{}, 1),
	}
	q.cancel = nil // it lives on with the connection
	p := &Port{d.own}
	var theirs *WebSocket
	d.end, theirs = p.WebSocketPair()
	if err := p.HoldWebSocket(d.end, d); err != nil {
		go conn.Close()
		q.finish(err)
		return
	}
	answer.WebSocket = theirs
	go d.read()
	q.reply(Reply{Response: answer})
	q.end()
}

// fieldsOf is a header of Go's as a list.
func fieldsOf(header http.Header) (fields []Field) {
	for name, values := range header {
		for _, v := range values {
			fields = append(fields, Field{strings.ToLower(name), v})
		}
	}
	return fields
}

// read is the goroutine that reads.
func (d *dialled) read() {
	var rest []byte // received, and not consumed
	buf := make([]byte, dialledRead)
	for {
		n, err := d.conn.Read(buf[len(rest):])
		in := buf[:len(rest)+n]
		frames, used, fault := d.frames(in)
		rest = buf[:copy(buf, in[used:])]
		if len(rest) == len(buf) { // a codec leaves less than a control frame
			fault = errors.New("a frame cannot be read")
		}
		if len(frames) == 0 && fault == nil && err == nil {
			continue
		}
		if !d.own.loop.Post(loop.Func(func() { d.take(frames, fault, err); d.own.drain() })) {
			_ = d.conn.Close() // the engine has closed
			return
		}
		if fault != nil || err != nil {
			return
		}
		if _, ok := <-d.more; !ok {
			return
		}
	}
}

// frames finds the frames in what was received.
func (d *dialled) frames(in []byte) (frames []SocketFrame, used int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the codec panicked: %v", v)
		}
	}()
	for used < len(in) {
		n, f, err := d.codec.Next(in[used:])
		used += n
		if err != nil {
			return frames, used, err
		}
		if !f.found() {
			break
		}
		frames = append(frames, f)
	}
	return frames, used, nil
}

// take passes on what has come.
func (d *dialled) take(frames []SocketFrame, fault, err error) {
	for i := range frames {
		if d.ended || d.gotClose {
			break
		}
		switch f := &frames[i]; {
		case f.Message != nil:
			// It refuses only what comes after a Close, and then nobody waits for it.
			_ = d.end.Send(f.Message)
		case f.Ping && !d.sentClose:
			d.pong(f.Payload)
		case f.Closed:
			d.peerClosed(f.Code, f.Reason)
		}
	}
	switch {
	case d.ended:
	case fault != nil:
		code, reason := d.codec.CloseFor(fault)
		d.end.Fail(&Error{Name: "Error", Message: fmt.Sprintf("The WebSocket to %s failed: %s", d.place, egress.Reason(fault)), cause: fault})
		d.close(code, reason)
		d.finish()
	case err != nil:
		d.stop()
	case d.gotClose || d.end.Room():
		d.ask()
	default:
		d.full = true
	}
}

// ask lets the goroutine read on.
func (d *dialled) ask() {
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// Room is part of [SocketRoomer].
func (d *dialled) Room() {
	if d.full && !d.ended {
		d.full = false
		d.ask()
	}
}

// peerClosed takes the server's Close.
func (d *dialled) peerClosed(code int, reason string) {
	d.gotClose = true
	if code == CloseNoStatus {
		code = 0
	}
	if err := d.end.Close(code, reason); err != nil {
		d.end.Lost()
	}
	if d.sentClose {
		d.finish()
	}
}

// Message is part of [SocketSink].
func (d *dialled) Message(m *Message) {
	if d.ended || d.sentClose {
		return
	}
	d.mu.Lock()
	crowded := d.bytes > MaxSocketBacklog
	d.mu.Unlock()
	if crowded {
		d.end.Fail(ErrSocketBacklog)
		d.stop()
		return
	}
	d.push(dialledFrame{message: m})
}

// Closed is part of [SocketSink]: the other end has closed, or is gone.
func (d *dialled) Closed(code int, reason string, clean bool) {
	switch {
	case d.ended:
	case !clean:
		d.finish()
	default:
		if code == CloseNoStatus {
			code = 0
		}
		d.close(code, reason)
		if d.gotClose {
			d.finish()
		}
	}
}

// Failed is part of [SocketSink].
func (d *dialled) Failed(error) { d.Closed(CloseAbnormal, "", false) }

// close sends a Close behind what waits. The engine gives the server CloseTimeout to answer it.
func (d *dialled) close(code int, reason string) {
	if d.sentClose {
		return
	}
	d.sentClose = true
	d.push(dialledFrame{close: true, code: code, reason: reason})
}

// finish closes the connection behind what waits.
func (d *dialled) finish() {
	d.mu.Lock()
	d.closing = true
	idle := !d.writing
	d.mu.Unlock()
	if idle {
		d.stop()
	}
}

// stop closes the connection at once.
func (d *dialled) stop() {
	if d.ended {
		return
	}
	d.ended = true
	close(d.more)
	d.mu.Lock()
	d.queue = nil
	d.mu.Unlock()
	if d.cancel != nil {
		d.cancel(nil)
	}
	go d.conn.Close()
	d.end.Lost() // which means nothing if both sides have closed
}

func (d *dialled) pong(payload []byte) {
	d.mu.Lock()
	waiting := len(d.queue)
	if waiting >= dialledPongs { // of a flood only the last is answered (RFC 6455, 5.5.3)
		if last := &d.queue[waiting-1]; last.message == nil && !last.close {
			last.payload = payload
			d.mu.Unlock()
			return
		}
	}
	d.mu.Unlock()
	d.push(dialledFrame{payload: payload})
}

// push puts a frame behind what waits.
func (d *dialled) push(f dialledFrame) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, f)
	if f.message != nil {
		d.bytes += len(f.message.Data)
	}
	if !d.writing {
		d.writing = true
		go d.write()
		d.watch(d.wrote)
	}
}

// watch closes the connection if nothing more than seen pieces has been taken when dialledStall is over.
func (d *dialled) watch(seen int) {
	l := d.own.loop
	l.At(l.Now()+dialledStall.Milliseconds(), loop.Func(func() {
		d.mu.Lock()
		writing, wrote := d.writing, d.wrote
		d.mu.Unlock()
		switch {
		case d.ended || !writing:
		case wrote == seen:
			d.stop()
			d.own.drain()
		default:
			d.watch(wrote)
		}
	}))
}

// write is the goroutine that writes.
func (d *dialled) write() {
	var buf []byte
	size := 0 // of the messages in buf
	for {
		d.mu.Lock()
		frames := d.queue
		d.queue = nil
		if len(frames) == 0 {
			d.writing = false
			closing := d.closing
			d.mu.Unlock()
			if closing {
				d.own.loop.Post(loop.Func(func() { d.stop(); d.own.drain() }))
			}
			return
		}
		d.mu.Unlock()
		for i := range frames {
			f := &frames[i]
			switch {
			case f.message != nil:
				buf = d.codec.AppendMessage(buf, f.message)
				size += len(f.message.Data)
			case f.close:
				buf = d.codec.AppendClose(buf, f.code, f.reason)
			default:
				buf = d.codec.AppendPong(buf, f.payload)
			}
			if len(buf) >= dialledWrite || i == len(frames)-1 {
				if !d.flush(buf, size) {
					d.own.loop.Post(loop.Func(func() { d.stop(); d.own.drain() }))
					return
				}
				size = 0
				if buf = buf[:0]; cap(buf) > 2*dialledWrite {
					buf = nil
				}
			}
		}
	}
}

// flush writes what has size bytes of messages, in pieces, and reports whether the connection has taken them.
func (d *dialled) flush(b []byte, size int) bool {
	for len(b) > 0 {
		n, err := d.conn.Write(b[:min(len(b), dialledWrite)])
		if err != nil {
			return false
		}
		b = b[n:]
		d.mu.Lock()
		d.wrote++
		d.mu.Unlock()
	}
	d.mu.Lock()
	d.bytes -= size
	d.mu.Unlock()
	return true
}

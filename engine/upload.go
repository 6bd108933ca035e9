package engine

import (
	"io"
	"sync"

	"everloop/loop"
)

// upload is a streamed body on its way out: the sink of its stream on the loop, and the reader of a goroutine that sends
// it. What has come and was not read is at most StreamWindow bytes. Safe for concurrent use, but for stream, which is the
// loop's.
type upload struct {
	loop   loop.Loop
	stream *Stream

	mu     sync.Mutex
	some   sync.Cond // pieces, ended or closed has changed
	pieces [][]byte
	ended  bool
	err    error // of the producer
	closed bool  // nobody reads any more
}

func newUpload(l loop.Loop) *upload {
	u := &upload{loop: l}
	u.some.L = &u.mu
	return u
}

// Chunk is part of [Sink].
func (u *upload) Chunk(b []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		u.pieces = append(u.pieces, b)
		u.some.Signal()
	}
}

// End is part of [Sink].
func (u *upload) End(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended, u.err = true, err
	u.some.Signal()
}

// failure is why the producer has failed, if it has.
func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// Read is part of [io.Reader].
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	for len(u.pieces) == 0 && !u.ended && !u.closed {
		u.some.Wait()
	}
	switch {
	case u.closed:
		u.mu.Unlock()
		return 0, io.ErrClosedPipe
	case len(u.pieces) == 0:
		defer u.mu.Unlock()
		if u.err != nil {
			return 0, u.err
		}
		return 0, io.EOF
	}
	n := copy(p, u.pieces[0])
	if u.pieces[0] = u.pieces[0][n:]; len(u.pieces[0]) == 0 {
		u.pieces[0] = nil
		u.pieces = u.pieces[1:]
	}
	u.mu.Unlock()
	if n > 0 {
		u.loop.Post(loop.Func(func() { u.stream.Ack(n) }))
	}
	return n, nil
}

// Close is part of [io.Closer]: the transport has read as much as it wants.
func (u *upload) Close() error {
	if u.shut() {
		u.loop.Post(loop.Func(u.cancel))
	}
	return nil
}

// stop is Close on the loop.
func (u *upload) stop() {
	if u.shut() {
		u.cancel()
	}
}

func (u *upload) shut() (now bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now = !u.closed
	u.closed = true
	u.pieces = nil
	u.some.Broadcast()
	return now
}

// cancel tells the producer that nobody reads any more. Nothing happens if its body is over.
func (u *upload) cancel() {
	if u.stream != nil {
		u.stream.Cancel()
	}
}

package server

import (
	"errors"

	"everloop/engine"
	"everloop/proto/http"
)

// streamed is the body of an answer that is produced while it is sent. Pieces come when they may leave; they are
// written as the client takes them, and only then is the producer asked for more. Owned by its connection's loop.
type streamed struct {
	x       *exchange
	stream  *engine.Stream
	pieces  [][]byte // that have come and are not written; at most engine.StreamWindow bytes
	framing http.Framing
	left    int64 // of the length that the head has told, where that is how it is framed
	ended   bool
	err     error
}

// start asks for the body. The head has been written.
func (x *exchange) startStream(body engine.Body, framing http.Framing) {
	x.streamed = &streamed{x: x, framing: framing, left: body.Size()}
	x.streamed.stream = x.s.c.Port().Start(body, x.streamed)
}

// Chunk is part of [engine.Sink].
func (b *streamed) Chunk(piece []byte) {
	b.pieces = append(b.pieces, piece)
	b.x.s.c.Continue()
}

// End is part of [engine.Sink].
func (b *streamed) End(err error) {
	b.ended, b.err = true, err
	b.x.s.c.Continue()
}

// send writes what has come, as far as there is room, and reports whether the answer is over.
func (b *streamed) send() (done bool) {
	c := b.x.s.c
	if c.Gone() {
		b.stream.Cancel()
		return true
	}
	if b.framing == http.ByLength && b.err == nil && (b.left < b.waiting() || b.ended && b.left > b.waiting()) {
		b.ended, b.err = true, errLength
	}
	for len(b.pieces) > 0 {
		n := min(len(b.pieces[0]), c.WriteRoom())
		if n == 0 {
			return false
		}
		b.write(b.pieces[0][:n])
		if b.pieces[0] = b.pieces[0][n:]; len(b.pieces[0]) == 0 {
			b.pieces[0] = nil
			b.pieces = b.pieces[1:]
		}
		b.stream.Ack(n)
	}
	switch {
	case !b.ended:
		return false
	case b.err != nil:
		// The head said that all is well. All that is left to say so is to end without an end.
		b.x.failed(b.err)
		c.Abort(b.err)
	case b.framing == http.ByLength:
	case b.framing == http.ByChunks:
		_ = c.Write(http.AppendLastChunk(nil)) // fails only if the connection has closed
	default:
		c.Close(nil) // that is where the body ends
	}
	return true
}

// errLength is what a source of another length than it has told of costs: the client must not take what is there for all.
var errLength = errors.New("the body has another length than its source has told")

// waiting is the number of bytes that have come and are not written.
func (b *streamed) waiting() (n int64) {
	for _, p := range b.pieces {
		n += int64(len(p))
	}
	return n
}

func (b *streamed) write(data []byte) {
	c := b.x.s.c
	b.left -= int64(len(data))
	if b.framing == http.ByChunks {
		_ = c.Write(http.AppendChunkSize(nil, len(data))) // fails only if the connection has closed, as below
	}
	_ = c.Write(data)
	if b.framing == http.ByChunks {
		_ = c.Write(crlf)
	}
}

var crlf = []byte("\r\n")

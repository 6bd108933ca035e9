package ws

import (
	"bytes"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Deflate is what was agreed of permessage-deflate (RFC 7692) for one connection. The zero value: nothing, messages go
// as they are. Otherwise it is the window for what we send, as an exponent of 2, from 8 to [FullWindow]. Neither side takes its
// context over from one message to the next.
type Deflate uint8

// FullWindow is a window of 32 KiB, which is what is agreed with a peer that does not ask for less.
const FullWindow Deflate = 15

// MinDeflateBytes is the size from which messages are compressed. Of 128 bytes a quarter is saved for 2.7 µs, of 256 the half for 3.2 µs;
// below that it does not pay, and most of what is sent in one packet anyway.
const MinDeflateBytes = 256

// Agreed reports whether messages may be compressed, in either direction.
func (d Deflate) Agreed() bool { return d != 0 }

// Window is how many bytes the references within a message that we compress may reach back.
func (d Deflate) Window() int { return 1 << d }

// Shared reports whether a message of size bytes may be sent on this connection as it is encoded for a full window, so that one
// encoding, made by [FullWindow].AppendMessage, serves many connections.
func (d Deflate) Shared(size int) bool { return d == FullWindow || d != 0 && size <= d.Window() }

// AppendMessage appends data as a message of one frame, as a server sends it: compressed if that was agreed, if data has at
// least [MinDeflateBytes], and if it gets smaller by it. Safe for concurrent use.
func (d Deflate) AppendMessage(dst []byte, text bool, data []byte) []byte {
	h := Header{Opcode: MessageOpcode(text), Length: len(data)}
	if z := d.compress(data); z != nil {
		defer z.release()
		h.Compressed, h.Length, data = true, len(z.out), z.out
	}
	dst = slices.Grow(dst, MaxHeaderBytes+len(data))
	return append(AppendHeader(dst, h), data...)
}

// AppendMaskedMessage is AppendMessage for a client; of mask see [AppendMaskedFrame].
func (d Deflate) AppendMaskedMessage(dst []byte, text bool, data []byte, mask [4]byte) []byte {
	h := Header{Opcode: MessageOpcode(text), Masked: true, Mask: mask, Length: len(data)}
	if z := d.compress(data); z != nil {
		defer z.release()
		h.Compressed, h.Length, data = true, len(z.out), z.out
	}
	dst = slices.Grow(dst, MaxHeaderBytes+len(data))
	return appendMasked(AppendHeader(dst, h), data, mask)
}

// emptyBlock ends what a compressor has flushed. It is not sent (RFC 7692, 7.2.1).
const emptyBlock = "\x00\x00\xff\xff"

// keptBytes is the largest buffer that is kept in a pool.
const keptBytes = 64 << 10

// compressed is the output of one compression, before it is copied behind a header.
type compressed struct{ out []byte }

var compressedPool = sync.Pool{New: func() any { return new(compressed) }}

func (z *compressed) Write(p []byte) (int, error) {
	z.out = append(z.out, p...)
	return len(p), nil
}

func (z *compressed) release() {
	if cap(z.out) <= keptBytes {
		compressedPool.Put(z)
	}
}

// compress returns data compressed, or nil if it is to be sent as it is.
func (d Deflate) compress(data []byte) *compressed {
	if d == 0 || len(data) < MinDeflateBytes {
		return nil
	}
	z := compressedPool.Get().(*compressed)
	z.out = z.out[:0]
	for rest := data; len(rest) > 0; {
		piece := rest
		if d != FullWindow {
			// Each piece is compressed without a look at the one before, so no reference is longer than it.
			piece = rest[:min(len(rest), d.Window())]
		}
		rest = rest[len(piece):]
		_ = flate.StatelessDeflate(z, piece, false, nil) // only z.Write could fail, and does not
	}
	z.out = bytes.TrimSuffix(z.out, []byte(emptyBlock))
	if len(z.out) >= len(data) {
		z.release()
		return nil
	}
	return z
}

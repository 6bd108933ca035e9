package ws

import (
	"bytes"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Deflate is what was agreed of permessage-deflate (RFC 7692) for one connection. The zero value: nothing, messages go as they
// are. Otherwise both sides forget a message when it has been sent (neither takes its context over), and what is kept
// is the window for what we send.
type Deflate uint8

// fullWindow is a window of 2^15 bytes, which is what every peer takes that asks for nothing else.
const fullWindow Deflate = 15

// MinDeflateBytes is the size from which messages are compressed.
const MinDeflateBytes = 128

// Agreed reports whether messages may be compressed, in either direction.
func (d Deflate) Agreed() bool { return d != 0 }

// Window is the number of bytes that a compressed message's references may reach back in what is sent.
func (d Deflate) Window() int { return 1 << d }

// Shared reports whether a message of size bytes is encoded for this connection as it is for one with a full window, so that one
// encoding, made by [FullWindow].AppendMessage, serves both.
func (d Deflate) Shared(size int) bool { return d == fullWindow || d != 0 && size <= d.Window() }

// FullWindow is what is agreed with nearly every peer.
const FullWindow = fullWindow

// AppendMessage appends data as a message of one frame as a server sends it: compressed if that was agreed, if data
// has at least [MinDeflateBytes], and if it gets smaller by it. It is safe for concurrent use.
func (d Deflate) AppendMessage(dst []byte, text bool, data []byte) []byte {
	h := Header{Opcode: MessageOpcode(text), Length: len(data)}
	if z := d.compress(data); z != nil {
		defer deflaters.Put(z)
		h.Compressed, h.Length, data = true, len(z.out), z.out
	}
	dst = slices.Grow(dst, MaxHeaderBytes+len(data))
	return append(AppendHeader(dst, h), data...)
}

// AppendMaskedMessage is AppendMessage for a client.
func (d Deflate) AppendMaskedMessage(dst []byte, text bool, data []byte, mask [4]byte) []byte {
	h := Header{Opcode: MessageOpcode(text), Masked: true, Mask: mask, Length: len(data)}
	if z := d.compress(data); z != nil {
		defer deflaters.Put(z)
		h.Compressed, h.Length, data = true, len(z.out), z.out
	}
	dst = slices.Grow(dst, MaxHeaderBytes+len(data))
	return appendMasked(AppendHeader(dst, h), data, mask)
}

// deflater holds the output of one compression.
type deflater struct{ out []byte }

var deflaters = sync.Pool{New: func() any { return new(deflater) }}

// keptScratch is the largest buffer that is kept in a pool.
const keptScratch = 64 << 10

func (z *deflater) Write(p []byte) (int, error) {
	z.out = append(z.out, p...)
	return len(p), nil
}

// emptyBlock ends what a compressor has flushed, and is left out on the wire (RFC 7692, 7.2.1).
const emptyBlock = "\x00\x00\xff\xff"

// compress returns data compressed, to be put back, or nil if it is sent as it is.
func (d Deflate) compress(data []byte) *deflater {
	if d == 0 || len(data) < MinDeflateBytes {
		return nil
	}
	z := deflaters.Get().(*deflater)
	if cap(z.out) > keptScratch {
		z.out = nil
	}
	z.out = z.out[:0]
	for rest := data; len(rest) > 0; {
		// Each piece is compressed without a look at the one before, so no reference is longer than a piece.
		piece := rest
		if d != fullWindow {
			piece = rest[:min(len(rest), d.Window())]
		}
		rest = rest[len(piece):]
		_ = flate.StatelessDeflate(z, piece, false, nil) // z.Write does not fail, and nothing else can
	}
	z.out = bytes.TrimSuffix(z.out, []byte(emptyBlock))
	if len(z.out) >= len(data) {
		deflaters.Put(z)
		return nil
	}
	return z
}

// deflateBound is the most that a sensible compressor makes of n bytes that cannot be compressed.
func deflateBound(n int) int { return n + n>>10 + 64 }

// inflater is what decompressing takes. It is used within one call of Next.
type inflater struct {
	src bytes.Reader
	z   io.ReadCloser // a flate reader, which is a flate.Resetter
	in  []byte        // a compressed message, and what ends it
	out []byte        // its first bytes, decompressed
}

var inflaters = sync.Pool{New: func() any {
	return &inflater{z: flate.NewReader(nil), out: make([]byte, keptScratch)}
}}

// ending is put behind a compressed message: the empty block that its sender left out (RFC 7692, 7.2.2), and another one that is
// the last, so that the decompressor sees the end.
const ending = emptyBlock + "\x01\x00\x00\xff\xff"

// inflate returns the message that ends with part, decompressed.
func (r *Reader) inflate(part []byte) ([]byte, *Error) {
	return nil, errDeflate
}

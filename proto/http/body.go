package http

import (
	"bytes"
	"math"
)

type bodyState uint8

const (
	bodyDone    bodyState = iota
	bodyLength            // left bytes to come
	bodyToClose           // everything until the peer closes
	chunkSize             // within the digits of a chunk's size
	chunkSpace            // whitespace after the size: an extension must follow
	chunkExt              // within extensions
	chunkSizeLF           // the LF that ends the size line
	chunkData             // left bytes of the chunk to come
	chunkDataCR
	chunkDataLF
	bodyTrailer // field lines up to an empty one
)

// body finds the end of one message's body, incrementally: it consumes what it has understood, so that no
// byte is looked at twice, and hands out data as slices of its input. It is the only reader of chunks, for
// requests and responses. Owned by its reader.
type body struct {
	state  bodyState
	digits uint8 // of the size being read

	left  int64 // of the content-length or of the chunk
	total int64 // sum of the sizes of all chunks so far. Invariant: total <= Limits.BodyBytes

	size    uint64 // of the chunk whose size line is being read
	line    int    // bytes of that size line so far
	ext     int    // of which extensions
	excess  int64  // framing spent without need, see Limits.ChunkOverhead
	trailer int    // bytes of trailer lines consumed
	fields  int    // trailer lines consumed
	scan    int    // bytes of the current trailer line already searched for its end
}

func (b *body) startLength(n int64) {
	*b = body{state: bodyLength, left: n}
	if n == 0 {
		b.state = bodyDone
	}
}

func (b *body) startChunked() { *b = body{state: chunkSize} }
func (b *body) startToClose() { *b = body{state: bodyToClose} }

// next reads on. It consumes n bytes; data, if any, is the end of them. Without data and not done, it needs
// more than in.
func (b *body) next(in []byte, lim *Limits) (n int, data []byte, done bool, err *Error) {
	for {
		switch b.state {
		case bodyDone:
			return n, nil, true, nil
		case bodyTrailer:
			line, ok, err := b.trailerLine(in[n:], lim)
			if err != nil {
				return n, nil, false, err
			}
			n += line
			if !ok {
				return n, nil, false, nil
			}
			continue
		}
		if n == len(in) {
			return n, nil, false, nil
		}
		switch b.state {
		case bodyToClose:
			// The bound holds here too, else a peer could send without end.
			end := len(in)
			if room := lim.BodyBytes - b.total; room == 0 {
				return n, nil, false, errBodyBytes
			} else if int64(end-n) > room {
				end = n + int(room)
			}
			data = in[n:end]
			b.total += int64(len(data))
			return end, data, false, nil
		case bodyLength, chunkData:
			end := len(in)
			if int64(end-n) > b.left {
				end = n + int(b.left)
			}
			data = in[n:end]
			b.left -= int64(len(data))
			if b.left == 0 {
				if b.state == chunkData {
					b.state = chunkDataCR
				} else {
					b.state = bodyDone
				}
			}
			return end, data, false, nil
		}
		if err := b.frame(in[n], lim); err != nil {
			return n, nil, false, err
		}
		n++
	}
}

// frame takes one byte of the framing between chunks (RFC 9112, 7.1):
//
//	chunk     = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//	chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
//
// Extensions are skipped, as an unknown one must be; CR and LF end them also within quotes, where the
// grammar does not allow either.
func (b *body) frame(c byte, lim *Limits) *Error {
	b.line++
	switch b.state {
	case chunkSize:
		if class[c]&isHex != 0 {
			if b.digits == maxChunkDigits {
				return errChunkSizeLarge
			}
			b.digits++
			d := uint64(c - '0')
			if c > '9' {
				d = uint64(c|0x20-'a') + 10
			}
			b.size = b.size<<4 | d
			return nil
		}
		if b.digits == 0 {
			return errChunkSize
		}
		if b.size > math.MaxInt64 {
			return errChunkSizeLarge
		}
		if int64(b.size) > lim.BodyBytes-b.total {
			return errBodyBytes
		}
		switch c {
		case '\r':
			b.state = chunkSizeLF
		case ';':
			b.state = chunkExt
		case ' ', '\t':
			b.state = chunkSpace
		case '\n':
			return errBareLF
		default:
			return errChunkSize
		}
	case chunkSpace, chunkExt:
		b.ext++
		switch {
		case b.ext > maxChunkExtBytes:
			return errChunkExt
		case c == '\n':
			return errBareLF
		case b.state == chunkSpace && c == ';':
			b.state = chunkExt
		case b.state == chunkSpace && c != ' ' && c != '\t':
			return errChunkSize
		case c == '\r':
			b.state = chunkSizeLF
		case c < 0x20 && c != '\t' || c == 0x7f:
			return errChunkExt
		}
	case chunkSizeLF:
		if c != '\n' {
			return errBareCR
		}
		return b.startChunk(lim)
	case chunkDataCR:
		if c != '\r' {
			return errChunkEnd
		}
		b.state = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return errChunkEnd
		}
		b.state = chunkSize
		b.digits, b.size, b.line, b.ext = 0, 0, 0, 0
	}
	return nil
}

// startChunk is called at the end of a size line.
func (b *body) startChunk(lim *Limits) *Error {
	size := int64(b.size)
	spent := int64(b.line) + 2 // the CRLF after the data
	// min keeps the product small; a chunk cannot use up more credit than there is anyway.
	b.excess = max(0, b.excess+spent-16-2*min(size, 1<<32))
	if b.excess > int64(lim.ChunkOverhead) {
		return errChunkOverhead
	}
	b.total += size
	b.left = size
	b.state = chunkData
	if size == 0 {
		b.state = bodyTrailer
	}
	return nil
}

// trailerLine reads one line of the trailer section: n bytes, or none when it has not arrived whole (false).
// Trailer fields are checked and dropped, as RFC 9110, 6.5.1 allows: no API has a place for them.
func (b *body) trailerLine(in []byte, lim *Limits) (n int, ok bool, err *Error) {
	i := bytes.IndexByte(in[b.scan:], '\n')
	if i < 0 {
		b.scan = len(in)
		if b.trailer+len(in) >= lim.HeadBytes {
			return 0, false, errTrailerBytes
		}
		return 0, false, nil
	}
	end := b.scan + i
	b.scan = 0
	b.trailer += end + 1
	if b.trailer > lim.HeadBytes {
		return 0, false, errTrailerBytes
	}
	if end == 0 || in[end-1] != '\r' {
		return 0, false, errBareLF
	}
	if end == 1 {
		b.state = bodyDone
		return end + 1, true, nil
	}
	if b.fields++; b.fields > lim.Fields {
		return 0, false, errFields
	}
	if _, _, _, _, err := splitField(in[:end-1]); err != nil {
		return 0, false, err
	}
	return end + 1, true, nil
}

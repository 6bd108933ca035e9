package http

// Defaults of [Limits], and the bounds that are not settable.
const (
	DefaultHeadBytes        = 32 << 10
	DefaultFields           = 100
	DefaultRequestLineBytes = 8 << 10
	DefaultBodyBytes        = 100 << 20
	DefaultChunkOverhead    = 16 << 10

	// MaxHeadBytes is the largest Limits.HeadBytes that has an effect: places within a head are kept in 16 bits.
	MaxHeadBytes = 1<<16 - 1

	maxMethodBytes   = 32      // a longer method is answered 501 (RFC 9112, 3)
	maxChunkDigits   = 16      // digits of a chunk size, leading zeros included
	maxChunkExtBytes = 1 << 10 // extensions of one chunk
	maxInterim       = 32      // 1xx responses skipped before one final response
)

// Limits bound what one message may make its receiver keep or read. The zero value works: a field that is
// zero or negative means its default. A Limits is not changed once it is in use; it may be shared.
type Limits struct {
	// HeadBytes bounds a head, from the first byte of its start line to the end of its empty line, and,
	// separately, a trailer section. Default 32 KiB, at most 65,535. Past it: 431.
	HeadBytes int
	// Fields bounds the number of field lines of a head, and, separately, of a trailer section. Default
	// 100. Past it: 431.
	Fields int
	// RequestLineBytes bounds the first line of a request, its CRLF included. Default 8 KiB. Past it: 414.
	RequestLineBytes int
	// BodyBytes bounds a body without its framing. Default 100 MiB. Past it: 413, which is known from
	// content-length, or from a chunk's size, before the bytes arrive.
	BodyBytes int64
	// ChunkOverhead bounds what a chunked body spends on framing without need: everything beyond 16
	// bytes and twice the data, added up over all chunks. Default 16 KiB. Past it: 400.
	ChunkOverhead int
}

// withDefaults returns l with every field set and within its range.
func (l Limits) withDefaults() Limits {
	if l.HeadBytes <= 0 {
		l.HeadBytes = DefaultHeadBytes
	}
	l.HeadBytes = min(l.HeadBytes, MaxHeadBytes)
	if l.Fields <= 0 {
		l.Fields = DefaultFields
	}
	if l.RequestLineBytes <= 0 {
		l.RequestLineBytes = DefaultRequestLineBytes
	}
	if l.BodyBytes <= 0 {
		l.BodyBytes = DefaultBodyBytes
	}
	if l.ChunkOverhead <= 0 {
		l.ChunkOverhead = DefaultChunkOverhead
	}
	return l
}

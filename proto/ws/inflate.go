package ws

import (
	"bytes"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"
)

// ending is put behind a compressed message: the empty block that its sender left out (RFC 7692, 7.2.2), and an empty one
// that is the last, so that the decompressor sees an end.
const ending = emptyBlock + "\x01\x00\x00\xff\xff"

// maxStreams is how many blocks of one message may say that they are the last.
const maxStreams = 16

// inflater is what decompressing takes. It is in use within one call of Next only, so there are as many as threads.
type inflater struct {
	z     io.Reader // a flate reader, and a flate.Resetter
	small bytes.Reader
	large strictReader
	in    []byte // a compressed message that is one frame
	out   []byte // of the message, its first keptBytes
}

var inflaters = sync.Pool{New: func() any {
	return &inflater{z: flate.NewReader(bytes.NewReader(nil)), out: make([]byte, 0, keptBytes)}
}}

func (f *inflater) release() {
	f.small.Reset(nil)
	f.large = strictReader{}
	if cap(f.in) > keptBytes {
		f.in = nil
	}
	inflaters.Put(f)
}

// inflate returns the compressed message whose payload ends with part, decompressed.
func (r *Reader) inflate(part []byte) ([]byte, *Error) {
	f := inflaters.Get().(*inflater)
	defer f.release()
	if len(r.msg) == 0 {
		f.in = slices.Grow(f.in[:0], len(part)+len(ending))[:len(part)]
		xor(f.in, part, r.mask)
		f.in = append(f.in, ending...)
		return f.inflate(f.in, r.messageBytes())
	}
	if err := r.take(part); err != nil {
		return nil, err
	}
	return f.inflate(append(r.msg, ending...), r.messageBytes())
}

// inflate returns in, a compressed message and the ending, decompressed to at most limit bytes, in memory of its own.
func (f *inflater) inflate(in []byte, limit int) ([]byte, *Error) {
	if len(in) == len(ending) {
		return nil, nil // not what RFC 7692, 7.2.3.6 makes of an empty message, but what some send
	}
	var src source = &f.small
	if f.small.Reset(in); len(in) > keptBytes {
		f.large = strictReader{in: in}
		src = &f.large
	}
	msg := f.out
	for streams := 1; ; {
		_ = f.z.(flate.Resetter).Reset(src, nil) // it cannot fail
		for {
			if len(msg) == cap(msg) {
				msg = append(make([]byte, 0, min(2*cap(msg), limit+1)), msg...)
			}
			n, err := f.z.Read(msg[len(msg):min(cap(msg), limit+1)])
			msg = msg[:len(msg)+n]
			f.large.made = len(msg)
			if len(msg) > limit {
				return nil, errTooBig
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, errDeflate
			}
		}
		// A block of the message itself may be the last of a stream; what comes behind it begins another (RFC 7692, 7.2.3.4).
		if src.Len() <= len(ending) {
			break
		}
		if streams++; streams > maxStreams {
			return nil, errDeflate
		}
	}
	if cap(msg) == cap(f.out) {
		return append(make([]byte, 0, len(msg)), msg...), nil
	}
	return fit(msg), nil
}

// source is what a flate reader reads without taking more than it needs.
type source interface {
	flate.Reader
	Len() int
}

// strictReader reads a compressed message and fails where the message has become longer by being compressed. Blocks that have
// a code and no data would otherwise be the dearest thing that a client can send. It is slower than a
// bytes.Reader, which flate has a path for.
type strictReader struct {
	in   []byte
	at   int
	made int // how much has come out
}

// strictSlack is how much more may have gone in than come out: the decompressor gives away nothing of a window of 32 KiB
// before that is full.
const strictSlack = 64 << 10

func (s *strictReader) ReadByte() (byte, error) {
	if s.at == len(s.in) {
		return 0, io.EOF
	}
	if s.at-strictSlack > deflateBound(s.made) {
		return 0, errDeflate
	}
	s.at++
	return s.in[s.at-1], nil
}

func (s *strictReader) Read(p []byte) (int, error) {
	if s.at == len(s.in) {
		return 0, io.EOF
	}
	n := copy(p, s.in[s.at:])
	s.at += n
	return n, nil
}

func (s *strictReader) Len() int { return len(s.in) - s.at }

// deflateBound is the most that a sensible compressor makes of n bytes that do not get smaller.
func deflateBound(n int) int { return n + n>>10 + 64 }

package web

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"

	"everloop/engine/js/internal/vm"
)

// The codecs of CompressionStream and DecompressionStream. One is written to and asked for its output until it has no more;
// output comes in pieces of at most codecPiece bytes.

const codecPiece = 64 << 10

// compressLevel: the levels above cost more processor time and up to four times the memory for a few per cent.
const compressLevel = 3

// The formats, as codec.js numbers them.
const (
	formatGzip = iota
	formatDeflate
	formatDeflateRaw
)

// codec is one under way. Owned by its runtime.
type codec interface {
	// write gives it input, which it copies.
	write(b []byte) error
	// end says that there is no more input.
	end() error
	// next returns a piece of output, good until the next call; nil if there is none now.
	next() ([]byte, error)
	close()
}

var codecClass = vm.RegisterClass("Codec", func(r *vm.Runtime, payload uint64) { r.Host.(*Instance).dropCodec(payload) })

func (in *Instance) dropCodec(payload uint64) {
	if c, ok := in.codecs[payload]; ok {
		delete(in.codecs, payload)
		c.close()
	}
}

func codecFunc(name string, length int, fn func(in *Instance, c codec, args vm.Args) (vm.Value, error)) struct{} {
	return register(name, length, func(in *Instance, args vm.Args) (vm.Value, error) {
		n, ok := in.r.Payload(codecClass, args.At(0))
		c := in.codecs[n]
		if !ok || c == nil {
			return vm.Undefined, errCodecOver
		}
		return fn(in, c, args)
	})
}

var errCodecOver = vm.TypeError("The compressed stream is over")

var (
	// codecOpen(format, decompress)
	_ = register("codecOpen", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		format, _ := args.At(0).Int32()
		in.lastCodec++
		v, _, err := in.r.HostObject(codecClass, vm.Undefined, in.lastCodec)
		if err != nil {
			return vm.Undefined, err
		}
		if in.codecs == nil {
			in.codecs = make(map[uint64]codec)
		}
		if args.At(1).Truth() {
			in.codecs[in.lastCodec] = newDecompressor(int(format))
		} else {
			in.codecs[in.lastCodec] = newCompressor(int(format))
		}
		return v, nil
	})
	_ = codecFunc("codecWrite", 2, func(in *Instance, c codec, args vm.Args) (vm.Value, error) {
		b, _ := in.r.Bytes(args.At(1))
		return vm.Undefined, c.write(b)
	})
	_ = codecFunc("codecEnd", 1, func(_ *Instance, c codec, _ vm.Args) (vm.Value, error) { return vm.Undefined, c.end() })
	// codecNext: a piece of output, or null.
	_ = codecFunc("codecNext", 1, func(in *Instance, c codec, _ vm.Args) (vm.Value, error) {
		b, err := c.next()
		if err != nil {
			return vm.Undefined, err
		}
		if b == nil {
			return vm.Null, nil
		}
		return in.r.Uint8Array(b)
	})
	_ = register("codecClose", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		if n, ok := in.r.Payload(codecClass, args.At(0)); ok {
			in.dropCodec(n)
		}
		return vm.Undefined, nil
	})
)

// deflater is what the three writers have in common.
type deflater interface {
	io.WriteCloser
	Reset(io.Writer)
}

// deflaters keeps writers that are not in use: each holds some hundred kilobytes.
var deflaters [3]sync.Pool

// compressor is a codec over a writer.
type compressor struct {
	format int
	w      deflater // nil once it is over
	out    bytes.Buffer
}

func newCompressor(format int) *compressor {
	c := &compressor{format: format}
	if w, ok := deflaters[format].Get().(deflater); ok {
		w.Reset(&c.out)
		c.w = w
		return c
	}
	// The level is one that there is, so none of them fails.
	switch format {
	case formatGzip:
		c.w, _ = gzip.NewWriterLevel(&c.out, compressLevel)
	case formatDeflate:
		c.w, _ = zlib.NewWriterLevel(&c.out, compressLevel)
	default:
		c.w, _ = flate.NewWriter(&c.out, compressLevel)
	}
	return c
}

func (c *compressor) write(b []byte) error {
	_, err := c.w.Write(b)
	return err
}

func (c *compressor) end() error {
	err := c.w.Close()
	c.close()
	return err
}

func (c *compressor) next() ([]byte, error) {
	if c.out.Len() == 0 {
		if c.out.Cap() > 2*codecPiece {
			c.out = bytes.Buffer{} // one large chunk must not keep its memory
		}
		return nil, nil
	}
	return c.out.Next(codecPiece), nil
}

func (c *compressor) close() {
	if c.w != nil {
		c.w.Reset(io.Discard)
		deflaters[c.format].Put(c.w)
		c.w = nil
	}
}

// decompressor is a codec over a reader. Readers pull their input, and here it is pushed: so the reader runs in a coroutine,
// which stands still while there is nothing to read.
type decompressor struct {
	in    input
	pull  func() (step, bool)
	stop  func()
	ended bool // the compressed data is complete
	err   error
}

// step is what the coroutine stops for: output, or nothing when it needs input.
type step struct {
	out []byte
	err error
}

func newDecompressor(format int) *decompressor {
	d := new(decompressor)
	d.pull, d.stop = iter.Pull(func(yield func(step) bool) {
		d.in.wait = func() bool { return yield(step{}) }
		r, err := openReader(&d.in, format)
		if err != nil {
			yield(step{err: err})
			return
		}
		buf := make([]byte, codecPiece)
		for {
			n, err := r.Read(buf)
			if n > 0 && !yield(step{out: buf[:n]}) {
				return
			}
			if err != nil {
				yield(step{err: err})
				return
			}
		}
	})
	return d
}

func openReader(in *input, format int) (io.Reader, error) {
	switch format {
	case formatGzip:
		r, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		r.Multistream(false)
		return r, nil
	case formatDeflate:
		return zlib.NewReader(in)
	}
	return flate.NewReader(in), nil
}

var (
	errCorrupt   = vm.TypeError("The compressed data was not valid.")
	errTruncated = vm.TypeError("Called close() on a decompression stream with incomplete data")
	errTrailing  = vm.TypeError("Trailing bytes after end of compressed data")
)

func (d *decompressor) write(b []byte) error {
	if d.err != nil {
		return d.err
	}
	if d.ended && len(b) > 0 {
		d.err = errTrailing
		return d.err
	}
	d.in.b = append(d.in.b[:0], b...)
	d.in.at = 0
	return nil
}

func (d *decompressor) end() error {
	if d.err != nil {
		return d.err
	}
	d.in.eof = true
	return nil
}

func (d *decompressor) next() ([]byte, error) {
	if d.err != nil {
		return nil, d.err
	}
	if d.ended {
		return nil, nil
	}
	if len(d.in.b) == d.in.at && !d.in.eof && d.in.waiting {
		return nil, nil
	}
	d.in.waiting = false
	s, ok := d.pull()
	switch {
	case !ok:
		d.err = errCorrupt
	case s.out != nil:
		return s.out, nil
	case s.err == nil:
		d.in.waiting = true
		return nil, nil
	case errors.Is(s.err, io.EOF) && !d.in.hungry:
		d.ended = true
		d.stop()
		if d.in.at < len(d.in.b) {
			d.err = errTrailing
		}
	case d.in.hungry:
		d.err = errTruncated
	default:
		d.err = errCorrupt
	}
	return nil, d.err
}

func (d *decompressor) close() { d.stop() }

// input is what a reader reads: the bytes that have been pushed.
type input struct {
	b       []byte
	at      int
	eof     bool
	waiting bool // the coroutine stands in wait
	hungry  bool // the reader was told that there is no more
	wait    func() bool
}

// fill waits for bytes; false if there will be none.
func (in *input) fill() bool {
	for in.at == len(in.b) {
		if in.eof || !in.wait() {
			in.hungry = true
			return false
		}
	}
	return true
}

func (in *input) Read(p []byte) (int, error) {
	if !in.fill() {
		return 0, io.EOF
	}
	n := copy(p, in.b[in.at:])
	in.at += n
	return n, nil
}

// ReadByte keeps the reader from taking more than its data: what is behind is an error of its own.
func (in *input) ReadByte() (byte, error) {
	if !in.fill() {
		return 0, io.EOF
	}
	in.at++
	return in.b[in.at-1], nil
}

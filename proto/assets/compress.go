package assets

import (
	"bytes"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// minCompressed is the size from which a file is compressed: below it fits into one packet either way.
const minCompressed = 1024

// compressible reports whether files of a type usually become smaller.
func compressible(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	switch t {
	case "application/json", "application/xml", "image/svg+xml", "application/manifest+json", "application/wasm", "font/ttf", "font/otf", "image/x-icon":
		return true
	}
	return strings.HasPrefix(t, "text/")
}

// compressor compresses one file after another. Files are compressed once and served often, so it takes its time.
type compressor struct {
	gzip *gzip.Writer
	zstd *zstd.Encoder
}

// forms returns the forms that save at least a tenth.
func (c *compressor) forms(data []byte) *forms {
	worth := func(b []byte) []byte {
		if len(b) > len(data)*9/10 {
			return nil
		}
		return bytes.Clone(b)
	}
	var f forms
	var buf bytes.Buffer
	if c.gzip == nil {
		c.gzip, _ = gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level is a valid one
	}
	c.gzip.Reset(&buf)
	if _, err := c.gzip.Write(data); err == nil && c.gzip.Close() == nil {
		f.gzip = worth(buf.Bytes())
	}
	if c.zstd == nil {
		c.zstd, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1)) // both are valid
	}
	f.zstd = worth(c.zstd.EncodeAll(data, nil))
	return &f
}

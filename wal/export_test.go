package wal

// SmallSegments makes segments full at n bytes.
func SmallSegments(o Options, n int64) Options {
	o.segmentSize = n
	return o
}

package loop

import "math/bits"

// buffers recycles the byte slices of one loop's connections, so that a connection keeps memory only while
// bytes wait in it. Owned by its loop: a free list without a lock, which the collector does not empty in the
// middle of a burst as it does a sync.Pool.
//
// Sizes are powers of two from 512 B to 1 MiB; at most 256 KiB of each size are kept, or 1 MiB of those that a message to a thousand connections needs, but two
// slices in any case, so a loop keeps at most 9 MiB. Larger slices are left to the collector.
type buffers struct {
	free [maxClass - minClass + 1][][]byte
}

const (
	minClass   = 9  // 512 B
	maxClass   = 20 // 1 MiB
	keepBytes  = 256 << 10
	keepSmall  = 1 << 20 // of sizes up to 1<<smallClass
	smallClass = 12
)

// get returns an empty slice with room for at least n bytes.
func (p *buffers) get(n int) []byte {
	class := max(minClass, bits.Len(uint(n-1)))
	if class > maxClass {
		return make([]byte, 0, n)
	}
	free := &p.free[class-minClass]
	if last := len(*free) - 1; last >= 0 {
		b := (*free)[last]
		(*free)[last] = nil
		*free = (*free)[:last]
		return b
	}
	return make([]byte, 0, 1<<class)
}

// put takes b back, which nobody may use any more. It must begin where get's slice began.
func (p *buffers) put(b []byte) {
	class := bits.Len(uint(cap(b))) - 1
	if class < minClass || class > maxClass || cap(b) != 1<<class {
		return
	}
	keep := keepBytes
	if class <= smallClass {
		keep = keepSmall
	}
	free := &p.free[class-minClass]
	if len(*free) < max(2, keep>>class) {
		*free = append(*free, b[:0])
	}
}

// queue is a first-in, first-out run of bytes in a recycled buffer. The zero queue is empty and holds no
// memory. Owned by its connection.
type queue struct {
	buf   []byte // from buffers.get, or nil
	start int    // buf[start:] waits
}

func (q *queue) bytes() []byte { return q.buf[q.start:] }
func (q *queue) len() int      { return len(q.buf) - q.start }

// append copies b to the end.
func (q *queue) append(p *buffers, b []byte) {
	if len(b) == 0 {
		return
	}
	if len(b) > cap(q.buf)-len(q.buf) {
		waiting := q.bytes()
		if need := len(waiting) + len(b); need <= cap(q.buf) && q.start >= len(waiting) {
			q.buf = q.buf[:copy(q.buf[:cap(q.buf)], waiting)] // what was taken makes room
		} else {
			grown := append(p.get(max(need, min(2*len(waiting), 1<<20+need))), waiting...)
			p.put(q.buf)
			q.buf = grown
		}
		q.start = 0
	}
	q.buf = append(q.buf, b...)
}

// take drops the first n bytes, and the memory once nothing is left.
func (q *queue) take(p *buffers, n int) {
	q.start += n
	if q.start == len(q.buf) {
		p.put(q.buf)
		q.buf, q.start = nil, 0
	}
}

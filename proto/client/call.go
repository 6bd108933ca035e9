package client

import (
	"strconv"
	"sync"
	"sync/atomic"

	"everloop/proto/resp"
)

// call is one command and its answer. It belongs to its caller until it is queued, then to its connection, and again to its
// caller when the answer is there; or to nobody, when the caller has given up: then the connection recycles it.
type call struct {
	home  *callPool
	next  *call  // in the connection's queue
	epoch uint64 // of the connection when the command was queued; see conn.epoch
	state atomic.Uint32

	// What is sent: a command of four or more words, of which body is the last (words is 1), or has the last ones as they go out; or, if
	// verb is empty, the whole command.
	verb, class, object, method string
	words                       int
	body                        []byte // of the caller: used while it is queued, no longer
	scratch                     []byte // memory for body

	// Who gets the answer.
	receiver Receiver      // told on the reading goroutine; or nil, and then:
	done     chan struct{} // with room for the one answer
	reply    []byte        // a copy of the answer's bytes
	whole    bool          // the answer is wanted whatever it is, in value
	value    resp.Value
	err      error
}

// States of a call that somebody waits for.
const (
	waiting   uint32 = iota
	answered         // the answer is in it, or the error
	abandoned        // nobody waits any more
)

// callPool has calls that are not in use. Every client has its own: their channels belong to the bubble of the test (testing/synctest) that they were
// made in, as the client does.
type callPool struct{ pool sync.Pool }

func (p *callPool) get() *call {
	if k, ok := p.pool.Get().(*call); ok {
		return k
	}
	return &call{home: p, done: make(chan struct{}, 1)}
}

// recycle gives the memory of k to the next call.
func (k *call) recycle() {
	if cap(k.scratch) > maxScratch {
		k.scratch = nil
	}
	if cap(k.reply) > maxScratch {
		k.reply = nil
	}
	k.state.Store(waiting)
	k.next, k.body, k.receiver, k.err = nil, nil, nil, nil
	k.verb, k.class, k.object, k.method = "", "", "", ""
	k.words, k.whole, k.value = 0, false, resp.Value{}
	k.scratch, k.reply = k.scratch[:0], k.reply[:0]
	k.home.pool.Put(k)
}

// appendTo writes the command.
func (k *call) appendTo(dst []byte) []byte {
	if k.verb == "" {
		return append(dst, k.body...)
	}
	dst = appendLine(dst, '*', 4+k.words)
	dst = resp.AppendBulkString(dst, k.verb)
	dst = resp.AppendBulkString(dst, k.class)
	dst = resp.AppendBulkString(dst, k.object)
	dst = resp.AppendBulkString(dst, k.method)
	if k.words == 1 {
		return resp.AppendBulk(dst, k.body)
	}
	return append(dst, k.body...)
}

// size is at least the number of bytes that appendTo writes.
func (k *call) size() int {
	const framing = 6 * len("$12345678\r\n\r\n")
	return framing + len(k.verb) + len(k.class) + len(k.object) + len(k.method) + len(k.body)
}

func appendLine(dst []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, kind), int64(n), 10), "\r\n"...)
}

// bytesOf puts arguments that are bytes into a call's body.
func (k *call) bytesOf(args [][]byte) {
	k.words = len(args)
	if k.words == 1 {
		k.body = args[0]
		return
	}
	k.scratch = k.scratch[:0]
	for _, a := range args {
		k.scratch = resp.AppendBulk(k.scratch, a)
	}
	k.body = k.scratch
}

// answer gives the answer, v or err, to whoever wants it. It is called once for each time that k was queued, and k is not the
// connection's after it.
func (k *call) answer(v *resp.Value, err error) {
	if err == nil && v.IsError() {
		err = k.failure(v)
	}
	if k.receiver != nil {
		r := k.receiver
		var value []byte
		if err == nil && v.Kind != resp.Null {
			value = v.Bytes
		}
		k.recycle()
		r.Done(value, err)
		return
	}
	if k.err = err; err == nil {
		if k.whole {
			k.value = v.Clone()
		} else {
			k.reply = append(k.reply[:0], v.Bytes...)
		}
	}
	if k.state.CompareAndSwap(waiting, answered) {
		k.done <- struct{}{}
	} else {
		k.recycle()
	}
}

// abandon reports whether k is no longer the caller's: nobody waits for its answer. If it reports false, the answer has just come.
func (k *call) abandon() bool {
	if k.state.CompareAndSwap(waiting, abandoned) {
		return true
	}
	<-k.done
	return false
}

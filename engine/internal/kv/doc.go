// Package kv is one object's storage in memory: an ordered map from string keys to opaque byte values, made
// for millions of objects that are idle and nearly all small, and for a few that are large.
//
//   - [Store] holds the entries. Few and small entries live in one packed, sorted, pointer-free slice: the
//     collector has one thing to look at and nothing to chase. Beyond [MaxPackedBytes] or [MaxPackedEntries]
//     they move to an ordered tree, and back once they have shrunk well below.
//   - [Frozen] is a Store as it was at a moment, for one who reads it on another goroutine while the Store goes on.
//   - [Builder] makes Stores out of entries in order.
//   - [Tx] is an overlay over a Store or over another Tx: reads see its writes merged with what is below,
//     Commit hands them down, Rollback forgets them.
//   - [Range] says what a scan walks, with the semantics of Durable Object storage's list().
//
// Nothing here is safe for concurrent use, but for scanning a Frozen: a Store and its overlays are owned by the object they belong to, and
// are touched on that object's loop only. The package knows no limits on keys and values, no clock and no
// log; whoever calls it checks the limits first.
//
// # Lifetimes
//
// Keys and values are copied in. What comes out (Get, and both slices that a scan passes) aliases the
// store's memory: it is valid until the next write to the same store or overlay, and must not be modified.
// Overwriting works in place wherever the new value fits, so a value that was kept across a write shows
// other bytes, not the old ones: copy what must live longer. Handing such a slice back to Put is fine.
package kv

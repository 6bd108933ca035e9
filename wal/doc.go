// Package wal is everything that an engine keeps on disk: a log of numbered records with group commit, snapshots that
// stand in the place of its beginning, and the manifest beside them. It is the only importer of github.com/tidwall/wal.
// It knows numbers and opaque bytes, nothing of objects. docs/format/wal.md and snapshot.md specify every byte.
//
// # Use
//
//	log, err := wal.Open(dir, wal.Options{Buffers: loops, OnDurable: ...})
//	rec, err := log.Replay(func(c *wal.Chunk) error { ... }, end)  // once
//	n, err := log.Append(loop, record)  // on loop `loop`: numbered, in memory, not yet durable
//	log.Demand(n)                       // something waits for n
//	log.EndRound(loop)                  // at the end of the loop's round: commit, or wake the committer
//	... OnDurable(durable, nil)         // everything up to durable may be revealed
//	err = log.Close()
//
// A snapshot, on a goroutine that is no loop's:
//
//	w, err := log.StartSnapshot()       // a new generation of the log
//	err = w.Write(frame)                // again and again: what there is, each with the number that it is up to
//	info, err := w.Install(log.Last())  // the next start reads this, and the log from the new generation on
//
// # Who calls what
//
// Each loop has a buffer of its own and is the only caller of Append and EndRound for it. Everything else may
// be called from any goroutine. OnDurable runs on the goroutine that committed: the loop itself, inside its
// EndRound, the log's committer, or, when a snapshot is started or installed, the goroutine that does that. It must
// not block, and may call everything but EndRound, Replay, Close, what makes a snapshot, and History.
//
// # What it promises
//
// Records get their number when they are handed over (Append), from one counter, so there is one total order.
// A commit cuts under the locks of all buffers: every number given so far is in the batch or in one before it.
// A loop hands its records over before it delivers the messages that tell of them, so an effect is never in an
// earlier batch than its cause, and what survives a crash is a causally closed prefix. A batch is one entry
// with a checksum: it survives whole or not at all. One batch is in flight at a time.
//
// In [SyncAlways] a number is reported durable after an fsync that covers it, of the file and, where the file
// is new, of its directory. The first write or fsync that fails ends the log until the next Open: what reached
// the disk is then unknown, and trying again is how other logs have lost data. See [ErrFailed].
//
// A snapshot takes the place of the log before it when the log on the disk reaches past everything that it tells of. Until
// then, and if anything goes wrong before, it means nothing, and the log goes on.
package wal

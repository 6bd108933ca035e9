package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"everloop/loop"
	"everloop/wal"
)

// Log is the log of a partition, as the engine sees it: package wal has the one on disk, and waltest one in
// memory. A partition is one log with its epoch and its shards; an engine has one partition.
//
// Append, EndRound and Demand are called from the loops, Replay before anything else. The contract of each is
// that of the method of the same name of [wal.Log].
type Log interface {
	Replay(fn func(c *wal.Chunk) error, end func() error) (wal.Recovery, error)
	Append(buffer int, record []byte) (wal.LSN, error)
	Demand(n wal.LSN)
	EndRound(buffer int)
	Durable() wal.LSN
	Last() wal.LSN
	Writable() error
	Err() error
	StartSnapshot() (wal.SnapshotWriter, error)
	Size() wal.Size
	History() (wal.History, error)
	Close() error
}

// Options configure an engine. The zero value of each field works, but for Dir.
type Options struct {
	// Dir is the data directory. It is made if it does not exist, and locked while the engine is open.
	Dir string
	// Loops is the number of event loops of the pool that Open makes. Default 1, which measures best as long
	// as handlers take a few microseconds: all that one round did shares one fsync. Ignored with Pool.
	Loops int
	// Pool is a pool to run on instead of one that Open makes; the caller closes it after the engine. A
	// protocol that listens shares its pool with the engine in this way.
	Pool loop.Pool
	// Sync says when what was written counts as durable. Default wal.SyncAlways: after its fsync.
	Sync wal.SyncMode
	// OpenLog opens the log instead of wal.Open. For tests. It must call durable after each commit and
	// once when the log fails.
	OpenLog func(loops int, durable func(wal.LSN, error)) (Log, error)

	// SnapshotLog is how many bytes of log a start may have to read, behind the snapshot: when there are more, and more than the last
	// snapshot has, the engine makes a snapshot by itself. Default 64 MiB; below 0: never for this reason.
	SnapshotLog int64
	// SnapshotAge is after how long the engine makes a snapshot by itself if anything was written since the last one. Default 24 h;
	// below 0: never for this reason.
	SnapshotAge time.Duration
	// Retain is how much history is kept for time travel beside what a start reads. Default: none.
	Retain wal.Retain
	// Progress is told by Open how many bytes of the log and its snapshot were read, of how many, now and then, on one goroutine.
	Progress func(done, total int64)
	// SnapshotWork runs the work of snapshots that is done off the loops, in order, one piece at a time. For tests that play the loops on
	// one goroutine, which run it at once. Default: on a goroutine of its own.
	SnapshotWork func(work func())

	// IdleTimeout is how long an object stays live with nothing to do. Default 10 s.
	IdleTimeout time.Duration
	// BlockTimeout bounds a critical section: blockConcurrencyWhile and a transaction. Default 30 s.
	BlockTimeout time.Duration
	// MaxEvents bounds the events of one object that wait or are under way; further ones fail as
	// overloaded. Default 16,384.
	MaxEvents int
	// MaxQueuedBytes bounds the arguments and bodies of the events that wait for one object; further ones fail as overloaded. One alone
	// may have more. Default 64 MiB.
	MaxQueuedBytes int
	// MaxQueueTime is how long an event waits for its object at most. What has waited longer fails as overloaded, and so does what
	// comes while such an event is still waiting. Default 60 s.
	MaxQueueTime time.Duration

	// MaxAlarms is how many alarms run at once on one loop; others that are due wait. Default 1,024. More help where handlers
	// wait for others; each may keep an instance in memory. A run that has taken 10 s does not count any more, unless 16 times as
	// many are such.
	MaxAlarms int
	// AlarmTimeout is how long the handler of an alarm may take. Default 15 min.
	AlarmTimeout time.Duration
	// Seed decides by how much retries of alarms are put off, for tests that are to be repeated. Default: random.
	Seed uint64

	// Transport makes the exchanges of outgoing requests (State.Fetch, and the global fetch of TypeScript), on goroutines off
	// the loops. It must not follow redirects, and must end when the request's context does. Default: Go's HTTP client, over
	// HTTP/1.1 and HTTP/2, without a proxy; docs/operating.md has its bounds. Give another to
	// restrict where programs may connect to.
	Transport http.RoundTripper
	// WebSockets speaks the protocol of WebSockets on the connections of outgoing requests that ask for one (State.DialWebSocket, a fetch with
	// "upgrade: websocket" and new WebSocket of TypeScript). Transport makes the connections: the body of its answer of status 101 must be an
	// io.ReadWriteCloser, as that of Go's client is. server.SocketClient is one. Default: none, and such requests fail.
	WebSockets SocketClient

	// Logger takes the engine's log lines. Default slog.Default().
	Logger *slog.Logger
}

// EnsureDefaults sets what is zero.
func (o *Options) EnsureDefaults() {
	if o.Loops == 0 {
		o.Loops = 1
	}
	if o.SnapshotLog == 0 {
		o.SnapshotLog = 64 << 20
	}
	if o.SnapshotAge == 0 {
		o.SnapshotAge = 24 * time.Hour
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 10 * time.Second
	}
	if o.BlockTimeout == 0 {
		o.BlockTimeout = 30 * time.Second
	}
	if o.MaxEvents == 0 {
		o.MaxEvents = 16384
	}
	if o.MaxQueuedBytes == 0 {
		o.MaxQueuedBytes = 64 << 20
	}
	if o.MaxQueueTime == 0 {
		o.MaxQueueTime = 60 * time.Second
	}
	if o.MaxAlarms == 0 {
		o.MaxAlarms = 1024
	}
	if o.AlarmTimeout == 0 {
		o.AlarmTimeout = 15 * time.Minute
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Validate reports what is wrong.
func (o *Options) Validate() error {
	switch {
	case o.Dir == "" && o.OpenLog == nil:
		return errors.New("engine: Options.Dir is empty: name a data directory")
	case o.Loops < 1 || o.Loops > 64:
		return fmt.Errorf("engine: Options.Loops is %d: want 1 to 64", o.Loops)
	case o.IdleTimeout < 0, o.BlockTimeout < 0, o.MaxQueueTime < 0, o.AlarmTimeout < 0:
		return errors.New("engine: Options has a negative time-out")
	case o.MaxEvents < 1:
		return fmt.Errorf("engine: Options.MaxEvents is %d: want at least 1", o.MaxEvents)
	case o.MaxAlarms < 1:
		return fmt.Errorf("engine: Options.MaxAlarms is %d: want at least 1", o.MaxAlarms)
	case o.MaxQueuedBytes < 1:
		return fmt.Errorf("engine: Options.MaxQueuedBytes is %d: want at least 1", o.MaxQueuedBytes)
	}
	return nil
}

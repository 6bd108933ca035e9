package links

import (
	"context"
	"fmt"

	"everloop/bench/drive"
)

// Codec is how operations look on one connection. It is pure: bytes in, values out. There is a new one for each connection, also for
// one that is made again.
type Codec interface {
	// Hello appends what is sent first, before any operation. Nothing: operations are sent at once.
	Hello(dst []byte) []byte
	// Welcome reads the answer to Hello that b begins with: its length, or 0 while it is not complete.
	Welcome(b []byte) (n int, err error)
	// Append appends an operation.
	Append(dst []byte, op *drive.Op) []byte
	// Read reads the first thing in b. op is the operation that is answered next; nil: none is under way. What cannot be read on is
	// an error.
	Read(b []byte, op *drive.Op) (Heard, error)
}

// Heard is one thing that a server has said.
type Heard struct {
	// Length is that of the thing in bytes; 0: it is not complete, and nothing else counts.
	Length int
	// Aside says that it answers no operation.
	Aside bool
	// Failure says that the operation has failed, if not nil.
	Failure *drive.Failure
	// Close says that nothing further comes on this connection.
	Close bool
	// Reply is what must be said to it; nil for most.
	Reply []byte
}

// Target is a server that is spoken to by sockets.
type Target struct {
	Address Address
	// Codec makes the codec of a connection, whose number is counted over all workers. It is called on the worker's goroutine.
	Codec func(w *drive.Worker, conn int) Codec
	// Depth bounds how many operations may be under way on a connection. 0: no bound but the plan's.
	Depth int
}

// Open is part of drive.Target.
func (t *Target) Open(ctx context.Context, w *drive.Worker) (drive.Session, error) {
	s, err := newSession(t, w)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		_ = s.Close() // it holds nothing that could be lost
		return nil, fmt.Errorf("%s: %w", t.Address, err)
	}
	return s, nil
}

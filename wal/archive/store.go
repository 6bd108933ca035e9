package archive

import (
	"context"
	"errors"
	"io"
)

var (
	// ErrConflict is returned when somebody else has replaced the index of a backup meanwhile, or has it locked.
	ErrConflict = errors.New("another backup writes to the same place")
	// ErrNotFound is matched by the error of Get for an object that is not there.
	ErrNotFound = errors.New("there is no such object")
)

// Store is the place that a backup is kept in: a directory, or a prefix of a bucket. Safe for concurrent use.
//
// Names are those of docs/format/backup.md, with slashes. What Put and Replace have written is durable when they return.
type Store interface {
	// String names the place for people.
	String() string
	// Lock keeps others from writing, where the place can do that. It fails with ErrConflict.
	Lock() (unlock func(), err error)
	// Index reads the index. tag stands for exactly this content; both are empty when there is none.
	Index(ctx context.Context) (data []byte, tag string, err error)
	// Replace replaces the index if it still is the one that tag stands for, and returns the new one's tag. It fails with ErrConflict.
	Replace(ctx context.Context, data []byte, tag string) (newTag string, err error)
	// Put writes an object, or replaces it by the same. It may call open several times, one after the other.
	Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error
	// Get reads an object.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List calls fn for each object but the index, in any order, from one goroutine.
	List(ctx context.Context, fn func(name string, size int64) error) error
	// Remove removes objects. One that is not there is no error.
	Remove(ctx context.Context, names []string) error
}

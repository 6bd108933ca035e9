package wal

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// OpKind is a way of changing the directory.
type OpKind uint8

// The operations. Sync and SyncDir make durable what the others did: Sync the bytes and the length of one
// file, SyncDir the names in one directory.
const (
	OpMkdir    OpKind = iota + 1 // Path is a new directory
	OpCreate                     // Path is a new, empty file
	OpWrite                      // Data goes to Path at Offset
	OpTruncate                   // Path is cut to Offset bytes
	OpSync                       // fsync of the file Path
	OpSyncDir                    // fsync of the directory Path
	OpRename                     // Path becomes To, replacing it
	OpRemove                     // the file, or the empty directory, Path is removed
)

func (k OpKind) String() string {
	names := [...]string{"", "mkdir", "create", "write", "truncate", "sync", "syncdir", "rename", "remove"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("op(%d)", k)
}

// Op is one operation on the directory. Data belongs to the log and is valid during the call.
type Op struct {
	Kind   OpKind
	Path   string
	To     string
	Offset int64
	Data   []byte
}

// Disk stands between the log and its directory. Its methods are called from Open, Replay and Close, by the committing
// goroutine, and at the same time by the one that makes a snapshot or removes what is no longer needed; each waits for the operation before it. LOCK is
// no part of it.
//
// Some work is done inside tidwall/wal, where nothing can stand between: then perform is what causes it, and
// the operations are announced in the order in which they happen. (When a segment is full, the package writes,
// fsyncs, and creates the next one in a single call; the write is announced with that call as its perform, the
// fsync and the creation afterwards with a perform that does nothing.)
type Disk interface {
	// Do carries op out by calling perform, at most once, and returns its error; or it returns an error of
	// its own without calling it.
	Do(op Op, perform func() error) error
	// Free returns the number of bytes that an unprivileged process can still write below dir.
	Free(dir string) (int64, error)
}

// osDisk is the real one.
type osDisk struct{}

func (osDisk) Do(_ Op, perform func() error) error { return perform() }

func (osDisk) Free(dir string) (int64, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * st.Bsize, nil
		}
		if err != unix.EINTR {
			return 0, fmt.Errorf("wal: statfs %s: %w", dir, err)
		}
	}
}

func nothing() error { return nil }

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func syncDir(d Disk, dir string) error {
	return d.Do(Op{Kind: OpSyncDir, Path: dir}, func() error { return syncPath(dir) })
}

func syncFile(d Disk, path string) error {
	return d.Do(Op{Kind: OpSync, Path: path}, func() error { return syncPath(path) })
}

// makeDir makes one directory; its name is durable after a syncDir of the parent.
func makeDir(d Disk, dir string) error {
	return d.Do(Op{Kind: OpMkdir, Path: dir}, func() error { return os.Mkdir(dir, 0o750) })
}

// createFile makes an empty file, or empties one; its name is durable after a syncDir.
func createFile(d Disk, path string) error {
	return d.Do(Op{Kind: OpCreate, Path: path}, func() error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
		if err != nil {
			return err
		}
		return f.Close()
	})
}

func writeAt(d Disk, path string, offset int64, data []byte) error {
	return d.Do(Op{Kind: OpWrite, Path: path, Offset: offset, Data: data}, func() error {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt(data, offset)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return err
	})
}

func truncate(d Disk, path string, size int64) error {
	return d.Do(Op{Kind: OpTruncate, Path: path, Offset: size}, func() error { return os.Truncate(path, size) })
}

func removeFile(d Disk, path string) error {
	return d.Do(Op{Kind: OpRemove, Path: path}, func() error { return os.Remove(path) })
}

// replaceFile puts data in the place of path, atomically and durably. replaced: path is, or may be, the new one.
func replaceFile(d Disk, path string, data []byte) (replaced bool, err error) {
	tmp := path + ".tmp"
	if err := createFile(d, tmp); err != nil {
		return false, err
	}
	if err := writeAt(d, tmp, 0, data); err != nil {
		return false, err
	}
	if err := syncFile(d, tmp); err != nil {
		return false, err
	}
	if err := rename(d, tmp, path); err != nil {
		return true, err
	}
	return true, syncDir(d, filepath.Dir(path))
}

func rename(d Disk, from, to string) error {
	return d.Do(Op{Kind: OpRename, Path: from, To: to}, func() error { return os.Rename(from, to) })
}

package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// directory is a Store of files.
type directory struct{ root string }

// OpenDirectory returns the store that dir is. It is made by the first thing that is written.
func OpenDirectory(dir string) (Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(abs); err == nil && !st.IsDir() {
		return nil, fmt.Errorf("%s is a file, not a directory", dir)
	}
	return &directory{root: abs}, nil
}

func (d *directory) String() string { return d.root }

const lockName = "LOCK"

// Lock keeps a second backup on this machine, or on another one that sees the same locks, from writing here.
func (d *directory) Lock() (unlock func(), err error) {
	if err := makeDirs(d.root); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(d.root, lockName), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is locked by it", ErrConflict, d.root)
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	// Whoever has the lock knows that nobody is writing: what was begun and not finished stays that way.
	if err := d.sweepTemporary(); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

const temporary = ".tmp"

func (d *directory) sweepTemporary() error {
	for _, folder := range []string{"", "log", "snap", "list"} {
		left, err := filepath.Glob(filepath.Join(d.root, folder, "*"+temporary))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *directory) Index(context.Context) (data []byte, tag string, err error) {
	path := filepath.Join(d.root, indexName)
	st, err := os.Stat(path)
	if err == nil && st.Size() > 2*maxIndex {
		return nil, "", damaged("the index has %d bytes", st.Size())
	}
	if err == nil {
		data, err = os.ReadFile(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	return data, tagOf(data), nil
}

func tagOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (d *directory) Replace(ctx context.Context, data []byte, tag string) (newTag string, err error) {
	if _, now, err := d.Index(ctx); err != nil {
		return "", err
	} else if now != tag {
		return "", fmt.Errorf("%w: %s", ErrConflict, d.root)
	}
	err = d.write(ctx, indexName, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	return tagOf(data), err
}

func (d *directory) Put(ctx context.Context, name string, _ int64, open func() (io.ReadCloser, error)) error {
	return d.write(ctx, name, open)
}

// write puts a file in its place, whole and durable or not at all.
func (d *directory) write(ctx context.Context, name string, open func() (io.ReadCloser, error)) (err error) {
	path := filepath.Join(d.root, filepath.FromSlash(name))
	folder := filepath.Dir(path)
	if err := makeDirs(folder); err != nil {
		return err
	}
	from, err := open()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path+temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, withContext(ctx, from))
	if err == nil {
		err = to.Sync()
	}
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(to.Name(), path)
	}
	if err != nil {
		_ = os.Remove(to.Name()) // whoever locks next does it otherwise
		return err
	}
	return syncDirectory(folder)
}

func (d *directory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(d.root, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return f, err
}

func (d *directory) List(ctx context.Context, fn func(name string, size int64) error) error {
	for _, folder := range []string{"log", "snap", "list"} {
		entries, err := os.ReadDir(filepath.Join(d.root, folder))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) || err == nil && (e.IsDir() || strings.HasSuffix(e.Name(), temporary)) {
				continue
			}
			if err != nil {
				return err
			}
			if err := errors.Join(ctx.Err(), fn(folder+"/"+e.Name(), info.Size())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *directory) Remove(ctx context.Context, names []string) error {
	for _, name := range names {
		err := os.Remove(filepath.Join(d.root, filepath.FromSlash(name)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil // a name that comes back after a power cut is a leftover, which a later backup removes
}

// makeDirs makes dir and what is missing above it, durably.
func makeDirs(dir string) error {
	err := os.Mkdir(dir, 0o750)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err = makeDirs(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o750)
	}
	if errors.Is(err, fs.ErrExist) {
		if st, serr := os.Stat(dir); serr == nil && st.IsDir() {
			return nil
		}
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(dir))
}

func syncDirectory(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func withContext(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

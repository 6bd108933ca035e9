package waltest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"everloop/wal"
)

// Journal is the [wal.Disk] of a process that will be killed: it carries operations out, and writes each down in a file
// beside the directory, before it begins and when it has ended. What is in that file outlives the process, so that whoever killed
// it can have a [PowerDisk] go the same way ([PowerDisk.Follow]), and cut the power. Nothing is really
// fsynced. Safe for concurrent use; operations are carried out one at a time.
type Journal struct {
	mu    sync.Mutex
	root  string
	file  *os.File
	entry []byte
	hook  func(op wal.Op, done bool) error
}

// NewJournal makes the journal file of a directory. hook, if there is one, is called when an operation is about to begin and when
// it has been carried out, both before its end is written down; it may end the process. An error of the former makes the operation fail
// without an effect (a failed fsync has the effect that its pages are lost, see [PowerDisk]).
func NewJournal(root, file string, hook func(op wal.Op, done bool) error) (*Journal, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("waltest: %w", err)
	}
	if hook == nil {
		hook = func(wal.Op, bool) error { return nil }
	}
	return &Journal{root: root, file: f, hook: hook}, nil
}

// An entry is the kind (1 byte), the offset (8), the lengths of two names and of the data (4 each), then these; then, when the
// operation has ended, one byte: 1 if it was carried out.
const entryHead = 1 + 8 + 3*4

// Do implements [wal.Disk].
func (j *Journal) Do(op wal.Op, perform func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	name, err := filepath.Rel(j.root, op.Path)
	to := ""
	if err == nil && op.To != "" {
		to, err = filepath.Rel(j.root, op.To)
	}
	if err != nil {
		return fmt.Errorf("waltest: %s is outside of %s: %w", op.Path, j.root, err)
	}
	j.entry = append(j.entry[:0], byte(op.Kind))
	b := j.entry
	b = binary.LittleEndian.AppendUint64(b, uint64(op.Offset))
	for _, n := range []int{len(name), len(to), len(op.Data)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	b = append(append(append(b, name...), to...), op.Data...)
	j.entry = b
	if _, err := j.file.Write(b); err != nil {
		return fmt.Errorf("waltest: %w", err)
	}
	err = j.hook(op, false)
	if err == nil && op.Kind != wal.OpSync && op.Kind != wal.OpSyncDir { // the model decides what is durable, not the machine
		err = perform()
	}
	if err == nil {
		err = j.hook(op, true)
	}
	end := []byte{1}
	if err != nil {
		end[0] = 0
	}
	if _, werr := j.file.Write(end); werr != nil {
		return fmt.Errorf("waltest: %w", werr)
	}
	return err
}

// Free implements [wal.Disk].
func (*Journal) Free(string) (int64, error) { return 1 << 40, nil }

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// Follow does to the model what a journal of the same directory says. If its last operation has not ended, the process died in it:
// Follow returns it, and as it may have happened in part, either Crash must follow, or Settle.
func (p *PowerDisk) Follow(file string) (underWay *wal.Op, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("waltest: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		op, err := readEntry(r, p.root)
		if err != nil {
			return nil, nilAtEnd(err) // died while it wrote the entry down: the operation has not begun
		}
		p.ops++
		p.counts[op.Kind]++
		end, err := r.ReadByte()
		if err == nil {
			switch {
			case end == 1:
				p.apply(op, p.rel(op.Path))
			case op.Kind == wal.OpSync:
				p.names[p.rel(op.Path)].lose()
			}
			continue
		}
		if err != io.EOF {
			return nil, fmt.Errorf("waltest: %w", err)
		}
		return &op, nil
	}
}

func nilAtEnd(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return fmt.Errorf("waltest: %w", err)
}

func readEntry(r *bufio.Reader, root string) (op wal.Op, err error) {
	var head [entryHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return op, err
	}
	op.Kind, op.Offset = wal.OpKind(head[0]), int64(binary.LittleEndian.Uint64(head[1:]))
	var parts [3][]byte
	for i := range parts {
		parts[i] = make([]byte, binary.LittleEndian.Uint32(head[9+4*i:]))
		if _, err := io.ReadFull(r, parts[i]); err != nil {
			return op, err
		}
	}
	op.Path = filepath.Join(root, string(parts[0]))
	if len(parts[1]) > 0 {
		op.To = filepath.Join(root, string(parts[1]))
	}
	op.Data = parts[2]
	return op, nil
}

// Begin has an operation that Follow returned be under way when the power goes: [PowerDisk.Crash] chooses how much of it there is.
func (p *PowerDisk) Begin(op wal.Op) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if op.Kind != wal.OpSync && op.Kind != wal.OpSyncDir && p.valid(op) {
		p.apply(op, p.rel(op.Path))
	}
}

// Settle is for a process that died while the power stayed on: what it did of the operation that was under way is there, and nothing
// of it is durable yet. op may be nil.
func (p *PowerDisk) Settle(op *wal.Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if op != nil && (op.Kind == wal.OpRename || op.Kind == wal.OpRemove) {
		if _, err := os.Lstat(op.Path); errors.Is(err, fs.ErrNotExist) && p.valid(*op) {
			p.apply(*op, p.rel(op.Path))
		}
	}
	// The rest is seen in the files: a write or a truncation in part, a new name; and what tidwall/wal had done that was
	// not announced yet.
	return filepath.WalkDir(p.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == p.root || e.Name() == "LOCK" {
			return err
		}
		name := p.rel(path)
		n := p.names[name]
		if n == nil {
			n = newInode(e.IsDir())
			p.names[name] = n
			p.pending = append(p.pending, nameOp{dir: p.names[filepath.Dir(name)], to: filepath.Base(name), node: n})
		}
		if n.dir {
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(b, n.now) {
			n.truncate(len(b))
			n.write(0, b)
		}
		return err
	})
}

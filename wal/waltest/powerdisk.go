package waltest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"everloop/wal"
)

// pageSize is the unit in which a file reaches the disk.
const pageSize = 4096

// ErrKilled is what every operation returns between Kill and Revive.
var ErrKilled = errors.New("waltest: process was killed")

// ErrPowerOff is what every operation returns from the moment the power is cut.
var ErrPowerOff = errors.New("waltest: power is off")

// PowerDisk is a directory that can lose power. It is the [wal.Disk] of a real log in a real directory, and
// keeps a model of what is on the platter beside it:
//
//   - of each file, what it was at its last fsync; pages written later, and a length changed later, are on the
//     platter or not, each page by itself;
//   - of each directory, the names it had at its last fsync; each name made, renamed or removed later is on the
//     platter or not, each by itself. (Fsync of a file does not make its name durable.) A directory that is made anew
//     under the name of one that was removed is another one: what was in the other is not in it.
//
// A failed fsync loses its pages for good: they are marked clean and no later fsync takes them, as on Linux, while
// readers still see them.
//
// [PowerDisk.Crash] builds a directory out of what a seed chooses from that. Faults are injected by the number
// of the operation of their kind, counted from 1 from the call on. Nothing is really fsynced. Safe for concurrent
// use.
type PowerDisk struct {
	mu   sync.Mutex
	root string

	names   map[string]*inode // as a reader sees them; keys are relative to root, which is "."
	pending []nameOp          // between them and what is durable, in order

	ops    int
	cutAt  int // the operation during which the power goes; 0 = never
	off    bool
	killed bool
	counts map[wal.OpKind]int
	faults map[fault]func(op wal.Op) error
	failAt int  // the operation, of whatever kind, that fails with opErr; 0 = none
	failOn bool // and so does every one after it
	keep   int  // bytes that a write puts down before it fails
	opErr  error
	lies   map[int]bool
	free   int64
}

// inode is a file or a directory.
type inode struct {
	dir     bool
	inside  map[string]*inode // of a directory: the names as of its last fsync
	now     []byte            // as a reader sees it
	disk    []byte            // as of the last fsync
	dirty   map[int]bool      // pages that the next fsync takes
	lost    map[int]bool      // pages that no fsync takes until they are written again
	resized bool
}

// nameOp is a change of names that no fsync of the directory has made durable yet.
type nameOp struct {
	dir  *inode
	from string // name in it; "" for a new one
	to   string // "" for a removed one
	node *inode
	into *inode // the directory that a rename leads to, if that is another one; it happens in both or in neither
}

type fault struct {
	kind wal.OpKind
	nth  int
}

// NewPowerDisk takes the directory root as it is for durable.
func NewPowerDisk(root string) (*PowerDisk, error) {
	p := &PowerDisk{
		root: root, names: map[string]*inode{".": newInode(true)},
		counts: map[wal.OpKind]int{}, faults: map[fault]func(wal.Op) error{}, lies: map[int]bool{}, free: 1 << 40,
	}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root || e.Name() == "LOCK" {
			return err
		}
		n := newInode(e.IsDir())
		if !e.IsDir() {
			if n.now, err = os.ReadFile(path); err != nil {
				return err
			}
			n.disk = append([]byte(nil), n.now...)
		}
		name := p.rel(path)
		p.names[name] = n
		p.names[filepath.Dir(name)].inside[e.Name()] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("waltest: read %s: %w", root, err)
	}
	return p, nil
}

// Root is the directory.
func (p *PowerDisk) Root() string { return p.root }

func newInode(dir bool) *inode {
	n := &inode{dir: dir, dirty: map[int]bool{}, lost: map[int]bool{}}
	if dir {
		n.inside = map[string]*inode{}
	}
	return n
}

func (p *PowerDisk) rel(path string) string {
	r, err := filepath.Rel(p.root, path)
	if err != nil {
		panic(err) // the log works in the directory that it was given
	}
	return r
}

// CutAt cuts the power during the nth operation from now, n >= 1: it may happen in part, and no later one does.
func (p *PowerDisk) CutAt(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAt = p.ops + n
}

// Kill lets nothing through from now on, as if the process had died: what it wrote stays, synced or not. Revive
// lets the next start use the disk.
func (p *PowerDisk) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
}

// Revive ends what Kill began.
func (p *PowerDisk) Revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = false
}

// Off reports whether the power has been cut.
func (p *PowerDisk) Off() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

// Ops is the number of operations so far.
func (p *PowerDisk) Ops() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ops
}

// Count is the number of operations of one kind so far.
func (p *PowerDisk) Count(kind wal.OpKind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[kind]
}

// Fail makes the nth operation of a kind from now fail with err before it has any effect. (A failed fsync has
// the effect that its pages are lost.)
func (p *PowerDisk) Fail(kind wal.OpKind, nth int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[fault{kind, p.counts[kind] + nth}] = func(wal.Op) error { return err }
}

// FailAt makes the nth operation from now, of whatever kind, fail with err before it has any effect, as Fail does; a write
// puts down its first keep bytes. With forever all that come after it fail, too, until Mend is called, as on a
// disk that was made read-only.
func (p *PowerDisk) FailAt(nth int, err error, keep int, forever bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failAt, p.opErr, p.keep, p.failOn = p.ops+nth, err, keep, forever
}

// Mend ends what FailAt began.
func (p *PowerDisk) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failAt = 0
}

// failing carries out what a failing operation does.
func (p *PowerDisk) failing(op wal.Op) error {
	if op.Kind == wal.OpWrite && p.keep > 0 {
		if err := p.writePart(op, p.keep); err != nil {
			return err
		}
	}
	return p.opErr
}

// ShortWrite makes the nth write from now put down only its first keep bytes and fail with ENOSPC.
func (p *PowerDisk) ShortWrite(nth, keep int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[fault{wal.OpWrite, p.counts[wal.OpWrite] + nth}] = func(op wal.Op) error {
		if err := p.writePart(op, keep); err != nil {
			return err
		}
		return syscall.ENOSPC
	}
}

// writePart puts down the first keep bytes of a write.
func (p *PowerDisk) writePart(op wal.Op, keep int) error {
	part := op.Data[:min(keep, len(op.Data))]
	f, err := os.OpenFile(op.Path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteAt(part, op.Offset); err != nil {
		return err
	}
	p.names[p.rel(op.Path)].write(op.Offset, part)
	return nil
}

// LieAt makes the nth fsync of a file from now report success and do nothing.
func (p *PowerDisk) LieAt(nth int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lies[p.counts[wal.OpSync]+nth] = true
}

// SetFree sets what Free reports. The default is 1 TiB.
func (p *PowerDisk) SetFree(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = bytes
}

// Free implements [wal.Disk].
func (p *PowerDisk) Free(string) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.free, nil
}

// Do implements [wal.Disk].
func (p *PowerDisk) Do(op wal.Op, perform func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return ErrPowerOff
	}
	if p.killed {
		return ErrKilled
	}
	p.ops++
	p.counts[op.Kind]++
	name := p.rel(op.Path)
	if p.ops == p.cutAt {
		p.off = true
		if op.Kind != wal.OpSync && op.Kind != wal.OpSyncDir && p.valid(op) {
			p.apply(op, name) // under way: Crash chooses how much of it there is
		}
		return ErrPowerOff
	}
	f := p.faults[fault{op.Kind, p.counts[op.Kind]}]
	if p.failAt > 0 && (p.ops == p.failAt || p.failOn && p.ops > p.failAt) {
		f = p.failing
	}
	if f != nil {
		if op.Kind == wal.OpSync {
			p.names[name].lose()
		}
		return f(op)
	}
	if op.Kind == wal.OpSync && p.lies[p.counts[op.Kind]] {
		return nil
	}
	if op.Kind != wal.OpSync && op.Kind != wal.OpSyncDir { // the model decides what is durable, not the machine
		if err := perform(); err != nil {
			return err
		}
	}
	p.apply(op, name)
	return nil
}

// valid reports whether the operation could succeed at all; those that could not have no effect.
func (p *PowerDisk) valid(op wal.Op) bool {
	name := p.rel(op.Path)
	n, ok := p.names[name]
	switch {
	case op.Kind == wal.OpMkdir:
		return !ok
	case op.Kind == wal.OpRemove && ok && n.dir:
		for other := range p.names {
			if filepath.Dir(other) == name {
				return false
			}
		}
	}
	return ok || op.Kind == wal.OpCreate
}

// apply changes the model.
func (p *PowerDisk) apply(op wal.Op, name string) {
	n := p.names[name]
	dir, base := p.names[filepath.Dir(name)], filepath.Base(name)
	if n == nil && op.Kind != wal.OpMkdir && op.Kind != wal.OpCreate {
		panic(fmt.Sprintf("waltest: %v of %s, which was never announced", op.Kind, op.Path))
	}
	switch op.Kind {
	case wal.OpMkdir, wal.OpCreate:
		if n != nil {
			n.truncate(0)
			return
		}
		n = newInode(op.Kind == wal.OpMkdir)
		p.names[name] = n
		p.pending = append(p.pending, nameOp{dir: dir, to: base, node: n})
	case wal.OpWrite:
		n.write(op.Offset, op.Data)
	case wal.OpTruncate:
		n.truncate(int(op.Offset))
	case wal.OpSync:
		n.sync()
	case wal.OpSyncDir:
		rest := p.pending[:0]
		for _, o := range p.pending {
			if o.dir == n || o.into == n {
				o.apply(func(dir *inode) map[string]*inode { return dir.inside })
			} else {
				rest = append(rest, o)
			}
		}
		p.pending = rest
	case wal.OpRename:
		to := p.rel(op.To)
		delete(p.names, name)
		p.names[to] = n
		o := nameOp{dir: dir, from: base, to: filepath.Base(to), node: n}
		if into := p.names[filepath.Dir(to)]; into != dir {
			o.into = into
		}
		p.pending = append(p.pending, o)
	case wal.OpRemove:
		delete(p.names, name)
		p.pending = append(p.pending, nameOp{dir: dir, from: base, node: n})
	}
}

// apply changes the names that inside has of directories.
func (o nameOp) apply(inside func(dir *inode) map[string]*inode) {
	names := inside(o.dir)
	if o.from != "" && names[o.from] == o.node {
		delete(names, o.from)
	}
	if o.into != nil {
		names = inside(o.into)
	}
	if o.to != "" {
		names[o.to] = o.node
	}
}

func (n *inode) write(offset int64, data []byte) {
	if len(data) == 0 {
		return
	}
	end := int(offset) + len(data)
	if end > len(n.now) {
		n.now = append(n.now, make([]byte, end-len(n.now))...)
		n.resized = true
	}
	copy(n.now[offset:], data)
	for page := int(offset) / pageSize; page <= (end-1)/pageSize; page++ {
		n.dirty[page] = true
		delete(n.lost, page)
	}
}

func (n *inode) truncate(size int) {
	if size < len(n.now) {
		n.now = append([]byte(nil), n.now[:size]...)
		n.resized = true
	}
}

// lose is what a failed sync does.
func (n *inode) lose() {
	for page := range n.dirty {
		n.lost[page] = true
	}
	clear(n.dirty)
}

// sync takes the dirty pages and the length to the platter.
func (n *inode) sync() {
	n.disk = n.mixed(len(n.now), func(page int) bool { return n.dirty[page] })
	clear(n.dirty)
	n.resized = false
}

// mixed is the file on the platter, size bytes long, with those of the newer pages that take chooses.
func (n *inode) mixed(size int, take func(page int) bool) []byte {
	out := make([]byte, size)
	copy(out, n.disk)
	for page := 0; page*pageSize < min(size, len(n.now)); page++ {
		if take(page) {
			lo, hi := page*pageSize, min((page+1)*pageSize, size)
			clear(out[lo:hi])
			copy(out[lo:hi], n.now[lo:min(hi, len(n.now))])
		}
	}
	return out
}

// crashed is what a power cut leaves of a file.
func (n *inode) crashed(r *rand.Rand) []byte {
	size := len(n.disk)
	if n.resized || len(n.now) != len(n.disk) {
		lo, hi := min(len(n.disk), len(n.now)), max(len(n.disk), len(n.now))
		switch r.IntN(4) {
		case 0:
			size = lo
		case 1:
			size = hi
		default:
			size = lo + r.IntN(hi-lo+1)
		}
	}
	luck := r.Float64() // from no page at all to all of them
	return n.mixed(size, func(page int) bool { return n.dirty[page] && r.Float64() < luck })
}

// Crash builds in dst, a new directory, what a power cut at this moment may leave, chosen by seed. The disk
// itself is not changed: many crashes can be had from one moment.
func (p *PowerDisk) Crash(seed uint64, dst string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	luck := r.Float64()
	inside := map[*inode]map[string]*inode{} // of directories in which something is pending
	names := func(dir *inode) map[string]*inode {
		if inside[dir] == nil {
			inside[dir] = maps.Clone(dir.inside)
		}
		return inside[dir]
	}
	for _, o := range p.pending {
		if r.Float64() < luck {
			o.apply(names)
		}
	}
	var build func(n *inode, path string) error
	build = func(n *inode, path string) error {
		if !n.dir {
			return os.WriteFile(path, n.crashed(r), 0o640)
		}
		if err := os.MkdirAll(path, 0o750); err != nil {
			return err
		}
		names := n.inside
		if changed := inside[n]; changed != nil {
			names = changed
		}
		for _, name := range slices.Sorted(maps.Keys(names)) { // the seed decides alone
			if err := build(names[name], filepath.Join(path, name)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := build(p.names["."], dst); err != nil {
		return fmt.Errorf("waltest: crash copy: %w", err)
	}
	return nil
}

// Check compares the model with the real directory: a difference means that the log has done something that it
// did not announce. LOCK is left out.
func (p *PowerDisk) Check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := 0
	err := filepath.WalkDir(p.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == p.root || e.Name() == "LOCK" {
			return err
		}
		n := p.names[p.rel(path)]
		if n == nil || n.dir != e.IsDir() {
			return fmt.Errorf("waltest: %s is there unannounced", path)
		}
		seen++
		if n.dir {
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(b, n.now) {
			err = fmt.Errorf("waltest: %s is not what was announced (%d bytes, announced %d)", path, len(b), len(n.now))
		}
		return err
	})
	if err == nil && seen != len(p.names)-1 {
		err = fmt.Errorf("waltest: %d names are there, %d were announced", seen, len(p.names)-1)
	}
	return err
}

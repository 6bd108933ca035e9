package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"everloop/wal"
)

const (
	indexVersion = 1
	indexName    = "index"
	indexMagic   = "everloop backup "
	maxIndex     = 64 << 20 // of an index or a list, before compression

	maxFull  = 16                               // runs of full segments in a generation before they become a chapter
	maxParts = 8                                // parts of one level before they become one of the next
	maxOpen  = 3                                // generations in the index itself
	maxLevel = 16                               // far more than a segment can need
	maxRun   = 4<<20 + 1<<30 + wal.MaxEntryHead // the largest segment: one that was nearly full, and the largest batch
)

var (
	// ErrDamaged is matched by errors that say that a backup is not what was written.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrNewer is matched by the error for a backup that a later version of this program made.
	ErrNewer = errors.New("the backup was made by a newer everloop")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// codec says how an object is stored.
const (
	codecPlain = "plain"
	codecZstd  = "zstd"
)

// Object is where a content is stored.
type Object struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // as stored
	SHA256 string `json:"sha256"`
	Codec  string `json:"codec"`
}

// Run is a sequence of batches of one segment, in one object.
type Run struct {
	Segment uint64  `json:"segment"`
	First   uint64  `json:"first"`
	Batches uint64  `json:"batches"`
	Last    wal.LSN `json:"last"`
	CRC     uint32  `json:"crc"`
	From    int64   `json:"from"` // earliest and latest time of its batches
	To      int64   `json:"to"`
	Bytes   int64   `json:"bytes"`
	Level   int     `json:"level,omitempty"` // 0: a whole segment
	Object  *Object `json:"object"`

	epoch uint64 // of its last batch, while it is new
}

// end is the last batch of the run.
func (r *Run) end() uint64 { return r.First + r.Batches - 1 }

// Snapshot stands in front of a generation.
type Snapshot struct {
	Barrier wal.LSN `json:"barrier"`
	Records uint64  `json:"records"`
	Time    int64   `json:"time"`
	Object  *Object `json:"object"`
}

// Generation is one of the log, and the snapshot in front of it.
type Generation struct {
	Generation uint64    `json:"generation"`
	Base       wal.LSN   `json:"base"`
	BaseCRC    uint32    `json:"base_crc"`
	Complete   bool      `json:"complete"`
	Snapshot   *Snapshot `json:"snapshot,omitempty"`
	Batches    uint64    `json:"batches"`
	Last       wal.LSN   `json:"last"`
	CRC        uint32    `json:"crc"`
	Epoch      uint64    `json:"epoch"`
	From       int64     `json:"from"`
	To         int64     `json:"to"`
	Bytes      int64     `json:"bytes"`
	Chapters   []*Object `json:"chapters,omitempty"`
	Runs       []*Run    `json:"runs,omitempty"`
}

// end is the last record of the generation, or before it when it has none.
func (g *Generation) end() wal.LSN {
	if g.Batches == 0 {
		return g.Base
	}
	return g.Last
}

// place is where its snapshot stands.
func (g *Generation) place(logID, epoch uint64) wal.Place {
	return wal.Place{LogID: logID, Epoch: epoch, Generation: g.Generation, Base: g.Base, BaseCRC: g.BaseCRC}
}

// Index is what a backup holds.
type Index struct {
	Log         string        `json:"log"`
	Made        uint64        `json:"made"`
	Epoch       uint64        `json:"epoch"`
	Writer      string        `json:"writer"`
	Serial      uint64        `json:"serial"`
	Updated     int64         `json:"updated"`
	Closed      *Object       `json:"closed,omitempty"`
	Generations []*Generation `json:"generations"`
}

// newest is the last generation, or nil.
func (x *Index) newest() *Generation {
	if len(x.Generations) == 0 {
		return nil
	}
	return x.Generations[len(x.Generations)-1]
}

// logID is the number that Log writes.
func (x *Index) logID() uint64 {
	id, _ := strconv.ParseUint(x.Log, 16, 64) // check has seen it
	return id
}

func logName(id uint64) string { return fmt.Sprintf("%016x", id) }

// clone is a copy whose generations and lists of runs may be changed. Objects and runs are shared: nothing changes them once they have been placed.
func (x *Index) clone() *Index {
	c := *x
	c.Generations = make([]*Generation, len(x.Generations))
	for i, g := range x.Generations {
		d := *g
		d.Chapters = append([]*Object(nil), g.Chapters...)
		d.Runs = append([]*Run(nil), g.Runs...)
		c.Generations[i] = &d
	}
	return &c
}

// encode is the content of the object "index".
func (x *Index) encode() ([]byte, error) {
	text, err := json.Marshal(x)
	if err != nil {
		return nil, fmt.Errorf("write the index: %w", err)
	}
	if len(text) > maxIndex {
		return nil, fmt.Errorf("the index would have %d bytes, more than %d", len(text), maxIndex)
	}
	sum := sha256.Sum256(text)
	head := fmt.Sprintf("%s%d %x %d\n", indexMagic, indexVersion, sum, len(text))
	return append([]byte(head), text...), nil
}

// decodeIndex reads and checks what encode writes.
func decodeIndex(data []byte) (*Index, error) {
	head, text, ok := bytes.Cut(data, []byte("\n"))
	rest, isIndex := strings.CutPrefix(string(head[:min(len(head), 200)]), indexMagic)
	if !ok || !isIndex {
		return nil, damaged("the object %q is no index: its first line is missing", indexName)
	}
	words := strings.Split(rest, " ")
	version, err := strconv.ParseUint(words[0], 10, 32)
	if err != nil || version == 0 || strconv.FormatUint(version, 10) != words[0] {
		return nil, damaged("the index has no version")
	}
	if version != indexVersion {
		return nil, fmt.Errorf("%w: its format has version %d, and this program knows version %d", ErrNewer, version, indexVersion)
	}
	sum := sha256.Sum256(text)
	if len(words) != 3 || words[2] != strconv.Itoa(len(text)) || words[1] != hex.EncodeToString(sum[:]) || len(text) > maxIndex {
		return nil, damaged("the index does not have the length and the SHA-256 that its first line says")
	}
	x := &Index{}
	if err := decodeJSON(text, x); err != nil {
		return nil, damaged("the index cannot be read: %w", err)
	}
	if err := x.check(); err != nil {
		return nil, damaged("the index: %w", err)
	}
	return x, nil
}

// decodeJSON reads one JSON value, and refuses fields that it does not know.
func decodeJSON(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}

func (x *Index) check() error {
	id, err := strconv.ParseUint(x.Log, 16, 64)
	switch {
	case err != nil || logName(id) != x.Log:
		return fmt.Errorf("log ID %q", x.Log)
	case len(x.Generations) == 0 || len(x.Generations) > maxOpen:
		return fmt.Errorf("it has %d generations instead of 1 to %d", len(x.Generations), maxOpen)
	}
	if x.Closed != nil {
		if err := x.Closed.check("list"); err != nil {
			return err
		}
	}
	return checkGenerations(x.Generations)
}

// checkGenerations holds generations to what each says of itself, and to their order.
func checkGenerations(list []*Generation) error {
	var before *Generation
	for _, g := range list {
		if g == nil {
			return errors.New("a generation is null")
		}
		if err := g.check(); err != nil {
			return fmt.Errorf("generation %d: %w", g.Generation, err)
		}
		if before != nil && (g.Generation <= before.Generation || g.Base < before.end()) {
			return fmt.Errorf("generation %d stands behind generation %d", g.Generation, before.Generation)
		}
		before = g
	}
	return nil
}

func (g *Generation) check() error {
	switch {
	case g.Generation == 0:
		return errors.New("its number is 0")
	case g.Batches > 0 && (g.Last < g.Base || g.From > g.To || g.Bytes <= 0):
		return errors.New("its bounds contradict each other")
	case g.Batches == 0 && (g.Last != 0 || g.CRC != 0 || g.Epoch != 0 || g.Bytes != 0 || len(g.Chapters) != 0 || len(g.Runs) != 0):
		return errors.New("it has runs and no batches")
	}
	if s := g.Snapshot; s != nil {
		if s.Barrier < g.Base {
			return errors.New("its snapshot is older than it")
		}
		if err := s.Object.check("snap"); err != nil {
			return err
		}
	}
	for _, c := range g.Chapters {
		if err := c.check("list"); err != nil {
			return err
		}
	}
	if len(g.Chapters) == 0 && g.Batches > 0 {
		return g.checkRuns(g.Runs)
	}
	return checkRuns(g.Runs)
}

// checkRuns holds all runs of a generation to each other and to what the generation says.
func (g *Generation) checkRuns(all []*Run) error {
	if err := checkRuns(all); err != nil {
		return err
	}
	if len(all) == 0 {
		if g.Batches == 0 {
			return nil
		}
		return errors.New("it has batches and no runs")
	}
	var bytes int64
	from, to := all[0].From, all[0].To
	for _, r := range all {
		bytes += r.Bytes
		from, to = min(from, r.From), max(to, r.To)
	}
	last := all[len(all)-1]
	if all[0].First != 1 || last.end() != g.Batches || last.Last != g.Last || last.CRC != g.CRC || bytes != g.Bytes || from != g.From || to != g.To {
		return errors.New("its runs do not add up to it")
	}
	return nil
}

// checkRuns holds runs that follow each other to the rules for them.
func checkRuns(runs []*Run) error {
	for i, r := range runs {
		if r == nil {
			return errors.New("a run is null")
		}
		switch {
		case r.First == 0 || r.Batches == 0 || r.end() < r.First || r.Segment == 0 || r.Segment > r.First,
			r.From > r.To, r.Bytes <= 0, r.Bytes > maxRun, r.Level < 0 || r.Level > maxLevel, r.Level == 0 && r.Segment != r.First:
			return fmt.Errorf("the run at batch %d contradicts itself", r.First)
		case i > 0 && (r.First != runs[i-1].end()+1 || r.Last < runs[i-1].Last || r.Segment != runs[i-1].Segment && r.Segment != r.First):
			return fmt.Errorf("the run at batch %d does not follow the one before it", r.First)
		}
		if err := r.Object.check("log"); err != nil {
			return err
		}
	}
	return nil
}

// check holds an object to be one of a folder.
func (o *Object) check(folder string) error {
	if o == nil {
		return errors.New("an object is missing")
	}
	if len(o.SHA256) != 2*sha256.Size || strings.Trim(o.SHA256, "0123456789abcdef") != "" {
		return fmt.Errorf("SHA-256 %q", o.SHA256)
	}
	name, ok := parseName(o.Name)
	if !ok || name.folder != folder || name.hash != o.SHA256[:32] {
		return fmt.Errorf("object name %q", o.Name)
	}
	if o.Size < 0 || o.Codec != codecPlain && o.Codec != codecZstd {
		return fmt.Errorf("object %s has the size %d and the codec %q", o.Name, o.Size, o.Codec)
	}
	return nil
}

// objectName is an object's name, in its parts.
type objectName struct {
	folder     string
	generation uint64 // 0 in lists
	hash       string
}

// parseName reads the name of an object that is not the index. Anything else that stands in the same place is none of ours.
func parseName(name string) (o objectName, ok bool) {
	folder, rest, _ := strings.Cut(name, "/")
	parts := strings.Split(rest, "-")
	want := map[string]int{"log": 3, "snap": 2, "list": 1}[folder]
	if want == 0 || len(parts) != want {
		return o, false
	}
	o.folder, o.hash = folder, parts[want-1]
	if len(o.hash) != 32 || strings.Trim(o.hash, "0123456789abcdef") != "" {
		return o, false
	}
	for i, digits := range []int{10, 20}[:want-1] {
		n, err := strconv.ParseUint(parts[i], 10, 64)
		if err != nil || n == 0 || fmt.Sprintf("%0*d", digits, n) != parts[i] {
			return o, false
		}
		if i == 0 {
			o.generation = n
		}
	}
	return o, true
}

func logObject(generation, first uint64, sum [sha256.Size]byte) string {
	return fmt.Sprintf("log/%010d-%020d-%x", generation, first, sum[:16])
}

func snapObject(generation uint64, sum [sha256.Size]byte) string {
	return fmt.Sprintf("snap/%010d-%x", generation, sum[:16])
}

func listObject(sum [sha256.Size]byte) string { return fmt.Sprintf("list/%x", sum[:16]) }

func unixMilli(ms int64) time.Time { return time.UnixMilli(ms) }

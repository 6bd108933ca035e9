package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"everloop/engine/redo"
	"everloop/wal"
)

// walCmd is `everloop wal`: a data directory as it is on the disk. dump and verify change nothing and do not take the
// directory's lock, so both work beside a running daemon.
type walCmd struct {
	Dump   walDumpCmd   `cmd:"" help:"Print every record of a data directory: its snapshots and its log."`
	Verify walVerifyCmd `cmd:"" help:"Check a data directory as a start would, and what it keeps for time travel, without changing it."`
	Repair walRepairCmd `cmd:"" help:"Make a damaged data directory whole again, by giving up what is behind a record."`
}

// walDumpCmd is `everloop wal dump`.
type walDumpCmd struct {
	Dir      string `arg:"" help:"The data directory, such as .everloop."`
	Snapshot bool   `help:"Only the snapshots."`
}

// shownValue bounds how much of a value is printed, in bytes of the log. Whoever needs more has the program.
const shownValue = 4096

// Run prints a line for each snapshot and each batch, and below it what each record says.
func (c *walDumpCmd) Run(stdout io.Writer) error {
	out := bufio.NewWriter(stdout)
	classes := map[uint32]string{} // from the records that were printed so far
	printer := redo.Printer{
		ClassName:   func(class uint32) string { return classes[class] },
		AppendValue: appendValue,
	}
	var text []byte
	record := func(n wal.LSN, record []byte) error {
		r, err := redo.Parse(record)
		if err != nil {
			// The checksum is right, so this was written so; the rest can still be read.
			_, err = fmt.Fprintf(out, "  %d: %v\n", n, err)
			return err
		}
		if r.Kind == redo.KindDefineClass {
			classes[r.Class] = string(r.ClassName)
		}
		text = printer.Append(text[:0], &r)
		_, err = fmt.Fprintf(out, "  %d: %s\n", n, strings.ReplaceAll(string(text), "\n", "\n  "))
		return err
	}
	v := wal.Visitor{
		Snapshot: func(s *wal.SnapshotReport) error {
			fmt.Fprintf(out, "%s: snapshot in front of generation %d, complete up to record %d, %s; %d records, each tagged with the last record of the log in it\n",
				s.File, s.Generation, s.Barrier, s.Begun.UTC().Format(time.RFC3339Nano), s.Records)
			return nil
		},
		Tagged: record,
		Batch: func(b *wal.Batch) error {
			records := "no records"
			if b.Count > 0 {
				records = fmt.Sprintf("records %d to %d", b.First, b.First+wal.LSN(b.Count)-1)
			}
			fmt.Fprintf(out, "%s:%d: batch %d of epoch %d, %s, %s; on disk before: %d\n",
				b.File, b.Offset, b.Seq, b.Epoch, records, b.Time.UTC().Format(time.RFC3339Nano), b.Claim)
			return b.Records(record)
		},
		Older: func(err error) error {
			_, werr := fmt.Fprintf(out, "what follows there cannot be read, and no start needs it: %v\n", err)
			return werr
		},
	}
	if c.Snapshot {
		v.Batch = nil
	}
	err := wal.Inspect(c.Dir, v)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	return err
}

// appendValue writes a stored value in the diagnostic notation of RFC 8949, or in hex if it is no CBOR.
func appendValue(dst, value []byte) []byte {
	if len(value) <= shownValue {
		if text, err := cbor.Diagnose(value); err == nil {
			return append(dst, text...)
		}
	}
	dst = append(dst, "h'"...)
	dst = hex.AppendEncode(dst, value[:min(len(value), shownValue)])
	dst = append(dst, '\'')
	if len(value) > shownValue {
		dst = fmt.Appendf(dst, "... (%d bytes)", len(value))
	}
	return dst
}

// walVerifyCmd is `everloop wal verify`.
type walVerifyCmd struct {
	Dir string `arg:"" help:"The data directory, such as .everloop."`
}

// Run prints what there is and how far it is whole. Damage that a start would refuse is the error.
func (c *walVerifyCmd) Run(stdout io.Writer) error {
	r, err := wal.Verify(c.Dir)
	for i := range r.Snapshots {
		s := &r.Snapshots[i]
		use := "kept for time travel"
		if s.Needed {
			use = "what a start reads"
		}
		if s.Err == nil {
			fmt.Fprintf(stdout, "%s: %s: complete up to record %d, made %s; %s, %d bytes\n",
				s.File, use, s.Barrier, people(s.Ended), counted(s.Records, "record"), s.Bytes)
		}
	}
	if r.OlderGenerations > 0 {
		fmt.Fprintf(stdout, "kept for time travel: %s in %s\n", counted(r.OlderRecords, "record"), counted(r.OlderGenerations, "generation"))
	}
	if r.Batches > 0 || err == nil {
		fmt.Fprintf(stdout, "%s: %s in %s, %d bytes, %s; epoch %d\n", c.Dir, counted(r.Records, "record"), counted(r.Batches, "batch"), r.Bytes, counted(r.Segments, "segment"), r.Manifest.Epoch)
		fmt.Fprintf(stdout, "last record %d, known to be on disk up to %d\n", r.Last, r.Claim)
	}
	for _, older := range r.Older {
		fmt.Fprintf(stdout, "damage that no start minds; moments that need this cannot be gone back to: %v\n", damage(older))
	}
	if err != nil {
		return c.remedy(&r, err)
	}
	if r.Torn > 0 {
		fmt.Fprintf(stdout, "%s:%d: %d bytes of a write that was not finished (%v). The next start cuts them; nothing in them was answered.\n", r.TornFile, r.TornAt, r.Torn, r.TornErr)
	}
	verdict := "no damage"
	if len(r.Older) > 0 {
		verdict = "no damage to what a start reads"
	}
	_, err = fmt.Fprintln(stdout, verdict)
	return err
}

// remedy says what can be done about damage.
func (c *walVerifyCmd) remedy(r *wal.Report, err error) error {
	switch {
	case r.Repair != nil:
		var text strings.Builder
		fmt.Fprintf(&text, "A start refuses this directory. Restore a backup, which may have more, or keep what is here, up to record %d of %s:\n  everloop wal repair %s --drop-after %d\n%s",
			r.Repair.Keep, people(r.Repair.KeepTime), quoted(c.Dir), r.Repair.Keep, lost(r.Repair))
		return fmt.Errorf("%w\n%s", damage(err), strings.TrimSuffix(text.String(), "\n"))
	case r.RepairErr != nil:
		return fmt.Errorf("%w\nA start refuses this directory. %w", damage(err), r.RepairErr)
	}
	return err
}

// lost says what a repair gives up.
func lost(r *wal.RepairReport) string {
	var text strings.Builder
	switch {
	case r.Lost == 0:
		text.WriteString("No record of which there is a trace is lost by that")
	case r.LostTime.IsZero():
		fmt.Fprintf(&text, "That gives up %s, %d to %d", counted(r.Lost, "record"), r.Keep+1, r.Keep+wal.LSN(r.Lost))
	default:
		fmt.Fprintf(&text, "That gives up %s, %d to %d, of the time from %s to %s", counted(r.Lost, "record"), r.Keep+1, r.Keep+wal.LSN(r.Lost),
			people(r.KeepTime), people(r.LostTime))
	}
	if r.Generation > 1 {
		fmt.Fprintf(&text, "; a start then begins with the snapshot in front of generation %d, complete up to record %d.\n", r.Generation, r.Barrier)
	} else {
		text.WriteString("; a start then begins with the first record of all.\n")
	}
	return text.String()
}

// damage is an error that says what is wrong where, without what to do: who prints it says that better.
func damage(err error) error {
	var c *wal.CorruptionError
	if errors.As(err, &c) {
		return errors.New(c.Damage())
	}
	return err
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+:,@%-") == "" && path != "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// walRepairCmd is `everloop wal repair`.
type walRepairCmd struct {
	Dir       string  `arg:"" help:"The data directory, such as .everloop. No process may have it open."`
	DropAfter *uint64 `required:"true" placeholder:"N" help:"The number of the last record to keep; 'everloop wal verify' says which is the highest that can be. What is behind it is moved out of the way, not deleted."`
	DryRun    bool    `help:"Say what would be done, and change nothing."`
}

// Run repairs, and says what was lost and where it is.
func (c *walRepairCmd) Run(stdout io.Writer) error {
	r, err := wal.Repair(c.Dir, wal.RepairOptions{DropAfter: wal.LSN(*c.DropAfter), DryRun: c.DryRun})
	if err != nil {
		return err
	}
	if !r.Changes {
		_, err := fmt.Fprintf(stdout, "%s is whole and ends with record %d: there is nothing to do\n", c.Dir, r.Keep)
		return err
	}
	if r.Cause != nil {
		fmt.Fprintf(stdout, "what is wrong: %v\n", damage(r.Cause))
	}
	fmt.Fprintf(stdout, "kept: everything up to record %d of %s\n%s", r.Keep, people(r.KeepTime), lost(&r))
	dropped, verb := filepath.Join(c.Dir, r.Dropped), "moved or copied to "+filepath.Join(c.Dir, r.Dropped)
	if c.DryRun {
		verb = "would be moved or copied"
	}
	for _, file := range r.Files {
		fmt.Fprintf(stdout, "%s: %s\n", verb, file)
	}
	if r.Cut != "" {
		what := "cut"
		if c.DryRun {
			what = "would be cut"
		}
		fmt.Fprintf(stdout, "%s: %s to %d bytes\n", what, r.Cut, r.CutAt)
	}
	if c.DryRun {
		_, err = fmt.Fprintln(stdout, "nothing was changed: this was a dry run")
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s is whole. Nothing was deleted: %s holds what was taken out, and can be removed when it is not wanted any more\n", c.Dir, dropped)
	return err
}

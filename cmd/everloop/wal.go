package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"everloop/engine/redo"
	"everloop/wal"
)

// walCmd is `everloop wal`: looking at a data directory from outside. Neither command changes anything or takes the
// directory's lock, so both work beside a running daemon.
type walCmd struct {
	Dump   walDumpCmd   `cmd:"" help:"Print every record of a data directory's log."`
	Verify walVerifyCmd `cmd:"" help:"Check a data directory as a start would, without changing it."`
}

// walDumpCmd is `everloop wal dump`.
type walDumpCmd struct {
	Dir string `arg:"" help:"The data directory, such as .everloop."`
}

// shownValue bounds how much of a value is printed, in bytes of the log. Whoever needs more has the program.
const shownValue = 4096

// Run prints a line for each batch, and below it what each record says.
func (c *walDumpCmd) Run(stdout io.Writer) error {
	out := bufio.NewWriter(stdout)
	classes := map[uint32]string{} // from the records that were printed so far
	printer := redo.Printer{
		ClassName:   func(class uint32) string { return classes[class] },
		AppendValue: appendValue,
	}
	var text []byte
	err := wal.Inspect(c.Dir, func(b *wal.Batch) error {
		records := "no records"
		if b.Count > 0 {
			records = fmt.Sprintf("records %d to %d", b.First, b.First+wal.LSN(b.Count)-1)
		}
		fmt.Fprintf(out, "%s:%d: batch %d of epoch %d, %s, %s; on disk before: %d\n",
			b.File, b.Offset, b.Seq, b.Epoch, records, b.Time.UTC().Format(time.RFC3339Nano), b.Claim)
		return b.Records(func(n wal.LSN, record []byte) error {
			r, err := redo.Parse(record)
			if err != nil {
				// The batch's checksum is right, so this was written so; the rest can still be read.
				fmt.Fprintf(out, "  %d: %v\n", n, err)
				return nil
			}
			if r.Kind == redo.KindDefineClass {
				classes[r.Class] = string(r.ClassName)
			}
			text = printer.Append(text[:0], &r)
			fmt.Fprintf(out, "  %d: %s\n", n, strings.ReplaceAll(string(text), "\n", "\n  "))
			return nil
		})
	})
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

// Run prints how far the log is whole. Damage is the error.
func (c *walVerifyCmd) Run(stdout io.Writer) error {
	r, err := wal.Verify(c.Dir)
	if r.Batches > 0 || err == nil {
		fmt.Fprintf(stdout, "%s: %d records in %d batches, %d bytes, %d segments; epoch %d\n", c.Dir, r.Records, r.Batches, r.Bytes, r.Segments, r.Manifest.Epoch)
		fmt.Fprintf(stdout, "last record %d, known to be on disk up to %d\n", r.Last, r.Claim)
	}
	if err != nil {
		return fmt.Errorf("%w\nThe log is whole up to there. Restore a copy of the directory; a start refuses this one", err)
	}
	if r.Torn > 0 {
		fmt.Fprintf(stdout, "%s:%d: %d bytes of a write that was not finished (%v). The next start cuts them; nothing in them was answered.\n", r.TornFile, r.TornAt, r.Torn, r.TornErr)
	}
	_, err = fmt.Fprintln(stdout, "no damage")
	return err
}

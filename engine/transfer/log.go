package transfer

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"everloop/engine/redo"
	"everloop/wal"
)

// log is the log of the directory that an import writes to.
type log struct {
	*wal.Log
	exists  bool          // the directory had a log before
	next    uint32        // the next class number
	durable chan struct{} // something has become durable, or the log has failed; capacity 1
	record  []byte
}

// maxRecord is how long a record becomes, unless one key alone makes it longer.
const maxRecord = wal.MaxRecord - 1<<20

// openLog locks a directory. Nothing is written to it before the first append.
func openLog(dir string, logger *slog.Logger) (*log, error) {
	l := &log{next: 1, durable: make(chan struct{}, 1)}
	_, err := os.Stat(filepath.Join(dir, "p0", "MANIFEST"))
	l.exists = err == nil
	// The history that there is stays as it is: what is kept is for the daemon to decide.
	all := wal.Retain{Age: math.MaxInt64, Bytes: math.MaxInt64}
	l.Log, err = wal.Open(dir, wal.Options{Logger: logger, Retain: all, OnDurable: func(wal.LSN, error) {
		select {
		case l.durable <- struct{}{}:
		default:
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("transfer: %w", err)
	}
	return l, nil
}

// start reads what the log has, to know which class numbers were given.
func (l *log) start() error {
	_, err := l.Replay(func(c *wal.Chunk) error {
		return c.Records(func(n wal.LSN, record []byte) error {
			if len(record) > 0 && redo.Kind(record[0]) == redo.KindObject {
				return nil // they are many, and are looked at where an engine starts
			}
			r, err := redo.Parse(record)
			if err != nil {
				return fmt.Errorf("record %d: %w", n, err)
			}
			switch r.Kind {
			case redo.KindDefineClass:
				l.next = max(l.next, r.Class+1)
			case redo.KindClassCounter:
				l.next = max(l.next, r.Class)
			default:
			}
			return nil
		})
	}, nil)
	if err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	return nil
}

// append hands a record over, and waits while too much is waiting for the disk.
func (l *log) append(record []byte) error {
	for {
		err := l.Writable()
		if err == nil {
			_, err = l.Append(0, record)
		}
		if !errors.Is(err, wal.ErrBacklog) {
			if err != nil {
				return fmt.Errorf("transfer: %w", err)
			}
			return nil
		}
		l.Flush()
		<-l.durable
	}
}

// object hands an object over, as one record if it fits. replace says that another one is there.
func (l *log) object(class uint32, o *Object, replace bool) error {
	b := l.record[:0]
	if o.Named {
		b = redo.AppendNamedObject(b, class, &o.ID, o.Name)
	} else {
		b = redo.AppendObject(b, class, &o.ID)
	}
	if replace { // what it is to be restored to goes with the keys
		b = redo.AppendDeleteAlarm(redo.AppendDeleteAll(b))
	}
	if a := o.Alarm; a != nil {
		if a.Retries == 0 && a.next() == a.Time {
			b = redo.AppendSetAlarm(b, a.Time)
		} else {
			b = redo.AppendRetryAlarm(b, a.Time, a.Retries, a.next())
		}
	}
	if f := o.Failed; f != nil {
		b = redo.AppendFailAlarm(b, f.Time, f.Runs, f.At, f.Error)
	}
	for _, k := range o.Keys {
		if len(b)+redo.PutSize(k.Key, k.Value) > maxRecord {
			if err := l.append(b); err != nil {
				return err
			}
			b = redo.AppendObject(b[:0], class, &o.ID)
		}
		b = redo.AppendPut(b, k.Key, k.Value)
	}
	l.record = b
	if cap(b) > 2*cutLine {
		l.record = nil // one huge object need not stay
	}
	return l.append(b)
}

// close commits what was handed over, and unlocks the directory.
func (l *log) close() error {
	if err := l.Close(); err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	return nil
}

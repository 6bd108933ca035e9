package engine

import (
	"context"
	"errors"

	"everloop/engine/internal/kv"
	"everloop/engine/redo"
)

// Transaction is an open transaction over an object's storage: writes are collected, seen by the object's own
// reads, and applied all at once by Commit. They become part of one record, also where the transaction spans
// turns. While one is open every access to the object's Storage goes through it, also to its alarm.
type Transaction struct {
	a     *actor
	outer *Transaction
	tx    *kv.Tx
	alarm *alarmChange // what it does to the alarm; nil: nothing
	done  bool
}

// ErrTransactionDone refuses the use of a transaction that was committed or rolled back.
var ErrTransactionDone = errors.New("Cannot perform operation on a transaction that was already rolled back or committed.")

// Begin opens a transaction inside the one that is open, if any. For code that ends by callback; it must open
// a critical section around it (State.Block) unless it ends in the same turn, since other events would join.
func (s *Storage) Begin() (*Transaction, error) {
	if err := s.readable(); err != nil {
		return nil, err
	}
	a := s.a
	var parent kv.Layer = &a.rec.store
	if a.txn != nil {
		parent = a.txn.tx
	}
	t := &Transaction{a: a, outer: a.txn, tx: kv.NewTx(parent)}
	a.txn = t
	return t, nil
}

// Commit applies the writes to what is around the transaction. It refuses, and rolls back, when the disk is
// full or the log has failed.
func (t *Transaction) Commit() error {
	if err := t.end(); err != nil {
		return err
	}
	a := t.a
	if t.outer != nil {
		t.tx.Commit()
		if t.alarm != nil {
			t.outer.alarm = t.alarm
		}
		return nil
	}
	if !t.tx.Changed() && t.alarm == nil {
		t.tx.Rollback()
		return nil
	}
	if err := a.own.eng.writable(); err != nil {
		t.tx.Rollback()
		return err
	}
	t.tx.Changes(func(c kv.Change) bool {
		switch c.Kind {
		case kv.ChangePut:
			a.own.undo.save(a, c.Key)
			a.ops = redo.AppendPut(a.ops, c.Key, c.Value)
		case kv.ChangeDelete:
			a.own.undo.save(a, c.Key)
			a.ops = redo.AppendDelete(a.ops, c.Key)
		case kv.ChangeDeleteAll:
			a.rec.store.Scan(kv.Range{}, func(key, _ []byte) bool {
				a.own.undo.save(a, string(key))
				return true
			})
			a.ops = redo.AppendDeleteAll(a.ops)
		}
		return true
	})
	changed := t.tx.Changed()
	t.tx.Commit()
	if changed {
		a.wrote(true)
	}
	if t.alarm != nil {
		a.changeAlarm(*t.alarm, true)
	}
	return nil
}

// Rollback forgets the writes.
func (t *Transaction) Rollback() error {
	if err := t.end(); err != nil {
		return err
	}
	t.tx.Rollback()
	return nil
}

// Done reports whether the transaction has ended.
func (t *Transaction) Done() bool { return t.done }

func (t *Transaction) end() error {
	switch {
	case t.done:
		return ErrTransactionDone
	case t.a.dead:
		return ErrReset
	case t.a.txn != t:
		return errors.New("engine: a transaction inside this one is still open")
	}
	t.done = true
	t.a.txn = t.outer
	return nil
}

// Transaction runs fn in a transaction. No other event enters the object until it has ended. If fn returns an
// error or panics, its writes are forgotten and the object lives on; the error is returned.
func (s *Storage) Transaction(ctx context.Context, fn func() error) error {
	a := s.a
	return a.State.exclusive(func() (err error) {
		t, err := s.Begin()
		if err != nil {
			return err
		}
		defer func() {
			if !t.done && !a.dead { // fn failed, panicked or called Goexit
				if uerr := t.unwind(); uerr != nil {
					err = errors.Join(err, uerr)
				}
			}
		}()
		if err := fn(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return t.Commit()
	}, func(error) {})
}

// unwind rolls t back, and with it whatever was begun inside it and never ended.
func (t *Transaction) unwind() error {
	for t.a.txn != nil && t.a.txn != t {
		if err := t.a.txn.Rollback(); err != nil {
			return err
		}
	}
	return t.Rollback()
}

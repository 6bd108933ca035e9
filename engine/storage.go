package engine

import (
	"context"
	"errors"

	"everloop/engine/internal/kv"
	"everloop/engine/redo"
	"everloop/engine/value"
)

// Storage is an object's durable storage: an ordered map from string keys to values. Reads come from memory.
// What a turn writes is atomic: after a crash all of it is there or nothing. Nothing that an object sends
// leaves the process before what it has written is durable, so no write has to be waited for.
//
// Keys are ordered by their UTF-8 bytes. Limits: MaxKeyBytes, MaxEntryBytes, MaxBatchKeys.
type Storage struct{ a *actor }

// WriteOptions are options of a write. The zero value is what almost everybody wants.
type WriteOptions struct {
	// AllowUnconfirmed lets what the object sends leave before this write is durable.
	AllowUnconfirmed bool
}

// ListOptions choose what List returns. The zero value chooses everything.
type ListOptions struct {
	// Start is the first key that may be returned, StartAfter the last that may not; at most one is set.
	// End is the first key, upwards, that may not be returned. They mean the same with Reverse.
	Start, StartAfter, End *string
	// Prefix is what every key begins with.
	Prefix string
	// Reverse returns the keys from the last to the first.
	Reverse bool
	// Limit is the largest number of keys; 0 means no limit. Negative is refused.
	Limit int
}

// ErrListBounds and ErrListLimit refuse ListOptions. TypeErrors in TypeScript.
var (
	ErrListBounds = errors.New("list() cannot be called with both start and startAfter values.")
	ErrListLimit  = errors.New("List limit must be positive.")
)

// Get decodes the value of key into what dst points to, and reports whether there is one.
func (s *Storage) Get(key string, dst any) (found bool, err error) {
	raw, found, err := s.GetRaw(key)
	if err != nil || !found {
		return false, err
	}
	return true, value.Unmarshal(raw, dst)
}

// Get returns the value of key, decoded as a T.
func Get[T any](s *Storage, key string) (v T, found bool, err error) {
	found, err = s.Get(key, &v)
	return v, found, err
}

// GetRaw returns the encoded value of key. It is valid until the next write to the storage.
func (s *Storage) GetRaw(key string) (encoded []byte, found bool, err error) {
	if err := s.readable(); err != nil {
		return nil, false, err
	}
	if len(key) > MaxKeyBytes {
		return nil, false, ErrKeyTooLarge
	}
	encoded, found = s.view().Get(key)
	return encoded, found, nil
}

// Put stores v under key.
func (s *Storage) Put(key string, v any) error {
	encoded, err := value.Marshal(v)
	if err != nil {
		return err
	}
	return s.PutRaw(key, encoded, WriteOptions{})
}

// PutRaw stores an encoded value, of which it takes a copy.
func (s *Storage) PutRaw(key string, encoded []byte, o WriteOptions) error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := checkEntry(key, encoded); err != nil {
		return err
	}
	if len(s.a.ops)+len(key)+len(encoded) > MaxTurnBytes {
		return ErrTurnTooLarge
	}
	s.put(key, encoded, !o.AllowUnconfirmed)
	return nil
}

// Entry is a key and its encoded value.
type Entry struct {
	Key   string
	Value []byte
}

// PutAll stores several values, all or none of them. At most MaxBatchKeys.
func (s *Storage) PutAll(entries map[string]any) error {
	list := make([]Entry, 0, len(entries))
	for k, v := range entries {
		encoded, err := value.Marshal(v)
		if err != nil {
			return err
		}
		list = append(list, Entry{k, encoded})
	}
	return s.PutEntries(list, WriteOptions{})
}

// PutEntries is PutAll of encoded values, of which it takes copies.
func (s *Storage) PutEntries(entries []Entry, o WriteOptions) error {
	if len(entries) > MaxBatchKeys {
		return ErrTooManyPairs
	}
	size := len(s.a.ops)
	for i := range entries {
		if err := checkEntry(entries[i].Key, entries[i].Value); err != nil {
			return err
		}
		size += len(entries[i].Key) + len(entries[i].Value)
	}
	if size > MaxTurnBytes {
		return ErrTurnTooLarge
	}
	if err := s.writable(); err != nil {
		return err
	}
	for i := range entries {
		s.put(entries[i].Key, entries[i].Value, !o.AllowUnconfirmed)
	}
	return nil
}

// Delete removes key and reports whether it was there.
func (s *Storage) Delete(key string) (existed bool, err error) {
	return s.DeleteWith(key, WriteOptions{})
}

// DeleteWith is Delete with options.
func (s *Storage) DeleteWith(key string, o WriteOptions) (existed bool, err error) {
	if err := s.writable(); err != nil {
		return false, err
	}
	if len(key) > MaxKeyBytes {
		return false, ErrKeyTooLarge
	}
	return s.delete(key, !o.AllowUnconfirmed), nil
}

// DeleteKeys removes several keys and returns how many were there. At most MaxBatchKeys.
func (s *Storage) DeleteKeys(o WriteOptions, keys ...string) (existed int, err error) {
	if len(keys) > MaxBatchKeys {
		return 0, ErrTooManyKeys
	}
	for _, k := range keys {
		if len(k) > MaxKeyBytes {
			return 0, ErrKeyTooLarge
		}
	}
	if err := s.writable(); err != nil {
		return 0, err
	}
	for _, k := range keys {
		if s.delete(k, !o.AllowUnconfirmed) {
			existed++
		}
	}
	return existed, nil
}

// DeleteAll removes everything, and the alarm, and forgets what the object was to be restored to. It is refused in a transaction.
func (s *Storage) DeleteAll() error { return s.DeleteAllWith(DeleteAllOptions{}) }

// DeleteAllOptions are options of DeleteAllWith. The zero value is what almost everybody wants.
type DeleteAllOptions struct {
	// KeepAlarm keeps the alarm, as Cloudflare did before the compatibility date 2026-02-24.
	KeepAlarm bool
}

// DeleteAllWith is DeleteAll with options.
func (s *Storage) DeleteAllWith(o DeleteAllOptions) error {
	if err := s.writable(); err != nil {
		return err
	}
	a := s.a
	if a.txn != nil {
		return ErrDeleteAllInTransaction
	}
	a.rec.store.Scan(kv.Range{}, func(key, _ []byte) bool {
		a.own.undo.save(a, string(key))
		return true
	})
	a.rec.store.DeleteAll()
	a.own.undo.savePasts(a)
	a.own.forgetPasts(a.slot)
	a.ops = redo.AppendDeleteAll(a.ops)
	a.wrote(true)
	if !o.KeepAlarm {
		a.changeAlarm(alarmChange{}, true)
	}
	return nil
}

// ErrDeleteAllInTransaction refuses DeleteAll in a transaction.
var ErrDeleteAllInTransaction = errors.New("Cannot call deleteAll() within a transaction")

// List calls yield with the chosen keys and encoded values, in order, until it returns false. Key and value are
// valid during the call; yield must not write to the storage.
func (s *Storage) List(o ListOptions, yield func(key, encoded []byte) bool) error {
	r, err := o.kvRange()
	if err != nil {
		return err
	}
	if err := s.readable(); err != nil {
		return err
	}
	s.view().Scan(r, yield)
	return nil
}

// Len returns the number of keys.
func (s *Storage) Len() int { return s.a.rec.store.Len() }

// Sync waits until everything that the object has written is durable. Nobody needs it for correctness of what
// leaves the object; it is for code that reports durability by other ways.
func (s *Storage) Sync(ctx context.Context) error {
	r := s.a.await(ctx, func(rep waiter) {
		s.a.State.sync(func(err error) { rep.Reply(Reply{Err: err}) })
	})
	return r.Err
}

// StartSync is Sync for code that ends by callback.
func (s *Storage) StartSync(done func(error)) {
	if s.a.direct != nil {
		done(ErrDirect)
		return
	}
	s.a.State.sync(done)
}

// view is a reader of a store or of a transaction over it.
type view interface {
	Get(key string) ([]byte, bool)
	Scan(r kv.Range, yield func(key, value []byte) bool)
}

func (s *Storage) view() view {
	if t := s.a.txn; t != nil {
		return t.tx
	}
	return &s.a.rec.store
}

func (s *Storage) readable() error {
	if s.a.dead {
		return ErrReset
	}
	return nil
}

// writable says why a write is refused before it runs.
func (s *Storage) writable() error {
	if s.a.dead {
		return ErrReset
	}
	return s.a.own.eng.writable()
}

func (s *Storage) put(key string, encoded []byte, confirmed bool) {
	a := s.a
	if t := a.txn; t != nil {
		t.tx.Put(key, encoded)
		return
	}
	a.own.undo.save(a, key)
	a.rec.store.Put(key, encoded)
	a.ops = redo.AppendPut(a.ops, key, encoded)
	a.wrote(confirmed)
}

func (s *Storage) delete(key string, confirmed bool) bool {
	a := s.a
	if t := a.txn; t != nil {
		return t.tx.Delete(key)
	}
	if _, existed := a.rec.store.Get(key); !existed {
		return false
	}
	a.own.undo.save(a, key)
	a.rec.store.Delete(key)
	a.ops = redo.AppendDelete(a.ops, key)
	a.wrote(confirmed)
	return true
}

func checkEntry(key string, encoded []byte) error {
	switch {
	case len(key) > MaxKeyBytes:
		return ErrKeyTooLarge
	case len(key)+len(encoded) > MaxEntryBytes:
		return ErrValueTooLarge
	}
	return nil
}

func (o *ListOptions) kvRange() (kv.Range, error) {
	r := kv.Range{Prefix: o.Prefix, Reverse: o.Reverse, Limit: o.Limit}
	if o.Start != nil && o.StartAfter != nil {
		return r, ErrListBounds
	}
	if o.Limit < 0 {
		return r, ErrListLimit
	}
	if o.Start != nil {
		r.Start = *o.Start
	}
	if o.StartAfter != nil {
		r.StartAfter, r.HasStartAfter = *o.StartAfter, true
	}
	if o.End != nil {
		r.End, r.HasEnd = *o.End, true
	}
	return r, nil
}

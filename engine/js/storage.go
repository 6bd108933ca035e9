package js

import (
	"slices"
	"unsafe"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/project"
	"everloop/engine/js/web"
)

// transaction is a transaction that JavaScript has open.
type transaction struct {
	o *object
	t *engine.Transaction
}

// storage finds the storage behind a handle. A transaction's is its object's: the engine sends every access through the
// innermost open transaction.
func (rl *realm) storage(s web.Store) (*engine.Storage, error) {
	if s.Transaction {
		t, ok := rl.txns.Get(s.ID)
		if !ok {
			return nil, engine.ErrTransactionDone
		}
		return t.o.st.Storage(), nil
	}
	o, ok := rl.objects.Get(s.ID)
	if !ok {
		return nil, engine.ErrReset
	}
	return o.st.Storage(), nil
}

// view is b as a string for a callee that keeps nothing of it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func options(f web.WriteFlags) engine.WriteOptions {
	return engine.WriteOptions{AllowUnconfirmed: f&web.AllowUnconfirmed != 0}
}

// StorageGet is part of [web.StorageHost].
func (rl *realm) StorageGet(s web.Store, key []byte) (vm.Value, error) {
	st, err := rl.storage(s)
	if err != nil {
		return vm.Undefined, err
	}
	v, _, err := rl.get(st, view(key))
	return v, err
}

// get reads a value. One that is undefined can be there: storage.kv stores it.
func (rl *realm) get(st *engine.Storage, key string) (v vm.Value, found bool, err error) {
	encoded, found, err := st.GetRaw(key)
	if err != nil || !found {
		return vm.Undefined, false, rl.storageError(err)
	}
	v, err = rl.reader.Read(rl.r, encoded)
	return v, true, err
}

// StorageGetMany is part of [web.StorageHost].
func (rl *realm) StorageGetMany(s web.Store, keys [][]byte, out *web.Entries) error {
	st, err := rl.storage(s)
	if err != nil {
		return err
	}
	if len(keys) > engine.MaxBatchKeys {
		return rl.storageError(engine.ErrTooManyKeys)
	}
	slices.SortFunc(keys, slices.Compare)
	for _, k := range slices.CompactFunc(keys, slices.Equal) {
		v, found, err := rl.get(st, view(k))
		if err != nil {
			return err
		}
		if found {
			out.Add(k, v)
		}
	}
	return nil
}

// StoragePut is part of [web.StorageHost].
func (rl *realm) StoragePut(s web.Store, key []byte, v vm.Value, flags web.WriteFlags) error {
	st, err := rl.storage(s)
	if err != nil {
		return err
	}
	// Getters of the value may run here, and may write themselves.
	buf := rl.buf
	rl.buf = nil
	encoded, err := rl.writer.Append(buf[:0], rl.r, v)
	if err != nil {
		rl.buf = buf
		return rl.cloneError(err)
	}
	err = st.PutRaw(view(key), encoded, options(flags))
	if cap(encoded) <= 64<<10 {
		rl.buf = encoded
	}
	return rl.refusedWrite(s, err)
}

// StoragePutMany is part of [web.StorageHost]. All values are encoded before the first is stored: one that cannot be
// cloned leaves nothing behind.
func (rl *realm) StoragePutMany(s web.Store, keys [][]byte, vs []vm.Value, flags web.WriteFlags) error {
	st, err := rl.storage(s)
	if err != nil {
		return err
	}
	if len(keys) > engine.MaxBatchKeys {
		return rl.storageError(engine.ErrTooManyPairs)
	}
	entries := make([]engine.Entry, len(keys))
	for i, v := range vs {
		encoded, err := rl.writer.Append(nil, rl.r, v)
		if err != nil {
			return rl.cloneError(err)
		}
		entries[i] = engine.Entry{Key: string(keys[i]), Value: encoded}
	}
	return rl.refusedWrite(s, st.PutEntries(entries, options(flags)))
}

// StorageDelete is part of [web.StorageHost].
func (rl *realm) StorageDelete(s web.Store, key []byte, flags web.WriteFlags) (bool, error) {
	st, err := rl.storage(s)
	if err != nil {
		return false, err
	}
	existed, err := st.DeleteWith(view(key), options(flags))
	return existed, rl.refusedWrite(s, err)
}

// StorageDeleteMany is part of [web.StorageHost].
func (rl *realm) StorageDeleteMany(s web.Store, keys [][]byte, flags web.WriteFlags) (int, error) {
	st, err := rl.storage(s)
	if err != nil {
		return 0, err
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = view(k)
	}
	n, err := st.DeleteKeys(options(flags), names...)
	return n, rl.refusedWrite(s, err)
}

// StorageList is part of [web.StorageHost].
func (rl *realm) StorageList(s web.Store, o web.ListOptions, out *web.Entries) error {
	st, err := rl.storage(s)
	if err != nil {
		return err
	}
	bound := func(b []byte) *string {
		if b == nil {
			return nil
		}
		v := view(b)
		return &v
	}
	lo := engine.ListOptions{Start: bound(o.Start), StartAfter: bound(o.StartAfter), End: bound(o.End), Prefix: view(o.Prefix), Reverse: o.Reverse, Limit: o.Limit}
	var failed error
	err = st.List(lo, func(key, encoded []byte) bool {
		v, err := rl.reader.Read(rl.r, encoded)
		if err != nil {
			failed = err
			return false
		}
		out.Add(key, v)
		return true
	})
	if err == nil {
		err = failed
	}
	return rl.storageError(err)
}

// StorageDeleteAll is part of [web.StorageHost].
func (rl *realm) StorageDeleteAll(object uint64, _ web.WriteFlags) error {
	s := web.Store{ID: object}
	st, err := rl.storage(s)
	if err != nil {
		return err
	}
	return rl.refusedWrite(s, st.DeleteAllWith(engine.DeleteAllOptions{KeepAlarm: !rl.app.project.On(project.DeleteAllDeletesAlarm)}))
}

// StorageSync is part of [web.StorageHost].
func (rl *realm) StorageSync(object uint64) (vm.Value, error) {
	o, p, held, err := rl.promiseOf(object)
	if err != nil {
		return vm.Undefined, err
	}
	o.st.Storage().StartSync(func(err error) {
		rl.resume(o, held, vm.Undefined, err)
	})
	return p, nil
}

// resume settles a promise in a turn of an actor, and frees it.
func (rl *realm) resume(by actor, promise, v vm.Value, err error) {
	if rl.r.Err() == nil && !by.alive() {
		rl.r.Free(v)
	}
	rl.resumeWith(by, promise, func() (vm.Value, error) {
		if err != nil {
			rl.r.Free(v)
			return vm.Undefined, err
		}
		return v, nil
	})
}

// resumeWith is resume for a value that is made inside the turn.
func (rl *realm) resumeWith(by actor, promise vm.Value, result func() (vm.Value, error)) {
	if rl.r.Err() != nil {
		return
	}
	if !by.alive() {
		rl.r.Free(promise)
		return
	}
	rl.begin(by)
	v, err := result()
	if err != nil {
		err = rl.reject(promise, err)
	} else {
		err = rl.r.Resolve(promise, v)
	}
	rl.r.Free(promise)
	rl.end(err)
}

// TxnBegin is part of [web.StorageHost].
func (rl *realm) TxnBegin(object uint64, _ bool) (uint64, error) {
	o, ok := rl.objects.Get(object)
	if !ok {
		return 0, engine.ErrReset
	}
	t, err := o.st.Storage().Begin()
	if err != nil {
		return 0, err
	}
	return rl.txns.Add(&transaction{o, t}), nil
}

// TxnCommit is part of [web.StorageHost].
func (rl *realm) TxnCommit(txn uint64) error {
	t, ok := rl.txns.Get(txn)
	if !ok {
		return engine.ErrTransactionDone
	}
	rl.txns.Remove(txn)
	if err := t.t.Commit(); err != nil {
		return rl.refusedBy(t.o, err)
	}
	return nil
}

// TxnRollback is part of [web.StorageHost].
func (rl *realm) TxnRollback(txn uint64) error {
	t, ok := rl.txns.Get(txn)
	if !ok {
		return engine.ErrTransactionDone
	}
	rl.txns.Remove(txn)
	return t.t.Rollback()
}

package web

import "everloop/engine/js/internal/vm"

// Entries collects keys and values for JavaScript. Valid during the call that was given it.
type Entries struct {
	in    *Instance
	array vm.Value
	n     uint32
	err   error
}

// Add adds an entry. key is copied; v is consumed, also on failure, which the call that the Entries were given to ends
// with.
func (e *Entries) Add(key []byte, v vm.Value) {
	r := e.in.r
	if e.err != nil {
		r.Free(v)
		return
	}
	k, err := r.StringBytes(key)
	if err == nil {
		err = r.DefineIndex(e.array, e.n, k)
	}
	if err != nil {
		r.Free(v)
		e.err = err
		return
	}
	e.err = r.DefineIndex(e.array, e.n+1, v)
	e.n += 2
}

// collect gives f an Entries and returns the flat array that it filled.
func (in *Instance) collect(f func(e *Entries) error) (vm.Value, error) {
	a, err := in.r.Array()
	if err != nil {
		return vm.Undefined, err
	}
	e := Entries{in: in, array: a}
	if err = f(&e); err == nil {
		err = e.err
	}
	if err != nil {
		in.r.Free(a)
		return vm.Undefined, err
	}
	return a, nil
}

// keyList reads an array of strings.
func (in *Instance) keyList(array vm.Value) (keys [][]byte, err error) {
	err = in.each(array, func(_ int, v vm.Value) error {
		keys = append(keys, in.r.AppendString(nil, v))
		in.r.Free(v)
		return nil
	})
	return keys, err
}

// key is a key in UTF-8. It does not use the scratch text: a host that serialises a value runs the value's getters, and these may
// use this very storage.
func (in *Instance) key(v vm.Value) []byte {
	if b, ok := in.r.Latin1(v); ok && isASCII(b) {
		return b
	}
	return in.r.AppendString(nil, v)
}

func registerStore(name string, length int, fn func(in *Instance, s Store, args vm.Args) (vm.Value, error)) struct{} {
	return register(name, length, func(in *Instance, args vm.Args) (vm.Value, error) {
		s, err := in.store(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return fn(in, s, args)
	})
}

func writeFlags(v vm.Value) WriteFlags {
	n, _ := v.Int32()
	return WriteFlags(n)
}

// bound is a string of list's options; nil for null, and not nil for an empty one.
func (in *Instance) bound(v vm.Value) []byte {
	if !v.IsString() {
		return nil
	}
	return in.r.AppendString([]byte{}, v)
}

var (
	// storageGet(store, key): a promise, made in one step.
	_ = registerStore("storageGet", 2, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		return in.promise(in.Host.StorageGet(s, in.key(args.At(1))))
	})
	// storageGetMany(store, keys): a flat array.
	_ = registerStore("storageGetMany", 2, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		keys, err := in.keyList(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		return in.collect(func(e *Entries) error { return in.Host.StorageGetMany(s, keys, e) })
	})
	// storagePut(store, key, value, flags): a promise.
	_ = registerStore("storagePut", 4, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		err := in.Host.StoragePut(s, in.key(args.At(1)), args.At(2), writeFlags(args.At(3)))
		return in.promise(vm.Undefined, err)
	})
	// storagePutMany(store, flat array, flags): a promise.
	_ = registerStore("storagePutMany", 3, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		var keys [][]byte
		var values []vm.Value
		defer func() { in.r.FreeAll(values...) }()
		err := in.each(args.At(1), func(i int, v vm.Value) error {
			if i%2 == 1 {
				values = append(values, v)
				return nil
			}
			keys = append(keys, in.r.AppendString(nil, v))
			in.r.Free(v)
			return nil
		})
		if err == nil {
			err = in.Host.StoragePutMany(s, keys, values, writeFlags(args.At(2)))
		}
		return in.promise(vm.Undefined, err)
	})
	// storageDelete(store, key, flags): a promise of a boolean.
	_ = registerStore("storageDelete", 3, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		found, err := in.Host.StorageDelete(s, in.key(args.At(1)), writeFlags(args.At(2)))
		return in.promise(vm.Bool(found), err)
	})
	// storageDeleteMany(store, keys, flags): a promise of a count.
	_ = registerStore("storageDeleteMany", 3, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		keys, err := in.keyList(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		n, err := in.Host.StorageDeleteMany(s, keys, writeFlags(args.At(2)))
		return in.promise(vm.Int64(int64(n)), err)
	})
	// storageList(store, start, startAfter, end, prefix, reverse, limit): a flat array.
	_ = registerStore("storageList", 7, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		limit, _ := args.At(6).Int32()
		o := ListOptions{
			Start: in.bound(args.At(1)), StartAfter: in.bound(args.At(2)), End: in.bound(args.At(3)), Prefix: in.bound(args.At(4)),
			Reverse: args.At(5).Truth(), Limit: int(limit),
		}
		return in.collect(func(e *Entries) error { return in.Host.StorageList(s, o, e) })
	})
	_ = registerObject("storageDeleteAll", 2, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		return in.promise(vm.Undefined, in.Host.StorageDeleteAll(object, writeFlags(args.At(1))))
	})
	_ = registerObject("storageSync", 1, func(in *Instance, object uint64, _ vm.Args) (vm.Value, error) {
		return in.Host.StorageSync(object)
	})

	// kvGet, kvPut and kvDelete are the same at once, without promises.
	_ = registerStore("kvGet", 2, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		return in.Host.StorageGet(s, in.key(args.At(1)))
	})
	_ = registerStore("kvPut", 3, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		return vm.Undefined, in.Host.StoragePut(s, in.key(args.At(1)), args.At(2), 0)
	})
	_ = registerStore("kvDelete", 2, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		found, err := in.Host.StorageDelete(s, in.key(args.At(1)), 0)
		return vm.Bool(found), err
	})

	// txnBegin(object, sync): the handle of a transaction.
	_ = registerObject("txnBegin", 2, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		txn, err := in.Host.TxnBegin(object, args.At(1).Truth())
		if err != nil {
			return vm.Undefined, err
		}
		v, _, err := in.r.HostObject(transactionClass, vm.Undefined, txn)
		return v, err
	})
	_ = registerStore("txnCommit", 1, func(in *Instance, s Store, _ vm.Args) (vm.Value, error) {
		return vm.Undefined, in.Host.TxnCommit(s.ID)
	})
	_ = registerStore("txnRollback", 1, func(in *Instance, s Store, _ vm.Args) (vm.Value, error) {
		return vm.Undefined, in.Host.TxnRollback(s.ID)
	})
)

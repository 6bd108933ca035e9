package web

import (
	"strconv"
	"strings"

	"everloop/engine/js/internal/vm"
)

// Entries collects keys and values for JavaScript. Valid during the call that was given it.
type Entries struct {
	in    *Instance
	into  vm.Value // a flat array, or a Map
	isMap bool
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
	if err == nil && e.isMap {
		e.err = r.SetEntry(e.into, k, v)
		return
	}
	if err == nil {
		err = r.DefineIndex(e.into, e.n, k)
	}
	if err != nil {
		r.Free(v)
		e.err = err
		return
	}
	e.err = r.DefineIndex(e.into, e.n+1, v)
	e.n += 2
}

// collect gives f an Entries and returns the flat array that it filled.
func (in *Instance) collect(f func(e *Entries) error) (vm.Value, error) {
	a, err := in.r.Array()
	if err != nil {
		return vm.Undefined, err
	}
	e := Entries{in: in, into: a}
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

// registerStore adds a host function that is called storage and the method it does the work of, and Many where it is of several keys.
func registerStore(name string, length int, fn func(in *Instance, s Store, args vm.Args) (vm.Value, error)) struct{} {
	method := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(name, "storage"), "Many"))
	return register(name, length, func(in *Instance, args vm.Args) (vm.Value, error) {
		s, err := in.store(args.At(0))
		if err != nil {
			return vm.Undefined, ended(err, method)
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
	// storageGetMany(store, keys): a promise of a Map.
	_ = registerStore("storageGetMany", 2, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		keys, err := in.keyList(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		return in.getMany(s, keys)
	})
	// The methods get and put of a storage or transaction do the usual by themselves, and leave the rest to JavaScript.
	_ = method("storageGetMethod", "get", 1, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		key := args.At(0)
		keys, isList := in.plainKeys(key)
		if !key.IsString() && !isList || !args.At(1).IsNullish() && !args.At(1).IsObject() {
			if len(args) == 0 {
				return in.rejected(wrongType("get", in.storeName(this), 1, "string or Array"))
			}
			return in.slow(in.storageGet, this, args)
		}
		s, err := in.store(this)
		if err != nil {
			return in.rejected(ended(err, "get"))
		}
		var p vm.Value
		if isList {
			p, err = in.getMany(s, keys)
		} else {
			p, err = in.promise(in.Host.StorageGet(s, in.key(key)))
		}
		if err != nil {
			return in.rejected(err)
		}
		return p, nil
	})
	_ = method("storagePutMethod", "put", 2, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		key, v := args.At(0), args.At(1)
		if !key.IsString() || v.IsUndefined() || !args.At(2).IsUndefined() {
			if len(args) == 0 {
				return in.rejected(wrongType("put", in.storeName(this), 1, "string or object"))
			}
			return in.slow(in.storagePut, this, args)
		}
		s, err := in.store(this)
		if err == nil {
			err = in.Host.StoragePut(s, in.key(key), v, 0)
		} else {
			err = ended(err, "put")
		}
		if err != nil {
			return in.rejected(err)
		}
		return in.r.ResolvedPromise(vm.Undefined)
	})
	// storagePut(store, key, value, flags): a promise.
	_ = registerStore("storagePut", 4, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		err := in.Host.StoragePut(s, in.key(args.At(1)), args.At(2), writeFlags(args.At(3)))
		return in.promise(vm.Undefined, err)
	})
	// storagePutMany(store, entries, flags): a promise. Fields that are undefined are left out.
	_ = registerStore("storagePutMany", 3, func(in *Instance, s Store, args vm.Args) (vm.Value, error) {
		var keys [][]byte
		var values []vm.Value
		defer func() { in.r.FreeAll(values...) }()
		err := in.r.Props(args.At(1), func(k, v vm.Value) error {
			if v.IsUndefined() {
				return nil
			}
			if n, ok := k.Float64(); ok {
				keys = append(keys, strconv.AppendFloat(nil, n, 'f', -1, 64))
			} else {
				keys = append(keys, in.r.AppendString(nil, k))
			}
			values = append(values, in.r.Dup(v))
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

	// txnBegin(object): a DurableObjectTransaction of transactionSync.
	_ = register("txnBegin", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.beginTransaction(args.At(0), true)
	})
	// txnEnd(txn, commit): see finishTransaction.
	_ = register("txnEnd", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Undefined, in.finishTransaction(args.At(0), args.At(1).Truth())
	})
	// txnRollback(txn) is the program's; a second one does nothing.
	_ = register("txnRollback", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		txn, err := in.endTransaction(args.At(0), txnBack)
		switch {
		case err == errTxnBack:
			return vm.Undefined, nil
		case err != nil:
			return vm.Undefined, ended(err, "rollback")
		}
		return vm.Undefined, in.Host.TxnRollback(txn)
	})
	// storeName(store): see storeName.
	_ = register("storeName", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.r.String(in.storeName(args.At(0)))
	})
)

// The payload of a transaction's handle is its number and, in the low bits, what became of it.
const (
	txnStateBits = 2
	txnBack      = 1 // rolled back, by the program or because it failed
	txnOver      = 2 // committed
)

// openTransaction is the number of a transaction that is open.
func openTransaction(payload uint64) (uint64, error) {
	switch payload & (1<<txnStateBits - 1) {
	case txnBack:
		return 0, errTxnBack
	case txnOver:
		return 0, errTxnOver
	}
	return payload >> txnStateBits, nil
}

// ended says in the words of a method that the transaction is over.
func ended(err error, method string) error {
	switch err {
	case errTxnBack:
		return vm.PlainError("Cannot %s() on rolled back transaction", method)
	case errTxnOver:
		return vm.PlainError("Cannot call %s() on transaction that has already committed: did you move `txn` outside of the closure?", method)
	}
	return err
}

// storeName is the class of a storage or transaction.
func (in *Instance) storeName(v vm.Value) string {
	if in.r.IsHost(transactionClass, v) {
		return "DurableObjectTransaction"
	}
	return "DurableObjectStorage"
}

// endTransaction closes a transaction that is open.
func (in *Instance) endTransaction(v vm.Value, state uint64) (uint64, error) {
	payload, ok := in.r.Payload(transactionClass, v)
	if !ok {
		return 0, errIllegal
	}
	txn, err := openTransaction(payload)
	if err == nil {
		in.r.SetPayload(transactionClass, v, payload|state)
	}
	return txn, err
}

// getMany is a promise of a Map.
func (in *Instance) getMany(s Store, keys [][]byte) (vm.Value, error) {
	m, err := in.r.NewMap()
	if err != nil {
		return vm.Undefined, err
	}
	e := Entries{in: in, into: m, isMap: true}
	if err = in.Host.StorageGetMany(s, keys, &e); err == nil {
		err = e.err
	}
	if err != nil {
		in.r.Free(m)
		return vm.Undefined, err
	}
	return in.r.ResolvedPromise(m)
}

// plainKeys are the keys in an array of strings whose elements can be read without running any code of the program.
func (in *Instance) plainKeys(v vm.Value) (keys [][]byte, ok bool) {
	if !in.r.Dense(v) {
		return nil, false
	}
	n, _ := in.r.ArrayLength(v)
	for i := range n {
		k, _ := in.r.Element(v, i)
		if !k.IsString() {
			in.r.Free(k)
			return nil, false
		}
		keys = append(keys, in.r.AppendString(nil, k))
		in.r.Free(k)
	}
	return keys, true
}

// slow does what a method of the host leaves to JavaScript.
func (in *Instance) slow(door, this vm.Value, args vm.Args) (vm.Value, error) {
	p, err := in.r.Call(door, vm.Undefined, this, args.At(0), args.At(1), args.At(2))
	if err != nil {
		return in.rejected(err)
	}
	return p, nil
}

package web

import (
	"errors"

	"everloop/engine/js/internal/vm"
)

// storage.transaction runs in a critical section of the object, like blockConcurrencyWhile; a callback that throws undoes its
// writes and resets nothing. Its steps are callables, as each transaction needs four of them.
var (
	// txnStart holds the storage, the callback and the promise that transaction returned. It is called with the section.
	txnStart *vm.Callable
	// txnSettled holds the storage, the transaction and that promise. Its kind is the section and whether to commit. It is
	// called with what the callback's promise was settled with.
	txnSettled *vm.Callable
	// txnRefused holds that promise, and rejects it.
	txnRefused *vm.Callable
)

func init() {
	txnStart = vm.RegisterCallable("TransactionStart", startTransaction)
	txnSettled = vm.RegisterCallable("TransactionSettled", settleTransaction)
	txnRefused = vm.RegisterCallable("TransactionRefused", func(r *vm.Runtime, this vm.Value, args vm.Args) (vm.Value, error) {
		_, held, _ := r.Held(txnRefused, this)
		return vm.Undefined, r.Reject(held[0], r.Dup(args.At(0)))
	})
}

var _ = method("storageTransaction", "transaction", 1, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
	if !in.r.IsFunction(args.At(0)) {
		return in.rejected(wrongType("transaction", "DurableObjectStorage", 1, "function"))
	}
	object, err := in.object(this)
	if err != nil {
		return in.rejected(err)
	}
	section, err := in.Host.BlockEnter(object)
	if err != nil {
		return in.rejected(err)
	}
	defer in.r.Free(section)
	promise, err := in.r.PendingPromise()
	if err != nil {
		return vm.Undefined, err
	}
	if err := in.reactWith(section, promise, txnStart, 0, this, args.At(0), promise); err != nil {
		in.r.Free(promise)
		return vm.Undefined, err
	}
	return promise, nil
})

// reactWith calls a callable of class c with what p is fulfilled with, and rejects promise with what p is rejected with.
func (in *Instance) reactWith(p, promise vm.Value, c *vm.Callable, kind uint64, held ...vm.Value) error {
	ok, err := in.r.Callable(c, vm.Null, kind, held...)
	if err != nil {
		return err
	}
	defer in.r.Free(ok)
	failed, err := in.r.Callable(txnRefused, vm.Null, 0, promise)
	if err != nil {
		return err
	}
	defer in.r.Free(failed)
	return in.r.React(p, ok, failed)
}

// startTransaction is the first turn of the section.
func startTransaction(r *vm.Runtime, this vm.Value, args vm.Args) (vm.Value, error) {
	in := r.Host.(*Instance)
	_, held, _ := r.Held(txnStart, this)
	storage, callback, promise := held[0], held[1], held[2]
	n, _ := args.At(0).Float64()
	section := int64(n)
	txn, err := in.beginTransaction(storage, false)
	if err != nil {
		return vm.Undefined, in.abandon(storage, section, promise, err)
	}
	defer r.Free(txn)
	running, err := in.running(r.Call(callback, vm.Undefined, txn))
	if err != nil {
		if in.uncatchable(err) {
			return vm.Undefined, err
		}
		reason, failure := r.ErrorValue(err)
		if failure != nil {
			return vm.Undefined, failure
		}
		defer r.Free(reason)
		return vm.Undefined, in.overTransaction(storage, txn, promise, section, false, reason)
	}
	defer r.Free(running)
	committed, err := r.Callable(txnSettled, vm.Null, uint64(section)<<1|1, storage, txn, promise)
	if err != nil {
		return vm.Undefined, err
	}
	defer r.Free(committed)
	undone, err := r.Callable(txnSettled, vm.Null, uint64(section)<<1, storage, txn, promise)
	if err != nil {
		return vm.Undefined, err
	}
	defer r.Free(undone)
	return vm.Undefined, r.React(running, committed, undone)
}

// running is a promise for what a callback returned, which it consumes.
func (in *Instance) running(v vm.Value, err error) (vm.Value, error) {
	if err != nil || in.r.IsPromise(v) {
		return v, err
	}
	p, err := in.r.PendingPromise()
	if err == nil {
		err = in.r.Resolve(p, v)
	} else {
		in.r.Free(v)
	}
	return p, err
}

func (in *Instance) uncatchable(err error) bool {
	return errors.Is(err, vm.ErrInterrupted) || in.r.Err() != nil
}

func settleTransaction(r *vm.Runtime, this vm.Value, args vm.Args) (vm.Value, error) {
	kind, held, _ := r.Held(txnSettled, this)
	return vm.Undefined, r.Host.(*Instance).overTransaction(held[0], held[1], held[2], int64(kind>>1), kind&1 == 1, args.At(0))
}

// overTransaction ends a transaction and its section, and settles the promise with v: it is fulfilled where a commit was asked
// for and possible.
func (in *Instance) overTransaction(storage, txn, promise vm.Value, section int64, commit bool, v vm.Value) error {
	if err := in.finishTransaction(txn, commit); err != nil {
		return in.abandon(storage, section, promise, err)
	}
	if err := in.leaveSection(storage, section); err != nil {
		return err
	}
	if commit {
		return in.r.Fulfill(promise, in.r.Dup(v))
	}
	return in.r.Reject(promise, in.r.Dup(v))
}

// abandon leaves the section and rejects the promise with err.
func (in *Instance) abandon(storage vm.Value, section int64, promise vm.Value, err error) error {
	if in.uncatchable(err) {
		return err
	}
	if err := in.leaveSection(storage, section); err != nil {
		return err
	}
	reason, err := in.r.ErrorValue(err)
	if err != nil {
		return err
	}
	return in.r.Reject(promise, reason)
}

// leaveSection ends a section. An object that was reset meanwhile has none any more.
func (in *Instance) leaveSection(storage vm.Value, section int64) error {
	object, ok := in.r.Payload(objectClass, storage)
	if !ok {
		return nil
	}
	return in.Host.BlockLeave(object, section, true, vm.Undefined)
}

// beginTransaction makes a DurableObjectTransaction of a storage.
func (in *Instance) beginTransaction(storage vm.Value, sync bool) (vm.Value, error) {
	object, err := in.object(storage)
	if err != nil {
		return vm.Undefined, err
	}
	txn, err := in.Host.TxnBegin(object, sync)
	if err != nil {
		return vm.Undefined, err
	}
	v, _, err := in.r.HostObject(transactionClass, in.transactionProto, txn<<txnStateBits)
	return v, err
}

// finishTransaction ends a transaction, unless the program has rolled it back.
func (in *Instance) finishTransaction(v vm.Value, commit bool) error {
	state := uint64(txnBack)
	if commit {
		state = txnOver
	}
	if txn, err := in.endTransaction(v, state); err == nil && commit {
		return in.Host.TxnCommit(txn)
	} else if err == nil {
		return in.Host.TxnRollback(txn)
	}
	return nil
}

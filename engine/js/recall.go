package js

import (
	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// A failure that comes into the program is an Error there, and has lost where it happened and whether it is the disk
// or the program that is at fault. Most programs let it pass. So a realm remembers which Error stands for which
// failure, and recalls it when that Error leaves: the log names the object that failed, not the one that asked, and a
// full disk stays a 503.
//
// The memory is a WeakMap, from the Error to a host object with the failure's number, which the program cannot see. A
// property would be seen, and would travel where Errors are cloned. A failure is forgotten when a collection finds its
// Error gone, or when maxRemembered others have come after it: an Error is most often passed on at once.

// maxRemembered bounds what one runtime remembers. A failure is some kilobytes, most of it the stack.
const maxRemembered = 1024

// failureClass stands for a failure.
var failureClass = vm.RegisterClass("Failure", func(r *vm.Runtime, payload uint64) {
	if rl, ok := r.Host.(*web.Instance).Host.(*realm); ok {
		delete(rl.failures, payload)
	}
})

const recallSource = `(() => { const failures = new WeakMap(); return [failures.set.bind(failures), failures.get.bind(failures)]; })()`

// makeRecall prepares remember and recall. It comes before the program, which could change WeakMap.
func (rl *realm) makeRecall() error {
	r := rl.r
	pair, err := r.Eval("everloop:recall", recallSource)
	if err != nil {
		return err
	}
	defer r.Free(pair)
	if rl.rememberer, err = r.GetIndex(pair, 0); err != nil {
		return err
	}
	rl.recaller, err = r.GetIndex(pair, 1)
	return err
}

// remember connects the object v, borrowed, with the failure that it stands for.
func (rl *realm) remember(v vm.Value, e *engine.Error) error {
	r := rl.r
	rl.lastFailure++
	n := rl.lastFailure
	rl.failures[n] = e
	delete(rl.failures, n-maxRemembered)
	holder, _, err := r.HostObject(failureClass, vm.Undefined, n)
	if err != nil {
		delete(rl.failures, n)
		return err
	}
	result, err := r.Call(rl.rememberer, vm.Undefined, v, holder)
	r.FreeAll(result, holder)
	return err
}

// recall returns the failure that v, borrowed, stands for, or nil.
func (rl *realm) recall(v vm.Value) *engine.Error {
	if !v.IsObject() || !rl.recaller.IsObject() {
		return nil
	}
	holder, err := rl.r.Call(rl.recaller, vm.Undefined, v)
	if err != nil {
		return nil
	}
	defer rl.r.Free(holder)
	n, ok := rl.r.Payload(failureClass, holder)
	if !ok {
		return nil
	}
	return rl.failures[n]
}

// passed is a failure that the handler of w did not keep to itself. It is still its own: the place stays, and so does
// what it says of the machine. What it says of the object that failed does not hold for the one that passes it on:
// that has not been reset, and may have done something that a retry would double.
func passed(e *engine.Error, w *waiting) *engine.Error {
	p := *e
	if e.Class != "" && (w == nil || w.object != nil) {
		p.Reset, p.Retryable = false, false
	}
	p.Remote = true
	return &p
}

package vm

import (
	"errors"
	"fmt"
)

var (
	// ErrInterrupted is returned when the watchdog, or Interrupt, stopped the
	// running turn. JavaScript could not catch it. The runtime lives on, with
	// the jobs of other turns still queued.
	ErrInterrupted = errors.New("vm: JavaScript interrupted: it ran longer than its limit")
	// ErrOutOfMemory is returned when the runtime reached its memory limit. The
	// runtime is lost.
	ErrOutOfMemory = errors.New("vm: JavaScript runtime is out of memory")
	// ErrClosed is returned by a runtime after Close.
	ErrClosed = errors.New("vm: JavaScript runtime is closed")
	// ErrEngine is returned by New when the engine in this program is not the
	// one that this package was written for.
	ErrEngine = errors.New("vm: unexpected layout of the JavaScript engine")
)

// FaultError says that the engine itself failed (a fault in the translated C,
// usually right after a failed allocation). The runtime is lost.
type FaultError struct {
	Cause any    // what the engine panicked with
	Stack []byte // the Go stack of the fault
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("vm: fault inside the JavaScript engine, the runtime is lost: %v", e.Cause)
}

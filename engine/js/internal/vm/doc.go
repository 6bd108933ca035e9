// Package vm is the only door to the JavaScript engine: a thin binding on the
// C-level API of modernc.org/libquickjs, a pure-Go translation of QuickJS.
//
// The host (engine/js and its packages) uses it to compile bundles to
// bytecode, to run them in small runtimes, to call between Go and JavaScript,
// and to read promises. It knows nothing of objects, storage or requests.
//
// # Ownership of a runtime
//
// A Runtime is owned by one loop: at any time at most one goroutine may be
// inside it. It needs no locked thread. Three methods are safe from any
// goroutine: Interrupt, SetLimit and Label. Compile and Intern are process-wide
// and safe for concurrent use.
//
// # Ownership of values
//
// A Value is a 16-byte copy of the engine's own value, with the engine's
// reference count behind it. The rules are those of the C API:
//
//   - A Value returned by a method is owned by the caller, who gives it to
//     Runtime.Free, or passes it on to something that takes ownership.
//   - Arguments are borrowed: Call, Get, Has and friends never take ownership.
//     The exceptions say so, and their names begin with Set, Define, Resolve,
//     Reject or Append: they consume the value they store, also on failure.
//   - Dup makes a second owned reference.
//   - Numbers, booleans, null and undefined own nothing: Free on them is free.
//
// The zero Value is the number 0. Use Undefined for "nothing".
//
// # Turns
//
// The host brackets each run of an object's code, with the Pump after it, by
// Begin and End. Only a turn can be interrupted, by the Watchdog or Interrupt.
// After ErrInterrupted the host ends the turn; jobs of other turns are still
// queued and run at the next Pump. An object that catches the rejections of its
// own interrupted calls can queue jobs for ever: if the next Pump is
// interrupted too, close the runtime.
//
// # Failure
//
// A method that runs JavaScript returns an error: *Exception if JavaScript
// threw, ErrInterrupted if the watchdog stopped the turn, and ErrOutOfMemory
// or a *FaultError if the runtime is lost. A lost runtime refuses everything
// with that same error, has given its memory back, and must be replaced;
// other runtimes are not affected.
//
// # The engine's layout
//
// For speed this package reads and writes a few structures of the engine
// directly (strings, promises, the interrupt counter), and calls a few of its
// unexported functions. All of it is in layout.go, is tied to one version of
// the engine's package, and is proved by a self-test before the first runtime
// is handed out: on a mismatch New returns ErrEngine and says what differs.
package vm

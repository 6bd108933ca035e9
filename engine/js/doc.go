// Package js is the host of objects that are written in JavaScript or TypeScript: a class exported by a project
// becomes an [engine.Class], and the project's Worker an [engine.Entrypoint].
//
// # Runtimes
//
// Each loop has a few small JavaScript runtimes, made when they are first needed. Requests of the Worker run in
// the first; objects are spread over all of them by their ID. A runtime is collected, and lost when it
// reaches its memory limit, alone; then it is built anew, and the objects that lived in it are reset, with
// their storage intact. State at the level of a module is one copy a runtime.
//
// # Turns
//
// JavaScript is entered from a loop's base stack only: [engine.Entrypoint] and [engine.Object] start an event, run
// the program and its promise jobs until none is left, and look whether the promise that the handler returned has
// settled. Whatever the program waits for comes back as a turn of the same event or object, and does the
// same. A host call acts for the object that its handle names; where a call has none (a stub from env, a timer, fetch) it
// acts for whoever the running turn belongs to.
//
// # Calls
//
// A call by name is an [engine.EventCall]: its arguments and result cross as bytes (internal/clone), made in one runtime and
// read in another, also within one loop. What bytes cannot hold is given away: it stays in its runtime as an export of the
// object or event that it belongs to, and what travels is an [engine.Cap] beside the bytes (crossing.go, given.go). A call on
// it is an event on that very instance ([engine.Live]), with the dependency of its caller. References are counted; the
// last one to go sends a release, which is an event as well. When the instance or event ends, so does what it gave away, and
// so do the stubs that it has.
//
// A call on the result of another one is sent right behind it and made where the result is (pipeline.go).
//
// # Runaway code
//
// A watchdog interrupts a turn that runs longer than [Options.CPULimit]; its object is reset. A turn that cannot be
// interrupted ends the process with code 70, after its object has been put into the quarantine of the data
// directory, where it stays until its line is removed.
package js

// Package engine runs durable objects: many small objects, each with a global identity, private durable storage, and one
// thread of execution. It is what the daemon serves, and it can be embedded in a program of one's own. It knows nothing
// of protocols (packages proto and below) or of JavaScript (package js): those are built on it.
//
// # Embedding
//
//	eng, err := engine.Open(engine.Options{Dir: "state"})            // recovers what is there
//	counters, err := eng.Register("Counter", engine.ClassOf(newCounter))
//	var n int
//	err = counters.GetByName("visits").Call(ctx, "add", &n, 1)       // from any goroutine
//	err = eng.Close(ctx)
//
// [ClassOf] makes a class of a Go type, whose exported methods can be called by name. Any goroutine may call stubs of
// [Engine.Namespace]; when a call returns, what it did is durable. [Stub.StartCall] and [Stub.StartFetch] are the same
// without a goroutine that waits, and a [Pipe] keeps many calls under way from one goroutine. [DirectOf] makes a class without
// instances, for objects whose whole state is in their storage. A protocol brings its own pool of loops, and enters by a [Port] on each; see package proto.
//
// # Who calls what
//
// An engine has a few event loops, from package loop. Each object belongs to one of them, by its ID, and all that happens to
// the object happens there; so nothing of an object has a lock. The methods of [Engine], [Namespace] and [ID] may be called from any
// goroutine. What an object or an entry point is given ([State], [Storage], [Event], and the stubs of their
// namespaces) is for its own turns only. Code of an object never blocks its loop: where it has to wait, it calls a stub of
// its State, or [State.Do], which lets other objects run meanwhile. A goroutine of the object's own must not touch it, and a stub of the
// Engine is refused inside a turn with [ErrInsideTurn], since waiting for it would block the loop.
//
// # Turns
//
// A turn is one uninterrupted run of an object's code. Two turns of one object never overlap. A Go method is straight-line code
// that runs in a pooled coroutine: each stretch between its waits is a turn, and at a wait other events of the same object may
// enter. What a turn writes to [Storage] is read back at once, from memory. It becomes one record of the log when the turn ends: after a
// crash all of it is there, or nothing.
//
// # Gates
//
// The input gate keeps other events out of an object while its constructor, [State.BlockConcurrencyWhile] or
// [Storage.Transaction] is under way, also while those wait. The output gate keeps in whatever leaves the process (answers to callers outside, pieces of
// bodies, work that [State.Do] starts) until every write that it could reveal is durable. Nobody has to wait for a write to be safe.
//
// # Causal order
//
// All objects share one log with one total order of records. An object's dependency is the highest record among its own writes and
// everything that it has received; it travels with all that the object sends. A call from object to object therefore does not
// wait for the disk: its writes come later in the same log than their cause, and a crash leaves a prefix of the log. Only what
// leaves the process waits, for its dependency. A chain of calls over several loops costs one fsync in the end.
//
// # Alarms
//
// An object sets its one alarm with [Storage.SetAlarm] and is called at that moment, if it is an [Alarmer]: at least once, never
// early by the wall clock, also after a restart. One that fails is tried again, and given up at last: see [Engine.FailedAlarms].
//
// # WebSockets
//
// A WebSocket is a pair of ends, made by [State.WebSocketPair]; a [Response] of status 101 gives one to a client, or to whoever called. An object
// keeps the other with [State.AcceptWebSocket], also while it has no instance, and takes its messages as a [WebSocketMessager], or with
// [State.HoldWebSocket] for as long as its instance lives. Messages pass the gates as calls do. What is sent to many is made once: see
// [State.Broadcast].
//
// # Failures
//
// A handler that returns an error or panics fails its own event, with an [*Error] that names class, object and method. When a write or an fsync fails
// the log closes: nothing unconfirmed leaves any more, what depends on it fails with [ErrUnavailable], and other objects can
// still be read. An instance that has been idle is dropped, and built again by its constructor when it is needed: what must last goes to
// Storage. docs/semantics.md states all promises and all bounds.
package engine

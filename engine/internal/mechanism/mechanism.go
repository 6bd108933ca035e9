// Package mechanism has a switch for each mechanism that the engine's promises rest on. A test of a promise is
// worth something only if it fails when the mechanism behind it is taken away, so the simulator takes each
// away once and expects to be told. Nothing else may set a switch; set it before an engine is opened.
package mechanism

// Off switches mechanisms off. The zero value is how the engine runs.
var Off struct {
	// TurnQueue: turns start from the loop's base stack only; without it a call is delivered inside the
	// caller's turn.
	TurnQueue bool
	// InputGate: an open critical section keeps other events out.
	InputGate bool
	// OutputGate: what leaves waits until it is durable.
	OutputGate bool
	// Dependency: an object remembers the records behind what it has received.
	Dependency bool
	// OneRecord: all writes of a turn are one record.
	OneRecord bool
}

// Bound makes bounds smaller, so that short histories meet them. Zero is how the engine runs; set it before an engine is
// opened.
var Bound struct {
	// SliceObjects is how many objects a loop writes in one slice of a snapshot, at most.
	SliceObjects int
	// FreezeBytes is from how many bytes on an object is frozen, and written off the loop.
	FreezeBytes int
	// TurnSlice is how many turns a loop runs before its connections get their turn.
	TurnSlice int
}

// Package enginetest checks the engine's promises on random histories.
//
// [Run] plays one history. A few objects, on one to four loops, run random programs: they write one key or several,
// delete, read everything, call each other and wait, start calls and take the answers later, open critical sections
// and transactions inside one another, wait for timers, for work off the loop and for the disk, fail, panic and
// abort. Callers from outside start calls and events of an entry point. Meanwhile the history decides which loop
// runs next, when a commit begins and ends, when time moves, when a disk is full, breaks or loses power, and when
// the process crashes; then the engine is opened again, on another number of loops, and the history goes on.
//
// Everything is played on one goroutine, inside a bubble of testing/synctest, on virtual time (package looptest):
// work off the loop and a committer of the real log run until they can go no further before the next choice is
// made, on one processor. So a seed, or a script of a byte a choice, gives the same history every time.
//
// # What is checked
//
// Beside each write of a program the same is done to a model: plain maps, one for each object, and the sequence of
// their versions, one for each turn that wrote. Every version, instance, message and answer carries a vector clock:
// which version of which object it could have heard of, in any way. From that follow the promises, the values of
// [Kind]:
//
//   - no code of an object begins inside other straight-line code of it, and nothing enters a critical section
//     but what belongs to it;
//   - after a crash every object holds what it held after one of its turns, and if an effect is there, so are all
//     its causes (what a crash leaves is read from the log's records, not from the engine, whose reads are
//     compared with it later);
//   - what was told to a caller outside, and what work off the loop could know when it began, was durable at that
//     moment, and is there after every crash;
//   - an alarm runs at its moment or later by the wall clock, which is set now and then, until it has succeeded or was given
//     up; it is tried again as it should be, over crashes too, and its end is one version with what its last turn wrote;
//   - a WebSocket's messages arrive once and in order, each when the event before it has ended, and what an object sends leaves when
//     all that it could reveal is durable; the end comes behind them, once;
//   - when the code of the class is replaced, instances are made of the newest code, and no call begins in an older one once all loops
//     know of it;
//   - a snapshot, which is made a slice and a piece of work at a time while all goes on, shows each object as it was after the turn whose
//     record it names, with its alarm and name, and leaves out only what had nothing at some moment; a start that reads it, and the
//     history as of any record, hold what the log alone would;
//   - what an object is to be restored to is what it was at that record, and takes the place of its keys before its next constructor; a
//     bookmark that a crash took is refused;
//   - reads return what was written; calls on one stub arrive in order, and each is answered once;
//   - when nothing is under way, nothing waits and no object is live.
//
// # How to read a failure
//
// A failure names the promise, the life (the number of the start, from 0), the step of the history, and what is
// wrong. Below it are the last events, oldest first. "call 7 to o1: writes 42 to [left right], version 3" is one
// thread of o1's code; all its lines up to "ends" or the next wait belong to one turn, and "record 12 of o1" closes
// the turn that wrote. "commit", "in flight" and "durable up to" are the log's. Go backwards from the last line:
// find the version that the failure names, whether its record was durable by then, and by which call the news of
// it travelled. To see more, run the seed again:
//
//	go test ./engine/enginetest -run TestSimulation -seed 352
//	go test ./engine/enginetest -run TestSimulation -seeds 100000   # more histories than usual
//
// and make traceLines larger.
//
// # What else is here
//
// The tests of this package hold four more proofs, which -seed and -seeds steer as well: install_test.go has a model of the rule by
// which snapshots are installed, with each part of it taken away once; metamorphic_test.go runs one history in settings that must
// not matter, and makes one that does smaller; linear_test.go and crash_linear_test.go record what clients see on real loops and
// the real log, over power cuts too, and have it checked for linearizability.
//
// # The files
//
// choice.go is where choices come from, world.go plays a history, object.go is the program of an object and visit.go
// that of an entry point, alarm.go has
// its alarm and tube.go its WebSockets, journal.go stands between the engine and its log, snapshot.go between the engine and its snapshots, travel.go has
// bookmarks and restores, model.go is the model, check.go has the
// promises and trace.go the last events.
package enginetest

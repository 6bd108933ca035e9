// Package drive makes operations at a pace that is set, against anything, and records how long they took.
//
// A [Target] opens connections; a [Session] has those of one worker and starts operations on them. The driver decides when
// which operation starts, and measures:
//
//   - In a closed loop ([Plan].Rate is zero) every connection always has as many operations under way as it takes. A server that
//     stalls is asked less meanwhile, so latencies say what a client sees that waits for each answer.
//   - In an open loop operations become due by a [Rate], evenly or by chance, whatever the server does. Latency counts from
//     the instant at which an operation was due, not from the one at which it could be sent: what waits behind a
//     server that stalls is counted as long as it waits (no coordinated omission). Beside it, the service time counts from
//     when it was sent. What is due while no connection is free is owed. Where more is owed than [Plan].Owed the run ends,
//     and [Result].Verdict says who was too slow; what is owed at the end counts as unsent, with the time that it has waited.
//
// Latencies of operations that failed are not recorded; the failures are counted by kind, with the first text of each.
//
// # Time
//
// All times are read from the monotonic clock, once for each batch of bytes that arrived on a connection, so a latency is right to
// about a microsecond. The driver waits in the target, which wakes it when the next operation is due. How late it has started
// operations for which a connection was free is recorded as [Result].Lag: that is the generator's own part of the latencies.
//
// # Threads
//
// Each worker has one goroutine, its own session and its own histograms; nothing is shared between workers while a run lasts, other than
// the figures of each interval, which are handed over about once a second.
package drive

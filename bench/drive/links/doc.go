// Package links makes operations on many connections to a server, for package drive: a [Codec] says how an operation and its answer
// look, and everything else is here.
//
// One goroutine has all connections of a worker in one epoll instance and reads them through one large buffer: an operation costs a
// read, a write and a share of a wait, and nothing is allocated for it. Answers come in the order of the operations.
//
// A connection that fails takes the operations down that are under way on it, which are counted as failed, and is made
// again at the next operation: at once if it had been of use, otherwise after a pause that grows from 100 ms to a second.
package links

// Package proto is what a protocol is: the one interface that the protocols of this module and those of an
// embedding program implement alike.
//
// A protocol takes bytes from connections, asks objects or entry points of an engine, and sends what they answer.
// It is a [Protocol], which makes a [Session] for each connection; the session is given a [Conn], which joins the
// connection with the engine's door on the same loop:
//
//	func (s *session) Data() {
//		for s.c.Room() {
//			line, ok := nextLine(s.c.Inbound())
//			if !ok {
//				return
//			}
//			s.objects.GetByName(key).StartCall("Add", args, s.c.Answer(render))
//			s.c.Discard(len(line))
//		}
//	}
//
// [Serve] listens with it. The example of the package is a whole protocol.
//
// # Threads
//
// Every method of a session is called on its connection's loop, and everything of a Conn is used there only. A
// loop must not wait: calls are started (StartCall, StartFetch, Port.Enter), and the answer comes back on the
// loop, after everything that it reveals is durable. So a protocol needs no lock, no goroutine, and no thought
// for the log.
//
// # Order, and bounds
//
// Clients pipeline: they send the next request before they have the answer to the last. Objects answer in any
// order; [Conn.Answer] and [Conn.Queue] send the answers in the order of the requests. At most
// [Options.MaxInFlight] requests of a connection are under way; then, and while the client does not take what was
// sent, [Conn.Room] says no and reading pauses, so that TCP holds up the sender. A client that takes nothing at
// all for [Options.WriteTimeout] is disconnected.
package proto

// Package server joins the built-in codecs with the engine: HTTP/1.1, and WebSockets.
//
// [New] makes a [Server], a protocol as package proto has it, in which every request of every path goes to one
// entry point: a Worker's default export, or a Go function. [Server.Listen] opens a listener on a pool. All of a
// connection, from the first byte to the last, happens on its loop.
//
// # What a connection may do
//
//   - Keep-alive and pipelining: at most Options.MaxPipeline requests are under way, then reading pauses. Answers
//     leave in the order of the requests; all answers of a round leave in one write.
//   - Bodies by content-length or in chunks, up to Options.Limits.BodyBytes. The entry point is called when the head is
//     there. A body that has come along with it is bytes; any other is a stream, and the connection is read as far as
//     its reader has room. A client that expects 100-continue gets it when its turn has come and somebody reads, or with an
//     answer that is streamed; never if the request is refused. What nobody reads is thrown away, up to 256 KiB; if there is
//     more, the connection closes behind the answer.
//   - A message that breaks the rules of framing is answered 400, one that is too large 414, 431 or 413, and one
//     that comes too slowly 408. Then the connection closes: our half at once, and the rest when the client has
//     closed, or after Options.Conn.CloseTimeout, so that the client sees the answer and not a reset.
//   - What fails is answered 500, and 503 if trying again may help. Neither says why, unless Options.Detail is
//     set; the log does, one line each.
//
// A client that has finished sending (half-closed) still gets its answers: nobody can tell it from one that has gone
// until a write fails. When the connection has closed altogether, the contexts of its requests end.
//
// # WebSockets
//
// A request for a WebSocket is answered by the entry point like any other. If the response has a WebSocket and the status 101, and
// the request was sound, the connection becomes that end's transport. What comes behind the request is looked at when it is answered: it is
// frames then, or requests.
//
//   - Messages go to the other end while that has room; otherwise the connection is not read. Pings are answered here. A Close is passed on, and
//     answered when the other end closes. A client that breaks the protocol gets a Close with the reason, and the other end an error.
//   - What the other end sends is encoded once, however many sockets it goes to, and leaves when it may. What a client does not take waits, up to
//     Options.Sockets.MaxUnsent, as the one encoding that all share.
//   - The other end is gone: the connection closes behind what was sent, without a Close.
//
// [SocketClient] is the other side: what an engine needs to dial WebSockets.
//
// # Ending
//
// Close the listeners; [Server.Shutdown] answers what is under way, the last answer of each connection with
// "connection: close", closes WebSockets with 1001, and waits for the connections to close; then close the engine, then the pool.
//
// # Time-outs
//
// HeaderTimeout bounds a header from its first byte to its last. BodyTimeout and MinBodyRate bound how slowly a
// body may come. IdleTimeout bounds how long a connection is kept with nothing under way. WriteTimeout bounds how
// long a client takes nothing of its answers, or of messages; Options.Sockets has the time-outs that only WebSockets have. How long an answer takes to be made is the objects' affair: no
// time-out runs while one is under way.
package server

// Package client calls objects of an everloop server from Go programs: methods over RESP, as docs/format/resp.md specifies it, and
// rooms (WebSockets) over RESP or HTTP.
//
//	c, err := client.New(client.Options{Address: "127.0.0.1:6380"})
//	...
//	counters := c.Class("Counter")
//	n, err := client.Call[int](ctx, counters.Get("a"), "add", 5)
//
// A [Client] is made once and shared by all goroutines. It connects when it is first used. [Object.Call] waits for one answer, [Pipeline] for
// many, [Object.Go] gives the answer later, and [Object.Start] hands it to a [Receiver], without garbage: for load tools and proxies.
//
// # Connections
//
// Calls are spread over a few connections by the name of the object, and share them: what goroutines ask for while a write is under way
// goes out with the next one, in one piece. Answers come in the order of the calls. So a method that takes long, such as one that
// waits for another server, holds up the answers of other calls that came after it on its connection: give such methods a client of their own, or raise
// Options.Conns.
//
// A call whose context ends leaves its place: the answer is dropped when it comes, and the connection goes on. What may be under way or
// wait is bounded (Options.MaxCalls, MaxQueued).
//
// A connection that fails is made again when there is a call for it, after a pause that begins with 50 ms and doubles to 2 s as long as it
// fails, each time between a half and the whole of that.
//
// # What is repeated
//
// A call is tried again, Options.Attempts times in all at most and as long as its context lets it, in two cases only: the server has answered that
// the failure passes and had no effect (RETRY), after a pause of 10 ms that doubles to 1 s, less up to a half; or no byte of it was handed to a connection. When the object or
// the server is overloaded it is not. When the connection fails with a call under way, nobody knows whether it was run: the error is an
// [ErrMaybeDone], and the call is tried again only if [Object.Idempotent] says that this does no harm. What [Object.Start] and [Object.Go]
// began is never repeated; if it was not sent yet when a connection failed, it goes out with the next one.
//
// # Goroutines
//
// Every method may be called from any goroutine, unless it says otherwise. Each connection in use has two goroutines of the client, one that
// writes and one that reads; a [Receiver] runs on the latter. A room has one that reads and one that pings. After [Client.Close] there are none.
package client

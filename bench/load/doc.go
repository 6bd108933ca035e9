// Package load makes HTTP/1.1 load and measures how it is answered.
//
// [Dial] opens a fixed number of keep-alive connections. [Generator.Run] then keeps exactly one request under way on
// each: a closed loop, in which the next request leaves when the answer has come. A first Run warms up, a second
// measures; the connections stay.
//
//	g, err := load.Dial(load.Options{Addr: "127.0.0.1:8787", Paths: []string{"/?id=a"}, Check: counters.Check})
//	warm, err := g.Run(ctx, load.Until{Elapsed: time.Second})
//	result, err := g.Run(ctx, load.Until{Elapsed: 5 * time.Second})
//
// Load and server usually share one small machine, so the generator is built to cost little: one goroutine, one epoll
// instance, no goroutine or buffered reader for each connection, no allocation for each request. It can be outrun: where
// its own processor is full, start several generators.
//
// A run measures right answers only. The first answer that is malformed, late, not a 200, or refused by Options.Check
// ends the run with an error that names connection, path and answer, and no figures. [Counters] is a Check for servers
// that count: no increment is lost, none is given twice.
//
// A closed loop has no intended rate: a server that stalls is asked less meanwhile, so its p99 says what a waiting
// client sees, not what an open stream of clients would see. With Options.Rate the load is such a stream.
package load

package proto

// Protocol makes the sessions of a listener's connections. One Protocol serves all loops: Open is called on the
// loop of each connection.
type Protocol interface {
	// Open starts the protocol on a new connection. A protocol whose server speaks first may write at
	// once.
	Open(c *Conn) Session
}

// Session is one connection's side of a protocol. Owned by the connection's loop. A panic in it closes its
// connection only.
type Session interface {
	// Data is called when bytes have arrived, or when there is room again after [Conn.Room] said no. It
	// takes what is complete from Conn.Inbound and discards it; the rest is there again, with more behind
	// it, at the next call.
	Data()
	// Closed is called once, after everything else except answers that are still under way, which go
	// nowhere. err is nil if the connection closed in an orderly way.
	Closed(err error)
}

// Drainer is an optional interface of a [Session]. Drain is called when the server closes: the session stops
// taking requests, and calls [Conn.Finish] once the last that it has begun is queued. Without it, Finish is
// called at once.
type Drainer interface{ Drain() }

// Ender is an optional interface of a [Session]: Ended is called when the client has finished sending and Data has seen all
// of it: the connection is finishing. What the session is in the middle of will never be complete.
type Ender interface{ Ended() }

// Keeper is an optional interface of a [Session] that takes bytes out of Conn.Inbound before it has seen all of them. As long as Keeps reports
// true, a connection whose client has finished sending is not finished; the session asks for it by [Conn.Settle] when it has seen the rest.
type Keeper interface{ Keeps() bool }

// Expirer is an optional interface of a [Session]: Expired is called when the moment of [Conn.SetDeadline] has
// come. Without it, the connection is then closed as by Finish.
type Expirer interface{ Expired() }

// Drained is an optional interface of a [Session]: Drained is called when the client has taken so much of what waits for it that
// there is [Conn.WriteRoom] again, after there was none. Answers in the order of requests need it not: they are
// written by their slots.
type Drained interface{ Drained() }

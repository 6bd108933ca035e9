package engine

// Class makes the objects of one kind. [ClassOf] makes one from a Go type; package js makes one from a
// JavaScript class.
//
// This is the engine's inner seam: all methods are called on the loop that owns the object, from the loop's
// base stack, and must return without waiting for anything. What takes longer ends later, by a call of the
// function or method that the engine gave.
type Class interface {
	// New starts the constructor of the object behind st. ready must be called exactly once, on the
	// loop, now or later. Until then, and until every critical section that the constructor opened has
	// ended, no event is delivered. After ready(nil, err) the object does not exist, every event that
	// waited fails with err, and the next call tries again.
	New(st *State, ready func(Object, error))
}

// Object is one live instance: what lies between its constructor and its eviction. Its durable state is in
// its State, and outlives it.
type Object interface {
	// Deliver starts one event. The object must answer it exactly once, by ev.Respond, ev.Return or
	// ev.Fail, now or in a later turn of the object.
	Deliver(ev *Event)
	// Evict tells the instance that it is dropped: its object has been idle, was reset, or the engine
	// closes. Nothing is delivered afterwards, and whatever it still does to its State is refused.
	Evict()
}

// EventKind tells what an event asks for.
type EventKind uint8

const (
	// EventFetch has a Request and wants a Response.
	EventFetch EventKind = iota + 1
	// EventCall has a Method and Args and wants a value.
	EventCall
	// EventWebSocket has a Socket and is answered by Event.Succeed or by Event.Fail, which is logged. The socket's next event
	// comes when this one is answered.
	EventWebSocket
	// EventAlarm has an Alarm and is answered by Event.Succeed or Event.Fail.
	EventAlarm
)

// Entrypoint is stateless code that requests enter through: a Worker's fetch, or a Go function
// ([EntrypointFunc], or [RouteFunc] if it only chooses an object). One Entrypoint serves all loops at once; each event stays on one loop.
type Entrypoint interface {
	// Serve starts one event, on its loop and from the base stack, and returns without waiting. The
	// event must be answered exactly once, now or in a later turn.
	Serve(ev *Event)
}

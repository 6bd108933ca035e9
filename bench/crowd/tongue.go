package crowd

// tongue is how one dialect says and hears things. It is pure: bytes in, values out.
type tongue interface {
	// hello appends what a member says first, so as to join a room.
	hello(dst []byte, addr, room string) []byte
	// welcome reads the answer to hello that b begins with: its length, or 0 while it is not complete.
	welcome(b []byte) (n int, err error)
	// say appends a message to a room.
	say(dst []byte, room string, payload []byte) []byte
	// hear reads the first thing in b: its length, or 0 while it is not complete. A thing that a server must not say to
	// a member of the room is an error.
	hear(b []byte, room string) (n int, h heard, err error)
}

// heard is one thing that a server has said.
type heard struct {
	// message says that it is one; payload aliases what was read.
	message bool
	payload []byte
	// answer is what must be said to it; nil for most.
	answer []byte
}

// maxPayload is the longest message that a member takes: none of a run is as long.
const maxPayload = 2 * maxSize

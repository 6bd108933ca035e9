package engine

// BroadcastOptions narrow a Broadcast.
type BroadcastOptions struct {
	Tag    *string    // only sockets with this tag
	Except *WebSocket // all but this one
}

// Broadcast sends a message to all open sockets that the object has accepted, and returns to how many. It is what a Send to each of them is, at less
// cost: all of them share the message and its encodings, and what goes to one loop goes as one task.
func (s *State) Broadcast(m *Message, o BroadcastOptions) int {
	set := s.sockets()
	if set == nil {
		return 0
	}
	by := &s.a.origin
	n := 0
	send := func(e *socketEnd) {
		if e.sentClose || e.mute || e.handle == o.Except {
			return
		}
		e.send(by, m, 0)
		n++
	}
	if o.Tag == nil {
		for at := set.open.first; at != nil; at = at.next {
			send(at.e)
		}
		return n
	}
	if list := set.tags[*o.Tag]; list != nil {
		for t := list.first; t != nil; t = t.next {
			send(t.m.e)
		}
	}
	return n
}

package engine

import "time"

// SocketEvent is what an EventWebSocket tells: a message, or the end of the socket (Closed or Err).
type SocketEvent struct {
	WebSocket *WebSocket
	// Message is nil in the last event of a socket.
	Message *Message
	// Closed: the other end has sent a Close (Clean) or its connection is lost, with what SocketSink.Closed says of Code and Reason.
	Closed bool
	Code   int
	Reason string
	Clean  bool
	// Err: the client broke the protocol.
	Err error
}

// AcceptWebSocket makes the object the holder of an end, whatever instance it has: messages come as EventWebSocket, and keep no instance
// while there are none. The socket belongs to the object until the pair has ended. It outlives evictions, and ends, as a lost connection, when
// the object is reset, its code is replaced or the engine closes. Tags are for WebSocketsTagged; duplicates are dropped.
//
// It is refused for an end that is held or whose other end is held or used in a Response, for too many or too long tags, and when the object has
// MaxSockets.
func (s *State) AcceptWebSocket(ws *WebSocket, tags ...string) error { return nil }

// WebSockets returns the sockets that the object has accepted and whose end it has not been told yet, newest first.
func (s *State) WebSockets() []*WebSocket { return nil }

// WebSocketsTagged returns those of WebSockets that have the tag, oldest first.
func (s *State) WebSocketsTagged(tag string) []*WebSocket { return nil }

// Tags returns the tags that a socket was accepted with, also in and after its last event. A socket that is not hibernatable has an error.
func (s *State) Tags(ws *WebSocket) ([]string, error) { return nil, nil }

// BroadcastOptions narrow a Broadcast.
type BroadcastOptions struct {
	Tag    *string    // only sockets with this tag
	Except *WebSocket // all but this one
}

// Broadcast sends a message to all open sockets that the object has accepted, and returns how many. It is what a Send to each of them is, at less
// cost.
func (s *State) Broadcast(m *Message, o BroadcastOptions) int { return 0 }

// SetAutoResponse makes the engine answer each text message that is request, exactly, with response, without waking the object and without an
// event; in the order of the socket's other messages. It lasts as long as the object has sockets or an instance, and its answers leave when all that the object
// knew at this call is durable. Each text has at most MaxAutoResponseBytes; the errors are RangeErrors.
func (s *State) SetAutoResponse(request, response string) error { return nil }

// UnsetAutoResponse ends what SetAutoResponse began.
func (s *State) UnsetAutoResponse() {}

// AutoResponse returns what SetAutoResponse has set.
func (s *State) AutoResponse() (request, response string, set bool) { return "", "", false }

// SetWebSocketEventTimeout bounds each event of a socket, counted from its delivery; 0 unsets it. At most MaxSocketEventTimeout. When it strikes, the
// event is answered with an error, which is logged; the handler is not stopped, but the socket goes on with its next message. It lasts as
// an auto response does.
func (s *State) SetWebSocketEventTimeout(d time.Duration) error { return nil }

// WebSocketEventTimeout returns what SetWebSocketEventTimeout has set; 0: none.
func (s *State) WebSocketEventTimeout() time.Duration { return 0 }

// name is the name of the event's handler.
func (s *SocketEvent) name() string {
	switch {
	case s.Message != nil:
		return "webSocketMessage"
	case s.Closed:
		return "webSocketClose"
	}
	return "webSocketError"
}

package engine

import (
	"errors"
	"time"
)

// Limits of WebSockets.
const (
	// MaxSockets is how many WebSockets one object holds hibernatably (Cloudflare's limit).
	MaxSockets = 32768
	// MaxSocketTags is how many distinct tags a WebSocket has; MaxSocketTagLength is the length of one in characters.
	MaxSocketTags      = 10
	MaxSocketTagLength = 256
	// MaxAttachmentBytes bounds what SetAttachment keeps.
	MaxAttachmentBytes = 16384
	// MaxAutoResponseBytes bounds each text of an auto response.
	MaxAutoResponseBytes = 2048
	// MaxSocketEventTimeout bounds SetWebSocketEventTimeout.
	MaxSocketEventTimeout = 604_800_000 * time.Millisecond
	// MaxCloseReasonBytes bounds the reason of a Close, as its frame does.
	MaxCloseReasonBytes = 123
)

// SocketWindow is how many bytes a transport may be ahead of whoever takes its messages; beyond it Room reports that there is none. A message
// counts for its length and 64 bytes.
const SocketWindow = 256 << 10

// MaxSocketBacklog is how many bytes may be on their way to one end. It is there for those whom Room does not hold up: when an object or an
// event sends more, the pair ends. A single message may be larger.
const MaxSocketBacklog = 16 << 20

// CloseTimeout is how long a transport that was told of a Close has to answer it.
const CloseTimeout = 10 * time.Second

// Codes of a Close that no frame carries.
const (
	// CloseNoStatus stands for a Close without a code.
	CloseNoStatus = 1005
	// CloseAbnormal stands for the end of a connection without a Close.
	CloseAbnormal = 1006
)

// lostReason is what is told of a connection that has gone without a Close (workerd's text).
const lostReason = "WebSocket disconnected without sending Close frame."

// ErrSocketBacklog ends a WebSocket whose messages are not taken: see MaxSocketBacklog.
var ErrSocketBacklog = errors.New("engine: the WebSocket was closed: its other end does not take what is sent")

// ErrCloseTimeout ends a WebSocket whose transport does not answer a Close: see CloseTimeout.
var ErrCloseTimeout = errors.New("engine: the WebSocket was closed: the client did not answer the Close")

// ReadyState is the state of one end, with the numbers of the web platform.
type ReadyState uint8

const (
	// SocketOpen is the state from the beginning, also before the end is held.
	SocketOpen ReadyState = 1
	// SocketClosing: a Close was sent or has come, and not both.
	SocketClosing ReadyState = 2
	// SocketClosed: both, or the connection has gone.
	SocketClosed ReadyState = 3
)

// SocketSink is told what comes to an end that is held classically or by a transport. For an object or an event its methods are called in
// turns of it; for a Port on its loop, when what is told may leave the process. Closed and Failed are the last thing that it is told; one of
// them comes once, unless the holder itself has gone (reset, or Lost and Fail).
type SocketSink interface {
	// Message takes a message, in the order in which it was sent. It must not be changed.
	Message(m *Message)
	// Closed says that nothing more comes. clean: the other end has sent a Close with that code (CloseNoStatus if it had none) and reason.
	// Otherwise its connection is lost: code is CloseAbnormal. After a clean Closed the holder may still send, until it has called Close itself
	// (see AllowHalfOpen); a transport answers with Close when its client does, within CloseTimeout.
	Closed(code int, reason string, clean bool)
	// Failed says that nothing more comes because of err: the client broke the protocol, or what was sent can never leave.
	Failed(err error)
}

// SocketRoomer is an optional interface of a transport's SocketSink: Room is called when [WebSocket.Room] has reported that there is none
// and there is some again.
type SocketRoomer interface{ Room() }

// WebSocket is one end of a pair. What is sent into one end comes out of the other, in order and once. An end is held by an object, by an
// event of an entry point or by a transport, and by nobody at first, while it is on its way in a Response; what is sent to it meanwhile waits.
// Its methods are called by its holder: in a turn of the object or event, or on the loop of the transport; Go code may keep the pointer of
// a socket over hibernation. An end that is dropped without ever being held ends the pair, as a lost connection does.
type WebSocket struct{ e *socketEnd }

type socketEnd struct{}

// WebSocketPair makes a pair of which nobody holds an end.
func (s *State) WebSocketPair() (a, b *WebSocket) { return &WebSocket{}, &WebSocket{} }

// WebSocketPair is State.WebSocketPair for the event of an entry point.
func (ev *Event) WebSocketPair() (a, b *WebSocket) { return &WebSocket{}, &WebSocket{} }

// WebSocketPair is State.WebSocketPair for a transport: of a connection that this process has made, one end is the
// transport's and the other goes to whoever asked for the connection.
func (p *Port) WebSocketPair() (a, b *WebSocket) { return &WebSocket{}, &WebSocket{} }

// HoldWebSocket makes this instance the holder of an end (accept): sink is told what comes, in turns of the object and in the critical
// section that is open now. It pins the instance until the pair has ended; a reset ends the pair, as a lost connection. The errors are
// TypeErrors: the end is held already.
func (s *State) HoldWebSocket(ws *WebSocket, sink SocketSink) error { return nil }

// HoldWebSocket makes this event the holder of an end: it lives until the pair has ended.
func (ev *Event) HoldWebSocket(ws *WebSocket, sink SocketSink) error { return nil }

// HoldWebSocket makes a transport the holder of an end. What has waited for it may be told before HoldWebSocket returns.
func (p *Port) HoldWebSocket(ws *WebSocket, sink SocketSink) error { return nil }

// Send sends a message to the other end. It leaves the process when all that its sender knows is durable. After a lost connection it is
// silently dropped; after the holder's own Close, and before the end is held, it is refused with a TypeError.
func (ws *WebSocket) Send(m *Message) error { return nil }

// Room reports whether a transport should go on reading from its client. If not, its sink's Room is called when it should.
func (ws *WebSocket) Room() bool { return true }

// Close sends a Close to the other end; nothing can be sent afterwards. code 0 sends none (the other end is told CloseNoStatus), and then
// there must be no reason. A second Close, and one after a lost connection, does nothing. The errors are TypeErrors: a code that must not be
// sent, a reason that is too long, an end that is not held.
func (ws *WebSocket) Close(code int, reason string) error { return nil }

// Lost says that the holder, a transport, has lost its connection: the other end is told so after all that was sent before. It does nothing to a pair
// that has ended. A port must call Lost or Fail when its connection ends before both sides have sent a Close.
func (ws *WebSocket) Lost() {}

// Fail is Lost for a client that broke the protocol: the other end is told err.
func (ws *WebSocket) Fail(err error) {}

// AllowHalfOpen decides who answers a Close of the other end. By default the engine does, with the same code, before the holder hears of it: then the
// state is SocketClosed in its handler. With on, the holder does, when it has sent what it still wants to send. A transport always
// answers by itself. It may be called until the Close has come, and lasts over hibernation.
func (ws *WebSocket) AllowHalfOpen(on bool) {}

// ReadyState is the state as the holder sees it.
func (ws *WebSocket) ReadyState() ReadyState { return SocketOpen }

// Held reports whether somebody holds the end. Hibernatable reports whether that is an object, by AcceptWebSocket. InResponse reports
// whether the end has been given away in a Response. Safe from any goroutine.
func (ws *WebSocket) Held() bool         { return false }
func (ws *WebSocket) Hibernatable() bool { return false }
func (ws *WebSocket) InResponse() bool   { return false }

// SetAttachment keeps up to MaxAttachmentBytes with the socket, for as long as there is one; nil unsets it. b must not be changed afterwards.
func (ws *WebSocket) SetAttachment(b []byte) error { return nil }

// Attachment returns what SetAttachment keeps, or nil.
func (ws *WebSocket) Attachment() []byte { return nil }

// AutoResponseTime is when an auto response was last sent on this socket; zero if never.
func (ws *WebSocket) AutoResponseTime() time.Time { return time.Time{} }

package js

import (
	"errors"
	"strings"
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// WebSockets. JavaScript has one object for each end that it knows, for as long as the instance or event that holds the end lives; of a
// hibernating object it has none. A socket acts in the name of its holder, whoever's turn it is used in.

// socket is a WebSocket that JavaScript has an object of. Owned by its loop.
type socket struct {
	rl *realm
	ws *engine.WebSocket // nil: it is connecting, or could not
	by actor             // who holds it; nil: nobody
	// value is its object, owned as long as its holder may be told of something; else Undefined.
	value      vm.Value
	hibernates bool // by is an object, which holds it whatever instance it has
	given      bool // it went away in a response
	over       bool // close or error was dispatched; the holder may still have to answer a Close
	failed     bool // it has ended by an error: what is sent is dropped

	// attachment is that of one without an end of its own: it is connecting, or was given. What becomes of an end that was given is its
	// holder's affair, perhaps on another loop: it is not looked at any more.
	attachment []byte

	connects *connecting // of one that the program made by `new WebSocket`; nil for all others
}

// newSocket makes a socket and its object, owned by the caller.
func (rl *realm) newSocket(ws *engine.WebSocket, proto vm.Value) (*socket, vm.Value, error) {
	s := &socket{rl: rl, ws: ws, value: vm.Undefined}
	v, err := rl.in.Socket(s, proto)
	return s, v, err
}

// Dropped is part of [web.Socket]: the engine notices by itself that an end is gone which nobody has held.
func (s *socket) Dropped() {}

// SocketPair is part of [web.SocketHost].
func (rl *realm) SocketPair() (a, b vm.Value, err error) {
	by := rl.current
	if by == nil || !by.alive() {
		return vm.Undefined, vm.Undefined, vm.PlainError(globalScope)
	}
	one, other := by.socketPair()
	if _, a, err = rl.newSocket(one, vm.Undefined); err != nil {
		return vm.Undefined, vm.Undefined, err
	}
	if _, b, err = rl.newSocket(other, vm.Undefined); err != nil {
		rl.r.Free(a)
		return vm.Undefined, vm.Undefined, err
	}
	return a, b, nil
}

// SocketOf is part of [web.SocketHost].
func (rl *realm) SocketOf(m web.Message) (vm.Value, error) {
	f, ok := m.(response)
	if !ok || f.answer.WebSocket == nil {
		return vm.Null, nil
	}
	s, v, err := rl.newSocket(f.answer.WebSocket, vm.Undefined)
	f.socket = s
	return v, err
}

var (
	errNotAccepted = vm.TypeError("You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.")
	errSendClosed  = vm.TypeError("Can't call WebSocket send() after close().")
	errSocketGone  = vm.PlainError("This WebSocket was held by an instance or event that has ended, and cannot be used any more. An object finds its own by ctx.getWebSockets().")
)

// Accept is part of [web.Socket].
func (s *socket) Accept(v vm.Value, halfOpen, given bool) error {
	switch {
	case s.connects != nil:
		return vm.TypeError("Websockets obtained from the 'new WebSocket()' constructor cannot call accept")
	case s.given:
		return vm.TypeError("Can't accept() WebSocket that was already used in a response.")
	case s.hibernates:
		return vm.TypeError("Can't accept() WebSocket after enabling hibernation.")
	case s.by != nil:
		return nil
	}
	by := s.rl.current
	if by == nil || !by.alive() {
		return vm.PlainError(globalScope)
	}
	if !given {
		halfOpen = s.rl.app.halfOpen
	}
	return s.hold(by, v, halfOpen)
}

// hold makes by the holder of the socket, whose object v is borrowed.
func (s *socket) hold(by actor, v vm.Value, halfOpen bool) error {
	s.ws.AllowHalfOpen(halfOpen)
	if err := by.holdSocket(s.ws, s); err != nil {
		return socketError(err)
	}
	by.hold()
	s.keep(by, v)
	return nil
}

// keep notes that by holds the socket.
func (s *socket) keep(by actor, v vm.Value) {
	s.by, s.value = by, s.rl.r.Dup(v)
	p := possessionsOf(by)
	if p.sockets == nil {
		p.sockets = make(map[*engine.WebSocket]*socket)
	}
	p.sockets[s.ws] = s
}

// leave is the end of keep: the holder is told of nothing any more. It returns the socket's object, owned by the caller.
func (s *socket) leave() vm.Value {
	v := s.value
	s.value = vm.Undefined
	if p := s.by.possessions(); p != nil && p.sockets[s.ws] == s {
		delete(p.sockets, s.ws)
	}
	return v
}

// endSockets lets go of the objects of by's sockets, because by has ended. What becomes of the sockets is the engine's affair.
func (rl *realm) endSockets(p *possessions) {
	for _, s := range p.sockets {
		v := s.value
		s.value = vm.Undefined
		if rl.r.Err() == nil {
			rl.r.Free(v)
		}
	}
	p.sockets = nil
}

// Send is part of [web.Socket].
func (s *socket) Send(m *engine.Message) error {
	if s.by == nil && s.connects != nil && s.connects.closed {
		return errSendClosed
	}
	if ok, err := s.usable(); !ok {
		return err
	}
	return socketError(s.ws.Send(m))
}

// usable reports whether what the program does with the socket can reach the other end. If not, it is refused with the error, or without one it
// goes nowhere.
func (s *socket) usable() (bool, error) {
	switch {
	case s.given, s.failed:
		return false, nil
	case s.by == nil:
		return false, errNotAccepted
	case !s.by.alive():
		return false, errSocketGone
	}
	return true, nil
}

// Close is part of [web.Socket].
func (s *socket) Close(code int, reason string) error {
	if s.by == nil && s.connects != nil {
		s.connects.close()
		return nil
	}
	if ok, err := s.usable(); !ok {
		return err
	}
	err := s.ws.Close(code, reason)
	if err == nil && s.over && !s.value.IsUndefined() {
		s.by.later(s.ended) // JavaScript is running
	}
	return socketError(err)
}

// State is part of [web.Socket].
func (s *socket) State() int {
	switch {
	case s.failed:
		return int(engine.SocketClosed)
	case s.given:
		return int(engine.SocketOpen)
	case s.ws != nil:
		return int(s.ws.ReadyState())
	case s.connects.closed:
		return int(engine.SocketClosing)
	}
	return 0
}

// About is part of [web.Socket].
func (s *socket) About() web.SocketAbout {
	if s.connects != nil {
		return s.connects.about
	}
	none := ""
	return web.SocketAbout{Protocol: &none, Extensions: &none}
}

// Attachment is part of [web.Socket].
func (s *socket) Attachment() (vm.Value, error) {
	b := s.attached()
	if b == nil {
		return vm.Null, nil
	}
	return s.rl.reader.Read(s.rl.r, b)
}

func (s *socket) attached() []byte {
	if s.ws == nil || s.given {
		return s.attachment
	}
	return s.ws.Attachment()
}

// SetAttachment is part of [web.Socket].
func (s *socket) SetAttachment(v vm.Value) error {
	b, err := s.rl.writer.Append(nil, s.rl.r, v)
	switch {
	case err != nil:
		return s.rl.cloneError(err)
	case len(b) > engine.MaxAttachmentBytes:
		return vm.PlainError("A WebSocket 'attachment' cannot be larger than %d bytes.'attachment' was %d bytes.", engine.MaxAttachmentBytes, len(b))
	case s.ws == nil || s.given:
		s.attachment = b
		return nil
	}
	return socketError(s.ws.SetAttachment(b))
}

// AutoTime is part of [web.Socket].
func (s *socket) AutoTime() float64 {
	if s.ws == nil || s.given {
		return 0
	}
	if at := s.ws.AutoResponseTime(); !at.IsZero() {
		return float64(at.UnixMilli())
	}
	return 0
}

// Message, Closed and Failed are [engine.SocketSink]: what is told of a socket that was accepted by accept().
func (s *socket) Message(m *engine.Message) {
	s.tell(func() (vm.Value, bool, error) { return s.rl.in.SocketMessage(s.value, m) })
}

// Closed says that nothing more comes. After a Close that the holder has to answer, it is called again if the connection is lost before that.
func (s *socket) Closed(code int, reason string, clean bool) {
	if !s.over {
		s.over = true
		s.tell(func() (vm.Value, bool, error) { return s.rl.in.SocketClosed(s.value, code, reason, clean) })
	}
	if !clean || s.ws.ReadyState() == engine.SocketClosed {
		s.ended()
	}
}

// Failed says the same, for another cause.
func (s *socket) Failed(err error) {
	if !s.over {
		s.over = true
		s.tell(func() (vm.Value, bool, error) { return vm.Undefined, false, s.fails(err) })
	}
	s.ended()
}

// fails dispatches error. It is called in a turn.
func (s *socket) fails(cause error) error {
	v, err := s.rl.errorValue(cause)
	if err != nil {
		return err
	}
	defer s.rl.r.Free(v)
	return s.failsWith(v)
}

func (s *socket) failsWith(v vm.Value) error {
	s.failed = true
	return s.report(s.rl.in.SocketFailed(s.value, v))
}

// report logs what a listener threw.
func (s *socket) report(failure vm.Value, threw bool, err error) error {
	if threw {
		s.rl.ReportError(failure)
		s.rl.r.Free(failure)
	}
	return err
}

// tell dispatches an event in a turn of the holder. A listener that throws ends the socket, as it does on Cloudflare.
func (s *socket) tell(event func() (vm.Value, bool, error)) {
	rl := s.rl
	if rl.r.Err() != nil || !s.by.alive() || s.failed {
		return
	}
	rl.begin(s.by)
	failure, threw, err := event()
	if threw {
		held := rl.r.Dup(failure)
		err = s.report(failure, true, err)
		s.over = true
		s.ws.Lost()
		if err == nil {
			err = s.failsWith(held)
		}
		rl.r.Free(held)
	}
	rl.end(err)
	if threw {
		s.ended()
	}
}

// ended lets go of a socket that nothing comes to any more. It is not called in a turn.
func (s *socket) ended() {
	if s.value.IsUndefined() {
		return // with its holder, or by a listener that threw
	}
	v := s.leave()
	if s.rl.r.Err() == nil {
		s.rl.r.Free(v)
	}
	s.by.unhold()
}

// socketError makes an error of the engine's one that JavaScript sees.
func socketError(err error) error {
	if err == nil {
		return nil
	}
	var e *engine.Error
	if errors.As(err, &e) {
		return &vm.Error{Class: vm.ErrorClassNamed(e.Name), Message: e.Message}
	}
	return err
}

// The sockets of an object.

// SocketsAccept is part of [web.SocketHost].
func (rl *realm) SocketsAccept(object uint64, v vm.Value, ws web.Socket, tags []string) error {
	o, ok := rl.objects.Get(object)
	if !ok {
		return engine.ErrReset
	}
	s := ws.(*socket)
	switch {
	case s.by != nil:
		return vm.PlainError("Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`")
	case s.connects != nil:
		return vm.PlainError("Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.")
	case s.given:
		return vm.TypeError("Tried to make an api::WebSocket hibernatable when it was in an incompatible state.")
	}
	s.ws.AllowHalfOpen(rl.app.halfOpen)
	if err := o.st.AcceptWebSocket(s.ws, tags...); err != nil {
		return socketError(err)
	}
	s.hibernates = true
	s.keep(o, v)
	return nil
}

// socketFor is the socket of an end that the object holds hibernatably; it is made when the instance first hears of it.
func (o *object) socketFor(ws *engine.WebSocket) (*socket, error) {
	if o.has != nil {
		if s := o.has.sockets[ws]; s != nil {
			return s, nil
		}
	}
	s, v, err := o.rl.newSocket(ws, vm.Undefined)
	if err != nil {
		return nil, err
	}
	s.hibernates = true
	s.keep(o, v)
	o.rl.r.Free(v)
	return s, nil
}

// SocketsList is part of [web.SocketHost].
func (rl *realm) SocketsList(object uint64, tag string, tagged bool, out []vm.Value) ([]vm.Value, error) {
	o, ok := rl.objects.Get(object)
	if !ok {
		return out, engine.ErrReset
	}
	var list []*engine.WebSocket
	if tagged {
		list = o.st.WebSocketsTagged(tag)
	} else {
		list = o.st.WebSockets()
	}
	for _, ws := range list {
		s, err := o.socketFor(ws)
		if err != nil {
			return out, err
		}
		out = append(out, s.value)
	}
	return out, nil
}

// SocketsTags is part of [web.SocketHost].
func (rl *realm) SocketsTags(object uint64, ws web.Socket) ([]string, error) {
	o, ok := rl.objects.Get(object)
	if !ok {
		return nil, engine.ErrReset
	}
	s := ws.(*socket)
	switch {
	case s.by == nil:
		return nil, vm.PlainError("you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.")
	case !s.hibernates:
		return nil, vm.PlainError("only hibernatable websockets can have tags.")
	case s.by != actor(o):
		return nil, errSocketGone
	}
	tags, err := o.st.Tags(s.ws)
	return tags, socketError(err)
}

// SocketsBroadcast is part of [web.SocketHost].
func (rl *realm) SocketsBroadcast(object uint64, m *engine.Message, tag string, tagged bool, except web.Socket) (int, error) {
	o, ok := rl.objects.Get(object)
	if !ok {
		return 0, engine.ErrReset
	}
	var options engine.BroadcastOptions
	if tagged {
		options.Tag = &tag
	}
	if s, ok := except.(*socket); ok {
		options.Except = s.ws
	}
	return o.st.Broadcast(m, options), nil
}

// SocketsAuto is part of [web.SocketHost].
func (rl *realm) SocketsAuto(object uint64) (request, response string, set bool, err error) {
	o, ok := rl.objects.Get(object)
	if !ok {
		return "", "", false, engine.ErrReset
	}
	request, response, set = o.st.AutoResponse()
	return request, response, set, nil
}

// SocketsSetAuto is part of [web.SocketHost].
func (rl *realm) SocketsSetAuto(object uint64, request, response string, set bool) error {
	o, ok := rl.objects.Get(object)
	switch {
	case !ok:
		return engine.ErrReset
	case !set:
		o.st.UnsetAutoResponse()
		return nil
	}
	return socketError(o.st.SetAutoResponse(request, response))
}

// SocketsTimeout is part of [web.SocketHost].
func (rl *realm) SocketsTimeout(object uint64) (float64, error) {
	o, ok := rl.objects.Get(object)
	if !ok {
		return 0, engine.ErrReset
	}
	return float64(o.st.WebSocketEventTimeout().Milliseconds()), nil
}

// SocketsSetTimeout is part of [web.SocketHost].
func (rl *realm) SocketsSetTimeout(object uint64, ms float64) error {
	o, ok := rl.objects.Get(object)
	if !ok {
		return engine.ErrReset
	}
	if ms > float64(engine.MaxSocketEventTimeout.Milliseconds()) {
		return vm.PlainError("Event timeout should not exceed %d ms.", engine.MaxSocketEventTimeout.Milliseconds())
	}
	return socketError(o.st.SetWebSocketEventTimeout(time.Duration(ms) * time.Millisecond))
}

// deliverSocket starts the event of a socket.
func (o *object) deliverSocket(ev *engine.Event) {
	rl := o.rl
	w := waiting{ev: ev, object: o}
	rl.begin(o)
	v, err := o.callHandler(ev.Socket)
	switch {
	case err == nil && !v.IsObject():
		rl.r.Free(v)
		ev.Return(nil)
	case err == nil:
		rl.await(v, w)
	case !errors.Is(err, vm.ErrInterrupted): // otherwise the reset answers
		w.fail(rl, err)
	}
	rl.end(err)
}

var (
	keySocketMessage = vm.Intern("webSocketMessage")
	keySocketClose   = vm.Intern("webSocketClose")
	keySocketError   = vm.Intern("webSocketError")
)

// callHandler calls the handler of a socket's event; an object without one misses nothing.
func (o *object) callHandler(e *engine.SocketEvent) (vm.Value, error) {
	r := o.rl.r
	s, err := o.socketFor(e.WebSocket)
	if err != nil {
		return vm.Undefined, err
	}
	key := keySocketMessage
	switch {
	case e.Message != nil:
	case e.Closed:
		key = keySocketClose
	default:
		key = keySocketError
	}
	socket := s.value
	if e.Message == nil { // its last
		socket = s.leave()
		s.failed = !e.Closed
		defer r.Free(socket)
	}
	f, err := r.Get(o.value, key)
	if err != nil || !r.IsFunction(f) {
		r.Free(f)
		return vm.Undefined, err
	}
	defer r.Free(f)
	var v vm.Value
	switch key {
	case keySocketMessage:
		v, err = o.rl.in.SocketData(e.Message)
	case keySocketClose:
		v, err = r.String(e.Reason)
	default:
		v, err = o.rl.errorValue(e.Err)
	}
	if err != nil {
		return vm.Undefined, err
	}
	defer r.Free(v)
	if key == keySocketClose {
		return r.Call(f, o.value, socket, vm.Int(int32(e.Code)), v, vm.Bool(e.Clean))
	}
	return r.Call(f, o.value, socket, v)
}

// Sockets in responses.

// upgrades reports whether a request asks for a WebSocket.
func upgrades(r *engine.Request) bool {
	return r != nil && strings.EqualFold(r.Header.Get("upgrade"), "websocket")
}

// give takes the end out of a socket that a handler has returned in a response.
func (s *socket) give() (*engine.WebSocket, error) {
	switch {
	case s.connects != nil:
		return nil, vm.TypeError("Can't return WebSocket in a Response if it was created with `new WebSocket()`")
	case s.given:
		return nil, vm.TypeError("Can't return WebSocket that was already used in a response.")
	case s.hibernates:
		return nil, vm.TypeError("Can't return WebSocket in a Response after calling acceptWebSocket().")
	case s.by != nil:
		return nil, vm.TypeError("Can't return WebSocket in a Response after calling accept().")
	}
	s.given, s.attachment = true, s.ws.Attachment()
	return s.ws, s.ws.SetAttachment(nil) // what it has told itself is not the receiver's
}

// giveSocket puts the WebSocket that a handler returned into its response, and takes one out of a response that is handed on only if
// the program has not taken it for itself.
func (rl *realm) giveSocket(out *web.Reply, ev *engine.Event) (ws *engine.WebSocket, err error) {
	var s *socket
	if f, ok := out.Forward.(response); ok {
		if s, ws = f.socket, f.answer.WebSocket; ws == nil {
			return nil, nil
		}
	} else if v, ok := rl.in.SocketFrom(out.WebSocket); ok {
		s = v.(*socket)
	} else {
		return nil, nil
	}
	if !upgrades(ev.Request) {
		return nil, vm.TypeError("Worker tried to return a WebSocket in a response to a request which did not contain the header \"Upgrade: websocket\".")
	}
	if s == nil {
		return ws, nil
	}
	return s.give()
}

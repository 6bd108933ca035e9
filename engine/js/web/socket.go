package web

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// A WebSocket is an object of the host with the prototype of its class and, like a Request of the host, none of its private
// fields. What it does is the host's, so that a message to each of a thousand sockets is a thousand host calls and no more.

// heldSocket is a WebSocket that JavaScript has an object of.
type heldSocket struct {
	s    Socket
	blob bool // binaryType
}

// socketClass is the class of those objects; the payload is an index into Instance.sockets.
var socketClass = vm.RegisterClass("WebSocket", func(r *vm.Runtime, payload uint64) {
	in := r.Host.(*Instance)
	in.sockets.Remove(payload).s.Dropped()
})

// Socket makes the object of a socket, owned by the caller. proto (borrowed) is its prototype; Undefined for the usual one.
func (in *Instance) Socket(s Socket, proto vm.Value) (vm.Value, error) {
	if !proto.IsObject() {
		if err := in.findSocketProto(); err != nil {
			return vm.Undefined, err
		}
		proto = in.socketProto
	}
	slot := in.sockets.Add(heldSocket{s: s, blob: in.socketBlobs})
	v, _, err := in.r.HostObject(socketClass, proto, slot)
	if err != nil {
		in.sockets.Remove(slot)
	}
	return v, err
}

// SocketObjects is how many sockets JavaScript has objects of.
func (in *Instance) SocketObjects() int { return in.sockets.Len() }

var keyPrototype = vm.Intern("prototype")

func (in *Instance) findSocketProto() error {
	if in.socketProto.IsObject() {
		return nil
	}
	if err := in.bring("sockets"); err != nil {
		return err
	}
	class, err := in.r.GetName(in.brought["sockets"], "WebSocket")
	if err != nil {
		return err
	}
	defer in.r.Free(class)
	in.socketProto, err = in.r.Get(class, keyPrototype)
	return err
}

// SocketFrom is the socket of an object; ok is false if it is none.
func (in *Instance) SocketFrom(v vm.Value) (s Socket, ok bool) {
	h, err := in.socket(v)
	if err != nil {
		return nil, false
	}
	return h.s, true
}

// socket finds what is held under an object; the pointer is good until the next one is made.
func (in *Instance) socket(v vm.Value) (*heldSocket, error) {
	slot, ok := in.r.Payload(socketClass, v)
	if !ok {
		return nil, errIllegal
	}
	return in.sockets.At(slot), nil
}

// The doors below dispatch an event to a socket that was accepted, and say whether a listener threw: failure is what the first one
// did, owned by the caller.

// SocketOpened dispatches open.
func (in *Instance) SocketOpened(socket vm.Value) (failure vm.Value, threw bool, err error) {
	return in.dispatchSocket(socket, vm.Int(0))
}

// SocketMessage dispatches message.
func (in *Instance) SocketMessage(socket vm.Value, m *engine.Message) (failure vm.Value, threw bool, err error) {
	h, err := in.socket(socket)
	if err != nil {
		return vm.Undefined, false, err
	}
	kind := int32(1)
	var data vm.Value
	switch {
	case !m.Text && h.blob:
		kind = 2
		data, err = in.r.Uint8Array(m.Data)
	default:
		data, err = in.SocketData(m)
	}
	if err != nil {
		return vm.Undefined, false, err
	}
	defer in.r.Free(data)
	return in.dispatchSocket(socket, vm.Int(kind), data)
}

// SocketData is what a message is to JavaScript, owned by the caller: a string or an ArrayBuffer.
func (in *Instance) SocketData(m *engine.Message) (vm.Value, error) {
	if m.Text {
		return in.r.StringBytes(m.Data)
	}
	return in.r.ArrayBuffer(m.Data)
}

// SocketClosed dispatches close.
func (in *Instance) SocketClosed(socket vm.Value, code int, reason string, clean bool) (failure vm.Value, threw bool, err error) {
	text, err := in.r.String(reason)
	if err != nil {
		return vm.Undefined, false, err
	}
	defer in.r.Free(text)
	return in.dispatchSocket(socket, vm.Int(3), vm.Int(int32(code)), text, vm.Bool(clean))
}

// SocketFailed dispatches error. reason is borrowed.
func (in *Instance) SocketFailed(socket, reason vm.Value) (failure vm.Value, threw bool, err error) {
	return in.dispatchSocket(socket, vm.Int(4), reason)
}

func (in *Instance) dispatchSocket(socket vm.Value, args ...vm.Value) (failure vm.Value, threw bool, err error) {
	thrown, err := in.r.Call(in.socketEvent, vm.Undefined, append([]vm.Value{socket}, args...)...)
	if err != nil || !thrown.IsObject() {
		return vm.Undefined, false, err
	}
	defer in.r.Free(thrown)
	failure, err = in.r.GetIndex(thrown, 0)
	return failure, true, err
}

// said is the last message that the running turn has sent, and the string that it was made of: a loop that sends the same to many
// sockets makes one message of it, which is encoded once.
type said struct {
	m    *engine.Message
	text vm.Value // owned, where m is text
}

// ForgetSaid lets go of the last message. Call it when a turn ends.
func (in *Instance) ForgetSaid() {
	if in.said.m == nil {
		return
	}
	in.r.Free(in.said.text)
	in.said = said{}
}

func (in *Instance) say(m *engine.Message, text vm.Value) *engine.Message {
	in.ForgetSaid()
	in.said = said{m, text}
	return m
}

// socketMessage makes a message of what a program sends: bytes, a Blob, or text.
func (in *Instance) socketMessage(v vm.Value) (*engine.Message, error) {
	if v.IsString() {
		return in.textMessage(v), nil
	}
	if v.IsObject() {
		if b, ok := in.r.Bytes(v); ok {
			return in.bytesMessage(b), nil
		}
		if in.r.IsBytes(v) { // detached: there is nothing in it
			return in.bytesMessage(nil), nil
		}
		bytes, err := in.r.Call(in.socketBytes, vm.Undefined, v)
		if err != nil {
			return nil, err
		}
		if b, ok := in.r.Bytes(bytes); ok {
			defer in.r.Free(bytes)
			return in.bytesMessage(b), nil
		}
	}
	text, err := in.r.ToStringValue(v)
	if err != nil {
		return nil, err
	}
	defer in.r.Free(text)
	return in.textMessage(text), nil
}

// textMessage is the last message if that has the same text. The same string is seen at once; another one is compared where that
// costs less than another message: the characters of a flat ASCII string are its bytes.
func (in *Instance) textMessage(v vm.Value) *engine.Message {
	last := in.said.m
	if last != nil && last.Text {
		if v.Same(in.said.text) {
			return last
		}
		if b, ok := in.r.Latin1(v); ok && bytes.Equal(b, last.Data) && isASCII(b) {
			return last
		}
	}
	m := &engine.Message{Text: true, Data: in.r.AppendString(nil, v)}
	return in.say(m, in.r.Dup(v))
}

func (in *Instance) bytesMessage(b []byte) *engine.Message {
	if last := in.said.m; last != nil && !last.Text && bytes.Equal(b, last.Data) {
		return last
	}
	return in.say(&engine.Message{Data: append([]byte{}, b...)}, vm.Undefined)
}

// closeCode is the code that a program passed to close, converted and checked as Cloudflare's runtime does; 0 for none.
func (in *Instance) closeCode(v vm.Value) (int, error) {
	if v.IsUndefined() {
		return 0, nil
	}
	f, err := in.r.ToFloat64(v)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	if f = math.Trunc(f); f < math.MinInt32 || f > math.MaxInt32 {
		return 0, vm.TypeError("Value out of range. Must be between -2147483648 and 2147483647 (inclusive).")
	}
	code := int(f)
	if code < 1000 || code > 4999 || code == 1004 || code == 1005 || code == 1006 || code == 1015 {
		return 0, in.thrown(&domError{"InvalidAccessError", "Invalid WebSocket close code: " + strconv.Itoa(code) + "."})
	}
	return code, nil
}

// cutReason is a reason that fits into a Close, cut between two characters.
func cutReason(s string) string {
	if len(s) <= engine.MaxCloseReasonBytes {
		return s
	}
	n := engine.MaxCloseReasonBytes
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// socketFunc adds a host function that is a method or getter of WebSocket.
func socketFunc(key, name string, length int, fn func(in *Instance, h *heldSocket, args vm.Args) (vm.Value, error)) struct{} {
	return method(key, name, length, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		h, err := in.socket(this)
		if err != nil {
			return vm.Undefined, err
		}
		return fn(in, h, args)
	})
}

// orNull makes a string, or null.
func (in *Instance) orNull(s *string) (vm.Value, error) {
	if s == nil {
		return vm.Null, nil
	}
	return in.r.String(*s)
}

var keyAllowHalfOpen = vm.Intern("allowHalfOpen")

// The methods and getters of WebSocket. What a conversion of an argument calls may drop nothing that h points to, but may move it: h.s is
// taken first.
var (
	_ = method("socketAccept", "accept", 0, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		h, err := in.socket(this)
		if err != nil {
			return vm.Undefined, err
		}
		s, o := h.s, args.At(0)
		if o.IsNullish() {
			return vm.Undefined, s.Accept(this, false, false)
		}
		if !o.IsObject() {
			return vm.Undefined, vm.TypeError("Failed to execute 'accept' on 'WebSocket': parameter 1 is not of type 'AcceptOptions'.")
		}
		half, err := in.r.Get(o, keyAllowHalfOpen)
		if err != nil {
			return vm.Undefined, err
		}
		defer in.r.Free(half)
		return vm.Undefined, s.Accept(this, in.r.ToBool(half), !half.IsUndefined())
	})
	_ = socketFunc("socketSend", "send", 1, func(in *Instance, h *heldSocket, args vm.Args) (vm.Value, error) {
		s := h.s
		if len(args) == 0 {
			return vm.Undefined, vm.TypeError("Failed to execute 'send' on 'WebSocket': parameter 1 is not of type 'ArrayBuffer or ArrayBufferView or string'.")
		}
		m, err := in.socketMessage(args[0])
		if err != nil {
			return vm.Undefined, err
		}
		return vm.Undefined, s.Send(m)
	})
	_ = socketFunc("socketClose", "close", 0, func(in *Instance, h *heldSocket, args vm.Args) (vm.Value, error) {
		s := h.s
		code, err := in.closeCode(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		if args.At(1).IsUndefined() {
			return vm.Undefined, s.Close(code, "")
		}
		text, err := in.r.ToStringValue(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		reason := string(in.r.AppendString(nil, text))
		in.r.Free(text)
		if len(reason) > engine.MaxCloseReasonBytes && in.shortReasons {
			return vm.Undefined, in.thrown(&domError{"SyntaxError", "WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded."})
		}
		if code == 0 {
			return vm.Undefined, in.thrown(&domError{"InvalidAccessError", "If you specify a WebSocket close reason, you must also specify a code."})
		}
		return vm.Undefined, s.Close(code, cutReason(reason))
	})
	_ = socketFunc("socketAttach", "serializeAttachment", 1, func(_ *Instance, h *heldSocket, args vm.Args) (vm.Value, error) {
		if args.At(0).IsUndefined() {
			return vm.Undefined, vm.TypeError("Failed to execute 'serializeAttachment' on 'WebSocket': parameter 1 is not of type 'Value'.")
		}
		return vm.Undefined, h.s.SetAttachment(args[0])
	})
	_ = socketFunc("socketAttachment", "deserializeAttachment", 0, func(_ *Instance, h *heldSocket, _ vm.Args) (vm.Value, error) {
		return h.s.Attachment()
	})
	_ = socketFunc("socketReadyState", "get readyState", 0, func(_ *Instance, h *heldSocket, _ vm.Args) (vm.Value, error) {
		return vm.Int(int32(h.s.State())), nil
	})
	// What was sent is the engine's at once, or the socket has ended: nothing waits here.
	_ = socketFunc("socketBuffered", "get bufferedAmount", 0, func(*Instance, *heldSocket, vm.Args) (vm.Value, error) { return vm.Int(0), nil })
	_ = socketFunc("socketURL", "get url", 0, func(in *Instance, h *heldSocket, _ vm.Args) (vm.Value, error) { return in.orNull(h.s.About().URL) })
	_ = socketFunc("socketProtocol", "get protocol", 0, func(in *Instance, h *heldSocket, _ vm.Args) (vm.Value, error) {
		return in.orNull(h.s.About().Protocol)
	})
	_ = socketFunc("socketExtensions", "get extensions", 0, func(in *Instance, h *heldSocket, _ vm.Args) (vm.Value, error) {
		return in.orNull(h.s.About().Extensions)
	})
	_ = socketFunc("socketBinaryType", "get binaryType", 0, func(in *Instance, h *heldSocket, _ vm.Args) (vm.Value, error) {
		if h.blob {
			return in.r.String("blob")
		}
		return in.r.String("arraybuffer")
	})
	// A value that is none of the two is ignored, as WebIDL has it.
	_ = method("socketSetBinaryType", "set binaryType", 1, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		if _, err := in.socket(this); err != nil {
			return vm.Undefined, err
		}
		text, err := in.r.ToString(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		h, err := in.socket(this) // the conversion may have made another
		if err != nil {
			return vm.Undefined, err
		}
		switch text {
		case "blob", "arraybuffer":
			h.blob = text == "blob"
		}
		return vm.Undefined, nil
	})
)

var (
	_ = register("isWebSocket", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(in.r.IsHost(socketClass, args.At(0))), nil
	})
	// socketPair: an array of both ends.
	_ = register("socketPair", 0, func(in *Instance, _ vm.Args) (vm.Value, error) {
		a, b, err := in.Host.SocketPair()
		if err != nil {
			return vm.Undefined, err
		}
		defer in.r.FreeAll(a, b)
		return in.r.ArrayOf([]vm.Value{a, b})
	})
	// socketConnect(proto, url, href, protocols)
	_ = register("socketConnect", 4, func(in *Instance, args vm.Args) (vm.Value, error) {
		text := func(i int) string { return string(in.r.AppendString(nil, args.At(i))) }
		return in.Host.SocketConnect(args.At(0), text(1), text(2), text(3))
	})
	// msgSocket(response): the WebSocket in it, or null.
	_ = messageFunc("msgSocket", func(in *Instance, m Message) (vm.Value, error) { return in.Host.SocketOf(m) })
)

var (
	// socketsAccept(object, socket, tags)
	_ = registerObject("socketsAccept", 3, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		h, err := in.socket(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		var tags []string
		err = in.each(args.At(2), func(_ int, v vm.Value) error {
			tags = append(tags, string(in.r.AppendString(nil, v)))
			in.r.Free(v)
			return nil
		})
		if err != nil {
			return vm.Undefined, err
		}
		return vm.Undefined, in.Host.SocketsAccept(object, args.At(1), h.s, tags)
	})
	// getWebSockets(tag), a method of DurableObjectState.
	_ = method("socketsList", "getWebSockets", 0, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		tag := ""
		if !args.At(0).IsUndefined() {
			text, err := in.r.ToStringValue(args.At(0))
			if err != nil {
				return vm.Undefined, err
			}
			tag = string(in.r.AppendString(nil, text))
			in.r.Free(text)
		}
		object, err := in.object(this)
		if err != nil {
			return vm.Undefined, err
		}
		list, err := in.Host.SocketsList(object, tag, !args.At(0).IsUndefined(), in.listed[:0])
		if err != nil {
			return vm.Undefined, err
		}
		in.listed = list
		return in.r.ArrayOf(list)
	})
	// socketsTags(object, socket)
	_ = registerObject("socketsTags", 2, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		h, err := in.socket(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		tags, err := in.Host.SocketsTags(object, h.s)
		if err != nil {
			return vm.Undefined, err
		}
		return in.strings(tags...)
	})
	// socketsBroadcast(object, message, tag, except): tag and except may be null.
	_ = registerObject("socketsBroadcast", 4, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		m, err := in.socketMessage(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		var except Socket
		if args.At(3).IsObject() {
			h, err := in.socket(args.At(3))
			if err != nil {
				return vm.Undefined, err
			}
			except = h.s
		}
		n, err := in.Host.SocketsBroadcast(object, m, string(in.r.AppendString(nil, args.At(2))), args.At(2).IsString(), except)
		return vm.Int(int32(n)), err
	})
	// socketsAuto(object): an array of request and response, or null.
	_ = registerObject("socketsAuto", 1, func(in *Instance, object uint64, _ vm.Args) (vm.Value, error) {
		request, response, set, err := in.Host.SocketsAuto(object)
		if err != nil || !set {
			return vm.Null, err
		}
		return in.strings(request, response)
	})
	// socketsAutoSet(object, request, response)
	_ = registerObject("socketsAutoSet", 3, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		request, response := string(in.r.AppendString(nil, args.At(1))), string(in.r.AppendString(nil, args.At(2)))
		return vm.Undefined, in.Host.SocketsSetAuto(object, request, response, true)
	})
	_ = registerObject("socketsAutoUnset", 1, func(in *Instance, object uint64, _ vm.Args) (vm.Value, error) {
		return vm.Undefined, in.Host.SocketsSetAuto(object, "", "", false)
	})
	// socketsAutoTime(object, socket): milliseconds since 1970, or null.
	_ = registerObject("socketsAutoTime", 2, func(in *Instance, _ uint64, args vm.Args) (vm.Value, error) {
		h, err := in.socket(args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		if at := h.s.AutoTime(); at != 0 {
			return vm.Float(at), nil
		}
		return vm.Null, nil
	})
	// socketsTimeout(object): milliseconds, or null.
	_ = registerObject("socketsTimeout", 1, func(in *Instance, object uint64, _ vm.Args) (vm.Value, error) {
		ms, err := in.Host.SocketsTimeout(object)
		if err != nil || ms == 0 {
			return vm.Null, err
		}
		return vm.Float(ms), nil
	})
	// socketsSetTimeout(object, ms)
	_ = registerObject("socketsSetTimeout", 2, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		ms, _ := args.At(1).Float64()
		return vm.Undefined, in.Host.SocketsSetTimeout(object, ms)
	})
)

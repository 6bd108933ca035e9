package web

import (
	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// Field is one header line: the name in lower case, the value as the bytes that travel.
type Field = engine.Field

// Message is a request or a response of the host, read by JavaScript a part at a time. It is immutable from the moment
// it is given to an Instance, and lives until JavaScript has dropped every object over it. Methods are called on the
// runtime's loop. A request has no status; a response has no method.
type Message interface {
	Method() string
	// URL is absolute and its own serialisation, as the URL standard has it.
	URL() string
	Status() int
	StatusText() string
	Redirected() bool
	// Header is every field in the order of arrival.
	Header() []Field
	// Body is the body: bytes, which are nil if there is none (that is not the same as an empty one), or a stream.
	Body() engine.Body
}

// A Moved is a Message that is told when its body goes on to somebody else without having been read here, and when JavaScript has
// dropped it. Both may come from inside the collection of garbage.
type Moved interface {
	BodyMoved()
	Dropped()
}

// hasBody reports whether m has a body at all.
func hasBody(m Message) bool {
	b := m.Body()
	return b.Streamed() || b.Bytes() != nil
}

// Outgoing is a Message as plain data: what JavaScript sends.
type Outgoing struct {
	ReqMethod, ReqURL string
	ResStatus         int
	ResText           string
	WasRedirected     bool
	Fields            []Field
	Bytes             []byte
	// Streamed is the body where it is a stream of the host, which Bytes then is not.
	Streamed engine.Body
	// Stream is a ReadableStream of the program, locked, that is the body: an object for [Instance.StreamStart], owned by
	// whoever gets the Outgoing. The zero Value is no stream.
	Stream vm.Value
}

func (m *Outgoing) Method() string     { return m.ReqMethod }
func (m *Outgoing) URL() string        { return m.ReqURL }
func (m *Outgoing) Status() int        { return m.ResStatus }
func (m *Outgoing) StatusText() string { return m.ResText }
func (m *Outgoing) Redirected() bool   { return m.WasRedirected }
func (m *Outgoing) Header() []Field    { return m.Fields }
func (m *Outgoing) Body() engine.Body {
	if m.Streamed.Streamed() {
		return m.Streamed
	}
	return engine.Bytes(m.Bytes)
}

// held is a Message that JavaScript has an object of: a Request or Response of the host. The object is the handle itself, with
// the prototype of its class and no private fields, so that making one is one step in Go.
type held struct {
	m       Message
	request bool
	used    bool // its body was read or passed on
	touched bool // JavaScript keeps a state of its own for the object, which decides from then on whether it is used
}

// messageClass is the class of those objects; the payload is an index into Instance.messages.
var messageClass = vm.RegisterClass("Message", func(r *vm.Runtime, payload uint64) {
	in := r.Host.(*Instance)
	if m, ok := in.messages.Remove(payload).m.(Moved); ok {
		m.Dropped()
	}
})

// hold makes the Request or Response of a message.
func (in *Instance) hold(m Message, request bool) (vm.Value, error) {
	slot := in.messages.Add(held{m: m, request: request})
	proto := in.responseProto
	if request {
		proto = in.requestProto
	}
	v, _, err := in.r.HostObject(messageClass, proto, slot)
	if err != nil {
		in.messages.Remove(slot)
	}
	return v, err
}

// held finds what is held under an object; the pointer is good until the next hold.
func (in *Instance) held(v vm.Value) (*held, error) {
	slot, ok := in.r.Payload(messageClass, v)
	if !ok {
		return nil, errIllegal
	}
	return in.messages.At(slot), nil
}

// message is the Message of an object.
func (in *Instance) message(v vm.Value) (Message, error) {
	h, err := in.held(v)
	if err != nil {
		return nil, err
	}
	return h.m, nil
}

// errUsed is what reading a body twice gives.
var errUsed = vm.TypeError("Body has already been used. It can only be used once. Use tee() first if you need to read it twice.")

// use takes a held message's body for reading. ok is false when JavaScript has to decide.
func (h *held) use() (ok bool, err error) {
	if h.touched {
		return false, nil
	}
	if h.used {
		return false, errUsed
	}
	h.used = hasBody(h.m)
	return true, nil
}

// heldFunc registers a host function over the body of a held message. It answers null when JavaScript has to decide.
func heldFunc(name string, fn func(in *Instance, body vm.Value) (vm.Value, error)) struct{} {
	return register(name, 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.held(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		if ok, err := h.use(); !ok {
			return vm.Null, err
		}
		return fn(in, args.At(0))
	})
}

var (
	_ = heldFunc("msgText", (*Instance).bodyText)
	_ = heldFunc("msgJSON", (*Instance).bodyJSON)
	// msgUse: true when the body was taken for reading.
	_ = heldFunc("msgUse", func(*Instance, vm.Value) (vm.Value, error) { return vm.True, nil })
	_ = register("msgUsed", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.held(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return vm.Bool(h.used), nil
	})
	// msgTouch hands the decision about use over to JavaScript, and says what it was.
	_ = register("msgTouch", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.held(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		h.touched = true
		return vm.Bool(h.used), nil
	})
	// msgClone makes another object of the message, whose body is not used.
	_ = register("msgClone", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.held(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return in.hold(h.m, h.request)
	})
	_ = register("isRequest", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.held(args.At(0))
		return vm.Bool(err == nil && h.request), nil
	})
	_ = register("isResponse", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.held(args.At(0))
		return vm.Bool(err == nil && !h.request), nil
	})
)

// byteString makes a string whose units are the bytes of s, as header values are.
func (in *Instance) byteString(s string) (vm.Value, error) {
	in.text = append(in.text[:0], s...)
	return in.r.StringLatin1(in.text)
}

// messageFunc registers a host function over one message.
func messageFunc(name string, fn func(in *Instance, m Message) (vm.Value, error)) struct{} {
	return register(name, 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		m, err := in.message(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return fn(in, m)
	})
}

var (
	_ = messageFunc("msgMethod", func(in *Instance, m Message) (vm.Value, error) { return in.r.String(m.Method()) })
	_ = messageFunc("msgURL", func(in *Instance, m Message) (vm.Value, error) { return in.r.String(m.URL()) })
	_ = messageFunc("msgStatus", func(_ *Instance, m Message) (vm.Value, error) { return vm.Int(int32(m.Status())), nil })
	_ = messageFunc("msgStatusText", func(in *Instance, m Message) (vm.Value, error) { return in.byteString(m.StatusText()) })
	_ = messageFunc("msgRedirected", func(_ *Instance, m Message) (vm.Value, error) { return vm.Bool(m.Redirected()), nil })
	_ = messageFunc("msgHasBody", func(_ *Instance, m Message) (vm.Value, error) { return vm.Bool(hasBody(m)), nil })
	// msgStreamed(body): whether a body is the handle of a message with a stream.
	_ = register("msgStreamed", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		m, err := in.message(args.At(0))
		return vm.Bool(err == nil && m.Body().Streamed()), nil
	})
	// msgHeaders is every field in one flat array: name, value, name, value.
	_ = messageFunc("msgHeaders", func(in *Instance, m Message) (vm.Value, error) {
		a, err := in.r.Array()
		if err != nil {
			return vm.Undefined, err
		}
		for i, f := range m.Header() {
			for j, s := range [2]string{f.Name, f.Value} {
				v, err := in.byteString(s)
				if err == nil {
					err = in.r.DefineIndex(a, uint32(2*i+j), v)
				}
				if err != nil {
					in.r.Free(a)
					return vm.Undefined, err
				}
			}
		}
		return a, nil
	})
	// msgHeader is the value of one name, the values of several fields joined; null if there is none.
	_ = register("msgHeader", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		m, err := in.message(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		name := in.utf8(args.At(1))
		fields := m.Header()
		first := -1
		for i := range fields {
			if fields[i].Name != string(name) {
				continue
			}
			if first >= 0 {
				return in.joined(fields, first)
			}
			first = i
		}
		if first < 0 {
			return vm.Null, nil
		}
		return in.byteString(fields[first].Value)
	})
)

// joined is the value of a name that came more than once.
func (in *Instance) joined(fields []Field, first int) (vm.Value, error) {
	in.text = append(in.text[:0], fields[first].Value...)
	for _, f := range fields[first+1:] {
		if f.Name == fields[first].Name {
			in.text = append(append(in.text, ", "...), f.Value...)
		}
	}
	return in.r.StringLatin1(in.text)
}

// Reply is what a handler answered.
type Reply struct {
	// Forward is the Message of a response of the host that the program handed on; nil if it made its own, which then is
	// the rest.
	Forward Message

	Status     int
	StatusText string // "" for the usual one
	Header     []Field
	// Body is nil if there is none. It is a copy.
	Body []byte
	// Streamed and Stream are the body where it is a stream, as in Outgoing.
	Streamed engine.Body
	Stream   vm.Value
	// Manual says that the body is in the encoding that Content-Encoding names already.
	Manual bool
	// WebSocket is the client's end of a WebSocketPair, owned by the caller; Undefined in any other response.
	WebSocket vm.Value
}

const (
	textType = "text/plain;charset=UTF-8"
	formType = "application/x-www-form-urlencoded;charset=UTF-8"
	jsonType = "application/json"
)

// The bits of a Response's state, as response.js has them.
const (
	statusMask = 1023
	isTextBody = 4096
	isFormBody = 8192
	isJSONBody = 16384
)

// Reply reads the response that a handler's promise was fulfilled with into out, whose memory it uses again. It runs
// no code of the program. An error says what the program returned instead of a response, for its author; v is borrowed.
func (in *Instance) Reply(v vm.Value, out *Reply) error {
	*out = Reply{Header: out.Header[:0], Body: out.Body[:0], WebSocket: vm.Undefined}
	if h, err := in.held(v); err == nil && !h.request {
		if ok, err := h.use(); err != nil {
			return in.r.Throw(err)
		} else if ok {
			out.Forward = h.m
			return nil
		}
	}
	in.reply = out
	_, err := in.r.Call(in.takeReply, vm.Undefined, v)
	in.reply = nil
	return err
}

var (
	_ = register("forward", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		m, err := in.message(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		in.reply.Forward = m
		return vm.Undefined, nil
	})
	// reply(bits, body, headers, statusText, webSocket, encodeBody)
	_ = register("reply", 6, func(in *Instance, args vm.Args) (vm.Value, error) {
		out := in.reply
		bits, _ := args.At(0).Int32()
		out.Status = int(bits & statusMask)
		var err error
		if out.Streamed, out.Stream = in.streamedBody(args.At(1)); !out.Streamed.Streamed() && !out.Stream.IsObject() {
			if out.Body, err = in.appendBody(out.Body, args.At(1)); err != nil {
				return vm.Undefined, err
			}
		}
		switch {
		case args.At(1).IsNull():
			out.Body = nil
		case out.Body == nil:
			out.Body = []byte{} // an empty body is not none
		}
		if args.At(2).IsObject() {
			if out.Header, err = in.appendFields(out.Header, args.At(2)); err != nil {
				return vm.Undefined, err
			}
		}
		switch {
		case bits&isTextBody != 0:
			out.Header = append(out.Header, Field{Name: "content-type", Value: textType})
		case bits&isFormBody != 0:
			out.Header = append(out.Header, Field{Name: "content-type", Value: formType})
		case bits&isJSONBody != 0:
			out.Header = append(out.Header, Field{Name: "content-type", Value: jsonType})
		}
		if len(args) > 3 {
			out.StatusText = in.bytesText(args.At(3))
			if args.At(4).IsObject() {
				out.WebSocket = in.r.Dup(args.At(4))
			}
			b, _ := in.r.Latin1(args.At(5))
			out.Manual = string(b) == "manual"
		}
		return vm.Undefined, nil
	})
)

// bytesText is a string whose units are bytes.
func (in *Instance) bytesText(v vm.Value) string {
	if b, ok := in.r.Latin1(v); ok {
		return string(b)
	}
	return in.byteText(in.r.AppendUTF16(nil, v))
}

func (in *Instance) byteText(units []uint16) string {
	b := make([]byte, len(units))
	for i, u := range units {
		b[i] = byte(u)
	}
	return string(b)
}

// appendFields reads a flat array of names and values.
func (in *Instance) appendFields(dst []Field, list vm.Value) ([]Field, error) {
	err := in.each(list, func(i int, v vm.Value) error {
		s := in.bytesText(v)
		in.r.Free(v)
		if i%2 == 0 {
			dst = append(dst, Field{Name: s})
		} else {
			dst[len(dst)-1].Value = s
		}
		return nil
	})
	return dst, err
}

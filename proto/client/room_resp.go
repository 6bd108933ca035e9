package client

import (
	"context"
	"fmt"
	"strconv"
	"unicode/utf8"

	"everloop/proto/resp"
	"everloop/proto/ws"
)

// Join makes the caller a member of the room that o is, over RESP, on a connection of its own: the object sees a WebSocket. If it does not open one, the
// error is an [ErrNoRoom], or what the object's handler failed with. ctx bounds that, together with [Options].DialTimeout, and nothing later.
func (o Object) Join(ctx context.Context) (Room, error) {
	if o.byID {
		return nil, fmt.Errorf("client: object %s of %s is given by its ID, and rooms are joined by name", o.key, o.class)
	}
	ctx, cancel := context.WithTimeout(ctx, o.c.o.DialTimeout)
	defer cancel()
	nc, in, err := o.c.o.connect(ctx, false)
	if err != nil {
		return nil, err
	}
	w := &respRoom{class: o.class, name: o.key}
	w.limits.Bytes = o.c.o.MaxReply
	w.limits.EnsureDefaults()
	fail := func(err error) (Room, error) {
		nc.Close()
		return nil, err
	}
	if _, err := writeUntil(ctx, nc, resp.AppendCommand(nil, "SUBSCRIBE", o.class, o.key)); err != nil {
		return fail(&ConnError{Op: "join", Address: o.c.o.Address, MaybeDone: true, Err: atDeadline(ctx, err)})
	}
	in, err = readUntil(ctx, nc, in, w.joined)
	if err != nil {
		if e, ok := err.(*Error); ok {
			e.Class, e.Object = o.class, o.key
			return fail(e)
		}
		return fail(&ConnError{Op: "join", Address: o.c.o.Address, MaybeDone: true, Err: atDeadline(ctx, err)})
	}
	r, err := o.c.newRoom(nc, o.c.o.Address, w, in, DefaultPing)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// respRoom is the wire of a room over RESP.
type respRoom struct {
	class, name string
	replies     resp.ReplyReader
	limits      resp.ReplyLimits
	v           resp.Value
}

// joined waits for the answer to SUBSCRIBE.
func (w *respRoom) joined(in []byte) (n int, done bool, err error) {
	if n, err = w.replies.Read(in, &w.v, &w.limits); err != nil || n == 0 {
		return n, false, err
	}
	if w.v.IsError() {
		return n, false, newError(&w.v)
	}
	return n, w.isPush("subscribe"), nil
}

func (w *respRoom) isPush(kind string) bool {
	return w.v.Kind == resp.Push && len(w.v.Elems) >= 3 && string(w.v.Elems[0].Bytes) == kind
}

func (w *respRoom) appendMessage(dst []byte, m Message) ([]byte, error) {
	if m.Text && !utf8.Valid(m.Data) {
		return dst, errNotText
	}
	if len(m.Data) > MaxCommand-len(w.class)-len(w.name)-64 {
		return dst, ErrTooLarge
	}
	dst = append(dst, "*4\r\n$7\r\nPUBLISH\r\n"...)
	dst = resp.AppendBulkString(dst, w.class)
	dst = resp.AppendBulkString(dst, w.name)
	return resp.AppendBulk(dst, m.Data), nil
}

func (w *respRoom) appendClose(dst []byte, _ int, _ string) []byte {
	return resp.AppendCommand(dst, "UNSUBSCRIBE", w.class, w.name)
}

func (w *respRoom) appendPing(dst []byte) []byte { return resp.AppendCommand(dst, "PING") }

func (w *respRoom) appendGoodbye(dst []byte, _ error) []byte { return dst }

func (w *respRoom) next(in []byte) (int, event, error) {
	n, err := w.replies.Read(in, &w.v, &w.limits)
	switch {
	case err != nil || n == 0:
		return n, event{}, err
	case w.v.IsError():
		e := newError(&w.v)
		e.Class, e.Object = w.class, w.name
		return n, event{}, e
	case w.isPush("message"):
		data := w.v.Elems[2].Bytes
		return n, event{what: said, message: Message{Text: utf8.Valid(data), Data: append([]byte(nil), data...)}}, nil
	case w.isPush("unsubscribe"):
		e := &CloseError{Code: ws.CloseNormal}
		if len(w.v.Elems) >= 5 {
			e.Code, e.Reason = number(&w.v.Elems[3]), string(w.v.Elems[4].Bytes)
		}
		if e.Code == ws.CloseAbnormal {
			return n, event{}, fmt.Errorf("the object's side of the room was lost")
		}
		return n, event{}, e
	}
	return n, event{what: heard}, nil // the answer to PUBLISH or PING
}

// number is the integer that v is, as one or as digits.
func number(v *resp.Value) int {
	if v.Kind == resp.Integer {
		return int(v.Int)
	}
	n, _ := strconv.Atoi(string(v.Bytes)) // 0 for what is none
	return n
}

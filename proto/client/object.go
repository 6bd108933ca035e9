package client

import (
	"context"
	"fmt"
	"hash/maphash"
	"strconv"

	"everloop/engine/value"
	"everloop/proto/resp"
)

// Class is a class of the server's. It is a small value, to be copied.
type Class struct {
	c    *Client
	name string
}

// Class names a class, as it is exported (TypeScript) or registered (Go). Nothing is asked of the server.
func (c *Client) Class(name string) Class { return Class{c, name} }

// Name is the class's name.
func (cl Class) Name() string { return cl.name }

// Get is the object of that name. Nothing is asked of the server: an object is there as soon as it is called.
func (cl Class) Get(name string) Object {
	return Object{c: cl.c, class: cl.name, key: name, conn: cl.c.connFor(name)}
}

// ByID is the object with that ID, 64 hexadecimal digits. What is wrong with an ID the server says when the object is called (BADARG).
func (cl Class) ByID(id string) Object {
	return Object{c: cl.c, class: cl.name, key: id, byID: true, conn: cl.c.connFor(id)}
}

func (c *Client) connFor(key string) *conn {
	if len(c.conns) == 1 {
		return c.conns[0]
	}
	return c.conns[maphash.String(c.seed, key)%uint64(len(c.conns))]
}

// Object stands for one object, wherever it is: what engine and TypeScript call a stub. It is a small value, to be copied.
//
// All calls that are made through Objects of one name go out on one connection. So what one goroutine starts reaches the object
// in that order, as long as nothing is repeated after a failure.
type Object struct {
	c          *Client
	conn       *conn
	class, key string
	byID       bool
	policy     policy
}

// Class is the name of the object's class.
func (o Object) Class() string { return o.class }

// Key is the name or the ID that o was made with.
func (o Object) Key() string { return o.key }

// Idempotent is o for calls that may run twice without harm, such as those that only read or that set something to a value. They
// are repeated also when the connection has failed and nobody knows whether they were run.
func (o Object) Idempotent() Object {
	o.policy.idempotent = true
	return o
}

// Attempts is o for calls that are tried at most n times, counting the first; 1 is never to repeat one.
func (o Object) Attempts(n int) Object {
	o.policy.attempts = max(n, 1)
	return o
}

// Call calls a method and puts what it returns into *result, as value.Unmarshal does; a nil result drops it. The arguments are what
// value.Append takes: docs/format/value.md has both tables. A Go int64 beyond 2^53 is a BigInt to JavaScript.
//
// It returns when the answer is there, and everything that the answer reveals is durable. The error is an [*Error] if the server
// gave one, a [*ConnError] if the connection failed or ctx ended, [ErrClosed], or about the arguments or the result. Whoever gives up by
// ctx does not take the call back: it may still be run.
func (o Object) Call(ctx context.Context, method string, result any, args ...any) error {
	k, err := o.newCall(method, args)
	if err != nil {
		return err
	}
	if k, err = o.c.do(ctx, o.conn, k, o.policy); err != nil {
		return err
	}
	if result != nil {
		err = o.result(method, k.reply, result)
	}
	k.recycle()
	return err
}

// Call calls a method of o, as [Object.Call] does, and returns what it returns.
func Call[T any](ctx context.Context, o Object, method string, args ...any) (T, error) {
	var result T
	err := o.Call(ctx, method, &result, args...)
	return result, err
}

// CallRaw is Call for whoever has arguments and results encoded: args is one array in the format of docs/format/value.md, or nil for no
// arguments, and is not used any more when CallRaw returns; the result, one value in that format, is appended to dst.
func (o Object) CallRaw(ctx context.Context, dst []byte, method string, args []byte) ([]byte, error) {
	k, err := o.c.do(ctx, o.conn, o.rawCall(method, args), o.policy)
	if err != nil {
		return dst, err
	}
	dst = append(dst, k.reply...)
	k.recycle()
	return dst, nil
}

// CallBytes calls a method with arguments that are bytes: a Uint8Array each. What it returns must be bytes, text or a single number,
// boolean (1 or 0) or nothing: a number comes as its digits, undefined and null as nil. The object must be named, not given by ID.
func (o Object) CallBytes(ctx context.Context, method string, args ...[]byte) ([]byte, error) {
	k, err := o.bytesCall(method, args)
	if err != nil {
		return nil, err
	}
	k.whole = true
	if k, err = o.c.do(ctx, o.conn, k, o.policy); err != nil {
		return nil, err
	}
	v := k.value
	k.recycle()
	b, ok := plain(&v)
	if !ok {
		return nil, fmt.Errorf("client: %s.%s returned something that is not bytes: use Call", o.class, method)
	}
	return b, nil
}

// plain is the bytes of a value that has no parts.
func plain(v *resp.Value) (b []byte, ok bool) {
	switch v.Kind {
	case resp.BulkString, resp.SimpleString, resp.VerbatimString, resp.BigNumber:
		return v.Bytes, true
	case resp.Integer, resp.Boolean:
		return strconv.AppendInt(nil, v.Int, 10), true
	case resp.Double:
		return strconv.AppendFloat(nil, v.Float, 'g', -1, 64), true
	case resp.Null:
		return nil, true
	}
	return nil, false
}

// newCall makes a call whose arguments are encoded.
func (o *Object) newCall(method string, args []any) (*call, error) {
	k := o.rawCall(method, nil)
	if len(args) == 0 {
		return k, nil
	}
	b := value.AppendArrayHeader(k.scratch[:0], len(args))
	for i, a := range args {
		var err error
		if b, err = value.Append(b, a); err != nil {
			k.recycle()
			return nil, fmt.Errorf("client: argument %d of %s.%s: %w", i+1, o.class, method, err)
		}
	}
	k.scratch, k.body, k.words = b, b, 1
	return k, nil
}

// rawCall makes a call of a method; args is nil or one encoded array.
func (o *Object) rawCall(method string, args []byte) *call {
	k := o.c.calls.get()
	k.verb = "CALL"
	if o.byID {
		k.verb = "CALLID"
	}
	k.class, k.object, k.method = o.class, o.key, method
	if args != nil {
		k.body, k.words = args, 1
	}
	return k
}

// bytesCall makes a call of a method with bytes.
func (o *Object) bytesCall(method string, args [][]byte) (*call, error) {
	if o.byID {
		return nil, fmt.Errorf("client: object %s of %s is given by its ID, and bytes go to objects with a name: use Call, with []byte", o.key, o.class)
	}
	k := o.c.calls.get()
	k.verb = "CALLB"
	k.class, k.object, k.method = o.class, o.key, method
	k.bytesOf(args)
	return k, nil
}

// result decodes what a method returned.
func (o *Object) result(method string, data []byte, result any) error {
	if err := value.Unmarshal(data, result); err != nil {
		return fmt.Errorf("client: result of %s.%s: %w", o.class, method, err)
	}
	return nil
}

// Package resp reads and writes RESP, the protocol of Redis, in its versions 2 and 3: bytes in, values out. It has no
// sockets, no goroutines and no clock, and keeps no bytes of its callers'.
//
// Its rules are those of the RESP protocol specification (https://redis.io/docs/latest/develop/reference/protocol-spec/),
// called the specification here, and of https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md, and
// where both are silent, what redis-server 7 does.
//
// # A server
//
// keeps a [CommandReader] for each connection, and gives it all bytes that have arrived and are not discarded yet:
//
//	for {
//		args, n, err := reader.Read(conn.Inbound(), scratch[:0], &limits)
//		if err != nil { send AppendError(nil, "ERR "+err.Error()), and close }
//		if n == 0     { return }                    // incomplete: call again when more has come
//		if len(args) > 0 { ... }                    // none: an empty command, which has no answer
//		conn.Discard(n)                             // args are gone now
//	}
//
// It answers with AppendSimple, AppendBulk, AppendMap and so on. Those that take a [Version] know both forms of what they
// write, so that a server's code is the same for clients of either version.
//
// # A client
//
// writes commands by [AppendCommand] and reads with a [ReplyReader] into a [Value] that it uses again and again. Nothing is
// allocated then, and what a Value holds aliases the bytes that it was read from.
//
// # Bounds
//
// A command is refused for what its header claims, before anything is kept for it: too many arguments, an argument too long,
// a command too long altogether, an inline command too long; see [Limits]. So are replies, and how deep they nest; see
// [ReplyLimits]. An incomplete command or reply costs no memory beside the bytes themselves, and is looked at once, however
// small the pieces are that it comes in.
package resp

// Version is a version of RESP: 2, with which a connection begins, or 3, after HELLO 3.
type Version uint8

// The versions.
const (
	V2 Version = 2
	V3 Version = 3
)

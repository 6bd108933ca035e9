// Package http reads and writes HTTP/1.1 messages (RFC 9110, RFC 9112): bytes in, values out. It has no
// sockets, no goroutines and no clock.
//
// A server keeps one [Reader] for each connection and calls it on the connection's loop, with the bytes that
// have arrived:
//
//	for {
//		n, ev, err := reader.Next(conn.Inbound())
//		if err != nil { answer by AppendError and close }
//		switch ev.Kind {
//		case NeedMore: conn.Discard(n); return
//		case Head:     look at reader.Request(), copy what is kept by AppendFieldsURL
//		case Body:     collect or pass on ev.Data
//		case End:      answer by AppendHead and its like
//		}
//		conn.Discard(n)
//	}
//
// A client does the same with a [ResponseReader], and writes by AppendRequest. Nothing here waits: whatever has
// not arrived is NeedMore, and the reader goes on where it stopped, without a second look at what it has seen.
//
// # One parser
//
// A message whose end two parties see in different places lets its sender smuggle a second one past the first
// party. So the framing is decided in one place (head.go), by fields that have one spelling only, and everything
// that RFC 9112 lets a recipient mend (bare LF, folded lines, two lengths, whitespace before a colon) is refused,
// and the connection closed. That is why fasthttp's header types are filled from here ([Request.CopyTo]) and
// written from here ([AppendResponse]), but its parser is not used: it mends some of these; it keeps host,
// cookies and a few others apart from their order and spelling, and it would be a second opinion on lengths.
//
// # Bounds
//
// [Limits] has every bound with its default. Beside them: a method of 32 bytes, a chunk size of 16 digits, 1 KiB
// of extensions for one chunk, 32 interim responses before a final one.
package http

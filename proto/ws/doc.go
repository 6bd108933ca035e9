// Package ws reads and writes WebSockets (RFC 6455) with compression of messages (RFC 7692): bytes in, values out. It has
// no sockets, no goroutines and no clock.
//
// A connection begins with a request, which [ReadRequest] checks and [Handshake.AppendAnswer] answers; for a client
// [AppendRequest] and [ReadAnswer]. From then on each side keeps a [Reader] and calls it on the connection's loop, with
// the bytes that have arrived:
//
//	for {
//		n, ev, err := reader.Next(conn.Inbound())
//		conn.Discard(n)
//		if err != nil { send AppendClose with its code and reason, and close }
//		switch ev.Kind {
//		case NeedMore:     return
//		case Text, Binary: ev.Data is a message, and the caller's
//		case Ping:         answer by AppendFrame(…, OpPong, ev.Data)
//		case Close:        answer by AppendClose with ev.Code, if no Close was sent, and close
//		}
//	}
//
// A message is complete when it comes out, whatever frames it came in. It is written in one copy, unmasked on the way, into
// memory of its own that the caller may keep and give to another loop. A text is checked as it comes: the
// reader fails with the first byte that makes it wrong (of a compressed text, when it is complete).
//
// # Writing
//
// [AppendFrame] writes what a server sends, [AppendMaskedFrame] what a client does; messages go through
// [Deflate].AppendMessage, which compresses them if that was agreed and pays. What a server sends is the same for every client with
// the same agreement (see [Deflate.Shared]), so that a message to many is encoded once.
//
// # Compression
//
// Neither side refers to an earlier message ("no context takeover"), which the server asks for in every agreement; docs/adr/0008 says
// why. So a connection keeps no window and no compressor: an idle Reader is 72 bytes. A client's wish for a smaller window
// (server_max_window_bits) is granted and kept to. Messages under [MinDeflateBytes], and those that would not get
// smaller, are sent as they are.
//
// # Bounds
//
// A message has at most [Limits].MessageBytes, before compression. It is refused (1009) for the length that its frame claims, before
// memory is taken; what is taken follows what has come, at most twice as much or 1 KiB. A compressed message may have a 1,024th and
// 64 bytes more than its limit; it is decompressed when it is complete, no further than the limit, and no further than a
// message goes that has become longer by compression than that (and 64 KiB): blocks without data cost time and make nothing. At most
// 16 blocks of one message may say that they are the last. Names and parameters of extensions are bounded by the header that they
// stand in.
package ws

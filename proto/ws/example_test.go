package ws_test

import (
	"fmt"

	"everloop/proto/ws"
)

// A server's side: the handshake, then frames as they arrive.
func Example() {
	fields := []ws.Field{
		{Name: "host", Value: "example.com"},
		{Name: "upgrade", Value: "websocket"},
		{Name: "connection", Value: "Upgrade"},
		{Name: "sec-websocket-version", Value: "13"},
		{Name: "sec-websocket-key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
	}
	handshake, err := ws.ReadRequest("GET", false, fields)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range handshake.AppendAnswer(nil, true) {
		fmt.Printf("%s: %s\n", f.Name, f.Value)
	}

	mask := [4]byte{1, 2, 3, 4} // a client takes new random ones for every frame
	received := ws.AppendMaskedFrame(nil, ws.OpText, []byte("hello"), mask)
	received = ws.AppendMaskedFrame(received, ws.OpPing, []byte("?"), mask)
	received = ws.AppendMaskedClose(received, ws.CloseNormal, "bye", mask)

	reader := ws.NewReader(ws.Options{Deflate: handshake.Deflate.Agreed()})
	var out []byte
	for {
		n, ev, err := reader.Next(received)
		if err != nil || ev.Kind == ws.NeedMore {
			break
		}
		received = received[n:]
		switch ev.Kind {
		case ws.Text, ws.Binary:
			fmt.Printf("message %q\n", ev.Data)
			out = handshake.Deflate.AppendMessage(out, ev.Kind == ws.Text, ev.Data)
		case ws.Ping:
			out = ws.AppendFrame(out, ws.OpPong, ev.Data)
		case ws.Close:
			fmt.Println("close", ev.Code, ev.Reason)
			out = ws.AppendClose(out, ev.Code, "")
		}
	}
	fmt.Printf("%q\n", out)
	// Output:
	// upgrade: websocket
	// connection: Upgrade
	// sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// message "hello"
	// close 1000 bye
	// "\x81\x05hello\x8a\x01?\x88\x02\x03\xe8"
}

// A client's side of the handshake.
func ExampleReadAnswer() {
	key := ws.NewKey([16]byte([]byte("the sample nonce"))) // random bytes, new for every connection
	request := ws.AppendRequest(nil, key, []string{"chat"}, true)
	fmt.Println(len(request), "fields")

	answer := []ws.Field{
		{Name: "upgrade", Value: "websocket"},
		{Name: "connection", Value: "Upgrade"},
		{Name: "sec-websocket-accept", Value: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{Name: "sec-websocket-protocol", Value: "chat"},
	}
	a, err := ws.ReadAnswer(101, answer, key, []string{"chat"}, true)
	fmt.Println(a.Protocol, a.Deflate.Agreed(), err)

	_, err = ws.ReadAnswer(101, answer, ws.NewKey([16]byte{}), []string{"chat"}, true)
	fmt.Println(err)
	// Output:
	// 6 fields
	// chat false <nil>
	// ws: sec-websocket-accept does not fit the key (RFC 6455, 4.1)
}

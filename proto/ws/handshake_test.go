package ws

import (
	"errors"
	"slices"
	"testing"
)

// request is a request that is in order, with changes: a value for a name, or a name without one.
func request(changes ...Field) []Field {
	return change([]Field{
		{"Host", "server.example.com"}, {"Upgrade", "websocket"}, {"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, {"Sec-WebSocket-Version", "13"},
	}, changes...)
}

// answer is the answer to request.
func answer(changes ...Field) []Field {
	return change([]Field{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}}, changes...)
}

func change(fields []Field, changes ...Field) []Field {
	for _, c := range changes {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == c.Name })
		switch {
		case i < 0:
			fields = append(fields, c)
		case c.Value == "":
			fields = slices.Delete(fields, i, i+1)
		default:
			fields[i].Value = c.Value
		}
	}
	return fields
}

func TestReadRequest(t *testing.T) {
	for _, c := range []struct {
		section, rule string
		method        string
		http10        bool
		fields        []Field
		err           *Refusal
	}{
		{"1.3", "the example", "GET", false, request(Field{"Origin", "http://example.com"}), nil},
		{"4.2.1", "GET only", "POST", false, request(), errMethod},
		{"4.2.1", "HTTP/1.1 or higher", "GET", true, request(), errHTTP10},
		{"4.2.1", "a host", "GET", false, request(Field{"Host", ""}), errHost},
		{"4.2.1", "one host", "GET", false, request(Field{"host", "two"}), errHost},
		{"4.2.1", "an upgrade", "GET", false, request(Field{"Upgrade", ""}), errUpgrade},
		{"4.2.1", "an upgrade to websocket, in any case", "GET", false, request(Field{"Upgrade", "h2c, WebSocket"}), nil},
		{"4.2.1", "an upgrade to something else", "GET", false, request(Field{"Upgrade", "h2c"}), errUpgrade},
		{"4.2.1", "a connection", "GET", false, request(Field{"Connection", ""}), errConnection},
		{"4.2.1", "a connection that lists upgrade, in any case", "GET", false, request(Field{"Connection", "keep-alive, upGrade"}), nil},
		{"4.2.1", "a connection in two fields", "GET", false, request(Field{"Connection", "keep-alive"}, Field{"connection", "upgrade"}), nil},
		{"4.2.1", "a connection that lists something else", "GET", false, request(Field{"Connection", "keep-alive, upgrades"}), errConnection},
		{"4.2.1", "a version", "GET", false, request(Field{"Sec-WebSocket-Version", ""}), errVersion},
		{"4.4", "version 13", "GET", false, request(Field{"Sec-WebSocket-Version", "8"}), errVersion},
		{"4.4", "version 13, not a list", "GET", false, request(Field{"Sec-WebSocket-Version", "13, 8"}), errVersion},
		{"11.3.5", "a version once", "GET", false, request(Field{"sec-websocket-version", "13"}), errVersion},
		{"4.2.1", "a key", "GET", false, request(Field{"Sec-WebSocket-Key", ""}), errKey},
		{"4.2.1", "a key of 15 bytes", "GET", false, request(Field{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"}), errKey},
		{"4.2.1", "a key of 17 bytes", "GET", false, request(Field{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZWU="}), errKey},
		{"4.2.1", "a key in base64", "GET", false, request(Field{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ!=="}), errKey},
		{"11.3.1", "a key once", "GET", false, request(Field{"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}), errKey},
		{"4.2.1", "names in any case", "GET", false, request(Field{"Host", ""}, Field{"HOST", "x"}), nil},
		{"9.1", "extensions that are no list", "GET", false, request(Field{"Sec-WebSocket-Extensions", "a;"}), errBadExtension},
		{"4.1", "subprotocols that are no tokens", "GET", false, request(Field{"Sec-WebSocket-Protocol", "chat, a b"}), errProtocols},
		{"4.1", "an empty subprotocol", "GET", false, request(Field{"Sec-WebSocket-Protocol", "chat,"}), errProtocols},
	} {
		h, err := ReadRequest(c.method, c.http10, c.fields)
		var got *Refusal
		if errors.As(err, &got); got != c.err || (h == nil) != (c.err != nil) || (err == nil) != (c.err == nil) {
			t.Errorf("RFC 6455, %s: %s: %v", c.section, c.rule, err)
		}
		if got == nil {
			continue
		}
		if more := got.AppendFields(nil); (got.Status == 426) != (len(more) == 3) || got.Status != 426 && got.Status != 400 {
			t.Errorf("%v: %d %v", got, got.Status, more)
		}
	}
	if errVersion.Status != 426 || !slices.Contains(errVersion.AppendFields(nil), Field{"sec-websocket-version", "13"}) {
		t.Error("RFC 6455, 4.4: another version must be told which one is spoken")
	}
}

func TestAppendAnswer(t *testing.T) {
	h, err := ReadRequest("GET", false, request(
		Field{"Sec-WebSocket-Protocol", "chat, superchat"}, Field{"sec-websocket-protocol", "chat ,  x"}, Field{"Sec-WebSocket-Extensions", "permessage-deflate"}))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(h.Protocols, []string{"chat", "superchat", "x"}) || h.Deflate != FullWindow {
		t.Errorf("%q, %d", h.Protocols, h.Deflate)
	}
	plain := []Field{{"x", "y"}, {"upgrade", "websocket"}, {"connection", "Upgrade"}, {"sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}}
	if got := h.AppendAnswer([]Field{{"x", "y"}}, false); !slices.Equal(got, plain) {
		t.Errorf("without compression: %v", got)
	}
	if got := h.AppendAnswer([]Field{{"x", "y"}}, true); !slices.Equal(got, append(plain, Field{"sec-websocket-extensions", OfferDeflate})) {
		t.Errorf("with compression: %v", got)
	}
	if h, _ = ReadRequest("GET", false, request()); len(h.AppendAnswer(nil, true)) != 3 {
		t.Errorf("not offered: %v", h.AppendAnswer(nil, true))
	}
}

func TestReadAnswer(t *testing.T) {
	key := NewKey([16]byte([]byte("the sample nonce")))
	if key != "dGhlIHNhbXBsZSBub25jZQ==" {
		t.Fatalf("key %q (RFC 6455, 1.3)", key)
	}
	for _, c := range []struct {
		section, rule string
		status        int
		fields        []Field
		deflate       bool
		want          Answer
		err           *Refusal
	}{
		{"1.3", "the example", 101, answer(), true, Answer{}, nil},
		{"4.1", "another status", 200, answer(), true, Answer{}, errStatus},
		{"4.1", "no upgrade", 101, answer(Field{"Upgrade", ""}), true, Answer{}, errAnswerUpgrade},
		{"4.1", "another upgrade", 101, answer(Field{"Upgrade", "h2c"}), true, Answer{}, errAnswerUpgrade},
		{"4.1", "no connection", 101, answer(Field{"Connection", ""}), true, Answer{}, errAnswerConn},
		{"4.1", "no accept", 101, answer(Field{"Sec-WebSocket-Accept", ""}), true, Answer{}, errAccept},
		{"4.1", "a wrong accept", 101, answer(Field{"Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}), true, Answer{}, errAccept},
		{"4.1", "space around accept", 101, answer(Field{"Sec-WebSocket-Accept", " s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "}), true, Answer{}, nil},
		{"11.3.3", "accept twice", 101, answer(Field{"sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}), true, Answer{}, errAccept},
		{"4.1", "a subprotocol", 101, answer(Field{"sec-websocket-protocol", "b"}), true, Answer{Protocol: "b"}, nil},
		{"4.1", "a subprotocol that was not offered", 101, answer(Field{"sec-websocket-protocol", "c"}), true, Answer{}, errAnswerProtocol},
		{"4.1", "an empty subprotocol", 101, append(answer(), Field{"sec-websocket-protocol", ""}), true, Answer{}, errAnswerProtocol},
		{"11.3.4", "two subprotocols", 101, answer(Field{"sec-websocket-protocol", "a"}, Field{"Sec-WebSocket-Protocol", "b"}), true, Answer{}, errAnswerProtocol},
		{"9.1", "compression", 101, answer(Field{"Sec-WebSocket-Extensions", OfferDeflate}), true, Answer{Extensions: OfferDeflate, Deflate: FullWindow}, nil},
		{"4.1", "compression that was not offered", 101, answer(Field{"Sec-WebSocket-Extensions", OfferDeflate}), false, Answer{}, errAnswerExt},
		{"4.1", "compression that was not offered, with other parameters", 101, answer(Field{"Sec-WebSocket-Extensions", "permessage-deflate"}), false, Answer{}, errAnswerExt},
		{"4.1", "another extension", 101, answer(Field{"Sec-WebSocket-Extensions", "foo"}), true, Answer{}, errAnswerExt},
		{"9.1", "no list", 101, answer(Field{"Sec-WebSocket-Extensions", ";"}), true, Answer{}, errAnswerList},
		{"7692, 7.1", "other parameters", 101, answer(Field{"Sec-WebSocket-Extensions", "permessage-deflate"}), true, Answer{}, errAnswerParams},
	} {
		got, err := ReadAnswer(c.status, c.fields, key, []string{"a", "b"}, c.deflate)
		var refusal *Refusal
		if errors.As(err, &refusal); refusal != c.err || got != c.want || (err == nil) != (c.err == nil) {
			t.Errorf("RFC 6455, %s: %s: %+v, %v", c.section, c.rule, got, err)
		}
	}
}

// A server takes what a client asks, and the client the answer.
func TestHandshakeBothSides(t *testing.T) {
	for _, deflate := range []bool{false, true} {
		key := NewKey([16]byte{1, 2, 3})
		h, err := ReadRequest("GET", false, AppendRequest([]Field{{"host", "h"}}, key, []string{"a", "b"}, deflate))
		if err != nil || !slices.Equal(h.Protocols, []string{"a", "b"}) || h.Deflate.Agreed() != deflate {
			t.Fatalf("%+v, %v", h, err)
		}
		a, err := ReadAnswer(101, h.AppendAnswer([]Field{{"sec-websocket-protocol", "b"}}, true), key, []string{"a", "b"}, deflate)
		if err != nil || a.Protocol != "b" || a.Deflate != h.Deflate {
			t.Fatalf("%+v, %v", a, err)
		}
	}
}

func TestValidProtocol(t *testing.T) {
	for name, want := range map[string]bool{"chat": true, "v1.json!": true, "": false, "a b": false, "a,b": false, "é": false, "a/b": false, "a\n": false} {
		if ValidProtocol(name) != want {
			t.Errorf("%q", name)
		}
	}
}

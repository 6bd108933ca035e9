package ws

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// fuzzLimits are small, so that they are met.
var fuzzLimits = Limits{MessageBytes: 300}

// FuzzReader: a Reader never fails but by an error, keeps to the contract of Next (transcript checks it), holds no more memory
// than it says, and sees the same however the input is cut.
func FuzzReader(f *testing.F) {
	for _, c := range rules {
		if len(c.in) < 300 {
			f.Add([]byte(c.in), c.role == Client, false, uint16(3))
		}
	}
	f.Add([]byte(fromClient(0xc1, hello, 0x41, hello[:3], 0x89, "p", 0x80, hello[3:], 0x88, "\x03\xe8x")), false, true, uint16(9))
	f.Add([]byte("\xc2\x07"+hello), true, true, uint16(5))
	f.Fuzz(func(t *testing.T, in []byte, client, deflate bool, cut uint16) {
		if len(in) > 4000 {
			return
		}
		o := Options{Deflate: deflate}
		if client {
			o.Role = Client
		}
		for _, o.Limits = range []Limits{{}, fuzzLimits} {
			want, wantErr := transcript(t, o, string(in))
			single := make([]int, 0, len(in))
			for i := range min(len(in), 1000) {
				single = append(single, i)
			}
			a := int(cut) % (len(in) + 1)
			for _, cuts := range [][]int{single, {a}, {a / 2, a}} {
				if got, err := transcript(t, o, string(in), cuts...); got != want || err != wantErr {
					t.Fatalf("cut at %v:\n%s%v\nin one piece:\n%s%v", cuts, got, err, want, wantErr)
				}
			}
		}
	})
}

// FuzzRoundTrip: a message comes back from what a server writes, and from what a client writes in fragments with pings between
// them, compressed or not; or it is no UTF-8 and is refused for that.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("Hello"), true, uint8(0), uint32(7), uint16(2))
	f.Add([]byte("Hällo, wörld: "+"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), true, uint8(15), uint32(99), uint16(300))
	f.Add(random(1000), false, uint8(9), uint32(0), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, text bool, window uint8, mask uint32, size uint16) {
		d := Deflate(window % 16)
		if d < 8 {
			d = 0
		}
		check := func(role Role, wire []byte) {
			r := NewReader(Options{Role: role, Deflate: d.Agreed()})
			for at := 0; ; {
				n, ev, err := r.Next(wire[at:])
				if err == errUTF8 && text {
					if n, ok := validPrefix(data); ok && n == len(data) {
						t.Fatalf("%q is UTF-8", data)
					}
					return
				}
				if err != nil || ev.Kind == NeedMore {
					t.Fatalf("%v, %v", ev.Kind, err)
				}
				if at += n; ev.Kind == Ping {
					continue
				}
				if at != len(wire) || (ev.Kind == Text) != text || !bytes.Equal(ev.Data, data) {
					t.Fatalf("%d of %d, %v %q", at, len(wire), ev.Kind, ev.Data)
				}
				return
			}
		}
		key := [4]byte{byte(mask), byte(mask >> 8), byte(mask >> 16), byte(mask >> 24)}
		check(Client, d.AppendMessage(nil, text, data))
		check(Server, d.AppendMaskedMessage(nil, text, data, key))

		payload, h := data, Header{Opcode: MessageOpcode(text), More: true, Masked: true, Mask: key}
		if z := d.compress(data); z != nil {
			payload, h.Compressed = bytes.Clone(z.out), true
			z.release()
		}
		var wire []byte
		for h.More {
			part := payload[:min(len(payload), int(size)+1)]
			payload = payload[len(part):]
			h.Length, h.More = len(part), len(payload) > 0
			wire = appendMasked(AppendHeader(wire, h), part, key)
			if h.More {
				wire = AppendMaskedFrame(wire, OpPing, nil, key)
			}
			h.Opcode, h.Compressed = OpContinuation, false
		}
		check(Server, wire)
	})
}

// FuzzInflate: what is decompressed here the standard library decompresses to the same, and the other way round.
func FuzzInflate(f *testing.F) {
	for _, s := range []string{hello, "\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\x00\x05\x00\xfa\xffHello\x00", deflated(f, likeJSON(3000), 9), deflated(f, random(100), 1)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 || len(in) > 60000 {
			return
		}
		in = append(in, ending...)
		inf := inflaters.Get().(*inflater)
		defer inf.release()
		const limit = 1 << 20
		got, err := inf.inflate(in, limit)
		if len(got) > limit {
			t.Fatalf("%d bytes", len(got))
		}
		if err == errTooBig {
			return
		}
		want, streams, wantErr := inflated(in)
		if err == nil && (wantErr != nil || !bytes.Equal(got, want)) {
			t.Fatalf("%q, by the standard library %q, %v", got, want, wantErr)
		}
		if err != nil && wantErr == nil && streams <= maxStreams {
			t.Fatalf("refused, by the standard library %q", want)
		}
	})
}

// FuzzHandshake: a request is refused, or its answer is one that its client takes, with nothing in it that could not stand in a
// header.
func FuzzHandshake(f *testing.F) {
	f.Add("websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ==", "chat, superchat", "permessage-deflate; client_max_window_bits")
	f.Add("h2c, WebSocket", "keep-alive ,upgrade", "13", "AAAAAAAAAAAAAAAAAAAAAA==", "a", OfferDeflate)
	f.Fuzz(func(t *testing.T, upgrade, connection, version, key, protocols, extensions string) {
		fields := []Field{
			{"host", "h"}, {"upgrade", upgrade}, {"connection", connection}, {"sec-websocket-version", version}, {"sec-websocket-key", key},
		}
		if protocols != "" {
			fields = append(fields, Field{"sec-websocket-protocol", protocols})
		}
		if extensions != "" {
			fields = append(fields, Field{"sec-websocket-extensions", extensions})
		}
		h, err := ReadRequest("GET", false, fields)
		if err != nil {
			var r *Refusal
			if !errors.As(err, &r) || r.Status != 400 && r.Status != 426 {
				t.Fatal(err)
			}
			return
		}
		answer := h.AppendAnswer(nil, true)
		for _, f := range answer {
			if strings.ContainsFunc(f.Name+f.Value, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%q", f)
			}
		}
		for _, p := range h.Protocols {
			if !ValidProtocol(p) {
				t.Fatalf("%q", p)
			}
		}
		// A client takes it: also a window of the server's, which it need not have asked for.
		if a, err := ReadAnswer(101, answer, key, h.Protocols, true); err != nil || a.Deflate.Agreed() != h.Deflate.Agreed() {
			t.Fatalf("%v: %+v, %v", answer, a, err)
		}
	})
}

package ws

import (
	"bytes"
	"strings"
	"testing"
)

// What is written, to the byte (RFC 6455, 5.7).
func TestAppendFrame(t *testing.T) {
	long := strings.Repeat("a", 1<<16)
	for _, c := range []struct {
		name, want string
		got        []byte
	}{
		{"text", "\x81\x05Hello", AppendFrame(nil, OpText, []byte("Hello"))},
		{"masked text", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", AppendMaskedFrame(nil, OpText, []byte("Hello"), testMask)},
		{"ping", "\x89\x05Hello", AppendFrame(nil, OpPing, []byte("Hello"))},
		{"masked pong", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", AppendMaskedFrame(nil, OpPong, []byte("Hello"), testMask)},
		{"empty", "\x82\x00", AppendFrame(nil, OpBinary, nil)},
		{"125 bytes", "\x82\x7d" + long[:125], AppendFrame(nil, OpBinary, []byte(long[:125]))},
		{"126 bytes", "\x82\x7e\x00\x7e" + long[:126], AppendFrame(nil, OpBinary, []byte(long[:126]))},
		{"65535 bytes", "\x82\x7e\xff\xff" + long[:65535], AppendFrame(nil, OpBinary, []byte(long[:65535]))},
		{"65536 bytes", "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + long, AppendFrame(nil, OpBinary, []byte(long))},
		{"fragment", "\x01\x03", AppendHeader(nil, Header{Opcode: OpText, More: true, Length: 3})},
		{"compressed fragment", "\x42\x03", AppendHeader(nil, Header{Opcode: OpBinary, More: true, Compressed: true, Length: 3})},
		{"behind something", "x\x81\x01y", AppendFrame([]byte("x"), OpText, []byte("y"))},
		{"masked behind something", "x\x81\x81\x37\xfa\x21\x3d\x4e", AppendMaskedFrame([]byte("x"), OpText, []byte("y"), testMask)},
		{"close", "\x88\x02\x03\xe8", AppendClose(nil, CloseNormal, "")},
		{"close with a reason", "\x88\x05\x03\xe9bye", AppendClose(nil, CloseGoingAway, "bye")},
		{"close without a code", "\x88\x00", AppendClose(nil, CloseNoStatus, "lost")},
		{"close with 0", "\x88\x00", AppendClose(nil, 0, "")},
		{"close with what is never sent", "\x88\x00", AppendClose(nil, CloseAbnormal, "lost")},
		{"close with 123 bytes", "\x88\x7d\x03\xe8" + long[:123], AppendClose(nil, CloseNormal, long[:123])},
		{"close with more", "\x88\x7d\x03\xe8" + long[:123], AppendClose(nil, CloseNormal, long[:124])},
		{"close with more, cut between characters", "\x88\x7c\x03\xe8" + long[:122], AppendClose(nil, CloseNormal, long[:122]+"€")},
		{"close with no UTF-8", "\x88\x02\x03\xe8", AppendClose(nil, CloseNormal, "\xff")},
		{"masked close", "\x88\x82\x37\xfa\x21\x3d\x34\x12", AppendMaskedClose(nil, CloseNormal, "", testMask)},
	} {
		if string(c.got) != c.want {
			t.Errorf("%s: %.60q, want %.60q", c.name, c.got, c.want)
		}
	}
	if MessageOpcode(true) != OpText || MessageOpcode(false) != OpBinary {
		t.Error("opcodes of messages")
	}
}

// Masking is by octets (RFC 6455, 5.3), at every place and in every length.
func TestMask(t *testing.T) {
	data := random(200)
	for length := range 130 {
		for at := range 9 {
			for pos := range 5 {
				in := data[at : at+length]
				want := bytes.Clone(in)
				for i := range want {
					want[i] ^= testMask[(pos+i)%4]
				}
				got := bytes.Clone(data)[at : at+length]
				if Mask(got, testMask, pos); !bytes.Equal(got, want) {
					t.Fatalf("%d bytes, place %d", length, pos)
				}
				if pos == 0 && !bytes.Equal(appendMasked([]byte("abc")[:at%4], in, testMask)[at%4:], want) {
					t.Fatalf("appended: %d bytes", length)
				}
			}
		}
	}
}

package ws

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// rules are sentences of RFC 6455, each with what a peer sends and what is found in it. A case with neither out nor err
// finds nothing yet.
var rules = []struct {
	section, rule string
	role          Role
	in            string
	out           string
	err           *Error
}{
	{"5.7", "a single-frame unmasked text", Client, "\x81\x05Hello", "text 5 \"Hello\"\n", nil},
	{"5.7", "a single-frame masked text", Server, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "text 5 \"Hello\"\n", nil},
	{"5.7", "a fragmented unmasked text", Client, "\x01\x03Hel\x80\x02lo", "text 5 \"Hello\"\n", nil},
	{"5.7", "an unmasked ping, and a masked pong to it", Client, "\x89\x05Hello", "ping 5 \"Hello\"\n", nil},
	{"5.7", "an unmasked ping, and a masked pong to it", Server, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "pong 5 \"Hello\"\n", nil},
	{"5.7", "256 bytes in one frame", Client, "\x82\x7e\x01\x00" + strings.Repeat("a", 256), "binary 256 \"" + strings.Repeat("a", 64) + "\"\n", nil},
	{"5.7", "64 KiB in one frame", Client, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("a", 65536), "binary 65536 \"" + strings.Repeat("a", 64) + "\"\n", nil},
	{"5.2", "an empty text, an empty binary", Server, fromClient(0x81, "", 0x82, ""), "text 0 \"\"\nbinary 0 \"\"\n", nil},

	{"5.1", "a client's frame must be masked", Server, "\x81\x05Hello", "", errUnmasked},
	{"5.1", "a client's frame must be masked, a ping too", Server, "\x89\x00", "", errUnmasked},
	{"5.1", "a server's frame must not be masked", Client, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "", errMasked},

	{"5.2", "RSV1 must be 0 without an extension", Server, fromClient(0xc1, "x"), "", errRSV},
	{"5.2", "RSV2 must be 0 without an extension", Server, fromClient(0xa1, "x"), "", errRSV},
	{"5.2", "RSV3 must be 0 without an extension", Server, fromClient(0x91, "x"), "", errRSV},
	{"5.2", "RSV2 must be 0 on a control frame", Server, fromClient(0xa9, "x"), "", errRSV},
	{"5.2", "what is wrong in the first byte is told after it", Server, "\xb1", "", errRSV},
	{"5.2", "opcode 3 is reserved", Server, fromClient(0x83, ""), "", errOpcode},
	{"5.2", "opcode 7 is reserved", Server, fromClient(0x87, ""), "", errOpcode},
	{"5.2", "opcode 11 is reserved", Server, fromClient(0x8b, ""), "", errOpcode},
	{"5.2", "opcode 15 is reserved", Server, fromClient(0x8f, ""), "", errOpcode},
	{"5.2", "125 in 16 bits is not the shortest form", Client, "\x82\x7e\x00\x7d" + strings.Repeat("a", 125), "", errLengthLonger},
	{"5.2", "65535 in 64 bits is not the shortest form", Client, "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "", errLengthLonger},
	{"5.2", "the most significant bit of a length must be 0", Client, "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "", errLengthSign},
	{"5.2", "a length of 2^63-1 is a length, and too large", Client, "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "", errTooBig},

	{"5.4", "fragments: FIN clear and an opcode, continuations, FIN set", Server, fromClient(0x01, "a", 0x00, "b", 0x00, "", 0x80, "c"), "text 3 \"abc\"\n", nil},
	{"5.4", "control frames may stand between fragments", Server, fromClient(0x02, "a", 0x89, "p", 0x00, "b", 0x8a, "", 0x80, "c"), "ping 1 \"p\"\npong 0 \"\"\nbinary 3 \"abc\"\n", nil},
	{"5.4", "a close may stand between fragments", Server, fromClient(0x01, "a", 0x88, "\x03\xe8", 0x80, "b"), "close 1000 \"\"\n", nil},
	{"5.4", "control frames must not be fragmented", Server, fromClient(0x09, "a"), "", errControlParts},
	{"5.4", "a close must not be fragmented", Server, fromClient(0x08, ""), "", errControlParts},
	{"5.4", "messages must not be interleaved", Server, fromClient(0x01, "a", 0x82, "b"), "", errInterleaved},
	{"5.4", "a fragmented message must not begin anew", Server, fromClient(0x01, "a", 0x01, "b"), "", errInterleaved},
	{"5.4", "a continuation needs a beginning", Server, fromClient(0x80, "a"), "", errContinuation},
	{"5.4", "a continuation needs a beginning, after a message too", Server, fromClient(0x81, "a", 0x00, "b"), "text 1 \"a\"\n", errContinuation},

	{"5.5", "a control frame has at most 125 bytes", Server, fromClient(0x89, strings.Repeat("p", 125)), "ping 125 \"" + strings.Repeat("p", 64) + "\"\n", nil},
	{"5.5", "a control frame has at most 125 bytes", Server, fromClient(0x89, strings.Repeat("p", 126)), "", errControlLong},
	{"5.5", "a control frame has at most 125 bytes, which its second byte tells", Client, "\x88\x7f", "", errControlLong},
	{"5.5.1", "a close may be empty", Server, fromClient(0x88, ""), "close 1005 \"\"\n", nil},
	{"5.5.1", "a close has a code", Server, fromClient(0x88, "\x03\xe9"), "close 1001 \"\"\n", nil},
	{"5.5.1", "a close has a code of two bytes", Server, fromClient(0x88, "\x03"), "", errCloseShort},
	{"5.5.1", "a close may have a reason", Server, fromClient(0x88, "\x0f\xa0bye \u20ac"), "close 4000 \"bye €\"\n", nil},
	{"5.5.1", "a reason is UTF-8", Server, fromClient(0x88, "\x03\xe8\xc0\x80"), "", errCloseReason},
	{"5.5.1", "a reason has at most 123 bytes", Server, fromClient(0x88, "\x03\xe8"+strings.Repeat("r", 123)), "close 1000 \"" + strings.Repeat("r", 123) + "\"\n", nil},
	{"5.5.1", "nothing is sent after a close, and so not read", Server, fromClient(0x88, "\x03\xe8", 0x81, "x", 0xff, "x", 0x89, ""), "close 1000 \"\"\n", nil},
	{"5.5.2", "a ping may carry anything, or nothing", Server, fromClient(0x89, "", 0x89, "\x00\xff"), "ping 0 \"\"\nping 2 \"\\x00\\xff\"\n", nil},
	{"5.5.3", "a pong may come unasked", Server, fromClient(0x8a, "x", 0x8a, "x"), "pong 1 \"x\"\npong 1 \"x\"\n", nil},
	{"7.4.2", "code 0 is not used", Server, fromClient(0x88, "\x00\x00"), "", errCloseCode},

	{"8.1", "a text is UTF-8", Server, fromClient(0x81, "κόσμε"), "text 10 \"κόσμε\"\n", nil},
	{"8.1", "a text is UTF-8", Server, fromClient(0x81, "\xff"), "", errUTF8},
	{"8.1", "a character may be cut by a fragment", Server, fromClient(0x01, "\xe2\x82", 0x80, "\xac"), "text 3 \"€\"\n", nil},
	{"8.1", "a text must not end within a character", Server, fromClient(0x81, "\xe2\x82"), "", errUTF8},
	{"8.1", "a text must not end within a character", Server, fromClient(0x01, "\xe2\x82", 0x80, ""), "", errUTF8},
	{"8.1", "a surrogate is no character", Server, fromClient(0x81, "\xed\xa0\x80"), "", errUTF8},
	{"8.1", "a longer form than needed is none", Server, fromClient(0x81, "\xc0\xaf"), "", errUTF8},
	{"8.1", "each text anew", Server, fromClient(0x81, "abc", 0x81, "\xff"), "text 3 \"abc\"\n", errUTF8},
	{"8.1", "binary is any bytes", Server, fromClient(0x82, "\xff\xfe"), "binary 2 \"\\xff\\xfe\"\n", nil},
	{"5.2", "messages follow one another", Server, fromClient(0x81, "a", 0x82, "b", 0x01, "c", 0x80, "d"), "text 1 \"a\"\nbinary 1 \"b\"\ntext 2 \"cd\"\n", nil},
}

func TestRules(t *testing.T) {
	for _, c := range rules {
		got, err := everySplit(t, Options{Role: c.role}, c.in)
		if wantErr := error(c.err); got != c.out || err != wantErr && (err != nil || c.err != nil) {
			t.Errorf("RFC 6455, %s: %s: %.40q:\n%s%v\nwant\n%s%v", c.section, c.rule, c.in, got, err, c.out, c.err)
		}
	}
}

// Every code, by RFC 6455, 7.4, and the registry.
func TestCloseCodes(t *testing.T) {
	for code := range 1 << 16 {
		got, err := transcript(t, Options{}, fromClient(0x88, string([]byte{byte(code >> 8), byte(code)})))
		want := code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
		if Receivable(code) != want || (err == nil) != want || (got != "") != want {
			t.Fatalf("%d: %q, %v", code, got, err)
		}
		sendable := code >= 1000 && code <= 4999 && code != 1004 && code != 1005 && code != 1006 && code != 1015
		if Sendable(code) != sendable || len(AppendClosePayload(nil, code, "x")) != map[bool]int{true: 3}[sendable] {
			t.Fatalf("%d: %v", code, Sendable(code))
		}
	}
}

// A text is refused with the first byte that cannot be of one (Autobahn 6.4 calls that failing fast), and not earlier.
func TestTextFailsFast(t *testing.T) {
	var beginnings []string
	for _, s := range []string{"\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\u0fff", "\u1000", "\ucfff", "\ud000", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0003ffff", "\U00040000", "\U000fffff", "\U00100000", "\U0010ffff"} {
		for i := range len(s) {
			beginnings = append(beginnings, s[:i])
		}
	}
	// What a character can begin with, by asking all of them.
	can := map[string]bool{}
	for r := range rune(utf8.MaxRune + 1) {
		if r >= 0xd800 && r <= 0xdfff {
			continue
		}
		c := string(r)
		for i := 1; i < len(c); i++ {
			can[c[:i]] = true
		}
	}
	for _, b := range beginnings {
		for c := range 256 {
			s := b + string([]byte{byte(c)})
			want := can[s] || utf8.ValidString(s)
			for _, before := range []string{"", "é", "abcdefgh€"} {
				// The frame claims more, so its end is not what is judged.
				in := fromClient(0x81, before+s+"~~~~")
				in = in[:len(in)-4]
				single := make([]int, 0, len(in))
				for i := range len(in) {
					single = append(single, i)
				}
				for _, cuts := range [][]int{nil, single} {
					if _, err := transcript(t, Options{}, in, cuts...); (err == nil) != want {
						t.Fatalf("%q: %v, want %v", before+s, err, want)
					}
				}
			}
		}
	}
}

// The bound on messages is held before memory is taken, and over fragments.
func TestMessageLimit(t *testing.T) {
	lim := Limits{MessageBytes: 100}
	for _, c := range []struct {
		name, in, out string
		err           error
	}{
		{"just within", fromClient(0x81, strings.Repeat("a", 100)), "text 100 \"" + strings.Repeat("a", 64) + "\"\n", nil},
		{"one more", fromClient(0x81, strings.Repeat("a", 101))[:6], "", errTooBig},
		{"two fragments within", fromClient(0x01, strings.Repeat("a", 60), 0x80, strings.Repeat("a", 40)), "text 100 \"" + strings.Repeat("a", 64) + "\"\n", nil},
		{"two fragments, one more", fromClient(0x01, strings.Repeat("a", 60), 0x80, strings.Repeat("a", 41))[:66+6], "", errTooBig},
		{"each message anew", fromClient(0x81, strings.Repeat("a", 90), 0x82, "b"), "text 90 \"" + strings.Repeat("a", 64) + "\"\nbinary 1 \"b\"\n", nil},
		{"a ping does not count", fromClient(0x01, strings.Repeat("a", 100), 0x89, "p", 0x80, ""), "ping 1 \"p\"\ntext 100 \"" + strings.Repeat("a", 64) + "\"\n", nil},
	} {
		if got, err := everySplit(t, Options{Limits: lim}, c.in); got != c.out || err != c.err {
			t.Errorf("%s:\n%s%v", c.name, got, err)
		}
	}
	for _, limit := range []int{0, -1, math.MaxInt} {
		r := NewReader(Options{Limits: Limits{MessageBytes: limit}})
		_, _, err := r.Next([]byte("\x82\xff\x00\x00\x00\x00\x02\x00\x00\x00mask"))
		if err != nil || r.Held() != 0 {
			t.Errorf("32 MiB with a limit of %d: %v, %d held", limit, err, r.Held())
		}
		r = NewReader(Options{Limits: Limits{MessageBytes: limit}})
		if _, _, err := r.Next([]byte("\x82\xff\x00\x00\x00\x00\x02\x00\x00\x01mask")); (err == errTooBig) != (limit <= 0) {
			t.Errorf("a byte more with a limit of %d: %v", limit, err)
		}
	}
	var zero Reader
	if _, _, err := zero.Next([]byte("\x82\xff\x00\x00\x00\x00\x02\x00\x00\x01mask")); err != errTooBig {
		t.Errorf("the zero Reader: %v", err)
	}
}

// What a frame claims costs nothing; what is kept is the message, without much unused memory behind it.
func TestMemoryFollowsWhatCame(t *testing.T) {
	r := NewReader(Options{})
	head := fromClient(0x02, strings.Repeat("a", 20<<20))[:14]
	n, _, err := r.Next([]byte(head))
	if n != len(head) || err != nil || r.Held() != 0 {
		t.Fatalf("%d, %v: %d held for a header", n, err, r.Held())
	}
	piece := make([]byte, 1000)
	for come := len(piece); come < 1<<20; come += len(piece) {
		if _, _, err := r.Next(piece); err != nil {
			t.Fatal(err)
		}
		if r.Held() > max(2*come, firstBytes) {
			t.Fatalf("%d held after %d", r.Held(), come)
		}
	}

	// In one piece a message is made once, as large as it is.
	for _, size := range []int{1, 100, 1000, 70000} {
		whole := []byte(fromClient(0x82, strings.Repeat("a", size)))
		r := NewReader(Options{})
		_, ev, err := r.Next(whole)
		if err != nil || len(ev.Data) != size || cap(ev.Data) != size || r.Held() != 0 {
			t.Fatalf("%d, %d, %v, %d", len(ev.Data), cap(ev.Data), err, r.Held())
		}
		if n := testing.AllocsPerRun(10, func() { _, _, _ = r.Next(whole) }); n != 1 {
			t.Errorf("%d bytes: %v allocations", size, n)
		}
	}
	// Of a compressed one that comes in pieces there is what has come, and the message.
	packed := FullWindow.AppendMaskedMessage(nil, true, likeJSON(20000), testMask)
	r = NewReader(Options{Deflate: true})
	if n := testing.AllocsPerRun(10, func() {
		half, _, _ := r.Next(packed[:len(packed)*3/4])
		if _, ev, err := r.Next(packed[half:]); err != nil || len(ev.Data) != 20000 {
			t.Fatal(err)
		}
	}); n != 2 && !raceEnabled {
		t.Errorf("a compressed message in two pieces: %v allocations", n)
	}
	// In fragments it grows, and is made to fit in the end.
	r = NewReader(Options{})
	in := fromClient(0x02, strings.Repeat("a", 5000), 0x80, "")
	_, ev, err := r.Next([]byte(in))
	if err != nil || len(ev.Data) != 5000 || cap(ev.Data) > 6250 {
		t.Fatalf("%d, %d, %v", len(ev.Data), cap(ev.Data), err)
	}
}

// Growing copies what has come a bounded number of times, in the smallest fragments too.
func TestGrowthIsGeometric(t *testing.T) {
	r := NewReader(Options{})
	in := []byte(fromClient(0x00, "a"))
	if _, _, err := r.Next([]byte(fromClient(0x02, ""))); err != nil {
		t.Fatal(err)
	}
	var grown int
	for held := 0; len(r.msg) < 100_000; {
		if _, _, err := r.Next(in); err != nil {
			t.Fatal(err)
		}
		if r.Held() != held {
			held = r.Held()
			grown++
		}
	}
	if grown > 10 {
		t.Fatalf("grown %d times", grown)
	}
}

// Reset makes a Reader new, whatever it was in the middle of.
func TestReset(t *testing.T) {
	for _, in := range []string{fromClient(0x01, "abc"), fromClient(0x88, ""), fromClient(0xff, ""), fromClient(0x81, "abcdef")[:8]} {
		r := NewReader(Options{})
		_, _, _ = r.Next([]byte(in))
		r.Reset(Options{Role: Client})
		if _, ev, err := r.Next([]byte("\x81\x01x")); err != nil || ev.Kind != Text || string(ev.Data) != "x" {
			t.Errorf("after %q: %v, %v", in, ev, err)
		}
	}
}

package wstest

import (
	"fmt"
	"strings"
	"time"
)

// utf8Handling is section 6.
func utf8Handling() []testCase {
	const (
		greeting = "Hello-µ@ßöäüàá-UTF-8!!"
		kosme    = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	)
	invalid := func(id string, run func(*client) error) testCase {
		return testCase{id: id, run: run, end: ending{codes: []int{1007}, fatal: true}}
	}
	first, second := greeting[:len("Hello-µ@ßöä")], greeting[len("Hello-µ@ßöä"):]
	list := []testCase{
		echo("6.1.1", sends(atOnce, text("")), gotText("")),
		echo("6.1.2", sends(atOnce, out{op: opText, more: true}, out{op: opContinuation, more: true}, out{op: opContinuation}), gotText("")),
		echo("6.1.3", sends(atOnce, out{op: opText, more: true}, out{op: opContinuation, more: true, payload: "middle frame payload"}, out{op: opContinuation}),
			gotText("middle frame payload")),
		echo("6.2.1", sends(atOnce, text(greeting)), gotText(greeting)),
		echo("6.2.2", sends(atOnce, out{op: opText, more: true, payload: first}, out{op: opContinuation, payload: second}), gotText(greeting)),
		echo("6.2.3", sends(byFrame, fragments(opText, greeting, 1)...), gotText(greeting)),
		echo("6.2.4", sends(byFrame, fragments(opText, kosme, 1)...), gotText(kosme)),
		invalid("6.3.1", sends(atOnce, text(kosme+"\xed\xa0\x80edited"))),
		invalid("6.3.2", sends(byFrame, fragments(opText, kosme+"\xed\xa0\x80edited", 1)...)),
	}
	// A text is failed with the byte that makes it wrong, be that in another frame (6.4.1, 6.4.2) or another part of the same (6.4.3,
	// 6.4.4), and not before. Autobahn waits a second behind each part. What the server does not do in the first wait needs no
	// wait where a Pong shows that it has read the part; that it fails in the second is what is waited for.
	wrong := kosme + "\xf4\x90\x80\x80edited"
	for i, parts := range [][3]string{{kosme, "\xf4\x90\x80\x80", "edited"}, {wrong[:12], wrong[12:13], wrong[13:]}} {
		list = append(list, failsFast(fmt.Sprintf("6.4.%d", 1+i), func(c *client) bool {
			c.send(atOnce, out{op: opText, more: true, payload: parts[0]}, ping("A"))
			ok := c.until(1) == nil
			c.received = nil
			return ok
		}, func(c *client) {
			c.send(atOnce, out{op: opContinuation, more: true, payload: parts[1]})
		}, func(c *client) {
			c.send(atOnce, out{op: opContinuation, payload: parts[2]})
		}))
	}
	for i, cuts := range [][2]int{{len(kosme), len(kosme) + 4}, {12, 13}} {
		var frame []byte
		const header = 6
		list = append(list, failsFast(fmt.Sprintf("6.4.%d", 3+i), func(c *client) bool {
			frame = text(wrong).appendTo(nil, c.mask())
			c.write(frame[:header+cuts[0]])
			return c.silent()
		}, func(c *client) {
			c.write(frame[header+cuts[0] : header+cuts[1]])
		}, func(c *client) {
			c.write(frame[header+cuts[1]:])
		}))
	}
	for group, sequences := range utf8Sequences() {
		for i, s := range sequences.texts {
			id := fmt.Sprintf("6.%d.%d", 5+group, i+1)
			if sequences.valid || sequences.validAt(i) {
				list = append(list, echo(id, sends(atOnce, text(s)), gotText(s)))
			} else {
				list = append(list, invalid(id, sends(atOnce, text(s))))
			}
		}
	}
	return list
}

// failsFast is a case of three parts. What the server does after each is an event, "timeout" for nothing.
func failsFast(id string, first func(*client) bool, second, third func(*client)) testCase {
	return testCase{
		id: id, want: []event{{"timeout", "A"}}, lax: []event{{"timeout", "A"}, {"timeout", "B"}}, laxSet: true,
		end: ending{codes: []int{1007}, fatal: true},
		run: func(c *client) error {
			if !first(c) {
				return nil
			}
			c.received = append(c.received, event{"timeout", "A"})
			second(c)
			_ = c.conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := c.in.Peek(1); err == nil || !isTimeout(err) {
				return nil
			}
			c.received = append(c.received, event{"timeout", "B"})
			third(c)
			return nil
		},
	}
}

// sequences is a group of texts, valid or not; of a mixed group, those at wellFormed are.
type sequences struct {
	valid      bool
	wellFormed string // a byte for each text: 'v' for a valid one
	texts      []string
}

func (s sequences) validAt(i int) bool { return i < len(s.wellFormed) && s.wellFormed[i] == 'v' }

// utf8Sequences are the groups of 6.5 to 6.23, which go back to Markus Kuhn's UTF-8 decoder stress test.
func utf8Sequences() []sequences {
	const kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	var prefixes []string
	for i := range len(kosme) {
		prefixes = append(prefixes, kosme[:i+1])
	}
	spaced := func(from, to int) string { // each byte but the last, with a space behind it
		var b strings.Builder
		for c := from; c < to; c++ {
			b.WriteByte(byte(c))
			b.WriteByte(' ')
		}
		return b.String()
	}
	var continuations strings.Builder
	for c := 0x80; c < 0xbf; c++ {
		continuations.WriteByte(byte(c))
	}
	// The last byte is missing, of two to six.
	cut := []string{
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	}
	// U+FFFE and U+FFFF, and the last two of each of the planes' quarters, where that is not above U+10FFFF.
	nonCharacters := []string{"\uFFFE", "\uFFFF"}
	for base := rune(0x1ffff); base <= 0x10ffff; base += 0x10000 {
		nonCharacters = append(nonCharacters, string(base-1), string(base))
	}
	return []sequences{
		{valid: true, texts: []string{"hello\x24world", "hello\u00A2world", "hello\u20ACworld", "hello\U00024B62world", kosme}}, // 6.5
		{wellFormed: "-v--v-v-v-v", texts: prefixes},                                                           // 6.6
		{valid: true, texts: []string{"\x00", "\u0080", "\u0800", "\U00010000"}},                               // 6.7
		{texts: []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},                                  // 6.8
		{valid: true, texts: []string{"\x7f", "\u07ff", "\uffff", "\U0010ffff"}},                               // 6.9
		{texts: []string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},              // 6.10
		{wellFormed: "vvvv-", texts: []string{"\ud7ff", "\ue000", "\ufffd", "\U0010ffff", "\xf4\x90\x80\x80"}}, // 6.11
		{texts: []string{ // 6.12
			"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", continuations.String(),
		}},
		{texts: []string{spaced(0xc0, 0xdf), spaced(0xe0, 0xef), spaced(0xf0, 0xf7), spaced(0xf8, 0xfb), spaced(0xfc, 0xfd)}}, // 6.13
		{texts: cut},                                          // 6.14
		{texts: []string{strings.Join(cut, "")}},              // 6.15
		{texts: []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}}, // 6.16
		{texts: []string{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},             // 6.17
		{texts: []string{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},             // 6.18
		{texts: []string{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},             // 6.19
		{texts: []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}}, // 6.20
		{texts: []string{ // 6.21
			"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
			"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf",
		}},
		{valid: true, texts: nonCharacters}, // 6.22
		{valid: true, texts: []string{"\uFFF9", "\uFFFA", "\uFFFB", "\uFFFC", "\uFFFD", "\uFFFE", "\uFFFF"}}, // 6.23
	}
}

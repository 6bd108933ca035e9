package wstest

import (
	"fmt"
	"strings"
)

// testCase is one case of the suite: what is sent, what is to be received, how the connection is to end.
type testCase struct {
	id         string
	extensions string // what is offered
	run        func(c *client) error
	want       []event
	lax        []event // what makes the case NON-STRICT; nil for nothing
	laxSet     bool
	end        ending
	// whenReceived is whether the client begins to close once it has received want.
	whenReceived bool
	open         bool // the RFC leaves it open what happens: INFORMATIONAL
	codeCounts   bool // a wrong code fails the whole case
}

// races reports whether the server may fail the connection before the answer to what came first is there.
func (tc testCase) races() bool { return tc.laxSet && tc.lax == nil }

// ending is how a connection is to end.
type ending struct {
	byUs  bool  // we are the first to send a Close
	codes []int // what the server's Close may say, if there is one and it says something
	clean bool  // both send a Close
	fatal bool  // if we have to close, the case has failed: the server did not find the mistake
}

func normal() ending             { return ending{byUs: true, codes: []int{1000}, clean: true} }
func failed(codes ...int) ending { return ending{codes: codes} }

// sends makes a case whose frames are all known.
func sends(chop int, frames ...out) func(*client) error {
	return func(c *client) error { c.send(chop, frames...); return nil }
}

func text(s string) out { return out{op: opText, payload: s} }
func ping(s string) out { return out{op: opPing, payload: s} }

func gotText(s string) event { return event{"text", s} }
func gotPong(s string) event { return event{"pong", s} }

// echo is a case that gets back what it sends, and then closes.
func echo(id string, run func(*client) error, want ...event) testCase {
	return testCase{id: id, run: run, want: want, end: normal(), whenReceived: true}
}

// fails is a case whose connection the server has to fail. want is what comes before that.
func fails(id string, run func(*client) error, want ...event) testCase {
	return testCase{id: id, run: run, want: want, laxSet: len(want) > 0, end: failed(1002)}
}

// cases are all cases in Autobahn's order.
func cases(rounds func(size int) int) []testCase {
	var list []testCase
	list = append(list, framing()...)
	list = append(list, pings()...)
	list = append(list, reserved()...)
	list = append(list, fragmentation()...)
	list = append(list, utf8Handling()...)
	list = append(list, closing()...)
	list = append(list, limits()...)
	list = append(list, testCase{
		id: "10.1.1", run: sends(atOnce, fragments(opText, strings.Repeat("*", 65536), 1300)...),
		want: []event{gotText(strings.Repeat("*", 65536))}, end: normal(), whenReceived: true,
	})
	return append(list, compression(rounds)...)
}

// framing is section 1: messages of sizes at which the header changes.
func framing() (list []testCase) {
	for group, kind := range []struct {
		op   byte
		what string
		fill string
	}{{opText, "text", "*"}, {opBinary, "binary", "\xfe"}} {
		for i, size := range []int{0, 125, 126, 127, 128, 65535, 65536, 65536} {
			chop := atOnce
			if i == 7 {
				chop = 997
			}
			payload := strings.Repeat(kind.fill, size)
			list = append(list, echo(fmt.Sprintf("1.%d.%d", group+1, i+1), sends(chop, out{op: kind.op, payload: payload}), event{kind.what, payload}))
		}
	}
	return list
}

// pings is section 2.
func pings() (list []testCase) {
	long := strings.Repeat("\xfe", 125)
	list = append(list,
		echo("2.1", sends(atOnce, ping("")), gotPong("")),
		echo("2.2", sends(atOnce, ping("Hello, world!")), gotPong("Hello, world!")),
		echo("2.3", sends(atOnce, ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")), gotPong("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")),
		echo("2.4", sends(atOnce, ping(long)), gotPong(long)),
		fails("2.5", sends(atOnce, ping(long+"\xfe"))),
		echo("2.6", sends(1, ping(long)), gotPong(long)),
	)
	// An answer that nobody asked for is not answered.
	for i, payload := range []string{"", "unsolicited pong payload"} {
		list = append(list, testCase{id: fmt.Sprintf("2.%d", 7+i), end: normal(), run: func(c *client) error {
			c.send(atOnce, out{op: opPong, payload: payload})
			c.sendClose(closePayload(1000, ""))
			return nil
		}})
	}
	list = append(list, echo("2.9", sends(byFrame, out{op: opPong, payload: "unsolicited pong payload"}, ping("ping payload")), gotPong("ping payload")))
	var ten []out
	var pongs []event
	for i := range 10 {
		ten = append(ten, ping(fmt.Sprintf("payload-%d", i)))
		pongs = append(pongs, gotPong(fmt.Sprintf("payload-%d", i)))
	}
	return append(list, echo("2.10", sends(atOnce, ten...), pongs...), echo("2.11", sends(1, ten...), pongs...))
}

// reserved is sections 3 and 4: reserved bits and opcodes.
func reserved() []testCase {
	const hello = "Hello, world!"
	before := gotText(hello)
	bits := func(op, rsv byte, payload string) out { return out{op: op, rsv: rsv, payload: payload} }
	return []testCase{
		fails("3.1", sends(atOnce, bits(opText, 1, hello))),
		fails("3.2", sends(atOnce, text(hello), bits(opText, 2, hello), ping("")), before),
		fails("3.3", sends(byFrame, text(hello), bits(opText, 3, hello), ping("")), before),
		fails("3.4", sends(1, text(hello), bits(opText, 4, hello), ping("")), before),
		fails("3.5", sends(atOnce, bits(opBinary, 5, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"))),
		fails("3.6", sends(atOnce, bits(opPing, 6, hello))),
		fails("3.7", sends(atOnce, bits(opClose, 7, ""))),

		fails("4.1.1", sends(atOnce, out{op: 3})),
		fails("4.1.2", sends(atOnce, out{op: 4, payload: "reserved opcode payload"})),
		fails("4.1.3", sends(atOnce, text(hello), out{op: 5}, ping("")), before),
		fails("4.1.4", sends(atOnce, text(hello), out{op: 6, payload: hello}, ping("")), before),
		fails("4.1.5", sends(1, text(hello), out{op: 7, payload: hello}, ping("")), before),
		fails("4.2.1", sends(atOnce, out{op: 11})),
		fails("4.2.2", sends(atOnce, out{op: 12, payload: "reserved opcode payload"})),
		fails("4.2.3", sends(atOnce, text(hello), out{op: 13}, ping("")), before),
		fails("4.2.4", sends(atOnce, text(hello), out{op: 14, payload: hello}, ping("")), before),
		fails("4.2.5", sends(1, text(hello), out{op: 15, payload: hello}, ping("")), before),
	}
}

// fragmentation is section 5.
func fragmentation() []testCase {
	begin := out{op: opText, more: true, payload: "fragment1"}
	end := out{op: opContinuation, payload: "fragment2"}
	whole := gotText("fragment1fragment2")
	pinged := []event{gotPong("ping payload"), whole}
	// Nothing to go on with, the last or not, and then a message.
	lost := func(more bool) []out {
		return []out{{op: opContinuation, more: more, payload: "non-continuation payload"}, text("Hello, world!")}
	}
	// The same in front of a message in fragments, twice.
	twice := func(more bool) (frames []out) {
		for range 2 {
			frames = append(frames, out{op: opContinuation, more: more, payload: "fragment1"},
				out{op: opText, more: true, payload: "fragment2"}, out{op: opContinuation, payload: "fragment3"})
		}
		return frames
	}
	list := []testCase{
		fails("5.1", sends(atOnce, out{op: opPing, more: true, payload: "fragment1"}, end)),
		fails("5.2", sends(atOnce, out{op: opPong, more: true, payload: "fragment1"}, end)),
		echo("5.3", sends(atOnce, begin, end), whole),
		echo("5.4", sends(byFrame, begin, end), whole),
		echo("5.5", sends(1, begin, end), whole),
		echo("5.6", sends(atOnce, begin, ping("ping payload"), end), pinged...),
		echo("5.7", sends(byFrame, begin, ping("ping payload"), end), pinged...),
		echo("5.8", sends(1, begin, ping("ping payload"), end), pinged...),
		fails("5.9", sends(atOnce, lost(false)...)),
		fails("5.10", sends(byFrame, lost(false)...)),
		fails("5.11", sends(1, lost(false)...)),
		fails("5.12", sends(atOnce, lost(true)...)),
		fails("5.13", sends(byFrame, lost(true)...)),
		fails("5.14", sends(1, lost(true)...)),
		fails("5.15", sends(atOnce, begin, end, out{op: opContinuation, more: true, payload: "fragment3"}, text("fragment4")), whole),
		fails("5.16", sends(atOnce, twice(true)...)),
		fails("5.17", sends(atOnce, twice(false)...)),
		fails("5.18", sends(atOnce, begin, out{op: opText, payload: "fragment2"})),
	}
	// Pings within a message are answered before the message ends.
	for i, chop := range []int{atOnce, byFrame} {
		more := func(s string) out { return out{op: opContinuation, more: true, payload: s} }
		list = append(list, echo(fmt.Sprintf("5.%d", 19+i), func(c *client) error {
			c.send(chop, begin, more("fragment2"), ping("pongme 1!"))
			if err := c.until(1); err != nil {
				return err
			}
			c.send(chop, more("fragment3"), more("fragment4"), ping("pongme 2!"), out{op: opContinuation, payload: "fragment5"})
			return nil
		}, gotPong("pongme 1!"), gotPong("pongme 2!"), gotText("fragment1fragment2fragment3fragment4fragment5")))
	}
	return list
}

// until reads until n events have come.
func (c *client) until(n int) error {
	for len(c.received) < n {
		if _, err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

// closing is section 7.
func closing() (list []testCase) {
	closes := func(id string, want int, clean bool, payload string) testCase {
		return testCase{id: id, end: ending{byUs: true, codes: []int{want}, clean: clean}, codeCounts: true, run: func(c *client) error {
			c.sendClose(payload)
			return nil
		}}
	}
	// A Close, and frames around it.
	around := func(id string, before []out, after out) testCase {
		return testCase{id: id, end: normal(), codeCounts: true, run: func(c *client) error {
			c.send(atOnce, before...)
			c.sendClose(closePayload(1000, ""))
			c.send(atOnce, after)
			return nil
		}}
	}
	hello := echo("7.1.1", sends(atOnce, text("Hello World!")), gotText("Hello World!"))
	hello.codeCounts = true
	large := around("7.1.6", []out{text(repeat("BAsd7&jh23", 256<<10)), text("Hello World!")}, ping(""))
	large.open = true
	list = append(list, hello,
		around("7.1.2", nil, out{op: opClose}),
		around("7.1.3", nil, ping("")),
		around("7.1.4", nil, text("Hello World!")),
		around("7.1.5", []out{{op: opText, more: true, payload: "fragment1"}}, out{op: opContinuation, payload: "fragment2"}),
		large,
		closes("7.3.1", 1000, true, ""),
		closes("7.3.2", 1002, false, "a"),
		closes("7.3.3", 1000, true, closePayload(1000, "")),
		closes("7.3.4", 1000, true, closePayload(1000, "Hello World!")),
		closes("7.3.5", 1000, true, closePayload(1000, strings.Repeat("*", 123))),
		closes("7.3.6", 1002, false, closePayload(1000, strings.Repeat("*", 124))),
	)
	bad := closes("7.5.1", 1002, false, closePayload(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"))
	bad.end.codes = append(bad.end.codes, 1007)
	list = append(list, bad)
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		c := closes(fmt.Sprintf("7.7.%d", i+1), 1000, true, closePayload(code, ""))
		c.end.codes = append(c.end.codes, code)
		list = append(list, c)
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		list = append(list, closes(fmt.Sprintf("7.9.%d", i+1), 1002, false, closePayload(code, "")))
	}
	for i, code := range []int{5000, 65535} {
		c := closes(fmt.Sprintf("7.13.%d", i+1), 1002, false, closePayload(code, ""))
		c.open = true
		list = append(list, c)
	}
	return list
}

// repeat fills size bytes with s.
func repeat(s string, size int) string { return strings.Repeat(s, size/len(s)+1)[:size] }

// limits is section 9: large messages, whole, in fragments and in chops, and many small ones.
func limits() (list []testCase) {
	kinds := []struct {
		op    byte
		what  string
		words string
		fill  string
		one   string
	}{{opText, "text", "BAsd7&jh23", "*", "*"}, {opBinary, "binary", "\x00\xfe\x23\xfa\xf0", "\xfe", "\xfe"}}
	for k, kind := range kinds {
		for i, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} {
			list = append(list, testCase{id: fmt.Sprintf("9.%d.%d", 1+k, i+1), end: normal(), run: func(c *client) error {
				return c.roundTrip(atOnce, kind.what, []out{{op: kind.op, payload: repeat(kind.words, size)}}, repeat(kind.words, size))
			}})
		}
	}
	for k, kind := range kinds {
		for i, size := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20} {
			list = append(list, testCase{id: fmt.Sprintf("9.%d.%d", 3+k, i+1), end: normal(), run: func(c *client) error {
				payload := strings.Repeat(kind.fill, 4<<20)
				return c.roundTrip(atOnce, kind.what, fragments(kind.op, payload, size), payload)
			}})
		}
	}
	for k, kind := range kinds {
		for i, chop := range []int{64, 128, 256, 512, 1024, 2048} {
			list = append(list, testCase{id: fmt.Sprintf("9.%d.%d", 5+k, i+1), end: normal(), run: func(c *client) error {
				payload := repeat(kind.words, 1<<20)
				return c.roundTrip(chop, kind.what, []out{{op: kind.op, payload: payload}}, payload)
			}})
		}
	}
	for k, kind := range kinds {
		for i, size := range []int{0, 16, 64, 256, 1024, 4096} {
			list = append(list, testCase{id: fmt.Sprintf("9.%d.%d", 7+k, i+1), end: normal(), run: func(c *client) error {
				payload := strings.Repeat(kind.one, size)
				for range 1000 {
					if err := c.exchange(atOnce, kind.what, []out{{op: kind.op, payload: payload}}, payload); err != nil {
						return err
					}
				}
				c.sendClose(closePayload(1000, ""))
				return nil
			}})
		}
	}
	return list
}

// exchange sends a message and reads it back. It is then forgotten, so that a case keeps nothing of a thousand.
func (c *client) exchange(chop int, what string, frames []out, payload string) error {
	c.send(chop, frames...)
	if err := c.until(1); err != nil {
		return err
	}
	got := c.received[0]
	c.received = nil
	if got.what != what || got.payload != payload {
		return fmt.Errorf("%d bytes of %s came back as %v", len(payload), what, got)
	}
	return nil
}

// roundTrip is one exchange, and a Close.
func (c *client) roundTrip(chop int, what string, frames []out, payload string) error {
	if err := c.exchange(chop, what, frames, payload); err != nil {
		return err
	}
	c.sendClose(closePayload(1000, ""))
	return nil
}

package resp

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
)

// show writes a value so that a table can have it.
func show(v *Value) string {
	var b strings.Builder
	if len(v.Attributes) > 0 {
		b.WriteString("|" + showAll(v.Attributes))
	}
	switch v.Kind {
	case Null:
		b.WriteString("null")
	case Integer, Boolean:
		fmt.Fprintf(&b, "%c%d", v.Kind, v.Int)
	case Double:
		fmt.Fprintf(&b, ",%v", v.Float)
	case Array, Map, Set, Push:
		fmt.Fprintf(&b, "%c%s", v.Kind, showAll(v.Elems))
	case VerbatimString:
		fmt.Fprintf(&b, "=%s%q", v.Format, v.Bytes)
	default:
		fmt.Fprintf(&b, "%c%q", v.Kind, v.Bytes)
	}
	return b.String()
}

func showAll(values []Value) string {
	words := make([]string, len(values))
	for i := range values {
		words[i] = show(&values[i])
	}
	return "[" + strings.Join(words, " ") + "]"
}

func replyDefaults() *ReplyLimits {
	var l ReplyLimits
	l.EnsureDefaults()
	return &l
}

// readReply reads the first reply of in, of which only the first bytes are there at first, as cuts say.
func readReply(in []byte, l *ReplyLimits, cuts ...int) (v Value, n int, err error) {
	var r ReplyReader
	for _, cut := range append(cuts, len(in)) {
		n, err = r.Read(in[:cut:cut], &v, l)
		if n > 0 || err != nil {
			break
		}
	}
	return v, n, err
}

// replies are the specification's examples ("RESP protocol description"), those of its older text for RESP3
// (redis-specifications, RESP3.md), and the borders of each type.
var replies = []struct{ name, in, want string }{
	{"simple string", "+OK\r\n", `+"OK"`},
	{"empty simple string", "+\r\n", `+""`},
	{"simple error", "-ERR unknown command 'asdf'\r\n", `-"ERR unknown command 'asdf'"`},
	{"error with a code", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", `-"WRONGTYPE Operation against a key holding the wrong kind of value"`},
	{"integers", "*6\r\n:0\r\n:1000\r\n:+7\r\n:-7\r\n:9223372036854775807\r\n:-9223372036854775808\r\n", `*[:0 :1000 :7 :-7 :9223372036854775807 :-9223372036854775808]`},
	{"bulk string", "$5\r\nhello\r\n", `$"hello"`},
	{"empty bulk string", "$0\r\n\r\n", `$""`},
	{"binary bulk string", "$4\r\n\r\n\x00\xff\r\n", `$"\r\n\x00\xff"`},
	{"null bulk string", "$-1\r\n", `null`},
	{"empty array", "*0\r\n", `*[]`},
	{"array of strings", "*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n", `*[$"hello" $"world"]`},
	{"mixed array", "*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n$5\r\nhello\r\n", `*[:1 :2 :3 :4 $"hello"]`},
	{"nested arrays", "*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n", `*[*[:1 :2 :3] *[+"Hello" -"World"]]`},
	{"null array", "*-1\r\n", `null`},
	{"null in an array", "*3\r\n$5\r\nhello\r\n$-1\r\n$5\r\nworld\r\n", `*[$"hello" null $"world"]`},
	{"null", "_\r\n", `null`},
	{"booleans", "*2\r\n#t\r\n#f\r\n", `*[#1 #0]`},
	{"doubles", "*7\r\n,1.23\r\n,10\r\n,-0.5e+3\r\n,inf\r\n,-inf\r\n,nan\r\n,-nan\r\n", `*[,1.23 ,10 ,-500 ,+Inf ,-Inf ,NaN ,NaN]`},
	{"big number", "(3492890328409238509324850943850943825024385\r\n", `("3492890328409238509324850943850943825024385"`},
	{"bulk error", "!21\r\nSYNTAX invalid syntax\r\n", `!"SYNTAX invalid syntax"`},
	{"verbatim string", "=15\r\ntxt:Some string\r\n", `=txt"Some string"`},
	{"empty verbatim string", "=4\r\nmkd:\r\n", `=mkd""`},
	{"map", "%2\r\n+first\r\n:1\r\n+second\r\n:2\r\n", `%[+"first" :1 +"second" :2]`},
	{"empty map", "%0\r\n", `%[]`},
	{"set", "~5\r\n+orange\r\n+apple\r\n#t\r\n:100\r\n:999\r\n", `~[+"orange" +"apple" #1 :100 :999]`},
	{"push", ">4\r\n+pubsub\r\n+message\r\n+somechannel\r\n+this is the message\r\n", `>[+"pubsub" +"message" +"somechannel" +"this is the message"]`},
	{
		"attribute before the reply", "|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.1923\r\n$1\r\nb\r\n,0.0012\r\n*2\r\n:2039123\r\n:9543892\r\n",
		`|[+"key-popularity" %[$"a" ,0.1923 $"b" ,0.0012]]*[:2039123 :9543892]`,
	},
	{"attribute before an element", "*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n", `*[:1 :2 |[+"ttl" :3600]:3]`},
	{"attributes of an attribute", "|1\r\n|1\r\n+a\r\n+b\r\n+c\r\n+d\r\n+e\r\n", `|[|[+"a" +"b"]+"c" +"d"]+"e"`},
	{"two attributes, one empty", "|0\r\n|1\r\n+a\r\n+b\r\n+c\r\n", `|[+"a" +"b"]+"c"`},
	{"deep", strings.Repeat("*1\r\n", 16) + ":1\r\n", strings.Repeat("*[", 16) + ":1" + strings.Repeat("]", 16)},
}

func TestReplies(t *testing.T) {
	for _, c := range replies {
		t.Run(c.name, func(t *testing.T) {
			in := []byte(c.in + "+next")
			for cut := range len(c.in) {
				v, n, err := readReply(in, replyDefaults(), cut)
				if err != nil || n != len(c.in) || show(&v) != c.want {
					t.Fatalf("cut at %d: %d bytes, %s, %v; want %d, %s", cut, n, show(&v), err, len(c.in), c.want)
				}
				if _, n, err := readReply(in[:cut], replyDefaults()); n != 0 || err != nil {
					t.Fatalf("the first %d bytes alone: %d, %v", cut, n, err)
				}
			}
		})
	}
}

func TestReplyErrors(t *testing.T) {
	small := &ReplyLimits{Depth: 2, Elems: 4, Bytes: 20}
	for _, c := range []struct{ name, in, want, limit string }{
		{"no type", "OK\r\n", "no reply begins with 'O'", ""},
		{"empty line", "\r\n", "no reply begins with '?'", ""},
		{"LF alone", "+OK\n", "a line does not end with CRLF", ""},
		{"no text", "+\n", "a line does not end with CRLF", ""},
		{"CR within", "+O\rK\r\n", "invalid value of type '+'", ""},
		{"no integer", ":\r\n", "invalid value of type ':'", ""},
		{"integer with letters", ":1a\r\n", "invalid value of type ':'", ""},
		{"integer too large", ":9223372036854775808\r\n", "invalid value of type ':'", ""},
		{"integer too small", ":-9223372036854775809\r\n", "invalid value of type ':'", ""},
		{"null with text", "_x\r\n", "invalid value of type '_'", ""},
		{"boolean", "#y\r\n", "invalid value of type '#'", ""},
		{"double", ",1,5\r\n", "invalid value of type ','", ""},
		{"hexadecimal double", ",0x1p4\r\n", "invalid value of type ','", ""},
		{"empty double", ",\r\n", "invalid value of type ','", ""},
		{"big number", "(1.5\r\n", "invalid value of type '('", ""},
		{"empty big number", "(-\r\n", "invalid value of type '('", ""},
		{"bulk length", "$x\r\n", "invalid bulk length", ""},
		{"negative bulk length", "$-2\r\n", "invalid bulk length", ""},
		{"null verbatim string", "=-1\r\n", "invalid bulk length", ""},
		{"short verbatim string", "=3\r\ntxt\r\n", "invalid bulk length", ""},
		{"verbatim string without a format", "=6\r\nabcdef\r\n", "a verbatim string without its format", ""},
		{"bulk not ended", "$2\r\nabc\r\n", "expected CRLF after a bulk string", ""},
		{"bulk half ended", "$2\r\nab\rc", "expected CRLF after a bulk string", ""},
		{"negative count", "*-2\r\n", "invalid multibulk length", ""},
		{"null map", "%-1\r\n", "invalid multibulk length", ""},
		{"empty push", ">0\r\n", "invalid multibulk length", ""},
		{"streamed string", "$?\r\n;4\r\nHell\r\n;0\r\n", "streamed strings and aggregates are not taken: the server must say how long they are", ""},
		{"streamed array", "*?\r\n:1\r\n.\r\n", "streamed strings and aggregates are not taken: the server must say how long they are", ""},
		{"error inside", "*1\r\n*1\r\nx", "no reply begins with 'x'", ""},

		{"too deep", "*1\r\n*1\r\n*1\r\n", "a reply of more than 2 levels: raise ReplyLimits.Depth (at most 32)", "Depth"},
		{"too deep with attributes", "|0\r\n|0\r\n|0\r\n", "a reply of more than 2 levels: raise ReplyLimits.Depth (at most 32)", "Depth"},
		{"too many values", "*2\r\n:1\r\n*3\r\n", "a reply of more than 4 values: ask for less at once, or raise ReplyLimits.Elems", "Elems"},
		{"too many pairs", "%3\r\n", "a reply of more than 4 values: ask for less at once, or raise ReplyLimits.Elems", "Elems"},
		{"values beyond counting", "%99999999999999\r\n", "a reply of more than 4 values: ask for less at once, or raise ReplyLimits.Elems", "Elems"},
		{"too long", "$15\r\n", "a reply of more than 20 bytes: ask for less at once, or raise ReplyLimits.Bytes", "Bytes"},
		{"length beyond counting", "$9223372036854775807\r\n", "a reply of more than 20 bytes: ask for less at once, or raise ReplyLimits.Bytes", "Bytes"},
		{"a line without an end", "+" + strings.Repeat("a", 19), "a reply of more than 20 bytes: ask for less at once, or raise ReplyLimits.Bytes", "Bytes"},
		{"too long a line", "+" + strings.Repeat("a", 18) + "\r\n", "a reply of more than 20 bytes: ask for less at once, or raise ReplyLimits.Bytes", "Bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := small
			if len(c.in) > small.Bytes && c.limit == "" {
				l = replyDefaults()
			}
			for cut := range len(c.in) + 1 {
				v, n, err := readReply([]byte(c.in), l, cut)
				var pe *ProtocolError
				if n != 0 || !errors.As(err, &pe) || err.Error() != "Protocol error: "+c.want || pe.Limit != c.limit {
					t.Fatalf("cut at %d: %s, %v; want %s", cut, show(&v), err, c.want)
				}
			}
		})
	}
	// What is just within the limits.
	for _, in := range []string{"*1\r\n*1\r\n:1\r\n", "*4\r\n:1\r\n:1\r\n:1\r\n:1\r\n", "$14\r\n12345678901234\r\n", "+" + strings.Repeat("a", 21) + "\r\n"} {
		if _, n, err := readReply([]byte(in), &ReplyLimits{Depth: 2, Elems: 4, Bytes: max(20, len(in))}); err != nil || n != len(in) {
			t.Errorf("%q: %d, %v", in, n, err)
		}
	}
}

// TestReplyInPieces: what is incomplete is looked at once.
func TestReplyInPieces(t *testing.T) {
	many := AppendArray(nil, 100_000)
	for range 100_000 {
		many = AppendInt(many, 7)
	}
	for name, in := range map[string][]byte{
		"many elements": many,
		"long line":     AppendSimple(nil, strings.Repeat("x", 1<<20)),
	} {
		var r ReplyReader
		var v Value
		for end := 0; ; end = min(end+4096, len(in)) {
			n, err := r.Read(in[:end], &v, replyDefaults())
			if err != nil {
				t.Fatal(name, err)
			}
			if n > 0 {
				if n != len(in) || r != (ReplyReader{}) {
					t.Errorf("%s: %d bytes of %d, state %+v", name, n, len(in), r)
				}
				break
			}
			if end == len(in) {
				t.Fatalf("%s: still incomplete", name)
			}
			if known := r.scanned + r.searched; known < end-16 {
				t.Fatalf("%s: of %d bytes, %d are known", name, end, known)
			}
		}
	}
}

// TestReplyReuse reads a large reply and then a small one into the same value: nothing of the first is left, and nothing is allocated.
func TestReplyReuse(t *testing.T) {
	large := []byte("|1\r\n+a\r\n+b\r\n*2\r\n*2\r\n$1\r\nx\r\n:5\r\n%1\r\n,1.5\r\n=5\r\ntxt:a\r\n")
	small := []byte("*2\r\n*1\r\n_\r\n#f\r\n")
	var v Value
	var r ReplyReader
	l := replyDefaults()
	allocs := testing.AllocsPerRun(100, func() {
		for _, in := range [][]byte{large, small} {
			if n, err := r.Read(in, &v, l); err != nil || n != len(in) {
				t.Error(n, err)
			}
		}
	})
	if got, want := show(&v), "*[*[null] #0]"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if v.Elems[1].Bytes != nil || v.Elems[1].Float != 0 || v.Elems[1].Format != [3]byte{} {
		t.Errorf("left over: %+v", v.Elems[1])
	}
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestValue(t *testing.T) {
	in := []byte("*2\r\n$1\r\nx\r\n|1\r\n+k\r\n+v\r\n*1\r\n(-12\r\n")
	v, _, err := readReply(in, replyDefaults())
	if err != nil {
		t.Fatal(err)
	}
	c, want := v.Clone(), show(&v)
	for i := range in {
		in[i] = '?'
	}
	v.Elems[1].Elems[0].Kind = Null
	if show(&c) != want {
		t.Errorf("a clone changed to %s; want %s", show(&c), want)
	}
	if n := c.Elems[1].Elems[0].Big(); n == nil || n.Int64() != -12 {
		t.Error("Big is", n)
	}
	if n := (&Value{Kind: Integer, Int: 5}).Big(); n == nil || n.Int64() != 5 {
		t.Error("Big of an integer is", n)
	}
	if n := c.Elems[0].Big(); n != nil {
		t.Error("Big of a string is", n)
	}
	for _, e := range []struct {
		v    Value
		want string
	}{
		{Value{Kind: SimpleError, Bytes: []byte("ERR no")}, "ERR"},
		{Value{Kind: BulkError, Bytes: []byte("OOM")}, "OOM"},
		{Value{Kind: SimpleString, Bytes: []byte("ERR no")}, ""},
	} {
		if e.v.Code() != e.want || e.v.IsError() != (e.want != "") {
			t.Errorf("%s: code %q, error %v", show(&e.v), e.v.Code(), e.v.IsError())
		}
	}
}

// TestAppend has both versions' form of each type.
func TestAppend(t *testing.T) {
	big1, _ := new(big.Int).SetString("-3492890328409238509324850943850943825024385", 10)
	for _, c := range []struct {
		name   string
		write  func([]byte, Version) []byte
		v2, v3 string
	}{
		{"simple", func(b []byte, _ Version) []byte { return AppendSimple(b, "OK\r\n+x") }, "+OK  +x\r\n", "+OK  +x\r\n"},
		{"error", func(b []byte, _ Version) []byte { return AppendError(b, "ERR a\nb") }, "-ERR a b\r\n", "-ERR a b\r\n"},
		{"bulk error", func(b []byte, v Version) []byte { return AppendBulkError(b, v, "ERR a\nb") }, "-ERR a b\r\n", "!7\r\nERR a\nb\r\n"},
		{"int", func(b []byte, _ Version) []byte { return AppendInt(AppendInt(AppendInt(b, 7), 10), -1) }, ":7\r\n:10\r\n:-1\r\n", ":7\r\n:10\r\n:-1\r\n"},
		{"bulk", func(b []byte, _ Version) []byte { return AppendBulk(b, []byte("a\r\nb")) }, "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"},
		{"long bulk", func(b []byte, _ Version) []byte { return AppendBulkString(b, "0123456789") }, "$10\r\n0123456789\r\n", "$10\r\n0123456789\r\n"},
		{"bulk header", func(b []byte, _ Version) []byte { return AppendBulkHeader(b, 5) }, "$5\r\n", "$5\r\n"},
		{"verbatim", func(b []byte, v Version) []byte { return AppendVerbatim(b, v, "mkd", "a") }, "$1\r\na\r\n", "=5\r\nmkd:a\r\n"},
		{"verbatim of no format", func(b []byte, v Version) []byte { return AppendVerbatim(b, v, "html", "a") }, "$1\r\na\r\n", "=5\r\ntxt:a\r\n"},
		{"null", AppendNull, "$-1\r\n", "_\r\n"},
		{"null array", AppendNullArray, "*-1\r\n", "_\r\n"},
		{"true", func(b []byte, v Version) []byte { return AppendBool(b, v, true) }, ":1\r\n", "#t\r\n"},
		{"false", func(b []byte, v Version) []byte { return AppendBool(b, v, false) }, ":0\r\n", "#f\r\n"},
		{"double", func(b []byte, v Version) []byte { return AppendDouble(b, v, 1.5e-7) }, "$7\r\n1.5e-07\r\n", ",1.5e-07\r\n"},
		{"whole double", func(b []byte, v Version) []byte { return AppendDouble(b, v, 1234567890) }, "$10\r\n1234567890\r\n", ",1234567890\r\n"},
		{"infinite", func(b []byte, v Version) []byte { return AppendDouble(b, v, math.Inf(1)) }, "$3\r\ninf\r\n", ",inf\r\n"},
		{"less than all", func(b []byte, v Version) []byte { return AppendDouble(b, v, math.Inf(-1)) }, "$4\r\n-inf\r\n", ",-inf\r\n"},
		{"no number", func(b []byte, v Version) []byte { return AppendDouble(b, v, math.NaN()) }, "$3\r\nnan\r\n", ",nan\r\n"},
		{
			"big", func(b []byte, v Version) []byte { return AppendBigNumber(b, v, big1) },
			"$44\r\n-3492890328409238509324850943850943825024385\r\n", "(-3492890328409238509324850943850943825024385\r\n",
		},
		{"array", func(b []byte, _ Version) []byte { return AppendArray(b, 12) }, "*12\r\n", "*12\r\n"},
		{"map", func(b []byte, v Version) []byte { return AppendMap(b, v, 6) }, "*12\r\n", "%6\r\n"},
		{"set", func(b []byte, v Version) []byte { return AppendSet(b, v, 6) }, "*6\r\n", "~6\r\n"},
		{"push", func(b []byte, v Version) []byte { return AppendPush(b, v, 2) }, "*2\r\n", ">2\r\n"},
		{"attribute", func(b []byte, _ Version) []byte { return AppendAttribute(b, 1) }, "|1\r\n", "|1\r\n"},
		{"command", func(b []byte, _ Version) []byte { return AppendCommand(b, "LLEN", "mylist") }, "*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n", "*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n"},
	} {
		const before = "before "
		if got := string(c.write([]byte(before), V2)); got != before+c.v2 {
			t.Errorf("%s in RESP2: %q; want %q", c.name, got, c.v2)
		}
		if got := string(c.write([]byte(before), V3)); got != before+c.v3 {
			t.Errorf("%s in RESP3: %q; want %q", c.name, got, c.v3)
		}
	}
}

// TestAppendValue writes what was read: RESP3 without a loss except for the old nulls, RESP2 in its own types.
func TestAppendValue(t *testing.T) {
	for _, c := range replies {
		v, n, err := readReply([]byte(c.in), replyDefaults())
		if err != nil || n != len(c.in) {
			t.Fatal(c.name, n, err)
		}
		out := AppendValue(nil, V3, &v)
		again, n, err := readReply(out, replyDefaults())
		if err != nil || n != len(out) || show(&again) != c.want {
			t.Errorf("%s: %q is %s, %v; want %s", c.name, out, show(&again), err, c.want)
		}
		out = AppendValue(nil, V2, &v)
		if again, n, err = readReply(out, replyDefaults()); err != nil || n != len(out) {
			t.Errorf("%s in RESP2: %q, %v", c.name, out, err)
		}
		if i := bytes.IndexAny([]byte(show(&again)), "#,(!=%~>|"); i >= 0 && !strings.Contains(c.want, `"ERR unknown`) {
			t.Errorf("%s in RESP2: %q has a type of RESP3", c.name, out)
		}
	}
}

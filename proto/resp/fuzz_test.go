package resp

import (
	"bytes"
	"fmt"
	"testing"
)

// FuzzReadCommand holds the reader to this: commands are the same however what a client sends is cut, errors too; and a command that was
// read is the same after AppendCommand.
func FuzzReadCommand(f *testing.F) {
	f.Add([]byte("*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n"), uint16(7), uint16(9))
	f.Add([]byte("*12\r\n$1\r\na\r\n$10\r\n0123456789\r\n"), uint16(1), uint16(30))
	f.Add([]byte("SET \"a \\x41\" 'b\\'' c\"d\"\r\n*0\r\n\r\nPING\n"), uint16(3), uint16(4))
	f.Add([]byte("*1\r\n$111111111111111111111\r\n"), uint16(3), uint16(4))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\n"), uint16(3), uint16(4))
	limits := []*Limits{defaults(), {Args: 3, Bulk: 8, Command: 60, Inline: 20}}
	f.Fuzz(func(t *testing.T, in []byte, cut1, cut2 uint16) {
		for _, l := range limits {
			before := bytes.Clone(in)
			want, rest, err := readAll(in, l)
			bytewise := make([]int, min(len(in), 300))
			for i := range bytewise {
				bytewise[i] = i
			}
			for _, cuts := range [][]int{{int(cut1)}, {int(min(cut1, cut2)), int(max(cut1, cut2))}, bytewise} {
				got, rest2, err2 := readAll(in, l, cuts...)
				if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) || !bytes.Equal(rest, rest2) || fmt.Sprint(err) != fmt.Sprint(err2) {
					t.Fatalf("cut at %v: %q, rest %q, %v\nwhole: %q, rest %q, %v", cuts, got, rest2, err2, want, rest, err)
				}
			}
			if !bytes.Equal(in, before) {
				t.Fatal("what was read from has changed")
			}
			var out []byte
			for _, c := range want {
				if len(c) > l.Args {
					t.Fatalf("%d arguments", len(c))
				}
				out = AppendCommand(out, c...)
			}
			again, rest, err := readAll(out, defaults())
			if err != nil || len(rest) > 0 || fmt.Sprintf("%q", again) != fmt.Sprintf("%q", want) {
				t.Fatalf("%q became %q, rest %q, %v", want, again, rest, err)
			}
		}
	})
}

// FuzzReadReply is the same for replies: no cut changes one, and what AppendValue writes is read as the same.
func FuzzReadReply(f *testing.F) {
	for _, c := range replies {
		f.Add([]byte(c.in), uint16(len(c.in)/2))
	}
	f.Add([]byte("*3\r\n$?\r\n"), uint16(3))
	limits := []*ReplyLimits{replyDefaults(), {Depth: 2, Elems: 4, Bytes: 60}}
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		for _, l := range limits {
			v, n, err := readReply(in, l)
			bytewise := make([]int, min(len(in), 300))
			for i := range bytewise {
				bytewise[i] = i
			}
			for _, cuts := range [][]int{{min(int(cut), len(in))}, bytewise} {
				v2, n2, err2 := readReply(in, l, cuts...)
				if n != n2 || fmt.Sprint(err) != fmt.Sprint(err2) || show(&v) != show(&v2) {
					t.Fatalf("cut at %v: %s, %d, %v\nwhole: %s, %d, %v", cuts, show(&v2), n2, err2, show(&v), n, err)
				}
			}
			if n == 0 {
				continue
			}
			if n > l.Bytes {
				t.Fatalf("a reply of %d bytes", n)
			}
			if c := v.Clone(); show(&c) != show(&v) {
				t.Fatalf("a clone is %s, not %s", show(&c), show(&v))
			}
			for _, ver := range []Version{V2, V3} {
				out := AppendValue(nil, ver, &v)
				again, n, err := readReply(out, replyDefaults())
				if err != nil || n != len(out) || ver == V3 && show(&again) != show(&v) {
					t.Fatalf("RESP%d: %s became %q and %s, %v", ver, show(&v), out, show(&again), err)
				}
				if second := AppendValue(nil, ver, &again); !bytes.Equal(second, out) {
					t.Fatalf("RESP%d: %q became %q", ver, out, second)
				}
			}
		}
	})
}

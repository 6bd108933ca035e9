package ws

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// testMask is what the tests' clients mask with.
var testMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frame writes one frame of any kind, also one that must not be sent. first is its first byte.
func frame(role Role, first byte, payload string) string {
	h := Header{Masked: role == Server, Mask: testMask, Length: len(payload)}
	b := AppendHeader(nil, h)
	b[0] = first
	if role == Server {
		return string(appendMasked(b, []byte(payload), testMask))
	}
	return string(b) + payload
}

// fromClient writes frames as a client does: pairs of a first byte and a payload.
func fromClient(pairs ...any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(frame(Server, byte(pairs[i].(int)), pairs[i+1].(string)))
	}
	return b.String()
}

func (k Kind) String() string {
	return [...]string{"more", "text", "binary", "ping", "pong", "close"}[k]
}

// transcript feeds in to a Reader, in pieces that end at cuts and at the end, by the contract of Next: what was not
// consumed comes again, with more behind it. It returns an event a line, and the error. It also checks what Next promises:
// that the input is not changed, that what is returned is no part of it, that little is left unconsumed, and how much
// memory is held.
func transcript(t testing.TB, o Options, in string, cuts ...int) (string, error) {
	t.Helper()
	r := NewReader(o)
	var out strings.Builder
	begin, arrived := 0, 0
	var data [][]byte
	for _, cut := range append(cuts, len(in)) {
		arrived = max(arrived, cut)
		for {
			view := []byte(in[begin:arrived])
			n, ev, err := r.Next(view)
			if string(view) != in[begin:arrived] {
				t.Fatalf("the input was changed: %q", in)
			}
			clear(view) // a view is dead after the call
			if n < 0 || n > len(view) {
				t.Fatalf("%d of %d bytes consumed", n, len(view))
			}
			begin += n
			if held, bound := r.Held(), max(2*begin, firstBytes)+len(ending); held > bound {
				t.Fatalf("%d bytes are held after %d have come", held, begin)
			}
			if err != nil {
				var e *Error
				if _, _, again := r.Next(view); !errors.As(err, &e) || again != err || len(e.Reason) > MaxReasonBytes {
					t.Fatalf("%v, and then %v", err, again)
				}
				if r.Held() != 0 {
					t.Fatalf("%d bytes are held after an error", r.Held())
				}
				return out.String(), err
			}
			if ev.Kind == NeedMore {
				break
			}
			switch ev.Kind {
			case Text, Binary, Ping, Pong:
				fmt.Fprintf(&out, "%v %d %q\n", ev.Kind, len(ev.Data), ev.Data[:min(len(ev.Data), 64)])
				data = append(data, ev.Data)
				if len(ev.Data) > o.Limits.withDefaults().MessageBytes && ev.Kind <= Binary {
					t.Fatalf("a message of %d bytes", len(ev.Data))
				}
			case Close:
				fmt.Fprintf(&out, "close %d %q\n", ev.Code, ev.Reason)
				if r.Held() != 0 {
					t.Fatalf("%d bytes are held after a Close", r.Held())
				}
			}
			// What was returned is its receiver's, who may do with it as it likes.
			for _, d := range data {
				clear(d)
			}
		}
		if left := arrived - begin; left > MaxHeldBytes {
			t.Fatalf("%d bytes are left unconsumed", left)
		}
	}
	return out.String(), nil
}

// everySplit checks that a transcript does not depend on how the input is cut: nowhere, at every byte, and once
// at each place of a short input.
func everySplit(t testing.TB, o Options, in string) (string, error) {
	t.Helper()
	want, wantErr := transcript(t, o, in)
	check := func(cuts ...int) {
		t.Helper()
		if got, err := transcript(t, o, in, cuts...); got != want || err != wantErr {
			t.Fatalf("%q\ncut at %v:\n%s%v\nin one piece:\n%s%v", in, cuts, got, err, want, wantErr)
		}
	}
	var single []int
	for i := range len(in) {
		single = append(single, i)
	}
	check(single[:min(len(single), 5000)]...)
	if len(in) <= 300 {
		for i := range len(in) {
			check(i)
		}
	}
	return want, wantErr
}

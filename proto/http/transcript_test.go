package http

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// feed gives in to a reader, in pieces that end at the given places, as a connection would: what is not consumed
// is there again, in other memory, and what was handed out is overwritten before the next call. It checks what
// every call must keep to.
func feed(t testing.TB, in []byte, cuts []int, next func([]byte) (int, Event, error), see func(Event)) error {
	t.Helper()
	var pending []byte
	at := 0
	for _, end := range append(slices.Clone(cuts), len(in)) {
		end = min(end, len(in))
		pending = append(pending, in[at:end]...)
		at = end
		for calls := 0; ; calls++ {
			view := bytes.Clone(pending)
			n, ev, err := next(view)
			if n < 0 || n > len(view) {
				t.Fatalf("consumed %d of %d bytes", n, len(view))
			}
			if !bytes.Equal(view, pending) {
				t.Fatal("the reader wrote to its input")
			}
			if err != nil {
				if _, _, again := next(view[n:]); !errors.Is(again, err) {
					t.Fatalf("first %v, then %v", err, again)
				}
				return err
			}
			if ev.Kind == Body && (len(ev.Data) == 0 || n < len(ev.Data)) {
				t.Fatalf("a body part of %d bytes, %d consumed", len(ev.Data), n)
			}
			see(ev)
			pending = pending[n:]
			for i := range view {
				view[i] = 0xAA
			}
			if ev.Kind == NeedMore {
				break
			}
			if calls > 2*len(in)+10 {
				t.Fatal("the reader makes no progress")
			}
		}
	}
	return nil
}

// requests returns what a Reader makes of in: a line for each step, with parts of bodies joined.
func requests(t testing.TB, in []byte, lim Limits, cuts ...int) (string, error) {
	t.Helper()
	var b strings.Builder
	r := NewReader(lim)
	inBody := false
	err := feed(t, in, cuts, r.Next, func(ev Event) {
		switch ev.Kind {
		case Head:
			q := r.Request()
			fields, target, host := q.AppendFieldsTarget(nil)
			if target != string(q.Target()) || host != string(q.Host()) {
				t.Fatalf("target %q and %q, host %q and %q", target, q.Target(), host, q.Host())
			}
			fmt.Fprintf(&b, "%s %q host %q http10=%v keep=%v expect=%v length=%d upgrade=%q %q\n",
				q.Method, target, host, q.HTTP10, q.KeepAlive, q.Expect100, q.Length, q.Upgrade(), fields)
		case Body:
			if !inBody {
				b.WriteString("body ")
			}
			fmt.Fprintf(&b, "%x", ev.Data)
			inBody = true
		case End:
			if inBody {
				b.WriteByte('\n')
			}
			inBody = false
			b.WriteString("end\n")
		}
	})
	return b.String(), err
}

// responses is requests for a ResponseReader. The peer closes after in.
func responses(t testing.TB, in []byte, lim Limits, isHead bool, cuts ...int) (string, error) {
	t.Helper()
	var b strings.Builder
	r := NewResponseReader(lim)
	inBody := false
	next := func(in []byte) (int, Event, error) { return r.Next(in, isHead) }
	err := feed(t, in, cuts, next, func(ev Event) {
		switch ev.Kind {
		case Head:
			p := r.Response()
			fmt.Fprintf(&b, "%d http10=%v keep=%v length=%d %q\n",
				p.Status, p.HTTP10, p.KeepAlive, p.Length, p.AppendFields(nil))
		case Body:
			if !inBody {
				b.WriteString("body ")
			}
			fmt.Fprintf(&b, "%x", ev.Data)
			inBody = true
		case End:
			if inBody {
				b.WriteByte('\n')
			}
			inBody = false
			b.WriteString("end\n")
		}
	})
	if err == nil {
		switch err = r.EOF(); {
		case err == nil:
			if inBody {
				b.WriteByte('\n')
			}
			b.WriteString("end by close\n")
		case errors.Is(err, io.EOF):
			err = nil
		}
	}
	return b.String(), err
}

// everySplit checks that transcript does not depend on how the input arrives.
func everySplit(t testing.TB, in []byte, transcript func(cuts ...int) (string, error)) {
	t.Helper()
	want, wantErr := transcript()
	check := func(how string, cuts ...int) {
		got, err := transcript(cuts...)
		if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%q\n%s:\n%s%v\nin one piece:\n%s%v", in, how, got, err, want, wantErr)
		}
	}
	single := make([]int, 0, len(in))
	for i := range in {
		single = append(single, i)
	}
	check("byte by byte", single...)
	for i := range single {
		check(fmt.Sprintf("split at %d", i), i)
	}
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

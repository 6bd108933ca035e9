package ws

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// hello is "Hello", compressed as RFC 7692, 7.2.3.1 has it.
const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"

// What a peer with permessage-deflate sends.
func TestInflate(t *testing.T) {
	const text = "text 5 \"Hello\"\n"
	for _, c := range []struct {
		section, rule string
		in, out       string
		err           *Error
	}{
		{"7.2.3.1", "one block", fromClient(0xc1, hello), text, nil},
		{"7.2.3.1", "one block, fragmented", fromClient(0x41, hello[:3], 0x80, hello[3:]), text, nil},
		{"7.2.3.1", "a ping between the fragments", fromClient(0x41, hello[:3], 0x89, "", 0x80, hello[3:]), "ping 0 \"\"\n" + text, nil},
		{"7.2.3.2", "a reference to the message before, where no context is taken over", fromClient(0xc1, hello, 0xc1, "\xf2\x00\x11\x00\x00"), text, errDeflate},
		{"7.2.3.3", "a block without compression", fromClient(0xc1, "\x00\x05\x00\xfa\xffHello\x00"), text, nil},
		{"7.2.3.4", "a block that says it is the last", fromClient(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), text, nil},
		{"7.2.3.4", "the same without the byte behind it", fromClient(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00"), text, nil},
		{"7.2.3.4", "two streams in one message", fromClient(0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00"+hello), "text 10 \"HelloHello\"\n", nil},
		{"7.2.3.5", "two blocks", fromClient(0xc1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), text, nil},
		{"7.2.3.6", "an empty message", fromClient(0xc2, "\x00"), "binary 0 \"\"\n", nil},
		{"7.2.3.6", "an empty message without its byte", fromClient(0xc2, "", 0x42, "", 0x80, ""), "binary 0 \"\"\nbinary 0 \"\"\n", nil},
		{"6", "a message may go as it is", fromClient(0x81, "Hello", 0xc1, hello), text + text, nil},
		{"6.1", "the bit stands on the first fragment only", fromClient(0x41, hello[:3], 0xc0, hello[3:]), "", errRSVPlace},
		{"6.1", "and on no continuation of a plain message", fromClient(0x01, "a", 0xc0, "b"), "", errRSVPlace},
		{"6.1", "and on no control frame", fromClient(0xc9, "a"), "", errRSVPlace},
		{"6.1", "the other bits stay reserved", fromClient(0xe1, hello), "", errRSV},
		{"7.2.2", "no deflate", fromClient(0xc1, "\xff\xff"), "", errDeflate},
		{"7.2.2", "a block that does not end with the message", fromClient(0xc1, hello[:4]), "", errDeflate},
		{"6455, 8.1", "a text is UTF-8 once decompressed", fromClient(0xc1, "\x00\x01\x00\xfe\xff\xff\x00"), "", errUTF8},
		{"6455, 8.1", "binary is any bytes", fromClient(0xc2, "\x00\x01\x00\xfe\xff\xff\x00"), "binary 1 \"\\xff\"\n", nil},
	} {
		got, err := everySplit(t, Options{Deflate: true}, c.in)
		if wantErr := error(c.err); got != c.out || err != wantErr && (err != nil || c.err != nil) {
			t.Errorf("RFC 7692, %s: %s: %q:\n%s%v\nwant\n%s%v", c.section, c.rule, c.in, got, err, c.out, c.err)
		}
	}
	if _, err := transcript(t, Options{}, fromClient(0xc1, hello)); err != errRSV {
		t.Errorf("compressed without an agreement: %v", err)
	}
	if got, err := transcript(t, Options{Role: Client, Deflate: true}, "\xc1\x07"+hello); err != nil || got != text {
		t.Errorf("from a server: %q, %v", got, err)
	}
}

// deflated compresses data by the standard library, as a peer might.
func deflated(t testing.TB, data []byte, level int) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(data); err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), emptyBlock)
}

// inflated decompresses by the standard library what may be several streams, and counts them. in has the ending.
func inflated(in []byte) (out []byte, streams int, err error) {
	src := bytes.NewReader(in)
	for {
		streams++
		part, err := io.ReadAll(flate.NewReader(src))
		if out = append(out, part...); err != nil || src.Len() <= len(ending) {
			return out, streams, err
		}
	}
}

// likeJSON is data as programs send it.
func likeJSON(n int) []byte {
	var b bytes.Buffer
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"type":"move","seq":%d,"player":"player-%d","x":%.3f,"y":%.3f,"text":"Hello, wörld"},`, i, rng.IntN(40), rng.Float64()*1000, rng.Float64()*1000)
	}
	for end := n; ; end-- {
		if n, ok := validPrefix(b.Bytes()[:end]); ok && n == end {
			return append(b.Bytes()[:end:end], strings.Repeat(".", max(0, n-end))...)
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n+8)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b[:n]
}

// What is written is read, by us and by the standard library, for each window.
func TestDeflateRoundTrip(t *testing.T) {
	for d := Deflate(0); d <= FullWindow; d++ {
		if d == 1 {
			d = 8
		}
		if testing.Short() && d%5 != 0 { // 0, 10, 15
			continue
		}
		for _, size := range []int{0, 1, MinDeflateBytes - 1, MinDeflateBytes, 255, 256, 257, 1000, 32767, 32768, 32769, 70000, 300_000} {
			for name, data := range map[string][]byte{"text": likeJSON(size), "random": random(size), "zeros": make([]byte, size)} {
				text := name == "text"
				wire := d.AppendMessage([]byte("before"), text, data)[len("before"):]
				compressed := wire[0]&bitRSV1 != 0
				if want := d != 0 && size >= MinDeflateBytes && name == "zeros"; compressed != want && name != "text" {
					t.Fatalf("window %d, %d bytes of %s: compressed %v", d, size, name, compressed)
				}
				if compressed != (len(wire) < len(AppendFrame(nil, OpText, data))) {
					t.Fatalf("window %d, %d bytes of %s: %d on the wire, compressed %v", d, size, name, len(wire), compressed)
				}
				n, ev, err := NewReader(Options{Role: Client, Deflate: true}).Next(wire)
				if err != nil || n != len(wire) || (ev.Kind == Text) != text || !bytes.Equal(ev.Data, data) {
					t.Fatalf("window %d, %d bytes of %s: %d, %v, %v", d, size, name, n, ev.Kind, err)
				}
				wire = d.AppendMaskedMessage(nil, text, data, testMask)
				n, ev, err = NewReader(Options{Deflate: true}).Next(wire)
				if err != nil || n != len(wire) || (ev.Kind == Text) != text || !bytes.Equal(ev.Data, data) {
					t.Fatalf("masked, window %d, %d bytes of %s: %d, %v, %v", d, size, name, n, ev.Kind, err)
				}
				if z := d.compress(data); z != nil {
					if out, _, err := inflated(append(z.out, ending...)); err != nil || !bytes.Equal(out, data) {
						t.Fatalf("window %d, %d bytes of %s: by the standard library %d bytes, %v", d, size, name, len(out), err)
					}
				}
			}
		}
	}
}

// What is compressed does not refer further back than the window that was agreed: what repeats just outside it does not get
// smaller, what repeats inside does.
func TestWindowIsKept(t *testing.T) {
	for d := Deflate(8); d < FullWindow; d++ {
		outside := random(d.Window() + 1)
		for range 2 {
			outside = append(outside, outside...)
		}
		if z := d.compress(outside); z != nil {
			t.Errorf("window %d: %d bytes from %d", d, len(z.out), len(outside))
		}
		inside := bytes.Repeat(random(d.Window()/4), 16)
		if z := d.compress(inside); z == nil || len(z.out) > len(inside)/2 {
			t.Errorf("window %d: not compressed", d)
		}
		if z := FullWindow.compress(inside[:d.Window()]); z == nil {
			t.Errorf("window %d: not compressed", d)
		}
		if !d.Shared(d.Window()) || d.Shared(d.Window()+1) {
			t.Errorf("window %d: what is shared", d)
		}
	}
	if !FullWindow.Shared(1<<30) || Deflate(0).Shared(1) || Deflate(0).Agreed() {
		t.Error("what is shared")
	}
}

// A message is bounded as it is once decompressed, and the memory for it.
func TestBomb(t *testing.T) {
	const limit = 1 << 20
	for _, c := range []struct {
		name string
		data []byte
		err  error
	}{
		{"zeros, just within", make([]byte, limit), nil},
		{"zeros, one more", make([]byte, limit+1), errTooBig},
		{"zeros, many", make([]byte, 64<<20), errTooBig},
		{"random, just within", random(limit), nil},
		{"random, one more", random(limit + 1), errTooBig},
		{"like JSON, just within", likeJSON(limit), nil},
	} {
		in := fromClient(0xc2, deflated(t, c.data, 6))
		r := NewReader(Options{Deflate: true, Limits: Limits{MessageBytes: limit}})
		_, ev, err := r.Next([]byte(in))
		if err != c.err && (err != nil || c.err != nil) || err == nil && !bytes.Equal(ev.Data, c.data) {
			t.Errorf("%s: %v, %d bytes", c.name, err, len(ev.Data))
		}
		if cap(ev.Data) > limit*5/4 {
			t.Errorf("%s: %d bytes of memory", c.name, cap(ev.Data))
		}
	}
	// A limit below what is kept in the pool.
	r := NewReader(Options{Deflate: true, Limits: Limits{MessageBytes: 4}})
	if _, _, err := r.Next([]byte(fromClient(0xc1, hello))); err != errTooBig {
		t.Errorf("5 bytes with a limit of 4: %v", err)
	}
	r = NewReader(Options{Deflate: true, Limits: Limits{MessageBytes: 5}})
	if _, ev, err := r.Next([]byte(fromClient(0xc1, hello))); err != nil || string(ev.Data) != "Hello" {
		t.Errorf("5 bytes with a limit of 5: %v", err)
	}
	// What is claimed is refused before it comes, with what compression can add in the worst case.
	r = NewReader(Options{Deflate: true, Limits: Limits{MessageBytes: limit}})
	if _, _, err := r.Next([]byte(fromClient(0xc1, strings.Repeat("a", deflateBound(limit)+1)))[:14]); err != errTooBig {
		t.Errorf("a compressed message above the bound: %v", err)
	}
}

// Memory for a bomb is what comes out of it up to the limit, twice at most while it grows.
func TestBombMemory(t *testing.T) {
	in := []byte(fromClient(0xc2, deflated(t, make([]byte, 64<<20), 9)))
	bytesOf := func(limit int) int64 {
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := NewReader(Options{Deflate: true, Limits: Limits{MessageBytes: limit}}).Next(in); err != errTooBig {
					b.Fatal(err)
				}
			}
		})
		return r.AllocedBytesPerOp()
	}
	if testing.Short() {
		t.Skip("takes a second")
	}
	if got := bytesOf(1 << 20); got > 3<<20 {
		t.Errorf("%d bytes for a limit of 1 MiB", got)
	}
}

// Blocks without data are the dearest input: a message that has become much longer by being compressed is refused where that
// shows.
func TestLongerByCompression(t *testing.T) {
	empty := strings.Repeat("\x00\x00\x00\xff\xff", 1<<20/5)
	for _, c := range []struct {
		name, in string
		err      error
	}{
		{"empty blocks", empty, errDeflate},
		{"empty blocks behind a message", deflated(t, likeJSON(100_000), 6) + empty, errDeflate},
		{"a few empty blocks", strings.Repeat("\x00\x00\x00\xff\xff", 100) + "\x00", nil},
		{"blocks without compression", deflated(t, random(1<<20), 0), nil},
		{"streams", strings.Repeat("\x03\x00", maxStreams-1) + "\x00", nil},
		{"too many streams", strings.Repeat("\x03\x00", maxStreams) + "\x00", errDeflate},
	} {
		r := NewReader(Options{Deflate: true})
		_, _, err := r.Next([]byte(fromClient(0xc2, c.in)))
		if err != c.err && (err != nil || c.err != nil) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// It is found while it is read: not all of it is looked at.
	f := inflaters.Get().(*inflater)
	defer f.release()
	if _, err := f.inflate(append([]byte(empty), ending...), 32<<20); err != errDeflate || f.large.at > 2*strictSlack {
		t.Errorf("%v after %d bytes", err, f.large.at)
	}
}

// What the pools hold never shows in a message, whoever uses them at the same time.
func TestPoolsAreSafe(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := NewReader(Options{Deflate: true})
			for i := range 50 {
				data := bytes.Repeat([]byte(fmt.Sprintf("goroutine %d, message %d. ", g, i)), 10+i*(g%2)*200)
				_, ev, err := r.Next(FullWindow.AppendMaskedMessage(nil, true, data, testMask))
				if err != nil || !bytes.Equal(ev.Data, data) {
					t.Errorf("%v, %.40q", err, ev.Data)
					return
				}
			}
		})
	}
	wg.Wait()
	// After a larger message and a broken one, a small message is all there is.
	r := NewReader(Options{Deflate: true})
	_, _, _ = r.Next([]byte(fromClient(0xc2, deflated(t, random(30000), 1))))
	_, _, _ = NewReader(Options{Deflate: true}).Next([]byte(fromClient(0xc2, "\xff\xff")))
	if _, ev, err := r.Next([]byte(fromClient(0xc1, hello))); err != nil || string(ev.Data) != "Hello" || cap(ev.Data) > 8 {
		t.Errorf("%q, %v", ev.Data, err)
	}
}

package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	be "encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"everloop/proto/ws"
)

// bare is a WebSocket of which the test writes the bytes.
type bare struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

const (
	askForSocket = "GET %s HTTP/1.1\r\nhost: x\r\n%s\r\n"
	fineFields   = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
)

// bare opens a WebSocket. more are further fields of the request.
func (p *process) bare(t *testing.T, path, more string) *bare {
	t.Helper()
	conn := dial(t, p)
	w := &bare{t, conn, bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(patience))
	w.write(fmt.Appendf(nil, askForSocket, path, fineFields+more))
	resp, err := http.ReadResponse(w.in, nil) //nolint:bodyclose // a 101 has no body
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%s: %+v %v", path, resp, err)
	}
	return w
}

func (w *bare) write(b []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

var mask = [4]byte{1, 2, 3, 4}

// send sends a frame.
func (w *bare) send(op ws.Opcode, payload string) {
	w.t.Helper()
	w.write(ws.AppendMaskedFrame(nil, op, []byte(payload), mask))
}

// frame reads a frame that has not been compressed.
func (w *bare) frame() (op ws.Opcode, payload string, err error) {
	head, err := w.in.Peek(2)
	if err != nil {
		return 0, "", err
	}
	op, length, more := ws.Opcode(head[0]&15), uint64(head[1]&127), 0
	if length >= 126 {
		more = 2
		if length == 127 {
			more = 8
		}
	}
	long := make([]byte, 8)
	_, _ = w.in.Discard(2)
	if _, err := io.ReadFull(w.in, long[8-more:]); err != nil {
		return op, "", err
	}
	if more > 0 {
		length = be.BigEndian.Uint64(long)
	}
	b := make([]byte, length)
	_, err = io.ReadFull(w.in, b)
	return op, string(b), err
}

// ends holds that the server closes with this code and reason, and then the connection.
func (w *bare) ends(code int, reason string) {
	w.t.Helper()
	op, payload, err := w.frame()
	if err != nil || op != ws.OpClose || payload != string(be.BigEndian.AppendUint16(nil, uint16(code)))+reason {
		w.t.Errorf("the end is %v %q %v, want %d %s", op, payload, err, code, reason)
		return
	}
	w.write(ws.AppendMaskedFrame(nil, ws.OpClose, []byte(payload[:2]), mask))
	if op, payload, err = w.frame(); err == nil {
		w.t.Errorf("after the Close came %v %q", op, payload)
	}
}

// deflated compresses for a message of its own.
func deflated(p []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(p)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// memory is how much memory the process has in RAM, in MiB: now, or at most so far.
func (p *process) memory(field string) int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	found := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		p.t.Fatalf("no %s in\n%s", field, text)
	}
	kB, _ := strconv.Atoi(string(found[1]))
	return kB >> 10
}

// TestHostileSockets has clients and programs do with WebSockets and alarms what they must not. The daemon refuses each of it with the right words,
// answers everybody else meanwhile, and has the memory and the connections back in the end. What takes a client's time-out (a byte a second, no
// answer to a Ping or to a Close) is held in virtual time by the tests of proto/server.
func TestHostileSockets(t *testing.T) {
	p := serve(t, sockets, "--data", t.TempDir(), "--loops", "2")
	witness := p.join("/echo/witness")
	turns := 0
	answered := func(t *testing.T) {
		t.Helper()
		turns++
		word := fmt.Sprint("turn ", turns)
		witness.say(word)
		if got := witness.read(); got != word {
			t.Errorf("another client was answered %q, want %q", got, word)
		}
	}
	answered(t)
	began := p.memory("VmRSS")
	const compressed = "sec-websocket-extensions: permessage-deflate\r\n"
	ended := func(t *testing.T, path, want string) {
		t.Helper()
		waitFor(t, path+" to say "+want, func() bool {
			_, got := p.get(path)
			return got == want
		})
	}
	const lost = "closed 1006 WebSocket disconnected without sending Close frame. false"

	t.Run("a client that never reads", func(t *testing.T) {
		deaf, other := p.bare(t, "/silent/a", ""), p.bare(t, "/silent/a", "")
		_ = deaf.conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		for round := range 40 { // 40 MiB, of which 16 may wait
			other.send(ws.OpText, "64 16")
			for i := range 16 {
				if op, payload, err := other.frame(); err != nil || op != ws.OpBinary || len(payload) != 64<<10 {
					t.Fatalf("round %d, message %d: %v, %d bytes, %v", round, i, op, len(payload), err)
				}
			}
			answered(t)
		}
		ended(t, "/silent/a", lost)
		if n := p.metric(`everloop_websocket_client_faults_total{fault="slow"}`); n != "1" {
			t.Errorf("%s clients were slow", n)
		}
	})
	t.Run("a client that sends byte by byte", func(t *testing.T) {
		w := p.bare(t, "/echo/a", "")
		text := strings.Repeat("slow ", 60)
		for _, b := range ws.AppendMaskedFrame(nil, ws.OpText, []byte(text), mask) {
			w.write([]byte{b})
		}
		answered(t)
		if _, payload, err := w.frame(); err != nil || payload != text {
			t.Errorf("%q %v", payload, err)
		}
	})
	t.Run("bombs", func(t *testing.T) {
		bomb := deflated(make([]byte, 64<<20))
		w := p.bare(t, "/talk/bomb", compressed)
		w.write(append(ws.AppendHeader(nil, ws.Header{Opcode: ws.OpBinary, Compressed: true, Masked: true, Length: len(bomb)}), bomb...))
		w.ends(1009, "a message is too large")
		ended(t, "/talk/bomb", "failed ws: 1009: a message is too large")
		answered(t)
		// As many of those that are allowed as there are clients.
		bomb = deflated(make([]byte, 32<<20))
		var all []*bare
		for range 8 {
			w := p.bare(t, "/silent/bomb", compressed)
			w.write(append(ws.AppendHeader(nil, ws.Header{Opcode: ws.OpBinary, Compressed: true, Masked: true, Length: len(bomb)}), bomb...))
			all = append(all, w)
		}
		answered(t)
		for _, w := range all {
			w.send(ws.OpPing, "x") // behind the bomb
			if op, payload, err := w.frame(); op != ws.OpPong || payload != "x" || err != nil {
				t.Errorf("%v %q %v", op, payload, err)
			}
		}
		p.logged(`"level":"ERROR"`, "a handler of a WebSocket failed", `"class":"Silent"`, `"object":"`, "TypeError: not a function", "wrong.ts:")
	})
	t.Run("frames that lie", func(t *testing.T) {
		for i, tt := range []struct {
			name   string
			bytes  []byte
			code   int
			reason string
		}{
			{"2^63 bytes", append([]byte{0x82, 0xff}, be.BigEndian.AppendUint64(nil, 1<<63)...), 1002, "a length has its most significant bit set (RFC 6455, 5.2)"},
			{"2^62 bytes", append(be.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<62), mask[:]...), 1009, "a message is too large"},
			{"no mask", []byte("\x81\x05hello"), 1002, "a frame of a client is not masked (RFC 6455, 5.1)"},
			{"no UTF-8", ws.AppendMaskedFrame(nil, ws.OpText, []byte("\xff\xfe"), mask), 1007, "a text is not UTF-8 (RFC 6455, 8.1)"},
		} {
			path := fmt.Sprint("/talk/liar-", i)
			w := p.bare(t, path, "")
			w.write(tt.bytes)
			w.ends(tt.code, tt.reason)
			ended(t, path, fmt.Sprintf("failed ws: %d: %s", tt.code, tt.reason))
			answered(t)
		}
		// Memory is for what has come, and not for what is announced: these would be 6 GiB.
		before := p.memory("VmRSS")
		for range 200 {
			p.bare(t, "/echo/liar", "").write(append(be.BigEndian.AppendUint64([]byte{0x82, 0xff}, 32<<20), "0123456789"...))
		}
		answered(t)
		if now := p.memory("VmRSS"); now > before+100 {
			t.Errorf("%d MiB more for what was announced", now-before)
		}
	})
	t.Run("a flood of Pings", func(t *testing.T) {
		w := p.bare(t, "/echo/a", "")
		_ = w.conn.(*net.TCPConn).SetReadBuffer(64 << 10)
		flood := bytes.Repeat(ws.AppendMaskedFrame(nil, ws.OpPing, bytes.Repeat([]byte("p"), 125), mask), 1000)
		for range 100 {
			w.write(flood)
		}
		answered(t)
		w.send(ws.OpText, "last")
		pongs := 0
		for {
			op, payload, err := w.frame()
			if err != nil {
				t.Fatal(err)
			}
			if op == ws.OpText && payload == "last" {
				break
			}
			pongs++
		}
		if pongs == 0 {
			t.Error("no Ping was answered")
		}
	})
	t.Run("clients that leave at once", func(t *testing.T) {
		for i := range 200 {
			conn := dial(t, p)
			fmt.Fprintf(conn, askForSocket, "/talk/gone", fineFields)
			if i%2 == 0 {
				_, _ = conn.Read(make([]byte, 1)) // of the 101
				_, _ = conn.Write([]byte{0x81})
			}
			_ = conn.(*net.TCPConn).SetLinger(0) // with a reset
			_ = conn.Close()
		}
		answered(t)
	})
	t.Run("requests that are none", func(t *testing.T) {
		for _, tt := range []struct {
			name, fields string
			status       int
		}{
			{"no version", "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426},
			{"another version", strings.Replace(fineFields, "13", "8", 1), 426},
			{"no key", "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n", 400},
			{"no connection", strings.Replace(fineFields, "connection: upgrade\r\n", "", 1), 400},
			{"a body", fineFields + "content-length: 1\r\n", 400},
			{"no upgrade", "", 400}, // as the program answers it
		} {
			conn := dial(t, p)
			_ = conn.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(conn, askForSocket+"x", "/echo/none", tt.fields)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			_ = resp.Body.Close()
			if version := resp.Header.Get("Sec-WebSocket-Version"); resp.StatusCode != tt.status || (version == "13") != (tt.status == 426) {
				t.Errorf("%s: %d, version %q, want %d", tt.name, resp.StatusCode, version, tt.status)
			}
		}
		answered(t)
	})
	t.Run("an object that cannot be made", func(t *testing.T) {
		if _, err := p.open("/broken/a"); err == nil || !strings.Contains(err.Error(), "got 500") {
			t.Errorf("the client is told %v", err)
		}
		p.logged(`"level":"ERROR"`, `"class":"Broken"`, `"object":"`, `"path":"/broken/a"`, "RangeError: no such object", "index.ts:")
		answered(t)
	})
	for what, want := range wrongs {
		t.Run("a program: "+what, func(t *testing.T) {
			status, got := p.get("/wrong/" + what + "?what=" + what)
			if status != 200 || got != strings.TrimPrefix(want, "\n") {
				t.Errorf("%d\n%s\nwant%s", status, got, want)
			}
			answered(t)
		})
	}
	p.want("/silent/none?alarm", 200, "TypeError: Your Durable Object class must have an alarm() handler in order to call setAlarm()")

	// All that is left is the witness.
	waitFor(t, "the connections to end", func() bool {
		return p.metric("everloop_websocket_connections") == "1" && p.metric("everloop_engine_websockets") == "1"
	})
	// Go collects what is left when more is allocated, and gives it back in the background.
	most, megabyte := p.memory("VmHWM"), strings.Repeat("x", 1<<20)
	witness.conn.SetReadLimit(2 << 20)
	waitFor(t, fmt.Sprintf("the memory to come back: it began at %d MiB, and was %d", began, most), func() bool {
		witness.say(megabyte)
		witness.hears(megabyte)
		return p.memory("VmRSS") < began+128
	})
	t.Logf("%d MiB at first, %d at most, %d now", began, most, p.memory("VmRSS"))
	if most > began+768 {
		t.Errorf("it had %d MiB, and %d at first", most, began)
	}
	_ = witness.conn.CloseNow()
	p.stop()
}

// wrongs is what a program is told that does what it must not.
var wrongs = map[string]string{
	"close": `
999: InvalidAccessError: Invalid WebSocket close code: 999.
1004: InvalidAccessError: Invalid WebSocket close code: 1004.
1005: InvalidAccessError: Invalid WebSocket close code: 1005.
1006: InvalidAccessError: Invalid WebSocket close code: 1006.
1015: InvalidAccessError: Invalid WebSocket close code: 1015.
5000: InvalidAccessError: Invalid WebSocket close code: 5000.
NaN: InvalidAccessError: Invalid WebSocket close code: 0.
SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.
TypeError: Can't call WebSocket send() after close().
taken
TypeError: You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.`,
	"tags": `
Error: a Hibernatable WebSocket cannot have more than 10 tags
Error: TAG is longer than the max tag length (256 characters).
taken`,
	"attachment": `
Error: A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was 16387 bytes.
DataCloneError: () => 1 could not be cloned.
kept
taken
taken`,
	"auto": `
RangeError: Request cannot be larger than 2048 bytes. A request of size 2049 was provided.
RangeError: Response cannot be larger than 2048 bytes. A response of size 2049 was provided.
Error: Event timeout should not exceed 604800000 ms.`,
	"alarm": `
5: TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.
undefined: TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.
null: TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.
{}: TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.
[]: TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.
5: TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.
true: TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.
Symbol(now): TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.
NaN: TypeError: The value cannot be converted because it is not a valid Date.
Infinity: TypeError: The value cannot be converted because it is not a valid Date.
-Infinity: TypeError: The value cannot be converted because it is not a valid Date.
Date NaN: TypeError: The value cannot be converted because it is not a valid Date.
0: TypeError: setAlarm() cannot be called with an alarm time <= 0
-1: TypeError: setAlarm() cannot be called with an alarm time <= 0
-1e+300: TypeError: setAlarm() cannot be called with an alarm time <= 0
Date 0: TypeError: setAlarm() cannot be called with an alarm time <= 0
1e+300: TypeError: This API doesn't support dates after 2189.
null`,
}

package wstest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha1" //nolint:gosec // RFC 6455 wants it
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// patience is how long a case waits for a server that should do something. Only a failing case waits so long.
const patience = time.Minute

// Opcodes.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// out is a frame to send.
type out struct {
	op      byte
	more    bool // FIN is not set
	rsv     byte // 4 is RSV1, 2 is RSV2, 1 is RSV3
	payload string
}

func (o out) appendTo(b []byte, mask [4]byte) []byte {
	first := o.op | o.rsv<<4
	if !o.more {
		first |= 0x80
	}
	switch n := len(o.payload); {
	case n < 126:
		b = append(b, first, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, first, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, first, 0x80|127), uint64(n))
	}
	b = append(b, mask[:]...)
	for i := range len(o.payload) {
		b = append(b, o.payload[i]^mask[i&3])
	}
	return b
}

// event is something that was received: a message, or a Ping or Pong.
type event struct {
	what    string // "text", "binary", "ping" or "pong"
	payload string
}

func (e event) String() string {
	if len(e.payload) <= 60 {
		return fmt.Sprintf("%s %q", e.what, e.payload)
	}
	return fmt.Sprintf("%s of %d bytes", e.what, len(e.payload))
}

// client is one connection of one case.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	rng  *rand.Rand
	pmd  *permessage // nil if it was not agreed

	received  []event
	sentClose bool
	first     bool // our Close was the first
	gotClose  bool
	code      int // of the server's Close, 0 for none
	message   []byte
	started   byte // opcode of the message under way
	packed    bool // it is compressed
}

// open makes the handshake.
func open(s *Suite, extensions string) (*client, error) {
	conn, err := s.Dial()
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), rng: rand.New(rand.NewPCG(6455, 7692))}
	if err := c.handshake(s, extensions); err != nil {
		conn.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return c, nil
}

func (c *client) handshake(s *Suite, extensions string) error {
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	nonce := make([]byte, 16)
	for i := range nonce {
		nonce[i] = byte(c.rng.Uint32())
	}
	key := base64.StdEncoding.EncodeToString(nonce)
	request := "GET " + s.Target + " HTTP/1.1\r\nHost: " + s.Host + "\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key +
		"\r\nSec-WebSocket-Version: 13\r\n"
	if extensions != "" {
		request += "Sec-WebSocket-Extensions: " + extensions + "\r\n"
	}
	if _, err := io.WriteString(c.conn, request+"\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil) //nolint:bodyclose // a 101 has no body
	if err != nil {
		return err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return errors.New(resp.Status)
	case !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket"), !strings.EqualFold(resp.Header.Get("Connection"), "upgrade"):
		return fmt.Errorf("fields %v", resp.Header)
	case resp.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("sec-websocket-accept is wrong")
	}
	c.pmd, err = agreed(extensions, resp.Header.Values("Sec-WebSocket-Extensions"))
	return err
}

// How send cuts what it writes.
const (
	atOnce  = 0  // one write
	byFrame = -1 // a write for each frame
)

// send writes frames, in writes of chop bytes, or atOnce, or byFrame. That the server has closed is seen when reading.
func (c *client) send(chop int, frames ...out) {
	var b []byte
	for _, f := range frames {
		b = f.appendTo(b, c.mask())
		if chop == byFrame {
			c.write(b)
			b = b[:0]
		}
	}
	c.chops(b, chop)
}

func (c *client) chops(b []byte, chop int) {
	for chop > 0 && len(b) > chop {
		c.write(b[:chop])
		b = b[chop:]
	}
	if len(b) > 0 {
		c.write(b)
	}
}

func (c *client) write(b []byte) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	_, _ = c.conn.Write(b)
}

func (c *client) mask() (m [4]byte) {
	binary.LittleEndian.PutUint32(m[:], c.rng.Uint32())
	return m
}

// fragments cuts a message into frames of at most size bytes.
func fragments(op byte, payload string, size int) (frames []out) {
	for {
		n := min(size, len(payload))
		frames = append(frames, out{op: op, more: n < len(payload), payload: payload[:n]})
		if payload, op = payload[n:], opContinuation; payload == "" {
			return frames
		}
	}
}

// closePayload is a code and a reason.
func closePayload(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// sendClose begins to close, or answers a Close.
func (c *client) sendClose(payload string) {
	if !c.sentClose {
		c.sentClose, c.first = true, !c.gotClose
	}
	c.send(atOnce, out{op: opClose, payload: payload})
}

// errPeer is what the server does wrong.
type errPeer string

func (e errPeer) Error() string { return "the server sent " + string(e) }

// read takes one frame. If it completes an event, that is the last of c.received. After the server's Close, which is answered, there
// is nothing but io.EOF.
func (c *client) read() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return err
	}
	final, rsv, op, length := head[0]&0x80 != 0, head[0]>>4&7, head[0]&0x0f, uint64(head[1]&0x7f)
	switch {
	case c.gotClose:
		return errPeer("a frame behind its Close")
	case head[1]&0x80 != 0:
		return errPeer("a masked frame")
	case rsv&3 != 0, rsv != 0 && (c.pmd == nil || op != opText && op != opBinary):
		return errPeer("reserved bits")
	case op >= opClose && (!final || length > 125):
		return errPeer("a bad control frame")
	}
	var long [8]byte
	switch length {
	case 126:
		if _, err := io.ReadFull(c.in, long[6:]); err != nil {
			return err
		}
		if length = binary.BigEndian.Uint64(long[:]); length < 126 {
			return errPeer("a length that is too long")
		}
	case 127:
		if _, err := io.ReadFull(c.in, long[:]); err != nil {
			return err
		}
		if length = binary.BigEndian.Uint64(long[:]); length < 1<<16 || length > 1<<30 {
			return errPeer("a length that is too long")
		}
	}
	switch op {
	case opText, opBinary:
		if c.started != 0 {
			return errPeer("a message within a message")
		}
		c.started, c.packed, c.message = op, rsv != 0, c.message[:0]
	case opContinuation:
		if c.started == 0 {
			return errPeer("a continuation of nothing")
		}
	case opClose, opPing, opPong:
		payload := make([]byte, length)
		if _, err := io.ReadFull(c.in, payload); err != nil {
			return err
		}
		return c.control(op, payload)
	default:
		return errPeer("a reserved opcode")
	}
	at := len(c.message)
	c.message = append(c.message, make([]byte, length)...)
	if _, err := io.ReadFull(c.in, c.message[at:]); err != nil {
		return err
	}
	if !final {
		return nil
	}
	return c.complete()
}

func (c *client) control(op byte, payload []byte) error {
	switch op {
	case opPing:
		c.received = append(c.received, event{"ping", string(payload)})
		return nil
	case opPong:
		c.received = append(c.received, event{"pong", string(payload)})
		return nil
	}
	c.gotClose = true
	if len(payload) == 1 || len(payload) > 2 && !utf8.Valid(payload[2:]) {
		return errPeer("a bad Close")
	}
	if len(payload) >= 2 {
		c.code = int(binary.BigEndian.Uint16(payload))
		payload = payload[:2]
	}
	if !c.sentClose {
		c.sendClose(string(payload))
	}
	return nil
}

// complete makes an event of the message.
func (c *client) complete() error {
	e := event{what: "binary", payload: string(c.message)}
	if c.packed {
		p, err := c.pmd.unpack(c.message)
		if err != nil {
			return errPeer("what cannot be decompressed: " + err.Error())
		}
		e.payload = string(p)
	}
	if c.started == opText {
		if e.what = "text"; !utf8.ValidString(e.payload) {
			return errPeer("a text that is not UTF-8")
		}
	}
	c.started = 0
	c.received = append(c.received, e)
	return nil
}

// silent reports whether nothing comes for a while. It is for what the server must not do: a server that takes longer to do
// it is not found out.
func (c *client) silent() bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := c.in.Peek(1)
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// permessage is permessage-deflate as it was agreed on one connection.
type permessage struct {
	keepOurs, keepTheirs bool // a side takes its context over
	out                  bytes.Buffer
	w                    *flate.Writer
	r                    io.ReadCloser
	window               []byte // of what was received
}

// agreed reads the server's answer to what was offered.
func agreed(offers string, answers []string) (*permessage, error) {
	if len(answers) == 0 {
		return nil, nil
	}
	parts := strings.Split(strings.Join(answers, ", "), ";")
	if strings.TrimSpace(parts[0]) != "permessage-deflate" || !strings.Contains(offers, "permessage-deflate") {
		return nil, fmt.Errorf("answer %q to %q", answers, offers)
	}
	p := &permessage{keepOurs: true, keepTheirs: true}
	bits := 0
	for _, part := range parts[1:] {
		name, value, valued := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case name == "server_no_context_takeover" && !valued:
			p.keepTheirs = false
		case name == "client_no_context_takeover" && !valued:
			p.keepOurs = false
		case name == "server_max_window_bits":
			bits, _ = strconv.Atoi(value)
		default:
			return nil, fmt.Errorf("answer %q to %q", answers, offers)
		}
	}
	// What every offer asks for, the answer has to grant.
	all := func(parameter string) bool {
		return strings.Count(offers, parameter) == strings.Count(offers, "permessage-deflate")
	}
	if all("server_no_context_takeover") && p.keepTheirs || all("server_max_window_bits=9") && bits != 9 || all("server_max_window_bits=15") && bits != 15 {
		return nil, fmt.Errorf("answer %q to %q", answers, offers)
	}
	p.w, _ = flate.NewWriter(&p.out, flate.BestSpeed)
	p.r = flate.NewReader(bytes.NewReader(nil))
	return p, nil
}

const emptyBlock = "\x00\x00\xff\xff"

// pack compresses a message.
func (p *permessage) pack(payload string) string {
	p.out.Reset()
	if !p.keepOurs {
		p.w.Reset(&p.out)
	}
	_, _ = io.WriteString(p.w, payload)
	_ = p.w.Flush()
	return strings.TrimSuffix(p.out.String(), emptyBlock)
}

// unpack decompresses a message.
func (p *permessage) unpack(message []byte) ([]byte, error) {
	in := append(append([]byte(nil), message...), emptyBlock+"\x01\x00\x00\xff\xff"...)
	if err := p.r.(flate.Resetter).Reset(bytes.NewReader(in), p.window); err != nil {
		return nil, err
	}
	out, err := io.ReadAll(p.r)
	if p.keepTheirs {
		p.window = append(p.window, out...)
		p.window = append([]byte(nil), p.window[max(0, len(p.window)-32<<10):]...)
	}
	return out, err
}

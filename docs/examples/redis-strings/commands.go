package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto"
	"everloop/proto/resp"
)

// redis is the protocol: it makes a session for each connection, on the connection's loop.
type redis struct {
	limits resp.Limits
	sync   string // what CONFIG GET appendfsync says
}

func (p *redis) Open(c *proto.Conn) proto.Session {
	return &session{redis: p, c: c, keys: c.Port().Namespace("String")}
}

// options are the bounds of connections. A command must fit into what is kept of one unread.
func (p *redis) options() proto.Options {
	p.limits.EnsureDefaults()
	return proto.Options{
		Conn:        loop.ListenOptions{MaxInbound: p.limits.Command},
		MaxInFlight: 1024,
	}
}

// session is one connection. Owned by its loop.
type session struct {
	*redis
	c       *proto.Conn
	keys    *engine.Namespace
	reader  resp.CommandReader
	scratch []byte // the arguments of a call, which CallByName does not keep

	// The commands that have been read and not run. They alias what has arrived.
	ahead []ahead
	args  [][]byte // of all of them, name first, one command behind the other
	names [][]byte // of their keys
}

// ahead is a command that has been read: how many arguments it has, and how many bytes it takes of what has arrived.
type ahead struct{ args, bytes int }

// maxAhead is how many commands are read before the first of them runs, and maxAheadArgs how many arguments they have, with which one more
// may begin.
const (
	maxAhead     = 32
	maxAheadArgs = 4 * maxAhead
)

func (s *session) Closed(error) {}

// Data is called when bytes have arrived, or when there is room again. Commands are answered in their order, whichever object is done
// first: each gets its place by c.Answer, c.Say or c.Queue.
func (s *session) Data() {
	for s.c.Room() {
		err := s.read()
		switch more := len(s.ahead) > 0; {
		case !s.run():
			return
		case err != nil:
			s.c.Say(resp.AppendError(nil, "ERR "+err.Error()))
			s.c.Finish()
			return
		case !more:
			return
		}
	}
}

// read reads the commands that have arrived, some at a time, and has the engine look for all of their keys at once: that takes
// less time than one by one.
func (s *session) read() error {
	for in := s.c.Inbound(); len(s.ahead) < maxAhead && len(s.args) < maxAheadArgs; {
		args, n, err := s.reader.Read(in, s.args, &s.limits)
		if err != nil || n == 0 {
			return err
		}
		if own := args[len(s.args):]; len(own) > 1 {
			s.names = append(s.names, own[1])
		}
		s.ahead = append(s.ahead, ahead{len(args) - len(s.args), n})
		s.args, in = args, in[n:]
	}
	return nil
}

// run runs what read has read. It is false if there was no room for all of it; the rest is read once more, then.
func (s *session) run() bool {
	s.keys.Warm(s.names)
	args, bytes, left := s.args, 0, s.ahead
	for ; len(left) > 0 && s.c.Room(); left = left[1:] {
		if n := left[0].args; n > 0 {
			s.command(args[:n])
			args = args[n:]
		}
		bytes += left[0].bytes
	}
	s.c.Discard(bytes)
	if len(left) > 0 {
		s.reader = resp.CommandReader{} // it may have seen the beginning of what comes behind them
	}
	if s.ahead, s.args, s.names = s.ahead[:0], s.args[:0], s.names[:0]; cap(s.args) > 2*maxAheadArgs {
		s.args = nil // not for a connection that sends one large command a day
	}
	return len(left) == 0
}

// command is what there is to know of one: how many arguments it takes, its name among them (negative: at least that many, as Redis's own
// table has it), and what runs it.
type command struct {
	name  string
	arity int
	run   func(s *session, cmd *command, args [][]byte)
}

// commands are found by their names in capitals.
var commands = map[string]*command{}

func init() {
	for _, c := range []command{
		{"get", 2, (*session).one},
		{"strlen", 2, (*session).one},
		{"type", 2, (*session).one},
		{"ttl", 2, (*session).one},
		{"pttl", 2, (*session).one},
		{"persist", 2, (*session).one},
		{"append", 3, func(s *session, _ *command, args [][]byte) { s.call(args[1], "append", args[2]) }},
		{"set", -3, (*session).set},
		{"setnx", 3, (*session).setNX},
		{"setex", 4, (*session).setEX},
		{"psetex", 4, (*session).setEX},
		{"incr", 2, func(s *session, _ *command, args [][]byte) { s.call(args[1], "incrby", s.number(1)) }},
		{"decr", 2, func(s *session, _ *command, args [][]byte) { s.call(args[1], "incrby", s.number(-1)) }},
		{"incrby", 3, (*session).incrBy},
		{"decrby", 3, (*session).incrBy},
		{"expire", 3, (*session).expire},
		{"pexpire", 3, (*session).expire},
		{"expireat", 3, (*session).expire},
		{"pexpireat", 3, (*session).expire},
		{"del", -2, (*session).count},
		{"unlink", -2, (*session).count},
		{"exists", -2, (*session).count},
		{"ping", -1, (*session).ping},
		{"echo", 2, func(s *session, _ *command, args [][]byte) { s.c.Say(resp.AppendBulk(nil, args[1])) }},
		{"select", 2, (*session).selectDB},
		{"command", -1, func(s *session, _ *command, _ [][]byte) { s.c.Say(resp.AppendArray(nil, 0)) }},
		{"config", -2, (*session).config},
		{"quit", -1, (*session).quit},
	} {
		commands[strings.ToUpper(c.name)] = &c
	}
}

func (s *session) command(args [][]byte) {
	cmd := commands[string(args[0])] // most clients send capitals
	if cmd == nil {
		cmd = commands[string(bytes.ToUpper(args[0]))]
	}
	switch {
	case cmd == nil:
		s.fail(unknownCommand(args))
	case cmd.arity >= 0 && len(args) != cmd.arity || len(args) < -cmd.arity:
		s.fail("ERR wrong number of arguments for '" + cmd.name + "' command")
	default:
		cmd.run(s, cmd, args)
	}
}

// call runs a method of a key's object, whose answer takes its place behind those before it.
func (s *session) call(key []byte, method string, args []byte) {
	s.keys.CallByName(key, method, args, s.c.Answer(answer))
}

// answer writes what an object has answered: it is RESP already. The engine calls it when the answer may leave.
func answer(dst []byte, r *engine.Reply) []byte {
	if r.Err != nil {
		return appendFailure(dst, r.Err)
	}
	return append(dst, r.Value...)
}

// appendFailure says what was wrong with the server, in the words that Redis's clients know.
func appendFailure(dst []byte, err error) []byte {
	if errors.Is(err, engine.ErrUnavailable) || errors.Is(err, engine.ErrNoSpace) {
		return resp.AppendError(dst, "MISCONF "+err.Error())
	}
	return resp.AppendError(dst, "ERR "+err.Error())
}

func (s *session) fail(text string) { s.c.Say(resp.AppendError(nil, text)) }

// number is an argument of a call.
func (s *session) number(n int64) []byte {
	s.scratch = binary.BigEndian.AppendUint64(s.scratch[:0], uint64(n))
	return s.scratch
}

// one is a command that has a key and nothing else.
func (s *session) one(cmd *command, args [][]byte) { s.call(args[1], cmd.name, nil) }

func (s *session) incrBy(cmd *command, args [][]byte) {
	n, ok := parseInt(args[2])
	switch {
	case !ok:
		s.fail(errNotInteger)
		return
	case cmd.name == "decrby" && n == math.MinInt64:
		s.fail("ERR decrement would overflow")
		return
	case cmd.name == "decrby":
		n = -n
	}
	s.call(args[1], "incrby", s.number(n))
}

// setCall is SET with what it says beside key and value.
func (s *session) setCall(key, value []byte, flags byte, expires int64, render func([]byte, *engine.Reply) []byte) {
	s.scratch = binary.BigEndian.AppendUint64(append(s.scratch[:0], flags), uint64(expires))
	s.scratch = append(s.scratch, value...)
	s.keys.CallByName(key, "set", s.scratch, s.c.Answer(render))
	if cap(s.scratch) > 64<<10 {
		s.scratch = nil
	}
}

// set reads SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds | KEEPTTL].
func (s *session) set(_ *command, args [][]byte) {
	flags, expires, timed := byte(0), int64(never), ""
	var amount []byte
	for i := 3; i < len(args); i++ {
		switch option := strings.ToUpper(string(args[i])); {
		case option == "NX" && flags&ifPresent == 0:
			flags |= ifAbsent
		case option == "XX" && flags&ifAbsent == 0:
			flags |= ifPresent
		case option == "GET":
			flags |= wantOld
		case option == "KEEPTTL" && timed == "":
			flags |= keepTTL
		case (option == "EX" || option == "PX" || option == "EXAT" || option == "PXAT") &&
			timed == "" && flags&keepTTL == 0 && i+1 < len(args):
			i++
			timed, amount = option, args[i]
		default:
			s.fail("ERR syntax error")
			return
		}
	}
	if timed != "" {
		n, ok := parseInt(amount)
		if !ok {
			s.fail(errNotInteger)
			return
		}
		if expires, ok = s.moment(n, timed); !ok || n <= 0 {
			s.fail("ERR invalid expire time in 'set' command")
			return
		}
	}
	s.setCall(args[1], args[2], flags, expires, answer)
}

func (s *session) setNX(_ *command, args [][]byte) {
	s.setCall(args[1], args[2], ifAbsent, never, answerSetNX)
}

// answerSetNX is 1 or 0, where SET NX answers OK or null.
func answerSetNX(dst []byte, r *engine.Reply) []byte {
	if r.Err != nil {
		return appendFailure(dst, r.Err)
	}
	return resp.AppendBool(dst, resp.V2, r.Value[0] == '+')
}

func (s *session) setEX(cmd *command, args [][]byte) {
	n, ok := parseInt(args[2])
	if !ok {
		s.fail(errNotInteger)
		return
	}
	unit := map[string]string{"setex": "EX", "psetex": "PX"}[cmd.name]
	expires, ok := s.moment(n, unit)
	if !ok || n <= 0 {
		s.fail("ERR invalid expire time in '" + cmd.name + "' command")
		return
	}
	s.setCall(args[1], args[3], 0, expires, answer)
}

func (s *session) expire(cmd *command, args [][]byte) {
	n, ok := parseInt(args[2])
	if !ok {
		s.fail(errNotInteger)
		return
	}
	unit := map[string]string{"expire": "EX", "pexpire": "PX", "expireat": "EXAT", "pexpireat": "PXAT"}[cmd.name]
	at, ok := s.moment(n, unit)
	if !ok {
		s.fail("ERR invalid expire time in '" + cmd.name + "' command")
		return
	}
	s.call(args[1], "expireat", s.number(at))
}

// latest is the last moment that an alarm can be set to, in milliseconds since 1970.
const latest = 8.64e15

// moment is a time in milliseconds since 1970 by the clock that alarms go by. It is false for one that is too far away.
func (s *session) moment(n int64, unit string) (ms int64, ok bool) {
	scale, base := int64(1), int64(0)
	if unit == "EX" || unit == "EXAT" {
		scale = 1000
	}
	if unit == "EX" || unit == "PX" {
		_, base = s.c.Loop().Clock()
	}
	if n > latest/scale || n < -latest/scale {
		return 0, false
	}
	ms = n*scale + base
	return ms, ms <= latest
}

func (s *session) ping(_ *command, args [][]byte) {
	switch len(args) {
	case 1:
		s.c.Say(sayPong)
	case 2:
		s.c.Say(resp.AppendBulk(nil, args[1]))
	default:
		s.fail("ERR wrong number of arguments for 'ping' command")
	}
}

var (
	sayPong = []byte("+PONG\r\n")
	sayOK   = []byte("+OK\r\n")
)

func (s *session) selectDB(_ *command, args [][]byte) {
	switch n, isNumber := parseInt(args[1]); {
	case !isNumber:
		s.fail(errNotInteger)
	case n != 0:
		s.fail("ERR DB index is out of range")
	default:
		s.c.Say(sayOK)
	}
}

// config answers what redis-benchmark asks before it begins, and nothing else.
func (s *session) config(_ *command, args [][]byte) {
	if !bytes.EqualFold(args[1], []byte("get")) {
		s.fail("ERR CONFIG knows GET only")
		return
	}
	var pairs []string
	for _, name := range args[2:] {
		switch strings.ToLower(string(name)) {
		case "save":
			pairs = append(pairs, "save", "")
		case "appendonly":
			pairs = append(pairs, "appendonly", "yes")
		case "appendfsync":
			pairs = append(pairs, "appendfsync", s.sync)
		}
	}
	s.c.Say(resp.AppendCommand(nil, pairs...))
}

func (s *session) quit(*command, [][]byte) {
	s.c.Say(sayOK)
	s.c.Finish()
}

// count is DEL, UNLINK or EXISTS: it asks each key, and answers for how many the answer was 1. Other clients may come
// between two keys, since each is an object of its own.
func (s *session) count(cmd *command, args [][]byte) {
	method := cmd.name
	if method == "unlink" {
		method = "del"
	}
	if len(args) == 2 {
		s.call(args[1], method, nil)
		return
	}
	n := &counting{session: s, left: len(args) - 1}
	s.c.Queue(&n.slot, n)
	for _, key := range args[1:] {
		s.keys.CallByName(key, method, nil, n)
	}
}

// counting waits for the answers of several objects, of which each comes when it is durable.
type counting struct {
	*session
	slot proto.Slot // its place among the answers of the connection
	left int
	sum  int64
	err  error
}

// Reply is called for each key.
func (n *counting) Reply(r engine.Reply) {
	switch {
	case r.Err != nil:
		n.err = r.Err
	case r.Value[1] == '1':
		n.sum++
	}
	if n.left--; n.left == 0 {
		n.slot.Reply(engine.Reply{})
	}
}

// Answer is called when it is this answer's turn.
func (n *counting) Answer(*engine.Reply) bool {
	if n.err != nil {
		_ = n.c.Write(appendFailure(nil, n.err)) // fails only if the connection is closed, and so below
	} else {
		_ = n.c.Write(resp.AppendInt(nil, n.sum))
	}
	return true
}

// unknownCommand is Redis's text, with as much of the arguments as Redis repeats.
func unknownCommand(args [][]byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ERR unknown command '%.128s', with args beginning with: ", args[0])
	start := b.Len()
	for _, a := range args[1:] {
		room := 128 - (b.Len() - start)
		if room <= 0 {
			break
		}
		fmt.Fprintf(&b, "'%s' ", a[:min(len(a), room)])
	}
	return b.String()
}

package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto/resp"
)

// respCommand is one command. The table is what COMMAND tells, too.
type respCommand struct {
	name    string
	arity   int // as Redis has it: with the name; negative: at least so many
	group   string
	summary string
	open    bool // taken before the client has authenticated itself
	room    bool // taken in version 2 from a client that has a room
	// run reports false if the command cannot be taken yet: it is read again after Proceed. args are valid until it returns.
	run func(s *respSession, args [][]byte) bool
}

// respCommands are filled in by init, as COMMAND tells of itself.
var (
	respCommands      []respCommand
	respCommandByName map[string]*respCommand
)

func init() {
	respCommands = []respCommand{
		{name: "hello", arity: -1, group: "connection", summary: "Handshakes with the server.", open: true, run: (*respSession).hello},
		{name: "auth", arity: -2, group: "connection", summary: "Authenticates the connection.", open: true, run: (*respSession).auth},
		{name: "quit", arity: -1, group: "connection", summary: "Closes the connection.", open: true, room: true, run: (*respSession).quit},
		{name: "reset", arity: 1, group: "connection", summary: "Resets the connection.", open: true, room: true, run: (*respSession).resets},
		{name: "ping", arity: -1, group: "connection", summary: "Returns the server's liveliness response.", room: true, run: (*respSession).ping},
		{name: "echo", arity: 2, group: "connection", summary: "Returns the given string.", run: (*respSession).echo},
		{name: "select", arity: 2, group: "connection", summary: "Changes the selected database; there is one.", run: (*respSession).selects},
		{name: "client", arity: -2, group: "connection", summary: "Tells and sets what concerns the connection.", run: (*respSession).client},
		{name: "info", arity: -1, group: "server", summary: "Returns information and statistics about the server.", run: (*respSession).info},
		{name: "command", arity: -1, group: "server", summary: "Returns information about all commands.", run: (*respSession).commands},
		{name: "config", arity: -3, group: "server", summary: "Returns settings that tools ask for.", run: (*respSession).config},
		{name: "call", arity: -4, group: "generic", summary: "Calls a method of an object by its name, with arguments in JSON.", run: (*respSession).call},
		{name: "callid", arity: -4, group: "generic", summary: "Calls a method of an object by its ID, with arguments in JSON.", run: (*respSession).callID},
		{name: "callb", arity: -4, group: "generic", summary: "Calls a method of an object by its name, with bytes.", run: (*respSession).callBytes},
		{name: "objects", arity: -2, group: "generic", summary: "Iterates over the objects of a class.", run: (*respSession).objects},
		{name: "subscribe", arity: -2, group: "pubsub", summary: "Joins rooms: opens WebSockets of objects.", room: true, run: (*respSession).subscribe},
		{name: "unsubscribe", arity: -1, group: "pubsub", summary: "Leaves rooms.", room: true, run: (*respSession).unsubscribe},
		{name: "publish", arity: -3, group: "pubsub", summary: "Says something to a room.", room: true, run: (*respSession).publish},
	}
	respCommandByName = make(map[string]*respCommand, len(respCommands))
	for i := range respCommands {
		respCommandByName[respCommands[i].name] = &respCommands[i]
	}
}

// maxCommandName is longer than the name of any command.
const maxCommandName = 16

// lookupCommand finds a command by its name, in upper or lower case.
func lookupCommand(name []byte) *respCommand {
	var buf [maxCommandName]byte
	if len(name) > maxCommandName {
		return nil
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	return respCommandByName[string(buf[:len(name)])]
}

// is reports whether arg is an option, which is given in upper case.
func is(arg []byte, option string) bool {
	return len(arg) == len(option) && strings.EqualFold(string(arg), option)
}

// command takes one command. It reports false if that is to be read again.
func (s *respSession) command(args [][]byte) bool {
	cmd := lookupCommand(args[0])
	switch {
	case cmd == nil && !s.authed, cmd != nil && !s.authed && !cmd.open:
		s.fail("NOAUTH Authentication required.")
	case cmd == nil:
		s.fail("ERR unknown command '" + printable(args[0]) + "'")
	case cmd.arity > 0 && len(args) != cmd.arity, len(args) < -cmd.arity:
		s.fail("ERR wrong number of arguments for '" + cmd.name + "' command")
	case s.v < resp.V3 && s.listening > 0 && !cmd.room:
		s.fail("ERR Can't execute '" + cmd.name + "': only SUBSCRIBE / UNSUBSCRIBE / PUBLISH / PING / QUIT / RESET are allowed in this context")
	default:
		if !cmd.run(s, args) {
			return false
		}
	}
	s.here.counters.commands.Add(1)
	return true
}

// printable is what a client has sent as a part of a message: short, and of plain characters.
func printable(b []byte) string {
	const most = 64
	cut := ""
	if len(b) > most {
		b, cut = b[:most], "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return '?'
		}
		return r
	}, string(b)) + cut
}

func (s *respSession) syntax() bool {
	s.fail("ERR syntax error")
	return true
}

var (
	sayOK   = []byte("+OK\r\n")
	sayPong = []byte("+PONG\r\n")
)

func (s *respSession) ok() bool {
	s.say(sayOK)
	return true
}

func (s *respSession) hello(args [][]byte) bool {
	v, name := s.v, s.name
	if len(args) > 1 {
		switch string(args[1]) {
		case "2":
			v = resp.V2
		case "3":
			v = resp.V3
		default:
			s.fail("NOPROTO unsupported protocol version")
			return true
		}
	}
	var password []byte
	asked := false
	for i := 2; i < len(args); i++ {
		switch {
		case is(args[i], "AUTH") && i+2 < len(args):
			asked, password = true, args[i+2]
			if !bytes.Equal(args[i+1], defaultUser) {
				password = nil
			}
			i += 2
		case is(args[i], "SETNAME") && i+1 < len(args):
			i++
			if name = string(args[i]); !s.nameFits(name) {
				return true
			}
		default:
			return s.syntax()
		}
	}
	if !asked && !s.authed {
		s.fail("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
		return true
	}
	if asked && !s.authenticate(password) {
		return true
	}
	s.v, s.name = v, name
	b := resp.AppendMap(nil, v, 7)
	b = resp.AppendBulkString(resp.AppendBulkString(b, "server"), "everloop")
	b = resp.AppendBulkString(resp.AppendBulkString(b, "version"), s.srv.opts.Version)
	b = resp.AppendInt(resp.AppendBulkString(b, "proto"), int64(v))
	b = resp.AppendInt(resp.AppendBulkString(b, "id"), int64(s.c.ID()))
	b = resp.AppendBulkString(resp.AppendBulkString(b, "mode"), "standalone")
	b = resp.AppendBulkString(resp.AppendBulkString(b, "role"), "master")
	b = resp.AppendArray(resp.AppendBulkString(b, "modules"), 0)
	s.say(b)
	return true
}

var defaultUser = []byte("default")

func (s *respSession) auth(args [][]byte) bool {
	switch {
	case len(args) > 3:
		return s.syntax()
	case s.srv.opts.Password == "":
		s.fail("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
		return true
	}
	password := args[len(args)-1]
	if len(args) == 3 && !bytes.Equal(args[1], defaultUser) {
		password = nil
	}
	if s.authenticate(password) {
		return s.ok()
	}
	return true
}

const (
	// firstAuthDelay is how long the answer to a wrong password takes, in milliseconds; each further one on a connection takes twice as long.
	firstAuthDelay = 100
	maxAuthDelay   = 3200
	// maxAuthFailures is how many wrong passwords a connection may say.
	maxAuthFailures = 10
)

// authenticate checks a password; nil is never right. What is wrong is answered after a while, and nothing is read until then.
func (s *respSession) authenticate(password []byte) bool {
	said := sha256.Sum256(password)
	if subtle.ConstantTimeCompare(said[:], s.srv.password[:]) == 1 && (password != nil || s.srv.opts.Password == "") {
		s.authed, s.failures = true, 0
		return true
	}
	s.authed = s.srv.opts.Password == ""
	s.here.counters.authFailures.Add(1)
	s.here.counters.errors.Add(1)
	s.srv.opts.Logger.Warn("a client of RESP said a wrong password", "remote", s.c.RemoteAddr(), "failures", s.failures+1)
	delay := int64(min(firstAuthDelay<<s.failures, maxAuthDelay))
	s.failures++
	x := s.slot()
	x.text, x.known = []byte("-WRONGPASS invalid username-password pair or user is disabled.\r\n"), true
	s.c.Queue(&x.Slot, x)
	s.c.Await()
	s.punished = true
	last := s.failures >= maxAuthFailures
	s.here.loop.At(s.here.loop.Now()+delay, loop.Func(func() {
		s.punished = false
		x.Reply(engine.Reply{})
		if last {
			s.c.Finish()
		}
		s.proceed()
	}))
	return false
}

func (s *respSession) quit([][]byte) bool {
	s.leaveAll(1000)
	s.ok()
	s.c.Finish()
	return true
}

func (s *respSession) resets([][]byte) bool {
	s.leaveAll(1000)
	s.listening = 0
	x := s.slot()
	x.text, x.known, x.leaves = []byte("+RESET\r\n"), true, leavesAll
	s.reset()
	s.c.Queue(&x.Slot, x)
	x.Reply(engine.Reply{})
	return true
}

func (s *respSession) ping(args [][]byte) bool {
	switch {
	case len(args) > 2:
		s.fail("ERR wrong number of arguments for 'ping' command")
	case s.v < resp.V3 && s.listening > 0:
		var message []byte
		if len(args) == 2 {
			message = args[1]
		}
		s.say(resp.AppendBulk(resp.AppendBulkString(resp.AppendArray(nil, 2), "pong"), message))
	case len(args) == 2:
		s.say(resp.AppendBulk(nil, args[1]))
	default:
		s.say(sayPong)
	}
	return true
}

func (s *respSession) echo(args [][]byte) bool {
	s.say(resp.AppendBulk(nil, args[1]))
	return true
}

func (s *respSession) selects(args [][]byte) bool {
	if string(args[1]) != "0" {
		s.fail("ERR DB index is out of range")
		return true
	}
	return s.ok()
}

// maxClientName bounds the names that clients give themselves.
const maxClientName = 256

// nameFits checks a name of CLIENT SETNAME and its like, and answers if it is none.
func (s *respSession) nameFits(name string) bool {
	fits := len(name) <= maxClientName
	for i := range len(name) {
		fits = fits && name[i] > ' ' && name[i] <= '~'
	}
	if !fits {
		s.fail("ERR Client names cannot contain spaces, newlines or special characters.")
	}
	return fits
}

func (s *respSession) client(args [][]byte) bool {
	sub, rest := args[1], args[2:]
	switch {
	case is(sub, "ID") && len(rest) == 0:
		s.say(resp.AppendInt(nil, int64(s.c.ID())))
	case is(sub, "GETNAME") && len(rest) == 0:
		if s.name == "" {
			s.say(resp.AppendNull(nil, s.v))
		} else {
			s.say(resp.AppendBulkString(nil, s.name))
		}
	case is(sub, "SETNAME") && len(rest) == 1:
		if name := string(rest[0]); s.nameFits(name) {
			s.name = name
			s.ok()
		}
	case is(sub, "SETINFO") && len(rest) == 2:
		at := 0
		switch {
		case is(rest[0], "LIB-NAME"):
		case is(rest[0], "LIB-VER"):
			at = 1
		default:
			s.fail("ERR Unrecognized option '" + printable(rest[0]) + "'")
			return true
		}
		if text := string(rest[1]); s.nameFits(text) {
			s.lib[at] = text
			s.ok()
		}
	case (is(sub, "INFO") || is(sub, "LIST")) && len(rest) == 0:
		s.say(resp.AppendVerbatim(nil, s.v, "txt", s.describe()))
	case (is(sub, "NO-EVICT") || is(sub, "NO-TOUCH")) && len(rest) == 1 && (is(rest[0], "ON") || is(rest[0], "OFF")):
		s.ok()
	case is(sub, "ENCODING") && len(rest) == 0:
		s.say(resp.AppendBulkString(nil, s.results().String()))
	case is(sub, "ENCODING") && len(rest) == 1:
		switch {
		case is(rest[0], "JSON"):
			s.encoding = encodingJSON
		case is(rest[0], "NATIVE"):
			s.encoding = encodingNative
		case is(rest[0], "VALUE"):
			s.encoding = encodingValue
		default:
			s.fail("ERR unknown encoding '" + printable(rest[0]) + "': want JSON, NATIVE or VALUE")
			return true
		}
		s.ok()
	default:
		s.fail("ERR unknown subcommand or wrong number of arguments for '" + printable(sub) + "'")
	}
	return true
}

func (e encoding) String() string {
	switch e {
	case encodingValue:
		return "VALUE"
	case encodingNative:
		return "NATIVE"
	default:
		return "JSON"
	}
}

// results is how results are written.
func (s *respSession) results() encoding {
	switch {
	case s.encoding != encodingUnset:
		return s.encoding
	case s.v >= resp.V3:
		return encodingNative
	}
	return encodingJSON
}

// describe is the connection's line of CLIENT INFO.
func (s *respSession) describe() string {
	return fmt.Sprintf("id=%d addr=%s laddr=%s name=%s db=0 sub=%d user=default resp=%d lib-name=%s lib-ver=%s\n",
		s.c.ID(), s.c.RemoteAddr(), s.c.LocalAddr(), s.name, s.listening, s.v, s.lib[0], s.lib[1])
}

// configs are the settings that tools ask for: redis-benchmark prints the first two.
var configs = []struct{ name, value string }{{"save", ""}, {"appendonly", "yes"}, {"maxmemory", "0"}, {"databases", "1"}}

func (s *respSession) config(args [][]byte) bool {
	if !is(args[1], "GET") {
		s.fail("ERR unknown subcommand '" + printable(args[1]) + "'")
		return true
	}
	n := 0
	var b []byte
	for _, c := range configs {
		if slices.ContainsFunc(args[2:], func(p []byte) bool { return glob(bytes.ToLower(p), c.name) }) {
			b = resp.AppendBulkString(resp.AppendBulkString(b, c.name), c.value)
			n++
		}
	}
	s.say(append(resp.AppendMap(nil, s.v, n), b...))
	return true
}

func (s *respSession) commands(args [][]byte) bool {
	var b []byte
	switch {
	case len(args) == 1:
		b = resp.AppendArray(nil, len(respCommands))
		for i := range respCommands {
			b = respCommands[i].appendInfo(b, s.v)
		}
	case is(args[1], "COUNT") && len(args) == 2:
		b = resp.AppendInt(nil, int64(len(respCommands)))
	case is(args[1], "LIST") && len(args) == 2:
		b = resp.AppendArray(nil, len(respCommands))
		for i := range respCommands {
			b = resp.AppendBulkString(b, respCommands[i].name)
		}
	case is(args[1], "INFO"):
		names := commandsOf(args[2:])
		b = resp.AppendArray(nil, len(names))
		for _, c := range names {
			if c == nil {
				b = resp.AppendNullArray(b, s.v)
			} else {
				b = c.appendInfo(b, s.v)
			}
		}
	case is(args[1], "DOCS"):
		names := slices.DeleteFunc(commandsOf(args[2:]), func(c *respCommand) bool { return c == nil })
		b = resp.AppendMap(nil, s.v, len(names))
		for _, c := range names {
			b = resp.AppendMap(resp.AppendBulkString(b, c.name), s.v, 3)
			b = resp.AppendBulkString(resp.AppendBulkString(b, "summary"), c.summary)
			b = resp.AppendBulkString(resp.AppendBulkString(b, "since"), "1.0.0")
			b = resp.AppendBulkString(resp.AppendBulkString(b, "group"), c.group)
		}
	default:
		s.fail("ERR unknown subcommand '" + printable(args[1]) + "'")
		return true
	}
	s.say(b)
	return true
}

// commandsOf are the commands of those names, nil for those that there are not; without names all.
func commandsOf(names [][]byte) []*respCommand {
	var all []*respCommand
	for _, name := range names {
		all = append(all, lookupCommand(name))
	}
	if len(names) == 0 {
		for i := range respCommands {
			all = append(all, &respCommands[i])
		}
	}
	return all
}

// appendInfo appends what COMMAND INFO says: name, arity, flags, and no keys.
func (c *respCommand) appendInfo(b []byte, v resp.Version) []byte {
	b = resp.AppendInt(resp.AppendBulkString(resp.AppendArray(b, 6), c.name), int64(c.arity))
	flags := []string{"fast"}
	if c.open {
		flags = append(flags, "no_auth")
	}
	if c.group == "pubsub" {
		flags = append(flags, "pubsub")
	}
	b = resp.AppendSet(b, v, len(flags))
	for _, f := range flags {
		b = resp.AppendSimple(b, f)
	}
	for range 3 {
		b = resp.AppendInt(b, 0)
	}
	return b
}

// info answers INFO.
func (s *respSession) info(args [][]byte) bool {
	wanted := func(section string) bool {
		if len(args) == 1 {
			return true
		}
		return slices.ContainsFunc(args[1:], func(a []byte) bool {
			return is(a, section) || is(a, "all") || is(a, "default") || is(a, "everything")
		})
	}
	var b []byte
	begin := func(section string) bool {
		if !wanted(section) {
			return false
		}
		if len(b) > 0 {
			b = append(b, "\r\n"...)
		}
		b = append(append(append(b, "# "...), section...), "\r\n"...)
		return true
	}
	line := func(name string, v any) { b = fmt.Appendf(b, "%s:%v\r\n", name, v) }
	m, e := s.srv.Metrics(), s.srv.eng.Metrics()
	if begin("Server") {
		line("everloop_version", s.srv.opts.Version)
		line("redis_mode", "standalone")
		line("os", runtime.GOOS+" "+runtime.GOARCH)
		line("loops", s.srv.eng.Loops())
		if started := s.srv.opts.Started; started != 0 {
			line("uptime_in_seconds", max(0, s.here.loop.Wall()-started)/1000)
		}
	}
	if begin("Clients") {
		line("connected_clients", m.Conns)
		line("rooms_joined", m.Rooms)
		line("websockets", e.WebSockets)
	}
	if begin("Memory") {
		used := usedMemory()
		line("used_memory", used)
		line("used_memory_human", strconv.FormatFloat(float64(used)/(1<<20), 'f', 2, 64)+"M")
	}
	if begin("Persistence") {
		line("loading", 0)
		if s.srv.opts.Persistence != nil {
			b = s.srv.opts.Persistence(b)
		}
	}
	if begin("Stats") {
		line("total_connections_received", m.Opened)
		line("total_commands_processed", m.Commands)
		line("total_calls", m.Calls)
		line("calls_in_flight", m.InFlight)
		line("total_error_replies", m.Errors)
		line("auth_failures", m.AuthFailures)
		line("rejected_connections", m.ClientsRefused)
		line("total_messages_received", m.MessagesIn)
		line("total_messages_sent", m.MessagesOut)
		line("total_events", e.Events)
		line("total_object_resets", e.Resets)
		line("evicted_instances", e.Evictions)
		line("alarms", e.Alarms)
		line("failed_alarms", e.FailedAlarms)
	}
	if begin("Keyspace") {
		line("objects", e.Objects)
		line("live_objects", e.Live)
		for _, class := range s.srv.eng.Classes() {
			line("class", class)
		}
	}
	s.say(resp.AppendVerbatim(nil, s.v, "txt", string(b)))
	return true
}

// usedMemory is what the process has of the system's memory, without stopping anything.
func usedMemory() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}

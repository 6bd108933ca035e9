package main

import (
	"bytes"
	"strconv"
)

// The codec of memcached's classic text protocol, as protocol.txt of memcached describes it: bytes in, commands out. It is pure.

// The bounds of the protocol, which are memcached's.
const (
	maxKey   = 250
	maxValue = 1 << 20
	maxLine  = 2048 // of a line; "get" with more keys than fit is several commands
)

// command is one request. Its bytes alias what it was read from.
type command struct {
	name    string   // "" if it is unknown
	keys    [][]byte // one, except for get, gets, gat and gats
	flags   uint32
	exptime int64
	number  uint64 // of cas, incr, decr
	data    []byte
	noreply bool
	// refused is the answer to a command that cannot be run. The bytes are passed over all the same.
	refused string
}

// Answers that several places give.
const (
	badFormat = "CLIENT_ERROR bad command line format\r\n"
	badChunk  = "CLIENT_ERROR bad data chunk\r\n"
	badDelta  = "CLIENT_ERROR invalid numeric delta argument\r\n"
	badTime   = "CLIENT_ERROR invalid exptime argument\r\n"
	tooLarge  = "SERVER_ERROR object too large for cache\r\n"
	unknown   = "ERROR\r\n"
)

// names are the commands, so that reading one allocates nothing.
var names = map[string]string{}

func init() {
	for _, n := range []string{
		"get", "gets", "gat", "gats", "set", "add", "replace", "append", "prepend", "cas", "delete", "incr", "decr", "touch",
		"version", "verbosity", "quit",
	} {
		names[n] = n
	}
}

// readCommand reads the command that in begins with into c. n is how many bytes it takes; 0 if it is incomplete. fatal says that the
// connection cannot be read on, after c.refused was sent.
func readCommand(in []byte, c *command) (n int, fatal bool) {
	*c = command{keys: c.keys[:0]}
	end := bytes.IndexByte(in[:min(len(in), maxLine+2)], '\n')
	if end < 0 {
		if len(in) >= maxLine+2 {
			c.refused = "CLIENT_ERROR line too long\r\n"
			return len(in), true
		}
		return 0, false
	}
	n = end + 1
	rest := bytes.TrimSuffix(in[:end], []byte("\r"))
	word := func() (w []byte) {
		rest = bytes.TrimLeft(rest, " ")
		if i := bytes.IndexByte(rest, ' '); i >= 0 {
			w, rest = rest[:i:i], rest[i:]
			return w
		}
		w, rest = rest, nil
		return w
	}
	refuse := func(w []byte, text string) { // a word that is missing is no command at all
		if len(w) == 0 {
			text = unknown
		}
		if c.refused == "" {
			c.refused = text
		}
	}
	number := func(bits int) uint64 {
		w := word()
		v, err := strconv.ParseUint(string(w), 10, bits)
		if err != nil {
			refuse(w, badFormat)
		}
		return v
	}
	key := func() {
		k := word()
		if len(k) == 0 || len(k) > maxKey {
			refuse(k, badFormat)
		}
		c.keys = append(c.keys, k)
	}
	exptime := func() {
		w := word()
		v, err := strconv.ParseInt(string(w), 10, 64)
		if err != nil {
			refuse(w, badTime)
		}
		c.exptime = v
	}
	switch c.name = names[string(word())]; c.name {
	case "":
		c.refused = unknown
	case "get", "gets", "gat", "gats":
		if c.name[1] == 'a' {
			exptime()
		}
		if len(bytes.TrimLeft(rest, " ")) == 0 {
			c.refused = unknown
		}
		for len(bytes.TrimLeft(rest, " ")) > 0 {
			key()
		}
		return n, false
	case "set", "add", "replace", "append", "prepend", "cas":
		key()
		c.flags = uint32(number(32))
		w := word()
		v, err := strconv.ParseInt(string(w), 10, 64)
		if c.exptime = v; err != nil {
			refuse(w, badFormat)
		}
		size := word()
		length, err := strconv.ParseUint(string(size), 10, 31)
		if c.name == "cas" {
			c.number = number(64)
		}
		c.noreply = string(word()) == "noreply"
		if err != nil {
			refuse(size, badFormat)
		}
		if err != nil || c.refused == unknown {
			return n, false // nobody knows how long the data are, or whether there are any: what comes is the next command
		}
		if length > maxValue { // it would have to be kept to be passed over
			c.refused = tooLarge
			return n, true
		}
		if len(in) < n+int(length)+2 {
			return 0, false
		}
		c.data = in[n : n+int(length) : n+int(length)]
		if string(in[n+int(length):n+int(length)+2]) != "\r\n" {
			c.refused = badChunk
			return n + int(length), true
		}
		return n + int(length) + 2, false
	case "delete":
		key()
		w := word()
		c.noreply = string(w) == "noreply"
		if !c.noreply && len(w) > 0 && string(w) != "0" && c.refused == "" {
			c.refused = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
		}
	case "incr", "decr":
		key()
		w := word()
		v, err := strconv.ParseUint(string(w), 10, 64)
		if c.number = v; err != nil {
			refuse(w, badDelta)
		}
		c.noreply = string(word()) == "noreply"
	case "touch":
		key()
		exptime()
		c.noreply = string(word()) == "noreply"
	case "verbosity":
		c.noreply = bytes.HasSuffix(rest, []byte(" noreply"))
	}
	return n, false
}

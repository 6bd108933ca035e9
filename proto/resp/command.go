package resp

import (
	"fmt"
	"math"
)

// Defaults of [Limits].
const (
	DefaultArgs    = 16 << 10
	DefaultBulk    = 2 << 20
	DefaultCommand = 4 << 20
	DefaultInline  = 64 << 10
)

// Limits bound the commands that a server takes. A field that is 0 or less stands for its default.
type Limits struct {
	// Args is the number of arguments of a command, its name among them. Default 16,384. The slices of a command's arguments
	// take 24 bytes each.
	Args int
	// Bulk is the number of bytes of one argument. Default 2 MiB.
	Bulk int
	// Command is the number of bytes of a whole command as it is sent. It is what a connection must be able to hold unread, so
	// loop.ListenOptions.MaxInbound must be no less. Default 4 MiB.
	Command int
	// Inline is the number of bytes of a command that is a line, without its line break. Default 64 KiB, as with
	// redis-server.
	Inline int
}

// EnsureDefaults sets what is not set.
func (l *Limits) EnsureDefaults() {
	for _, f := range []struct {
		field *int
		value int
	}{{&l.Args, DefaultArgs}, {&l.Bulk, DefaultBulk}, {&l.Command, DefaultCommand}, {&l.Inline, DefaultInline}} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
}

// CommandReader cuts commands from what a client has sent. The zero value works. It holds only how far it has looked at a
// command that is incomplete, so that one of a megabyte which comes in small pieces is not begun anew with each. There is one for
// each connection; it is 16 bytes, and owned by whoever owns the connection.
type CommandReader struct {
	scanned int // what is known of an incomplete command: up to an argument's header, or of a line, bytes without its end
	left    int // arguments from there on; 0: a line, or the command's own header is not known yet
}

// Read takes the command that in begins with. in is everything that has arrived and is not discarded yet: it begins with the same
// bytes as at the last call, if that call found its command incomplete. The command's arguments are appended to args, so the caller
// gives args[:0] of a slice that it keeps. They alias in, except for those of an inline command with quotes, and they have no
// room behind them: appending to one copies it.
//
// n is the number of bytes of the command, which the caller discards when it is done with it. If n is 0, the command is incomplete
// and args is as it was given. If n is more and no argument was added, there was an empty command ("*0", or an empty line),
// which redis-server ignores without an answer.
//
// An error is a [*ProtocolError]; the connection cannot be read on then. l must have its defaults set, see [Limits.EnsureDefaults].
func (r *CommandReader) Read(in []byte, args [][]byte, l *Limits) (out [][]byte, n int, err error) {
	if len(in) == 0 {
		return args, 0, nil
	}
	if in[0] != '*' {
		return r.inline(in, args, l)
	}
	p, left := r.scanned, r.left
	if left > 0 {
		// The command was incomplete. It is passed over to its end before it is taken apart.
		p, left, err = skipArgs(in, p, left, l)
		if left > 0 || err != nil {
			r.scanned, r.left = p, left
			return args, 0, err
		}
		*r = CommandReader{}
	}
	count, p := readLen(in, 1)
	if p <= 0 {
		return args, 0, badLen(p, "multibulk", "mbulk")
	}
	if count <= 0 {
		return args, p, nil
	}
	if count > l.Args {
		return args, 0, &ProtocolError{Limit: "Args", Msg: fmt.Sprintf("Protocol error: invalid multibulk length: "+
			"%d arguments, and %d is the limit: send several commands, or raise Limits.Args of the server", count, l.Args)}
	}
	out = args
	for left = count; left > 0; left-- {
		from, to, err := readArg(in, p, l)
		if err != nil {
			return args, 0, err
		}
		if to < 0 {
			r.scanned, r.left = p, left
			return args, 0, nil
		}
		out = append(out, in[from:to:to])
		p = to + 2
	}
	return out, p, nil
}

// skipArgs passes over arguments from p on, as far as they are complete: to the header of the first that is not.
func skipArgs(in []byte, p, left int, l *Limits) (int, int, error) {
	for left > 0 {
		_, to, err := readArg(in, p, l)
		if err != nil || to < 0 {
			return p, left, err
		}
		p, left = to+2, left-1
	}
	return p, 0, nil
}

// readArg finds the bulk string whose header is at in[p]: its bytes are in[from:to]. If it is incomplete, to is negative.
func readArg(in []byte, p int, l *Limits) (from, to int, err error) {
	if p >= len(in) {
		return 0, -1, nil
	}
	if in[p] != '$' {
		return 0, -1, malformed(fmt.Sprintf("expected '$', got '%c'", printable(in[p])))
	}
	size, from := readLen(in, p+1)
	switch {
	case from <= 0:
		return 0, -1, badLen(from, "bulk", "bulk")
	case size < 0:
		return 0, -1, badLen(lenInvalid, "bulk", "bulk")
	case size > l.Bulk:
		return 0, -1, &ProtocolError{Limit: "Bulk", Msg: fmt.Sprintf("Protocol error: invalid bulk length: "+
			"an argument of %d bytes, and %d is the limit: send it in parts, or raise Limits.Bulk of the server", size, l.Bulk)}
	case size > l.Command-from-2: // the sum might not be an int
		return 0, -1, &ProtocolError{Limit: "Command", Msg: fmt.Sprintf("Protocol error: invalid bulk length: "+
			"a command of %d bytes or more, and %d is the limit: send several commands, or raise Limits.Command of the server", uint64(from)+uint64(size)+2, l.Command)}
	}
	to = from + size
	if to+2 <= len(in) && in[to] == '\r' && in[to+1] == '\n' {
		return from, to, nil
	}
	if to < len(in) && in[to] != '\r' || to+1 < len(in) && in[to+1] != '\n' {
		return 0, -1, malformed("expected CRLF after a bulk string")
	}
	return 0, -1, nil
}

// What readLen reports instead of a position.
const (
	lenIncomplete = 0
	lenInvalid    = -1
	lenTooLong    = -2
)

// maxLenDigits is how many characters a length may have: that of the longest int64 with its sign.
const maxLenDigits = 20

// readLen reads a decimal number and CRLF, from in[p] on. next is the position behind, or one of the constants above. There are
// no leading zeros and no plus sign, as redis-server has it (string2ll).
func readLen(in []byte, p int) (n, next int) {
	// Most are one digit or two.
	if p+2 < len(in) && in[p+1] == '\r' && in[p+2] == '\n' {
		if d := in[p] - '0'; d <= 9 {
			return int(d), p + 3
		}
		return 0, lenInvalid
	}
	negative := p < len(in) && in[p] == '-'
	start := p
	if negative {
		p++
	}
	first := p
	overflow := false
	for ; p < len(in); p++ {
		c := in[p]
		if c == '\r' {
			break
		}
		if c -= '0'; c > 9 || c == 0 && negative && p == first || p > first && in[first] == '0' {
			return 0, lenInvalid
		}
		if p-start >= maxLenDigits {
			return 0, lenTooLong
		}
		if overflow = overflow || n > (math.MaxInt-int(c))/10; !overflow {
			n = 10*n + int(c)
		}
	}
	switch {
	case p == len(in):
		return 0, lenIncomplete
	case p == first, overflow:
		return 0, lenInvalid
	case p+1 == len(in):
		return 0, lenIncomplete
	case in[p+1] != '\n':
		return 0, lenInvalid
	case negative:
		n = -n
	}
	return n, p + 2
}

// badLen is the error for what readLen reports, with the words that redis-server has for the two cases.
func badLen(what int, invalid, tooBig string) error {
	switch what {
	case lenInvalid:
		return malformed("invalid " + invalid + " length")
	case lenTooLong:
		return malformed("too big " + tooBig + " count string")
	default:
		return nil
	}
}

func printable(c byte) byte {
	if c < ' ' || c > '~' {
		return '?'
	}
	return c
}

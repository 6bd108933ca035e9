package resp

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
// each connection; it is 24 bytes, and owned by whoever owns the connection.
type CommandReader struct {
	scanned int // bytes of in that are known, up to an argument's header
	left    int // arguments from there on; 0: the command's own header is not known
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
// An error is a [*ProtocolError]; the connection cannot be read on then. l must have its defaults set.
func (r *CommandReader) Read(in []byte, args [][]byte, l *Limits) (out [][]byte, n int, err error) {
	return args, 0, nil
}

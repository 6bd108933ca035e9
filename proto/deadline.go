package proto

// A connection has one timer, which is moved as little as possible: a session puts its deadline off with every
// request, and that only sets a field. When the timer goes off, it looks at what is really due and is set for
// that.

// SetDeadline makes [Expirer.Expired] be called when the clock of the loop has reached at (see Loop.Now), instead
// of any moment set before. Putting a deadline off costs next to nothing.
func (c *Conn) SetDeadline(at int64) {
	c.deadline = at
	if at < c.armed && !c.gone {
		c.arm(at)
	}
}

// NoDeadline is the moment that never comes.
const NoDeadline = never

func (c *Conn) arm(at int64) {
	l := c.Conn.Loop()
	if !l.Rearm(c.timer, at) {
		c.timer = l.At(at, (*connTimer)(c))
	}
	c.armed = at
}

// connTimer is a Conn as the task of its timer, so that setting it allocates nothing.
type connTimer Conn

// Run looks at what is due.
func (t *connTimer) Run() {
	c := (*Conn)(t)
	c.armed = never
	if c.gone {
		return
	}
	now := c.Conn.Loop().Now()
	if c.watch <= now {
		c.look()
	}
	if c.deadline <= now && !c.gone {
		c.deadline = never
		if e, ok := c.session.(Expirer); ok {
			e.Expired()
		} else {
			c.Finish()
		}
	}
	if at := min(c.deadline, c.watch); at < c.armed && !c.gone {
		c.arm(at)
	}
}

// watchWrites begins to watch whether the client takes what is written.
func (c *Conn) watchWrites() {
	c.taken = c.written - int64(c.Conn.Outbound())
	c.watch = c.Conn.Loop().Now() + c.handler.opts.WriteTimeout.Milliseconds()
	if c.watch < c.armed {
		c.arm(c.watch)
	}
}

// look closes the connection if nothing has been taken since the last look.
func (c *Conn) look() {
	waits := int64(c.Conn.Outbound())
	c.watch = never
	switch taken := c.written - waits; {
	case waits == 0:
		// The next Write begins to watch again.
	case taken == c.taken:
		c.broken = true
		c.Conn.Abort(ErrStalled)
	default:
		c.watchWrites()
	}
}

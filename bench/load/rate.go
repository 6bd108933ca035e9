package load

import "time"

// takeTurns gives each connection the time of its first request.
func (r *run) takeTurns() {
	for i, c := range r.g.conns {
		c.turn = r.began.Add(time.Duration(i) * time.Second / time.Duration(r.g.opts.Rate))
		c.freeAt = r.began
	}
}

// answeredInTurn gives a connection its next turn.
func (r *run) answeredInTurn(c *conn, now time.Time) {
	c.turn = c.turn.Add(time.Duration(len(r.g.conns)) * time.Second / time.Duration(r.g.opts.Rate))
	c.freeAt = now
}

// sendDue sends the requests whose turn has come, and returns how long it is until the next one's; 0: there is none that
// does not wait for an answer.
func (r *run) sendDue() (next time.Duration, err error) {
	if r.g.opts.Rate == 0 {
		return 0, nil
	}
	now := time.Now()
	for i, c := range r.g.conns {
		if c.waiting || !r.more(now) {
			continue
		}
		if wait := c.turn.Sub(now); wait > 0 {
			if next == 0 || wait < next {
				next = wait
			}
			continue
		}
		// What came late because of this generator is not the server's fault, what waited for an answer is.
		due := now
		if c.freeAt.After(c.turn) {
			due = c.turn
		}
		if err := r.send(i, c, due); err != nil {
			return 0, err
		}
	}
	return next, nil
}

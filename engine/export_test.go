package engine

// Outgoing is the number of requests that are under way. Call it while nothing runs.
func (e *Engine) Outgoing() (n int) {
	for _, o := range e.owners {
		n += len(o.outgoing)
	}
	return n
}

// EventsUnderWay is the number of events of entry points that are under way on a loop. Call it while nothing runs.
func (e *Engine) EventsUnderWay(loop int) int { return e.owners[loop].events }

package engine

// EventsUnderWay is the number of events of entry points that are under way on a loop. Call it while nothing runs.
func (e *Engine) EventsUnderWay(loop int) int { return e.owners[loop].events }

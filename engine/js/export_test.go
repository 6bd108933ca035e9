package js

// Remembered is the number of failures that the app's runtimes remember. Call it while nothing runs.
func (a *App) Remembered() (n int) {
	for _, h := range a.hosts {
		for _, rl := range h.realms {
			if rl != nil {
				n += len(rl.failures)
			}
		}
	}
	return n
}

// Away is the number of promises that wait for work off the loop. Call it while nothing runs.
func (a *App) Away() (n int) {
	for _, h := range a.hosts {
		for _, rl := range h.realms {
			if rl != nil {
				n += len(rl.away)
			}
		}
	}
	return n
}

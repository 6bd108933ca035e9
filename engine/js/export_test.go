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

// Bodies is the number of streamed bodies that the app's runtimes read and produce. Call it while nothing runs.
func (a *App) Bodies() (in, out int) {
	for _, h := range a.hosts {
		for _, rl := range h.realms {
			if rl != nil {
				in += len(rl.inbound)
				out += len(rl.outbound)
			}
		}
	}
	return in, out
}

// Collect collects the garbage of every runtime. Call it while nothing runs.
func (a *App) Collect() error {
	for _, h := range a.hosts {
		for _, rl := range h.realms {
			if rl != nil {
				if err := rl.r.RunGC(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

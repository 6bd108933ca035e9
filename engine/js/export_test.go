package js

import (
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

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

// Given counts what the program's actors have given away, and the stubs of such things that they hold.
func (a *App) Given(eng *engine.Engine) (given, held int) {
	for i, h := range a.hosts {
		done := make(chan struct{})
		eng.Post(i, func() {
			defer close(done)
			for _, rl := range h.realms {
				if rl == nil {
					continue
				}
				count := func(p *possessions) {
					if p != nil {
						given, held = given+len(p.given), held+len(p.held)
					}
				}
				for _, o := range rl.objects.All() {
					count(o.has)
				}
				for _, e := range rl.events.All() {
					count(e.has)
				}
			}
		})
		<-done
	}
	return given, held
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

// Held is what the runtimes of the app hold, in bytes. Call it while nothing runs.
func (a *App) Held() (bytes int64) {
	for _, h := range a.hosts {
		for _, rl := range h.realms {
			if rl != nil {
				used, _ := rl.r.Memory()
				bytes += used
			}
		}
	}
	return bytes
}

// Heaps is what the runtimes of the app hold, in bytes, after a collection, and how long the longest took. Call it while
// nothing runs.
func (a *App) Heaps() (bytes int64, longest time.Duration, err error) {
	for _, h := range a.hosts {
		for _, rl := range h.realms {
			if rl == nil {
				continue
			}
			began := time.Now()
			if err := rl.r.RunGC(); err != nil {
				return 0, 0, err
			}
			longest = max(longest, time.Since(began))
			used, _ := rl.r.Memory()
			bytes += used
		}
	}
	return bytes, longest, nil
}

// CollectDue says that each runtime of the first loop is to be collected from a size on, offers it in one round, and returns
// how many there are and how many were collected.
func (a *App) CollectDue(eng *engine.Engine, due func(used int64) int64) (realms, collected int) {
	done := make(chan struct{})
	eng.Post(0, func() {
		defer close(done)
		for _, rl := range a.hosts[0].realms {
			if rl == nil {
				continue
			}
			used, _ := rl.r.Memory()
			at := due(used)
			rl.collectAt = at
			rl.collect()
			realms++
			if rl.collectAt != at {
				collected++
			}
		}
	})
	<-done
	return realms, collected
}

// BodiesOn is Bodies for one loop, and CollectOn Collect: on that loop.
func (a *App) BodiesOn(loop int) (in, out int) {
	for _, rl := range a.hosts[loop].realms {
		if rl != nil {
			in += len(rl.inbound)
			out += len(rl.outbound)
		}
	}
	return in, out
}

func (a *App) CollectOn(loop int) error {
	for _, rl := range a.hosts[loop].realms {
		if rl != nil {
			if err := rl.r.RunGC(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Runtimes is the number of runtimes that the process has.
func Runtimes() int { return vm.Count() }

// Retiring is the number of versions of the program that have runtimes left and are not the current one.
func (a *App) Retiring() int {
	a.program.mu.Lock()
	defer a.program.mu.Unlock()
	return len(a.program.retiring)
}

// Waiting is the number of events of the Worker and of promises that waitUntil has. Call it while nothing runs.
func (a *App) Waiting() (events, promises int) {
	for _, h := range a.hosts {
		for _, rl := range h.realms {
			if rl != nil {
				events += len(rl.events.All())
				promises += len(rl.waits)
			}
		}
	}
	return events, promises
}

// SocketsOn is, for one loop and on that loop: how many WebSockets JavaScript has objects of, how many of them are kept for their holder, and how
// many events of the Worker go on.
func (a *App) SocketsOn(loop int) (objects, kept, events int) {
	for _, rl := range a.hosts[loop].realms {
		if rl == nil {
			continue
		}
		objects += rl.in.SocketObjects()
		count := func(p *possessions) {
			if p != nil {
				kept += len(p.sockets)
			}
		}
		for _, o := range rl.objects.All() {
			count(o.has)
		}
		for _, e := range rl.events.All() {
			count(e.has)
			events++
		}
	}
	return objects, kept, events
}

package js

// Collection of cycles. The engine would collect a runtime by itself when its heap has grown by half, in the middle of a
// turn. The runtimes of a loop grow alike, since objects are spread over them by their IDs: so they would all be collected
// within a moment, and what one of them costs every object of the loop would come eight times in a row. Here a runtime is
// collected behind a turn, and at most one of them in a round of the loop, unless one cannot wait.

// minGrowth is how much a heap grows at least between two collections, in bytes.
const minGrowth = 1 << 20

// collect collects the runtime if its heap has grown enough. Called when no JavaScript is running.
func (rl *realm) collect() {
	used, _ := rl.r.Memory()
	if used < rl.collectAt {
		return
	}
	round := rl.app.eng.Round(rl.host.loop)
	if rl.collectAt > 0 && round == rl.host.collected && used < rl.collectAt+rl.collectAt/4 {
		return // another one was in this round
	}
	if rl.collectAt > 0 { // what a new runtime has is no garbage
		rl.host.collected = round
		if err := rl.r.RunGC(); err != nil {
			rl.lose(err)
			return
		}
		used, _ = rl.r.Memory()
	}
	growth := max(used/2, minGrowth)
	rl.collectAt = used + growth
	// A single turn may leave more behind than fits: then the engine collects in the middle of it.
	rl.r.SetGCThreshold(rl.collectAt + growth)
}

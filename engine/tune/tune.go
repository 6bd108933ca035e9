// Package tune sets the Go runtime for a process that embeds the engine: how many threads run Go code, how often the heap is
// collected, and when memory is given back. What the environment says (GOMAXPROCS, GOGC) wins.
package tune

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

var once sync.Once

// Process tunes the process for the rest of its life. It is for main, before the pool of loops is made: a library must leave it to the
// program that it is a part of. loops is the number of event loops (loop.Options.Loops), at least 1. It sets
//
//   - GOMAXPROCS to loops + 2: a thread for each loop, one for the log's commits and one for the rest. With no more threads than loops a
//     commit waits for a loop to pause, and every answer with it. It is left alone where the environment sets GOMAXPROCS.
//   - the pace of the garbage collector: a collection comes when as much has been allocated since the last one as was live then, which is
//     Go's own pace, but 32 MiB at least, and up to 96 MiB three times as much as was live. So a heap of some megabytes is not collected dozens of times a second, and a
//     large one is no larger than ever.
//   - the return of memory: when the process has been quiet for a second, garbage and free memory of more than 4 MiB and a quarter of
//     what is live are given back to the system. In a process without work it is looked for ever more rarely, down to once in 64 s.
//
// The last two are left alone where the environment sets GOGC, and done once however often Process is called. Any goroutine may call it.
func Process(loops int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, loops) + 2)
	}
	if os.Getenv("GOGC") == "" {
		once.Do(func() {
			tuneGC()
			go newIdleTrimmer(debug.FreeOSMemory).run()
		})
	}
}

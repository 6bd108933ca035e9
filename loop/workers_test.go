package loop

import (
	"bytes"
	"context"
	"runtime"
	"testing"
	"time"
)

// Once there is a pool of loops, gnet's pool of goroutines has no clock any more.
func TestPoolClockStops(t *testing.T) {
	n, err := New(Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close(context.Background())
	stacks := make([]byte, 1<<20)
	for range 3000 {
		if !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("ticktock")) {
			return
		}
		time.Sleep(10 * time.Millisecond) // its goroutine ends when it is run next
	}
	t.Error("the clock goes on: see workers.go for what has changed in the library")
}

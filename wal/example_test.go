package wal_test

import (
	"fmt"
	"os"

	"everloop/wal"
)

func Example() {
	dir, err := os.MkdirTemp("", "wal-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	for range 2 { // two starts
		l, err := wal.Open(dir, wal.Options{})
		if err != nil {
			panic(err)
		}
		rec, err := l.Replay(func(c *wal.Chunk) error {
			return c.Records(func(n wal.LSN, record []byte) error {
				fmt.Printf("replayed %d: %s\n", n, record)
				return nil
			})
		}, nil)
		if err != nil {
			panic(err)
		}
		n, err := l.Append(0, fmt.Appendf(nil, "written in epoch %d", rec.Epoch))
		if err != nil {
			panic(err)
		}
		l.Demand(n)   // something waits for it
		l.EndRound(0) // so the end of the round commits
		if err := l.Close(); err != nil {
			panic(err)
		}
		fmt.Printf("durable up to %d\n", l.Durable())
	}
	// Output:
	// durable up to 1
	// replayed 1: written in epoch 1
	// durable up to 2
}

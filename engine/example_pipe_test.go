package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"everloop/engine"
	"everloop/engine/value"
)

// tally is a class without instances: what it is called with is added to what is stored.
func tally(c *engine.Call) error {
	encoded, _, err := c.Storage.GetRaw("n")
	if err != nil {
		return err
	}
	n := binary.BigEndian.Uint64(c.Args)
	if b, ok := value.BytesOf(encoded); ok {
		n += binary.BigEndian.Uint64(b)
	}
	c.Result = binary.BigEndian.AppendUint64(c.Result, n)
	return c.Storage.PutRaw("n", value.AppendBytes(nil, c.Result), engine.WriteOptions{})
}

// One goroutine has many calls under way. Those of one fsync are answered together.
func ExampleNamespace_Pipe() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	eng, err := engine.Open(engine.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = eng.Close(context.Background()) }()
	if _, err := eng.Register("Tally", engine.DirectOf(tally)); err != nil {
		fmt.Println(err)
		return
	}

	var largest [3]uint64
	var failed error
	pipe := eng.Namespace("Tally").Pipe(256, func(tag uint64, r engine.Reply) {
		if r.Err != nil {
			failed = errors.Join(failed, r.Err)
			return
		}
		largest[tag] = max(largest[tag], binary.BigEndian.Uint64(r.Value)) // what is lent is gone when this returns
	})
	one := binary.BigEndian.AppendUint64(nil, 1)
	for i := range 1000 {
		tag := i % 3
		if err := pipe.CallByName(uint64(tag), fmt.Sprint("tally-", tag), "add", one); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := pipe.Wait(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(largest, failed)
	// Output: [334 333 333] <nil>
}

package engine_test

import (
	"context"
	"fmt"
	"os"

	"everloop/engine"
)

// Counter is an object. Its exported methods can be called by name; they run one at a time.
type Counter struct{ storage *engine.Storage }

// NewCounter makes the instance, at the first call and after each time that the object was idle.
func NewCounter(st *engine.State) (*Counter, error) { return &Counter{st.Storage()}, nil }

// Add adds n to the count and returns it.
func (c *Counter) Add(n int) (int, error) {
	count, _, err := engine.Get[int](c.storage, "count")
	if err != nil {
		return 0, err
	}
	count += n
	return count, c.storage.Put("count", count)
}

func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	for range 2 { // the second time, the count is read from disk
		eng, err := engine.Open(engine.Options{Dir: dir})
		if err != nil {
			fmt.Println(err)
			return
		}
		counters, err := eng.Register("Counter", engine.ClassOf(NewCounter))
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, name := range []string{"visits", "visits", "errors"} {
			var n int
			if err := counters.GetByName(name).Call(ctx, "add", &n, 1); err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(name, n)
		}
		if err := eng.Close(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// visits 1
	// visits 2
	// errors 1
	// visits 3
	// visits 4
	// errors 2
}

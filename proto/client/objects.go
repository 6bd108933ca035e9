package client

import (
	"context"
	"errors"
	"iter"
	"strconv"

	"everloop/proto/resp"
)

// Listed is an object in a listing.
type Listed struct {
	// ID has 64 hexadecimal digits.
	ID string
	// Name is what the object was called by, if HasName: objects that were made by an ID alone have none.
	Name    string
	HasName bool
}

// ListOptions say what [Class.Objects] lists.
type ListOptions struct {
	// Match is a pattern of names (*, ?, [a-z], [^a], \), and objects without a name do not match. Empty for all.
	Match string
	// Count is how many objects the server looks at for one answer, 1 to 1,000. Default 100.
	Count int
}

// errListing ends a listing whose answer is not one.
var errListing = errors.New("client: the answer to OBJECTS is not what docs/format/resp.md says")

// Objects lists the objects of the class that have something durable, from the server, in pieces. An object that is there all the time is
// listed once, others perhaps. An error is the last thing that it yields.
func (cl Class) Objects(ctx context.Context, o ListOptions) iter.Seq2[Listed, error] {
	if o.Count <= 0 {
		o.Count = 100
	}
	return func(yield func(Listed, error) bool) {
		cursor := "0"
		for {
			command := []string{"OBJECTS", cl.name, cursor, "COUNT", strconv.Itoa(o.Count)}
			if o.Match != "" {
				command = append(command, "MATCH", o.Match)
			}
			v, err := cl.c.Do(ctx, command...)
			if err != nil {
				if e, ok := errors.AsType[*Error](err); ok {
					e.Class = cl.name
				}
				yield(Listed{}, err)
				return
			}
			if len(v.Elems) != 2 || len(v.Elems[0].Bytes) == 0 {
				yield(Listed{}, errListing)
				return
			}
			for i := range v.Elems[1].Elems {
				l, ok := listed(&v.Elems[1].Elems[i])
				if !ok {
					yield(Listed{}, errListing)
					return
				}
				if !yield(l, nil) {
					return
				}
			}
			if cursor = string(v.Elems[0].Bytes); cursor == "0" {
				return
			}
		}
	}
}

func listed(v *resp.Value) (Listed, bool) {
	if len(v.Elems) != 2 || v.Elems[0].Kind != resp.BulkString {
		return Listed{}, false
	}
	l := Listed{ID: string(v.Elems[0].Bytes)}
	if name := &v.Elems[1]; name.Kind != resp.Null {
		l.Name, l.HasName = string(name.Bytes), true
	}
	return l, true
}

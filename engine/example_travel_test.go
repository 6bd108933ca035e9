package engine_test

import (
	"context"
	"fmt"
	"os"

	"everloop/engine"
)

// Draft is a text that can go back to what it was.
type Draft struct{ st *engine.State }

func (d *Draft) Write(text string) error { return d.st.Storage().Put("text", text) }

func (d *Draft) Read() (string, error) {
	text, _, err := engine.Get[string](d.st.Storage(), "text")
	return text, err
}

// Mark names the present.
func (d *Draft) Mark(ctx context.Context) (engine.Bookmark, error) {
	return d.st.Storage().CurrentBookmark(ctx)
}

// GoBack restores what a bookmark names: it is there when the object starts next, which it does at once.
func (d *Draft) GoBack(ctx context.Context, to engine.Bookmark) error {
	if _, err := d.st.Storage().RestoreOnNextSession(ctx, to); err != nil {
		return err
	}
	d.st.Abort(fmt.Errorf("gone back to %.8s", to))
	return nil
}

// An object goes back in time, and an operator undoes it from outside.
func ExampleStorage_RestoreOnNextSession() {
	dir, err := os.MkdirTemp("", "everloop")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	e, err := engine.Open(engine.Options{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer e.Close(ctx)
	drafts, err := e.Register("Draft", engine.ClassOf(func(st *engine.State) (*Draft, error) { return &Draft{st}, nil }))
	if err != nil {
		panic(err)
	}
	id := drafts.IDFromName("novel")
	read := func() (text string) {
		if err := drafts.Get(id).Call(ctx, "Read", &text); err != nil {
			panic(err)
		}
		return text
	}
	var before, after engine.Bookmark
	_ = drafts.Get(id).Call(ctx, "Write", nil, "Call me Ishmael.")
	_ = drafts.Get(id).Call(ctx, "Mark", &before)
	_ = drafts.Get(id).Call(ctx, "Write", nil, "It was a dark night.")
	_ = drafts.Get(id).Call(ctx, "Mark", &after)

	_ = drafts.Get(id).Call(ctx, "GoBack", nil, before) // fails, as the object ends in it
	fmt.Println(read())

	if _, err := e.RestoreObject(ctx, "Draft", id, engine.RestorePoint{Bookmark: after}); err != nil {
		panic(err)
	}
	fmt.Println(read())
	// Output:
	// Call me Ishmael.
	// It was a dark night.
}

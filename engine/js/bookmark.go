package js

import (
	"errors"
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// StorageCurrentBookmark is part of [web.StorageHost].
func (rl *realm) StorageCurrentBookmark(object uint64) (vm.Value, error) {
	return rl.bookmark(object, func(s *engine.Storage, done func(engine.Bookmark, error)) { s.StartCurrentBookmark(done) })
}

// StorageBookmarkForTime is part of [web.StorageHost].
func (rl *realm) StorageBookmarkForTime(object uint64, ms int64) (vm.Value, error) {
	return rl.bookmark(object, func(s *engine.Storage, done func(engine.Bookmark, error)) {
		s.StartBookmarkForTime(time.UnixMilli(ms), done)
	})
}

// StorageRestoreNext is part of [web.StorageHost].
func (rl *realm) StorageRestoreNext(object uint64, bookmark string) (vm.Value, error) {
	return rl.bookmark(object, func(s *engine.Storage, done func(engine.Bookmark, error)) {
		s.StartRestoreOnNextSession(engine.Bookmark(bookmark), done)
	})
}

// bookmark is a promise of what start ends with.
func (rl *realm) bookmark(object uint64, start func(*engine.Storage, func(engine.Bookmark, error))) (vm.Value, error) {
	o, p, held, err := rl.promiseOf(object)
	if err != nil {
		return vm.Undefined, err
	}
	start(o.st.Storage(), func(b engine.Bookmark, err error) {
		rl.resumeWith(o, held, func() (vm.Value, error) {
			if err != nil {
				return vm.Undefined, rl.bookmarkError(o, err)
			}
			return rl.r.String(string(b))
		})
	})
	return p, nil
}

// bookmarkError makes an error of time travel in o one that JavaScript sees.
func (rl *realm) bookmarkError(o *object, err error) error {
	if errors.Is(err, engine.ErrBookmark) || errors.Is(err, engine.ErrForeignBookmark) {
		return vm.TypeError("%s", err.Error())
	}
	return rl.refusedBy(o, err)
}

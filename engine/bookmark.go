package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"everloop/wal"
)

// Bookmark names a moment of one object. Of one object's bookmarks, a later one is greater as text. It holds as long as the history that it
// leads to is kept, and for no other object.
//
// It is written as 8 hexadecimal digits of the epoch (how often the data directory had been started), 16 of the number of the record
// that the object is wanted as of, and 32 that bind both to the object, with "-" in between.
type Bookmark string

// What a bookmark, or a moment, is refused with. The first two are TypeErrors in TypeScript.
var (
	// ErrBookmark: the text is no bookmark.
	ErrBookmark = errors.New("Invalid bookmark: it is not what getCurrentBookmark(), getBookmarkForTime() or onNextSessionRestoreBookmark() returns.")
	// ErrForeignBookmark: the bookmark was made for another object, or for another class.
	ErrForeignBookmark = errors.New("Bookmark is not valid for this Durable Object.")
	// ErrFuture: the moment has not come yet.
	ErrFuture = errors.New("Cannot go to a point in time that lies in the future.")
	// ErrHistoryGone is wrapped by errors that say since when history is kept: the moment lies before.
	ErrHistoryGone = errors.New("is not kept any more")
	// ErrBookmarkLost: what the bookmark names was not durable yet when the process ended, and has never happened.
	ErrBookmarkLost = errors.New("The bookmark names a write that was lost when the process ended.")
)

const (
	bookmarkEpoch = 8  // digits
	bookmarkLSN   = 16 // digits
	bookmarkSeal  = 16 // bytes
	bookmarkBytes = bookmarkEpoch + 1 + bookmarkLSN + 1 + 2*bookmarkSeal
)

// bookmarkKind says what a bookmark means. It is part of the seal only.
type bookmarkKind string

const (
	// bookmarkMoment is the object as record lsn left it.
	bookmarkMoment bookmarkKind = "moment"
	// bookmarkUndo is the object as it is at the end of the instance that was running at record lsn: before the next Restore, which
	// may not have come yet.
	bookmarkUndo bookmarkKind = "undo"
)

// objectKey is an object as the log names it.
type objectKey struct {
	class uint32
	id    [32]byte
}

// Plausible reports whether b is written as a bookmark is. Only its object knows whether it is one.
func (b Bookmark) Plausible() bool {
	if len(b) != bookmarkBytes {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if dash := i == bookmarkEpoch || i == bookmarkEpoch+1+bookmarkLSN; dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// bookmark makes a bookmark of an object.
func (k objectKey) bookmark(kind bookmarkKind, epoch uint64, n wal.LSN) Bookmark {
	seal := k.seal(kind, epoch, n)
	return Bookmark(fmt.Sprintf("%0*x-%0*x-%x", bookmarkEpoch, epoch, bookmarkLSN, uint64(n), seal[:bookmarkSeal]))
}

// seal ties a bookmark to its object: a mistake is noticed. It is no secret, as who has the bookmark has the object.
func (k objectKey) seal(kind bookmarkKind, epoch uint64, n wal.LSN) [sha256.Size]byte {
	b := append(make([]byte, 0, 128), "everloop bookmark "...)
	b = append(b, kind...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint32(b, k.class)
	b = append(b, k.id[:]...)
	b = binary.BigEndian.AppendUint64(b, epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(n))
	return sha256.Sum256(b)
}

// parse reads a bookmark of this object: ErrBookmark, ErrForeignBookmark.
func (k objectKey) parse(b Bookmark) (kind bookmarkKind, epoch uint64, n wal.LSN, err error) {
	if !b.Plausible() {
		return "", 0, 0, ErrBookmark
	}
	var raw [bookmarkEpoch/2 + bookmarkLSN/2 + bookmarkSeal]byte
	text := string(b[:bookmarkEpoch] + b[bookmarkEpoch+1:bookmarkEpoch+1+bookmarkLSN] + b[bookmarkEpoch+1+bookmarkLSN+1:])
	if _, err := hex.Decode(raw[:], []byte(text)); err != nil {
		return "", 0, 0, ErrBookmark // not reached: they are digits
	}
	epoch, n = uint64(binary.BigEndian.Uint32(raw[:])), wal.LSN(binary.BigEndian.Uint64(raw[bookmarkEpoch/2:]))
	for _, kind = range []bookmarkKind{bookmarkMoment, bookmarkUndo} {
		if k.bookmark(kind, epoch, n) == b {
			return kind, epoch, n, nil
		}
	}
	return "", 0, 0, ErrForeignBookmark
}

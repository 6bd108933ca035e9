package transfer

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Class is a class of objects, by what it is called and what its IDs are derived from.
type Class struct {
	Name      string `json:"name"`
	UniqueKey string `json:"uniqueKey"`
}

// Object is everything durable of one object, as it is moved.
type Object struct {
	Class Class
	ID    [32]byte
	Name  string // what the ID was made from, if Named
	Named bool
	// Alarm is what is set, Failed what was given up; at most one of them is there.
	Alarm  *Alarm
	Failed *FailedAlarm
	// Keys are in the order of their bytes, each once.
	Keys []Key
	// Place is where it was read, for messages.
	Place string
}

// Key is a key with its value as it is stored (docs/format/value.md).
type Key struct {
	Key   string
	Value []byte
}

// Alarm is an alarm: what it was set for, how many of its runs have failed and count, and when the next is due, unless that is
// the same. Times are milliseconds since 1970 UTC.
type Alarm struct {
	Time    int64  `json:"time"`
	Retries uint32 `json:"retries,omitempty"`
	Next    *int64 `json:"next,omitempty"`
}

// FailedAlarm is an alarm that was given up: what it was set for, how often it ran, when it was given up, and the last error. Times
// are milliseconds since 1970 UTC.
type FailedAlarm struct {
	Time  int64  `json:"time"`
	Runs  uint32 `json:"runs"`
	At    int64  `json:"at"`
	Error string `json:"error"`
}

// empty says that there is nothing to be moved.
func (o *Object) empty() bool { return o.Alarm == nil && o.Failed == nil && len(o.Keys) == 0 }

// Source is what an import reads: the local state of Cloudflare's tools, or an export. Each method may be called several times, by one goroutine.
type Source interface {
	// Classes are the classes of the source. A name is "" where the source knows only the unique key.
	Classes() []Class
	// Migrations are those that the source's classes have had, in order; none where it does not know.
	Migrations() []string
	// Objects reads the objects of the classes whose unique keys are wanted, one after the other, and calls fn with each, which is valid until fn returns. What is wrong with the source is
	// told to wrong, and an object that it concerns is not passed on, unless the problem can be skipped. An error of either ends the reading and is returned.
	Objects(wanted func(uniqueKey string) bool, fn func(*Object) error, wrong func(Problem) error) error
}

// Problem is something that keeps an object, or a part of it, from being imported.
type Problem struct {
	// Place is the file, and the line or key in it.
	Place string
	// Err is what is wrong.
	Err error
	// Skippable says what the user can decide to go on without: "sql" or "facets". "" for what cannot be.
	Skippable string
}

func (p Problem) String() string { return p.Place + ": " + p.Err.Error() }

// checkID says whether an ID was made for a class with this unique key: its second half is a keyed hash of its first, as workerd
// and everloop make it.
func checkID(uniqueKey string, id *[32]byte) bool {
	return bytes.Equal(idMAC(uniqueKey, id[:16]), id[16:])
}

// nameFits says whether an ID was made from a name.
func nameFits(uniqueKey, name string, id *[32]byte) bool {
	return bytes.Equal(idMAC(uniqueKey, []byte(name)), id[:16])
}

func idMAC(uniqueKey string, of []byte) []byte {
	key := sha256.Sum256([]byte(uniqueKey))
	mac := hmac.New(sha256.New, key[:])
	mac.Write(of)
	return mac.Sum(nil)[:16]
}

// parseID reads the 64 digits of an ID.
func parseID(s string) (id [32]byte, ok bool) {
	if len(s) != 64 || strings.ToLower(s) != s {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err == nil
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

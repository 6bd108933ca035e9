package redo

import "encoding/binary"

// Kind says what a record is about.
type Kind byte

// The kinds of records. All other numbers are reserved and refused.
const (
	KindObject       Kind = 0x01
	KindDefineClass  Kind = 0x02
	KindMigration    Kind = 0x03
	KindClassCounter Kind = 0x04
)

// Op says what an operation of an object record does.
type Op byte

// The operations. All other numbers are reserved and refused.
const (
	OpPut         Op = 0x01
	OpDelete      Op = 0x02
	OpDeleteAll   Op = 0x03
	OpSetAlarm    Op = 0x04
	OpDeleteAlarm Op = 0x05
	OpRetryAlarm  Op = 0x06
	OpFailAlarm   Op = 0x07
)

// IDSize is the length of an object's ID.
const IDSize = 32

// AppendObject begins a record of an object without stating its name. The operations are appended behind it.
// class is the number that a DefineClass record gave out; it is never 0.
func AppendObject(dst []byte, class uint32, id *[IDSize]byte) []byte {
	dst = append(dst, byte(KindObject))
	dst = binary.AppendUvarint(dst, uint64(class))
	dst = append(dst, id[:]...)
	return append(dst, 0)
}

// AppendNamedObject begins a record of an object and states its name, which may be empty.
func AppendNamedObject(dst []byte, class uint32, id *[IDSize]byte, name string) []byte {
	dst = append(dst, byte(KindObject))
	dst = binary.AppendUvarint(dst, uint64(class))
	dst = append(dst, id[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(name))+1)
	return append(dst, name...)
}

// AppendPut appends an operation that sets key to value.
func AppendPut(dst []byte, key string, value []byte) []byte {
	dst = appendString(append(dst, byte(OpPut)), key)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// AppendPutBytes is AppendPut with a key in bytes.
func AppendPutBytes(dst, key, value []byte) []byte {
	dst = binary.AppendUvarint(append(dst, byte(OpPut)), uint64(len(key)))
	dst = binary.AppendUvarint(append(dst, key...), uint64(len(value)))
	return append(dst, value...)
}

// AppendDelete appends an operation that removes key.
func AppendDelete(dst []byte, key string) []byte {
	return appendString(append(dst, byte(OpDelete)), key)
}

// AppendDeleteAll appends an operation that removes all keys. The alarm stays; it has an operation of its own.
func AppendDeleteAll(dst []byte) []byte { return append(dst, byte(OpDeleteAll)) }

// AppendSetAlarm appends an operation that sets the alarm to ms milliseconds since 1970 UTC.
func AppendSetAlarm(dst []byte, ms int64) []byte {
	return binary.AppendVarint(append(dst, byte(OpSetAlarm)), ms)
}

// AppendDeleteAlarm appends an operation that removes the alarm.
func AppendDeleteAlarm(dst []byte) []byte { return append(dst, byte(OpDeleteAlarm)) }

// AppendRetryAlarm appends an operation that sets the alarm as it is between two runs: it was set for ms, retries of its runs have
// failed, and the next one is due at next.
func AppendRetryAlarm(dst []byte, ms int64, retries uint32, next int64) []byte {
	dst = binary.AppendVarint(append(dst, byte(OpRetryAlarm)), ms)
	return binary.AppendVarint(binary.AppendUvarint(dst, uint64(retries)), next)
}

// AppendFailAlarm appends an operation that removes the alarm and remembers it as given up at a moment, after so many runs.
func AppendFailAlarm(dst []byte, ms int64, runs uint32, at int64, failure string) []byte {
	dst = binary.AppendVarint(append(dst, byte(OpFailAlarm)), ms)
	dst = binary.AppendVarint(binary.AppendUvarint(dst, uint64(runs)), at)
	return appendString(dst, failure)
}

// PutSize is the number of bytes that AppendPut appends, for accounting and for growing a buffer once.
func PutSize(key string, value []byte) int {
	return 1 + uvarintSize(len(key)) + len(key) + uvarintSize(len(value)) + len(value)
}

// AppendDefineClass appends a record that gives a class its number, which is never 0.
func AppendDefineClass(dst []byte, class uint32, uniqueKey, name string) []byte {
	dst = binary.AppendUvarint(append(dst, byte(KindDefineClass)), uint64(class))
	return appendString(appendString(dst, uniqueKey), name)
}

// AppendMigration appends a record that a migration was applied. details is a value, or empty.
func AppendMigration(dst []byte, tag string, details []byte) []byte {
	dst = appendString(append(dst, byte(KindMigration)), tag)
	dst = binary.AppendUvarint(dst, uint64(len(details)))
	return append(dst, details...)
}

// AppendClassCounter appends a record that says which number the next class gets, which is never 0. For snapshots.
func AppendClassCounter(dst []byte, next uint32) []byte {
	return binary.AppendUvarint(append(dst, byte(KindClassCounter)), uint64(next))
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func uvarintSize(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

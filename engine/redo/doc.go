// Package redo is the codec of redo records: what the engine writes to its log, and reads back when it
// recovers. docs/format/redo.md specifies every byte.
//
// One record is one whole turn (or one committed transaction) of one object, or one fact about the engine. It is
// written by appending to a loop's buffer, with no allocation but the buffer's growth:
//
//	buf = redo.AppendObject(buf, class, &id)
//	buf = redo.AppendPut(buf, "count", value)
//	buf = redo.AppendSetAlarm(buf, ms)
//
// and read by [Parse], which checks the whole record before it returns, so that nothing is half applied:
//
//	rec, err := redo.Parse(record)
//	for ops := rec.Ops(); ops.Next(); {
//		switch ops.Op {
//		case redo.OpPut:
//			store.Put(string(ops.Key), ops.Value)
//		...
//
// All functions are pure. A [Record] and its operations alias the bytes that were parsed: they are valid as
// long as those are.
package redo

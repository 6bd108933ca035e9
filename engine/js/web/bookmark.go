package web

import (
	"math"

	"everloop/engine/js/internal/vm"
)

// minDate is the first moment that Cloudflare takes where an API wants a date, in milliseconds since 1970; maxAlarm is the last.
const minDate = math.MinInt64 / 1_000_000

var errDateEarly = vm.TypeError("This API doesn't support dates before 1687.")

var (
	_ = registerObject("storageCurrentBookmark", 1, func(in *Instance, object uint64, _ vm.Args) (vm.Value, error) {
		return in.Host.StorageCurrentBookmark(object)
	})
	// storageBookmarkForTime(storage, timestamp): a number or a Date, whatever the program made of it.
	_ = registerObject("storageBookmarkForTime", 2, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		if !args.At(1).IsNumber() && in.r.ObjectClass(args.At(1)) != vm.DateObject {
			return vm.Undefined, wrongType("getBookmarkForTime", "DurableObjectStorage", 1, "date")
		}
		ms := in.milliseconds(args.At(1))
		switch {
		case ms != ms || math.IsInf(ms, 0):
			return vm.Undefined, errAlarmDate
		case ms > maxAlarm:
			return vm.Undefined, errAlarmLate
		case ms < minDate:
			return vm.Undefined, errDateEarly
		}
		return in.Host.StorageBookmarkForTime(object, int64(ms))
	})
	// storageRestoreNext(storage, bookmark) is onNextSessionRestoreBookmark; bookmark is a string.
	_ = registerObject("storageRestoreNext", 2, func(in *Instance, object uint64, args vm.Args) (vm.Value, error) {
		return in.Host.StorageRestoreNext(object, string(in.r.AppendString(nil, args.At(1))))
	})
)

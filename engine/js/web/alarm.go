package web

import (
	"math"

	"everloop/engine/js/internal/vm"
)

// maxAlarm is the last moment that Cloudflare has an alarm for, in milliseconds since 1970: as many as nanoseconds fit into 64
// bits.
const maxAlarm = math.MaxInt64 / 1_000_000

var (
	errAlarmDate  = vm.TypeError("The value cannot be converted because it is not a valid Date.")
	errAlarmLate  = vm.TypeError("This API doesn't support dates after 2189.")
	errAlarmEarly = vm.TypeError("setAlarm() cannot be called with an alarm time <= 0")

	keyAllowConcurrency = vm.Intern("allowConcurrency")
	keyAllowUnconfirmed = vm.Intern("allowUnconfirmed")
)

// The methods of an alarm are those of a storage and of a transaction. Each returns a promise, made in one step.
var (
	_ = registerAlarm("storageGetAlarm", "getAlarm", 0, "GetAlarmOptions", func(in *Instance, s Store, _ vm.Args, _ WriteFlags) (vm.Value, error) {
		ms, set, err := in.Host.StorageAlarm(s)
		if err != nil || !set {
			return vm.Null, err
		}
		return vm.Int64(ms), nil
	})
	_ = registerAlarm("storageSetAlarm", "setAlarm", 1, "SetAlarmOptions", func(in *Instance, s Store, args vm.Args, flags WriteFlags) (vm.Value, error) {
		ms := in.milliseconds(args.At(0))
		switch {
		case ms != ms || math.IsInf(ms, 0):
			return vm.Undefined, errAlarmDate
		case ms > maxAlarm:
			return vm.Undefined, errAlarmLate
		case ms < 1:
			return vm.Undefined, errAlarmEarly
		}
		return vm.Undefined, in.Host.StorageSetAlarm(s, int64(ms), flags)
	})
	_ = registerAlarm("storageDeleteAlarm", "deleteAlarm", 0, "SetAlarmOptions", func(in *Instance, s Store, _ vm.Args, flags WriteFlags) (vm.Value, error) {
		return vm.Undefined, in.Host.StorageDeleteAlarm(s, flags)
	})
)

// registerAlarm adds a method of storages and transactions whose options (of class optionsName) stand behind n arguments: none, or a
// date. fn is called once the arguments are of the right type.
func registerAlarm(key, name string, n int, optionsName string, fn func(in *Instance, s Store, args vm.Args, flags WriteFlags) (vm.Value, error)) struct{} {
	return method(key, name, n, func(in *Instance, this vm.Value, args vm.Args) (vm.Value, error) {
		if n == 1 && !args.At(0).IsNumber() && in.r.ObjectClass(args.At(0)) != vm.DateObject {
			return in.rejected(wrongType(name, in.storeName(this), 1, "date"))
		}
		options := args.At(n)
		if !options.IsNullish() && !options.IsObject() {
			return in.rejected(wrongType(name, in.storeName(this), n+1, optionsName))
		}
		flags, err := in.alarmFlags(options)
		if err != nil {
			return in.rejected(err)
		}
		s, err := in.store(this)
		if err != nil {
			return in.rejected(ended(err, name))
		}
		v, err := fn(in, s, args, flags)
		if err != nil {
			return in.rejected(err)
		}
		return in.r.ResolvedPromise(v)
	})
}

// milliseconds is the time of a number or Date.
func (in *Instance) milliseconds(v vm.Value) float64 {
	if v.IsObject() {
		v = in.r.Primitive(v) // a number, which nobody counts
	}
	ms, _ := v.Float64()
	return ms
}

// alarmFlags reads the options of an alarm's method. Getters of them run.
func (in *Instance) alarmFlags(options vm.Value) (flags WriteFlags, err error) {
	if !options.IsObject() {
		return 0, nil
	}
	for _, o := range [...]struct {
		key  vm.Key
		flag WriteFlags
	}{{keyAllowConcurrency, AllowConcurrency}, {keyAllowUnconfirmed, AllowUnconfirmed}} {
		v, err := in.r.Get(options, o.key)
		if err != nil {
			return 0, err
		}
		if in.r.ToBool(v) {
			flags |= o.flag
		}
		in.r.Free(v)
	}
	return flags, nil
}

// ObjectAlarm delivers an alarm to an object, as NewObject returned it: its handler gets the time that the alarm was set to, in
// milliseconds since 1970, and how many runs have failed before.
func (in *Instance) ObjectAlarm(object vm.Value, scheduled int64, retries int) (vm.Value, error) {
	handler, err := in.r.Get(object, keyAlarm)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(handler)
	if !in.r.IsFunction(handler) {
		return vm.Undefined, in.r.Throw(errNoAlarm)
	}
	info, err := in.alarmInfo(scheduled, retries)
	if err != nil {
		return vm.Undefined, err
	}
	defer in.r.Free(info)
	return in.r.Call(handler, object, info)
}

// alarmInfo makes an AlarmInvocationInfo, owned by the caller.
func (in *Instance) alarmInfo(scheduled int64, retries int) (vm.Value, error) {
	info, err := in.r.ObjectProto(in.alarmInfoProto)
	if err != nil {
		return vm.Undefined, err
	}
	for _, p := range [...]struct {
		key   vm.Key
		value vm.Value
	}{{keyScheduledTime, vm.Int64(scheduled)}, {keyRetryCount, vm.Int(int32(retries))}, {keyIsRetry, vm.Bool(retries > 0)}} {
		if err := in.r.Define(info, p.key, p.value, vm.Enumerable|vm.Configurable); err != nil {
			in.r.Free(info)
			return vm.Undefined, err
		}
	}
	return info, nil
}

// HandlesAlarm reports whether an object, as NewObject returned it, has a handler of alarms. A getter of it runs.
func (in *Instance) HandlesAlarm(object vm.Value) (bool, error) {
	v, err := in.r.Get(object, keyAlarm)
	if err != nil {
		return false, err
	}
	defer in.r.Free(v)
	return in.r.IsFunction(v), nil
}

var (
	keyAlarm         = vm.Intern("alarm")
	keyScheduledTime = vm.Intern("scheduledTime")
	keyRetryCount    = vm.Intern("retryCount")
	keyIsRetry       = vm.Intern("isRetry")

	errNoAlarm = vm.PlainError("Attempted to run a scheduled alarm without a handler, did you remember to export an alarm() function?")
)

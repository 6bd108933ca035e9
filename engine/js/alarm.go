package js

import (
	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// HandlesAlarm is part of [engine.AlarmHandler].
func (o *object) HandlesAlarm() bool { return o.alarms }

// StorageAlarm is part of [web.StorageHost].
func (rl *realm) StorageAlarm(s web.Store) (ms int64, set bool, err error) {
	st, err := rl.storage(s)
	if err != nil {
		return 0, false, err
	}
	ms, set, err = st.Alarm()
	return ms, set, rl.storageError(err)
}

// StorageSetAlarm is part of [web.StorageHost].
func (rl *realm) StorageSetAlarm(s web.Store, ms int64, flags web.WriteFlags) error {
	st, err := rl.storage(s)
	if err != nil {
		return err
	}
	return rl.refusedWrite(s, st.SetAlarmMillis(ms, options(flags)))
}

// StorageDeleteAlarm is part of [web.StorageHost].
func (rl *realm) StorageDeleteAlarm(s web.Store, flags web.WriteFlags) error {
	st, err := rl.storage(s)
	if err != nil {
		return err
	}
	return rl.refusedWrite(s, st.DeleteAlarm(options(flags)))
}

// alarm starts the handler of an alarm.
func (o *object) alarm(info *engine.AlarmInfo) (vm.Value, error) {
	return o.rl.in.ObjectAlarm(o.value, info.ScheduledTime, info.RetryCount)
}

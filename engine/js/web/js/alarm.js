// The event of an alarm.

// AlarmInvocationInfo is what a handler of alarms is told.
class AlarmInvocationInfo {
  constructor(key = undefined, scheduledTime, retryCount) {
    if (key !== internal) throw illegalConstructor();
    readOnly(this, "scheduledTime", scheduledTime);
    readOnly(this, "retryCount", retryCount);
    readOnly(this, "isRetry", retryCount > 0);
  }
}
webClass(AlarmInvocationInfo, "AlarmInvocationInfo");

function readOnly(target, name, value) {
  defineProperty(target, name, { __proto__: null, value, enumerable: true, configurable: true });
}

// objectAlarm is called by the host.
function objectAlarm(object, scheduledTime, retryCount) {
  const handler = object.alarm;
  if (typeof handler !== "function") throw new ErrorCtor("Attempted to run a scheduled alarm without a handler, did you remember to export an alarm() function?");
  return apply(handler, object, [new AlarmInvocationInfo(internal, scheduledTime, retryCount)]);
}

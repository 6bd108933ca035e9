// The event of an alarm.

// AlarmInvocationInfo is what a handler of alarms is told. The host makes its objects, with the properties of each.
class AlarmInvocationInfo {
  constructor() {
    throw illegalConstructor();
  }
}
webClass(AlarmInvocationInfo, "AlarmInvocationInfo");

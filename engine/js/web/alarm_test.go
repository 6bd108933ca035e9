package web

import "testing"

func TestAlarmMethods(t *testing.T) {
	actorCases(t, []actorCase{
		{"a number", `await s.setAlarm(1e12 + 0.75); return s.getAlarm()`, "1000000000000", "alarm 1000000000000 0"},
		{"a Date, whatever the program made of it", `const d = new Date(5000); d.valueOf = () => 7; Object.setPrototypeOf(d, null); await s.setAlarm(d); return s.getAlarm()`, "5000", "alarm 5000 0"},
		{"the last moment", `await s.setAlarm(9223372036854); return s.getAlarm()`, "9223372036854", "alarm 9223372036854 0"},
		{"options are for the host", `await s.setAlarm(1, {allowConcurrency: 1, allowUnconfirmed: "x"}); await s.setAlarm(1, null); await s.deleteAlarm({allowUnconfirmed: true})`, "undefined", "alarm 1 3; alarm 1 0; no alarm 2"},
		{"a getter of options that throws", `await s.setAlarm(1, {get allowConcurrency() { throw "thrown" }})`, "rejects thrown", ""},
		{"a getter of options that deletes", `await s.setAlarm(5, {get allowUnconfirmed() { s.deleteAlarm(); return true }})`, "undefined", "no alarm 0; alarm 5 2"},
		{"none", `return (await s.getAlarm()) === null`, "true", ""},
		{
			"no storage", `return Promise.all(["setAlarm", "getAlarm", "deleteAlarm"].map((m) => s[m].call({}, 5).catch((e) => e.message))).then((l) => l.join())`,
			"Illegal invocation,Failed to execute 'getAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'GetAlarmOptions'.,Failed to execute 'deleteAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'SetAlarmOptions'.", "",
		},
	})
}

// TestAlarmEvent calls handlers of alarms as the host does.
func TestAlarmEvent(t *testing.T) {
	for _, c := range []struct{ name, class, want string }{
		{"what it is told", `class extends workers.DurableObject { alarm(...args) { return JSON.stringify(args) + this.constructor.name.length } }`, `[{"scheduledTime":7000,"retryCount":2,"isRetry":true}]0`},
		{"an object of any class", `class { alarm(info) { return String(info.scheduledTime) } }`, "7000"},
		{"it throws", `class { alarm() { throw new RangeError("thrown") } }`, "RangeError: thrown"},
		{"it has gone since", `class { alarm() {} constructor() { this.alarm = 5 } }`, "Error: Attempted to run a scheduled alarm without a handler, did you remember to export an alarm() function?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := withActor(t)
			object := mustEval(t, h, "new ("+c.class+")(o.ctx, env)")
			defer h.r.Free(object)
			v, err := h.in.ObjectAlarm(object, 7000, 2)
			got := h.r.GoString(v)
			h.r.Free(v)
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestHandlesAlarm(t *testing.T) {
	h := withActor(t)
	for source, want := range map[string]string{
		`class { alarm() {} }`: "true", `class extends workers.DurableObject {}`: "false", `class { constructor() { this.alarm = () => {} } }`: "true",
		`class { get alarm() { return 5 } }`: "false", `class { get alarm() { throw new Error("thrown") } }`: "Error: thrown",
	} {
		object := mustEval(t, h, "new ("+source+")(o.ctx, env)")
		has, err := h.in.HandlesAlarm(object)
		h.r.Free(object)
		got := "false"
		switch {
		case err != nil:
			got = err.Error()
		case has:
			got = "true"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}

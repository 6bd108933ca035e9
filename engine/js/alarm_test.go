package js_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"everloop/engine/js"
)

// virtualProgram serves a program and runs test in its bubble: ask(i) runs the i-th of the bodies, which are those of cases.
func virtualProgram(t *testing.T, program string, bodies []string, test func(v *virtual)) {
	t.Helper()
	f := &conformanceFile{program: program}
	for _, code := range bodies {
		f.cases = append(f.cases, conformanceCase{code: code + "\n"})
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		v := serveVirtual(t, f, dir)
		defer v.close()
		test(v)
	})
}

// want asks a body and compares the answer.
func (v *virtual) want(i int, want string) {
	v.t.Helper()
	if got := v.ask(i); got != want {
		v.t.Errorf("body %d: got %s, want %s\n%s", i, got, want, v.logs)
	}
}

// TestAlarmThatTakesTooLong holds that a handler which does not end within 15 minutes is ended, and tried again.
func TestAlarmThatTakesTooLong(t *testing.T) {
	virtualProgram(t, `
import { DurableObject } from "cloudflare:workers";
export class Slow extends DurableObject {
	async alarm(info) {
		const runs = ((await this.ctx.storage.get("runs")) ?? 0) + 1;
		await this.ctx.storage.put("runs", runs);
		if (runs === 1) await new Promise((resolve) => { this.never = resolve; });
		await this.ctx.storage.put("retry", info.retryCount);
	}
	async set() { await this.ctx.storage.setAlarm(Date.now() + 10); }
	async told() { return [await this.ctx.storage.get("runs"), await this.ctx.storage.get("retry"), await this.ctx.storage.getAlarm() === null].join(); }
}`, []string{
		`return env.Slow.getByName("a").set();`,
		`return env.Slow.getByName("a").told();`,
	}, func(v *virtual) {
		v.want(0, "undefined")
		v.pass(14*time.Minute + 59*time.Second)
		v.want(1, "1,,true")
		v.pass(5 * time.Second)
		v.want(1, "2,1,true")
		if !strings.Contains(v.log(), "Alarm exceeded its allowed execution time") {
			t.Errorf("the log does not say why:\n%s", v.log())
		}
	})
}

// TestAlarmSetToThePastInItsHandler holds that the handler is called again at once. (A self-hosted workerd does that in some runs, and lets the alarm
// wait for seconds in others, so it is no case of the conformance suite.)
func TestAlarmSetToThePastInItsHandler(t *testing.T) {
	virtualProgram(t, `
import { DurableObject } from "cloudflare:workers";
export class Again extends DurableObject {
	runs = [];
	async alarm(info) {
		this.runs.push(info.retryCount);
		if (this.runs.length < 3) await this.ctx.storage.setAlarm(1);
	}
	async set() { await this.ctx.storage.setAlarm(Date.now() + 10); }
	async told() { return [this.runs.join("+"), await this.ctx.storage.getAlarm()].join(); }
}`, []string{
		`return env.Again.getByName("a").set();`,
		`return env.Again.getByName("a").told();`,
	}, func(v *virtual) {
		v.want(0, "undefined")
		v.pass(time.Second)
		v.want(1, "0+0+0,")
	})
}

// TestClockIsSet holds that timers go by the time that passes, and alarms by the wall clock, when that is set forward and back.
func TestClockIsSet(t *testing.T) {
	virtualProgram(t, `
import { DurableObject } from "cloudflare:workers";
export class Both extends DurableObject {
	log = [];
	alarm(info) { this.log.push("alarm" + (Date.now() >= info.scheduledTime ? "" : " early")); }
	async start(timer, alarm) {
		const since = performance.now();
		setTimeout(() => this.log.push(performance.now() - since >= timer && performance.now() - since < timer + 10 ? "timer" : "timer at " + (performance.now() - since)), timer);
		this.abort = AbortSignal.timeout(timer + 1); this.abort.onabort = () => this.log.push("signal");
		scheduler.wait(timer + 2).then(() => this.log.push("wait"));
		const ticks = setInterval(() => { this.log.push("tick"); clearInterval(ticks); }, timer + 3);
		await this.ctx.storage.setAlarm(Date.now() + alarm);
	}
	told() { const log = this.log.join(); this.log.length = 0; return log; }
}`, []string{
		`return env.Both.getByName("forward").start(10_000, 3_600_000);`,
		`return env.Both.getByName("forward").told();`,
		`return env.Both.getByName("back").start(10_000, 5_000);`,
		`return env.Both.getByName("back").told();`,
		`return String(Date.now() - new Date().getTime() === 0 && Date.now());`,
	}, func(v *virtual) {
		v.want(0, "undefined")
		v.pass(time.Second)
		v.want(1, "")
		before := v.pool.Wall()
		v.pool.JumpWall(2 * time.Hour)
		if after := v.pool.Wall(); after-before < 7_000_000 {
			t.Fatal("the clock was not set")
		}
		v.pass(2 * time.Second) // a loop looks once a second whether the clock was set
		v.want(1, "alarm")
		v.pass(8 * time.Second)
		v.want(1, "timer,signal,wait,tick")

		v.want(2, "undefined")
		v.pass(time.Second)
		v.pool.JumpWall(-time.Hour)
		v.pass(10 * time.Second)
		v.want(3, "timer,signal,wait,tick") // the alarm's moment has to come again
		if n := v.eng.Metrics().AlarmRuns; n != 1 {
			t.Errorf("%d alarms have run before the hour, want 1", n)
		}
		v.pass(time.Hour)
		// The instance of the first ones has gone meanwhile, and the alarm has brought the object back.
		if got := v.ask(3); got != "alarm" && got != "" {
			t.Errorf("after the hour: %s", got)
		}
		if v.eng.Metrics().AlarmRuns != 2 {
			t.Errorf("%d alarms have run, want 2\n%s", v.eng.Metrics().AlarmRuns, v.logs)
		}
	})
}

// TestAlarmThatNeverEnds interrupts a handler that computes without end. The turn's writes are taken back, the run counts as failed, and
// others are served.
func TestAlarmThatNeverEnds(t *testing.T) {
	v := serve(t, `import { DurableObject } from "cloudflare:workers";
export class OBJECT extends DurableObject {
	async alarm(info) {
		await this.ctx.storage.put("lost", 1);
		await this.ctx.storage.put("retry", info.retryCount);
		if (info.retryCount === 0) { this.ctx.storage.delete("retry"); for (;;) ; }
	}
	async fetch(request) {
		if (request.url.endsWith("/set")) { await this.ctx.storage.setAlarm(Date.now() + 1); return new Response("set"); }
		return new Response([await this.ctx.storage.get("retry"), await this.ctx.storage.getAlarm() === null].join());
	}
}
export default { fetch(request, env) { return env.OBJECT.getByName(new URL(request.url).pathname.split("/")[1]).fetch(request); } };
`, setup{opts: js.Options{CPULimit: 200 * time.Millisecond}})
	if got := v.get("/a/set"); got != "set" {
		t.Fatal(got)
	}
	for {
		if got := v.get("/a"); got == "1,true" {
			break
		}
		if got := v.get("/b"); got != ",true" {
			t.Fatalf("another object answers %s", got)
		}
	}
	for _, want := range []string{"computed longer than it may", "an alarm has failed and is tried again"} {
		if !strings.Contains(v.logs.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, v.logs)
		}
	}
}

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"everloop/proto/admin"
)

// The program of the tests of failed alarms: an object without a handler, whose alarm can be set in its constructor alone, and is given up
// at once; one with a handler that fails or not. The Worker serves a page that would like to run alarms.
const cracked = `import { DurableObject } from "cloudflare:workers";
const once = new Set<string>(); // an instance that goes and comes back does not set it anew
export class Mute extends DurableObject {
	constructor(ctx: DurableObjectState, env: unknown) {
		super(ctx, env);
		if (!once.has(ctx.id.toString())) ctx.storage.setAlarm(Date.now());
		once.add(ctx.id.toString());
	}
	fetch() { return new Response("ok\n"); }
}
export class Bell extends DurableObject {
	async fetch(request: Request) {
		await this.ctx.storage.put("broken", new URL(request.url).searchParams.has("broken"));
		await this.ctx.storage.setAlarm(Date.now() + 3600_000);
		return new Response("ok\n");
	}
	async alarm() {
		if (await this.ctx.storage.get("broken")) throw new Error("on \u001b[31mpurpose");
	}
}
export default {
	fetch(request: Request, env: any) {
		const url = new URL(request.url), [, space, name] = url.pathname.split("/");
		if (space === "page") return new Response("<!doctype html><title>page</title><form method=post target=f action='" + url.searchParams.get("to") + "'>"
			+ "<input name=class value=Mute><input name=name value=a></form><iframe name=f></iframe>", { headers: { "content-type": "text/html" } });
		return env[space].getByName(decodeURIComponent(name)).fetch(request);
	},
};
`

// crackedAlarms serves the program, and returns once the alarms of these objects of Mute were given up.
func crackedAlarms(t *testing.T, env []string, names ...string) *process {
	t.Helper()
	p := serveAs(t, setup{env: env}, program(t, map[string]string{"cracked.ts": cracked})+"/cracked.ts", "--data", t.TempDir())
	for _, name := range names {
		p.want("/MUTE/"+name, http.StatusOK, "ok")
	}
	waitFor(t, "the end of the alarms", func() bool { return strings.Count(p.log.String(), "is given up,") == len(names) })
	return p
}

// alarms runs `everloop alarms` against the process.
func (p *process) alarms(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	return everloop(p.t, []string{"EVERLOOP_ADMIN=" + p.admin}, append([]string{"alarms"}, args...)...)
}

func TestAlarmsCommand(t *testing.T) {
	t.Parallel()
	p := crackedAlarms(t, nil)
	if stdout, stderr, code := p.alarms("failed"); code != exitOK || stdout != "no alarm was given up\n" || stderr != "" {
		t.Errorf("with none: %d %q %q", code, stdout, stderr)
	}
	if stdout, _, code := p.alarms("failed", "--json"); code != exitOK || stdout != "" {
		t.Errorf("with none, as JSON: %d %q", code, stdout)
	}
	p.stop()

	p = crackedAlarms(t, nil, "a", "b%20c%1b")
	stdout, stderr, code := p.alarms("failed")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != exitOK || stderr != "" || len(lines) != 3 {
		t.Fatalf("the list: %d %q %q", code, stdout, stderr)
	}
	for i, want := range []string{"CLASS  OBJECT   RUNS  WAS SET FOR           GIVEN UP              LAST ERROR", "Mute ", "Mute "} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d is %q", i, lines[i])
		}
	}
	for _, want := range []string{`  a        1     20`, `  b c\x1b  1  `, "Attempted to run a scheduled alarm without a handler"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	stdout, _, code = p.alarms("failed", "--json")
	var a admin.FailedAlarm
	if err := json.NewDecoder(strings.NewReader(stdout)).Decode(&a); code != exitOK || err != nil || a.Class != "Mute" || a.Name != "a" || a.FailedAt < a.ScheduledTime || strings.Count(stdout, "\n") != 2 {
		t.Errorf("as JSON: %d %v\n%s", code, err, stdout)
	}

	p.want("/BELL/good", http.StatusOK, "ok")
	p.want("/BELL/bad?broken", http.StatusOK, "ok")
	for _, c := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"Bell", "good"}, exitOK, "the alarm of Bell good has run\n", ""},
		{[]string{"Bell", "good"}, exitFailed, "", "has no alarm: none is set, and none was given up\n"},
		{[]string{"Bell", "bad"}, exitFailed, "", "the alarm of Bell bad has run and failed: on \\x1b[31mpurpose\nThe daemon's log has"},
		{[]string{"Mute", a.ID}, exitFailed, "", "has run and failed: Attempted to run a scheduled alarm without"},
		{[]string{"Mute", a.ID, "--name"}, exitFailed, "", "has no alarm"},
		{[]string{"Moot", "a"}, exitFailed, "", `no class "Moot": there are Bell, Mute`},
		{[]string{"Bell", a.ID}, exitFailed, "", "Durable Object ID is not valid for this namespace."},
		{[]string{"Mute"}, exitUsage, "", `expected "<name-or-id>"`},
		{[]string{"Mute", "a", "--admin", "unix:/x"}, exitUsage, "", "--admin: unix:/x is a socket file"},
		{[]string{"Mute", "a", "--admin", "here"}, exitUsage, "", `--admin: "here" is neither HOST:PORT`},
	} {
		stdout, stderr, code := p.alarms(append([]string{"run"}, c.args...)...)
		if code != c.code || stdout != c.stdout || !strings.Contains(stderr, c.stderr) || (stderr == "") != (c.stderr == "") {
			t.Errorf("run %q: %d %q %q", c.args, code, stdout, stderr)
		}
	}
	p.stop()
}

// TestAlarmsCommandWithoutADaemon: what is said when there is none, or something else, or one with a token.
func TestAlarmsCommandWithoutADaemon(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close() // nothing listens on its port
	refuses, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer refuses.Close()
	go func() {
		for {
			c, err := refuses.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	other := strings.TrimPrefix(serveHTTP(t, http.NotFound), "http://")
	const token = "sixteen-letters-"
	p := crackedAlarms(t, []string{"EVERLOOP_ADMIN_TOKEN=" + token}, "a")
	for _, args := range [][]string{{"failed"}, {"run", "Mute", "a"}} {
		for _, c := range []struct{ name, addr, want string }{
			{"nobody", nobody.Addr().String(), "no daemon listens on " + nobody.Addr().String() + ": start one with `everloop serve`, or name its admin address with --admin"},
			{"somebody who hangs up", refuses.Addr().String(), "went away before it had answered"},
			{"another server", other, "is not the admin side of an everloop that knows this command (it answers 404 Not Found)"},
			{"the program's own address", p.listen, "is not the admin side of an everloop"},
			{"a token is missing", p.admin, "wants its token: set EVERLOOP_ADMIN_TOKEN"},
		} {
			stdout, stderr, code := everloop(t, nil, append(append([]string{"alarms"}, args...), "--admin", c.addr)...)
			if code != exitFailed || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("%v, %s: %d %q %q", args, c.name, code, stdout, stderr)
			}
		}
	}
	if stdout, stderr, code := everloop(t, []string{"EVERLOOP_ADMIN=" + p.admin, "EVERLOOP_ADMIN_TOKEN=" + token}, "alarms", "failed"); code != exitOK || !strings.Contains(stdout, "Mute") {
		t.Errorf("with the token: %d %q %q", code, stdout, stderr)
	}
	p.stop()
}

// TestAlarmsInABrowser: the button of the admin page runs an alarm, and no other page of this machine can.
func TestAlarmsInABrowser(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	p := crackedAlarms(t, nil, "a")
	ran := func() int { return strings.Count(p.log.String(), "was run by hand") }
	action := "http://" + p.admin + "/alarms/run"

	// The program's own page, on another port of the same address.
	page := b.open("http://"+p.listen+"/page/?to="+action, true)
	page.wait(`document.readyState + document.title`, "completepage")
	page.run(`new Promise((done) => { document.querySelector("iframe").onload = done; document.querySelector("form").submit(); })`)
	page.run(`fetch("` + action + `", { method: "POST", mode: "no-cors", body: new URLSearchParams({ class: "Mute", name: "a" }) }).then(() => 1)`)
	if n := ran(); n != 0 {
		t.Errorf("another page has run the alarm %d times", n)
	}

	side := b.open("http://"+p.admin+"/", true)
	side.wait(`document.readyState + document.querySelector(".alarms td").textContent.slice(0, 6)`, "completeMute a")
	side.run(`document.querySelector("button").click()`)
	side.wait(`document.querySelector(".notice")?.textContent.includes("has run and failed: Attempted to run")`, "true")
	if n := ran(); n != 1 {
		t.Errorf("the button has run the alarm %d times", n)
	}
	p.stop()
}

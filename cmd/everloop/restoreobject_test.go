package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// notebook is a project whose objects keep what they are told, and can go back in time by themselves.
var notebook = map[string]string{"wrangler.jsonc": `{
	"name": "notebook", "main": "program.ts",
	"durable_objects": { "bindings": [{ "name": "Notebook", "class_name": "Notebook" }] },
	"migrations": [{ "tag": "v1", "new_sqlite_classes": ["Notebook"] }],
}`, "program.ts": `
import { DurableObject } from "cloudflare:workers";
export class Notebook extends DurableObject {
	async fetch(request) {
		const url = new URL(request.url), s = this.ctx.storage, q = url.searchParams;
		switch (url.pathname.split("/")[2]) {
		case "put": await s.put(q.get("key"), q.get("value")); return new Response("ok");
		case "clear": await s.deleteAll(); return new Response("ok");
		case "bookmark": return new Response(await s.getCurrentBookmark());
		case "at": return new Response(await s.getBookmarkForTime(new Date(+q.get("ms"))));
		case "back": {
			const undo = await s.onNextSessionRestoreBookmark(q.get("bookmark"));
			this.ctx.waitUntil(Promise.resolve().then(() => {}));
			setTimeout(() => this.ctx.abort("going back"), 0);
			return new Response(undo);
		}
		}
		return new Response([...(await s.list())].map(([k, v]) => k + "=" + v).join());
	}
}
export default {
	fetch(request, env) {
		const name = new URL(request.url).pathname.split("/")[1];
		return env.Notebook.getByName(name).fetch(request);
	},
};
`}

// tell runs the command line, which has to succeed, and returns what it prints.
func tell(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, &out, &errs); code != exitOK {
		t.Fatalf("%v: exit %d\n%s%s", args, code, out.String(), errs.String())
	}
	return out.String()
}

// undoOf is the command that the output says undoes it, without its first word.
func undoOf(t *testing.T, out string) []string {
	t.Helper()
	_, line, ok := strings.Cut(out, "to undo it: everloop ")
	if !ok {
		t.Fatalf("no undo in %q", out)
	}
	return strings.Fields(line)
}

// TestRestoreOneObject restores and forks an object of a real program while clients write to it and to others, undoes it, and does it again
// with the daemon stopped.
func TestRestoreOneObject(t *testing.T) {
	data := t.TempDir()
	p := serve(t, program(t, notebook), "--data", data)
	admin := p.admin
	put := func(name, value string) {
		t.Helper()
		p.want(fmt.Sprintf("/%s/put?key=n&value=%s", name, value), 200, "ok")
	}
	put("a", "first")
	time.Sleep(20 * time.Millisecond) // the moment to go back to is behind that commit by the clock, and before the next one
	then := time.Now()
	time.Sleep(20 * time.Millisecond)
	put("a", "second")

	// Load on this object and others while it is restored.
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var writes atomic.Int64
	for i := range 4 {
		clients.Go(func() {
			client := p.newClient(1)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				// A request that the restore resets is answered 500.
				if _, _, err := ask(client, fmt.Sprintf("/%s/put?key=load%d&value=%d", []string{"a", "b"}[i%2], i, n)); err != nil {
					t.Errorf("load: %v", err)
					return
				}
				writes.Add(1)
			}
		})
	}
	waitFor(t, "load", func() bool { return writes.Load() > 200 })
	tell(t, "restore", "--admin", admin, "--object", "Notebook", "a", "--as", "fork", "--at", then.UTC().Format(time.RFC3339Nano))
	p.want("/fork/get", 200, "n=first")
	out := tell(t, "restore", "--admin", admin, "--object", "Notebook", "a", "--at", then.Format(time.RFC3339Nano))
	during := writes.Load()
	waitFor(t, "load behind the restore", func() bool { return writes.Load() > during+100 })
	close(stop)
	clients.Wait()
	if _, body := p.get("/a/get"); !strings.Contains(body, "n=first") {
		t.Errorf("the object is %q after the restore: %s", body, out)
	}
	if !regexp.MustCompile(`^Notebook a is what it was after the write of \S+ \(record \d+\): 1 key, \d+ bytes\n`).MatchString(out) {
		t.Errorf("%q", out)
	}
	tell(t, append(undoOf(t, out), "--admin", admin)...)
	if _, body := p.get("/a/get"); !strings.Contains(body, "n=second") {
		t.Errorf("the object is %q after the undo", body)
	}
	p.want("/fork/get", 200, "n=first")
	t.Logf("%d writes meanwhile", writes.Load())

	// By the program itself.
	_, mark := p.get(fmt.Sprintf("/a/at?ms=%d", then.UnixMilli()))
	if status, body := p.get("/a/back?bookmark=" + mark); status != 200 || len(body) != 58 {
		t.Errorf("%d %q", status, body)
	}
	waitFor(t, "the next session", func() bool { _, body := p.get("/a/get"); return body == "n=first" })

	// What cannot be.
	for want, args := range map[string][]string{
		"there is no class \"Nothing\"": {"--object", "Nothing", "a", "--at", "1s"},
		"has something stored already":  {"--object", "Notebook", "a", "--as", "fork"},
		"nothing stored":                {"--object", "Notebook", "never", "--at", then.Format(time.RFC3339Nano)},
		"--at TIME":                     {"--object", "Notebook", "a"},
		"not kept any more":             {"--object", "Notebook", "a", "--at", "2001-01-01 00:00"},
		"lies in the future":            {"--object", "Notebook", "a", "--at", "2999-01-01 00:00"},
		"not valid for this":            {"--object", "Notebook", "fork", "--at", mark},
	} {
		var errs bytes.Buffer
		if code := run(append([]string{"restore", "--admin", admin}, args...), io.Discard, &errs); code != exitFailed || !strings.Contains(errs.String(), want) {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
	resp, err := http.Get("http://" + admin + "/history")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !regexp.MustCompile(`^{"start":{"time":\d+,"epoch":0,"record":0},"end":{"time":\d+,"epoch":1,"record":\d+}}`).Match(text) {
		t.Errorf("%s", text)
	}
	var errs bytes.Buffer
	if code := run([]string{"restore", "--data", data, "--object", "Notebook", "a", "--at", mark}, io.Discard, &errs); code != exitFailed || !strings.Contains(errs.String(), "leave --data away") {
		t.Errorf("a directory in use: exit %d, %s", code, errs.String())
	}

	// With the daemon stopped: by bookmark, by ID.
	p.want("/a/clear", 200, "ok")
	p.want("/fork/put?key=n&value=last", 200, "ok")
	p.stop()
	out = tell(t, "restore", "--data", data, "--object", "Notebook", "a", "--at", mark)
	tell(t, "restore", "--data", data, "--object", "Notebook", "a", "--as", "spare", "--at", mark)
	p = serve(t, program(t, notebook), "--data", data)
	p.want("/a/get", 200, "n=first")
	p.want("/spare/get", 200, "n=first")
	p.stop()
	tell(t, undoOf(t, out)...)
	p = serve(t, program(t, notebook), "--data", data)
	p.want("/a/get", 200, "")
	p.want("/fork/get", 200, "n=last")
	p.stop()
}

package js_test

import (
	"os"
	"path/filepath"
	"testing"

	"everloop/engine/js"
)

const cyclesProgram = `
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
	fetch() {
		for (let i = 0; i < 2000; i++) { const o = { list: new Array(16).fill(i) }; o.self = o; }
		return new Response("ok");
	}
}
export default { fetch(request, env) { return env.ROOM.getByName(new URL(request.url).pathname).fetch(request); } };
`

// TestCollect: garbage that refers to itself goes, runtimes that are due take turns, and one that cannot wait does not.
func TestCollect(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program.js")
	if err := os.WriteFile(file, []byte(cyclesProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := tryServe(t, file, setup{opts: js.Options{Runtimes: 4}})
	if err != nil {
		t.Fatal(err)
	}
	rooms := []string{"/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j"}
	for range 30 {
		for _, path := range rooms {
			if got := v.get(path); got != "ok" {
				t.Fatal(got)
			}
		}
	}
	// Each request leaves about a megabyte.
	before := v.app.Held()
	if limit := int64(4 * 8 << 20); before > limit {
		t.Errorf("the runtimes hold %d bytes, most of it garbage", before)
	}
	realms, collected := v.app.CollectDue(v.eng, func(used int64) int64 { return used })
	if realms != 4 || collected != 1 {
		t.Errorf("%d of %d runtimes that were due were collected in one round, want 1 of 4", collected, realms)
	}
	if realms, collected = v.app.CollectDue(v.eng, func(used int64) int64 { return used / 2 }); collected != realms {
		t.Errorf("%d of %d runtimes that could not wait were collected", collected, realms)
	}
	if realms, collected = v.app.CollectDue(v.eng, func(used int64) int64 { return used + 1 }); collected != 0 {
		t.Errorf("%d of %d runtimes that were not due were collected", collected, realms)
	}
}

package js_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"everloop/engine/js/project"
)

// Every switch before its date, on it, and by its flags, whatever the date.
func TestCompatibilitySwitches(t *testing.T) {
	for _, c := range []struct {
		s             project.Switch
		on, off       string
		before, since string
	}{
		{s: project.FullURL, on: "durable_object_fetch_requires_full_url", off: "durable_object_fetch_allows_relative_url", before: "2021-11-09", since: "2021-11-10"},
		{s: project.RPC, on: "rpc", off: "no_rpc", before: "2024-04-02", since: "2024-04-03"},
		{s: project.CtxExports, on: "enable_ctx_exports", off: "disable_ctx_exports", before: "2025-11-16", since: "2025-11-17"},
		{s: project.RPCParamsDup, on: "rpc_params_dup_stubs", off: "rpc_params_transfer_stubs", before: "2026-01-19", since: "2026-01-20"},
		{s: project.DeleteAllDeletesAlarm, on: "delete_all_deletes_alarm", off: "delete_all_preserves_alarm", before: "2026-02-23", since: "2026-02-24"},
		{s: project.CloseReasonLimit, on: "websocket_close_reason_byte_limit", off: "no_websocket_close_reason_byte_limit", before: "2026-03-02", since: "2026-03-03"},
		{s: project.BinaryTypeBlob, on: "websocket_standard_binary_type", off: "no_websocket_standard_binary_type", before: "2026-03-16", since: "2026-03-17"},
		{s: project.AutoReplyToClose, on: "web_socket_auto_reply_to_close", off: "web_socket_manual_reply_to_close", before: "2026-04-06", since: "2026-04-07"},
	} {
		for _, tt := range []struct {
			date, flag string
			want       bool
		}{
			{c.before, "", false},
			{c.since, "", true},
			{"", "", true},
			{c.before, c.on, true},
			{c.since, c.off, false},
			{"", c.off, false},
		} {
			p := &project.Project{CompatibilityDate: tt.date}
			if tt.flag != "" {
				p.CompatibilityFlags = []string{tt.flag}
			}
			if got := p.On(c.s); got != tt.want {
				t.Errorf("%s: date %q, flag %q: %v", c.on, tt.date, tt.flag, got)
			}
		}
	}
	for _, tt := range []struct {
		flags string
		want  bool
	}{{"", false}, {"nodejs_compat", true}, {"nodejs_compat_v2", true}, {"no_nodejs_compat", false}} {
		p := &project.Project{CompatibilityDate: "2026-11-01", CompatibilityFlags: strings.Fields(tt.flags)}
		if got := p.On(project.NodejsCompat); got != tt.want {
			t.Errorf("%q: %v", tt.flags, got)
		}
	}
}

// What a program sees of the switches that are about stubs and ctx.
func TestOlderPrograms(t *testing.T) {
	const source = `
import { DurableObject } from "cloudflare:workers";
export class C extends DurableObject { fetch(request) { return new Response(request.url + " " + typeof this.ctx.exports); } add(a, b) { return a + b; } }
const attempt = async (f) => { try { return String(await f()); } catch (e) { return e.name + ": " + e.message; } };
export default { async fetch(request, env, ctx) {
	const stub = env.C.getByName("x");
	return new Response([
		await attempt(async () => (await stub.fetch("/a/b?c")).text()),
		await attempt(async () => (await stub.fetch(new URL("http://h/u"))).text()),
		typeof stub.add === "function" ? await stub.add(1, 2) : typeof stub.add,
		typeof ctx.exports,
	].join("\n"));
} };`
	full := "TypeError: Invalid URL"
	for _, tt := range []struct{ date, flags, want string }{
		{"2026-11-01", ``, full + "\nhttp://h/u object\n3\nobject"},
		{"2025-11-16", ``, full + "\nhttp://h/u undefined\n3\nundefined"},
		{"2024-04-02", ``, full + "\nhttp://h/u undefined\nundefined\nundefined"},
		{"2021-11-09", ``, "https://fake-host/a/b?c undefined\nhttp://h/u undefined\nundefined\nundefined"},
		{"2021-11-09", `"durable_object_fetch_requires_full_url", "rpc", "enable_ctx_exports"`, full + "\nhttp://h/u object\n3\nobject"},
		{"2026-11-01", `"durable_object_fetch_allows_relative_url", "no_rpc", "disable_ctx_exports"`, "https://fake-host/a/b?c undefined\nhttp://h/u undefined\nundefined\nundefined"},
	} {
		config := fmt.Sprintf(`{"name": "p", "main": "index.ts", "compatibility_date": %q, "compatibility_flags": [%s], "durable_objects": {"bindings": [{"name": "C", "class_name": "C"}]}}`, tt.date, tt.flags)
		e := edit(t, setup{}, "wrangler.jsonc", config, "index.ts", source)
		if got := e.get("/"); got != tt.want {
			t.Errorf("%s %s:\n got %q\nwant %q", tt.date, tt.flags, got, tt.want)
		}
	}
}

// Bindings of kinds that are not there load, can be looked at, and throw when they are used, naming themselves and their kind.
func TestForeignBindings(t *testing.T) {
	var config, want []string
	add := func(name, text, kind string) {
		config = append(config, text)
		want = append(want, fmt.Sprintf("%s: The binding %s (%s) is of a kind that everloop does not have.", name, name, kind))
	}
	list := func(kinds ...string) {
		for _, kind := range kinds {
			name := strings.ToUpper(kind)
			add(name, fmt.Sprintf(`%q: [{"binding": %q, "id": "x"}]`, kind, name), kind)
		}
	}
	one := func(kinds ...string) {
		for _, kind := range kinds {
			name := strings.ToUpper(kind)
			add(name, fmt.Sprintf(`%q: {"binding": %q}`, kind, name), kind)
		}
	}
	list("ai_search", "ai_search_namespaces", "analytics_engine_datasets", "artifacts", "d1_databases", "dispatch_namespaces", "flagship", "hyperdrive", "kv_namespaces",
		"mtls_certificates", "pipelines", "r2_buckets", "secrets_store_secrets", "unsafe_hello_world", "vectorize", "vpc_networks", "vpc_services", "worker_loaders", "workflows")
	one("ai", "browser", "images", "media", "stream", "version_metadata")
	add("LIMIT", `"ratelimits": [{"name": "LIMIT", "namespace_id": "1", "simple": {"limit": 1, "period": 10}}]`, "ratelimits")
	add("MAIL", `"send_email": [{"name": "MAIL"}]`, "send_email")
	add("QUEUE", `"queues": {"producers": [{"binding": "QUEUE", "queue": "q"}]}`, "queues")
	add("LOG", `"logfwdr": {"bindings": [{"name": "LOG", "destination": "d"}]}`, "logfwdr")
	add("UNSAFE", `"unsafe": {"bindings": [{"name": "UNSAFE", "type": "x"}]}`, "unsafe")
	config = append(config,
		`"tail_consumers": [{"service": "t"}]`,
		`"services": [{"binding": "OTHER", "service": "other"}]`,
		`"durable_objects": {"bindings": [{"name": "FAR", "class_name": "Far", "script_name": "other"}, {"name": "NEAR", "class_name": "Near", "script_name": "p"}]}`)
	want = append(want,
		"OTHER: The binding OTHER is for another script, other. everloop serves one script: it cannot reach others.",
		"FAR: The binding FAR is for the class Far of another script, other. everloop serves one script: it has no objects of others.",
		"NEAR: near")

	e := edit(t, setup{}, "wrangler.jsonc", `{"name": "p", "main": "index.ts", `+strings.Join(config, ", ")+"}", "index.ts", `
export class Near { fetch() { return new Response("near"); } }
export default { async fetch(request, env) {
	JSON.stringify(env);
	const lines = [];
	for (const name of Object.keys(env)) {
		const binding = env[name];
		if (!binding) throw new Error(name + " is not there");
		await binding; // looking is not using
		let text;
		try { text = binding.getByName ? await (await binding.getByName("x").fetch("http://x/")).text() : "no error"; } catch (e) { text = e.message; }
		lines.push(name + ": " + text);
	}
	return new Response(lines.join("\n"));
} };`)
	got := strings.Split(e.get("/"), "\n")
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d bindings, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

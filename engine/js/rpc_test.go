package js_test

import "testing"

func TestCallByName(t *testing.T) {
	v := serve(t, `
import { DurableObject, RpcTarget } from "cloudflare:workers";
export class OBJECT extends DurableObject {
	n = 5;
	#secret = 1;
	async add(a, b) { return a + b; }
	sync(x) { return { x, m: new Map([[1, new Set([2n])]]), d: new Date(5) }; }
	get size() { return 42; }
	fail() { const e = new RangeError("failed"); e.custom = 5; throw e; }
	async increment(by = 1) { const n = (await this.ctx.storage.get("n") ?? 0) + by; await this.ctx.storage.put("n", n); return n; }
	fetch() { return new Response("fetched"); }
	alarm() {}
	counter() { let n = 0; return { name: "c", inc: (by) => n += by, get: () => n }; }
	async use(f, x) { return "used " + await f(x); }
	target() { return new Target(); }
}
class Target extends RpcTarget {
	x = 1;
	hello(name) { return "hello " + name; }
	get prop() { return "p"; }
}
class Foo {}
export default {
	async fetch(request, env) {
		const stub = env.OBJECT.getByName("a");
		const out = [];
		const tried = async (f) => { try { return await f(); } catch (e) { return e.name + ": " + e.message + (e.remote ? " remote" : "") + (e.code ?? "") + (e.custom ?? ""); } };
		const cases = {
			add: () => stub.add(1, 2),
			sync: async () => { const r = await stub.sync(new Uint8Array([1])); return [r.x[0], r.m.get(1).has(2n), r.d.getTime()]; },
			size: () => stub.size,
			instance: () => stub.n,
			instanceCall: () => stub.n(),
			unknown: () => stub.nope(),
			alarm: () => stub.alarm(),
			constructor_: () => stub.ctx,
			object: () => stub.hasOwnProperty("id"),
			fail: () => stub.fail(),
			foo: () => stub.add(new Foo(), 1),
			thenable: () => typeof stub.add(1, 2).then + (stub.add(1, 1) instanceof Promise) + typeof stub.then,
			keys: () => Object.keys(stub),
			increment: async () => [await stub.increment(), await stub.increment(2)],
			fetch: async () => (await stub.fetch("http://x/")).text(),
			counter: async () => { const c = await stub.counter(); return [c.name, await c.inc(2), await c.inc(3), await c.get()]; },
			callback: () => stub.use((x) => x * 2, 4),
			pipeline: () => stub.counter().inc(7),
			pipelineProp: () => stub.counter().name,
			target: async () => { const t = await stub.target(); return [await t.hello("x"), await t.prop, await tried(() => t.x), await tried(() => t.nope())]; },
			pipeTarget: () => stub.target().hello("y"),
			pipeError: () => stub.fail().a.b(),
			catcher: () => stub.fail().catch((e) => "caught " + e.message),
		};
		for (const k in cases) out.push(k + "=" + await tried(cases[k]));
		return new Response(out.join("\n"));
	},
};
`, setup{loops: 2})
	t.Log("\n" + v.get("/"))
	t.Log(v.logs)
}

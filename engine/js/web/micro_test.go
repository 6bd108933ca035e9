package web

import "testing"

func BenchmarkPieces(b *testing.B) {
	for _, p := range []struct{ name, source string }{
		{"empty", ``},
		{"idFromName", `env.NS.idFromName("a")`},
		{"get", `env.NS.get(id)`},
		{"getByName", `env.NS.getByName("a")`},
		{"fetchRequest", `stub.fetch(q)`},
		{"storageGet", `st.get("n")`},
		{"storagePut", `st.put("n", 1)`},
		{"async", `(async()=>1)()`},
		{"asyncReturnPromise", `(async()=>p)()`},
		{"awaitReady", `(async()=>{await p})()`},
		{"requestText", `new Response("hi").text()`},
	} {
		b.Run(p.name, func(b *testing.B) {
			h := newFake(b)
			ns, _ := h.in.Namespace(1)
			g := h.r.Global()
			env, _ := h.r.Object()
			h.r.SetName(env, "NS", ns)
			h.r.SetName(g, "env", env)
			oh, _, _ := h.in.ObjectHandle(1)
			obj, err := h.in.NewObject(mustEval(b, h, `(class { constructor(ctx) { this.ctx = ctx } fetch(r) { return r } })`), oh, env)
			if err != nil {
				b.Fatal(err)
			}
			q, err := h.in.ObjectFetch(obj, benchRequest)
			if err != nil {
				b.Fatal(err)
			}
			h.r.SetName(g, "q", q)
			h.r.SetName(g, "o", obj)
			h.answer = func(string, Message) (Message, error) { return benchAnswer, nil }
			f := mustEval(b, h, `(function(env, q, o) { const id = env.NS.idFromName("a"), stub = env.NS.get(id), st = o.ctx.storage, p = Promise.resolve(1);
				return function() { for (let i = 0; i < 1000; i++) { `+p.source+` } } })(env, q, o)`)
			report := cpuTime(b)
			n := 0
			for b.Loop() {
				h.fetched = h.fetched[:0]
				if _, err := h.r.Call(f, f); err != nil {
					b.Fatal(err)
				}
				h.r.Pump()
				n += 1000
			}
			report(n)
		})
	}
}

import { AutoRouter, Router, IttyRouter, json, error, text, withParams, withContent, cors, StatusError } from "itty-router";

export default async function (print) {
  const router = AutoRouter({ before: [withParams], missing: () => error(404, "nope") });
  router.get("/a/:id", ({ id }) => ({ id })).get("/b/:x?", ({ params, query }) => ({ ...params, q: query.q })).post("/c", withContent, ({ content }) => content).get("/files/:path+", ({ params }) => text(params.path)).get("/err", () => { throw new StatusError(409, { error: "clash" }); }).all("/any", (r) => r.method);
  const go = async (path, init) => { const r = await router.fetch(new Request(`http://x${path}`, init)); print(path, r.status, await r.text(), r.headers.get("content-type")); };
  await go("/a/5"); await go("/b"); await go("/b/y?q=1"); await go("/c", { method: "POST", body: '{"k":[1]}', headers: { "content-type": "application/json" } }); await go("/files/a/b/c"); await go("/err"); await go("/any", { method: "PATCH" }); await go("/missing");
  const { preflight, corsify } = cors(); const r2 = Router({ before: [preflight], finally: [json, corsify] }); r2.get("/x", () => ({ ok: true })); const res = await r2.fetch(new Request("http://x/x", { headers: { origin: "http://o" } })); print(await res.text(), res.headers.get("access-control-allow-origin"));
  const r3 = IttyRouter({ base: "/api" }); r3.get("*", (req) => { req.seen = 1; }).get("/z", (req, env) => `${req.seen} ${env.v}`); print(await r3.fetch(new Request("http://x/api/z"), { v: 9 }));
}

import { Hono } from "hono";
import { cors } from "hono/cors";
import { basicAuth } from "hono/basic-auth";
import { HTTPException } from "hono/http-exception";
import { getCookie, setCookie } from "hono/cookie";
import { sign, verify } from "hono/jwt";
import { streamText } from "hono/streaming";
import { validator } from "hono/validator";
import { etag } from "hono/etag";
import { html } from "hono/html";

export default async function (print) {
  const app = new Hono();
  app.use("*", async (c, next) => { await next(); c.header("X-Seen", c.req.path); });
  app.use("/api/*", cors({ origin: "https://a.example" }));
  app.use("/admin/*", basicAuth({ username: "u", password: "p" }));
  app.use("/tagged", etag());
  app.get("/", (c) => c.text("home"));
  app.get("/hello/:name{[a-z]+}", (c) => c.json({ name: c.req.param("name"), q: c.req.queries("q") }));
  app.post("/api/items", validator("json", (v, c) => (typeof v.n === "number" ? v : c.text("bad", 400))), async (c) => c.json({ got: c.req.valid("json").n + 1 }, 201));
  app.get("/admin/x", (c) => c.text("secret"));
  app.get("/cookie", (c) => { setCookie(c, "s", "1", { httpOnly: true, path: "/" }); return c.text(getCookie(c, "a") ?? "none"); });
  app.get("/boom", () => { throw new HTTPException(418, { message: "teapot" }); });
  app.get("/fail", () => { throw new Error("unexpected"); });
  app.get("/stream", (c) => streamText(c, async (s) => { for (const w of ["a", "b", "c"]) await s.write(w); }));
  app.get("/tagged", (c) => c.text("same"));
  app.get("/html", (c) => c.html(html`<p>${"<b>"}</p>`));
  const sub = new Hono().basePath("/v1"); sub.get("/x/*", (c) => c.text(`sub ${c.req.path}`)); app.route("/sub", sub);
  app.notFound((c) => c.text("nothing here", 404));
  app.onError((e, c) => (e instanceof HTTPException ? e.getResponse() : c.text(`error: ${e.message}`, 500)));
  const show = async (path, init) => { const r = await app.request(path, init); print(path, r.status, await r.text(), r.headers.get("x-seen"), r.headers.get("access-control-allow-origin"), r.headers.get("set-cookie"), r.headers.get("content-type"), r.headers.get("www-authenticate")); return r; };
  await show("/"); await show("/hello/bob?q=1&q=2"); await show("/hello/BOB"); await show("/api/items", { method: "POST", body: '{"n":1}', headers: { "content-type": "application/json", origin: "https://a.example" } }); await show("/api/items", { method: "POST", body: '{"n":"x"}', headers: { "content-type": "application/json" } });
  await show("/admin/x"); await show("/admin/x", { headers: { authorization: `Basic ${btoa("u:p")}` } }); await show("/cookie", { headers: { cookie: "a=b" } }); await show("/boom"); await show("/fail"); await show("/stream"); await show("/html"); await show("/sub/v1/x/y"); await show("/api/items", { method: "OPTIONS", headers: { origin: "https://a.example" } });
  const first = await show("/tagged"); await show("/tagged", { headers: { "if-none-match": first.headers.get("etag") } });
  const token = await sign({ sub: "me", exp: 9999999999 }, "secret", "HS256"); print(token, JSON.stringify(await verify(token, "secret", "HS256")), await verify(token, "wrong", "HS256").catch((e) => e.name));
}

import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  async add(n: number = 1) { const v = ((await this.ctx.storage.get<number>("n")) ?? 0) + n; await this.ctx.storage.put("n", v); return v; }
  echo(x: unknown) { return x; }
  kinds() { return { d: new Date(0), m: new Map<any, any>([["a", 1], ["b", [2]]]), mm: new Map<any, any>([[1, 2]]), s: new Set([1, "x"]), big: 12345678901234567890n, b: new Uint8Array([1, 2, 255]), u: undefined, n: null, f: 1.5, nan: NaN, re: /a+/g, e: new TypeError("no") }; }
  fail() { throw new TypeError("no such thing"); }
  fn() { return () => 1; }
}
export class Chat extends DurableObject {
  async fetch(req: Request) {
    if (req.headers.get("upgrade") !== "websocket") return new Response("no", { status: 426 });
    const [a, b] = Object.values(new WebSocketPair());
    if (this.ctx.id.name === "closed") return new Response("no", { status: 403 });
    this.ctx.acceptWebSocket(b);
    b.serializeAttachment({ url: req.url, name: req.headers.get("x-client-name") });
    return new Response(null, { status: 101, webSocket: a });
  }
  webSocketMessage(ws: WebSocket, m: string | ArrayBuffer) {
    if (m === "bye") { ws.close(4001, "you said so"); return; }
    for (const s of this.ctx.getWebSockets()) s.send(typeof m === "string" ? `${ws.deserializeAttachment().name}: ${m}` : m);
  }
  webSocketClose(ws: WebSocket, code: number, reason: string) { this.ctx.storage.put("closed", [code, reason]); }
  async closed() { return this.ctx.storage.get("closed"); }
  say(m: string) { for (const s of this.ctx.getWebSockets()) s.send(m); return this.ctx.getWebSockets().length; }
  members() { return this.ctx.getWebSockets().map((s) => s.deserializeAttachment()); }
}
export default { fetch() { return new Response("hi"); } };

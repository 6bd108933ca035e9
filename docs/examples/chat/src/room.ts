import { DurableObject } from "cloudflare:workers";
import { type FromServer, type Line, MAX_NAME, MAX_TEXT, parse } from "./protocol";

const KEPT_LINES = 200;

/** What the object knows of a socket. It is with the socket, so it is still there after hibernation. */
interface Attachment {
  name: string;
}

const lineKey = (number: number) => `line:${String(number).padStart(12, "0")}`;

/**
 * A room. While nobody speaks it hibernates: the sockets stay open, the object is not in memory. So it keeps nothing in
 * fields: who is there is in the sockets' attachments, what was said in storage.
 */
export class Room extends DurableObject<unknown> {
  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env);
    // Answered without waking the object.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  async fetch(request: Request): Promise<Response> {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return new Response("This is a WebSocket.\n", { status: 426, headers: { upgrade: "websocket" } });
    }
    const asked = new URL(request.url).searchParams;
    // A client of Redis (`everloop serve --resp`) says its name by CLIENT SETNAME.
    const name = (asked.get("name") ?? request.headers.get("x-client-name") ?? "").replace(/\s+/g, " ").trim();
    if (name === "" || name.length > MAX_NAME) return new Response(`A name has 1 to ${MAX_NAME} characters.\n`, { status: 400 });
    const after = Number(asked.get("after") ?? -1);

    const { 0: client, 1: server } = new WebSocketPair();
    const isNew = !this.people().includes(name);
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment({ name } satisfies Attachment);
    const lines = await this.ctx.storage.list<Line>({ prefix: "line:", ...(after >= 0 && { startAfter: lineKey(after) }) });
    send(server, { type: "welcome", name, people: this.people(), lines: [...lines.values()] });
    if (isNew) this.broadcast({ type: "people", people: this.people() }, server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(ws: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const message = parse(data);
    if (message === null) {
      ws.close(1008, "That is no message of this chat.");
      return;
    }
    const { name } = attachment(ws);
    if (message.type === "typing") {
      this.broadcast({ type: "typing", name }, ws);
      return;
    }
    const text = message.text.trim();
    if (text === "" || text.length > MAX_TEXT) {
      send(ws, { type: "refused", reason: `A message has 1 to ${MAX_TEXT} characters.` });
      return;
    }
    // Nobody comes in between the get and the put, so no number is given twice; and what is sent leaves when the line is on disk.
    const number = (await this.ctx.storage.get<number>("next")) ?? 0;
    const line: Line = { number, id: message.id, name, text, at: Date.now() };
    this.ctx.storage.put({ next: number + 1, [lineKey(number)]: line });
    if (number >= KEPT_LINES) this.ctx.storage.delete(lineKey(number - KEPT_LINES));
    this.broadcast({ type: "line", ...line });
  }

  // A socket that closes, or was lost, is not among getWebSockets any more.
  async webSocketClose(ws: WebSocket): Promise<void> {
    const people = this.people();
    if (!people.includes(attachment(ws).name)) this.broadcast({ type: "people", people });
  }

  async webSocketError(ws: WebSocket): Promise<void> {
    await this.webSocketClose(ws);
  }

  // A person may have the room open more than once.
  private people(): string[] {
    return [...new Set(this.ctx.getWebSockets().filter(isOpen).map((ws) => attachment(ws).name))].sort();
  }

  private broadcast(message: FromServer, except?: WebSocket): void {
    const data = JSON.stringify(message);
    for (const ws of this.ctx.getWebSockets()) if (ws !== except && isOpen(ws)) ws.send(data);
  }
}

const isOpen = (ws: WebSocket) => ws.readyState === WebSocket.OPEN;
const attachment = (ws: WebSocket) => ws.deserializeAttachment() as Attachment;
const send = (ws: WebSocket, message: FromServer) => ws.send(JSON.stringify(message));

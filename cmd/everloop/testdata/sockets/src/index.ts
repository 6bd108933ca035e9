import { DurableObject } from "cloudflare:workers";
import { dial } from "./dial";

export { Dialler } from "./dial";
export { Silent, Wrong } from "./wrong";

// Sockets accepts what comes to it, hibernatably.
abstract class Sockets extends DurableObject {
	async fetch(request: Request): Promise<Response> {
		if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") return this.show();
		const [client, server] = Object.values(new WebSocketPair());
		const headers = this.accept(server, request);
		return new Response(null, { status: 101, webSocket: client, headers });
	}

	accept(server: WebSocket, _request: Request): HeadersInit | undefined {
		this.ctx.acceptWebSocket(server);
		return undefined;
	}

	async show(): Promise<Response> {
		return new Response("Expected WebSocket", { status: 400 });
	}
}

// Room counts its lives in storage, what it has heard in memory, and what each socket has said in its attachment.
export class Room extends Sockets {
	private heard = 0;
	private lives = 0;

	constructor(ctx: DurableObjectState, env: unknown) {
		super(ctx, env);
		ctx.blockConcurrencyWhile(async () => {
			this.lives = ((await ctx.storage.get<number>("lives")) ?? 0) + 1;
			await ctx.storage.put("lives", this.lives);
		});
	}

	accept(server: WebSocket, request: Request): undefined {
		const n = Number(new URL(request.url).searchParams.get("n"));
		if (n === 0) this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
		this.ctx.acceptWebSocket(server, [`n${n}`, n % 2 ? "odd" : "even"]);
		server.serializeAttachment({ n, said: 0 });
	}

	async show(): Promise<Response> {
		const all = this.ctx.getWebSockets();
		return Response.json({
			lives: this.lives,
			heard: this.heard,
			sockets: all.length,
			even: this.ctx.getWebSockets("even").length,
			left: (await this.ctx.storage.get("left")) ?? 0,
			answered: all.filter((ws) => this.ctx.getWebSocketAutoResponseTimestamp(ws) !== null).length,
		});
	}

	webSocketMessage(ws: WebSocket, message: string): void {
		if (message.startsWith("all ")) {
			for (const other of this.ctx.getWebSockets("even")) other.send(message);
			return;
		}
		const { n, said } = ws.deserializeAttachment() as { n: number; said: number };
		ws.serializeAttachment({ n, said: said + 1 });
		ws.send(`${++this.heard} in life ${this.lives}: ${this.ctx.getTags(ws).join()} said ${said}: ${message}`);
	}

	async webSocketClose(_ws: WebSocket, code: number): Promise<void> {
		const left = (await this.ctx.storage.get<number>("left")) ?? 0;
		if (code === 1001) await this.ctx.storage.put("left", left + 1);
	}
}

const made = new Set<string>();

// Fickle can be made once. One of the name "late" fails while it reads what it needs, and others at once.
export class Fickle extends Sockets {
	constructor(ctx: DurableObjectState, env: unknown) {
		super(ctx, env);
		const again = made.has(ctx.id.name!);
		made.add(ctx.id.name!);
		if (ctx.id.name === "late") {
			ctx.blockConcurrencyWhile(async () => {
				await ctx.storage.get("what it needs");
				if (again) throw new Error("once is enough");
			});
		} else if (again) throw new Error("once is enough");
	}

	webSocketMessage(ws: WebSocket): void {
		ws.send("never");
	}
}

// Broken cannot be made.
export class Broken extends Sockets {
	constructor(ctx: DurableObjectState, env: unknown) {
		super(ctx, env);
		throw new RangeError("no such object");
	}
}

// Echo sends back what comes.
export class Echo extends Sockets {
	webSocketMessage(ws: WebSocket, message: string | ArrayBuffer): void {
		ws.send(message);
	}
}

// Talk does what it is told, and sends back the rest. It writes down how its sockets have ended.
export class Talk extends Sockets {
	private ends: string[] = [];

	accept(server: WebSocket, request: Request): HeadersInit | undefined {
		this.ctx.acceptWebSocket(server);
		const offered = request.headers.get("Sec-WebSocket-Protocol")?.split(/, */) ?? [];
		return offered.includes("talk.v2") ? { "Sec-WebSocket-Protocol": "talk.v2" } : undefined;
	}

	async show(): Promise<Response> {
		return new Response(this.ends.join("\n"));
	}

	webSocketMessage(ws: WebSocket, message: string | ArrayBuffer): void {
		const [, code, reason] = (typeof message === "string" && /^close (\d*) ?(.*)$/.exec(message)) || [];
		if (code === undefined) ws.send(message);
		else if (code === "") ws.close();
		else ws.close(Number(code), reason);
	}

	webSocketClose(_ws: WebSocket, code: number, reason: string, wasClean: boolean): void {
		this.ends.push(`closed ${code} ${reason} ${wasClean}`);
	}

	webSocketError(_ws: WebSocket, error: Error): void {
		this.ends.push(`failed ${error.message}`);
	}
}

// Ledger tells what it has written.
export class Ledger extends Sockets {
	async show(): Promise<Response> {
		return Response.json({ entries: (await this.ctx.storage.get("entries")) ?? 0, sockets: this.ctx.getWebSockets().length });
	}

	async webSocketMessage(ws: WebSocket): Promise<void> {
		const entries = ((await this.ctx.storage.get<number>("entries")) ?? 0) + 1;
		this.ctx.storage.put("entries", entries);
		ws.send(String(entries));
	}
}

export default {
	async fetch(request: Request, env: Record<string, DurableObjectNamespace>): Promise<Response> {
		const url = new URL(request.url);
		const [, kind, name] = url.pathname.split("/");
		if (kind === "dial") return dial(url.searchParams.get("url")!);
		const namespace = env[kind.toUpperCase()];
		return namespace === undefined ? new Response("No such class", { status: 404 }) : namespace.getByName(name ?? "").fetch(request);
	},
};

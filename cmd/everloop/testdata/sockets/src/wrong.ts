import { DurableObject } from "cloudflare:workers";

const tried = async (what: () => unknown): Promise<string> => {
	try {
		await what();
		return "taken";
	} catch (error) {
		return String(error).replace(/"x+"/, "TAG");
	}
};

// Wrong does what it must not, and tells how it was refused.
export class Wrong extends DurableObject {
	async fetch(request: Request): Promise<Response> {
		const accepted = (tags?: string[]) => {
			const [, server] = Object.values(new WebSocketPair());
			this.ctx.acceptWebSocket(server, tags);
			return server;
		};
		const set = (time: unknown) => tried(() => this.ctx.storage.setAlarm(time as number));
		const out: string[] = [];
		switch (new URL(request.url).searchParams.get("what")) {
			case "close": {
				const ws = accepted();
				for (const code of [999, 1004, 1005, 1006, 1015, 5000, NaN]) out.push(`${code}: ${await tried(() => ws.close(code))}`);
				out.push(await tried(() => ws.close(1000, "x".repeat(124))));
				ws.close(1000, "x".repeat(123));
				out.push(await tried(() => ws.send("late")), await tried(() => ws.close(1000)));
				const [fresh] = Object.values(new WebSocketPair());
				out.push(await tried(() => fresh.send("early")));
				break;
			}
			case "tags":
				out.push(await tried(() => accepted(Array.from({ length: 11 }, (_, i) => `${i}`))));
				out.push(await tried(() => accepted(["x".repeat(257)])));
				out.push(await tried(() => accepted([...Array.from({ length: 9 }, (_, i) => `${i}`), "0", "x".repeat(256)])));
				break;
			case "attachment": {
				const ws = accepted();
				ws.serializeAttachment("kept");
				out.push(await tried(() => ws.serializeAttachment("x".repeat(16_384))), await tried(() => ws.serializeAttachment(() => 1)));
				const cycle: Record<string, unknown> = {};
				cycle.self = cycle;
				out.push(`${ws.deserializeAttachment()}`, await tried(() => ws.serializeAttachment(cycle)), await tried(() => ws.serializeAttachment("x".repeat(16_000))));
				break;
			}
			case "auto":
				out.push(await tried(() => this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("x".repeat(2049), ""))));
				out.push(await tried(() => this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("", "x".repeat(2049)))));
				out.push(await tried(() => this.ctx.setHibernatableWebSocketEventTimeout(604_800_001)));
				break;
			case "alarm":
				for (const time of ["5", undefined, null, {}, [], 5n, true, Symbol("now"), NaN, Infinity, -Infinity, new Date(NaN), 0, -1, -1e300, new Date(0), 1e300]) {
					const kind = time instanceof Date ? `Date ${time.getTime()}` : typeof time === "object" ? JSON.stringify(time) : String(time);
					out.push(`${kind}: ${await set(time)}`);
				}
				out.push(`${await this.ctx.storage.getAlarm()}`);
				break;
		}
		for (const ws of this.ctx.getWebSockets()) ws.close();
		return new Response(out.join("\n"));
	}

	alarm(): void {
		throw new Error("no alarm was set");
	}
}

// Silent sends more than its clients may want to read, and has no alarm().
export class Silent extends DurableObject {
	private ends: string[] = [];

	async fetch(request: Request): Promise<Response> {
		const url = new URL(request.url);
		if (request.headers.get("Upgrade") === "websocket") {
			const [client, server] = Object.values(new WebSocketPair());
			this.ctx.acceptWebSocket(server);
			return new Response(null, { status: 101, webSocket: client });
		}
		if (url.searchParams.has("alarm")) return new Response(await tried(() => this.ctx.storage.setAlarm(Date.now() + 1000)));
		return new Response(this.ends.join("\n"));
	}

	// A message is a size in KiB and a number: that many messages of this size are sent to everybody.
	webSocketMessage(_ws: WebSocket, message: string): void {
		const [size, count] = message.split(" ").map(Number);
		const bytes = new Uint8Array(size << 10);
		for (let i = 0; i < count; i++) {
			crypto.getRandomValues(bytes.subarray(0, Math.min(bytes.length, 1024)));
			for (const ws of this.ctx.getWebSockets()) ws.send(bytes);
		}
	}

	webSocketClose(_ws: WebSocket, code: number, reason: string, wasClean: boolean): void {
		this.ends.push(`closed ${code} ${reason} ${wasClean}`);
	}
}

import { DurableObject } from "cloudflare:workers";

// talk uses a socket that was dialled, and tells what it has heard of the server.
async function talk(ws: WebSocket, opened: Promise<unknown>): Promise<string[]> {
	const heard: string[] = [];
	ws.binaryType = "arraybuffer";
	let more = () => {};
	const hears = (what: string) => {
		heard.push(what);
		more();
	};
	const count = async (n: number) => {
		while (heard.length < n) await new Promise<void>((resolve) => (more = resolve));
	};
	ws.addEventListener("message", ({ data }) => hears(typeof data === "string" ? (data.length > 100 ? `text of ${data.length}` : `text ${data}`) : `bytes ${sum(data)}`));
	ws.addEventListener("close", ({ code, reason, wasClean }) => hears(`closed ${code} ${reason} ${wasClean}`));
	ws.addEventListener("error", () => hears("error"));
	await opened;
	heard.push(`protocol ${ws.protocol || "none"}, extensions ${ws.extensions || "none"}`);
	ws.send("héllo");
	ws.send(new Uint8Array([1, 2, 3]));
	await count(3);
	ws.send("x".repeat(2 << 20));
	const large = new Uint8Array((1 << 20) + 1).map((_, i) => i * i);
	ws.send(large);
	await count(5);
	heard.push(`of ${sum(large.buffer)}`);
	ws.send("ping"); // the server pings, and says when it was answered
	await count(8);
	ws.send("close 4001 that is all");
	await count(9);
	return heard;
}

function sum(data: ArrayBuffer): string {
	let sum = 0;
	for (const b of new Uint8Array(data)) sum = (sum * 31 + b) >>> 0;
	return `${data.byteLength}/${sum}`;
}

// dial uses the server at url in each way that there is.
export async function dial(url: string): Promise<Response> {
	const out: string[] = [];
	const constructed = new WebSocket(url, ["x", "talk.v2"]);
	out.push("new WebSocket", ...(await talk(constructed, new Promise((resolve) => constructed.addEventListener("open", resolve)))));

	const upgrade = (path: string) => fetch(url.replace("ws:", "http:") + path, { headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": "talk.v2" } });
	const response = await upgrade("");
	const fetched = response.webSocket!;
	fetched.accept();
	out.push(`fetch ${response.status} ${response.headers.get("Sec-WebSocket-Protocol")}`, ...(await talk(fetched, Promise.resolve())));

	const refused = await upgrade("refused");
	out.push(`refused ${refused.status} ${refused.webSocket} ${await refused.text()}`);
	const failed = new WebSocket(`${url}refused`);
	out.push(await new Promise<string>((resolve) => failed.addEventListener("close", ({ code, wasClean }) => resolve(`refused: closed ${code} ${wasClean}`))));

	const closing = (await upgrade("")).webSocket!;
	closing.accept();
	const closed = new Promise<string>((resolve) => closing.addEventListener("close", ({ code, reason, wasClean }) => resolve(`closed by us ${code} ${reason} ${wasClean}`)));
	closing.close(4002, "enough");
	out.push(await closed);
	return new Response(out.join("\n"));
}

// Dialler passes what its client says on to a server, and back what that answers.
export class Dialler extends DurableObject {
	async fetch(request: Request): Promise<Response> {
		const [client, server] = Object.values(new WebSocketPair());
		const far = (await fetch(new URL(request.url).searchParams.get("url")!.replace("ws:", "http:"), { headers: { Upgrade: "websocket" } })).webSocket!;
		for (const [from, to] of [
			[server, far],
			[far, server],
		]) {
			from.binaryType = "arraybuffer";
			from.accept();
			from.addEventListener("message", ({ data }) => to.send(data));
			from.addEventListener("close", ({ code, reason }) => to.close(code, reason));
		}
		return new Response(null, { status: 101, webSocket: client });
	}
}

// Uses the class Talk as a client: node client.mjs URL native|ws|ws-deflate. Prints what it saw.
import { setTimeout as timeout } from "node:timers/promises";
import WS from "ws";

const [url, kind] = process.argv.slice(2);
const native = kind === "native";
const connect = (path, protocols) => {
	const ws = native ? new globalThis.WebSocket(url + path, protocols) : new WS(url + path, protocols, { perMessageDeflate: kind === "ws-deflate" ? { threshold: 0 } : false });
	ws.binaryType = "arraybuffer";
	const events = [];
	let wake = () => {};
	const note = (event) => {
		events.push(event);
		wake();
	};
	ws.addEventListener("open", () => note({ what: "open" }));
	ws.addEventListener("message", ({ data }) => note({ what: "message", data }));
	ws.addEventListener("close", ({ code, reason, wasClean }) => note({ what: "close", code, reason, wasClean }));
	ws.addEventListener("error", (error) => note({ what: "error", error }));
	return {
		ws,
		async next(what) {
			while (events.length === 0) await new Promise((resolve) => (wake = resolve));
			const event = events.shift();
			if (event.what !== what) throw new Error(`${event.what} ${event.error?.message ?? event.reason ?? ""} instead of ${what}`);
			return event;
		},
	};
};
const same = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;

const c = connect("/talk/" + kind, ["talk.v1", "talk.v2"]);
await c.next("open");
console.log(`protocol ${c.ws.protocol}, compressed ${/permessage-deflate/.test(c.ws.extensions)}`);

// Many at once, of all lengths where the framing changes.
const sizes = [0, 1, 125, 126, 127, 65535, 65536, 1 << 20, (3 << 20) + 1];
for (const size of sizes) c.ws.send("ä".repeat(size / 2) + "x".repeat(size % 2));
for (const size of sizes) c.ws.send(new Uint8Array(size).map((_, i) => (i * i) >> 3));
for (const size of sizes) {
	const { data } = await c.next("message");
	if (data !== "ä".repeat(size / 2) + "x".repeat(size % 2)) throw new Error(`a text of ${size} bytes came back as ${data.length} characters`);
}
for (const size of sizes) {
	const { data } = await c.next("message");
	if (!same(data, new Uint8Array(size).map((_, i) => (i * i) >> 3))) throw new Error(`${size} bytes came back as ${data.byteLength}`);
}
console.log(`echoed ${sizes.length} texts and ${sizes.length} binaries`);
const noise = Buffer.alloc(8 << 20);
for (let i = 0, x = 1; i < noise.length; i += 4) noise.writeUInt32LE((x = (Math.imul(x, 1664525) + 1013904223) >>> 0), i);
c.ws.send(noise);
console.log(`noise of 8 MiB ${same((await c.next("message")).data, noise)}`);

if (!native) {
	const pong = new Promise((resolve) => c.ws.once("pong", (data) => resolve(String(data))));
	c.ws.ping("are you there?");
	console.log(`pong ${await pong}`);
	c.ws.send("frag", { fin: false });
	c.ws.send("ments", { fin: true });
	console.log(`fragments came back as ${(await c.next("message")).data}`);
}

// Either side closes, with and without a code.
c.ws.close(4321, "enough ü");
const { code, reason, wasClean } = await c.next("close");
console.log(`closed by us: ${code} ${reason} ${wasClean}`);
for (const [how, message] of [["with a code", "close 3000 done"], ["without", "close "]]) {
	const d = connect("/talk/" + kind);
	await d.next("open");
	d.ws.send(message);
	const { code, reason, wasClean } = await d.next("close");
	console.log(`closed by the object ${how}: ${code} ${reason} ${wasClean}, protocol ${d.ws.protocol || "none"}`);
}
{
	const d = connect("/talk/" + kind);
	await d.next("open");
	d.ws.close();
	const { code, wasClean } = await d.next("close");
	console.log(`closed by us without a code: ${code} ${wasClean}`);
}

// What is no WebSocket.
const f = connect("/nothing/here");
await f.next("error"); // Node 20 tells no more
console.log("refused");

// What the object heard. The last end may still be on its way to it.
let ends;
do {
	await timeout(10); // between two questions
	ends = await (await fetch(url.replace("ws:", "http:") + "/talk/" + kind)).text();
} while (ends.split("\n").length < 4);
console.log(ends);

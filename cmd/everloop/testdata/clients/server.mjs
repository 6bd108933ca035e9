// A server that echoes, and does what it is told: node server.mjs deflate|plain. Prints its URL, and then how its sockets have ended.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const http = createServer((_, response) => response.writeHead(426).end("not here"));
const wss = new WebSocketServer({
	noServer: true,
	maxPayload: 32 << 20,
	perMessageDeflate: process.argv[2] === "deflate" ? { threshold: 0 } : false,
	handleProtocols: (offered) => offered.has("talk.v2") && "talk.v2",
});
http.on("upgrade", (request, socket, head) => {
	if (request.url === "/refused") {
		socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\nconnection: close\r\n\r\nforbidden");
		return;
	}
	wss.handleUpgrade(request, socket, head, (ws) => {
		console.log(`opened ${ws.extensions || "plain"}`);
		ws.on("pong", (data) => ws.send(`pong ${data}`));
		ws.on("message", (data, binary) => {
			const [, code, reason] = (!binary && /^close (\d+) (.*)$/.exec(data)) || [];
			if (code !== undefined) ws.close(Number(code), reason);
			else if (!binary && String(data) === "ping") {
				ws.ping("there?");
				ws.send("pinged");
			} else ws.send(data, { binary });
		});
		ws.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
		ws.on("error", (error) => console.log(`error ${error.message}`));
	});
});
http.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${http.address().port}/`));

// The objects. As in Cloudflare's first kind of class, they extend nothing and get their state in the constructor.

// Single-threaded execution: nobody comes in between get and put.
export class AtomicCounter {
	constructor(protected state: DurableObjectState, _env: unknown) {}

	async fetch(_request: Request): Promise<Response> {
		const count = (await this.state.storage.get<number>("count")) || 0;
		const newCount = count + 1;
		await this.state.storage.put("count", newCount);
		return new Response(String(newCount));
	}
}
export class UserState extends AtomicCounter {}
export class Workflow extends AtomicCounter {}
export class Session extends AtomicCounter {}

// Initialization: everything is in memory before the first request.
export class StatefulDO {
	private data: Map<string, unknown> = new Map();

	constructor(private state: DurableObjectState, _env: unknown) {
		state.blockConcurrencyWhile(async () => {
			const stored = await state.storage.list();
			for (const [key, value] of stored) this.data.set(key, value);
		});
	}

	async fetch(request: Request): Promise<Response> {
		const asked = new URL(request.url).searchParams;
		const key = asked.get("key");
		if (key !== null) {
			this.data.set(key, asked.get("value"));
			await this.state.storage.put(key, asked.get("value"));
		}
		return Response.json([...this.data].map(([k, v]) => `${k}=${v}`).sort());
	}
}

// WebSocket hibernation: the sockets outlive the instance.
export class HibernatableChatRoom {
	private born = crypto.randomUUID();

	constructor(private state: DurableObjectState, _env: unknown) {}

	async fetch(request: Request): Promise<Response> {
		if (request.headers.get("Upgrade") === "websocket") {
			const pair = new WebSocketPair();
			const [client, server] = Object.values(pair);
			this.state.acceptWebSocket(server);
			server.serializeAttachment({ joined: (await this.joined()) + 1 });
			await this.state.storage.put("joined", (await this.joined()) + 1);
			return new Response(null, { status: 101, webSocket: client });
		}
		return new Response("Expected WebSocket", { status: 400 });
	}

	async webSocketMessage(ws: WebSocket, message: string): Promise<void> {
		if (message === "who?") {
			ws.send(JSON.stringify({ ...ws.deserializeAttachment(), born: this.born, here: this.state.getWebSockets().length }));
			return;
		}
		for (const socket of this.state.getWebSockets()) {
			if (socket !== ws && socket.readyState === WebSocket.OPEN) socket.send(message);
		}
	}

	async webSocketClose(_ws: WebSocket): Promise<void> {}

	private async joined(): Promise<number> {
		return (await this.state.storage.get<number>("joined")) || 0;
	}
}

interface Task {
	name: string;
	hold?: string;
}

// Alarms: work that is done later, whatever happens meanwhile.
export class ScheduledProcessor {
	constructor(private state: DurableObjectState, _env: unknown) {}

	async fetch(request: Request): Promise<Response> {
		const asked = new URL(request.url).searchParams;
		if (asked.has("task")) {
			const pending = (await this.state.storage.get<Task[]>("pending")) || [];
			pending.push({ name: asked.get("task")!, hold: asked.get("hold") ?? undefined });
			await this.state.storage.put("pending", pending);
			await this.schedule(Number(asked.get("delay")));
		}
		return Response.json({ pending: (await this.state.storage.get<Task[]>("pending"))?.length ?? 0, done: (await this.state.storage.get("done")) ?? [] });
	}

	async schedule(delayMs: number): Promise<void> {
		await this.state.storage.setAlarm(Date.now() + delayMs);
	}

	async alarm(): Promise<void> {
		const pending = (await this.state.storage.get<Task[]>("pending")) || [];
		const done = (await this.state.storage.get<string[]>("done")) || [];
		for (const task of pending) await this.processTask(task);
		// Both at once: a task is pending or done, and never both or neither.
		await this.state.storage.put({ pending: [], done: [...done, ...pending.map((task) => task.name)] });
	}

	private async processTask(task: Task): Promise<void> {
		if (task.hold !== undefined) await fetch(task.hold);
	}
}

// Transactional storage.
export class Account {
	constructor(private state: DurableObjectState, _env: unknown) {}

	async fetch(request: Request): Promise<Response> {
		const asked = new URL(request.url).searchParams;
		if (asked.has("deposit")) {
			await this.state.storage.transaction(async (txn) => {
				await txn.put("balance", ((await txn.get<number>("balance")) || 0) + Number(asked.get("deposit")));
			});
		}
		if (asked.has("withdraw")) return Response.json(await this.withdraw(Number(asked.get("withdraw"))));
		if (asked.has("keys")) return Response.json(await this.updateMultipleKeys());
		return Response.json((await this.state.storage.get("balance")) ?? 0);
	}

	private async updateMultipleKeys(): Promise<string[]> {
		await this.state.storage.put({ key1: "value1", key2: "value2", key3: "value3" });
		await this.state.storage.delete(["key1", "key2"]);
		return [...(await this.state.storage.list({ prefix: "key" })).keys()];
	}

	private async withdraw(amount: number): Promise<boolean> {
		return this.state.storage.transaction(async (txn) => {
			const balance = (await txn.get<number>("balance")) || 0;
			if (balance >= amount) {
				await txn.put("balance", balance - amount);
				return true;
			}
			return false;
		});
	}
}

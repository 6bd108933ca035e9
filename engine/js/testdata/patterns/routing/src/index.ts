// Actors: the Worker reads from the request which object it is for, and hands it on; objects talk to each other by calls.

import { DurableObject, RpcTarget } from "cloudflare:workers";

interface Env {
	MY_DO: DurableObjectNamespace<MyDO>;
}

class Inbox extends RpcTarget {
	#messages: string[];
	constructor(messages: string[]) {
		super();
		this.#messages = messages;
	}
	get size() {
		return this.#messages.length;
	}
	newest(): string | undefined {
		return this.#messages.at(-1);
	}
}

export class MyDO extends DurableObject<Env> {
	private messages: string[] = [];

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		ctx.blockConcurrencyWhile(async () => {
			this.messages = (await ctx.storage.get<string[]>("messages")) ?? [];
		});
	}

	async fetch(request: Request): Promise<Response> {
		if (request.method === "POST") {
			const { to, text } = await request.json<{ to: string; text: string }>();
			// An actor sends a message to another one.
			const n = await this.env.MY_DO.getByName(to).receive(this.ctx.id.name!, text);
			return new Response(`${to} has ${n}`, { status: 201 });
		}
		return Response.json(this.messages, { headers: { "x-actor": this.ctx.id.name ?? "" } });
	}

	async receive(from: string, text: string): Promise<number> {
		this.messages.push(`${from}: ${text}`);
		await this.ctx.storage.put("messages", this.messages);
		return this.messages.length;
	}

	inbox(): Inbox {
		return new Inbox(this.messages);
	}
}

export default {
	async fetch(request: Request, env: Env) {
		const url = new URL(request.url);

		// Extract entity ID from request
		const entityId = url.searchParams.get("id");
		if (!entityId) {
			return new Response("Missing ID", { status: 400 });
		}

		// Route to correct DO instance
		const id = env.MY_DO.idFromName(entityId);
		const stub = env.MY_DO.get(id);

		if (url.pathname === "/inbox") {
			using inbox = await stub.inbox();
			return new Response(`${await inbox.size}, newest "${await inbox.newest()}", in one trip "${await stub.inbox().newest()}"`);
		}

		// Forward request
		return stub.fetch(request);
	},
};

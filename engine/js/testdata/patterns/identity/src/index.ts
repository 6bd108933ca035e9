// Which ID for which object: one per entity (idFromName), one that was written down (idFromString), a new one (newUniqueId).

interface Env {
	CHAT_ROOM: DurableObjectNamespace;
	USER_STATE: DurableObjectNamespace;
	WORKFLOW: DurableObjectNamespace;
	SESSION: DurableObjectNamespace;
}

// Visits counts its requests and says who it is.
abstract class Visits {
	constructor(
		private state: DurableObjectState,
		protected env: Env,
	) {}

	async fetch(request: Request): Promise<Response> {
		const count = ((await this.state.storage.get<number>("count")) ?? 0) + 1;
		await this.state.storage.put("count", count);
		return Response.json({ class: this.constructor.name, name: this.state.id.name ?? null, count });
	}
}

export class ChatRoom extends Visits {}
export class UserState extends Visits {}
export class Workflow extends Visits {}
export class Session extends Visits {}

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		const url = new URL(request.url);
		const [, kind, key] = url.pathname.split("/");
		switch (kind) {
			case "room": // the same room, wherever it is asked for
				return env.CHAT_ROOM.get(env.CHAT_ROOM.idFromName(`room:${key}`)).fetch(request);
			case "user":
				return env.USER_STATE.get(env.USER_STATE.idFromName(`user:${key}`)).fetch(request);
			case "workflow": {
				if (key === "new") {
					const id = env.WORKFLOW.newUniqueId();
					await env.WORKFLOW.get(id).fetch(request);
					return new Response(id.toString());
				}
				try {
					return await env.WORKFLOW.get(env.WORKFLOW.idFromString(key)).fetch(request);
				} catch (e) {
					return new Response((e as Error).message, { status: 400 });
				}
			}
			case "session": {
				const id = env.SESSION.newUniqueId();
				const idString = id.toString();
				const first = await (await env.SESSION.get(id).fetch(request)).json<{ count: number }>();
				const again = await (await env.SESSION.get(env.SESSION.idFromString(idString)).fetch(request)).json<{ count: number }>();
				return Response.json([first.count, again.count, idString.length]);
			}
		}
		return new Response("no such thing", { status: 404 });
	},
};

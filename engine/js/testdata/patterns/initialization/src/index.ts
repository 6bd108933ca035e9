// An object that loads what it has stored before its first request: blockConcurrencyWhile in the constructor.

interface Env {
	STATEFUL: DurableObjectNamespace;
}

export class StatefulDO {
	private state: DurableObjectState;
	private data: Map<string, any>;
	private ready = false;

	constructor(state: DurableObjectState, env: Env) {
		this.state = state;
		this.data = new Map();

		// Requests wait until this is done.
		state.blockConcurrencyWhile(async () => {
			const stored = await state.storage.list();
			await scheduler.wait(5);
			for (const [key, value] of stored) {
				this.data.set(key, value);
			}
			this.ready = true;
		});
	}

	async fetch(request: Request): Promise<Response> {
		if (!this.ready) return new Response("a request before the object was ready", { status: 500 });
		const params = new URL(request.url).searchParams;
		const key = params.get("key");
		const value = params.get("value");
		if (key !== null && value !== null) {
			this.data.set(key, { value, at: new Date(0) });
			await this.state.storage.put(key, this.data.get(key));
		}
		return Response.json([...this.data].map(([k, v]) => `${k}=${v.value}@${v.at.getTime()}`));
	}
}

export default {
	fetch(request: Request, env: Env) {
		return env.STATEFUL.get(env.STATEFUL.idFromName("one")).fetch(request);
	},
};

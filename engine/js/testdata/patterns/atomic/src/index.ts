// A counter without locks: between a read of the storage and the write after it, nothing else runs.

interface Env {
	COUNTER: DurableObjectNamespace;
}

export class AtomicCounter {
	state: DurableObjectState;
	constructor(state: DurableObjectState) {
		this.state = state;
	}
	async fetch(request: Request) {
		// These operations are atomic: no race conditions are possible.
		const count = (await this.state.storage.get<number>("count")) || 0;
		const newCount = count + 1;
		await this.state.storage.put("count", newCount);
		return new Response(String(newCount));
	}
}

export default {
	async fetch(request: Request, env: Env) {
		const stub = env.COUNTER.get(env.COUNTER.idFromName("the counter"));
		const times = Number(new URL(request.url).searchParams.get("times") ?? 1);
		const answers = await Promise.all(Array.from({ length: times }, () => stub.fetch(request.url)));
		return new Response((await Promise.all(answers.map((r) => r.text()))).join());
	},
};

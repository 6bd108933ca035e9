export { Account, HibernatableChatRoom, ScheduledProcessor, Session, StatefulDO, UserState, Workflow } from "./objects";

interface Env {
	CHAT_ROOM: DurableObjectNamespace;
	USER_STATE: DurableObjectNamespace;
	WORKFLOW: DurableObjectNamespace;
	SESSION: DurableObjectNamespace;
	MY_DO: DurableObjectNamespace;
	PROCESSOR: DurableObjectNamespace;
	ACCOUNT: DurableObjectNamespace;
}

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		const url = new URL(request.url);
		const [, kind, what] = url.pathname.split("/");
		switch (kind) {
			case "room":
				return env.CHAT_ROOM.get(env.CHAT_ROOM.idFromName(`room:${what}`)).fetch(request);
			case "user":
				return env.USER_STATE.get(env.USER_STATE.idFromName(`user:${what}`)).fetch(request);
			case "workflow": {
				const id = what === "new" ? env.WORKFLOW.newUniqueId() : env.WORKFLOW.idFromString(what);
				const count = await (await env.WORKFLOW.get(id).fetch(request)).text();
				return new Response(`${id} ${count}`);
			}
			case "session": {
				const id = env.SESSION.newUniqueId();
				return env.SESSION.get(id).fetch(request);
			}
			case "schedule":
				return env.PROCESSOR.get(env.PROCESSOR.idFromName(what)).fetch(request);
			case "account":
				return env.ACCOUNT.get(env.ACCOUNT.idFromName(what)).fetch(request);
		}
		// Routing by what the request names.
		const entityId = url.searchParams.get("id");
		if (!entityId) return new Response("Missing ID", { status: 400 });
		const id = env.MY_DO.idFromName(entityId);
		const stub = env.MY_DO.get(id);
		return stub.fetch(request);
	},
};

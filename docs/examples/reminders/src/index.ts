import { Reminders } from "./reminders";

export { Reminders };

interface Env {
  REMINDERS: DurableObjectNamespace<Reminders>;
}

// POST   /LIST       {"text": "...", "in": SECONDS} or {"text": "...", "at": "2027-01-01T09:00:00Z"}, and perhaps "url"
// GET    /LIST       what is pending, and what has fired
// DELETE /LIST/ID    cancels one
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [list, id, ...rest] = new URL(request.url).pathname.slice(1).split("/");
    if (!list || rest.length > 0) return problem(404, "The path is /LIST or /LIST/ID.");
    const reminders = env.REMINDERS.getByName(list);
    switch (`${request.method} ${id === undefined ? "list" : "one"}`) {
      case "POST list": {
        const asked = await parse(request);
        if (typeof asked === "string") return problem(400, asked);
        return Response.json(show(await reminders.add(asked.text, asked.at, asked.url)), { status: 201 });
      }
      case "GET list": {
        const { pending, fired, next } = await reminders.all();
        return Response.json({ next: next === null ? null : new Date(next), pending: pending.map(show), fired: fired.map(show) });
      }
      case "DELETE one":
        return (await reminders.cancel(id)) ? new Response(null, { status: 204 }) : problem(404, `There is no reminder ${id} any more.`);
    }
    return problem(405, "This path takes GET and POST for a list, DELETE for a reminder.");
  },
};

const LATEST = Date.UTC(2200);

// parse returns what is wrong with the request as a string.
async function parse(request: Request): Promise<{ text: string; at: number; url?: string } | string> {
  const body = await request.json<Record<string, unknown> | null>().catch(() => null);
  if (body === null || typeof body !== "object") return "The body must be a JSON object.";
  const { text, url } = body;
  if (typeof text !== "string" || text === "" || text.length > 1000) return `"text" must be a string of 1 to 1,000 characters.`;
  if (url !== undefined && (typeof url !== "string" || !/^https?:$/.test(URL.parse(url)?.protocol ?? ""))) return `"url" must be an http or https URL.`;
  const at = typeof body.in === "number" ? Date.now() + body.in * 1000 : typeof body.at === "string" ? Date.parse(body.at) : NaN;
  if (!(at > 0 && at < LATEST)) return `Say when: "in" is a number of seconds, "at" a date such as "2027-01-01T09:00:00Z".`;
  return { text, at: Math.floor(at), url };
}

// show has times as people write them.
function show<T extends { at: number; firedAt?: number }>(reminder: T) {
  return { ...reminder, at: new Date(reminder.at), firedAt: reminder.firedAt && new Date(reminder.firedAt) };
}

function problem(status: number, message: string): Response {
  return Response.json({ error: message }, { status });
}

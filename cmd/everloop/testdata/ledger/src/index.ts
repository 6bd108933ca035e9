// The program of the crash tests. POST /CLASS/NAME carries a step, which the object takes in one turn; POST /CLASS/NAME/read says all that is stored.
import { DurableObject } from "cloudflare:workers";

interface Env {
  LEDGER: DurableObjectNamespace;
  INBOX: DurableObjectNamespace<Inbox>;
}

// What a step is: ledger_test.go has the same.
interface Step {
  wipe?: boolean;
  delete?: string[];
  put?: Record<string, string>;
  alarm?: number; // milliseconds since 1970
  tell?: string; // the inbox that hears of it,
  from?: string; // from whom,
  number?: string; // and which step it was
}

async function stored(storage: DurableObjectStorage): Promise<Response> {
  return Response.json({ keys: Object.fromEntries(await storage.list()), alarm: await storage.getAlarm() });
}

export class Ledger extends DurableObject<Env> {
  async fetch(request: Request): Promise<Response> {
    const storage = this.ctx.storage;
    if (request.url.endsWith("/read")) return stored(storage);
    const step: Step = await request.json();
    // One turn, so all of it or nothing. Nobody waits for a write or looks at it: one that is refused must not be answered all the same.
    if (step.wipe) storage.deleteAll();
    if (step.delete) storage.delete(step.delete);
    if (step.put) storage.put(step.put);
    if (step.alarm) storage.setAlarm(step.alarm);
    if (step.tell) await this.env.INBOX.getByName(step.tell).note(step.from!, step.number!);
    return new Response("taken");
  }

  async alarm(): Promise<void> {
    await this.ctx.storage.put("rung", await this.ctx.storage.get("armed"));
  }
}

export class Inbox extends DurableObject {
  fetch(): Promise<Response> {
    return stored(this.ctx.storage);
  }

  note(from: string, number: string): void {
    this.ctx.storage.put(from, number);
  }
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const [, kind, name] = new URL(request.url).pathname.split("/");
    return (kind === "inbox" ? env.INBOX : env.LEDGER).getByName(name).fetch(request);
  },
};

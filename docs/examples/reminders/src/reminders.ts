import { DurableObject } from "cloudflare:workers";

export interface Reminder {
  id: string;
  text: string;
  /** When it is due, in milliseconds since 1970. */
  at: number;
  /** Where to POST it. Without, it is only moved to the list of those that have fired. */
  url?: string;
  /** How often it was tried. */
  attempts: number;
}

export interface Fired extends Reminder {
  firedAt: number;
  /** Why it could not be delivered, after all attempts. */
  error?: string;
}

const MAX_PENDING = 1000;
const MAX_FIRED = 100;
const MAX_ATTEMPTS = 5;
const FIRST_RETRY_MS = 1000;
const DELIVERY_MS = 10_000;
const BATCH = 32;

// Keys sort as their bytes do, and a time has 13 digits until the year 2286: the first key is the reminder that is due first.
const time = (ms: number) => String(ms).padStart(13, "0");
const dueKey = (r: Reminder) => `due:${time(r.at)}:${r.id}`;
const firedKey = (r: Fired) => `fired:${time(r.firedAt)}:${r.id}`;

/**
 * The reminders of one list. An object has one alarm; a list has many reminders. So the alarm is always set to the first one that
 * is due, and whatever changes which one that is sets it again.
 */
export class Reminders extends DurableObject {
  async add(text: string, at: number, url?: string): Promise<Reminder> {
    const pending = await this.ctx.storage.list({ prefix: "due:", limit: MAX_PENDING });
    if (pending.size >= MAX_PENDING) throw new RangeError(`This list has ${MAX_PENDING} reminders already.`);
    const reminder: Reminder = { id: crypto.randomUUID(), text, at, url, attempts: 0 };
    this.schedule(reminder);
    await this.arm();
    return reminder;
  }

  /** Reports whether the reminder was still pending. */
  async cancel(id: string): Promise<boolean> {
    const key = await this.ctx.storage.get<string>(`id:${id}`);
    if (key === undefined) return false;
    this.ctx.storage.delete([key, `id:${id}`]);
    await this.arm();
    return true;
  }

  async all(): Promise<{ pending: Reminder[]; fired: Fired[]; next: number | null }> {
    const pending = await this.ctx.storage.list<Reminder>({ prefix: "due:" });
    const fired = await this.ctx.storage.list<Fired>({ prefix: "fired:", reverse: true });
    return { pending: [...pending.values()], fired: [...fired.values()], next: await this.ctx.storage.getAlarm() };
  }

  // The alarm runs at least once: if the process dies in the middle, or this throws, it runs again. What it has done by then
  // must do no harm a second time. Moving a reminder is one step, all of it or nothing; a delivery that is made again carries the
  // same Idempotency-Key.
  async alarm(): Promise<void> {
    for (;;) {
      const end = `due:${time(Date.now() + 1)}`;
      const due = await this.ctx.storage.list<Reminder>({ prefix: "due:", end, limit: BATCH });
      if (due.size === 0) break;
      await Promise.all([...due.values()].map((reminder) => this.fire(reminder)));
    }
    await this.arm();
  }

  // A reminder that cannot be delivered is put off and does not hold up the others. So it is not the alarm that fails, and its retries
  // are ours to make.
  private async fire(reminder: Reminder): Promise<void> {
    const error = await deliver(reminder);
    // Others could enter while we waited for the answer, and cancel it.
    if ((await this.ctx.storage.get(`id:${reminder.id}`)) === undefined) return;
    this.ctx.storage.delete([dueKey(reminder), `id:${reminder.id}`]);
    const attempts = reminder.attempts + 1;
    if (error !== undefined && attempts < MAX_ATTEMPTS) {
      this.schedule({ ...reminder, attempts, at: Date.now() + FIRST_RETRY_MS * 2 ** reminder.attempts });
      return;
    }
    const fired: Fired = { ...reminder, attempts, firedAt: Date.now(), error };
    this.ctx.storage.put(firedKey(fired), fired);
    const old = await this.ctx.storage.list({ prefix: "fired:", reverse: true });
    this.ctx.storage.delete([...old.keys()].slice(MAX_FIRED));
  }

  // Two keys, written together: nothing is waited for in between, so both are there or neither.
  private schedule(reminder: Reminder): void {
    this.ctx.storage.put({ [dueKey(reminder)]: reminder, [`id:${reminder.id}`]: dueKey(reminder) });
  }

  // arm sets the alarm to the first reminder. It never waits for anything from outside, so nobody comes between its steps.
  private async arm(): Promise<void> {
    const [next] = (await this.ctx.storage.list<Reminder>({ prefix: "due:", limit: 1 })).values();
    if (next === undefined) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(next.at);
  }
}

// deliver returns why it did not work.
async function deliver({ id, text, url, attempts }: Reminder): Promise<string | undefined> {
  if (url === undefined) return undefined;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": id },
      body: JSON.stringify({ id, text, attempt: attempts + 1 }),
      signal: AbortSignal.timeout(DELIVERY_MS),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `${url} answered ${response.status}`;
  } catch (e) {
    return `${url}: ${e instanceof Error ? e.message : e}`;
  }
}

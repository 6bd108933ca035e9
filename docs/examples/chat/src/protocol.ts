// What goes over a WebSocket, as JSON. public/chat.js is the other side.

/** A line of the room. Numbers grow by one; id is what its sender called it. */
export interface Line {
  number: number;
  id: string;
  name: string;
  text: string;
  at: number;
}

export type FromServer =
  /** First of all: who is there, and the lines since the last one that the client has. */
  | { type: "welcome"; name: string; people: string[]; lines: Line[] }
  | ({ type: "line" } & Line)
  | { type: "people"; people: string[] }
  | { type: "typing"; name: string }
  /** The last message was not taken. */
  | { type: "refused"; reason: string };

export type FromClient = { type: "say"; id: string; text: string } | { type: "typing" };

export const MAX_TEXT = 2000;
export const MAX_NAME = 32;

/** parse returns null for what is no message. */
export function parse(data: string | ArrayBuffer): FromClient | null {
  let m: unknown;
  try {
    m = typeof data === "string" ? JSON.parse(data) : null;
  } catch {
    return null;
  }
  if (typeof m !== "object" || m === null || !("type" in m)) return null;
  if (m.type === "typing") return { type: "typing" };
  if (m.type !== "say" || !("id" in m) || !("text" in m)) return null;
  if (typeof m.id !== "string" || m.id.length > 64 || typeof m.text !== "string") return null;
  return { type: "say", id: m.id, text: m.text };
}

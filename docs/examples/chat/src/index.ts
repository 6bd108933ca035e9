import { Room } from "./room";

export { Room };

interface Env {
  ROOM: DurableObjectNamespace<Room>;
}

// GET /rooms/ROOM?name=NAME&after=NUMBER is a WebSocket of that room. Everything else is the page, in public/.
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const room = /^\/rooms\/([^/]+)$/.exec(new URL(request.url).pathname)?.[1];
    if (room === undefined) return new Response("Not found\n", { status: 404 });
    if (room.length > 64) return new Response("The name of a room has at most 64 characters.\n", { status: 400 });
    return env.ROOM.getByName(room).fetch(request);
  },
};

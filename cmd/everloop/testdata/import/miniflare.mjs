// Serves src/index.js with miniflare, which keeps its objects as wrangler dev does: node miniflare.mjs FOLDER-WITH-NODE_MODULES STATE. It prints its address, and runs until it is killed.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
const [, , installed, state] = process.argv;
const { Miniflare } = await import(pathToFileURL(join(installed, "node_modules/miniflare/dist/src/index.js")));
const mf = new Miniflare({
  name: "my-shop", host: "127.0.0.1", port: 0, modules: [{ type: "ESModule", path: join(import.meta.dirname, "src/index.js") }], modulesRoot: join(import.meta.dirname, "src"), compatibilityDate: "2026-04-01",
  durableObjects: { SHELF: { className: "Shelf", useSQLite: true }, COUNTER: { className: "Counter", useSQLite: true } },
  durableObjectsPersist: join(state, "v3/do"), kvNamespaces: ["KV"], kvPersist: join(state, "v3/kv"),
});
const url = await mf.ready;
await (await mf.getKVNamespace("KV")).put("a", "b");
console.log(url.href);

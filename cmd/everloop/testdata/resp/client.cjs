// Calls an object and is in a room, with ioredis: node client.cjs PORT PASSWORD
const Redis = require("ioredis");
const [port, password] = process.argv.slice(2);

async function main() {
  const open = () => new Redis({ port: Number(port), password, lazyConnect: false, maxRetriesPerRequest: 1 });
  const caller = open(), member = open();
  for (let i = 0; i < 3; i++) console.log("add", await caller.call("CALL", "Counter", "node", "add", "2"));
  try { await caller.call("CALL", "Counter", "node", "fail"); } catch (e) { console.log("error", e.message); }
  const all = await Promise.all(Array.from({ length: 500 }, () => caller.call("CALL", "Counter", "many", "add")));
  console.log("pipelined", all.at(-1));
  const heard = new Promise((resolve) => member.on("message", (channel, text) => resolve(`${channel} ${text}`)));
  console.log("subscribed", await member.subscribe("Chat:node"));
  console.log("published", await caller.publish("Chat:node", "hello"));
  console.log("heard", await heard);
  console.log("unsubscribed", await member.unsubscribe("Chat:node"));
  await Promise.all([caller.quit(), member.quit()]);
}
main().catch((e) => { console.log(e); process.exit(1); });

const Memcached = require("memcached");
const { promisify } = require("node:util");
const client = new Memcached(process.argv[2]);
const call = (method, ...args) => promisify(client[method]).apply(client, args);
(async () => {
  console.log("set", await call("set", "a", "one", 100));
  console.log("get", await call("get", "a"));
  console.log("add", await call("add", "a", "two", 100).catch((e) => e.message));
  console.log("replace", await call("replace", "a", "ü", 100));
  console.log("append", await call("append", "a", "!"));
  await call("set", "n", 41, 0);
  console.log("incr", await call("incr", "n", 1), "decr", await call("decr", "n", 2));
  console.log("getMulti", JSON.stringify(await call("getMulti", ["a", "missing", "n"])));
  const { cas } = await call("gets", "a");
  console.log("cas", await call("cas", "a", "x".repeat(100000), cas, 0), await call("cas", "a", "no", cas, 0));
  console.log("long", (await call("get", "a")).length);
  console.log("touch", await call("touch", "a", 50), "del", await call("del", "a"), await call("get", "a"));
  client.end();
})();

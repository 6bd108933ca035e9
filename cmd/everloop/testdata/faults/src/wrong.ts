// What can go wrong inside an object.
export const wrong: Record<string, (storage: DurableObjectStorage) => unknown> = {
  throw: () => {
    throw new RangeError("the object is broken: secret-8");
  },
  "throw-string": () => {
    throw "a bare string: secret-9";
  },
  reject: async () => {
    await null;
    throw new Error("rejected later: secret-10");
  },

  spin: () => {
    console.log("spinning");
    while (true);
  },
  "spin-caught": () => {
    for (;;) {
      try {
        while (true);
      } catch {
        // It cannot be caught.
      } finally {
        // Nor does this run.
      }
    }
  },
  "spin-promises": async () => {
    for (;;) await null;
  },
  "spin-chain": async () => {
    // It keeps none of its promises: a second of them would not fit into memory.
    const again = (): void => void Promise.resolve().then(again);
    again();
    await new Promise(() => {});
  },
  "spin-regexp": () => /^(a+)+$/.test("a".repeat(40) + "b"),
  // Written before the turn is cut off in the middle: the turn must leave nothing.
  "put-spin": (storage) => {
    storage.put("count", 1_000_000);
    while (true);
  },
  // One call of the engine's that takes minutes: each of 2^26 elements is looked for in a hundred prototypes, and
  // nothing in there can be interrupted.
  stuck: () => {
    let sparse: any = { length: 1 << 26 };
    for (let i = 0; i < 100; i++) sparse = Object.create(sparse);
    return Array.prototype.includes.call(sparse, 1);
  },
  // Nobody looks at what becomes of the write.
  "loose-put": (storage) => void storage.put("n", 1),
  "loose-unconfirmed": (storage) => void storage.put("n", 1, { allowUnconfirmed: true }),
  "loose-put-many": (storage) => void storage.put({ a: 1, b: 2 }),
  "loose-delete": (storage) => void storage.delete("n"),
  "loose-delete-many": (storage) => void storage.delete(["a", "b"]),
  "loose-delete-all": (storage) => void storage.deleteAll(),
  "loose-set-alarm": (storage) => void storage.setAlarm(Date.now() + 1e9),
  "loose-delete-alarm": (storage) => void storage.deleteAlarm(),
  "loose-kv": (storage) => void (async () => storage.kv.put("n", 1))(),
  "loose-transaction": (storage) => void (async () => storage.transactionSync(() => storage.kv.put("n", 1)))(),
  "loose-wait": (storage) => void storage.put("n", 1).finally(() => {}),
  // Somebody does.
  "caught-put": (storage) => storage.put("n", 1).then(() => "stored", () => "not stored"),
  recursion: () => {
    const deeper = (): number => deeper() + 1;
    return deeper();
  },
  "recursion-json": () => {
    let deep: unknown = 1;
    for (let i = 0; i < 200_000; i++) deep = [deep];
    return JSON.stringify(deep).length;
  },
  "recursion-clone": (storage) => {
    let deep: unknown = 1;
    for (let i = 0; i < 200_000; i++) deep = [deep];
    return storage.put("deep", deep);
  },

  "bomb-array": () => {
    const all: number[] = [];
    for (;;) all.push(all.length);
  },
  "bomb-string": () => {
    const all: string[] = [];
    for (let s = "x"; ; s += s) all.push(s + "y");
  },
  "bomb-map": () => {
    const all = new Map<number, object>();
    for (let i = 0; ; i++) all.set(i, { i });
  },
  "bomb-buffer": () => {
    const all: ArrayBuffer[] = [];
    for (;;) all.push(new ArrayBuffer(1 << 20));
  },
  "bomb-closures": () => {
    const all: unknown[] = [];
    for (let i = 0; ; i++) all.push(() => [i, all]);
  },
  "bomb-caught": () => {
    const all: unknown[] = [];
    for (;;) {
      try {
        for (;;) all.push(new Array(1000).fill(all.length));
      } catch {
        // Goes on.
      }
    }
  },

  "large-value": (storage) => storage.put("large", "x".repeat(3 << 20)),
  "large-bytes": (storage) => storage.put("large", new Uint8Array(3 << 20)),
  "large-key": (storage) => storage.put("k".repeat(2049), 1),
  "large-key-get": (storage) => storage.get("k".repeat(2049)),
  "large-key-delete": (storage) => storage.delete("k".repeat(2049)),
  "largest-key": (storage) => storage.put("k".repeat(2048), 1),
  "large-key-utf8": (storage) => storage.put("é".repeat(1025), 1),
  "many-puts": (storage) => storage.put(Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`key${i}`, i]))),
  "most-puts": (storage) => storage.put(Object.fromEntries(Array.from({ length: 128 }, (_, i) => [`key${i}`, i]))),
  "many-gets": (storage) => storage.get(Array.from({ length: 129 }, (_, i) => `key${i}`)),
  "many-deletes": (storage) => storage.delete(Array.from({ length: 129 }, (_, i) => `key${i}`)),
  keys: async (storage) => (await storage.list()).size,
  "put-undefined": (storage) => storage.put("a", undefined),
  "put-function": (storage) => storage.put("a", () => 1),
  "put-symbol": (storage) => storage.put("a", Symbol("s")),
  "list-limit": (storage) => storage.list({ limit: 0 }),
  "list-bounds": (storage) => storage.list({ start: "a", startAfter: "b" }),
};

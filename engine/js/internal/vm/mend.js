// What the engine lacks and JavaScript can give. Run once in every runtime,
// as bytecode.
(() => {
  const define = (o, k, value) => Object.defineProperty(o, k, {value, writable: true, configurable: true});
  for (const k of ['dispose', 'asyncDispose']) {
    if (!(k in Symbol)) Object.defineProperty(Symbol, k, {value: Symbol('Symbol.' + k)});
  }
  const {asyncIterator, iterator} = Symbol;
  if (!Array.fromAsync) define(Array, 'fromAsync', {
    async fromAsync(items, mapper = undefined, thisArg = undefined) {
      if (mapper !== undefined && typeof mapper !== 'function') throw new TypeError(String(mapper) + ' is not a function');
      const construct = typeof this === 'function' && this !== Array ? this : undefined;
      let i = 0;
      if (items[asyncIterator] != null || items[iterator] != null) {
        const out = construct ? new construct() : [];
        for await (const item of items) {
          Object.defineProperty(out, i, {
            value: mapper ? await mapper.call(thisArg, item, i) : item, writable: true, enumerable: true, configurable: true,
          });
          i++;
        }
        out.length = i;
        return out;
      }
      const n = Math.min(Math.max(Math.trunc(Number(items.length)) || 0, 0), 2 ** 53 - 1);
      const out = construct ? new construct(n) : [];
      for (; i < n; i++) {
        let item = await items[i];
        if (mapper) item = await mapper.call(thisArg, item, i);
        Object.defineProperty(out, i, {value: item, writable: true, enumerable: true, configurable: true});
      }
      out.length = n;
      return out;
    },
  }.fromAsync);
})();

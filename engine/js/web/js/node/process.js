// node:process, as much of a process as a Worker can see: its environment, time, and a queue.

const { host, apply, isErrorObject, ErrorCtor, TypeErrorCtor, needFunction, invalidArg, nodeError, defineProperty, hide, consoleObject, queueMicrotask, floor, isArray } = kit;
const EventEmitter = need("events");

// env is an object of strings: what is put in becomes one.
function makeEnv() {
  const env = {};
  const flat = host.processEnv();
  for (let i = 0; i < flat.length; i += 2) defineProperty(env, flat[i], { __proto__: null, value: flat[i + 1], writable: true, enumerable: true, configurable: true });
  const text = (v) => {
    if (typeof v === "symbol") throw new TypeErrorCtor("Cannot convert a Symbol value to a string");
    return `${v}`;
  };
  return new Proxy(env, {
    __proto__: null,
    set(target, name, value) {
      if (typeof name === "symbol") throw new TypeErrorCtor("Cannot convert a Symbol value to a string");
      return defineProperty(target, name, { __proto__: null, value: text(value), writable: true, enumerable: true, configurable: true });
    },
    defineProperty(target, name, d) {
      if ("value" in d) d = { ...d, value: text(d.value) };
      return defineProperty(target, name, d);
    },
  });
}

// Callbacks of nextTick run in order, each in a microtask of its own: before timers, and among the reactions of promises.
function nextTick(callback, ...args) {
  needFunction(callback, "callback");
  queueMicrotask(() => apply(callback, undefined, args));
}

function emitWarning(warning, type = undefined, code = undefined, ctor = undefined) {
  let detail;
  if (type !== null && typeof type === "object" && !isArray(type)) {
    ({ type, code, detail } = type);
  } else if (typeof type === "function") type = undefined;
  if (typeof code === "function") code = undefined;
  if (typeof warning === "string") {
    const e = new ErrorCtor(warning);
    e.name = `${type || "Warning"}`;
    if (code !== undefined) e.code = code;
    if (detail !== undefined) e.detail = detail;
    warning = e;
  } else if (!isErrorObject(warning)) {
    throw invalidArg("warning", "of type string or an instance of Error", warning);
  }
  if (warning.name === "DeprecationWarning" && process.noDeprecation) return;
  nextTick(() => {
    if (process.emit("warning", warning)) return;
    consoleObject.warn(`${warning.code ? `[${warning.code}] ` : ""}${warning.name}: ${warning.message}`);
  });
}

function hrtime(since = undefined) {
  const ms = host.now();
  let seconds = floor(ms / 1000);
  let nanos = floor((ms - seconds * 1000) * 1e6);
  if (since !== undefined) {
    if (!isArray(since)) throw invalidArg("time", "an instance of Array", since);
    seconds -= since[0];
    nanos -= since[1];
    if (nanos < 0) {
      seconds--;
      nanos += 1e9;
    }
  }
  return [seconds, nanos];
}
hrtime.bigint = () => BigInt(floor(host.now() * 1000)) * 1000n;

function refuse(name) {
  return () => {
    throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", `process.${name} is not available: a Worker has no process of its own.`);
  };
}

function memoryUsage() {
  return { rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 };
}
memoryUsage.rss = () => 0;

const version = "v22.19.0"; // the Node whose modules these are like
let umask = 18;

const process = Object.create(Object.create(EventEmitter.prototype, { constructor: { value: function process() {}, writable: true, enumerable: false, configurable: true } }));
EventEmitter.init.call(process);
Object.assign(process, {
  title: "everloop",
  version,
  versions: { node: "22.19.0" },
  arch: "x64",
  platform: "linux",
  release: { name: "node" },
  argv: ["everloop"],
  argv0: "everloop",
  execArgv: [],
  execPath: "",
  pid: 1,
  ppid: 0,
  exitCode: undefined,
  debugPort: 0,
  noDeprecation: false,
  throwDeprecation: false,
  traceDeprecation: false,
  features: { inspector: false, debug: false, uv: false, ipv6: true, tls_alpn: true, tls_sni: true, tls_ocsp: true, tls: true, cached_builtins: true, require_module: false, typescript: false },
  config: { target_defaults: {}, variables: {} },
  allowedNodeEnvironmentFlags: new Set(),
  nextTick, emitWarning, hrtime, memoryUsage,
  cwd: () => "/bundle",
  chdir: refuse("chdir"),
  umask(mask = undefined) {
    const was = umask;
    if (mask !== undefined) umask = mask & 511;
    return was;
  },
  uptime: () => host.now() / 1000,
  cpuUsage: () => ({ user: 0, system: 0 }),
  resourceUsage: refuse("resourceUsage"),
  constrainedMemory: () => 0,
  availableMemory: () => 0,
  exit: refuse("exit"),
  reallyExit: refuse("reallyExit"),
  abort: refuse("abort"),
  kill: refuse("kill"),
  dlopen: refuse("dlopen"),
  binding: refuse("binding"),
  loadEnvFile: refuse("loadEnvFile"),
  getuid: () => 0, geteuid: () => 0, getgid: () => 0, getegid: () => 0, getgroups: () => [],
  getActiveResourcesInfo: () => [],
  setUncaughtExceptionCaptureCallback() {},
  hasUncaughtExceptionCaptureCallback: () => false,
  setSourceMapsEnabled() {},
  getBuiltinModule(id) {
    const name = kit.slice(id, 0, 5) === "node:" ? kit.slice(id, 5) : id;
    try {
      return need(name);
    } catch {
      return undefined;
    }
  },
});
hide(process, "env", undefined);
let env;
defineProperty(process, "env", {
  __proto__: null, enumerable: true, configurable: true,
  get: () => (env ??= makeEnv()),
  set(v) {
    env = v;
  },
});
defineProperty(process, Symbol.toStringTag, { __proto__: null, value: "process", configurable: true });

// What is written is logged a line at a time.
for (const [name, fd, level] of [["stdout", 1, "log"], ["stderr", 2, "error"]]) {
  let stream;
  defineProperty(process, name, {
    __proto__: null, enumerable: true, configurable: true,
    get() {
      if (stream === undefined) {
        const { Writable } = need("stream");
        let line = "";
        stream = new Writable({
          decodeStrings: false,
          write(chunk, encoding, callback) {
            line += typeof chunk === "string" ? chunk : chunk.toString();
            const lines = line.split("\n");
            line = lines.pop();
            for (let i = 0; i < lines.length; i++) consoleObject[level](lines[i]);
            callback();
          },
        });
        stream.fd = fd;
        stream.isTTY = false;
      }
      return stream;
    },
  });
}
defineProperty(process, "stdin", {
  __proto__: null, enumerable: true, configurable: true,
  get() {
    const { Readable } = need("stream");
    const stdin = Readable.from([]);
    defineProperty(process, "stdin", { __proto__: null, value: stdin, enumerable: true, configurable: true });
    return stdin;
  },
});
return process;

// node:module. Programs are bundled: there are no files to require at run time, only the modules that are built in.

const { nodeError, ErrorCtor, slice, needString, arrIndexOf } = kit;

const builtinModules = [
  "assert", "assert/strict", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto", "dgram", "diagnostics_channel", "dns", "dns/promises",
  "domain", "events", "fs", "fs/promises", "http", "http2", "https", "inspector", "module", "net", "os", "path", "path/posix", "path/win32", "perf_hooks", "process", "punycode",
  "querystring", "readline", "readline/promises", "repl", "stream", "stream/consumers", "stream/promises", "stream/web", "string_decoder", "sys", "timers", "timers/promises", "tls",
  "trace_events", "tty", "url", "util", "util/types", "v8", "vm", "wasi", "worker_threads", "zlib",
];

const nameOf = (id) => (slice(id, 0, 5) === "node:" ? slice(id, 5) : id);
const isBuiltin = (id) => typeof id === "string" && arrIndexOf(builtinModules, nameOf(id)) >= 0;

function createRequire(filename) {
  if (typeof filename !== "string" && !(filename instanceof kit.URL)) {
    throw nodeError(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'filename' must be a file URL object, file URL string, or absolute path string. Received ${kit.inspect(filename, kit.inspection())}`);
  }
  const require = (id) => {
    needString(id, "id");
    if (isBuiltin(id)) return need(nameOf(id));
    const e = new ErrorCtor(`Cannot find module '${id}': a program is one bundle, and require() made by createRequire() only knows Node's own modules. Import it at the top of a file instead.`);
    e.code = "MODULE_NOT_FOUND";
    throw e;
  };
  require.resolve = (id) => {
    if (isBuiltin(id)) return id;
    const e = new ErrorCtor(`Cannot find module '${id}': a program is one bundle.`);
    e.code = "MODULE_NOT_FOUND";
    throw e;
  };
  require.cache = { __proto__: null };
  require.extensions = { __proto__: null };
  require.main = undefined;
  return require;
}

function absent(name) {
  return () => {
    throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", `module.${name} is not available: a program is one bundle.`);
  };
}

function Module() {
  throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", "module.Module is not available: a program is one bundle.");
}
Module.builtinModules = builtinModules;
Module.createRequire = createRequire;
Module.isBuiltin = isBuiltin;
Module.Module = Module;
Module._extensions = {};
Module._cache = { __proto__: null };
for (const name of ["_load", "_resolveFilename", "_nodeModulePaths", "findSourceMap", "register", "runMain", "syncBuiltinESMExports"]) Module[name] = absent(name);
return Module;

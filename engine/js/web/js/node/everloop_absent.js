// Node's modules that are not here. A program, or a package that it uses, may import them and ask what they have: what it finds
// throws when it is used, and names itself. Without that, one import that is never reached would keep a program from starting.

const { nodeError, ErrorCtor, strSplit, defineProperty, charCode } = kit;

const reasons = {
  __proto__: null,
  fs: "there is no file system", "fs/promises": "there is no file system",
  net: "there are no sockets", tls: "there are no sockets", dgram: "there are no sockets", dns: "names are not looked up", "dns/promises": "names are not looked up",
  http: "use fetch", https: "use fetch", http2: "use fetch", child_process: "there are no other processes", cluster: "there are no other processes",
  worker_threads: "there are no threads: use another object", zlib: "use CompressionStream and DecompressionStream", vm: "code is not made of text here",
  punycode: "use URL, or the package punycode",
};

const names = {
  __proto__: null,
  child_process:
    "ChildProcess exec execFile execFileSync execSync fork spawn spawnSync",
  cluster:
    "Worker disconnect fork setupMaster setupPrimary",
  dgram:
    "Socket createSocket",
  dns:
    "Resolver getDefaultResultOrder getServers lookup lookupService resolve resolve4 resolve6 resolveAny resolveCaa resolveCname resolveMx resolveNaptr resolveNs resolvePtr resolveSoa resolveSrv resolveTxt reverse setDefaultResultOrder setServers",
  "dns/promises":
    "Resolver getDefaultResultOrder getServers lookup lookupService resolve resolve4 resolve6 resolveAny resolveCaa resolveCname resolveMx resolveNaptr resolveNs resolvePtr resolveSoa resolveSrv resolveTxt reverse setDefaultResultOrder setServers",
  domain:
    "Domain create createDomain",
  fs:
    "Dir Dirent FileReadStream FileWriteStream ReadStream Stats WriteStream access accessSync appendFile appendFileSync chmod chmodSync chown chownSync close closeSync copyFile copyFileSync cp cpSync createReadStream createWriteStream exists existsSync fchmod fchmodSync fchown fchownSync fdatasync fdatasyncSync fstat fstatSync fsync fsyncSync ftruncate ftruncateSync futimes futimesSync glob globSync lchown lchownSync link linkSync lstat lstatSync lutimes lutimesSync mkdir mkdirSync mkdtemp mkdtempSync open openAsBlob openSync opendir opendirSync read readFile readFileSync readSync readdir readdirSync readlink readlinkSync readv readvSync realpath realpathSync rename renameSync rm rmSync rmdir rmdirSync stat statSync statfs statfsSync symlink symlinkSync truncate truncateSync unlink unlinkSync unwatchFile utimes utimesSync watch watchFile write writeFile writeFileSync writeSync writev writevSync",
  "fs/promises":
    "access appendFile chmod chown copyFile cp glob lchmod lchown link lstat lutimes mkdir mkdtemp open opendir readFile readdir readlink realpath rename rm rmdir stat statfs symlink truncate unlink utimes watch writeFile",
  http:
    "Agent ClientRequest CloseEvent IncomingMessage MessageEvent OutgoingMessage Server ServerResponse WebSocket createServer get request setMaxIdleHTTPParsers validateHeaderName validateHeaderValue",
  http2:
    "Http2ServerRequest Http2ServerResponse connect createSecureServer createServer getDefaultSettings getPackedSettings getUnpackedSettings performServerHandshake",
  https:
    "Agent Server createServer get request",
  inspector:
    "Session close open url waitForDebugger",
  net:
    "BlockList Server Socket SocketAddress Stream connect createConnection createServer getDefaultAutoSelectFamily getDefaultAutoSelectFamilyAttemptTimeout isIP isIPv4 isIPv6 setDefaultAutoSelectFamily setDefaultAutoSelectFamilyAttemptTimeout",
  punycode:
    "decode encode toASCII toUnicode",
  readline:
    "Interface clearLine clearScreenDown createInterface cursorTo emitKeypressEvents moveCursor",
  "readline/promises":
    "Interface Readline createInterface",
  repl:
    "REPLServer Recoverable isValidSyntax start writer",
  tls:
    "SecureContext Server TLSSocket checkServerIdentity connect convertALPNProtocols createSecureContext createSecurePair createServer getCiphers",
  trace_events:
    "createTracing getEnabledCategories",
  tty:
    "ReadStream WriteStream",
  v8:
    "DefaultDeserializer DefaultSerializer Deserializer GCProfiler Serializer cachedDataVersionTag deserialize getHeapCodeStatistics getHeapSnapshot getHeapSpaceStatistics getHeapStatistics isStringOneByteRepresentation queryObjects serialize setFlagsFromString setHeapSnapshotNearHeapLimit stopCoverage takeCoverage writeHeapSnapshot",
  vm:
    "Script compileFunction createContext createScript isContext measureMemory runInContext runInNewContext runInThisContext",
  wasi:
    "WASI",
  worker_threads:
    "BroadcastChannel MessageChannel MessagePort Worker getEnvironmentData markAsUntransferable moveMessagePortToContext postMessageToThread receiveMessageOnPort setEnvironmentData",
  zlib:
    "BrotliCompress BrotliDecompress Deflate DeflateRaw Gunzip Gzip Inflate InflateRaw Unzip brotliCompress brotliCompressSync brotliDecompress brotliDecompressSync crc32 createBrotliCompress createBrotliDecompress createDeflate createDeflateRaw createGunzip createGzip createInflate createInflateRaw createUnzip deflate deflateRaw deflateRawSync deflateSync gunzip gunzipSync gzip gzipSync inflate inflateRaw inflateRawSync inflateSync unzip unzipSync zstdCompress zstdCompressSync zstdDecompress zstdDecompressSync",
};

// values are what such a module has besides functions and classes.
const values = {
  __proto__: null,
  fs: () => ({ F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, constants: fsConstants, promises: make("fs/promises") }),
  "fs/promises": () => ({ constants: fsConstants }),
  dns: () => ({ promises: make("dns/promises") }),
  http: () => ({ METHODS: methods, STATUS_CODES: statusCodes, maxHeaderSize: 16384, globalAgent: {} }),
  https: () => ({ globalAgent: {} }),
  http2: () => ({ constants: {}, sensitiveHeaders: Symbol("sensitiveHeaders") }),
  cluster: () => ({ isWorker: false, isMaster: true, isPrimary: true, workers: {}, settings: {}, SCHED_NONE: 1, SCHED_RR: 2, schedulingPolicy: 2 }),
  readline: () => ({ promises: make("readline/promises") }),
  tls: () => ({ DEFAULT_MIN_VERSION: "TLSv1.2", DEFAULT_MAX_VERSION: "TLSv1.3", rootCertificates: [] }),
  tty: () => ({ isatty: () => false }),
  vm: () => ({ constants: {} }),
  v8: () => ({ startupSnapshot: { isBuildingSnapshot: () => false } }),
  worker_threads: () => ({ isMainThread: true, parentPort: null, resourceLimits: {}, SHARE_ENV: Symbol.for("nodejs.worker_threads.SHARE_ENV"), threadId: 0, workerData: null }),
  zlib: () => ({ constants: {}, codes: {} }),
  domain: () => ({ active: null }),
};
const fsConstants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024, S_IFMT: 61440, S_IFREG: 32768, S_IFDIR: 16384, S_IFLNK: 40960, COPYFILE_EXCL: 1 };
const methods = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "CONNECT"];
const statusCodes = {
  100: "Continue", 101: "Switching Protocols", 102: "Processing", 103: "Early Hints", 200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information", 204: "No Content",
  205: "Reset Content", 206: "Partial Content", 207: "Multi-Status", 208: "Already Reported", 226: "IM Used", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Found", 303: "See Other",
  304: "Not Modified", 305: "Use Proxy", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
  405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
  413: "Payload Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable", 417: "Expectation Failed", 418: "I'm a Teapot", 421: "Misdirected Request",
  422: "Unprocessable Entity", 423: "Locked", 424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required", 429: "Too Many Requests",
  431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
  504: "Gateway Timeout", 505: "HTTP Version Not Supported", 506: "Variant Also Negotiates", 507: "Insufficient Storage", 508: "Loop Detected", 509: "Bandwidth Limit Exceeded", 510: "Not Extended",
  511: "Network Authentication Required",
};

const made = { __proto__: null };

// make makes a module's exports; null if Node has none of that name.
function make(module) {
  if (module === "constants") return fsConstants;
  if (module === "inspector/promises") module = "inspector";
  if (names[module] === undefined) return null;
  if (made[module] !== undefined) return made[module];
  const exports = (made[module] = {});
  const list = strSplit(names[module], " ");
  for (let i = 0; i < list.length; i++) exports[list[i]] = refusing(module, list[i]);
  const more = values[module]?.();
  if (more !== undefined) for (const k of Object.keys(more)) exports[k] = more[k];
  return exports;
}

// refusing makes a function, or a class where the name begins with a capital. That can be extended: what cannot be done is to make one.
function refusing(module, name) {
  const why = reasons[module];
  const refuse = () => {
    throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", `node:${module}: ${name} is not available in everloop${why === undefined ? "" : `: ${why}`}.`);
  };
  const c = charCode(name, 0);
  const f = c >= 65 && c <= 90 ? function () { refuse(); } : () => refuse();
  defineProperty(f, "name", { __proto__: null, value: name, configurable: true });
  return f;
}

return make;

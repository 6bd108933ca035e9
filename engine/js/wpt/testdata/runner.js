// The Worker that runs one file of the web platform tests: it gets the scripts in a request, evaluates them as a page would,
// with nothing but everloop's own Web APIs around them, and answers with what the harness reports.

// What the tests may replace, they do not replace for the report.
const { stringify } = JSON;
const { Response, Promise, setTimeout, clearTimeout, Error } = globalThis;
const evaluate = globalThis.eval;
const ownFetch = globalThis.fetch;

export class Peer {} // takes its place in Go: the suite's own server

export default {
  async fetch(request, env) {
    const job = await request.json();
    prepare(job, env.PEER.getByName("peer"));
    // The clock shows whole milliseconds, and tests expect that some time has passed since it was 0.
    await scheduler.wait(2);
    return new Response(stringify(await run(job)));
  },
};

function prepare(job, peer) {
  const url = new URL(job.url);
  globalThis.self ??= globalThis;
  if (!job.url.includes("idlharness")) base(url);
  globalThis.GLOBAL = { isWindow: () => false, isWorker: () => true };
  globalThis.META_TITLE = job.title;
  globalThis.location = { href: url.href, origin: url.origin, protocol: url.protocol, host: url.host, hostname: url.hostname, port: url.port, pathname: url.pathname, search: url.search, hash: url.hash, toString: () => url.href };
  // What is relative, or of the suite's own server, goes to the peer; the rest is the program's own fetch, without a network.
  globalThis.fetch = function fetch(input, init) {
    const of = input instanceof Request ? input.url : URL.canParse(input, url) ? new URL(input, url).href : `${input}`;
    if (blobs.has(of)) return Promise.resolve(new Response(blobs.get(of)));
    const { protocol, hostname } = new URL(URL.canParse(of) ? of : "about:invalid");
    const peers = (protocol === "http:" || protocol === "https:") && (hostname === url.hostname || hostname.endsWith(`.${url.hostname}`));
    return peers ? peer.fetch(input instanceof Request ? input : of, init) : ownFetch(input, init);
  };
  // One file looks at the type of a Blob by fetching it, and Workers have no URLs of Blobs. This is no part of what is tested.
  const blobs = new Map();
  if (job.url.endsWith("/response-consume.html")) {
    URL.createObjectURL = (blob) => {
      const name = `blob:${blobs.size}`;
      blobs.set(name, blob);
      return name;
    };
  }
}

// Tests look into a Blob with a FileReader, which Workers do not have. This one does for that, and is no part of what is tested.
globalThis.FileReader = class FileReader extends EventTarget {
  readAsText(blob) {
    this.#read(blob.text());
  }
  readAsArrayBuffer(blob) {
    this.#read(blob.arrayBuffer());
  }
  #read(result) {
    result.then((value) => {
      this.result = value;
      for (const type of ["load", "loadend"]) {
        const event = new Event(type);
        this.dispatchEvent(event);
        this[`on${type}`]?.(event);
      }
    });
  }
};

// base gives relative URLs the base that they have in a page: a Worker refuses them.
function base(url) {
  const absolute = (v) => (v instanceof globalThis.Request || URL.canParse(v) || !URL.canParse(v, url) ? v : new URL(v, url).href);
  globalThis.Request = new Proxy(globalThis.Request, {
    construct: (target, [input, ...rest], self) => Reflect.construct(target, [absolute(input), ...rest], self === globalThis.Request ? target : self),
  });
  Object.defineProperty(globalThis.Request.prototype, "constructor", { value: globalThis.Request });
  const { redirect } = Response;
  Object.defineProperty(Response, "redirect", { value: (input, ...rest) => redirect(absolute(input), ...rest) });
}

function run(job) {
  return new Promise((resolve) => {
    let timer;
    const end = (report) => {
      clearTimeout(timer); // or the event would last until then
      resolve(report);
    };
    const failed = (e) => end({ error: e instanceof Error ? `${e.name}: ${e.message}\n${e.stack}` : String(e) });
    try {
      evaluate(job.harness);
      globalThis.add_completion_callback((tests, status) => {
        end({
          error: status.status === status.OK ? "" : status.message || `harness status ${status.status}`,
          tests: tests.map((t) => ({ name: t.name, passed: t.status === t.PASS, message: ["", t.message ?? "failed", "timed out", "not run", t.message ?? "precondition failed"][t.status] })),
        });
      });
      // The suite of that month compares buffers as if they were arrays; later ones look at their bytes.
      const { assert_array_equals } = globalThis;
      const bytes = (v) => (v instanceof ArrayBuffer ? new Uint8Array(v) : v instanceof DataView ? new Uint8Array(v.buffer, v.byteOffset, v.byteLength) : v);
      globalThis.assert_array_equals = (actual, expected, ...rest) => assert_array_equals(bytes(actual), bytes(expected), ...rest);
      // What the harness for interfaces takes this scope for.
      globalThis.ServiceWorkerGlobalScope = class ServiceWorkerGlobalScope { static [Symbol.hasInstance](v) { return v === globalThis; } };
      timer = setTimeout(() => globalThis.timeout(), job.limit);
      // One file makes a File of an element, of which the string is all that matters.
      if (job.url.includes("/File-constructor.")) globalThis.document = { body: { [Symbol.toStringTag]: "HTMLBodyElement" } };
      evaluate(job.script);
    } catch (e) {
      failed(e);
    }
  });
}

// URL and URLSearchParams (the WHATWG URL standard), parsed by the host.
//
// host.urlParse(text, base) answers in one of three ways:
//   a number   the text is a plain http(s) URL that is its own serialisation; the number packs where its parts end
//   an array   the parts, in the order of the constants below
//   null       not a URL
// host.urlPart(text, number, part) is a part of a plain URL.

const urlHref = 0, urlProtocol = 1, urlUsername = 2, urlPassword = 3, urlHostname = 4, urlPort = 5, urlPathname = 6, urlSearch = 7, urlHash = 8, urlHost = 9, urlOrigin = 10;

// specialOrigin are the schemes whose URLs have a tuple origin.
const specialOrigin = { __proto__: null, "http:": true, "https:": true, "ws:": true, "wss:": true, "ftp:": true };

let setURLSearch; // (url, search) without touching the URL's own searchParams
let searchParamsFor; // (url, text, at) the live URLSearchParams of a URL; see URLSearchParams.#src
let refreshParams; // (params, query) after the URL has changed

class URL {
  #href;
  #at = 0; // the packed ends, or -1 once #parts says it
  #parts = null;
  #params = null;
  constructor(url, base = undefined) {
    if (typeof url !== "string") {
      url = `${url}`;
    }
    const r = base === undefined ? host.urlParse(url) : host.urlParse(url, `${base}`);
    if (typeof r === "number") {
      this.#href = url;
      this.#at = r;
    } else {
      if (r === null) throw new TypeErrorCtor("Invalid URL string.");
      this.#href = r[urlHref];
      this.#at = -1;
      this.#parts = r;
    }
  }
  static canParse(url, base = undefined) {
    return (base === undefined ? host.urlParse(`${url}`) : host.urlParse(`${url}`, `${base}`)) !== null;
  }
  static parse(url, base = undefined) {
    try {
      return new URL(url, base);
    } catch (e) {
      if (e instanceof TypeErrorCtor && e.message === "Invalid URL string.") return null;
      throw e;
    }
  }
  get href() {
    return this.#href;
  }
  set href(v) {
    const r = host.urlParts(`${v}`);
    if (r === null) throw new TypeErrorCtor("Invalid URL string.");
    URL.#take(this, r);
    if (this.#params !== null) refreshParams(this.#params, r[urlSearch]);
  }
  get origin() {
    const at = this.#at;
    if (at >= 0) return host.urlPart(this.#href, at, urlOrigin);
    const p = URL.#partsOf(this);
    if (specialOrigin[p[urlProtocol]] === true) return `${p[urlProtocol]}//${URL.#hostOf(p)}`;
    if (p[urlProtocol] === "blob:") {
      const inner = host.urlParts(p[urlPathname]);
      if (inner !== null && (inner[urlProtocol] === "http:" || inner[urlProtocol] === "https:")) return `${inner[urlProtocol]}//${URL.#hostOf(inner)}`;
    }
    return "null";
  }
  get protocol() {
    const at = this.#at;
    if (at >= 0) return at % 2 === 1 ? "https:" : "http:";
    return this.#parts[urlProtocol];
  }
  set protocol(v) {
    URL.#set(this, urlProtocol, v);
  }
  get username() {
    return this.#at >= 0 ? "" : this.#parts[urlUsername];
  }
  set username(v) {
    URL.#set(this, urlUsername, v);
  }
  get password() {
    return this.#at >= 0 ? "" : this.#parts[urlPassword];
  }
  set password(v) {
    URL.#set(this, urlPassword, v);
  }
  get host() {
    const at = this.#at;
    if (at >= 0) return host.urlPart(this.#href, at, urlHost);
    return URL.#hostOf(this.#parts);
  }
  set host(v) {
    URL.#set(this, urlHost, v);
  }
  get hostname() {
    const at = this.#at;
    if (at >= 0) return host.urlPart(this.#href, at, urlHostname);
    return this.#parts[urlHostname];
  }
  set hostname(v) {
    URL.#set(this, urlHostname, v);
  }
  get port() {
    const at = this.#at;
    if (at >= 0) return host.urlPart(this.#href, at, urlPort);
    return this.#parts[urlPort];
  }
  set port(v) {
    URL.#set(this, urlPort, v);
  }
  get pathname() {
    const at = this.#at;
    if (at >= 0) return host.urlPart(this.#href, at, urlPathname);
    return this.#parts[urlPathname];
  }
  set pathname(v) {
    URL.#set(this, urlPathname, v);
  }
  get search() {
    const at = this.#at;
    if (at >= 0) return host.urlPart(this.#href, at, urlSearch);
    return this.#parts[urlSearch];
  }
  set search(v) {
    URL.#set(this, urlSearch, v);
    if (this.#params !== null) refreshParams(this.#params, this.search);
  }
  get hash() {
    const at = this.#at;
    if (at >= 0) return host.urlPart(this.#href, at, urlHash);
    return this.#parts[urlHash];
  }
  set hash(v) {
    URL.#set(this, urlHash, v);
  }
  get searchParams() {
    let p = this.#params;
    if (p === null) {
      const at = this.#at;
      p = searchParamsFor(this, at < 0 ? this.#parts[urlSearch] : this.#href, at);
      this.#params = p;
    }
    return p;
  }
  toString() {
    return this.#href;
  }
  toJSON() {
    return this.#href;
  }
  static #hostOf(p) {
    return p[urlPort] === "" ? p[urlHostname] : `${p[urlHostname]}:${p[urlPort]}`;
  }
  static #partsOf(u) {
    if (u.#at >= 0) URL.#take(u, host.urlParts(u.#href));
    return u.#parts;
  }
  static #take(u, parts) {
    u.#href = parts[urlHref];
    u.#at = -1;
    u.#parts = parts;
  }
  static #set(u, part, v) {
    const r = host.urlSet(u.#href, part, toWellFormed(`${v}`));
    if (r !== null) URL.#take(u, r);
  }
  static {
    setURLSearch = (u, search) => URL.#set(u, urlSearch, search);
  }
}
webClass(URL, "URL");

let paramsList; // (object) the flat list of a URLSearchParams, or null when it is something else

class URLSearchParams {
  #list = null; // name, value, name, value; made when more is asked for than the value of a name
  #url = null; // the URL that this belongs to
  // While there is no list: the query; or, if #at is not -1, a plain URL that it is in, and #at where its parts end.
  #src = "";
  #at = -1;
  constructor(init = "") {
    if (typeof init === "string") {
      this.#src = init;
    } else if (init === internal) {
      // The rest follows; see searchParamsFor.
    } else if ((typeof init === "object" && init !== null) || typeof init === "function") {
      const method = init[iteratorSymbol];
      if (#list in init && method === URLSearchParams.prototype[iteratorSymbol]) {
        this.#list = copyList(URLSearchParams.#listOf(init));
      } else {
        const isList = method !== undefined && method !== null;
        const flat = isList ? pairsFrom(init, method, "URLSearchParams") : recordFrom(init, "URLSearchParams", (text) => text);
        let repaired = false;
        for (let i = 0; i < flat.length; i++) {
          const text = toWellFormed(`${flat[i]}`);
          if (i % 2 === 0 && text !== flat[i]) repaired = true;
          flat[i] = text;
        }
        this.#list = repaired && !isList ? lastOfEach(flat) : flat;
      }
    } else {
      init = toWellFormed(`${init}`);
      this.#src = init;
    }
  }
  static #listOf(p) {
    let list = p.#list;
    if (list === null) {
      list = host.queryParse(p.#src, p.#at);
      p.#list = list;
      p.#src = "";
    }
    return list;
  }
  get size() {
    return URLSearchParams.#listOf(this).length / 2;
  }
  append(name, value) {
    if (arguments.length < 2) throw new TypeErrorCtor("URLSearchParams.append needs a name and a value");
    push(URLSearchParams.#listOf(this), toWellFormed(`${name}`), toWellFormed(`${value}`));
    URLSearchParams.#changed(this);
  }
  delete(name, value = undefined) {
    if (arguments.length < 1) throw new TypeErrorCtor("URLSearchParams.delete needs a name");
    name = toWellFormed(`${name}`);
    if (value !== undefined) value = toWellFormed(`${value}`);
    const list = URLSearchParams.#listOf(this);
    let n = 0;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name && (value === undefined || list[i + 1] === value)) continue;
      list[n] = list[i];
      list[n + 1] = list[i + 1];
      n += 2;
    }
    list.length = n;
    URLSearchParams.#changed(this);
  }
  get(name) {
    if (arguments.length < 1) throw new TypeErrorCtor("URLSearchParams.get needs a name");
    if (typeof name !== "string") name = `${name}`;
    let list = this.#list;
    if (list === null) {
      const value = host.queryGet(this.#src, this.#at, name);
      if (value !== undefined) return value;
      list = URLSearchParams.#listOf(this);
    }
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
    return null;
  }
  getAll(name) {
    if (arguments.length < 1) throw new TypeErrorCtor("URLSearchParams.getAll needs a name");
    name = toWellFormed(`${name}`);
    const list = URLSearchParams.#listOf(this);
    const out = [];
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) push(out, list[i + 1]);
    return out;
  }
  has(name, value = undefined) {
    if (arguments.length < 1) throw new TypeErrorCtor("URLSearchParams.has needs a name");
    name = toWellFormed(`${name}`);
    if (value !== undefined) value = toWellFormed(`${value}`);
    const list = URLSearchParams.#listOf(this);
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name && (value === undefined || list[i + 1] === value)) return true;
    }
    return false;
  }
  set(name, value) {
    if (arguments.length < 2) throw new TypeErrorCtor("URLSearchParams.set needs a name and a value");
    name = toWellFormed(`${name}`);
    value = toWellFormed(`${value}`);
    const list = URLSearchParams.#listOf(this);
    let n = 0;
    let found = false;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) {
        if (found) continue;
        found = true;
        list[n] = name;
        list[n + 1] = value;
      } else {
        list[n] = list[i];
        list[n + 1] = list[i + 1];
      }
      n += 2;
    }
    list.length = n;
    if (!found) push(list, name, value);
    URLSearchParams.#changed(this);
  }
  sort() {
    sortPairs(URLSearchParams.#listOf(this));
    URLSearchParams.#changed(this);
  }
  forEach(callback, thisArg = undefined) {
    if (typeof callback !== "function") throw new TypeErrorCtor("URLSearchParams.forEach needs a function");
    const list = URLSearchParams.#listOf(this);
    for (let i = 0; i < list.length; i += 2) apply(callback, thisArg, [list[i + 1], list[i], this]);
  }
  entries() {
    return new SearchParamsIterator(URLSearchParams.#self(this), 0);
  }
  keys() {
    return new SearchParamsIterator(URLSearchParams.#self(this), 1);
  }
  values() {
    return new SearchParamsIterator(URLSearchParams.#self(this), 2);
  }
  toString() {
    return host.queryFormat(URLSearchParams.#listOf(this));
  }
  static #self(p) {
    void p.#list;
    return p;
  }
  static #changed(p) {
    if (p.#url !== null) setURLSearch(p.#url, host.queryFormat(URLSearchParams.#listOf(p)));
  }
  static {
    searchParamsFor = (url, text, at) => {
      const p = new URLSearchParams(internal);
      p.#url = url;
      p.#src = text;
      p.#at = at;
      return p;
    };
    refreshParams = (p, query) => {
      const list = p.#list;
      if (list === null) {
        p.#src = query;
        p.#at = -1;
        return;
      }
      // The same array, so that an iterator under way sees the new list.
      const fresh = host.queryParse(query, -1);
      list.length = 0;
      for (let i = 0; i < fresh.length; i++) push(list, fresh[i]);
    };
    paramsList = (v) => (typeof v === "object" && v !== null && #list in v ? URLSearchParams.#listOf(v) : null);
  }
}
const SearchParamsIterator = pairIterator("URLSearchParams Iterator", paramsList);
hide(URLSearchParams.prototype, iteratorSymbol, URLSearchParams.prototype.entries);
webClass(URLSearchParams, "URLSearchParams");

// lastOfEach keeps one pair of each name, with the last value, in the place of the first. In an object, names that differ by what is
// not text only become the same.
function lastOfEach(flat) {
  const at = new MapCtor();
  const out = [];
  for (let i = 0; i < flat.length; i += 2) {
    const place = mapGet(at, flat[i]);
    if (place !== undefined) {
      out[place] = flat[i + 1];
      continue;
    }
    mapSet(at, flat[i], out.length + 1);
    push(out, flat[i], flat[i + 1]);
  }
  return out;
}

// sortPairs sorts a flat list of pairs by name in UTF-16 order, stable. It merges bottom-up on the flat list:
// the engine's own sort makes many more comparisons than needed on lists that are nearly sorted.
function sortPairs(list) {
  const n = list.length;
  let from = list;
  let to = copyList(list);
  for (let width = 2; width < n; width *= 2) {
    for (let lo = 0; lo < n; lo += 2 * width) {
      const mid = lo + width < n ? lo + width : n;
      const hi = lo + 2 * width < n ? lo + 2 * width : n;
      let a = lo;
      let b = mid;
      for (let k = lo; k < hi; k += 2) {
        if (a < mid && (b >= hi || from[a] <= from[b])) {
          to[k] = from[a];
          to[k + 1] = from[a + 1];
          a += 2;
        } else {
          to[k] = from[b];
          to[k + 1] = from[b + 1];
          b += 2;
        }
      }
    }
    const swap = from;
    from = to;
    to = swap;
  }
  if (from !== list) for (let i = 0; i < n; i++) list[i] = from[i];
  return list;
}

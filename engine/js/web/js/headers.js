// Headers: an ordered list of lower-cased names and values.
//
// The headers of a message that came from the host stay in Go until someone asks for more than one value: #list
// is null, and get and has are host calls.

// nameCache remembers names that were checked and lower-cased. It is bounded: a program that makes up names
// starts it again.
let nameCache = { __proto__: null };
let nameCacheSize = 0;
const nameCacheLimit = 256;

// headerName checks and lower-cases a name.
function headerName(name) {
  if (typeof name !== "string") name = `${name}`;
  const known = nameCache[name];
  if (known !== undefined) return known;
  const lower = host.headerName(name);
  if (lower === null) throw new TypeErrorCtor(`Invalid header name: ${jsonStringify(name)}`);
  if (++nameCacheSize > nameCacheLimit) {
    nameCache = { __proto__: null };
    nameCacheSize = 1;
  }
  nameCache[name] = lower;
  return lower;
}

// byteString lets a name, or the value of one, pass if it is a string of bytes, as WebIDL has it.
function byteString(text, name = undefined) {
  for (let i = 0; i < text.length; i++) {
    if (charCode(text, i) > 255) throw new TypeErrorCtor(name === undefined ? `Invalid header name: ${jsonStringify(text)}` : `Invalid header value for ${jsonStringify(name)}: ${jsonStringify(text)}`);
  }
  return text;
}

// headerValue checks a value and strips the white space around it.
function headerValue(name, value) {
  if (typeof value !== "string") value = `${value}`;
  const clean = host.headerValue(value);
  if (clean === null) throw new TypeErrorCtor(`Invalid header value for ${jsonStringify(name)}: ${jsonStringify(value)}`);
  return clean;
}

let headersOf; // (object of the host) the immutable Headers of a message
let headersList; // (Headers) the flat list: name, value, name, value; not to be changed
let headersAppend; // (Headers, lower-case name, clean value)
let headersHas; // (Headers, lower-case name)
let isHeaders;
let headersFrozen; // (Headers) whether they cannot be changed

// givenHeaders finds the Headers of a Request or Response of the host, which has no private fields to keep it in.
const { get: givenHeaders, set: giveHeaders } = givenField();
let freezeHeaders; // makes a Headers immutable

class Headers {
  #list = null;
  #src = null; // not null: immutable. The message that the list is still in, if there is no list yet
  #sorted = null; // what an iterator walks, until the next change
  constructor(init = undefined) {
    if (init === undefined) {
      this.#list = [];
      return;
    }
    if (init === internal) return;
    if ((typeof init !== "object" && typeof init !== "function") || init === null) {
      throw new TypeErrorCtor(`Headers: the initial value must be Headers, pairs or an object, not ${typeName(init)}`);
    }
    const method = init[iteratorSymbol];
    if (#list in init && method === Headers.prototype[iteratorSymbol]) {
      this.#list = copyList(headersList(init));
      return;
    }
    if (method === undefined || method === null) {
      const list = host.headerRecord(init);
      if (list !== null) {
        this.#list = list;
        return;
      }
    }
    const flat = method !== undefined && method !== null ? pairsFrom(init, method, "Headers") : recordFrom(init, "Headers", byteString);
    for (let i = 0; i < flat.length; i += 2) {
      const name = headerName(flat[i]);
      flat[i + 1] = headerValue(name, flat[i + 1]);
      flat[i] = name;
    }
    this.#list = flat;
  }
  append(name, value) {
    if (arguments.length < 2) throw new TypeErrorCtor("Headers.append needs a name and a value");
    name = headerName(name);
    value = headerValue(name, value);
    push(Headers.#change(this), name, value);
  }
  set(name, value) {
    if (arguments.length < 2) throw new TypeErrorCtor("Headers.set needs a name and a value");
    name = headerName(name);
    value = headerValue(name, value);
    const list = Headers.#change(this);
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) {
        list[i + 1] = value;
        removePairs(list, i + 2, name);
        return;
      }
    }
    push(list, name, value);
  }
  delete(name) {
    if (arguments.length < 1) throw new TypeErrorCtor("Headers.delete needs a name");
    name = headerName(name);
    removePairs(Headers.#change(this), 0, name);
  }
  get(name) {
    const list = this.#list;
    if (arguments.length < 1) throw new TypeErrorCtor("Headers.get needs a name");
    name = headerName(name);
    if (list === null) return host.msgHeader(this.#src, name);
    return combined(list, name);
  }
  has(name) {
    if (arguments.length < 1) throw new TypeErrorCtor("Headers.has needs a name");
    return headersHas(this, headerName(name));
  }
  getSetCookie() {
    return allOf(headersList(this), "set-cookie");
  }
  // getAll is Cloudflare's older name for getSetCookie.
  getAll(name) {
    if (headerName(name) !== "set-cookie") throw new TypeErrorCtor('getAll() can only be used with the header name "Set-Cookie".');
    return allOf(headersList(this), "set-cookie");
  }
  forEach(callback, thisArg = undefined) {
    if (typeof callback !== "function") throw new TypeErrorCtor("Headers.forEach needs a function");
    for (let i = 0; ; i += 2) {
      const sorted = Headers.#sortedOf(this);
      if (i >= sorted.length) return;
      apply(callback, thisArg, [sorted[i + 1], sorted[i], this]);
    }
  }
  entries() {
    void this.#list;
    return new HeadersIterator(this, 0);
  }
  keys() {
    void this.#list;
    return new HeadersIterator(this, 1);
  }
  values() {
    void this.#list;
    return new HeadersIterator(this, 2);
  }
  static #change(h) {
    if (h.#src !== null) throw new TypeErrorCtor("Can't modify immutable headers.");
    h.#sorted = null;
    return headersList(h);
  }
  static #sortedOf(h) {
    if (h.#sorted === null) h.#sorted = sortAndCombine(headersList(h));
    return h.#sorted;
  }
  static {
    headersOf = (src) => {
      let h = givenHeaders(src);
      if (h === undefined) {
        h = new Headers(internal);
        h.#src = src;
        giveHeaders(src, h);
      }
      return h;
    };
    headersList = (h) => {
      if (h.#list === null) h.#list = host.msgHeaders(h.#src);
      return h.#list;
    };
    headersAppend = (h, name, value) => {
      h.#sorted = null;
      push(headersList(h), name, value);
    };
    headersHas = (h, name) => {
      const list = h.#list;
      if (list === null) return host.msgHeader(h.#src, name) !== null;
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
      return false;
    };
    headersFrozen = (h) => h.#src !== null;
    isHeaders = (v) => typeof v === "object" && v !== null && #list in v;
    freezeHeaders = (h) => {
      h.#src = internal;
      return h;
    };
  }
  static sortedPairs(h) {
    return Headers.#sortedOf(h);
  }
}
const HeadersIterator = pairIterator("Headers Iterator", Headers.sortedPairs);
delete Headers.sortedPairs;
hide(Headers.prototype, iteratorSymbol, Headers.prototype.entries);
webClass(Headers, "Headers");

// removePairs takes every pair of a name out of a list, from an index on.
function removePairs(list, from, name) {
  let n = from;
  for (let i = from; i < list.length; i += 2) {
    if (list[i] === name) continue;
    list[n] = list[i];
    list[n + 1] = list[i + 1];
    n += 2;
  }
  list.length = n;
}

function combined(list, name) {
  let out = null;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) out = out === null ? list[i + 1] : `${out}, ${list[i + 1]}`;
  }
  return out;
}

function allOf(list, name) {
  const out = [];
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) push(out, list[i + 1]);
  return out;
}

// sortAndCombine sorts by name and joins the values of equal names, except Set-Cookie, which cannot be joined.
function sortAndCombine(list) {
  const sorted = sortPairs(copyList(list));
  const out = [];
  for (let i = 0; i < sorted.length; i += 2) {
    const last = out.length - 2;
    if (last >= 0 && out[last] === sorted[i] && sorted[i] !== "set-cookie") out[last + 1] = `${out[last + 1]}, ${sorted[i + 1]}`;
    else push(out, sorted[i], sorted[i + 1]);
  }
  return out;
}

// node:url: the standard's URL, and the older way to take one apart.

const { URL, URLSearchParams, host, slice, strIndexOf, charCode, invalidArg, nodeError, needString, TypeErrorCtor, defineProperty, objectKeys, strSplit, regexExec, uncurry } = kit;
const querystring = need("querystring");
const lower = uncurry(String.prototype.toLowerCase);
const replace = uncurry(String.prototype.replace);

const fileEscapes = { __proto__: null, "%": "%25", "\\": "%5C", "\n": "%0A", "\r": "%0D", "\t": "%09", "?": "%3F", "#": "%23" };

function pathToFileURL(path) {
  needString(path, "path");
  const posix = need("path");
  let full = posix.resolve(path);
  if (charCode(path, path.length - 1) === 47 && full[full.length - 1] !== "/") full += "/";
  const out = new URL("file://");
  let text = "";
  for (let i = 0; i < full.length; i++) text += fileEscapes[full[i]] ?? full[i];
  out.pathname = text;
  return out;
}

function fileURLToPath(url, options = undefined) {
  if (typeof url === "string") {
    try {
      url = new URL(url);
    } catch {
      const e = nodeError(TypeErrorCtor, "ERR_INVALID_URL", "Invalid URL");
      e.input = url;
      throw e;
    }
  }
  else if (!(url instanceof URL) && !(url !== null && typeof url === "object" && url.href && url.protocol)) throw invalidArg("path", "of type string or an instance of URL", url);
  if (url.protocol !== "file:") throw nodeError(TypeErrorCtor, "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
  if (options?.windows) {
    let path = url.pathname;
    if (/%2f|%5c/i.test(path)) throw nodeError(TypeErrorCtor, "ERR_INVALID_FILE_URL_PATH", "File URL path must not include encoded \\ or / characters");
    path = decodeURIComponent(replace(path, /\//g, "\\"));
    if (url.hostname !== "") return `\\\\${url.hostname}${path}`;
    if (!/^\\[a-zA-Z]:/.test(path)) throw nodeError(TypeErrorCtor, "ERR_INVALID_FILE_URL_PATH", "File URL path must be absolute");
    return slice(path, 1);
  }
  if (url.hostname !== "") throw nodeError(TypeErrorCtor, "ERR_INVALID_FILE_URL_HOST", 'File URL host must be "localhost" or empty on linux');
  if (/%2f/i.test(url.pathname)) throw nodeError(TypeErrorCtor, "ERR_INVALID_FILE_URL_PATH", "File URL path must not include encoded / characters");
  return decodeURIComponent(url.pathname);
}

function urlToHttpOptions(url) {
  const out = {
    __proto__: null, ...url, protocol: url.protocol,
    hostname: url.hostname[0] === "[" ? slice(url.hostname, 1, -1) : url.hostname,
    hash: url.hash, search: url.search, pathname: url.pathname, path: `${url.pathname || ""}${url.search || ""}`, href: url.href,
  };
  if (url.port !== "") out.port = Number(url.port);
  if (url.username || url.password) out.auth = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return out;
}

// --- The older parser, which takes anything.

function Url() {
  const names = ["protocol", "slashes", "auth", "host", "port", "hostname", "hash", "search", "query", "pathname", "path", "href"];
  for (let i = 0; i < names.length; i++) this[names[i]] = null;
}

const slashed = ["http", "http:", "https", "https:", "ftp", "ftp:", "gopher", "gopher:", "file", "file:", "ws", "ws:", "wss", "wss:"];
const hostless = ["javascript", "javascript:"];
const hasSlashes = (protocol) => kit.arrIndexOf(slashed, protocol) >= 0;
const escapes = { __proto__: null, "\t": "%09", "\n": "%0A", "\r": "%0D", " ": "%20", '"': "%22", "'": "%27", "<": "%3C", ">": "%3E", "\\": "%5C", "^": "%5E", "`": "%60", "{": "%7B", "|": "%7C", "}": "%7D" };

function autoEscape(text) {
  let out = "";
  for (let i = 0; i < text.length; i++) out += escapes[text[i]] ?? text[i];
  return out;
}

function parse(url, parseQuery = false, slashesDenoteHost = false) {
  if (url instanceof Url) return url;
  const out = new Url();
  out.parse(url, parseQuery, slashesDenoteHost);
  return out;
}

Url.prototype.parse = function (url, parseQuery = false, slashesDenoteHost = false) {
  needString(url, "url");
  let rest = url.trim();
  // Backslashes before the query are slashes.
  let at = rest.length;
  for (let i = 0; i < rest.length; i++) if (rest[i] === "?" || rest[i] === "#") { at = i; break; }
  rest = replace(slice(rest, 0, at), /\\/g, "/") + slice(rest, at);

  if (!slashesDenoteHost && strIndexOf(rest, "#") < 0 && strIndexOf(rest, "@") < 0) {
    // A path alone is taken as it is.
    const simple = regexExec(/^(\/\/?(?!\/)[^?\s]*)(\?[^\s]*)?$/, rest);
    if (simple !== null) {
      this.path = this.href = rest;
      this.pathname = simple[1];
      if (simple[2]) {
        this.search = simple[2];
        this.query = parseQuery ? querystring.parse(slice(simple[2], 1)) : slice(simple[2], 1);
      } else if (parseQuery) {
        this.search = null;
        this.query = { __proto__: null };
      }
      return this;
    }
  }
  let protocol = regexExec(/^[a-z0-9.+-]+:/i, rest);
  let lowered;
  if (protocol !== null) {
    protocol = protocol[0];
    lowered = lower(protocol);
    this.protocol = lowered;
    rest = slice(rest, protocol.length);
  }
  let slashes;
  if (slashesDenoteHost || protocol || /^\/\/[^@/]+@[^@/]+/.test(rest)) {
    slashes = slice(rest, 0, 2) === "//";
    if (slashes && !(lowered && kit.arrIndexOf(hostless, lowered) >= 0)) {
      rest = slice(rest, 2);
      this.slashes = true;
    }
  }
  if (!(lowered && kit.arrIndexOf(hostless, lowered) >= 0) && (slashes || (protocol && !hasSlashes(lowered)))) {
    // The host ends at the first of / ? # and the like; what is before the last @ is who.
    let end = rest.length;
    let who = -1;
    for (let i = 0; i < rest.length; i++) {
      const c = rest[i];
      if (c === "/" || c === "?" || c === "#") { end = i; break; }
      if (c === "@") who = i;
    }
    for (let i = who + 1; i < end; i++) {
      if (strIndexOf("\t\n\r \"%';<>\\^`{|}", rest[i]) >= 0) { end = i; break; }
    }
    let hostText = slice(rest, 0, end);
    if (who >= 0) {
      this.auth = decodeURIComponent(slice(rest, 0, who));
      hostText = slice(rest, who + 1, end);
    }
    rest = slice(rest, end);
    const port = regexExec(/:([0-9]*)$/, hostText);
    if (port !== null) {
      if (port[1] !== "") this.port = port[1];
      hostText = slice(hostText, 0, hostText.length - port[0].length);
    }
    this.hostname = lower(hostText);
    const v6 = this.hostname[0] === "[" && this.hostname[this.hostname.length - 1] === "]";
    if (!v6 && this.hostname.length > 255) this.hostname = "";
    if (!v6 && this.hostname !== "" && /[^\x00-\x7f]/.test(this.hostname)) {
      try {
        this.hostname = new URL(`http://${this.hostname}`).hostname;
      } catch {
        throw nodeError(TypeErrorCtor, "ERR_INVALID_URL", "Invalid URL");
      }
    }
    this.host = this.hostname + (this.port ? `:${this.port}` : "");
    if (v6) {
      this.hostname = slice(this.hostname, 1, -1);
      if (rest[0] !== "/") rest = `/${rest}`;
    }
  }
  if (lowered !== "javascript:") rest = autoEscape(rest);
  const hash = strIndexOf(rest, "#");
  if (hash >= 0) {
    this.hash = slice(rest, hash);
    rest = slice(rest, 0, hash);
  }
  const query = strIndexOf(rest, "?");
  if (query >= 0) {
    this.search = slice(rest, query);
    this.query = slice(rest, query + 1);
    if (parseQuery) this.query = querystring.parse(this.query);
    rest = slice(rest, 0, query);
  } else if (parseQuery) {
    this.search = null;
    this.query = { __proto__: null };
  }
  if (rest !== "") this.pathname = rest;
  if (hasSlashes(lowered) && this.hostname && !this.pathname) this.pathname = "/";
  if (this.pathname || this.search) this.path = (this.pathname || "") + (this.search || "");
  this.href = this.format();
  return this;
};

function format(url, options = undefined) {
  if (typeof url === "string") url = parse(url);
  else if (typeof url !== "object" || url === null) throw invalidArg("urlObject", "one of type object or string", url);
  else if (url instanceof URL) {
    const { fragment = true, unicode = false, search = true, auth = true } = options ?? {};
    const out = `${url.protocol}${url.host !== "" || url.protocol === "file:" ? "//" : ""}${auth && (url.username || url.password) ? `${url.username}${url.password ? `:${url.password}` : ""}@` : ""}${unicode ? host.domainToUnicode(url.hostname) + (url.port ? `:${url.port}` : "") : url.host}${url.pathname}${search ? url.search : ""}${fragment ? url.hash : ""}`;
    return out;
  }
  return Url.prototype.format.call(url);
}

Url.prototype.format = function () {
  let auth = this.auth || "";
  if (auth) auth = `${replace(encodeURIComponent(auth), /%3A/i, ":")}@`;
  let protocol = this.protocol || "";
  let pathname = this.pathname || "";
  let hash = this.hash || "";
  let hostText = "";
  let query = "";
  if (this.host) hostText = auth + this.host;
  else if (this.hostname) {
    hostText = auth + (strIndexOf(this.hostname, ":") >= 0 && this.hostname[0] !== "[" ? `[${this.hostname}]` : this.hostname);
    if (this.port) hostText += `:${this.port}`;
  }
  if (this.query !== null && typeof this.query === "object") query = querystring.stringify(this.query);
  let search = this.search || (query && `?${query}`) || "";
  if (protocol && protocol[protocol.length - 1] !== ":") protocol += ":";
  pathname = replace(replace(pathname, /#/g, "%23"), /\?/g, "%3F");
  if (this.slashes || hasSlashes(protocol)) {
    if (this.slashes || hostText) {
      if (pathname && pathname[0] !== "/") pathname = `/${pathname}`;
      hostText = `//${hostText}`;
    } else if (protocol === "file:") {
      hostText = "//";
    }
  }
  search = replace(search, /#/g, "%23");
  if (hash && hash[0] !== "#") hash = `#${hash}`;
  if (search && search[0] !== "?") search = `?${search}`;
  return protocol + hostText + pathname + search + hash;
};

function resolve(source, relative) {
  return parse(source, false, true).resolve(relative);
}
Url.prototype.resolve = function (relative) {
  return this.resolveObject(parse(relative, false, true)).format();
};

function resolveObject(source, relative) {
  if (!source) return relative;
  return parse(source, false, true).resolveObject(relative);
}
Url.prototype.resolveObject = function (relative) {
  if (typeof relative === "string") relative = parse(relative, false, true);
  const out = new Url();
  Object.assign(out, this);
  out.hash = relative.hash;
  if (relative.href === "") {
    out.href = out.format();
    return out;
  }
  if (relative.slashes && !relative.protocol) {
    for (const k of objectKeys(relative)) if (k !== "protocol") out[k] = relative[k];
    if (hasSlashes(out.protocol) && out.hostname && !out.pathname) out.path = out.pathname = "/";
    out.href = out.format();
    return out;
  }
  if (relative.protocol && relative.protocol !== out.protocol) {
    if (!hasSlashes(relative.protocol)) {
      Object.assign(out, relative);
      out.href = out.format();
      return out;
    }
    out.protocol = relative.protocol;
    if (!relative.host && !/^file:?$/.test(relative.protocol) && kit.arrIndexOf(hostless, relative.protocol) < 0) {
      const parts = strSplit(relative.pathname || "", "/");
      while (parts.length > 0 && !(relative.host = parts.shift()));
      relative.host ||= "";
      relative.hostname ||= "";
      if (parts[0] !== "") parts.unshift("");
      if (parts.length < 2) parts.unshift("");
      out.pathname = parts.join("/");
    } else {
      out.pathname = relative.pathname;
    }
    out.search = relative.search;
    out.query = relative.query;
    out.host = relative.host || "";
    out.auth = relative.auth;
    out.hostname = relative.hostname || relative.host;
    out.port = relative.port;
    if (out.pathname || out.search) out.path = (out.pathname || "") + (out.search || "");
    out.slashes = out.slashes || relative.slashes;
    out.href = out.format();
    return out;
  }
  const sourceAbsolute = out.pathname && out.pathname[0] === "/";
  const relativeAbsolute = relative.host || (relative.pathname && relative.pathname[0] === "/");
  let mustEndAbsolute = relativeAbsolute || sourceAbsolute || (out.host && relative.pathname);
  const removeDots = mustEndAbsolute;
  let parts = (out.pathname && strSplit(out.pathname, "/")) || [];
  const relParts = (relative.pathname && strSplit(relative.pathname, "/")) || [];
  const noLead = out.protocol && !hasSlashes(out.protocol);
  if (noLead) {
    out.hostname = "";
    out.port = null;
    if (out.host) {
      if (parts[0] === "") parts[0] = out.host;
      else parts.unshift(out.host);
    }
    out.host = "";
    if (relative.protocol) {
      relative.hostname = null;
      relative.port = null;
      out.auth = null;
      if (relative.host) {
        if (relParts[0] === "") relParts[0] = relative.host;
        else relParts.unshift(relative.host);
      }
      relative.host = null;
    }
    mustEndAbsolute = mustEndAbsolute && (relParts[0] === "" || parts[0] === "");
  }
  if (relativeAbsolute) {
    if (relative.host || relative.host === "") {
      if (out.host !== relative.host) out.auth = null;
      out.host = relative.host;
      out.port = relative.port;
    }
    if (relative.hostname || relative.hostname === "") {
      if (out.hostname !== relative.hostname) out.auth = null;
      out.hostname = relative.hostname;
    }
    out.search = relative.search;
    out.query = relative.query;
    parts = relParts;
  } else if (relParts.length > 0) {
    parts.pop();
    parts = parts.concat(relParts);
    out.search = relative.search;
    out.query = relative.query;
  } else if (relative.search !== null && relative.search !== undefined) {
    if (noLead) {
      out.hostname = out.host = parts.shift();
      const who = out.host && strIndexOf(out.host, "@") > 0 && strSplit(out.host, "@");
      if (who) {
        out.auth = who.shift();
        out.host = out.hostname = who.shift();
      }
    }
    out.search = relative.search;
    out.query = relative.query;
    if (out.pathname !== null || out.search !== null) out.path = (out.pathname || "") + (out.search || "");
    out.href = out.format();
    return out;
  }
  if (parts.length === 0) {
    out.pathname = null;
    out.path = out.search ? `/${out.search}` : null;
    out.href = out.format();
    return out;
  }
  const last = parts[parts.length - 1];
  const trailing = ((out.host || relative.host || parts.length > 1) && (last === "." || last === "..")) || last === "";
  let up = 0;
  for (let i = parts.length - 1; i >= 0; i--) {
    if (parts[i] === ".") parts.splice(i, 1);
    else if (parts[i] === "..") {
      parts.splice(i, 1);
      up++;
    } else if (up > 0) {
      parts.splice(i, 1);
      up--;
    }
  }
  if (!mustEndAbsolute && !removeDots) while (up-- > 0) parts.unshift("..");
  if (mustEndAbsolute && parts[0] !== "" && (!parts[0] || parts[0][0] !== "/")) parts.unshift("");
  if (trailing && parts.join("/").slice(-1) !== "/") parts.push("");
  const absolute = parts[0] === "" || (parts[0] && parts[0][0] === "/");
  if (noLead) {
    out.hostname = out.host = absolute ? "" : parts.length > 0 ? parts.shift() : "";
    const who = out.host && strIndexOf(out.host, "@") > 0 ? strSplit(out.host, "@") : false;
    if (who) {
      out.auth = who.shift();
      out.host = out.hostname = who.shift();
    }
  }
  mustEndAbsolute = mustEndAbsolute || (out.host && parts.length > 0);
  if (mustEndAbsolute && !absolute) parts.unshift("");
  if (parts.length === 0) {
    out.pathname = null;
    out.path = null;
  } else {
    out.pathname = parts.join("/");
  }
  if (out.pathname !== null || out.search !== null) out.path = (out.pathname || "") + (out.search || "");
  out.auth = relative.auth || out.auth;
  out.slashes = out.slashes || relative.slashes;
  out.href = out.format();
  return out;
};

function domainTo(domain) {
  try {
    return new URL(`ws://${domain}`).hostname;
  } catch {
    return "";
  }
}

return {
  Url, parse, resolve, resolveObject, format, URL, URLSearchParams,
  domainToASCII: (domain) => domainTo(`${domain}`),
  domainToUnicode: (domain) => host.domainToUnicode(domainTo(`${domain}`)),
  pathToFileURL, fileURLToPath, urlToHttpOptions,
};

// node:path, for both kinds of systems. Everything is text: there is no file system, and the current directory is /bundle.

const { charCode, slice, needString, invalidArg, uncurry } = kit;

const lastIndexOf = uncurry(String.prototype.lastIndexOf);
const toLower = uncurry(String.prototype.toLowerCase);

const SLASH = 47, BACKSLASH = 92, DOT = 46, COLON = 58;
const isPosixSeparator = (c) => c === SLASH;
const isAnySeparator = (c) => c === SLASH || c === BACKSLASH;
const isDrive = (c) => (c >= 65 && c <= 90) || (c >= 97 && c <= 122);
const cwd = () => "/bundle";

// normalizeParts resolves "." and ".." between separators.
function normalizeParts(path, allowAbove, separator, isSeparator) {
  let out = "";
  let segment = 0; // length of the last segment of out
  let last = -1;
  let dots = 0;
  let c = 0;
  for (let i = 0; i <= path.length; ++i) {
    if (i < path.length) c = charCode(path, i);
    else if (isSeparator(c)) break;
    else c = SLASH;
    if (isSeparator(c)) {
      if (last === i - 1 || dots === 1) {
        // Nothing, or a dot.
      } else if (dots === 2) {
        if (out.length < 2 || segment !== 2 || charCode(out, out.length - 1) !== DOT || charCode(out, out.length - 2) !== DOT) {
          if (out.length > 2) {
            const at = lastIndexOf(out, separator);
            if (at === -1) {
              out = "";
              segment = 0;
            } else {
              out = slice(out, 0, at);
              segment = out.length - 1 - lastIndexOf(out, separator);
            }
            last = i;
            dots = 0;
            continue;
          } else if (out.length !== 0) {
            out = "";
            segment = 0;
            last = i;
            dots = 0;
            continue;
          }
        }
        if (allowAbove) {
          out += out.length > 0 ? `${separator}..` : "..";
          segment = 2;
        }
      } else {
        const part = slice(path, last + 1, i);
        out = out.length > 0 ? `${out}${separator}${part}` : part;
        segment = i - last - 1;
      }
      last = i;
      dots = 0;
    } else if (c === DOT && dots !== -1) {
      ++dots;
    } else {
      dots = -1;
    }
  }
  return out;
}

function formatWith(separator, o) {
  if (o === null || typeof o !== "object") throw invalidArg("pathObject", "of type object", o);
  const dir = o.dir || o.root;
  const base = o.base || `${o.name || ""}${o.ext ? `${o.ext[0] === "." ? "" : "."}${o.ext}` : ""}`;
  if (!dir) return base;
  return dir === o.root ? `${dir}${base}` : `${dir}${separator}${base}`;
}

// baseOf is basename from a place on.
function baseOf(path, suffix, from, isSeparator) {
  let end = path.length;
  while (end > from && isSeparator(charCode(path, end - 1))) end--;
  let start = end;
  while (start > from && !isSeparator(charCode(path, start - 1))) start--;
  const base = slice(path, start, end);
  if (suffix !== undefined && suffix.length < base.length && slice(base, base.length - suffix.length) === suffix) return slice(base, 0, base.length - suffix.length);
  return base;
}

// extOf is the extension of a base name: from its last dot, unless that is its first character.
function extOf(base) {
  const at = lastIndexOf(base, ".");
  if (at <= 0 || base === "..") return "";
  return slice(base, at);
}

// globs are for matchesGlob: *, ?, **, [...], {a,b}.
function matchesGlob(path, pattern, isSeparator) {
  needString(path, "path");
  needString(pattern, "pattern");
  let source = "";
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const ch = pattern[i];
    if (ch === "*") {
      if (pattern[i + 1] === "*") {
        const slashed = isSeparator(charCode(pattern, i + 2));
        source += slashed ? "(?:[^/]+/)*" : ".*";
        i += slashed ? 2 : 1;
      } else source += "[^/]*";
    } else if (ch === "?") source += "[^/]";
    else if (ch === "[") {
      const end = kit.strIndexOf(pattern, "]", i + 2);
      if (end < 0) source += "\\[";
      else {
        let set = slice(pattern, i + 1, end);
        if (set[0] === "!") set = `^${slice(set, 1)}`;
        source += `[${set}]`;
        i = end;
      }
    } else if (ch === "{") {
      depth++;
      source += "(?:";
    } else if (ch === "}" && depth > 0) {
      depth--;
      source += ")";
    } else if (ch === "," && depth > 0) source += "|";
    else if (isSeparator(charCode(ch, 0))) source += "/";
    else source += kit.strIndexOf("\\^$.|+()]}", ch) >= 0 ? `\\${ch}` : ch;
  }
  let text = "";
  for (let i = 0; i < path.length; i++) text += isSeparator(charCode(path, i)) ? "/" : path[i];
  return kit.regexExec(new RegExp(`^${source}$`), text) !== null;
}

const posix = {
  resolve(...parts) {
    let out = "";
    let absolute = false;
    for (let i = parts.length - 1; i >= -1 && !absolute; i--) {
      const path = i >= 0 ? needString(parts[i], `paths[${i}]`) : cwd();
      if (path.length === 0) continue;
      out = `${path}/${out}`;
      absolute = charCode(path, 0) === SLASH;
    }
    out = normalizeParts(out, !absolute, "/", isPosixSeparator);
    return absolute ? `/${out}` : out.length > 0 ? out : ".";
  },
  normalize(path) {
    needString(path, "path");
    if (path.length === 0) return ".";
    const absolute = charCode(path, 0) === SLASH;
    const trailing = charCode(path, path.length - 1) === SLASH;
    path = normalizeParts(path, !absolute, "/", isPosixSeparator);
    if (path.length === 0) return absolute ? "/" : trailing ? "./" : ".";
    if (trailing) path += "/";
    return absolute ? `/${path}` : path;
  },
  isAbsolute(path) {
    needString(path, "path");
    return path.length > 0 && charCode(path, 0) === SLASH;
  },
  join(...parts) {
    let joined = "";
    for (let i = 0; i < parts.length; i++) {
      const part = needString(parts[i], "path");
      if (part.length > 0) joined = joined === "" ? part : `${joined}/${part}`;
    }
    return joined === "" ? "." : posix.normalize(joined);
  },
  relative(from, to) {
    needString(from, "from");
    needString(to, "to");
    if (from === to) return "";
    from = posix.resolve(from);
    to = posix.resolve(to);
    if (from === to) return "";
    return relativeParts(from, to, from, to, "/");
  },
  toNamespacedPath: (path) => path,
  dirname(path) {
    needString(path, "path");
    if (path.length === 0) return ".";
    const absolute = charCode(path, 0) === SLASH;
    let end = -1;
    let matched = true;
    for (let i = path.length - 1; i >= 1; --i) {
      if (charCode(path, i) === SLASH) {
        if (!matched) {
          end = i;
          break;
        }
      } else {
        matched = false;
      }
    }
    if (end === -1) return absolute ? "/" : ".";
    if (absolute && end === 1) return "//";
    return slice(path, 0, end);
  },
  basename(path, suffix) {
    if (suffix !== undefined) needString(suffix, "suffix");
    return baseOf(needString(path, "path"), suffix, 0, isPosixSeparator);
  },
  extname(path) {
    return extOf(baseOf(needString(path, "path"), undefined, 0, isPosixSeparator));
  },
  format: (o) => formatWith("/", o),
  parse(path) {
    needString(path, "path");
    const out = { root: "", dir: "", base: "", ext: "", name: "" };
    if (path.length === 0) return out;
    const absolute = charCode(path, 0) === SLASH;
    if (absolute) out.root = "/";
    let end = path.length;
    while (end > (absolute ? 1 : 0) && charCode(path, end - 1) === SLASH) end--;
    let start = end;
    while (start > (absolute ? 1 : 0) && charCode(path, start - 1) !== SLASH) start--;
    out.base = slice(path, start, end);
    out.ext = extOf(out.base);
    out.name = slice(out.base, 0, out.base.length - out.ext.length);
    if (start > 1) out.dir = slice(path, 0, start - 1);
    else if (absolute) out.dir = "/";
    return out;
  },
  matchesGlob: (path, pattern) => matchesGlob(path, pattern, isPosixSeparator),
  sep: "/",
  delimiter: ":",
  win32: null,
  posix: null,
};

// relativeParts compares two absolute paths a segment at a time; the second pair is what is shown.
function relativeParts(from, to, fromShown, toShown, separator) {
  const a = segments(from, separator), b = segments(to, separator), shown = segments(toShown, separator);
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  let out = "";
  for (let i = same; i < a.length; i++) out += out === "" ? ".." : `${separator}..`;
  for (let i = same; i < shown.length; i++) out += out === "" ? shown[i] : `${separator}${shown[i]}`;
  return out;
}

function segments(path, separator) {
  const all = kit.strSplit(path, separator);
  const out = [];
  for (let i = 0; i < all.length; i++) if (all[i] !== "") kit.push(out, all[i]);
  return out;
}

// winRoot takes a Windows path apart: device ("C:" or a share), whether it is absolute, and where the rest begins.
function winRoot(path) {
  const n = path.length;
  const none = { device: "", absolute: false, rest: 0 };
  if (n === 0) return none;
  const c = charCode(path, 0);
  if (isAnySeparator(c)) {
    if (n === 1 || !isAnySeparator(charCode(path, 1))) return { device: "", absolute: true, rest: 1 };
    let i = 2;
    const server = i;
    while (i < n && !isAnySeparator(charCode(path, i))) i++;
    if (i >= n || i === server) return { device: "", absolute: true, rest: 1 };
    const first = slice(path, server, i);
    let k = i;
    while (k < n && isAnySeparator(charCode(path, k))) k++;
    if (k >= n || k === i) return { device: "", absolute: true, rest: 1 };
    let e = k;
    while (e < n && !isAnySeparator(charCode(path, e))) e++;
    if (e === k) return { device: "", absolute: true, rest: 1 };
    return { device: `\\\\${first}\\${slice(path, k, e)}`, absolute: true, rest: e, share: true };
  }
  if (isDrive(c) && n > 1 && charCode(path, 1) === COLON) {
    const absolute = n > 2 && isAnySeparator(charCode(path, 2));
    return { device: slice(path, 0, 2), absolute, rest: absolute ? 3 : 2 };
  }
  return none;
}

const win32 = {
  resolve(...parts) {
    let device = "";
    let tail = "";
    let absolute = false;
    for (let i = parts.length - 1; i >= -1; i--) {
      let path;
      if (i >= 0) {
        path = needString(parts[i], `paths[${i}]`);
        if (path.length === 0) continue;
      } else if (device.length === 0) path = cwd();
      else path = `${device}\\`;
      const root = winRoot(path);
      if (root.device.length > 0) {
        if (device.length > 0) {
          if (toLower(root.device) !== toLower(device)) continue;
        } else device = root.device;
      }
      if (absolute) {
        if (device.length > 0) break;
      } else {
        tail = `${slice(path, root.rest)}\\${tail}`;
        absolute = root.absolute;
        if (root.absolute && device.length > 0) break;
      }
    }
    tail = normalizeParts(tail, !absolute, "\\", isAnySeparator);
    return absolute ? `${device}\\${tail}` : `${device}${tail}` || ".";
  },
  normalize(path) {
    needString(path, "path");
    const n = path.length;
    if (n === 0) return ".";
    if (n === 1) return path === "/" ? "\\" : path;
    const root = winRoot(path);
    if (root.share && root.rest >= n) return `${root.device}\\`;
    let tail = root.rest < n ? normalizeParts(slice(path, root.rest), !root.absolute, "\\", isAnySeparator) : "";
    if (tail.length === 0 && !root.absolute) tail = ".";
    if (tail.length > 0 && isAnySeparator(charCode(path, n - 1))) tail += "\\";
    if (root.device === "") return root.absolute ? `\\${tail}` : tail;
    return root.absolute ? `${root.device}\\${tail}` : `${root.device}${tail}`;
  },
  isAbsolute(path) {
    needString(path, "path");
    const n = path.length;
    if (n === 0) return false;
    const c = charCode(path, 0);
    return isAnySeparator(c) || (n > 2 && isDrive(c) && charCode(path, 1) === COLON && isAnySeparator(charCode(path, 2)));
  },
  join(...parts) {
    let joined;
    let first = "";
    for (let i = 0; i < parts.length; i++) {
      const part = needString(parts[i], "path");
      if (part.length > 0) {
        if (joined === undefined) joined = first = part;
        else joined += `\\${part}`;
      }
    }
    if (joined === undefined) return ".";
    // Two separators at the start are a share only where the first part has them.
    let replace = true;
    let slashes = 0;
    if (isAnySeparator(charCode(first, 0))) {
      ++slashes;
      if (first.length > 1 && isAnySeparator(charCode(first, 1))) {
        ++slashes;
        if (first.length > 2) {
          if (isAnySeparator(charCode(first, 2))) ++slashes;
          else replace = false;
        }
      }
    }
    if (replace) {
      while (slashes < joined.length && isAnySeparator(charCode(joined, slashes))) slashes++;
      if (slashes >= 2) joined = `\\${slice(joined, slashes)}`;
    }
    return win32.normalize(joined);
  },
  relative(from, to) {
    needString(from, "from");
    needString(to, "to");
    if (from === to) return "";
    from = win32.resolve(from);
    to = win32.resolve(to);
    if (from === to) return "";
    const a = toLower(from), b = toLower(to);
    if (a === b) return "";
    const rootA = winRoot(a), rootB = winRoot(b);
    if (rootA.device !== rootB.device) return to;
    return relativeParts(a, b, from, to, "\\");
  },
  toNamespacedPath(path) {
    if (typeof path !== "string" || path.length === 0) return path;
    const p = win32.resolve(path);
    if (p.length <= 2) return path;
    if (charCode(p, 0) === BACKSLASH) {
      if (charCode(p, 1) === BACKSLASH) {
        const c = charCode(p, 2);
        if (c !== 63 && c !== DOT) return `\\\\?\\UNC\\${slice(p, 2)}`;
      }
    } else if (isDrive(charCode(p, 0)) && charCode(p, 1) === COLON && charCode(p, 2) === BACKSLASH) return `\\\\?\\${p}`;
    return p;
  },
  dirname(path) {
    needString(path, "path");
    const n = path.length;
    if (n === 0) return ".";
    if (n === 1) return isAnySeparator(charCode(path, 0)) ? path : ".";
    const root = winRoot(path);
    let rootEnd = root.rest;
    if (root.share && rootEnd >= n) return path;
    if (root.share) rootEnd += 1;
    let end = -1;
    let matched = true;
    for (let i = n - 1; i >= rootEnd; --i) {
      if (isAnySeparator(charCode(path, i))) {
        if (!matched) {
          end = i;
          break;
        }
      } else {
        matched = false;
      }
    }
    if (end === -1) {
      if (rootEnd === 0) return ".";
      end = rootEnd;
    }
    return slice(path, 0, end);
  },
  basename(path, suffix) {
    if (suffix !== undefined) needString(suffix, "suffix");
    needString(path, "path");
    const from = path.length >= 2 && isDrive(charCode(path, 0)) && charCode(path, 1) === COLON ? 2 : 0;
    return baseOf(path, suffix, from, isAnySeparator);
  },
  extname(path) {
    return extOf(win32.basename(path));
  },
  format: (o) => formatWith("\\", o),
  parse(path) {
    needString(path, "path");
    const out = { root: "", dir: "", base: "", ext: "", name: "" };
    const n = path.length;
    if (n === 0) return out;
    if (n === 1) {
      if (isAnySeparator(charCode(path, 0))) {
        out.root = out.dir = path;
        return out;
      }
      out.base = out.name = path;
      return out;
    }
    const root = winRoot(path);
    let rootEnd = root.rest;
    if (root.share && rootEnd < n) rootEnd += 1;
    out.root = slice(path, 0, rootEnd);
    let end = n;
    while (end > rootEnd && isAnySeparator(charCode(path, end - 1))) end--;
    let start = end;
    while (start > rootEnd && !isAnySeparator(charCode(path, start - 1))) start--;
    out.base = slice(path, start, end);
    out.ext = extOf(out.base);
    out.name = slice(out.base, 0, out.base.length - out.ext.length);
    out.dir = start > 0 && start !== rootEnd ? slice(path, 0, start - 1) : out.root;
    return out;
  },
  matchesGlob: (path, pattern) => matchesGlob(path, pattern, isAnySeparator),
  sep: "\\",
  delimiter: ";",
  win32: null,
  posix: null,
};

posix.win32 = win32.win32 = win32;
posix.posix = win32.posix = posix;
posix._makeLong = posix.toNamespacedPath;
win32._makeLong = win32.toNamespacedPath;

return posix;

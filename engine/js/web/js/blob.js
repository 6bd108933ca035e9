// Blob and File.

let isBlob;
let blobBytes; // (blob) its bytes, which nobody may change
let blobSized; // (blob) their number
let fileModified; // (file)

const blobTypeText = /^[ -~]*$/;

function blobType(type) {
  type = `${type}`;
  return regexExec(blobTypeText, type) === null ? "" : toLower(type);
}

class Blob {
  #bytes;
  #type = "";
  constructor(blobParts = undefined, options = undefined) {
    if (blobParts === internal) {
      this.#bytes = options.bytes;
      this.#type = options.type;
      return;
    }
    const parts = [];
    if (blobParts !== undefined) {
      const method = isObject(blobParts) ? blobParts[iteratorSymbol] : undefined;
      if (typeof method !== "function") throw new TypeErrorCtor(`Blob: the first argument must be a list of parts, not ${typeName(blobParts)}`);
      for (const part of { __proto__: null, [iteratorSymbol]: () => apply(method, blobParts, []) }) {
        if (isBlob(part)) push(parts, blobBytes(part));
        else {
          const bytes = bytesOf(part);
          push(parts, bytes === null ? `${part}` : bytes);
        }
      }
    }
    const o = dictionary(options, "Blob: the options");
    const endings = o.endings === undefined ? "transparent" : `${o.endings}`;
    if (endings !== "transparent" && endings !== "native") throw new TypeErrorCtor(`Blob: endings must be "transparent" or "native", not ${jsonStringify(endings)}`);
    if (o.type !== undefined) this.#type = blobType(o.type);
    if (endings === "native") {
      for (let i = 0; i < parts.length; i++) {
        if (typeof parts[i] === "string") parts[i] = lineEnds(lineEnds(parts[i], "\r\n", "\n"), "\r", "\n");
      }
    }
    this.#bytes = host.concat(parts);
  }
  get size() {
    return typedByteLength(this.#bytes);
  }
  get type() {
    return this.#type;
  }
  slice(start = undefined, end = undefined, contentType = undefined) {
    const bytes = this.#bytes;
    const size = typedByteLength(bytes);
    const place = (v, otherwise) => {
      if (v === undefined) return otherwise;
      v = trunc(+v);
      if (v !== v) v = 0;
      return v < 0 ? (size + v > 0 ? size + v : 0) : v < size ? v : size;
    };
    const from = place(start, 0);
    const to = place(end, size);
    const n = to > from ? to - from : 0;
    return new Blob(internal, {
      __proto__: null, type: contentType === undefined ? "" : blobType(contentType),
      bytes: new U8(typedBuffer(bytes), typedByteOffset(bytes) + (n === 0 ? 0 : from), n),
    });
  }
  text() {
    return attempt(() => host.bodyText(this.#bytes));
  }
  arrayBuffer() {
    return attempt(() => resolved(typedBuffer(host.bodyBytes(this.#bytes))));
  }
  bytes() {
    return attempt(() => resolved(host.bodyBytes(this.#bytes)));
  }
  stream() {
    return streamOf(this.#bytes);
  }
  static {
    isBlob = (v) => typeof v === "object" && v !== null && #bytes in v;
    blobBytes = (b) => b.#bytes;
    blobSized = (b) => typedByteLength(b.#bytes);
  }
}
webClass(Blob, "Blob");

class File extends Blob {
  #name;
  #lastModified;
  constructor(fileBits, fileName, options = undefined) {
    if (fileBits !== internal && arguments.length < 2) throw new TypeErrorCtor("File needs a list of parts and a name");
    super(fileBits, options);
    this.#name = toWellFormed(`${fileName}`);
    const modified = options === undefined || options === null ? undefined : options.lastModified;
    this.#lastModified = modified === undefined ? floor(host.timeOrigin() + host.now()) : trunc(+modified) || 0;
  }
  get name() {
    return this.#name;
  }
  get lastModified() {
    return this.#lastModified;
  }
  get webkitRelativePath() {
    void this.#name;
    return "";
  }
  static {
    fileModified = (f) => f.#lastModified;
  }
}
webClass(File, "File");
const isFile = (v) => isBlob(v) && v instanceof File;

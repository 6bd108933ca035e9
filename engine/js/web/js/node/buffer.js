// node:buffer. A Buffer is a Uint8Array with another prototype; what walks over bytes or characters is done by the host.

const {
  host, apply, defineProperty, getOwnPropertyDescriptor, setPrototypeOf, isArray, isView, isBuffer, bytesOf, bytesIn, typedTag, typedBuffer, typedByteOffset,
  typedByteLength, TypedArrayPrototype, U8, TypeErrorCtor, RangeErrorCtor, ErrorCtor, StringOf, NumberOf, floor, trunc, slice, strIndexOf, charCode, join, push, uncurry,
  nodeError, invalidArg, outOfRange, needString, received, hide, padStart, numberToString, objectKeys, iteratorSymbol, bufferByteLengthOf,
} = kit;

const kMaxLength = 134217728; // what a runtime could hold at most
const kStringMaxLength = 536870888;
const toLower = uncurry(String.prototype.toLowerCase);
const typedSet = uncurry(TypedArrayPrototype.set);
const typedFill = uncurry(TypedArrayPrototype.fill);
const typedValues = TypedArrayPrototype.values;
const { min, max } = Math;
const lengthOf = typedByteLength;

class FastBuffer extends U8 {
  constructor(a, b, c) {
    super(a, b, c);
  }
}

const isU8 = (v) => typedTag(v) === "Uint8Array";

// SharedArrayBuffers have a slot of their own.
const sharedLength = typeof SharedArrayBuffer === "function" ? uncurry(getOwnPropertyDescriptor(SharedArrayBuffer.prototype, "byteLength").get) : null;
function anyBuffer(v) {
  if (isBuffer(v)) return true;
  if (typeof v !== "object" || v === null || sharedLength === null) return false;
  try {
    sharedLength(v);
    return true;
  } catch {
    return false;
  }
}

// --- Encodings, by the names that the host knows.

const encodingNames = {
  __proto__: null,
  utf8: "utf8", "utf-8": "utf8", hex: "hex", base64: "base64", base64url: "base64url", latin1: "latin1", binary: "latin1", ascii: "ascii",
  ucs2: "utf16le", "ucs-2": "utf16le", utf16le: "utf16le", "utf-16le": "utf16le",
};

function encodingFrom(encoding) {
  if (encoding === undefined || encoding === null || encoding === "") return "utf8";
  let name = encodingNames[encoding];
  if (name === undefined && typeof encoding === "string") name = encodingNames[toLower(encoding)];
  return name;
}

function knownEncoding(encoding) {
  const name = encodingFrom(encoding);
  if (name === undefined) throw nodeError(TypeErrorCtor, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${StringOf(encoding)}`);
  return name;
}

// --- Making one

function Buffer(arg, encodingOrOffset, length) {
  if (typeof arg === "number") {
    if (typeof encodingOrOffset === "string") throw invalidArg("string", "of type string", arg);
    return Buffer.alloc(arg);
  }
  return Buffer.from(arg, encodingOrOffset, length);
}
Buffer.prototype = FastBuffer.prototype;
setPrototypeOf(Buffer, U8);
hide(Buffer.prototype, "constructor", Buffer);

const statics = {
  poolSize: 8192,

  from(value, encodingOrOffset, length) {
    if (typeof value === "string") return fromString(value, encodingOrOffset);
    if (typeof value === "object" && value !== null) {
      if (anyBuffer(value)) return fromArrayBuffer(value, encodingOrOffset, length);
      const primitive = value.valueOf && value.valueOf();
      if (primitive != null && primitive !== value && (typeof primitive === "string" || typeof primitive === "object")) {
        return Buffer.from(primitive, encodingOrOffset, length);
      }
      const b = fromObject(value);
      if (b !== undefined) return b;
      const toPrimitive = value[Symbol.toPrimitive];
      if (typeof toPrimitive === "function") {
        const text = apply(toPrimitive, value, ["string"]);
        if (typeof text === "string") return fromString(text, encodingOrOffset);
      }
    }
    throw nodeError(TypeErrorCtor, "ERR_INVALID_ARG_TYPE", `The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object.${received(value)}`);
  },

  copyBytesFrom(view, offset, length) {
    if (!isView(view) || typedTag(view) === undefined) throw invalidArg("view", "an instance of TypedArray", view);
    const size = typedByteLength(view) / (view.length || 1);
    const count = view.length;
    if (offset !== undefined) kit.needWhole(offset, "offset", 0);
    else offset = 0;
    if (length !== undefined) kit.needWhole(length, "length", 0);
    else length = count;
    const start = min(offset, count);
    const end = min(start + length, count);
    const out = new FastBuffer((end - start) * size);
    typedSet(out, new U8(typedBuffer(view), typedByteOffset(view) + start * size, (end - start) * size));
    return out;
  },

  of(...items) {
    const b = new FastBuffer(items.length);
    for (let i = 0; i < items.length; i++) b[i] = items[i];
    return b;
  },

  alloc(size, fill, encoding) {
    const b = new FastBuffer(needSize(size));
    if (fill !== undefined && fill !== 0 && size > 0) fillWith(b, fill, 0, size, encoding);
    return b;
  },
  allocUnsafe(size) {
    return new FastBuffer(needSize(size));
  },
  allocUnsafeSlow(size) {
    return new FastBuffer(needSize(size));
  },

  isBuffer(v) {
    return v instanceof Buffer;
  },
  isEncoding(encoding) {
    return typeof encoding === "string" && encoding.length !== 0 && encodingFrom(encoding) !== undefined;
  },

  byteLength(value, encoding) {
    if (typeof value !== "string") {
      if (isView(value)) return bytesIn(value);
      if (anyBuffer(value)) return value.byteLength;
      throw invalidArg("string", "of type string or an instance of Buffer or ArrayBuffer", value);
    }
    return host.bufferByteLength(value, encodingFrom(encoding) ?? "utf8");
  },

  compare(a, b) {
    if (!isU8(a)) throw invalidArg("buf1", "an instance of Buffer or Uint8Array", a);
    if (!isU8(b)) throw invalidArg("buf2", "an instance of Buffer or Uint8Array", b);
    return host.bufferCompare(a, b);
  },

  concat(list, length) {
    if (!isArray(list)) throw invalidArg("list", "an instance of Array", list);
    if (length === undefined) {
      length = 0;
      for (let i = 0; i < list.length; i++) if (list[i].length) length += list[i].length;
    } else {
      kit.needWhole(length, "length", 0);
    }
    const out = new FastBuffer(needSize(length));
    let at = 0;
    for (let i = 0; i < list.length; i++) {
      const part = list[i];
      if (!isU8(part)) throw invalidArg(`list[${i}]`, "an instance of Buffer or Uint8Array", part);
      const n = lengthOf(part);
      if (at + n > length) {
        if (at < length) typedSet(out, new U8(typedBuffer(part), typedByteOffset(part), length - at), at);
        break;
      }
      typedSet(out, part, at);
      at += n;
    }
    return out;
  },
};
for (const name of objectKeys(statics)) {
  defineProperty(Buffer, name, { __proto__: null, value: statics[name], writable: true, enumerable: true, configurable: true });
}
defineProperty(Buffer, Symbol.species, { __proto__: null, get: () => FastBuffer, configurable: true });

function needSize(size) {
  if (typeof size !== "number") throw invalidArg("size", "of type number", size);
  if (!(size >= 0 && size <= kMaxLength)) throw outOfRange("size", `>= 0 && <= ${kMaxLength}`, size);
  return size;
}

function fromString(text, encoding) {
  const name = typeof encoding === "string" && encoding.length !== 0 ? knownEncoding(encoding) : "utf8";
  return new FastBuffer(host.nodeDecode(text, name));
}

function fromArrayBuffer(buffer, offset, length) {
  if (offset === undefined) offset = 0;
  else {
    offset = +offset;
    if (offset !== offset) offset = 0;
  }
  const most = buffer.byteLength - offset;
  if (most < 0) throw nodeError(RangeErrorCtor, "ERR_BUFFER_OUT_OF_BOUNDS", '"offset" is outside of buffer bounds');
  if (length === undefined) length = most;
  else {
    length = +length;
    if (length > 0) {
      if (length > most) throw nodeError(RangeErrorCtor, "ERR_BUFFER_OUT_OF_BOUNDS", '"length" is outside of buffer bounds');
    } else {
      length = 0;
    }
  }
  return new FastBuffer(buffer, offset, length);
}

function fromObject(v) {
  if (v.length !== undefined || isBuffer(v.buffer)) {
    if (typeof v.length !== "number") return new FastBuffer(0);
    return fromArrayLike(v);
  }
  if (v.type === "Buffer" && isArray(v.data)) return fromArrayLike(v.data);
  return undefined;
}

function fromArrayLike(v) {
  const n = v.length > 0 ? trunc(v.length) : 0;
  const b = new FastBuffer(needSize(n));
  if (isView(v) && typedTag(v) !== undefined) typedSet(b, v);
  else for (let i = 0; i < n; i++) b[i] = v[i];
  return b;
}

// --- Numbers in it

function outOfBounds(value, length, name) {
  if (floor(value) !== value) {
    if (typeof value !== "number") throw invalidArg(name || "offset", "of type number", value);
    throw outOfRange(name || "offset", "an integer", value);
  }
  if (length < 0) throw nodeError(RangeErrorCtor, "ERR_BUFFER_OUT_OF_BOUNDS", "Attempt to access memory outside buffer bounds");
  throw outOfRange(name || "offset", `>= ${name ? 1 : 0} and <= ${length}`, value);
}

function at(buffer, offset, size) {
  if (offset === undefined) offset = 0;
  else if (typeof offset !== "number") throw invalidArg("offset", "of type number", offset);
  if (!(floor(offset) === offset && offset >= 0 && offset + size <= buffer.length)) outOfBounds(offset, buffer.length - size);
  return offset;
}

function sizeOf(byteLength) {
  if (typeof byteLength !== "number") throw invalidArg("byteLength", "of type number", byteLength);
  if (!(floor(byteLength) === byteLength && byteLength >= 1 && byteLength <= 6)) outOfBounds(byteLength, 6, "byteLength");
  return byteLength;
}

function readUInt(b, i, size, little) {
  let v = 0;
  if (little) for (let k = size - 1; k >= 0; k--) v = v * 256 + b[i + k];
  else for (let k = 0; k < size; k++) v = v * 256 + b[i + k];
  return v;
}

function signed(v, size) {
  const half = 2 ** (size * 8 - 1);
  return v >= half ? v - 2 * half : v;
}

function rangeText(size, isSigned, n = "") {
  if (size > 4) return isSigned ? `>= -(2${n} ** ${size * 8 - 1}${n}) and < 2${n} ** ${size * 8 - 1}${n}` : `>= 0${n} and < 2${n} ** ${size * 8}${n}`;
  return isSigned ? `>= ${-(2 ** (size * 8 - 1))} and <= ${2 ** (size * 8 - 1) - 1}` : `>= 0 and <= ${2 ** (size * 8) - 1}`;
}

function writeInt(b, value, offset, size, little, isSigned, variable) {
  value = +value;
  if (offset === undefined && variable) throw invalidArg("offset", "of type number", offset);
  const i = offset === undefined ? 0 : offset;
  const least = isSigned ? -(2 ** (size * 8 - 1)) : 0;
  const most = isSigned ? 2 ** (size * 8 - 1) - 1 : 2 ** (size * 8) - 1;
  if (value > most || value < least) throw outOfRange("value", rangeText(size, isSigned), value);
  const where = at(b, i, size);
  value = trunc(value);
  if (value < 0) value += 2 ** (size * 8);
  if (value !== value) value = 0;
  for (let k = 0; k < size; k++) {
    b[where + (little ? k : size - 1 - k)] = value % 256;
    value = floor(value / 256);
  }
  return where + size;
}

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new U8(scratch.buffer);
const DV = DataView.prototype;
const getters = { __proto__: null };
const setters = { __proto__: null };
for (const kind of ["Float32", "Float64", "BigInt64", "BigUint64"]) {
  getters[kind] = uncurry(DV[`get${kind}`]);
  setters[kind] = uncurry(DV[`set${kind}`]);
}

function readVia(b, offset, size, kind, little) {
  const i = at(b, offset, size);
  for (let k = 0; k < size; k++) scratchBytes[k] = b[i + k];
  return getters[kind](scratch, 0, little);
}
function writeVia(b, value, offset, size, kind, little) {
  setters[kind](scratch, 0, value, little);
  const i = at(b, offset, size);
  for (let k = 0; k < size; k++) b[i + k] = scratchBytes[k];
  return i + size;
}
function writeBig(b, value, offset, isSigned, little) {
  if (typeof value !== "bigint") throw new TypeErrorCtor(`Cannot mix BigInt and other types, use explicit conversions`);
  const least = isSigned ? -(2n ** 63n) : 0n;
  const most = isSigned ? 2n ** 63n - 1n : 2n ** 64n - 1n;
  if (value > most || value < least) throw outOfRange("value", rangeText(8, isSigned, "n"), value);
  return writeVia(b, value, offset === undefined ? 0 : offset, 8, isSigned ? "BigInt64" : "BigUint64", little);
}

const methods = {};
for (const little of [true, false]) {
  const end = little ? "LE" : "BE";
  for (const size of [2, 4]) {
    const bits = `${size * 8}${end}`;
    methods[`readUInt${bits}`] = function (offset = 0) {
      return readUInt(this, at(this, offset, size), size, little);
    };
    methods[`readInt${bits}`] = function (offset = 0) {
      return signed(readUInt(this, at(this, offset, size), size, little), size);
    };
    methods[`writeUInt${bits}`] = function (value, offset = 0) {
      return writeInt(this, value, offset, size, little, false, false);
    };
    methods[`writeInt${bits}`] = function (value, offset = 0) {
      return writeInt(this, value, offset, size, little, true, false);
    };
  }
  methods[`readUInt${end}`] = function (offset, byteLength) {
    if (offset === undefined) throw invalidArg("offset", "of type number", offset);
    const size = sizeOf(byteLength);
    return readUInt(this, at(this, offset, size), size, little);
  };
  methods[`readInt${end}`] = function (offset, byteLength) {
    if (offset === undefined) throw invalidArg("offset", "of type number", offset);
    const size = sizeOf(byteLength);
    return signed(readUInt(this, at(this, offset, size), size, little), size);
  };
  methods[`writeUInt${end}`] = function (value, offset, byteLength) {
    return writeInt(this, value, offset, sizeOf(byteLength), little, false, true);
  };
  methods[`writeInt${end}`] = function (value, offset, byteLength) {
    return writeInt(this, value, offset, sizeOf(byteLength), little, true, true);
  };
  methods[`readFloat${end}`] = function (offset = 0) {
    return readVia(this, offset, 4, "Float32", little);
  };
  methods[`readDouble${end}`] = function (offset = 0) {
    return readVia(this, offset, 8, "Float64", little);
  };
  methods[`writeFloat${end}`] = function (value, offset = 0) {
    return writeVia(this, +value, offset, 4, "Float32", little);
  };
  methods[`writeDouble${end}`] = function (value, offset = 0) {
    return writeVia(this, +value, offset, 8, "Float64", little);
  };
  methods[`readBigUInt64${end}`] = function (offset = 0) {
    return readVia(this, offset, 8, "BigUint64", little);
  };
  methods[`readBigInt64${end}`] = function (offset = 0) {
    return readVia(this, offset, 8, "BigInt64", little);
  };
  methods[`writeBigUInt64${end}`] = function (value, offset = 0) {
    return writeBig(this, value, offset, false, little);
  };
  methods[`writeBigInt64${end}`] = function (value, offset = 0) {
    return writeBig(this, value, offset, true, little);
  };
}
methods.readUInt8 = function (offset = 0) {
  return this[at(this, offset, 1)];
};
methods.readInt8 = function (offset = 0) {
  return signed(this[at(this, offset, 1)], 1);
};
methods.writeUInt8 = function (value, offset = 0) {
  return writeInt(this, value, offset, 1, true, false, false);
};
methods.writeInt8 = function (value, offset = 0) {
  return writeInt(this, value, offset, 1, true, true, false);
};
for (const name of objectKeys(methods)) {
  const i = strIndexOf(name, "UInt");
  if (i >= 0) methods[`${slice(name, 0, i)}Uint${slice(name, i + 4)}`] = methods[name];
}
for (const name of objectKeys(methods)) hide(methods[name], "name", name);

// --- Text, parts, and the rest

function clampIndex(v, otherwise, length) {
  if (v === undefined) return otherwise;
  v = trunc(+v);
  if (v !== v) return 0;
  if (v < 0) {
    v += length;
    return v < 0 ? 0 : v;
  }
  return v > length ? length : v;
}

function fillWith(b, value, offset, end, encoding) {
  if (typeof value === "string") {
    if (offset === undefined || typeof offset === "string") {
      encoding = offset;
      offset = 0;
      end = b.length;
    } else if (typeof end === "string") {
      encoding = end;
      end = b.length;
    }
    if (encoding !== undefined) needString(encoding, "encoding");
    const name = encodingFrom(encoding);
    if (name === undefined) throw nodeError(TypeErrorCtor, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
    if (value.length === 0) value = 0;
    else if (value.length === 1 && (name === "utf8" || name === "latin1") && charCode(value, 0) < (name === "utf8" ? 128 : 256)) value = charCode(value, 0);
    else {
      const bytes = new U8(host.nodeDecode(value, name));
      if (bytes.length === 0) throw nodeError(TypeErrorCtor, "ERR_INVALID_ARG_VALUE", `The argument 'value' is invalid. Received '${value}'`);
      value = bytes;
    }
  } else if (typeof value === "boolean") {
    value = +value;
  }
  if (offset === undefined) offset = 0;
  else kit.needWhole(offset, "offset", 0);
  if (end === undefined) end = b.length;
  else kit.needWhole(end, "end", 0, b.length);
  if (offset >= end) return b;
  if (isView(value)) {
    if (bytesIn(value) === 0) throw nodeError(TypeErrorCtor, "ERR_INVALID_ARG_VALUE", `The argument 'value' is invalid. Received ${need("everloop/inspect").inspect(value)}`);
    host.bufferFill(b, bytesOf(value), offset, end);
  } else {
    const v = typeof value === "number" ? value : +value;
    typedFill(b, v & 255, offset, end);
  }
  return b;
}

function indexIn(b, value, byteOffset, encoding, forward) {
  if (typeof byteOffset === "string") {
    encoding = byteOffset;
    byteOffset = undefined;
  } else if (byteOffset > 0x7fffffff) byteOffset = 0x7fffffff;
  else if (byteOffset < -0x80000000) byteOffset = -0x80000000;
  byteOffset = +byteOffset;
  const length = b.length;
  if (byteOffset !== byteOffset) byteOffset = forward ? 0 : length;
  byteOffset = trunc(byteOffset);
  if (byteOffset < 0) {
    byteOffset += length;
    if (byteOffset < 0) {
      if (!forward) return -1;
      byteOffset = 0;
    }
  }
  if (typeof value === "number") {
    const byte = new U8(1);
    byte[0] = value;
    return length === 0 ? -1 : host.bufferIndex(b, byte, byteOffset, forward, 1);
  }
  let needle, step = 1;
  if (typeof value === "string") {
    const name = encoding === undefined ? "utf8" : knownEncoding(encoding);
    needle = new U8(host.nodeDecode(value, name));
    if (name === "utf16le") step = 2;
  } else if (isU8(value)) {
    needle = value;
    if (encoding !== undefined && encodingFrom(encoding) === "utf16le") step = 2;
  } else {
    throw invalidArg("value", "one of type number or string or an instance of Buffer or Uint8Array", value);
  }
  if (needle.length === 0) return byteOffset > length ? length : byteOffset;
  if (length === 0) return -1;
  return host.bufferIndex(b, needle, byteOffset, forward, step);
}

function checkRange(v, name, otherwise, length) {
  if (v === undefined) return otherwise;
  if (typeof v !== "number") throw invalidArg(name, "of type number", v);
  if (!(v >= 0 && v <= length)) throw outOfRange(name, `>= 0 && <= ${length}`, v);
  return floor(v);
}

const more = {
  toString(encoding, start, end) {
    const length = this.length;
    if (start === undefined || start <= 0) start = 0;
    else if (start >= length) return "";
    else start = trunc(start) || 0;
    if (end === undefined || end > length) end = length;
    else end = trunc(end) || 0;
    if (end <= start) return "";
    return host.bufferText(this, knownEncoding(encoding), start, end);
  },
  equals(other) {
    if (!isU8(other)) throw invalidArg("otherBuffer", "an instance of Buffer or Uint8Array", other);
    return this === other || (this.length === other.length && host.bufferCompare(this, other) === 0);
  },
  compare(target, targetStart, targetEnd, sourceStart, sourceEnd) {
    if (!isU8(target)) throw invalidArg("target", "an instance of Buffer or Uint8Array", target);
    const check = (v, name, otherwise, most) => (v === undefined ? otherwise : kit.needWhole(v, name, 0, most));
    targetStart = check(targetStart, "targetStart", 0);
    targetEnd = check(targetEnd, "targetEnd", target.length, target.length);
    sourceStart = check(sourceStart, "sourceStart", 0);
    sourceEnd = check(sourceEnd, "sourceEnd", this.length, this.length);
    if (sourceStart >= sourceEnd) return targetStart >= targetEnd ? 0 : -1;
    if (targetStart >= targetEnd) return 1;
    return host.bufferCompare(view(this, sourceStart, sourceEnd), view(target, targetStart, targetEnd));
  },
  copy(target, targetStart = 0, sourceStart = 0, sourceEnd = this.length) {
    if (!isU8(target)) throw invalidArg("target", "an instance of Buffer or Uint8Array", target);
    targetStart = targetStart === undefined ? 0 : trunc(+targetStart) || 0;
    if (targetStart < 0) throw outOfRange("targetStart", ">= 0", targetStart);
    sourceStart = trunc(+sourceStart) || 0;
    if (sourceStart < 0 || sourceStart > this.length) throw outOfRange("sourceStart", `>= 0 && <= ${this.length}`, sourceStart);
    sourceEnd = sourceEnd === undefined ? this.length : trunc(+sourceEnd) || 0;
    if (sourceEnd < 0) throw outOfRange("sourceEnd", ">= 0", sourceEnd);
    if (targetStart >= target.length || sourceStart >= sourceEnd) return 0;
    const n = min(sourceEnd - sourceStart, target.length - targetStart, this.length - sourceStart);
    typedSet(target, view(this, sourceStart, sourceStart + n), targetStart);
    return n;
  },
  slice(start, end) {
    return part(this, start, end);
  },
  subarray(start, end) {
    return part(this, start, end);
  },
  write(text, offset, length, encoding) {
    if (offset === undefined) return host.bufferWrite(this, needText(text), "utf8", 0, this.length);
    if (length === undefined && typeof offset === "string") {
      encoding = offset;
      length = this.length;
      offset = 0;
    } else {
      kit.needWhole(offset, "offset", 0, this.length);
      const remaining = this.length - offset;
      if (length === undefined) length = remaining;
      else if (typeof length === "string") {
        encoding = length;
        length = remaining;
      } else {
        kit.needWhole(length, "length", 0, this.length);
        if (length > remaining) length = remaining;
      }
    }
    return host.bufferWrite(this, needText(text), encoding ? knownEncoding(encoding) : "utf8", offset, length);
  },
  fill(value, offset, end, encoding) {
    return fillWith(this, value, offset, end, encoding);
  },
  indexOf(value, byteOffset, encoding) {
    return indexIn(this, value, byteOffset, encoding, true);
  },
  lastIndexOf(value, byteOffset, encoding) {
    return indexIn(this, value, byteOffset, encoding, false);
  },
  includes(value, byteOffset, encoding) {
    return indexIn(this, value, byteOffset, encoding, true) !== -1;
  },
  swap16() {
    return swap(this, 2);
  },
  swap32() {
    return swap(this, 4);
  },
  swap64() {
    return swap(this, 8);
  },
  toJSON() {
    const data = [];
    for (let i = 0; i < this.length; i++) defineProperty(data, i, { __proto__: null, value: this[i], writable: true, enumerable: true, configurable: true });
    return { type: "Buffer", data };
  },
  toLocaleString(encoding, start, end) {
    return apply(more.toString, this, [encoding, start, end]);
  },
};
for (const [method, name] of [["asciiSlice", "ascii"], ["base64Slice", "base64"], ["base64urlSlice", "base64url"], ["latin1Slice", "latin1"], ["hexSlice", "hex"], ["ucs2Slice", "utf16le"], ["utf8Slice", "utf8"]]) {
  more[method] = function (start = 0, end = this.length) {
    return host.bufferText(this, name, checkRange(start, "start", 0, this.length), checkRange(end, "end", this.length, this.length));
  };
  more[`${slice(method, 0, -5)}Write`] = function (text, offset = 0, length = this.length - offset) {
    return host.bufferWrite(this, needText(text), name, checkRange(offset, "offset", 0, this.length), min(checkRange(length, "length", 0, this.length), this.length - offset));
  };
}
for (const table of [methods, more]) {
  for (const name of objectKeys(table)) defineProperty(Buffer.prototype, name, { __proto__: null, value: table[name], writable: true, enumerable: true, configurable: true });
}
for (const [name, get] of [
  ["parent", function () { return this instanceof Buffer ? this.buffer : undefined; }],
  ["offset", function () { return this instanceof Buffer ? this.byteOffset : undefined; }],
]) {
  defineProperty(Buffer.prototype, name, { __proto__: null, get, enumerable: true, configurable: true });
}
defineProperty(Buffer.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  __proto__: null, writable: true, enumerable: false, configurable: true,
  value(depth, options) {
    const most = exports.INSPECT_MAX_BYTES;
    const shown = min(most, this.length);
    let text = "";
    for (let i = 0; i < shown; i++) text += `${i > 0 ? " " : ""}${padStart(numberToString(this[i], 16), 2, "0")}`;
    const left = this.length - most;
    if (left > 0) text += ` ... ${left} more byte${left > 1 ? "s" : ""}`;
    let name = "Buffer";
    if (this.constructor && this.constructor.name) name = this.constructor.name;
    return `<${name} ${text}>`;
  },
});

function needText(text) {
  if (typeof text !== "string") throw nodeError(TypeErrorCtor, "ERR_INVALID_ARG_TYPE", "argument must be a string");
  return text;
}

function view(b, start, end) {
  return new U8(typedBuffer(b), typedByteOffset(b) + start, max(0, end - start));
}

function part(b, start, end) {
  const length = lengthOf(b);
  const from = clampIndex(start, 0, length);
  const to = end !== undefined ? clampIndex(end, length, length) : length;
  return new FastBuffer(typedBuffer(b), typedByteOffset(b) + from, to > from ? to - from : 0);
}

function swap(b, size) {
  if (b.length % size !== 0) throw nodeError(RangeErrorCtor, "ERR_INVALID_BUFFER_SIZE", `Buffer size must be a multiple of ${size * 8}-bits`);
  for (let i = 0; i < b.length; i += size) {
    for (let k = 0; k < size / 2; k++) {
      const t = b[i + k];
      b[i + k] = b[i + size - 1 - k];
      b[i + size - 1 - k] = t;
    }
  }
  return b;
}

function transcode(source, from, to) {
  if (!isU8(source)) throw invalidArg("source", "an instance of Buffer or Uint8Array", source);
  const allowed = (e) => (e === "utf8" || e === "utf16le" || e === "latin1" || e === "ascii" ? e : undefined);
  const a = allowed(encodingFrom(from)), b = allowed(encodingFrom(to));
  if (a === undefined || b === undefined) throw nodeError(ErrorCtor, "U_ILLEGAL_ARGUMENT_ERROR", "Unable to transcode Buffer [U_ILLEGAL_ARGUMENT_ERROR]");
  if (source.length === 0) return new FastBuffer(0);
  const text = host.bufferText(source, a, 0, source.length);
  if (b !== "latin1" && b !== "ascii") return fromString(text, b);
  // What the smaller set does not have becomes a question mark.
  const out = [];
  const most = b === "ascii" ? 127 : 255;
  for (let i = 0; i < text.length; i++) {
    const c = charCode(text, i);
    if (c >= 0xd800 && c < 0xdc00 && i + 1 < text.length) i++;
    push(out, c > most ? 63 : c);
  }
  return Buffer.from(out);
}

function isAscii(input) {
  const b = bytesOf(input);
  if (b === null) throw invalidArg("input", "an instance of ArrayBuffer, Buffer, or TypedArray", input);
  for (let i = 0; i < b.length; i++) if (b[i] > 127) return false;
  return true;
}

function isUtf8(input) {
  const b = bytesOf(input);
  if (b === null) throw invalidArg("input", "an instance of ArrayBuffer, Buffer, or TypedArray", input);
  return host.bufferIsUTF8(b);
}

class SlowBuffer {
  constructor(size) {
    return Buffer.allocUnsafeSlow(size);
  }
}

const exports = {
  Blob: kit.Blob, File: kit.File, Buffer, SlowBuffer, transcode, isUtf8, isAscii, atob: kit.atob, btoa: kit.btoa,
  kMaxLength, kStringMaxLength, INSPECT_MAX_BYTES: 50,
  constants: { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: kStringMaxLength },
  resolveObjectURL() {
    return undefined; // there are no object URLs
  },
};
return exports;

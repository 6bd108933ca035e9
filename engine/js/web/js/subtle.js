// SubtleCrypto: what the Web Cryptography API says about arguments, algorithms and keys. The mathematics is in Go.
//
// Each method has two stages. First its arguments are converted and its algorithms normalized; getters of the program run
// here, and an error is a promise that is rejected already. Then comes the operation, which runs nothing of the program; its
// errors arrive a moment later, as if it had been done elsewhere. Data is read after the first stage, in one piece.

const PromisePrototype = PromiseCtor.prototype;

function domError(name, message) {
  return new DOMException(message, name);
}

// --- Usages, as the bits of a number in the standard's order.

const usageNames = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];
const canEncrypt = 1, canDecrypt = 2, canSign = 4, canVerify = 8, canDeriveKey = 16, canDeriveBits = 32, canWrap = 64, canUnwrap = 128;

function usagesFrom(list) {
  if ((typeof list !== "object" && typeof list !== "function") || list === null || typeof list[iteratorSymbol] !== "function") {
    throw new TypeErrorCtor("The usages of a key must be a sequence");
  }
  let usages = 0;
  for (const name of list) {
    const i = arrIndexOf(usageNames, `${name}`);
    if (i < 0) throw new TypeErrorCtor(`${jsonStringify(`${name}`)} is not a usage of a key`);
    usages |= 1 << i;
  }
  return usages;
}

function usageList(usages) {
  const list = [];
  for (let i = 0; i < usageNames.length; i++) if (usages & (1 << i)) push(list, usageNames[i]);
  return list;
}

// --- CryptoKey

let keyFields; // (CryptoKey) what the prelude knows of it; null for anything else
let newKey; // (fields)
let keyAlgorithm;
let keyUsages;

// A CryptoKey is an object of the host, so that it is refused where values are cloned; a plain one would be stored as {}. KeySlots
// gives it its private fields: the constructor of its base returns the object.
//
// The fields of a key: type, extractable, usages, name, material (a handle of the host), and by algorithm hash, length (in
// bits), curve, modulus (its length in bits), exponent (a Uint8Array). They do not change.
class KeySlots extends (function (object) {
  return object;
}) {
  #f;
  #algorithm = null;
  #usages = null;
  constructor(object, fields) {
    super(object);
    this.#f = fields;
  }
  static {
    keyFields = (v) => (typeof v === "object" && v !== null && #f in v ? v.#f : null);
    newKey = (fields) => new KeySlots(host.subtleKey(CryptoKey.prototype), fields);
    keyAlgorithm = (key) => {
      if (key.#algorithm === null) {
        const f = key.#f;
        const a = { name: f.name };
        if (f.modulus !== undefined) {
          a.modulusLength = f.modulus;
          a.publicExponent = new U8(f.exponent);
        }
        if (f.length !== undefined) a.length = f.length;
        if (f.curve !== undefined) a.namedCurve = f.curve;
        if (f.hash !== undefined) a.hash = { name: f.hash };
        key.#algorithm = a;
      }
      return key.#algorithm;
    };
    keyUsages = (key) => {
      if (key.#usages === null) key.#usages = usageList(key.#f.usages);
      return key.#usages;
    };
  }
}

class CryptoKey {
  constructor() {
    throw illegalConstructor();
  }
  get type() {
    return keyArg(this, "this").type;
  }
  get extractable() {
    return keyArg(this, "this").extractable;
  }
  get algorithm() {
    return keyAlgorithm(this);
  }
  get usages() {
    return keyUsages(this);
  }
}
webClass(CryptoKey, "CryptoKey");

// --- Conversion of arguments

function needArguments(given, n, method) {
  if (given < n) throw new TypeErrorCtor(`SubtleCrypto.${method} needs ${n} arguments, not ${given}`);
}

function algorithmArg(v) {
  return (typeof v === "object" && v !== null) || typeof v === "function" ? v : `${v}`;
}

function keyArg(v, what) {
  const f = keyFields(v);
  if (f === null) throw new TypeErrorCtor(`${what} must be a CryptoKey, not ${typeName(v)}`);
  return f;
}

function isBufferSource(v) {
  if (!isView(v)) return isBuffer(v);
  return isBuffer(typedTag(v) !== undefined ? typedBuffer(v) : viewBuffer(v));
}

function dataArg(v, what) {
  if (!isBufferSource(v)) throw new TypeErrorCtor(`${what} must be an ArrayBuffer or a view of one, not ${typeName(v)}`);
  return v;
}

const formats = { __proto__: null, raw: true, pkcs8: true, spki: true, jwk: true };

function formatArg(v) {
  const format = `${v}`;
  if (formats[format] !== true) throw new TypeErrorCtor(`${jsonStringify(format)} is not a format of keys: there are raw, pkcs8, spki and jwk`);
  return format;
}

// enforced converts to an integer of a range ([EnforceRange] of WebIDL).
function enforced(v, most, what) {
  const n = +v;
  if (n !== n || n === Infinity || n === -Infinity) throw new TypeErrorCtor(`${what} must be a number`);
  const i = trunc(n);
  if (i < 0 || i > most) throw new TypeErrorCtor(`${what} must be from 0 to ${most}`);
  return i;
}

// copyOf copies the bytes of a BufferSource; a detached one has none.
function copyOf(v) {
  if (isView(v) && typedTag(v) === "Uint8Array") return typedByteLength(v) === 0 ? new U8(0) : new U8(v);
  const buffer = !isView(v) ? v : typedTag(v) !== undefined ? typedBuffer(v) : viewBuffer(v);
  if (bufferByteLengthOf(buffer) === 0) return new U8(0);
  return new U8(bytesOf(v));
}

// --- Algorithms. An entry is the members of the parameters, in the order in which WebIDL reads them.

const asHash = 0, asOctet = 1, asShort = 2, asLong = 3, asBytes = 4, asBigInteger = 5, asString = 6, asKey = 7;
const required = true, optional = false;

const withNone = [];
const withLength = [["length", asShort, required]];
const withHash = [["hash", asHash, required]];
const withHashAndLength = [["hash", asHash, required], ["length", asLong, optional]];
const withCurve = [["namedCurve", asString, required]];
const withRSA = [["modulusLength", asLong, required], ["publicExponent", asBigInteger, required], ["hash", asHash, required]];
const withPublic = [["public", asKey, required]];
const withIV = [["iv", asBytes, required]];
const withCounter = [["counter", asBytes, required], ["length", asOctet, required]];
const withGCM = [["additionalData", asBytes, optional], ["iv", asBytes, required], ["tagLength", asOctet, optional]];
const withLabel = [["label", asBytes, optional]];
const withSalt = [["saltLength", asLong, required]];
const withHKDF = [["hash", asHash, required], ["info", asBytes, required], ["salt", asBytes, required]];
const withPBKDF2 = [["hash", asHash, required], ["iterations", asLong, required], ["salt", asBytes, required]];

const algorithmNames = [
  "SHA-1", "SHA-256", "SHA-384", "SHA-512", "HMAC", "AES-GCM", "AES-CBC", "AES-CTR", "AES-KW", "PBKDF2", "HKDF", "ECDSA", "ECDH",
  "RSASSA-PKCS1-v1_5", "RSA-PSS", "RSA-OAEP", "Ed25519", "X25519", "MD5",
];
const canonicalNames = { __proto__: null };
for (let i = 0; i < algorithmNames.length; i++) canonicalNames[toUpper(algorithmNames[i])] = algorithmNames[i];

const hashes = { __proto__: null, "SHA-1": withNone, "SHA-256": withNone, "SHA-384": withNone, "SHA-512": withNone };
const operations = {
  __proto__: null,
  hash: hashes,
  // MD5 is Cloudflare's addition, for digest alone.
  digest: { __proto__: null, ...hashes, MD5: withNone },
  encrypt: { __proto__: null, "AES-GCM": withGCM, "AES-CBC": withIV, "AES-CTR": withCounter, "RSA-OAEP": withLabel },
  sign: { __proto__: null, HMAC: withNone, ECDSA: withHash, "RSASSA-PKCS1-v1_5": withNone, "RSA-PSS": withSalt, Ed25519: withNone },
  deriveBits: { __proto__: null, PBKDF2: withPBKDF2, HKDF: withHKDF, ECDH: withPublic, X25519: withPublic },
  generateKey: {
    __proto__: null, HMAC: withHashAndLength, "AES-GCM": withLength, "AES-CBC": withLength, "AES-CTR": withLength, "AES-KW": withLength,
    ECDSA: withCurve, ECDH: withCurve, "RSASSA-PKCS1-v1_5": withRSA, "RSA-PSS": withRSA, "RSA-OAEP": withRSA, Ed25519: withNone, X25519: withNone,
  },
  importKey: {
    __proto__: null, HMAC: withHashAndLength, "AES-GCM": withNone, "AES-CBC": withNone, "AES-CTR": withNone, "AES-KW": withNone,
    PBKDF2: withNone, HKDF: withNone, ECDSA: withCurve, ECDH: withCurve, "RSASSA-PKCS1-v1_5": withHash, "RSA-PSS": withHash,
    "RSA-OAEP": withHash, Ed25519: withNone, X25519: withNone,
  },
  keyLength: {
    __proto__: null, HMAC: withHashAndLength, "AES-GCM": withLength, "AES-CBC": withLength, "AES-CTR": withLength, "AES-KW": withLength,
    PBKDF2: withNone, HKDF: withNone,
  },
  wrapKey: { __proto__: null, "AES-KW": withNone },
};
operations.verify = operations.sign;
operations.decrypt = operations.encrypt;
operations.unwrapKey = operations.wrapKey;

function nameIn(table, given) {
  if (table[given] !== undefined) return given;
  // toUpperCase alone would also make an S of U+017F.
  for (let i = 0; i < given.length; i++) if (charCode(given, i) > 127) return undefined;
  const name = canonicalNames[toUpper(given)];
  return name !== undefined && table[name] !== undefined ? name : undefined;
}

// normalize is section 18.4.4 of the standard. What it returns has the name and the parameters under their own names;
// hashes are names.
function normalize(operation, algorithm) {
  const a = normalizeFor(operation, algorithm);
  if (a === null) throw domError("NotSupportedError", `The algorithm cannot be used for ${operation === "hash" ? "hashing" : operation}`);
  return a;
}

// normalizeFor returns null for an algorithm without that operation.
function normalizeFor(operation, algorithm) {
  const table = operations[operation];
  const isText = typeof algorithm === "string";
  let given = algorithm;
  if (!isText) {
    given = algorithm.name;
    if (given === undefined) throw new TypeErrorCtor("The algorithm has no name");
    given = `${given}`;
  }
  const name = nameIn(table, given);
  if (name === undefined) return null;
  const members = table[name];
  const a = { __proto__: null, name };
  for (let i = 0; i < members.length; i++) {
    const member = members[i][0];
    const what = `${name}: ${member}`;
    const v = isText ? undefined : algorithm[member];
    if (v === undefined) {
      if (members[i][2]) throw new TypeErrorCtor(`${what} is required`);
      continue;
    }
    switch (members[i][1]) {
      case asHash:
        a[member] = algorithmArg(v);
        break;
      case asOctet:
        a[member] = enforced(v, 255, what);
        break;
      case asShort:
        a[member] = enforced(v, 65535, what);
        break;
      case asLong:
        a[member] = enforced(v, 4294967295, what);
        break;
      case asBytes:
        a[member] = copyOf(dataArg(v, what));
        break;
      case asBigInteger:
        if (!isView(v) || typedTag(v) !== "Uint8Array") throw new TypeErrorCtor(`${what} must be a Uint8Array, not ${typeName(v)}`);
        a[member] = copyOf(v);
        break;
      case asString:
        a[member] = `${v}`;
        break;
      case asKey:
        a[member] = keyArg(v, what);
        break;
    }
  }
  if (a.hash !== undefined) a.hash = normalize("hash", a.hash).name;
  return a;
}

// --- Promises

function isPending(v) {
  return typeof v === "object" && v !== null && getPrototypeOf(v) === PromisePrototype;
}

// after applies f to what the host gave: a result, or the promise of one that is made off the loop.
function after(v, f) {
  return isPending(v) ? promiseThen(v, f) : f(v);
}

async function rejectLater(e) {
  await undefined;
  throw e;
}

// operate does an operation on data. What it gives is ready, which saves a promise and a job.
function operate(f) {
  let v;
  try {
    v = f();
  } catch (e) {
    return rejectLater(e);
  }
  return isPending(v) ? v : resolved(v);
}

async function resolveLater(v) {
  await undefined;
  return v;
}

// operateKey does one on keys. Its result, too, comes a moment later, as the tests of the standard have it.
function operateKey(f) {
  let v;
  try {
    v = f();
  } catch (e) {
    return rejectLater(e);
  }
  return isPending(v) ? v : resolveLater(v);
}

// --- Checks of keys

function checkKey(f, name, usage) {
  if (f.name !== name) throw domError("InvalidAccessError", `The key is one for ${f.name}, not for ${name}`);
  if ((f.usages & usage) === 0) throw domError("InvalidAccessError", `The key may not be used for ${usageList(usage)[0]}`);
}

function checkType(f, type) {
  if (f.type !== type) throw domError("InvalidAccessError", `This takes a ${type} key, not a ${f.type} one`);
}

function onlyUsages(usages, allowed, what) {
  const bad = usages & ~allowed;
  if (bad !== 0) throw domError("SyntaxError", `${what} cannot be used for ${join(usageList(bad), ", ")}`);
}

function noFormat(name, format) {
  return domError("NotSupportedError", `A key for ${name} has no format ${format}`);
}

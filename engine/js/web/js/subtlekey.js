// Keys of SubtleCrypto: making, importing and exporting them, algorithm by algorithm.

const aesUsages = canEncrypt | canDecrypt | canWrap | canUnwrap;
const macUsages = canSign | canVerify;
const deriveUsages = canDeriveKey | canDeriveBits;

// Each algorithm: which kind of material it has, what a secret or private key may be used for, and what a public one. jwk is
// what the member "use" of a JSON Web Key says of it.
const keyKinds = {
  __proto__: null,
  "AES-GCM": { kind: "AES", usages: aesUsages, publicUsages: 0, use: "enc", jwk: "GCM" },
  "AES-CBC": { kind: "AES", usages: aesUsages, publicUsages: 0, use: "enc", jwk: "CBC" },
  "AES-CTR": { kind: "AES", usages: aesUsages, publicUsages: 0, use: "enc", jwk: "CTR" },
  "AES-KW": { kind: "AES", usages: canWrap | canUnwrap, publicUsages: 0, use: "enc", jwk: "KW" },
  HMAC: { kind: "HMAC", usages: macUsages, publicUsages: 0, use: "sig", jwk: "HS" },
  PBKDF2: { kind: "KDF", usages: deriveUsages, publicUsages: 0, use: "", jwk: "" },
  HKDF: { kind: "KDF", usages: deriveUsages, publicUsages: 0, use: "", jwk: "" },
  ECDSA: { kind: "EC", usages: canSign, publicUsages: canVerify, use: "sig", jwk: "" },
  ECDH: { kind: "EC", usages: deriveUsages, publicUsages: 0, use: "enc", jwk: "" },
  "RSASSA-PKCS1-v1_5": { kind: "RSA", usages: canSign, publicUsages: canVerify, use: "sig", jwk: "RS" },
  "RSA-PSS": { kind: "RSA", usages: canSign, publicUsages: canVerify, use: "sig", jwk: "PS" },
  "RSA-OAEP": { kind: "RSA", usages: canDecrypt | canUnwrap, publicUsages: canEncrypt | canWrap, use: "enc", jwk: "RSA-OAEP" },
  Ed25519: { kind: "Ed25519", usages: canSign, publicUsages: canVerify, use: "sig", jwk: "" },
  X25519: { kind: "X25519", usages: deriveUsages, publicUsages: 0, use: "enc", jwk: "" },
};

const hashNumbers = { __proto__: null, "SHA-1": "1", "SHA-256": "256", "SHA-384": "384", "SHA-512": "512" };
const curveAlgs = { __proto__: null, "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };

// jwkAlg is the member "alg" that belongs to a key; undefined if its kind has none.
function jwkAlg(f) {
  const k = keyKinds[f.name];
  switch (k.kind) {
    case "AES":
      return `A${f.length}${k.jwk}`;
    case "HMAC":
      return k.jwk + hashNumbers[f.hash];
    case "RSA":
      if (k.jwk !== "RSA-OAEP") return k.jwk + hashNumbers[f.hash];
      return f.hash === "SHA-1" ? k.jwk : `${k.jwk}-${hashNumbers[f.hash]}`;
    case "EC":
      return f.name === "ECDSA" ? curveAlgs[f.curve] : undefined;
    case "Ed25519":
      return "Ed25519";
  }
  return undefined;
}

function isAESLength(n) {
  return n === 128 || n === 192 || n === 256;
}

function blockBits(hash) {
  return hash === "SHA-384" || hash === "SHA-512" ? 1024 : 512;
}

// checkParameters refuses parameters that no key can have.
function checkParameters(a) {
  switch (keyKinds[a.name].kind) {
    case "AES":
      if (!isAESLength(a.length)) throw domError("OperationError", `A key for ${a.name} has 128, 192 or 256 bits, not ${a.length}`);
      break;
    case "HMAC":
      if (a.length === 0) throw domError("OperationError", "A key for HMAC needs at least one bit");
      break;
    case "EC":
      if (curveAlgs[a.namedCurve] === undefined) throw domError("NotSupportedError", `There is no curve ${jsonStringify(a.namedCurve)}: there are P-256, P-384 and P-521`);
      break;
    case "RSA": {
      let e = 0;
      for (let i = 0; i < a.publicExponent.length; i++) e = e * 256 + a.publicExponent[i];
      if (e !== 65537) throw domError("OperationError", "The public exponent must be 65537");
      if (a.modulusLength < 1024 || a.modulusLength > 8192) {
        throw domError("OperationError", `The length of the modulus must be from 1024 to 8192 bits, not ${a.modulusLength}`);
      }
      break;
    }
  }
}

function needUsages(usages, name) {
  if (usages === 0) throw domError("SyntaxError", `A key for ${name} that may be used for nothing: its usages must not be empty`);
}

// generate makes a new key or a pair of keys; a is normalized and checked.
function generate(a, extractable, usages) {
  const name = a.name;
  const k = keyKinds[name];
  onlyUsages(usages, k.usages | k.publicUsages, `A key for ${name}`);
  const own = usages & k.usages;
  if (k.kind === "AES" || k.kind === "HMAC") {
    needUsages(usages, name);
    const length = a.length === undefined ? blockBits(a.hash) : a.length;
    return newKey({ __proto__: null, type: "secret", extractable, usages, name, hash: a.hash, length, material: host.subtleRandom(length) });
  }
  needUsages(own, name);
  return after(host.subtleGenerate(k.kind, k.kind === "RSA" ? a.modulusLength : a.namedCurve), (two) => {
    const common = { __proto__: null, name, hash: a.hash, curve: a.namedCurve, modulus: a.modulusLength, exponent: a.publicExponent };
    return {
      publicKey: newKey({ ...common, __proto__: null, type: "public", extractable: true, usages: usages & k.publicUsages, material: two[0] }),
      privateKey: newKey({ ...common, __proto__: null, type: "private", extractable, usages: own, material: two[1] }),
    };
  });
}

// --- JSON Web Keys (RFC 7517, 7518, 8037)

const jwkMembers = ["alg", "crv", "d", "dp", "dq", "e", "ext", "k", "key_ops", "kty", "n", "oth", "p", "q", "qi", "use", "x", "y"];

// jwkFrom converts to the dictionary JsonWebKey.
function jwkFrom(v) {
  const jwk = { __proto__: null };
  if (v === undefined || v === null) return jwk;
  for (let i = 0; i < jwkMembers.length; i++) {
    const member = jwkMembers[i];
    const x = v[member];
    if (x === undefined) continue;
    if (member === "ext") {
      jwk.ext = !!x;
    } else if (member === "key_ops" || member === "oth") {
      if ((typeof x !== "object" && typeof x !== "function") || x === null || typeof x[iteratorSymbol] !== "function") {
        throw new TypeErrorCtor(`The member ${member} of a JSON Web Key must be a sequence`);
      }
      const list = [];
      for (const of of x) push(list, member === "oth" ? of : `${of}`);
      jwk[member] = list;
    } else {
      jwk[member] = `${x}`;
    }
  }
  return jwk;
}

function jwkError(text) {
  return domError("DataError", `The JSON Web Key ${text}`);
}

// checkJwk checks what all kinds have in common.
function checkJwk(jwk, kty, use, extractable, usages) {
  if (jwk.kty !== kty) throw jwkError(`must have "kty": ${jsonStringify(kty)}`);
  if (usages !== 0 && jwk.use !== undefined && jwk.use !== use) throw jwkError(`must have "use": ${jsonStringify(use)}, or none`);
  const ops = jwk.key_ops;
  if (ops !== undefined) {
    let allowed = 0;
    for (let i = 0; i < ops.length; i++) {
      if (arrIndexOf(ops, ops[i]) !== i) throw jwkError(`names ${jsonStringify(ops[i])} twice in "key_ops"`);
      const bit = arrIndexOf(usageNames, ops[i]);
      if (bit >= 0) allowed |= 1 << bit;
    }
    if ((usages & ~allowed) !== 0) throw jwkError(`does not allow ${join(usageList(usages & ~allowed), ", ")} in "key_ops"`);
  }
  if (jwk.ext === false && extractable) throw jwkError('has "ext": false, so the key cannot be extractable');
}

function secretFromJwk(jwk, k, extractable, usages) {
  checkJwk(jwk, "oct", k.use, extractable, usages);
  if (jwk.k === undefined) throw jwkError('has no "k"');
  const bytes = host.subtleUnbase64(jwk.k);
  if (bytes === null) throw jwkError('has a "k" that is not base64url');
  return bytes;
}

// importKey makes a key of data: a BufferSource, or a dictionary as jwkFrom returns it. A long RSA key is read off the loop: then
// this is a promise.
function importKey(format, data, a, extractable, usages) {
  const k = keyKinds[a.name];
  let key;
  switch (k.kind) {
    case "AES":
    case "HMAC":
      key = importSecret(format, data, a, k, extractable, usages);
      break;
    case "KDF":
      if (format !== "raw") throw noFormat(a.name, format);
      onlyUsages(usages, k.usages, `A key for ${a.name}`);
      if (extractable) throw domError("SyntaxError", `A key for ${a.name} cannot be extractable`);
      key = newKey({ __proto__: null, type: "secret", extractable, usages, name: a.name, material: host.subtleSecret(data, bytesIn(data) * 8) });
      break;
    default:
      key = importPair(format, data, a, k, extractable, usages);
  }
  return after(key, (key) => {
    const f = keyFields(key);
    if (f.type !== "public") needUsages(f.usages, f.name);
    return key;
  });
}

function bytesIn(data) {
  if (!isView(data)) return bufferByteLengthOf(data);
  return typedTag(data) !== undefined ? typedByteLength(data) : viewLength(data);
}

function viewLength(view) {
  // The length of a DataView cannot be asked for when its buffer is detached.
  return bufferByteLengthOf(viewBuffer(view)) === 0 ? 0 : viewByteLength(view);
}

function importSecret(format, data, a, k, extractable, usages) {
  onlyUsages(usages, k.usages, `A key for ${a.name}`);
  let jwk = null;
  if (format === "jwk") {
    jwk = data;
    data = secretFromJwk(jwk, k, extractable, usages);
  } else if (format !== "raw") {
    throw noFormat(a.name, format);
  }
  let length = bytesIn(data) * 8;
  if (k.kind === "AES") {
    if (!isAESLength(length)) throw domError("DataError", `A key for ${a.name} has 128, 192 or 256 bits, not ${length}`);
  } else {
    if (length === 0) throw domError("DataError", "A key for HMAC needs at least one byte");
    if (a.length !== undefined) {
      if (a.length > length || a.length <= length - 8) throw domError("DataError", `The key has ${length} bits, which are not ${a.length}`);
      length = a.length;
    }
  }
  const f = { __proto__: null, type: "secret", extractable, usages, name: a.name, hash: a.hash, length, material: null };
  if (jwk !== null && jwk.alg !== undefined && jwk.alg !== jwkAlg(f)) throw jwkError(`must have "alg": ${jsonStringify(jwkAlg(f))}, or none`);
  f.material = host.subtleSecret(data, length);
  return newKey(f);
}

function importPair(format, data, a, k, extractable, usages) {
  const isPublic = format === "jwk" ? data.d === undefined : format !== "pkcs8";
  const f = {
    __proto__: null, type: isPublic ? "public" : "private", extractable, usages, name: a.name, hash: a.hash, curve: a.namedCurve,
    material: null,
  };
  let made;
  if (k.kind === "RSA" && format === "raw") throw noFormat(a.name, format);
  if (k.kind === "EC" && curveAlgs[a.namedCurve] === undefined) {
    throw domError("DataError", `There is no curve ${jsonStringify(a.namedCurve)}: there are P-256, P-384 and P-521`);
  }
  onlyUsages(usages, isPublic ? k.publicUsages : k.usages, `A ${f.type} key for ${a.name}`);
  if (format === "jwk") {
    checkJwk(data, k.kind === "RSA" || k.kind === "EC" ? k.kind : "OKP", k.use, extractable, usages);
    const alg = jwkAlg(f);
    if (data.alg !== undefined && alg !== undefined && data.alg !== alg && !(k.kind === "Ed25519" && data.alg === "EdDSA")) {
      throw jwkError(`must have "alg": ${jsonStringify(alg)}, or none`);
    }
    const crv = k.kind === "EC" ? a.namedCurve : k.kind;
    if (k.kind !== "RSA" && data.crv !== crv) throw jwkError(`must have "crv": ${jsonStringify(crv)}`);
    if (data.oth !== undefined) throw domError("NotSupportedError", 'A key with more than two primes ("oth") cannot be used');
    made = host.subtleImportParts(k.kind, f.curve, data.n, data.e, data.d, data.p, data.q, data.dp, data.dq, data.qi, data.x, data.y);
  } else {
    made = host.subtleImport(k.kind, format, f.curve, data);
  }
  return after(made, (material) => {
    f.material = material;
    if (k.kind === "RSA") {
      const info = host.subtleInfo(material);
      f.modulus = info[0];
      f.exponent = info[1];
    }
    return newKey(f);
  });
}

// exportKey gives an ArrayBuffer, or an object for jwk.
function exportKey(format, f) {
  const k = keyKinds[f.name];
  if (k.kind === "KDF") throw domError("NotSupportedError", `A key for ${f.name} cannot be exported`);
  if (!f.extractable) throw domError("InvalidAccessError", "The key is not extractable");
  if (format === "jwk") return exportJwk(f, k);
  if (f.type === "secret") {
    if (format !== "raw") throw noFormat(f.name, format);
    return host.subtleBytes(f.material);
  }
  if (format === "raw" && k.kind === "RSA") throw noFormat(f.name, format);
  checkType(f, format === "pkcs8" ? "private" : "public");
  return host.subtleExport(f.material, format);
}

function exportJwk(f, k) {
  const jwk = { key_ops: usageList(f.usages), ext: f.extractable };
  const alg = jwkAlg(f);
  if (alg !== undefined) jwk.alg = alg;
  if (f.type === "secret") {
    jwk.kty = "oct";
    jwk.k = host.subtleBase64(host.subtleBytes(f.material));
    return jwk;
  }
  jwk.kty = k.kind === "RSA" || k.kind === "EC" ? k.kind : "OKP";
  if (k.kind !== "RSA") jwk.crv = k.kind === "EC" ? f.curve : k.kind;
  const parts = host.subtleParts(f.material);
  for (let i = 0; i < parts.length; i += 2) jwk[parts[i]] = parts[i + 1];
  return jwk;
}

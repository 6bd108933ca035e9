// The operations of SubtleCrypto, and its class.

const tagLengths = { __proto__: null, 32: true, 64: true, 96: true, 104: true, 112: true, 120: true, 128: true };

// cipher is encrypt (isEncrypt) and decrypt; a is normalized.
function cipher(a, f, isEncrypt, data) {
  switch (a.name) {
    case "AES-GCM": {
      const bits = a.tagLength === undefined ? 128 : a.tagLength;
      if (tagLengths[bits] !== true) throw domError("OperationError", `AES-GCM: the tag has 32, 64, 96, 104, 112, 120 or 128 bits, not ${bits}`);
      return host.subtleGCM(f.material, isEncrypt, a.iv, data, a.additionalData, bits);
    }
    case "AES-CBC":
      if (typedByteLength(a.iv) !== 16) throw domError("OperationError", `AES-CBC: iv must have 16 bytes, not ${typedByteLength(a.iv)}`);
      return host.subtleCBC(f.material, isEncrypt, a.iv, data);
    case "AES-CTR":
      if (typedByteLength(a.counter) !== 16) throw domError("OperationError", `AES-CTR: counter must have 16 bytes, not ${typedByteLength(a.counter)}`);
      if (a.length === 0 || a.length > 128) throw domError("OperationError", `AES-CTR: length must be from 1 to 128 bits, not ${a.length}`);
      return host.subtleCTR(f.material, isEncrypt, a.counter, a.length, data);
  }
  checkType(f, isEncrypt ? "public" : "private");
  return host.subtleOAEP(f.material, isEncrypt, f.hash, a.label, data);
}

function sign(a, f, data) {
  if (a.name === "HMAC") return host.subtleMAC(f.material, f.hash, data);
  checkType(f, "private");
  return host.subtleSign(a.name, f.material, a.hash ?? f.hash, a.saltLength, data);
}

function verify(a, f, signature, data) {
  if (a.name === "HMAC") return host.subtleCheckMAC(f.material, f.hash, data, signature);
  checkType(f, "public");
  return host.subtleVerify(a.name, f.material, a.hash ?? f.hash, a.saltLength, data, signature);
}

// deriveBits gives length bits, or for null as many as there are.
function deriveBits(a, f, length) {
  if (a.name === "PBKDF2" || a.name === "HKDF") {
    if (length === null || length % 8 !== 0) throw domError("OperationError", `${a.name}: the length must be a multiple of 8 bits`);
    if (a.name === "HKDF") return host.subtleHKDF(f.material, a.hash, a.salt, a.info, length / 8);
    if (a.iterations === 0) throw domError("OperationError", "PBKDF2: iterations must be at least 1");
    return host.subtlePBKDF2(f.material, a.hash, a.salt, a.iterations, length / 8);
  }
  checkType(f, "private");
  checkType(a.public, "public");
  if (a.public.name !== f.name) throw domError("InvalidAccessError", `The public key is one for ${a.public.name}, not for ${f.name}`);
  if (a.public.curve !== f.curve) throw domError("InvalidAccessError", `The public key is on the curve ${a.public.curve}, not on ${f.curve}`);
  return host.subtleAgree(f.material, a.public.material, length);
}

// lengthFor is how many bits a derived key takes (section "get key length" of each algorithm); null: any number.
function lengthFor(a) {
  switch (keyKinds[a.name].kind) {
    case "AES":
      if (!isAESLength(a.length)) throw domError("OperationError", `A key for ${a.name} has 128, 192 or 256 bits, not ${a.length}`);
      return a.length;
    case "HMAC":
      if (a.length === undefined) return blockBits(a.hash);
      if (a.length === 0) throw new TypeErrorCtor("HMAC: the length must not be 0");
      return a.length;
  }
  return null;
}

// importChecked is importKey with data as a program gave it.
function importChecked(format, data, a, extractable, usages) {
  const isJwk = !isBufferSource(data);
  if (format === "jwk" && !isJwk) throw new TypeErrorCtor("importKey: the key data of format jwk must be an object");
  if (format !== "jwk" && isJwk) throw new TypeErrorCtor(`importKey: the key data of format ${format} must be an ArrayBuffer or a view of one`);
  return importKey(format, data, a, extractable, usages);
}

let newSubtle;

class SubtleCrypto {
  #brand = true;
  constructor(key = undefined) {
    if (key !== internal) throw illegalConstructor();
  }
  encrypt(algorithm, key, data) {
    let a, f;
    try {
      void this.#brand;
      needArguments(arguments.length, 3, "encrypt");
      algorithm = algorithmArg(algorithm);
      f = keyArg(key, "encrypt: the key");
      dataArg(data, "encrypt: the data");
      a = normalize("encrypt", algorithm);
    } catch (e) {
      return rejected(e);
    }
    return operate(() => {
      checkKey(f, a.name, canEncrypt);
      return cipher(a, f, true, data);
    });
  }
  decrypt(algorithm, key, data) {
    let a, f;
    try {
      void this.#brand;
      needArguments(arguments.length, 3, "decrypt");
      algorithm = algorithmArg(algorithm);
      f = keyArg(key, "decrypt: the key");
      dataArg(data, "decrypt: the data");
      a = normalize("decrypt", algorithm);
    } catch (e) {
      return rejected(e);
    }
    return operate(() => {
      checkKey(f, a.name, canDecrypt);
      return cipher(a, f, false, data);
    });
  }
  sign(algorithm, key, data) {
    let a, f;
    try {
      void this.#brand;
      needArguments(arguments.length, 3, "sign");
      algorithm = algorithmArg(algorithm);
      f = keyArg(key, "sign: the key");
      dataArg(data, "sign: the data");
      a = normalize("sign", algorithm);
    } catch (e) {
      return rejected(e);
    }
    return operate(() => {
      checkKey(f, a.name, canSign);
      return sign(a, f, data);
    });
  }
  verify(algorithm, key, signature, data) {
    let a, f;
    try {
      void this.#brand;
      needArguments(arguments.length, 4, "verify");
      algorithm = algorithmArg(algorithm);
      f = keyArg(key, "verify: the key");
      dataArg(signature, "verify: the signature");
      dataArg(data, "verify: the data");
      a = normalize("verify", algorithm);
    } catch (e) {
      return rejected(e);
    }
    return operate(() => {
      checkKey(f, a.name, canVerify);
      return verify(a, f, signature, data);
    });
  }
  digest(algorithm, data) {
    let a;
    try {
      void this.#brand;
      needArguments(arguments.length, 2, "digest");
      algorithm = algorithmArg(algorithm);
      dataArg(data, "digest: the data");
      a = normalize("digest", algorithm);
    } catch (e) {
      return rejected(e);
    }
    return operate(() => host.subtleDigest(a.name, data));
  }
  generateKey(algorithm, extractable, keyUsages) {
    let a, usages;
    try {
      void this.#brand;
      needArguments(arguments.length, 3, "generateKey");
      algorithm = algorithmArg(algorithm);
      extractable = !!extractable;
      usages = usagesFrom(keyUsages);
      a = normalize("generateKey", algorithm);
      checkParameters(a);
    } catch (e) {
      return rejected(e);
    }
    return operateKey(() => generate(a, extractable, usages));
  }
  deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
    let a, f, type, lengthType, usages;
    try {
      void this.#brand;
      needArguments(arguments.length, 5, "deriveKey");
      algorithm = algorithmArg(algorithm);
      f = keyArg(baseKey, "deriveKey: the base key");
      derivedKeyType = algorithmArg(derivedKeyType);
      extractable = !!extractable;
      usages = usagesFrom(keyUsages);
      a = normalize("deriveBits", algorithm);
      type = normalize("importKey", derivedKeyType);
      lengthType = normalize("keyLength", derivedKeyType);
    } catch (e) {
      return rejected(e);
    }
    return operateKey(() => {
      checkKey(f, a.name, canDeriveKey);
      return after(deriveBits(a, f, lengthFor(lengthType)), (bits) => importKey("raw", bits, type, extractable, usages));
    });
  }
  deriveBits(algorithm, baseKey, length = null) {
    let a, f;
    try {
      void this.#brand;
      needArguments(arguments.length, 2, "deriveBits");
      algorithm = algorithmArg(algorithm);
      f = keyArg(baseKey, "deriveBits: the base key");
      if (length !== null) length = +length >>> 0;
      a = normalize("deriveBits", algorithm);
    } catch (e) {
      return rejected(e);
    }
    return operateKey(() => {
      checkKey(f, a.name, canDeriveBits);
      return deriveBits(a, f, length);
    });
  }
  importKey(format, keyData, algorithm, extractable, keyUsages) {
    let a, usages;
    try {
      void this.#brand;
      needArguments(arguments.length, 5, "importKey");
      format = formatArg(format);
      if (!isBufferSource(keyData)) {
        if (keyData != null && typeof keyData !== "object" && typeof keyData !== "function") {
          throw new TypeErrorCtor(`importKey: the key data must be an ArrayBuffer, a view of one or an object, not ${typeName(keyData)}`);
        }
        keyData = jwkFrom(keyData);
      }
      algorithm = algorithmArg(algorithm);
      extractable = !!extractable;
      usages = usagesFrom(keyUsages);
      a = normalize("importKey", algorithm);
    } catch (e) {
      return rejected(e);
    }
    return operateKey(() => importChecked(format, keyData, a, extractable, usages));
  }
  exportKey(format, key) {
    let f;
    try {
      void this.#brand;
      needArguments(arguments.length, 2, "exportKey");
      format = formatArg(format);
      f = keyArg(key, "exportKey: the key");
    } catch (e) {
      return rejected(e);
    }
    return operateKey(() => exportKey(format, f));
  }
  wrapKey(format, key, wrappingKey, wrapAlgorithm) {
    let a, f, w;
    try {
      void this.#brand;
      needArguments(arguments.length, 4, "wrapKey");
      format = formatArg(format);
      f = keyArg(key, "wrapKey: the key");
      w = keyArg(wrappingKey, "wrapKey: the wrapping key");
      wrapAlgorithm = algorithmArg(wrapAlgorithm);
      a = normalizeFor("wrapKey", wrapAlgorithm) ?? normalize("encrypt", wrapAlgorithm);
    } catch (e) {
      return rejected(e);
    }
    return operateKey(() => {
      checkKey(w, a.name, canWrap);
      let data = exportKey(format, f);
      if (format === "jwk") data = host.utf8Encode(jsonStringify(data));
      return a.name === "AES-KW" ? host.subtleKW(w.material, true, data) : cipher(a, w, true, data);
    });
  }
  unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
    let a, w, type, usages;
    try {
      void this.#brand;
      needArguments(arguments.length, 7, "unwrapKey");
      format = formatArg(format);
      dataArg(wrappedKey, "unwrapKey: the wrapped key");
      w = keyArg(unwrappingKey, "unwrapKey: the unwrapping key");
      unwrapAlgorithm = algorithmArg(unwrapAlgorithm);
      unwrappedKeyAlgorithm = algorithmArg(unwrappedKeyAlgorithm);
      extractable = !!extractable;
      usages = usagesFrom(keyUsages);
      a = normalizeFor("unwrapKey", unwrapAlgorithm) ?? normalize("decrypt", unwrapAlgorithm);
      type = normalize("importKey", unwrappedKeyAlgorithm);
    } catch (e) {
      return rejected(e);
    }
    return operateKey(() => {
      checkKey(w, a.name, canUnwrap);
      const data = a.name === "AES-KW" ? host.subtleKW(w.material, false, wrappedKey) : cipher(a, w, false, wrappedKey);
      return after(data, (bytes) => importKey(format, format === "jwk" ? jwkFromBytes(bytes) : bytes, type, extractable, usages));
    });
  }
  // timingSafeEqual is Cloudflare's addition.
  timingSafeEqual(a, b) {
    void this.#brand;
    if (!isBufferSource(a) || !isBufferSource(b)) throw new TypeErrorCtor("timingSafeEqual: both arguments must be an ArrayBuffer or a view of one");
    if (bytesIn(a) !== bytesIn(b)) throw new TypeErrorCtor("Input buffers must have the same byte length");
    return host.timingSafeEqual(a, b);
  }
  static {
    newSubtle = () => new SubtleCrypto(internal);
  }
}
webClass(SubtleCrypto, "SubtleCrypto");

// jwkFromBytes parses a JSON Web Key that was wrapped.
function jwkFromBytes(bytes) {
  let v;
  try {
    v = jsonParse(host.decode("utf-8", 0, bytes));
    if (typeof v !== "object" || v === null || isArray(v)) throw null;
    setPrototypeOf(v, null);
    v = jwkFrom(v);
  } catch {
    throw domError("DataError", "What was unwrapped is not a JSON Web Key");
  }
  if (v.kty === undefined) throw domError("DataError", 'What was unwrapped is no JSON Web Key: it has no "kty"');
  return v;
}

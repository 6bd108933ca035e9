// crypto: random values, and the way to SubtleCrypto.

const randomTargets = {
  __proto__: null, Int8Array: true, Uint8Array: true, Uint8ClampedArray: true, Int16Array: true, Uint16Array: true,
  Int32Array: true, Uint32Array: true, BigInt64Array: true, BigUint64Array: true,
};


class Crypto {
  #subtle = null;
  constructor(key = undefined) {
    if (key !== internal) throw illegalConstructor();
  }
  get subtle() {
    if (this.#subtle === null) this.#subtle = newSubtle();
    return this.#subtle;
  }
  get DigestStream() {
    void this.#subtle;
    host.bring("streams"); // or it is what stands in for the class
    return DigestStream;
  }
  randomUUID() {
    void this.#subtle;
    return host.randomUUID();
  }
  getRandomValues(array) {
    void this.#subtle;
    if (arguments.length === 0) throw new TypeErrorCtor("getRandomValues() needs a typed array");
    if (!isView(array)) throw new TypeErrorCtor(`getRandomValues() needs an integer typed array, not ${typeName(array)}`);
    if (randomTargets[typedTag(array)] !== true) {
      throw new DOMException(`getRandomValues() needs an integer typed array, not ${typeName(array)}`, "TypeMismatchError");
    }
    const n = typedByteLength(array);
    if (n > 65536) throw new DOMException(`getRandomValues() only accepts buffers of size <= 64K but provided ${n} bytes.`, "QuotaExceededError");
    host.randomFill(new U8(typedBuffer(array), typedByteOffset(array), n));
    return array;
  }
}
webClass(Crypto, "Crypto");

const theCrypto = new Crypto(internal);

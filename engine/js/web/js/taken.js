// What the lazy parts of the prelude use of the language besides prim.js. They run when a program may have replaced it already, so it
// is taken here, which is in time.

const typedSet = uncurry(TypedArrayPrototype.set);
const transferBuffer = uncurry(ArrayBuffer.prototype.transfer);
const bufferDetached = uncurry(getOwnPropertyDescriptor(ArrayBuffer.prototype, "detached").get);
const BufferCtor = ArrayBuffer;
const viewCtors = {
  __proto__: null, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array,
  BigUint64Array, Float32Array, Float64Array, DataView,
};
if (typeof Float16Array === "function") viewCtors.Float16Array = Float16Array;
const toLower = uncurry(String.prototype.toLowerCase);
const lineEnds = uncurry(String.prototype.replaceAll);
const { parse: jsonParse } = JSON;
const numberToString = uncurry(Number.prototype.toString);
const objectTag = uncurry(Object.prototype.toString);
const functionToString = uncurry(Function.prototype.toString);
const unboxers = [uncurry(Number.prototype.valueOf), uncurry(String.prototype.valueOf), uncurry(Boolean.prototype.valueOf)];
const parseFloat_ = parseFloat;
const numberToFixed = uncurry(Number.prototype.toFixed);
// isErrorObject has no cheaper safe test: Error.isError where the engine has it, the prototype chain elsewhere.
const isErrorObject = typeof ErrorCtor.isError === "function" ? ErrorCtor.isError : (v) => v instanceof ErrorCtor;
const codePoint = uncurry(String.prototype.codePointAt);
const RegExpCtor = RegExp;
const BigIntOf = BigInt;

// node:util/types: what kind of object it is, by what cannot be forged.

const { isView, isBuffer, typedTag, objectTag, isErrorObject, isMap, isSet, uncurry, getOwnPropertyDescriptor, isCryptoKey, host } = kit;
const { isDate, isRegExp, isWeakMap, isWeakSet, isPromise, isBoxed } = need("everloop/inspect");

const shared = uncurry(getOwnPropertyDescriptor(SharedArrayBuffer.prototype, "byteLength").get);
function isSharedArrayBuffer(v) {
  try {
    shared(v);
    return true;
  } catch {
    return false;
  }
}
const typed = (name) => (v) => isView(v) && typedTag(v) === name;
const tagged = (...tags) => (v) => (typeof v === "object" || typeof v === "function") && v !== null && tags.includes(objectTag(v));
const isFunctionOf = (...tags) => (v) => typeof v === "function" && tags.includes(objectTag(v));

const exports = {
  isExternal: () => false,
  isDate,
  isArgumentsObject: tagged("[object Arguments]"),
  isBigIntObject: isBoxed.BigInt,
  isBooleanObject: isBoxed.Boolean,
  isNumberObject: isBoxed.Number,
  isStringObject: isBoxed.String,
  isSymbolObject: isBoxed.Symbol,
  isBoxedPrimitive: (v) => isBoxed.Number(v) || isBoxed.String(v) || isBoxed.Boolean(v) || isBoxed.BigInt(v) || isBoxed.Symbol(v),
  isNativeError: (v) => typeof v === "object" && v !== null && isErrorObject(v),
  isRegExp,
  isAsyncFunction: isFunctionOf("[object AsyncFunction]", "[object AsyncGeneratorFunction]"),
  isGeneratorFunction: isFunctionOf("[object GeneratorFunction]", "[object AsyncGeneratorFunction]"),
  isGeneratorObject: tagged("[object Generator]", "[object AsyncGenerator]"),
  isPromise,
  isMap, isSet,
  isMapIterator: tagged("[object Map Iterator]"),
  isSetIterator: tagged("[object Set Iterator]"),
  isWeakMap, isWeakSet,
  isArrayBuffer: isBuffer,
  isDataView: (v) => isView(v) && typedTag(v) === undefined,
  isSharedArrayBuffer,
  isProxy: (v) => host.isProxy(v),
  isModuleNamespaceObject: tagged("[object Module]"),
  isAnyArrayBuffer: (v) => isBuffer(v) || isSharedArrayBuffer(v),
  isCryptoKey: (v) => typeof v === "object" && v !== null && isCryptoKey(v),
  isKeyObject: () => false,
  isArrayBufferView: isView,
  isTypedArray: (v) => isView(v) && typedTag(v) !== undefined,
};
for (const name of ["Uint8Array", "Uint8ClampedArray", "Uint16Array", "Uint32Array", "Int8Array", "Int16Array", "Int32Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array"]) {
  exports[`is${name}`] = typed(name);
}
return exports;

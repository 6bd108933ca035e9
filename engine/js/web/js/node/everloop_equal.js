// Deep equality, strict and loose, as node:assert and node:util have it.

const { getPrototypeOf, ownKeys, getOwnPropertyDescriptor, isArray, isView, isBuffer, typedTag, isMap, isSet, isErrorObject, mapSize, setSize, mapGet, mapSet, mapHas, mapDelete, mapForEach, setForEach, MapCtor, uncurry, regexToString, objectTag, host, bytesOf } = kit;
const { isDate, isRegExp, isBoxed, isWeakMap, isWeakSet, isPromise } = need("everloop/inspect");

const dateTime = uncurry(Date.prototype.getTime);
const setHas = uncurry(Set.prototype.has);
const propertyIsEnumerable = uncurry(Object.prototype.propertyIsEnumerable);

function enumerableKeys(v, skipIndexes) {
  const all = ownKeys(v);
  const out = [];
  for (let i = 0; i < all.length; i++) {
    if (!propertyIsEnumerable(v, all[i])) continue;
    if (skipIndexes && typeof all[i] === "string" && /^(?:0|[1-9]\d*)$/.test(all[i])) continue;
    kit.push(out, all[i]);
  }
  return out;
}

// equal compares; memo holds the pairs that are being compared, so that cycles end.
function equal(a, b, strict, memo) {
  if (a === b) return a !== 0 || !strict || Object.is(a, b);
  if (strict) {
    if (typeof a !== "object") return typeof a === "number" && a !== a && b !== b && typeof b === "number";
    if (typeof b !== "object" || a === null || b === null) return false;
    if (getPrototypeOf(a) !== getPrototypeOf(b)) return false;
  } else {
    if (a === null || typeof a !== "object") return (b === null || typeof b !== "object") && (a == b || (a !== a && b !== b));
    if (b === null || typeof b !== "object") return false;
  }
  const tag = objectTag(a);
  if (tag !== objectTag(b)) return false;
  if (isArray(a)) {
    if (!isArray(b) || a.length !== b.length) return false;
    return compareKeys(a, b, strict, memo, true, () => {
      for (let i = 0; i < a.length; i++) {
        const inA = getOwnPropertyDescriptor(a, i) !== undefined, inB = getOwnPropertyDescriptor(b, i) !== undefined;
        if (inA !== inB) return false;
        if (!equal(a[i], b[i], strict, memo)) return false;
      }
      return true;
    });
  }
  if (isArray(b)) return false;
  if (isDate(a)) {
    if (!isDate(b)) return false;
    const x = dateTime(a), y = dateTime(b);
    if (x !== y && !(x !== x && y !== y)) return false;
  } else if (isDate(b)) return false;
  else if (isRegExp(a)) {
    if (!isRegExp(b) || regexToString(a) !== regexToString(b) || a.lastIndex !== b.lastIndex) return false;
  } else if (isErrorObject(a)) {
    if (!isErrorObject(b) || a.message !== b.message || a.name !== b.name) return false;
    if (!equal(a.cause, b.cause, strict, memo) || ("cause" in a) !== ("cause" in b) || !equal(a.errors, b.errors, strict, memo)) return false;
  } else if (isView(a)) {
    if (!isView(b)) return false;
    if (!strict && (typedTag(a) === "Float32Array" || typedTag(a) === "Float64Array")) {
      if (a.length !== b.length) return false;
      for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    } else if (bytesOf(a).length !== bytesOf(b).length || host.bufferCompare(bytesOf(a), bytesOf(b)) !== 0) return false;
    return compareKeys(a, b, strict, memo, true, () => true);
  } else if (isBuffer(a)) {
    if (!isBuffer(b) || bytesOf(a).length !== bytesOf(b).length || host.bufferCompare(bytesOf(a), bytesOf(b)) !== 0) return false;
  } else if (isSet(a)) {
    if (!isSet(b) || setSize(a) !== setSize(b)) return false;
    return compareKeys(a, b, strict, memo, false, () => setsEqual(a, b, strict, memo));
  } else if (isMap(a)) {
    if (!isMap(b) || mapSize(a) !== mapSize(b)) return false;
    return compareKeys(a, b, strict, memo, false, () => mapsEqual(a, b, strict, memo));
  } else if (isWeakMap(a) || isWeakSet(a) || isPromise(a)) {
    return false;
  } else {
    for (const type of ["Number", "String", "Boolean", "BigInt", "Symbol"]) {
      if (isBoxed[type](a) !== isBoxed[type](b)) return false;
      if (isBoxed[type](a) && !Object.is(a.valueOf(), b.valueOf())) return false;
    }
  }
  return compareKeys(a, b, strict, memo, false, () => true);
}

function compareKeys(a, b, strict, memo, skipIndexes, more) {
  const keys = enumerableKeys(a, skipIndexes);
  const others = enumerableKeys(b, skipIndexes);
  const strings = (list) => list.filter((k) => strict || typeof k === "string");
  if (strings(keys).length !== strings(others).length) return false;
  for (let i = 0; i < keys.length; i++) if ((strict || typeof keys[i] === "string") && !propertyIsEnumerable(b, keys[i])) return false;
  const known = mapGet(memo.a, a);
  if (known !== undefined) {
    const other = mapGet(memo.b, b);
    if (other !== undefined) return known === other;
  }
  memo.at++;
  mapSet(memo.a, a, memo.at);
  mapSet(memo.b, b, memo.at);
  let same = more();
  for (let i = 0; same && i < keys.length; i++) if ((strict || typeof keys[i] === "string") && !equal(a[keys[i]], b[keys[i]], strict, memo)) same = false;
  mapDelete(memo.a, a);
  mapDelete(memo.b, b);
  return same;
}

function setsEqual(a, b, strict, memo) {
  const rest = [];
  let same = true;
  setForEach(a, (v) => {
    if (!same || setHas(b, v)) return;
    if (strict && (typeof v !== "object" || v === null)) same = false;
    else kit.push(rest, v);
  });
  if (!same) return false;
  const left = [];
  setForEach(b, (v) => {
    if (!setHas(a, v)) kit.push(left, v);
  });
  return matchAll(rest, left, (x, y) => equal(x, y, strict, memo));
}

function mapsEqual(a, b, strict, memo) {
  const rest = [];
  let same = true;
  mapForEach(a, (v, k) => {
    if (!same) return;
    if (mapHas(b, k)) {
      if (!equal(v, mapGet(b, k), strict, memo)) same = false;
    } else if (strict && (typeof k !== "object" || k === null)) same = false;
    else kit.push(rest, [k, v]);
  });
  if (!same) return false;
  const left = [];
  mapForEach(b, (v, k) => {
    if (!mapHas(a, k)) kit.push(left, [k, v]);
  });
  return matchAll(rest, left, (x, y) => equal(x[0], y[0], strict, memo) && equal(x[1], y[1], strict, memo));
}

function matchAll(list, others, same) {
  if (list.length !== others.length) return false;
  for (let i = 0; i < list.length; i++) {
    let k = 0;
    while (k < others.length && !same(list[i], others[k])) k++;
    if (k === others.length) return false;
    kit.splice(others, k, 1);
  }
  return true;
}

const memo = () => ({ a: new MapCtor(), b: new MapCtor(), at: 0 });

return { isDeepEqual: (a, b) => equal(a, b, false, memo()), isDeepStrictEqual: (a, b) => equal(a, b, true, memo()) };

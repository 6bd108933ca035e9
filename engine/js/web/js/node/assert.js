// node:assert

const { ErrorCtor, TypeErrorCtor, isErrorObject, nodeError, invalidArg, needFunction, objectKeys, apply, strSplit, join, defineProperty, promiseThen } = kit;
const { inspect } = need("everloop/inspect");
const { isDeepEqual, isDeepStrictEqual } = need("everloop/equal");
const types = need("util/types");

const show = (v) => inspect(v, { compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, showHidden: false, showProxy: false, sorted: true, getters: true, breakLength: Infinity });

const headings = {
  deepStrictEqual: "Expected values to be strictly deep-equal:",
  strictEqual: "Expected values to be strictly equal:",
  deepEqual: "Expected values to be loosely deep-equal:",
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
  notIdentical: "Values identical but not reference-equal:",
  notDeepEqualUnequal: "Expected values not to be loosely deep-equal:",
  strictEqualObject: 'Expected "actual" to be reference-equal to "expected":',
  notStrictEqualObject: 'Expected "actual" not to be reference-equal to "expected":',
};

// diffOf lists the lines of both values, those that are not in the other one marked: the longest common part is found where
// both are short enough.
function diffOf(actual, expected, operator) {
  const a = strSplit(show(actual), "\n"), b = strSplit(show(expected), "\n");
  const primitive = (v) => v === null || (typeof v !== "object" && typeof v !== "function");
  if (a.length === 1 && b.length === 1 && a[0] !== b[0] && primitive(actual) && primitive(expected)) {
    if ((actual !== 0 || expected !== 0) && a[0].length + b[0].length <= 12) return `${headings[operator]}\n\n${a[0]} !== ${b[0]}\n`;
  }
  if (join(a, "\n") === join(b, "\n")) {
    return `${headings.notIdentical}\n\n${join(a, "\n")}\n`;
  }
  const lines = [];
  if (a.length * b.length > 250000) {
    for (const l of a) lines.push(`+ ${l}`);
    for (const l of b) lines.push(`- ${l}`);
  } else {
    const n = a.length, m = b.length;
    const table = new Uint16Array((n + 1) * (m + 1));
    for (let i = n - 1; i >= 0; i--) {
      for (let k = m - 1; k >= 0; k--) table[i * (m + 1) + k] = a[i] === b[k] ? table[(i + 1) * (m + 1) + k + 1] + 1 : Math.max(table[(i + 1) * (m + 1) + k], table[i * (m + 1) + k + 1]);
    }
    let i = 0, k = 0;
    while (i < n || k < m) {
      if (i < n && k < m && a[i] === b[k]) {
        lines.push(`  ${a[i]}`);
        i++;
        k++;
      } else if (i < n && (k >= m || table[(i + 1) * (m + 1) + k] >= table[i * (m + 1) + k + 1])) lines.push(`+ ${a[i++]}`);
      else lines.push(`- ${b[k++]}`);
    }
  }
  return `${headings[operator]}\n+ actual - expected\n\n${join(lines, "\n")}\n`;
}

class AssertionError extends ErrorCtor {
  constructor(options) {
    if (options === null || typeof options !== "object") throw invalidArg("options", "of type object", options);
    const { message, operator, actual, expected } = options;
    if (message != null) super(`${message}`);
    else if (operator === "deepStrictEqual" || operator === "strictEqual") super(diffOf(actual, expected, operator));
    else if (operator === "notDeepStrictEqual" || operator === "notStrictEqual") {
      let lines = strSplit(show(actual), "\n");
      let heading = headings[operator];
      if (operator === "notStrictEqual" && ((typeof actual === "object" && actual !== null) || typeof actual === "function")) heading = headings.notStrictEqualObject;
      if (lines.length > 50) lines = [...lines.slice(0, 46), "..."];
      super(lines.length === 1 ? `${heading}${lines[0].length > 5 ? "\n\n" : " "}${lines[0]}` : `${heading}\n\n${join(lines, "\n")}\n`);
    } else {
      let a = show(actual), b = show(expected);
      if (operator === "deepEqual") super(`${headings[operator]}\n\n${a}\n\nshould loosely deep-equal\n\n${b}`);
      else if (operator === "notDeepEqual") super(`${headings[operator]}\n\n${a}`);
      else if (operator === "==" || operator === "!=") super(`${a} ${operator} ${b}`);
      else super(`${a} ${operator} ${b}`);
    }
    this.generatedMessage = !message;
    this.code = "ERR_ASSERTION";
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    defineProperty(this, "name", { __proto__: null, value: "AssertionError", enumerable: false, writable: true, configurable: true });
  }
  toString() {
    return `${this.name} [${this.code}]: ${this.message}`;
  }
}

function failWith(options) {
  if (isErrorObject(options.message)) throw options.message;
  const e = new AssertionError(options);
  if (options.generated !== undefined) e.generatedMessage = options.generated;
  throw e;
}

function ok(value, args, name) {
  if (value) return;
  let message = args[1];
  let generated = false;
  if (args.length === 0) {
    generated = true;
    message = "No value argument passed to `assert.ok()`";
  } else if (message == null) {
    generated = true;
    message = "The expression evaluated to a falsy value";
  }
  failWith({ actual: value, expected: true, message, operator: "==", generated });
}

function assert(...args) {
  ok(args[0], args);
}

const need2 = (args) => {
  if (args.length < 2) throw nodeError(TypeErrorCtor, "ERR_MISSING_ARGS", 'The "actual" and "expected" arguments must be specified');
};

function fail(message) {
  if (isErrorObject(message)) throw message;
  const e = new AssertionError({ message: message === undefined ? "Failed" : message, operator: "fail" });
  e.generatedMessage = message === undefined;
  throw e;
}

const loose = {
  equal(actual, expected, message) {
    need2(arguments);
    if (actual != expected && (actual === actual || expected === expected)) failWith({ actual, expected, message, operator: "==" });
  },
  notEqual(actual, expected, message) {
    need2(arguments);
    if (actual == expected || (actual !== actual && expected !== expected)) failWith({ actual, expected, message, operator: "!=" });
  },
  deepEqual(actual, expected, message) {
    need2(arguments);
    if (!isDeepEqual(actual, expected)) failWith({ actual, expected, message, operator: "deepEqual" });
  },
  notDeepEqual(actual, expected, message) {
    need2(arguments);
    if (isDeepEqual(actual, expected)) failWith({ actual, expected, message, operator: "notDeepEqual" });
  },
};
const exact = {
  strictEqual(actual, expected, message) {
    need2(arguments);
    if (!Object.is(actual, expected)) failWith({ actual, expected, message, operator: "strictEqual" });
  },
  notStrictEqual(actual, expected, message) {
    need2(arguments);
    if (Object.is(actual, expected)) failWith({ actual, expected, message, operator: "notStrictEqual" });
  },
  deepStrictEqual(actual, expected, message) {
    need2(arguments);
    if (!isDeepStrictEqual(actual, expected)) failWith({ actual, expected, message, operator: "deepStrictEqual" });
  },
  notDeepStrictEqual(actual, expected, message) {
    need2(arguments);
    if (isDeepStrictEqual(actual, expected)) failWith({ actual, expected, message, operator: "notDeepStrictEqual" });
  },
};

// matches checks a caught error against what was expected of it: a class, a pattern, an object, or a function.
function matches(actual, expected, message, name) {
  if (typeof expected === "object") {
    if (types.isRegExp(expected)) {
      const text = `${actual}`;
      if (expected.exec(text) !== null) return;
      failWith({ actual, expected, message: message || `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(text)}\n`, operator: name, generated: !message });
    }
    if (actual === null || (typeof actual !== "object" && typeof actual !== "function")) failWith({ actual, expected, message, operator: "deepStrictEqual" });
    const keys = objectKeys(expected);
    if (isErrorObject(expected)) keys.push("name", "message");
    else if (keys.length === 0) throw nodeError(TypeErrorCtor, "ERR_INVALID_ARG_VALUE", `The argument 'error' may not be an empty object. Received {}`);
    for (const k of keys) {
      if (typeof actual[k] === "string" && types.isRegExp(expected[k]) && expected[k].exec(actual[k]) !== null) continue;
      if (k in actual && isDeepStrictEqual(actual[k], expected[k])) continue;
      const part = (v) => {
        const o = {};
        for (const n of keys) if (n in v) o[n] = typeof v[n] === "string" && types.isRegExp(expected[n]) && expected[n].exec(v[n]) !== null ? expected[n] : v[n];
        return o;
      };
      const e = new AssertionError({ actual: part(actual), expected: part(expected), message: message || undefined, operator: "deepStrictEqual" });
      e.actual = actual;
      e.expected = expected;
      e.operator = name;
      throw e;
    }
    return;
  }
  if (expected.prototype !== undefined && actual instanceof expected) return;
  if (Object.prototype.isPrototypeOf.call(ErrorCtor, expected)) {
    let text = `The error is expected to be an instance of "${expected.name}". Received `;
    text += isErrorObject(actual) ? `"${actual.name}"` : `"${inspect(actual, { depth: -1 })}"`;
    if (isErrorObject(actual)) text += `\n\nError message:\n\n${actual.message}`;
    failWith({ actual, expected, message: message || text, operator: name, generated: !message });
  }
  const result = apply(expected, {}, [actual]);
  if (result !== true) {
    const label = expected.name ? `"${expected.name}" ` : "";
    let text = `The ${label}validation function is expected to return "true". Received ${inspect(result)}`;
    if (isErrorObject(actual)) text += `\n\nCaught error:\n\n${actual}`;
    failWith({ actual, expected, message: message || text, operator: name, generated: !message });
  }
}

function expectation(name, caught, actual, expected, message) {
  if (typeof expected === "string") {
    if (message !== undefined) throw invalidArg("error", "of type function or an instance of Error, RegExp, or Object", expected);
    if (caught && (typeof actual === "object" && actual !== null ? actual.message === expected : actual === expected)) {
      throw nodeError(TypeErrorCtor, "ERR_AMBIGUOUS_ARGUMENT", `The "error/message" argument is ambiguous. The error ${typeof actual === "object" ? "message" : ""} "${expected}" is identical to the message.`);
    }
    message = expected;
    expected = undefined;
  } else if (expected != null && typeof expected !== "object" && typeof expected !== "function") {
    throw invalidArg("error", "of type function or an instance of Error, RegExp, or Object", expected);
  }
  if (!caught) {
    let details = "";
    if (expected && expected.name) details += ` (${expected.name})`;
    details += message ? `: ${message}` : ".";
    failWith({ actual: undefined, expected, operator: name, message: `Missing expected ${name === "rejects" ? "rejection" : "exception"}${details}` });
  }
  if (expected != null) matches(actual, expected, message, name);
}

function refusal(name, caught, actual, expected, message) {
  if (!caught) return;
  if (typeof expected === "string") {
    message = expected;
    expected = undefined;
  }
  if (!expected || (typeof expected === "function" ? actual instanceof expected || (expected.prototype === undefined && expected(actual)) : types.isRegExp(expected) && expected.exec(`${actual}`) !== null)) {
    failWith({ actual, expected, operator: name, message: `Got unwanted ${name === "doesNotReject" ? "rejection" : "exception"}${message ? `: ${message}` : "."}\nActual message: "${actual && actual.message}"` });
  }
  throw actual;
}

function run(f) {
  needFunction(f, "fn");
  try {
    f();
  } catch (e) {
    return { caught: true, e };
  }
  return { caught: false };
}
async function wait(promise) {
  if (typeof promise === "function") {
    promise = promise();
    if (typeof promise?.then !== "function") throw nodeError(TypeErrorCtor, "ERR_INVALID_RETURN_VALUE", `Expected instance of Promise to be returned from the "promiseFn" function but got ${promise === null || promise === undefined ? promise : kit.slice(kit.received(promise), 10)}.`);
  } else if (typeof promise?.then !== "function") throw invalidArg("promiseFn", "of type function or an instance of Promise", promise);
  try {
    await promise;
  } catch (e) {
    return { caught: true, e };
  }
  return { caught: false };
}

function matching(text, pattern, message, name) {
  if (!types.isRegExp(pattern)) throw invalidArg("regexp", "an instance of RegExp", pattern);
  const wanted = name === "match";
  if (typeof text === "string" && (pattern.exec(text) !== null) === wanted) return;
  if (isErrorObject(message)) throw message;
  const generated = !message;
  message ||= typeof text !== "string" ? `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})` : `${wanted ? "The input did not match the regular expression" : "The input was expected to not match the regular expression"} ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`;
  failWith({ actual: text, expected: pattern, message, operator: name, generated });
}

Object.assign(assert, {
  AssertionError, ok: (...args) => ok(args[0], args), fail, ...loose, ...exact,
  throws(f, expected, message) {
    const { caught, e } = run(f);
    expectation("throws", caught, e, expected, message);
  },
  async rejects(promise, expected, message) {
    const { caught, e } = await wait(promise);
    expectation("rejects", caught, e, expected, message);
  },
  doesNotThrow(f, expected, message) {
    const { caught, e } = run(f);
    refusal("doesNotThrow", caught, e, expected, message);
  },
  async doesNotReject(promise, expected, message) {
    const { caught, e } = await wait(promise);
    refusal("doesNotReject", caught, e, expected, message);
  },
  ifError(e) {
    if (e === null || e === undefined) return;
    let message = "ifError got unwanted exception: ";
    if (typeof e === "object" && typeof e.message === "string") message += e.message.length === 0 && e.constructor ? e.constructor.name : e.message;
    else message += inspect(e);
    failWith({ actual: e, expected: null, operator: "ifError", message });
  },
  match: (text, pattern, message) => matching(text, pattern, message, "match"),
  doesNotMatch: (text, pattern, message) => matching(text, pattern, message, "doesNotMatch"),
});

function strict(...args) {
  ok(args[0], args);
}
Object.assign(strict, assert, { equal: assert.strictEqual, notEqual: assert.notStrictEqual, deepEqual: assert.deepStrictEqual, notDeepEqual: assert.notDeepStrictEqual });
strict.strict = strict;
assert.strict = strict;
return assert;

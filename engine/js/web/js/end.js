// What becomes global, and what the host gets.

const globals = {
  __proto__: null,
  AbortController, AbortSignal, Blob, ByteLengthQueuingStrategy, CompressionStream, CountQueuingStrategy, Crypto, CryptoKey, CustomEvent,
  DOMException, DecompressionStream, ErrorEvent, Event, EventTarget, ExecutionContext, File, FixedLengthStream, FormData, Headers,
  IdentityTransformStream, Navigator, Performance, ReadableByteStreamController, ReadableStream, ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest, ReadableStreamDefaultController, ReadableStreamDefaultReader, Request, Response, Scheduler, SubtleCrypto, TextDecoder,
  TextDecoderStream, TextEncoder, TextEncoderStream, TransformStream, TransformStreamDefaultController, URL, URLSearchParams,
  WritableStream, WritableStreamDefaultController, WritableStreamDefaultWriter, WebSocket, WebSocketPair, DurableObjectId, DurableObjectNamespace, DurableObjectState, DurableObjectStorage, DurableObjectTransaction,
  DurableObject: DurableObjectStub, Fetcher,
  console,
};
const globalNames = objectKeys(globals);
for (let i = 0; i < globalNames.length; i++) hide(globalThis, globalNames[i], globals[globalNames[i]]);

// What few programs touch is compiled and run when one does: see lazy.go.
const codePoint = uncurry(String.prototype.codePointAt);
const RegExpCtor = RegExp;
const BigIntOf = BigInt;

function setOwn(target, name, value) {
  defineProperty(target, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

// newPromise is a promise that may be rejected without anybody looking.
function newPromise() {
  const p = pending();
  handled(p);
  return { __proto__: null, promise: p, resolve: (v) => fulfill(p, v), reject: (e) => refuse(p, e) };
}

function defineTag(target, tag) {
  defineProperty(target, Symbol.toStringTag, { __proto__: null, value: tag, configurable: true });
}

function lazyFile(file) {
  return host.lazyFile(file)({
    __proto__: null, host, push, slice, charCode, codePoint, toUpper, strIndexOf, regexExec, toWellFormed, bytesOf, typeName, webClass, setOwn, hide, defineTag,
    rejected, newPromise, RegExpCtor, TypeErrorCtor, ErrorCtor, BigIntOf, WritableStream, DOMException,
  });
}

function lazyGlobal(name, file) {
  defineProperty(globalObject, name, {
    __proto__: null,
    configurable: true,
    enumerable: false,
    get() {
      const value = lazyFile(file);
      hide(globalObject, name, value);
      return value;
    },
    set(value) {
      hide(globalObject, name, value);
    },
  });
}
lazyGlobal("URLPattern", "urlpattern");
lazyGlobal("WebAssembly", "webassembly");

// Functions and objects of the global scope are enumerable, as in the standard.
const members = {
  __proto__: null,
  addEventListener, atob, btoa, clearInterval, clearTimeout, crypto: theCrypto, dispatchEvent, fetch, navigator: new Navigator(internal),
  performance: new Performance(internal), queueMicrotask, removeEventListener, reportError, scheduler: new Scheduler(internal), self: globalThis,
  setInterval, setTimeout, structuredClone,
};
const memberNames = objectKeys(members);
for (let i = 0; i < memberNames.length; i++) {
  defineProperty(globalThis, memberNames[i], { __proto__: null, value: members[memberNames[i]], writable: true, enumerable: true, configurable: true });
}

return {
  __proto__: null,
  programClasses, programEntries, workerFetch, reply: replyWith, fireTimer,
  workerCall, objectCall, exportCall, pipelinedHere, pipelinedOn, crossShape, fromParts, takeReadable, streamOver: streamOf, takeWritable, writableOver, newStub, disposable, hasDisposer, disposeExport, loopbackFrom, programExports,
  streamStart, streamRoom, streamCancel, callerLeft,
  nothing() {},
  noID, storageGet, storagePut,
  nodeCrypto,
  requestProto: Request.prototype,
  responseProto: Response.prototype,
  contextProto: ExecutionContext.prototype,
  stubProto: DurableObjectStub.prototype,
  namespaceProto: DurableObjectNamespace.prototype,
  idProto: DurableObjectId.prototype,
  stateProto: DurableObjectState.prototype,
  storageProto: DurableObjectStorage.prototype,
  transactionProto: DurableObjectTransaction.prototype,
  fetcherProto: Fetcher.prototype,
  DOMException,
  workers: { __proto__: null, DurableObject, WorkerEntrypoint, RpcTarget, RpcStub, RpcPromise, RpcProperty, exports: programExports, waitUntil, withEnv, withExports, withEnvAndExports },
};

// What becomes global, besides what the lazy parts of the prelude have, and what the host gets.

const globals = {
  __proto__: null,
  AbortController, AbortSignal, ByteLengthQueuingStrategy, CountQueuingStrategy, Crypto, CustomEvent, DOMException, ErrorEvent, Event, EventTarget, ExecutionContext, Headers,
  MessageChannel, MessageEvent, MessagePort, Navigator, Performance, PromiseRejectionEvent, Request, Response, Scheduler, TextDecoder, TextEncoder, URL, URLSearchParams,
  DurableObjectId, DurableObjectNamespace, DurableObjectState, DurableObjectStorage,
  DurableObjectTransaction, DurableObject: DurableObjectStub, Fetcher,
};
const globalNames = objectKeys(globals);
for (let i = 0; i < globalNames.length; i++) hide(globalThis, globalNames[i], globals[globalNames[i]]);

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

// bringPart runs a lazy part of the prelude and puts what it has in the place of its stand-ins.
function bringPart(name, part) {
  const exports = part(host, partTable[name].give());
  partTable[name].take(exports);
  return exports;
}

// older makes the Web APIs what a program with an older compatibility date is used to.
function older(relative, withoutCalls, withoutExports) {
  if (relative) relativeURLs = true;
  if (withoutCalls) {
    setPrototypeOf(Fetcher.prototype, ObjectPrototype);
    setPrototypeOf(DurableObjectStub.prototype, ObjectPrototype);
  }
  if (withoutExports) {
    delete ExecutionContext.prototype.exports;
    delete DurableObjectState.prototype.exports;
  }
}

const workers = { __proto__: null, DurableObject, WorkerEntrypoint, RpcTarget, RpcStub, RpcPromise, RpcProperty, waitUntil, withEnv, withExports, withEnvAndExports,
  ServiceStub: Fetcher, WorkflowEntrypoint, abortIsolate, cache: theCache, restore: restoreSymbol, tracing: theTracing };

return {
  __proto__: null,
  bringPart, older,
  programClasses, programEntries, unhandledRejection, workerFetch, reply: replyWith, fireTimer,
  workerCall, objectCall, exportCall, pipelinedHere, pipelinedOn, crossShape, fromParts, takeReadable, streamOver: streamOf, takeWritable, writableOver, newStub, disposable, hasDisposer, disposeExport, loopbackFrom, programExports,
  streamStart, streamRoom, streamCancel, callerLeft, socketEvent, socketBytes,
  nothing() {},
  routing, storageGet, storagePut,
  moduleExports, nodeGlobals,
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
  alarmInfoProto: AlarmInvocationInfo.prototype,
  DOMException,
workers, workersModule,
};

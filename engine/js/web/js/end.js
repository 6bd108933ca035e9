// What becomes global, and what the host gets.

const globals = {
  __proto__: null,
  AbortController, AbortSignal, Blob, ByteLengthQueuingStrategy, CompressionStream, CountQueuingStrategy, Crypto, CryptoKey, CustomEvent,
  DOMException, DecompressionStream, Event, EventTarget, ExecutionContext, File, FixedLengthStream, FormData, Headers,
  IdentityTransformStream, Navigator, Performance, ReadableByteStreamController, ReadableStream, ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest, ReadableStreamDefaultController, ReadableStreamDefaultReader, Request, Response, Scheduler, SubtleCrypto, TextDecoder,
  TextDecoderStream, TextEncoder, TextEncoderStream, TransformStream, TransformStreamDefaultController, URL, URLSearchParams,
  WritableStream, WritableStreamDefaultController, WritableStreamDefaultWriter, WebSocket, WebSocketPair, DurableObjectId, DurableObjectNamespace, DurableObjectState, DurableObjectStorage, DurableObjectTransaction,
  DurableObject: DurableObjectStub, Fetcher,
  console,
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

const workers = { __proto__: null, DurableObject, WorkerEntrypoint, RpcTarget, RpcStub, RpcPromise, RpcProperty, waitUntil, withEnv, withExports, withEnvAndExports };

return {
  __proto__: null,
  programClasses, programEntries, workerFetch, reply: replyWith, fireTimer,
  workerCall, objectCall, exportCall, pipelinedHere, pipelinedOn, crossShape, fromParts, takeReadable, streamOver: streamOf, takeWritable, writableOver, newStub, disposable, hasDisposer, disposeExport, loopbackFrom, programExports,
  streamStart, streamRoom, streamCancel, callerLeft,
  nothing() {},
  noID, storageGet, storagePut,
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
  DOMException,
workers, workersModule,
};

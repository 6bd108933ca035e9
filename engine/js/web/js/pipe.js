// Piping (Streams standard, section 4.9.1, ReadableStreamPipeTo).

function pipeOptions(options) {
  const d = dictionary(options, "The options of a pipe");
  const preventAbort = !!d.preventAbort;
  const preventCancel = !!d.preventCancel;
  const preventClose = !!d.preventClose;
  const signal = d.signal;
  if (signal !== undefined && !isAbortSignal(signal)) throw new TypeErrorCtor(`The signal of a pipe must be an AbortSignal, not ${typeName(signal)}`);
  return { __proto__: null, preventAbort, preventCancel, preventClose, signal };
}

const pipeFreely = freeze({ __proto__: null, preventAbort: false, preventCancel: false, preventClose: false, signal: undefined });

// pipe moves everything from a stream to another and returns a promise of the end. It reads when the destination wants a
// chunk, and never sooner. It watches both streams: an end of one becomes an end of the other, unless an option prevents
// it; then reader and writer are released and the promise is settled.
function pipe(source, dest, options) {
  const { preventAbort, preventCancel, preventClose, signal } = options;
  const reader = acquireReader(source);
  const writer = acquireWriter(dest);
  source.disturbed = true;
  const promise = pending();
  let shuttingDown = false;
  let lastWrite = settled;
  let forget = null;

  const finish = (failed, e) => {
    writerRelease(writer);
    readerRelease(reader);
    if (forget !== null) forget();
    if (failed) refuse(promise, e);
    else fulfill(promise, undefined);
  };
  // afterWrites runs f once every chunk that was read has been written.
  const afterWrites = (f) => {
    const last = lastWrite;
    const again = () => (last === lastWrite ? f() : afterWrites(f));
    react(last, again, again);
  };
  // shutdown ends the pipe, after action (null: at once), which returns a promise.
  const shutdown = (action, failed, e) => {
    if (shuttingDown) return;
    shuttingDown = true;
    const act = () => {
      if (action === null) {
        finish(failed, e);
        return;
      }
      react(
        action(),
        () => finish(failed, e),
        (e) => finish(true, e),
      );
    };
    if (dest.state === isWritable && !closeAsked(dest)) afterWrites(act);
    else act();
  };

  if (signal !== undefined) {
    const abort = () => {
      const e = signal.reason;
      shutdown(
        () => {
          const waits = [];
          if (!preventAbort) push(waits, dest.state === isWritable ? writableAbort(dest, e) : resolved(undefined));
          if (!preventCancel) push(waits, source.state === isReadable ? readableCancel(source, e) : resolved(undefined));
          return everyOf(waits);
        },
        true,
        e,
      );
    };
    if (signal.aborted) {
      abort();
      return promise;
    }
    forget = onAbort(signal, abort);
  }

  const sourceFailed = (e) => {
    if (preventAbort) shutdown(null, true, e);
    else shutdown(() => writableAbort(dest, e), true, e);
  };
  const destFailed = (e) => {
    if (preventCancel) shutdown(null, true, e);
    else shutdown(() => readableCancel(source, e), true, e);
  };
  const sourceClosed = () => {
    if (preventClose) shutdown(null, false);
    else shutdown(() => writerCloseOrError(writer), false);
  };

  // Errors go forward, errors go backward, the end goes forward, the end goes backward: in this order.
  if (source.state === isErrored) sourceFailed(source.error);
  else react(readerClosed(reader), undefined, sourceFailed);
  if (dest.state === isFailed) destFailed(dest.error);
  else react(writerClosed(writer), undefined, destFailed);
  if (source.state === isClosed) sourceClosed();
  else react(readerClosed(reader), sourceClosed, noop);
  if (closeAsked(dest) || dest.state === isWritten) {
    const e = new TypeErrorCtor("The destination of the pipe is closed, or being closed");
    if (preventCancel) shutdown(null, true, e);
    else shutdown(() => readableCancel(source, e), true, e);
  }

  const request = {
    __proto__: null,
    chunk(chunk) {
      // In a job of its own: the writes that this one sets off may not run inside a call of the source's.
      const written = pending();
      lastWrite = written;
      microtask(() => {
        const over = () => fulfill(written, undefined);
        react(writerWrite(writer, chunk), over, over);
        step();
      });
    },
    close: noop,
    error: noop,
  };
  const read = () => {
    if (shuttingDown) return;
    readerRead(reader, request);
  };
  const step = () => {
    if (shuttingDown) return;
    const desired = writerDesiredSize(writer);
    if (desired !== null && desired > 0) read();
    else react(writerReady(writer), () => (shuttingDown ? undefined : read()), noop);
  };
  step();
  return promise;
}

// everyOf waits for a list of promises, as Promise.all does, without asking anything of the program's.
function everyOf(list) {
  if (list.length === 0) return resolved(undefined);
  const all = pending();
  let left = list.length;
  for (let i = 0; i < list.length; i++) {
    react(
      list[i],
      () => {
        if (--left === 0) fulfill(all, undefined);
      },
      (e) => refuse(all, e),
    );
  }
  return all;
}

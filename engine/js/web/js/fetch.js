// fetch: requests that leave the process.

let lastFetch = 0; // number of the last one, also of a stub, that can be aborted

function fetch(input, init = undefined) {
  try {
    if (arguments.length === 0) throw new TypeErrorCtor("fetch needs a URL or a Request");
    if (init === undefined || init === null) {
      if (typeof input === "string") return host.fetchOut(0, "GET", requestURL(input), null, null, 0);
      if (isRequest(input)) return sendOut(input);
    }
    return sendOut(new Request(input, init));
  } catch (e) {
    return rejected(e);
  }
}

// abortedFetch is what a fetch comes to whose signal had aborted before: the request's body is used all the same.
function abortedFetch(body, reason) {
  if (typeof body === "object" && body !== null && isStream(body)) handled(readableCancel(openReadable(readableOf(body)), reason));
  return rejected(reason);
}

// fetched is what a fetch gives its caller: the reply of the host, with what the request's details ask for.
function fetched(d, n, reply) {
  if (d.signal !== null) reply = abortFetch(n, reply, d.signal);
  return d.integrity === "" ? reply : promiseThen(reply, (response) => intact(response, d.integrity));
}

// abortFetch is the promise of a fetch that a signal can abort, at any point until its response has been read.
function abortFetch(n, reply, signal) {
  const forget = onAbort(signal, () => host.fetchCancel(n));
  return promiseThen(
    abortable(reply, signal),
    (response) => {
      forget();
      return abortableBody(response, signal);
    },
    (e) => {
      forget();
      throw e;
    },
  );
}

// cloudflare:sockets can be imported; there are no outgoing TCP connections.

const { ErrorCtor } = kit;

function connect() {
  throw new ErrorCtor("cloudflare:sockets: connect() is not available: everloop makes no outgoing TCP connections.");
}

return { connect };

# workerd with the same counter as docs/examples/counter, objects on local disk. The comparison gives the address and the
# directory on the command line: --socket-addr http=HOST:PORT --directory-path objects=DIR.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "counter", worker = .counter),
    (name = "objects", disk = (writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "counter")],
);

const counter :Workerd.Worker = (
  modules = [(name = "counter.js", esModule = embed "counter.js")],
  compatibilityDate = "2026-11-01",
  bindings = [(name = "COUNTER", durableObjectNamespace = "Counter")],
  durableObjectNamespaces = [(className = "Counter", uniqueKey = "counter")],
  durableObjectStorage = (localDisk = "objects"),
);

# workerd with the program of this folder, objects on local disk. The comparison gives the address and the directory on
# the command line: --socket-addr http=HOST:PORT --directory-path objects=DIR.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "workloads", worker = .workloads),
    (name = "objects", disk = (writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "workloads")],
);

const workloads :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  bindings = [
    (name = "COUNTER", durableObjectNamespace = "Counter"),
    (name = "ACCOUNT", durableObjectNamespace = "Account"),
    (name = "RECORD", durableObjectNamespace = "Record"),
    (name = "VISITS", durableObjectNamespace = "Visits"),
    (name = "ROOM", durableObjectNamespace = "Room"),
    (name = "LOOP", durableObjectNamespace = "Loop"),
    (name = "BROADCAST", durableObjectNamespace = "Broadcast"),
    (name = "ECHO", durableObjectNamespace = "Echo"),
    (name = "BELL", durableObjectNamespace = "Bell"),
  ],
  durableObjectNamespaces = [
    (className = "Counter", uniqueKey = "counter"),
    (className = "Account", uniqueKey = "account"),
    (className = "Record", uniqueKey = "record"),
    (className = "Visits", uniqueKey = "visits"),
    (className = "Room", uniqueKey = "room"),
    (className = "Loop", uniqueKey = "loop"),
    (className = "Broadcast", uniqueKey = "broadcast"),
    (className = "Echo", uniqueKey = "echo"),
    (className = "Bell", uniqueKey = "bell"),
  ],
  durableObjectStorage = (localDisk = "objects"),
);

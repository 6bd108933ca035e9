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
    (name = "WORK", durableObjectNamespace = "Work"),
    (name = "ROOM", durableObjectNamespace = "Room"),
  ],
  durableObjectNamespaces = [
    (className = "Work", uniqueKey = "work"),
    (className = "Room", uniqueKey = "room"),
  ],
  durableObjectStorage = (localDisk = "objects"),
);

// The suite makes shared memory with WebAssembly, which everloop does not have.
const createBuffer = (type, length) => {
  switch (type) {
    case "ArrayBuffer":
      return new ArrayBuffer(length);
    case "SharedArrayBuffer":
      return new SharedArrayBuffer(length);
  }
  throw new Error("type has to be ArrayBuffer or SharedArrayBuffer");
};

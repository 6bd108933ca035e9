// WebAssembly, which there is not. The object is there so that a program is told, rather than that it fails over an undefined name.


function noWebAssembly(what) {
  return new ErrorCtor(`${what} is not available: everloop has no WebAssembly. Use a JavaScript build of the library.`);
}

const WebAssembly = {};

function forNames(names, f) {
  for (let i = 0; i < names.length; i++) f(names[i]);
}

forNames(["compile", "compileStreaming", "instantiate", "instantiateStreaming"], (name) => {
  const refuse = { [name]() { return rejected(noWebAssembly(`WebAssembly.${name}`)); } };
  setOwn(WebAssembly, name, refuse[name]);
});
// No module is valid here. Programs ask this to choose between builds.
setOwn(WebAssembly, "validate", function validate() {
  return false;
});
forNames(["Module", "Instance", "Memory", "Table", "Global", "Tag", "Exception"], (name) => {
  const classes = {
    [name]: class {
      constructor() {
        throw noWebAssembly(`WebAssembly.${name}`);
      }
    },
  };
  hide(WebAssembly, name, classes[name]);
});
// The errors can be caught by name, so they are real classes.
forNames(["CompileError", "LinkError", "RuntimeError"], (name) => {
  const classes = { [name]: class extends ErrorCtor {} };
  hide(classes[name].prototype, "name", name);
  hide(WebAssembly, name, classes[name]);
});
defineProperty(WebAssembly, Symbol.toStringTag, { __proto__: null, value: "WebAssembly", configurable: true });

// node:console: the global console.

const { consoleObject, nodeError, ErrorCtor, objectKeys } = kit;

function Console() {
  throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", "console.Console is not available: what is logged goes to the daemon's log.");
}
const exports = { Console };
const names = objectKeys(consoleObject);
for (let i = 0; i < names.length; i++) exports[names[i]] = consoleObject[names[i]];
return exports;

// META: script=/html/webappapis/structured-clone/structured-clone-battery-of-tests.js
// META: script=/html/webappapis/structured-clone/structured-clone-battery-of-tests-with-transferables.js
// META: script=/html/webappapis/structured-clone/structured-clone-battery-of-tests-harness.js
// META: title=structuredClone

// The suite has these tests for postMessage; here they are asked of structuredClone.
runStructuredCloneBatteryOfTests({
  setup: async () => {},
  structuredClone: async (value, transfer) => structuredClone(value, { transfer }),
  hasDocument: false,
});

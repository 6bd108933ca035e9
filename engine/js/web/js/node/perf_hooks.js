// node:perf_hooks. There is the clock; there is no timeline to observe.

const { Performance, nodeError, ErrorCtor } = kit;

class PerformanceObserver {
  static get supportedEntryTypes() {
    return [];
  }
  observe() {}
  disconnect() {}
  takeRecords() {
    return [];
  }
}

function absent(name) {
  return () => {
    throw nodeError(ErrorCtor, "ERR_METHOD_NOT_IMPLEMENTED", `perf_hooks.${name} is not available.`);
  };
}

const performance = globalThis.performance;
return {
  Performance, PerformanceObserver, performance,
  createHistogram: absent("createHistogram"),
  monitorEventLoopDelay: absent("monitorEventLoopDelay"),
  constants: { NODE_PERFORMANCE_GC_MAJOR: 4, NODE_PERFORMANCE_GC_MINOR: 1, NODE_PERFORMANCE_GC_INCREMENTAL: 8, NODE_PERFORMANCE_GC_WEAKCB: 16 },
};

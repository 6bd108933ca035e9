// cloudflare:workflows can be imported; there are no workflows.

const { ErrorCtor } = kit;

class NonRetryableError extends ErrorCtor {
  constructor() {
    super("cloudflare:workflows: NonRetryableError is not available: everloop has no Workflows.");
  }
}

return { NonRetryableError };

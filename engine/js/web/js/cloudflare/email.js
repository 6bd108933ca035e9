// cloudflare:email can be imported; no mail is sent.

const { ErrorCtor } = kit;

class EmailMessage {
  constructor() {
    throw new ErrorCtor("cloudflare:email: EmailMessage is not available: everloop neither receives nor sends mail.");
  }
}

return { EmailMessage };

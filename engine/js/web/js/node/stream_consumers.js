// node:stream/consumers: all of a stream, as one value.

const { Blob, TextDecoder, push } = kit;
const { Buffer } = need("buffer");

async function buffer(stream) {
  const parts = [];
  for await (const chunk of stream) push(parts, typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk.buffer ?? chunk, chunk.byteOffset, chunk.byteLength));
  return Buffer.concat(parts);
}

async function arrayBuffer(stream) {
  const b = await buffer(stream);
  return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength);
}

async function text(stream) {
  const decoder = new TextDecoder();
  let out = "";
  for await (const chunk of stream) out += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  return out + decoder.decode();
}

return {
  arrayBuffer, buffer, text,
  blob: async (stream) => new Blob([await buffer(stream)]),
  json: async (stream) => JSON.parse(await text(stream)),
};

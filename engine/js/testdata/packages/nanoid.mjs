import { nanoid, customAlphabet, customRandom, urlAlphabet, random } from "nanoid";
import { nanoid as insecure } from "nanoid/non-secure";

export default async function (print) {
  const ids = new Set(Array.from({ length: 2000 }, () => nanoid())); print(ids.size, [...ids].every((x) => /^[\w-]{21}$/.test(x)), nanoid(5).length, /^[abc]{10}$/.test(customAlphabet("abc", 10)()), urlAlphabet.length, random(4).length, insecure().length);
  let seed = 1; const gen = customRandom("abcdef", 8, (n) => Uint8Array.from({ length: n }, () => (seed = (seed * 73 + 5) % 256))); print(gen(), gen());
}

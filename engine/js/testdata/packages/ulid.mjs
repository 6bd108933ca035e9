import { ulid, monotonicFactory, decodeTime, isValid, ulidToUUID, uuidToULID, encodeTime, incrementBase32, fixULIDBase32 } from "ulid";

export default async function (print) {
  const a = ulid(1469918176385), b = ulid(1469918176385); print(a.slice(0, 10), a.length, a !== b, decodeTime(a), isValid(a), isValid("x"), encodeTime(1469918176385, 10)); const next = monotonicFactory(); const list = Array.from({ length: 100 }, () => next(1000)); print(list.every((x, i) => i === 0 || x > list[i - 1]), new Set(list).size);
  print(ulidToUUID("01ARYZ6S41TSV4RRFFQ69G5FAV"), uuidToULID("01563df3-6481-d676-4c61-efb99302bd5b"), incrementBase32("A109C"), fixULIDBase32("oLARYZ6-S41TSV4RRF-FQ69G5FAV")); const det = monotonicFactory(() => 0.5); print(det(5), det(5)); try { decodeTime("bad"); } catch (e) { print(e.message); }
}

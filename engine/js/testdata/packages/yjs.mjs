import * as Y from "yjs";

export default async function (print) {
  const a = new Y.Doc(), b = new Y.Doc(); a.clientID = 1; b.clientID = 2; const updates = [];
  a.on("update", (u) => updates.push(u)); a.getText("t").insert(0, "hello"); a.getMap("m").set("k", { n: 1 }); a.getArray("l").push([1, "two", true]); for (const u of updates) Y.applyUpdate(b, u);
  b.getText("t").insert(5, " world"); b.getText("t").format(0, 5, { bold: true }); b.getMap("m").set("k2", [1]); a.getText("t").insert(0, ">> "); a.getArray("l").delete(0, 1);
  Y.applyUpdate(a, Y.encodeStateAsUpdate(b, Y.encodeStateVector(a))); Y.applyUpdate(b, Y.encodeStateAsUpdate(a, Y.encodeStateVector(b)));
  print(a.getText("t").toString(), b.getText("t").toString(), JSON.stringify(a.getText("t").toDelta()), JSON.stringify(a.toJSON()) === JSON.stringify(b.toJSON()), JSON.stringify(a.getArray("l").toJSON()), JSON.stringify(b.getMap("m").toJSON()));
  const many = new Y.Doc(); many.clientID = 3; const all = []; many.on("update", (u) => all.push(u)); const list = many.getArray("x"); for (let i = 0; i < 2000; i++) list.insert(i % 7 === 0 ? 0 : list.length, [i]);
  const merged = Y.mergeUpdates(all); const c = new Y.Doc(); Y.applyUpdate(c, merged); print(all.length, merged.length, c.getArray("x").length, c.getArray("x").get(0), JSON.stringify(c.getArray("x").toJSON()) === JSON.stringify(list.toJSON()), Y.mergeUpdates([Y.encodeStateAsUpdate(a), merged]).length > merged.length);
  const v2 = Y.encodeStateAsUpdateV2(many); const d = new Y.Doc(); Y.applyUpdateV2(d, v2); print(v2.length < merged.length, d.getArray("x").length, Y.diffUpdate(merged, Y.encodeStateVectorFromUpdate(merged)).length, Buffer.from(Y.encodeStateVector(a)).toString("hex"));
  const undo = new Y.UndoManager(a.getText("t")); a.getText("t").insert(0, "X"); undo.undo(); print(a.getText("t").toString()); undo.redo(); print(a.getText("t").toString()); const events = []; a.getMap("m").observe((e) => events.push([...e.keysChanged].join())); a.transact(() => { a.getMap("m").set("p", 1); a.getMap("m").delete("k"); }); print(events.join());
  const x = new Y.XmlFragment(); a.getMap("m").set("xml", x); const p = new Y.XmlElement("p"); p.setAttribute("c", "d"); p.insert(0, [new Y.XmlText("text")]); x.insert(0, [p]); print(x.toString()); const rel = Y.createRelativePositionFromTypeIndex(a.getText("t"), 2); a.getText("t").insert(0, "zz"); print(Y.createAbsolutePositionFromRelativePosition(rel, a).index); const snap = Y.snapshot(a); print(Y.encodeSnapshot(snap).length > 0, Y.equalSnapshots(snap, Y.snapshot(a)));
}

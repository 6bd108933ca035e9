// FormData, and the two formats that a form travels in (parsed and written in Go).

let isFormData;
let formEntries; // (form) the flat array of its names and values

class FormData {
  #list = []; // name, value, name, value: a value is a string or a File
  constructor(form = undefined) {
    if (form === internal) return;
    if (form !== undefined) throw new TypeErrorCtor("FormData: there are no forms here to take values from");
  }
  append(name, value, filename = undefined) {
    const list = this.#list;
    if (arguments.length < 2) throw new TypeErrorCtor("FormData.append needs a name and a value");
    push(list, toWellFormed(`${name}`), formValue(value, filename, arguments.length > 2));
  }
  delete(name) {
    const list = this.#list;
    if (arguments.length < 1) throw new TypeErrorCtor("FormData.delete needs a name");
    name = toWellFormed(`${name}`);
    for (let i = 0; i < list.length; ) {
      if (list[i] === name) removeAt(list, i, 2);
      else i += 2;
    }
  }
  get(name) {
    const list = this.#list;
    if (arguments.length < 1) throw new TypeErrorCtor("FormData.get needs a name");
    name = toWellFormed(`${name}`);
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
    return null;
  }
  getAll(name) {
    const list = this.#list;
    if (arguments.length < 1) throw new TypeErrorCtor("FormData.getAll needs a name");
    name = toWellFormed(`${name}`);
    const all = [];
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) push(all, list[i + 1]);
    return all;
  }
  has(name) {
    const list = this.#list;
    if (arguments.length < 1) throw new TypeErrorCtor("FormData.has needs a name");
    name = toWellFormed(`${name}`);
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
    return false;
  }
  set(name, value, filename = undefined) {
    const list = this.#list;
    if (arguments.length < 2) throw new TypeErrorCtor("FormData.set needs a name and a value");
    name = toWellFormed(`${name}`);
    value = formValue(value, filename, arguments.length > 2);
    let found = false;
    for (let i = 0; i < list.length; ) {
      if (list[i] !== name) i += 2;
      else if (found) removeAt(list, i, 2);
      else {
        list[i + 1] = value;
        found = true;
        i += 2;
      }
    }
    if (!found) push(list, name, value);
  }
  entries() {
    void this.#list;
    return new FormDataIterator(this, 0);
  }
  keys() {
    void this.#list;
    return new FormDataIterator(this, 1);
  }
  values() {
    void this.#list;
    return new FormDataIterator(this, 2);
  }
  forEach(callback, thisArg = undefined) {
    const list = this.#list;
    if (typeof callback !== "function") throw new TypeErrorCtor(`FormData.forEach: the first argument must be a function, not ${typeName(callback)}`);
    for (let i = 0; i < list.length; i += 2) apply(callback, thisArg, [list[i + 1], list[i], this]);
  }
  static {
    isFormData = (v) => typeof v === "object" && v !== null && #list in v;
    formEntries = (f) => f.#list;
  }
}
hide(FormData.prototype, iteratorSymbol, FormData.prototype.entries);
webClass(FormData, "FormData");
const FormDataIterator = pairIterator("FormData Iterator", formEntries);

// formValue is the value of an entry: a Blob becomes a File.
function formValue(value, filename, named) {
  if (!isBlob(value)) {
    if (named) throw new TypeErrorCtor("FormData: a file name can only be given with a Blob");
    return toWellFormed(`${value}`);
  }
  if (named) return new File(internal, `${filename}`, { __proto__: null, bytes: blobBytes(value), type: blobTypeOf(value) });
  if (isFile(value)) return value;
  return new File(internal, "blob", { __proto__: null, bytes: blobBytes(value), type: blobTypeOf(value) });
}
const blobTypeOf = uncurry(getOwnPropertyDescriptor(Blob.prototype, "type").get);
const fileNameOf = uncurry(getOwnPropertyDescriptor(File.prototype, "name").get);

// formBody writes a form as multipart/form-data: {bytes, type}.
function formBody(form) {
  const list = formEntries(form);
  const flat = [];
  for (let i = 0; i < list.length; i += 2) {
    const v = list[i + 1];
    if (typeof v === "string") push(flat, list[i], null, null, v);
    else push(flat, list[i], fileNameOf(v), blobTypeOf(v), blobBytes(v));
  }
  const boundary = host.formBoundary();
  return { __proto__: null, bytes: host.formWrite(boundary, flat), type: `multipart/form-data; boundary=${boundary}` };
}

// formFrom reads a body of the given Content-Type.
function formFrom(type, bytes) {
  if (type === null) throw new TypeErrorCtor("Parsing a Body as FormData requires a Content-Type header.");
  const flat = host.formRead(type, bytes);
  if (flat === null) throw new TypeErrorCtor(`Unrecognized Content-Type header value. FormData can only parse the following MIME types: multipart/form-data, application/x-www-form-urlencoded. It is ${jsonStringify(type)}.`);
  const form = new FormData();
  const list = formEntries(form);
  for (let i = 0; i < flat.length; i += 4) {
    const file = flat[i + 1];
    push(list, flat[i], file === null ? flat[i + 3] : new File(internal, file, { __proto__: null, bytes: flat[i + 3], type: blobType(flat[i + 2]) }));
  }
  return form;
}

// Package web gives a JavaScript runtime its Web APIs (Request, Response, Headers, URL, streams of bodies, events,
// timers, console and the rest) and Cloudflare's surface of Durable Objects (namespaces, ids, stubs, state,
// storage, the module cloudflare:workers).
//
// The classes are JavaScript, in js/, written for this engine: a prelude that is compiled once and run in each
// runtime by [Load]. What is heavy is Go, one file an API. Between the two stands an object of host functions that
// only the prelude sees.
//
// A good half of the prelude (streams, Blob and FormData, crypto.subtle, console, node:crypto) is brought into a runtime when
// its program first touches something of it; prelude.go says how, and what the files must heed for it.
//
// # Who calls it
//
// engine/js implements [Host], loads an [Instance] into each runtime, and goes in through the Instance's methods:
// [Instance.WorkerFetch], [Instance.NewObject], [Instance.ObjectFetch], then [Instance.Reply] when the returned
// promise has settled. An Instance and everything about it is owned by its runtime's loop.
//
// # How values cross
//
// A request or response of the host is a [Message]. JavaScript gets an object that carries its handle; each part
// of it is pulled over when a program asks for it, so a request whose headers are never read costs nothing. A
// Response that a program made is read back in one step, without running a getter: its state is in private fields.
// A Response that came from a stub and is only handed on is recognised, and so is a Request: then the Message itself
// goes on, and its bytes never enter the runtime.
//
// An object, an event, a namespace, a stub and a transaction are handles as well. Every host call carries the handle
// it is about; there is no notion of a current object, because a promise that one object resolves can run another's
// continuation.
//
// # Modules
//
// What programs import by Node's and Cloudflare's names is in js/node and js/cloudflare, a file a module (modules.go). Each is a
// function of the prelude's kit (modules.js), which is compiled when the first program of the process imports it.
//
// # Calls by name
//
// Whatever name a stub does not have is a method or property of what it stands for: an object of the host at the end of
// the prototype chain makes it, and what is called of it is sent through [RPCHost]. What arrives comes in through
// [Instance.ObjectCall], [Instance.WorkerCall] and [Instance.ExportCall], which know what a caller may reach. [Instance.ShapeOf]
// tells how a value crosses that structured clone does not take.
package web

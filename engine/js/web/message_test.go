package web

import "testing"

func TestMessages(t *testing.T) {
	cases(t, []jsCase{
		{"MessageEvent", `const e = new MessageEvent("message", {data: 5, origin: "o", lastEventId: "l"}); return [e.type, e.data, e.origin, e.lastEventId, e.source, e.ports.length, Object.isFrozen(e.ports), e instanceof Event].join()`, "message,5,o,l,,0,true,true"},
		{"MessageEvent by default", `const e = new MessageEvent("m"); return [e.data, e.origin, e.ports.length].join("|")`, "||0"},
		{"PromiseRejectionEvent", `const p = Promise.resolve(); const e = new PromiseRejectionEvent("unhandledrejection", {promise: p, reason: 7}); return [e.promise === p, e.reason, e.cancelable].join()`, "true,7,false"},
		{"PromiseRejectionEvent needs a promise", `new PromiseRejectionEvent("x", {})`, "rejects TypeError: PromiseRejectionEvent needs a promise"},
		{"a port cannot be made", `new MessagePort()`, "rejects TypeError: Illegal constructor"},
		{"AbortSignal.any aborts its followers before anybody hears of it", `const a = new AbortController(), b = AbortSignal.any([a.signal]), c = AbortSignal.any([b, a.signal]); let s = ""; a.signal.onabort = () => s += "a" + b.aborted + c.aborted; c.onabort = () => s += "c"; b.onabort = () => s += "b"; a.abort("r"); return s + c.reason`, "atruetruebcr"},
		{"AbortSignal.any of a follower that has aborted otherwise", `const a = new AbortController(), b = new AbortController(), c = AbortSignal.any([a.signal, b.signal]); let n = 0; c.onabort = () => n++; a.abort(1); b.abort(2); return n + "" + c.reason`, "11"},
	})
}

func TestMessageChannel(t *testing.T) {
	for _, x := range []struct{ name, source, want string }{
		{"messages come later, in order, as copies", `const {port1, port2} = new MessageChannel(); const m = {n: 1}; port2.onmessage = (e) => log(e.data.n + e.type + (e.data === m) + e.isTrusted); port1.postMessage(m); m.n = 5; port1.postMessage({n: 2}); log("sent")`, "sent 1messagefalsetrue 2messagefalsetrue"},
		{"both ways", `const {port1, port2} = new MessageChannel(); port1.onmessage = (e) => log("1:" + e.data); port2.onmessage = (e) => { log("2:" + e.data); port2.postMessage("back") }; port1.postMessage("there")`, "2:there 1:back"},
		{"a port that is not started keeps what comes", `const {port1, port2} = new MessageChannel(); port2.addEventListener("message", (e) => log(e.data)); port1.postMessage("a"); setTimeout(() => { log("start"); port2.start() }, 5)`, "start a"},
		{"a closed port takes and sends nothing", `const {port1, port2} = new MessageChannel(); port2.onmessage = (e) => log(e.data); port2.onclose = () => log("closed"); port1.close(); port1.postMessage("a"); port2.postMessage("b"); port1.close()`, "closed"},
		{"what cannot be cloned is refused at once", `const {port1} = new MessageChannel(); try { port1.postMessage() } catch (e) { log(e.name) }`, "TypeError"},
	} {
		t.Run(x.name, func(t *testing.T) {
			h := newFake(t)
			h.eval(t, `globalThis.out = []; globalThis.log = (s) => out.push(s); `+x.source+`; 0`)
			for h.fire(t) {
				if _, err := h.r.Pump(); err != nil {
					t.Fatal(err)
				}
			}
			if got := h.eval(t, `out.join(" ")`); got != x.want {
				t.Errorf("%s\n got %s\nwant %s", x.source, got, x.want)
			}
		})
	}
}

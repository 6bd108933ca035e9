package web

import "testing"

func TestBookmarkMethods(t *testing.T) {
	actorCases(t, []actorCase{
		{"what the host is told", `return [await s.getCurrentBookmark(), await s.getBookmarkForTime(5.9), await s.onNextSessionRestoreBookmark({ toString: () => "b" })].join()`, "now,at 5,before b", ""},
		{"a Date, whatever the program made of it", `const d = new Date(5000); d.valueOf = () => 7; Object.setPrototypeOf(d, null); return s.getBookmarkForTime(d)`, "at 5000", ""},
		{"before 1970", `return s.getBookmarkForTime(-1)`, "at -1", ""},
		{"text that throws", `await s.onNextSessionRestoreBookmark({ toString() { throw "thrown" } })`, "rejects thrown", ""},
		{"a symbol is no text", `return s.onNextSessionRestoreBookmark(Symbol()).catch((e) => e.name)`, "TypeError", ""},
		{"a lone surrogate", `return (await s.onNextSessionRestoreBookmark("\ud800")).length`, "8", ""},
	})
}

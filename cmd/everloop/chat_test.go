package main

import (
	"strings"
	"testing"
)

// chat is the example's folder.
const chat = "../../docs/examples/chat"

// What a tab of the chat shows.
const (
	chatStatus = `document.getElementById("status").textContent`
	chatPeople = `[...document.querySelectorAll("#people li")].map((e) => e.textContent).join()`
	chatLines  = `[...document.querySelectorAll("#lines p:not(.waiting)")].map((e) => e.querySelector(".about").textContent.split(" · ")[0] + ": " + e.lastChild.data).join(" | ")`
	chatTyping = `document.getElementById("typing").textContent`
)

// enterChat goes through the door of a room.
func (p *tab) enterChat(name, room string) {
	p.b.t.Helper()
	p.wait(`document.readyState + !document.getElementById("door").hidden`, "completetrue")
	for field, text := range map[string]string{"name": name, "room": room} {
		p.run(`document.querySelector("#enter [name=` + field + `]").select()`)
		p.typed(text)
	}
	p.enter()
	p.wait(chatStatus, "connected")
}

func (p *tab) says(text string) {
	p.b.t.Helper()
	p.run(`document.getElementById("text").focus()`)
	p.typed(text)
	p.enter()
}

// TestChatExample lets two people chat in a real browser, over a reload and a restart of the server.
func TestChatExample(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	data := t.TempDir()
	server := serve(t, chat, "--data", data)
	page := "http://" + server.listen + "/"

	ann, bob := b.open(page, true), b.open(page, true)
	ann.enterChat("ann", "garden")
	bob.enterChat("bob", "garden")
	for _, p := range []*tab{ann, bob} {
		p.wait(chatPeople, "ann,bob")
	}
	ann.says("<b>hello</b> bob")
	bob.wait(chatLines, "ann: <b>hello</b> bob")
	ann.wait(chatLines, "ann: <b>hello</b> bob")
	bob.run(`document.getElementById("text").focus()`)
	bob.typed("hel")
	ann.wait(chatTyping, "bob is typing …")
	bob.says("lo ann")
	ann.wait(chatTyping, "")
	said := "ann: <b>hello</b> bob | bob: hello ann"
	ann.wait(chatLines, said)

	// Another room hears nothing of it.
	eve := b.open(page, true)
	eve.enterChat("eve", "cellar")
	eve.wait(chatPeople, "eve")
	eve.wait(chatLines, "")

	// A reload is a moment's absence: the name is kept, and what was said is there.
	bob.do("Page.reload", struct{}{})
	bob.wait(chatStatus, "connected")
	bob.wait(chatLines, said)
	ann.wait(chatPeople, "ann,bob")

	// So is a restart. What is said meanwhile is sent afterwards, once.
	server.kill()
	for _, p := range []*tab{ann, bob} {
		p.wait(`document.getElementById("status").dataset.state`, "closed")
	}
	ann.says("is anybody there?")
	ann.wait(`document.querySelectorAll("#lines p.waiting").length`, "1")
	server = serve(t, chat, "--data", data, "--listen", server.listen)
	said += " | ann: is anybody there?"
	for _, p := range []*tab{ann, bob} {
		p.wait(chatStatus, "connected")
		p.wait(chatLines, said)
		p.wait(chatPeople, "ann,bob")
	}
	ann.wait(`document.querySelectorAll("#lines p.waiting").length`, "0")
	bob.says("yes")
	said += " | bob: yes"
	for _, p := range []*tab{ann, bob} {
		p.wait(chatLines, said)
	}

	bob.run(`document.getElementById("leave").click()`)
	ann.wait(chatPeople, "ann")
	if text := ann.run(`document.body.innerHTML`); strings.Contains(text, "<b>") {
		t.Errorf("what was said is markup:\n%s", text)
	}
	server.stop()
}

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"everloop/cmd/testenv"
)

// browser is a headless Chromium that a test drives by the DevTools protocol, over two pipes. Safe for concurrent use.
type browser struct {
	t   *testing.T
	cmd *exec.Cmd

	mu      sync.Mutex
	to      *os.File
	last    int
	waiting map[int]chan devtoolsAnswer
	events  []devtoolsEvent // of the domains that a test has enabled
	err     error           // why nothing comes any more
}

type devtoolsAnswer struct {
	ID     int
	Result json.RawMessage
	Error  *struct{ Message string }
	devtoolsEvent
}

type devtoolsEvent struct {
	SessionID, Method string
	Params            json.RawMessage
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	b := &browser{t: t, waiting: map[int]chan devtoolsAnswer{}}
	commands, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, answers, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b.to = to
	b.cmd = exec.Command(testenv.Program(t, "chromium", "chromium-browser", "google-chrome"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	b.cmd.ExtraFiles = []*os.File{commands, answers} // 3 and 4, as the flag wants it
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = commands.Close(), answers.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(from)
	}()
	t.Cleanup(func() {
		_ = to.Close() // it ends when its pipe does
		select {
		case <-read:
		case <-time.After(patience):
			_ = b.cmd.Process.Kill()
			<-read
		}
		_ = b.cmd.Wait()
		_ = from.Close()
	})
	return b
}

// read hands answers to who waits for them. Each ends with a zero byte.
func (b *browser) read(from *os.File) {
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadBytes(0)
		var a devtoolsAnswer
		if err == nil {
			err = json.Unmarshal(text[:len(text)-1], &a)
		}
		b.mu.Lock()
		if err != nil {
			b.err = fmt.Errorf("the browser has gone: %w", err)
			for _, c := range b.waiting {
				close(c)
			}
			b.waiting = nil
			b.mu.Unlock()
			return
		}
		if c := b.waiting[a.ID]; c != nil {
			delete(b.waiting, a.ID)
			c <- a
		} else if a.Method != "" {
			b.events = append(b.events, a.devtoolsEvent)
		}
		b.mu.Unlock()
	}
}

// ask sends a command and waits for its result.
func (b *browser) ask(session, method string, params any, result any) error {
	c := make(chan devtoolsAnswer, 1)
	b.mu.Lock()
	b.last++
	command := map[string]any{"id": b.last, "method": method, "params": params}
	if session != "" {
		command["sessionId"] = session
	}
	text, err := json.Marshal(command)
	if err == nil {
		err = b.err
	}
	if err == nil {
		b.waiting[b.last] = c
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a, ok := <-c:
		switch {
		case !ok:
			return fmt.Errorf("%s: %w", method, b.err)
		case a.Error != nil:
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		return json.Unmarshal(a.Result, result)
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer", method)
	}
}

// tab is a page of a browser.
type tab struct {
	b       *browser
	session string
}

// open opens a page in a tab of its own. With apart it shares no storage with other tabs.
func (b *browser) open(url string, apart bool) *tab {
	b.t.Helper()
	var made struct{ BrowserContextID, TargetID, SessionID string }
	params := map[string]any{"url": "about:blank"}
	var err error
	if apart {
		err = b.ask("", "Target.createBrowserContext", struct{}{}, &made)
		params["browserContextId"] = made.BrowserContextID
	}
	err = errors.Join(err, b.ask("", "Target.createTarget", params, &made))
	err = errors.Join(err, b.ask("", "Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &made))
	if err != nil {
		b.t.Fatal(err)
	}
	p := &tab{b: b, session: made.SessionID}
	p.do("Page.enable", struct{}{})
	p.do("Page.navigate", map[string]any{"url": url})
	return p
}

func (p *tab) do(method string, params any) {
	p.b.t.Helper()
	var result struct{ ErrorText string }
	if err := p.b.ask(p.session, method, params, &result); err != nil || result.ErrorText != "" {
		p.b.t.Fatalf("%s: %v %s", method, err, result.ErrorText)
	}
}

// heard returns what a page's events of one name were, in order.
func (p *tab) heard(method string) (all []json.RawMessage) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	for _, e := range p.b.events {
		if e.SessionID == p.session && e.Method == method {
			all = append(all, e.Params)
		}
	}
	return all
}

// eval returns what an expression of JavaScript is in the page, as text. It waits for promises.
func (p *tab) eval(expression string) (string, error) {
	var answer struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := p.b.ask(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &answer)
	if err == nil && answer.ExceptionDetails != nil {
		err = fmt.Errorf("%s %s", answer.ExceptionDetails.Text, answer.ExceptionDetails.Exception.Description)
	}
	return fmt.Sprint(answer.Result.Value), err
}

// run is eval that must succeed.
func (p *tab) run(expression string) string {
	p.b.t.Helper()
	got, err := p.eval(expression)
	if err != nil {
		p.b.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

// wait waits until an expression is want. It may fail meanwhile: the page may not be there yet. It asks again and again, as the browser
// is another program, in real time, and a page that is replaced tells nobody.
func (p *tab) wait(expression, want string) {
	p.b.t.Helper()
	var got string
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got, err = p.eval(expression); err == nil && got == want {
			return
		}
	}
	p.b.t.Fatalf("%s is %q (%v), want %q", expression, got, err, want)
}

// typed types text into whatever has the focus.
func (p *tab) typed(text string) {
	p.b.t.Helper()
	p.do("Input.insertText", map[string]any{"text": text})
}

// enter presses the Enter key.
func (p *tab) enter() {
	p.b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		p.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"})
	}
}

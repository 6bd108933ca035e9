package js_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"everloop/engine"
)

// TestPatterns runs the usual ways to design with Durable Objects, each a project of its own in testdata/patterns, in TypeScript
// and with the calls that programs for Cloudflare make. What is stored is there after a restart.
func TestPatterns(t *testing.T) {
	type step struct {
		request string // METHOD PATH [BODY]; "restart" for a restart
		want    string // "status body" where the status is not 200
	}
	for pattern, steps := range map[string][]step{
		"identity": {
			{"GET /room/lobby", `{"class":"ChatRoom","name":"room:lobby","count":1}`},
			{"GET /room/lobby", `{"class":"ChatRoom","name":"room:lobby","count":2}`},
			{"GET /room/other", `{"class":"ChatRoom","name":"room:other","count":1}`},
			{"GET /user/lobby", `{"class":"UserState","name":"user:lobby","count":1}`},
			{"GET /session", `[1,2,64]`},
			{"GET /session", `[1,2,64]`},
			{"GET /workflow/nonsense", `400 Invalid Durable Object ID: must be 64 hex digits`},
			{"GET /workflow/" + strings.Repeat("0", 64), `400 Durable Object ID is not valid for this namespace.`},
			{"restart", ""},
			{"GET /room/lobby", `{"class":"ChatRoom","name":"room:lobby","count":3}`},
		},
		"atomic": {
			{"GET /", "1"},
			{"GET /?times=10", "2,3,4,5,6,7,8,9,10,11"},
			{"restart", ""},
			{"GET /", "12"},
		},
		"initialization": {
			{"GET /", "[]"},
			{"GET /?key=b&value=2", `["b=2@0"]`},
			{"GET /?key=a&value=1", `["b=2@0","a=1@0"]`},
			{"restart", ""},
			{"GET /", `["a=1@0","b=2@0"]`}, // as list returns them
		},
		"transactions": {
			{"GET /keys", `["key3"]`},
			{"GET /deposit?amount=100", "100"},
			{"GET /withdraw?amount=30&times=10", "3"},
			{"GET /fail?amount=5", "the bank is closed"},
			{"GET /summary", "10 after 3"},
			{"restart", ""},
			{"GET /summary", "10 after 3"},
		},
		"routing": {
			{"GET /", "400 Missing ID"},
			{"GET /?id=ann", "[]"},
			{`POST /?id=ann {"to":"bob","text":"hello"}`, "201 bob has 1"},
			{`POST /?id=cid {"to":"bob","text":"hi"}`, "201 bob has 2"},
			{`POST /?id=bob {"to":"bob","text":"to myself"}`, "201 bob has 3"},
			{"GET /?id=bob", `["ann: hello","cid: hi","bob: to myself"]`},
			{"GET /inbox?id=bob", `3, newest "bob: to myself", in one trip "bob: to myself"`},
			{"restart", ""},
			{"GET /?id=bob", `["ann: hello","cid: hi","bob: to myself"]`},
			{"GET /inbox?id=nobody", `0, newest "undefined", in one trip "undefined"`},
		},
	} {
		t.Run(pattern, func(t *testing.T) {
			v := servePattern(t, pattern)
			for i, s := range steps {
				if s.request == "restart" {
					v.restart()
					continue
				}
				if got := v.send(i, s.request); got != s.want {
					t.Errorf("%s:\n got %s\nwant %s\n%s", s.request, got, s.want, v.logs)
				}
			}
		})
	}
}

// TestPatternRecreated finds an object again by the text of its ID alone, after a restart.
func TestPatternRecreated(t *testing.T) {
	v := servePattern(t, "identity")
	id := v.send(0, "GET /workflow/new")
	if !regexp.MustCompile("^[0-9a-f]{64}$").MatchString(id) {
		t.Fatalf("an ID is %q", id)
	}
	v.restart()
	if got, want := v.send(1, "GET /workflow/"+id), `{"class":"Workflow","name":null,"count":2}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestPatternConcurrent sends many requests at once, from both loops: no count is given out twice, and none is lost.
func TestPatternConcurrent(t *testing.T) {
	v := servePattern(t, "atomic")
	const n = 100
	answers := make(chan string, n)
	for i := range n {
		go func() { answers <- v.send(i, "GET /") }()
	}
	var got []int
	for range n {
		var count int
		if _, err := fmt.Sscan(<-answers, &count); err != nil {
			t.Fatal(err)
		}
		got = append(got, count)
	}
	slices.Sort(got)
	for i, count := range got {
		if count != i+1 {
			t.Fatalf("answer %d of %d is %d: %v", i+1, n, count, got)
		}
	}
}

func servePattern(t *testing.T, pattern string) *onLoops {
	t.Helper()
	c := &onLoops{path: filepath.Join("testdata", "patterns", pattern), data: t.TempDir()}
	c.start(t)
	return c
}

// send sends a request, written as METHOD PATH [BODY], to loop i of two.
func (c *onLoops) send(i int, request string) string {
	method, rest, _ := strings.Cut(request, " ")
	path, body, hasBody := strings.Cut(rest, " ")
	r := &engine.Request{Method: method, URL: "http://example.com" + path}
	if hasBody {
		r.Body = engine.Text(body)
		r.Header = append(r.Header, engine.Field{Name: "content-type", Value: "application/json"})
	}
	answer, err := c.do(i%2, r)
	if err == nil && answer.Status == http.StatusOK {
		return string(answer.Body.Bytes())
	}
	return text(answer, err)
}

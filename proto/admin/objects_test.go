package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"everloop/engine"
)

type note struct{ st *engine.State }

func (n note) Put(v int) error { return n.st.Storage().Put("n", v) }

func (n note) Get() (v int, err error) {
	v, _, err = engine.Get[int](n.st.Storage(), "n")
	return v, err
}

func (n note) Now(ctx context.Context) (engine.Bookmark, error) {
	return n.st.Storage().CurrentBookmark(ctx)
}

func TestObjects(t *testing.T) {
	ctx := context.Background()
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(ctx) })
	ns, err := e.Register("Note", engine.ClassOf(func(st *engine.State) (note, error) { return note{st}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	put := func(v int) {
		t.Helper()
		if err := ns.GetByName("a").Call(ctx, "Put", nil, v); err != nil {
			t.Fatal(err)
		}
	}
	get := func(name string) (v int) {
		t.Helper()
		if err := ns.GetByName(name).Call(ctx, "Get", &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	put(1)
	var mark string
	if err := ns.GetByName("a").Call(ctx, "Now", &mark); err != nil {
		t.Fatal(err)
	}
	put(2)
	side := listen(t, Options{Engine: e})
	send := func(path, form string, change ...func(*http.Request)) (status int, body string) {
		status, body, _ = ask(t, side, "POST", path, func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for _, f := range change {
				f(r)
			}
		})
		return status, body
	}
	id := ns.IDFromName("a").String()
	var got ObjectRestored
	status, body := send("/objects/restore", "class=Note&name=a&at="+mark)
	if err := json.Unmarshal([]byte(body), &got); status != 200 || err != nil || got.Class != "Note" || got.ID != id || got.Keys != 1 || got.Bytes != 2 || got.At.Time == 0 || get("a") != 1 {
		t.Errorf("%d %s, the object is %d", status, body, get("a"))
	}
	if status, body := send("/objects/restore", "class=Note&id="+id+"&at="+got.Undo); status != 200 || get("a") != 2 {
		t.Errorf("undone: %d %s, the object is %d", status, body, get("a"))
	}
	if status, body := send("/objects/fork", "class=Note&name=a&toname=b&at="+mark); status != 200 || get("b") != 1 {
		t.Errorf("fork: %d %s, it is %d", status, body, get("b"))
	}
	for _, c := range []struct {
		path, form string
		status     int
		text       string
	}{
		{"restore", "class=Note&name=a", 400, "at, a time like"},
		{"restore", "class=Note&name=a&at=yesterday", 400, "or a bookmark"},
		{"restore", "class=Note&at=" + mark, 400, "either id or name"},
		{"restore", "class=Note&name=a&id=" + id + "&at=" + mark, 400, "either id or name"},
		{"restore", "name=a&at=" + mark, 400, "class"},
		{"restore", "class=Nothing&name=a&at=" + mark, 404, "there are Note"},
		{"restore", "class=Note&id=12&at=" + mark, 400, "64 hex digits"},
		{"restore", "class=Note&id=" + strings.Repeat("0", 64) + "&at=" + mark, 400, "not valid for this namespace"},
		{"restore", "class=Note&name=b&at=" + mark, 400, "not valid for this Durable Object"},
		{"restore", "class=Note&name=a&at=2999-01-01T00:00:00Z", 400, "in the future"},
		{"restore", "class=Note&name=a&at=1999-01-01T00:00:00Z", 410, "history is kept since"},
		{"restore", "class=Note&name=never&at=" + url.QueryEscape("2999-01-01T00:00:00+01:00"), 400, "in the future"},
		{"fork", "class=Note&name=a", 400, "either toid or toname"},
		{"fork", "class=Note&name=a&toname=b", 409, "something stored already"},
		{"fork", "class=Note&name=a&toname=a", 409, "into itself"},
		{"fork", "class=Note&name=never&toname=new", 404, "nothing stored"},
		{"restore", "%zz", 400, "the form cannot be read"},
		{"restore", "class=Note&name=" + strings.Repeat("a", maxForm), 400, "the form cannot be read"},
	} {
		if status, body := send("/objects/"+c.path, c.form); status != c.status || !strings.Contains(body, c.text) || !strings.HasPrefix(body, `{"error":`) {
			t.Errorf("%s %.100s: %d %s, want %d with %q", c.path, c.form, status, body, c.status, c.text)
		}
	}
	for range maxRuns {
		side.runs <- struct{}{}
	}
	for _, path := range []string{"/objects/restore", "/objects/fork", "/snapshot"} {
		if status, body := send(path, "class=Note&name=a&toname=c&at="+mark); status != 503 || !strings.Contains(body, "too much is being done") {
			t.Errorf("%s as one too many: %d %s", path, status, body)
		}
	}
	for range maxRuns {
		<-side.runs
	}
	for range 2 * maxRuns { // each gives its place back
		if status, body := send("/objects/fork", "class=Note&name=a&toname=b&at="+mark); status != 409 {
			t.Fatalf("with room: %d %s", status, body)
		}
	}
	// A page from elsewhere cannot have a browser do it.
	for _, path := range []string{"/objects/restore", "/objects/fork", "/snapshot"} {
		if status, _ := send(path, "class=Note&name=a&toname=c&at="+mark, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }); status != 403 || get("a") != 2 {
			t.Errorf("%s from another page: %d", path, status)
		}
	}
	status, body, _ = ask(t, side, "GET", "/history", func(*http.Request) {})
	if !regexp.MustCompile(`^{"start":{"time":\d+,"epoch":0,"record":0},"end":{"time":\d+,"epoch":1,"record":\d+}}\n$`).MatchString(body) || status != 200 {
		t.Errorf("history: %d %s", status, body)
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if status, body := send("/objects/restore", "class=Note&name=a&at="+mark); status != 503 {
		t.Errorf("closed: %d %s", status, body)
	}
}

package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"everloop/proto/assets"
)

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"index.html": "home", "about.html": "about", "api/x.txt": "file"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, notFound := range []string{"", assets.SinglePageApplication} {
		site, err := assets.Load(assets.Options{Directory: dir, NotFound: notFound})
		if err != nil {
			t.Fatal(err)
		}
		s := newStepped(t, 1, 1, hello, Options{Files: NewFiles(site, func(path string) bool { return strings.HasPrefix(path, "/api/") })})
		p := s.dial()
		const navigate = "sec-fetch-mode: navigate\r\n\r\n"
		lost := "GET http://x/lost "
		if notFound != "" {
			lost = "home"
		}
		for _, c := range []struct{ in, want string }{
			{get("/"), "home"},
			{get("/about?a=1"), "about"},
			{get("/api/x.txt"), "GET http://x/api/x.txt "},
			{get("/lost"), "GET http://x/lost "},
			{strings.TrimSuffix(get("/lost"), "\r\n") + navigate, lost},
			{"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi", "POST http://x/ hi"},
			{get("/about") + get("/who") + get("/"), "about|GET http://x/who |home"},
		} {
			_, bodies := answers(t, s.send(p, c.in))
			if got := strings.Join(bodies, "|"); got != c.want {
				t.Errorf("%q: %s, want %s", c.in, got, c.want)
			}
		}
		head := s.send(p, "HEAD /about HTTP/1.1\r\nhost: x\r\n\r\n")
		if !strings.Contains(head, "content-length: 5\r\n") || !strings.HasSuffix(head, "\r\n\r\n") {
			t.Errorf("HEAD: %q", head)
		}
		if again := s.send(p, strings.TrimSuffix(get("/about"), "\r\n")+"if-none-match: *\r\n\r\n"); !strings.HasPrefix(again, "HTTP/1.1 304 ") {
			t.Errorf("a condition: %q", again)
		}
		p.Close()
		s.pool.Run()
		s.noneLeft()
	}
}

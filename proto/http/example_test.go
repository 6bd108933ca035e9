package http_test

import (
	"fmt"

	"everloop/proto/http"
)

// A server's side: two requests have arrived, the second only in part.
func Example() {
	received := []byte("POST /rooms/7?x=1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello" +
		"GET /rooms/7 HTTP/1.1\r\nHo")
	var (
		reader http.Reader // one a connection
		fields []http.Field
		target string
		body   []byte
		out    []byte
	)
	for more := true; more; {
		n, ev, err := reader.Next(received)
		if err != nil {
			refused := err.(*http.Error)
			out = http.AppendError(out, refused.Status, refused.Reason, http.Options{})
			break // and close, once out is sent
		}
		switch q := reader.Request(); ev.Kind {
		case http.NeedMore:
			more = false
		case http.Head:
			fields, target, _ = q.AppendFieldsTarget(fields[:0])
			body = body[:0]
			if q.Expect100 {
				out = http.Append100Continue(out)
			}
		case http.Body:
			body = append(body, ev.Data...)
		case http.End:
			fmt.Println(q.Method, target, fields, string(body))
			o := http.Options{Length: 3, KeepAlive: q.KeepAlive, HTTP10: q.HTTP10, Head: q.Method == "HEAD"}
			if out, err = http.AppendHead(out, 200, []http.Field{{Name: "content-type", Value: "text/plain"}}, o); err != nil {
				out = http.AppendError(out, 500, "the handler's response cannot be sent", o)
			} else if f, _ := o.Framing(200); f == http.ByLength {
				out = append(out, "ok\n"...)
			}
		}
		received = received[n:]
	}
	fmt.Printf("%q\n%q\n", received, out)
	// Output:
	// POST /rooms/7?x=1 [{host example.com} {content-length 5}] hello
	// "GET /rooms/7 HTTP/1.1\r\nHo"
	// "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n"
}

// A client's side.
func ExampleResponseReader() {
	out, err := http.AppendRequest(nil, "GET", "/rooms/7", "example.com", nil, http.RequestOptions{})
	fmt.Printf("%q %v\n", out, err)

	received := []byte("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nok\n\r\n0\r\n\r\n")
	var reader http.ResponseReader
	for {
		n, ev, err := reader.Next(received, false)
		if err != nil || ev.Kind == http.NeedMore {
			break
		}
		switch ev.Kind {
		case http.Head:
			fmt.Println(reader.Response().Status)
		case http.Body:
			fmt.Printf("%q\n", ev.Data)
		case http.End:
			fmt.Println("end")
		}
		received = received[n:]
	}
	// Output:
	// "GET /rooms/7 HTTP/1.1\r\nhost: example.com\r\n\r\n" <nil>
	// 200
	// "ok\n"
	// end
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"everloop/proto/admin"
)

// alarmsCmd is `everloop alarms`: what an operator does about alarms that were given up. It asks a running daemon by its admin address.
type alarmsCmd struct {
	Failed alarmsFailedCmd `cmd:"" help:"List the alarms of a running daemon that have failed too often and were given up."`
	Run    alarmsRunCmd    `cmd:"" help:"Run the alarm of an object now: one that is set, or that was given up."`
}

// daemonAt names a running daemon, by the flags and variables of serve.
type daemonAt struct {
	Admin      string `default:"127.0.0.1:8788" env:"EVERLOOP_ADMIN" placeholder:"ADDR" help:"The admin address of the daemon. Default ${default}."`
	AdminToken string `env:"EVERLOOP_ADMIN_TOKEN" placeholder:"TOKEN" help:"Its token, if it has one. Others on the machine can read flags: use the variable."`
}

// Validate is called by kong once all values are there. What it finds is a usage error.
func (d *daemonAt) Validate() error {
	side, err := parseAddress(d.Admin)
	if err == nil && side.network != "tcp" {
		err = fmt.Errorf("%s is a socket file, and the admin side listens on HOST:PORT only", d.Admin)
	}
	if err != nil {
		return fmt.Errorf("--admin: %w", err)
	}
	return nil
}

const (
	// listPatience bounds how long a list may take. It is longer than the daemon waits for its loops.
	listPatience = 30 * time.Second
	// connectPatience bounds how long it takes to find out whether a daemon is there.
	connectPatience = 5 * time.Second
	// maxAnswer bounds what is read of an answer: the largest page of alarms, each with an error of at most 1 KiB, escaped, and a name.
	maxAnswer = 64 << 20
)

// ask sends a request to the daemon, and reads what it answers into v. A form makes it a POST. patience is 0 where the answer may
// take as long as it likes.
func (d *daemonAt) ask(path string, form url.Values, patience time.Duration, v any) error {
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	req, err := http.NewRequest(method, "http://"+d.Admin+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("--admin: %w", err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if d.AdminToken != "" {
		req.Header.Set("Authorization", "Bearer "+d.AdminToken)
	}
	// No proxy is asked: the daemon is a neighbour, and its token is nobody else's business. No redirect is followed: it sends none.
	client := http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: connectPatience}).DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return d.explain(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return d.explain(err)
	}
	var refused struct{ Error string }
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the daemon at %s wants its token: set EVERLOOP_ADMIN_TOKEN to what the daemon was started with", d.Admin)
	case resp.StatusCode == http.StatusOK && json.Unmarshal(text, v) == nil:
		return nil
	case resp.StatusCode >= 400 && json.Unmarshal(text, &refused) == nil && refused.Error != "":
		return errors.New(printable(refused.Error))
	}
	return fmt.Errorf("what listens on %s is not the admin side of an everloop that knows this command (it answers %s): name the right address with --admin or EVERLOOP_ADMIN", d.Admin, printable(resp.Status))
}

// explain says what it means that a daemon cannot be asked.
func (d *daemonAt) explain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, which says nothing more than the address
	}
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no daemon listens on %s: start one with `everloop serve`, or name its admin address with --admin or EVERLOOP_ADMIN", d.Admin)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("the daemon at %s does not answer: %w", d.Admin, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		err.Error() == "http: server closed idle connection": // net/http's, which has no name: it hung up before the request was written
		return fmt.Errorf("the daemon at %s went away before it had answered: %w", d.Admin, err)
	}
	return fmt.Errorf("cannot ask the daemon at %s: %w", d.Admin, err)
}

// alarmsFailedCmd is `everloop alarms failed`.
type alarmsFailedCmd struct {
	daemonAt `embed:""`
	JSON     bool `name:"json" help:"Print one object of JSON a line, as the admin side has it."`
}

// listPage is how many alarms the daemon is asked for at once.
const listPage = 1000

// Run prints a line for each alarm.
func (c *alarmsFailedCmd) Run(stdout io.Writer) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	lines := json.NewEncoder(stdout)
	found := 0
	for skip := 0; ; {
		var page admin.FailedAlarms
		if err := c.ask(fmt.Sprintf("/alarms/failed?limit=%d&skip=%d", listPage, skip), nil, listPatience, &page); err != nil {
			return err
		}
		for _, a := range page.Alarms {
			if c.JSON {
				if err := lines.Encode(a); err != nil {
					return err
				}
				continue
			}
			if found == 0 {
				fmt.Fprintln(table, "CLASS\tOBJECT\tRUNS\tWAS SET FOR\tGIVEN UP\tLAST ERROR")
			}
			found++
			object := a.ID
			if a.Named {
				object = printable(a.Name)
			}
			class := printable(a.Class)
			if class == "" {
				class = "(gone)"
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", class, object, a.Runs, moment(a.ScheduledTime), moment(a.FailedAt), printable(a.Error))
		}
		if page.Next <= skip {
			break
		}
		skip = page.Next
	}
	if found == 0 && !c.JSON {
		_, err := fmt.Fprintln(stdout, "no alarm was given up")
		return err
	}
	return table.Flush()
}

// moment shows a time in milliseconds since 1970.
func moment(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// printable is a text of a program as a terminal may have it: on one line, without control characters.
func printable(text string) string {
	quoted := strconv.Quote(text)
	plain := quoted[1 : len(quoted)-1]
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(plain)
}

// alarmsRunCmd is `everloop alarms run`.
type alarmsRunCmd struct {
	daemonAt `embed:""`
	Class    string `arg:"" help:"The object's class."`
	Object   string `arg:"" name:"name-or-id" help:"The object's name, or its ID of 64 hexadecimal digits."`
	Name     bool   `name:"name" help:"It is a name, even if it looks like an ID."`
}

// Help is printed below the flags.
func (*alarmsRunCmd) Help() string {
	return "It waits for the end of the run, and exits with 1 if the alarm has failed."
}

// Run runs the alarm, waits for its end, and says how it ended.
func (c *alarmsRunCmd) Run(stdout io.Writer) error {
	by := "name"
	if !c.Name && looksLikeID(c.Object) {
		by = "id"
	}
	var run admin.AlarmRun
	if err := c.ask("/alarms/run", url.Values{"class": {c.Class}, by: {c.Object}}, 0, &run); err != nil {
		return err
	}
	if !run.OK {
		return fmt.Errorf("the alarm of %s %s has run and failed: %s\nThe daemon's log has the whole error, and says whether it is tried again", c.Class, printable(c.Object), printable(run.Error))
	}
	_, err := fmt.Fprintf(stdout, "the alarm of %s %s has run\n", c.Class, printable(c.Object))
	return err
}

// looksLikeID reports whether a text is 64 hexadecimal digits.
func looksLikeID(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdefABCDEF") == ""
}

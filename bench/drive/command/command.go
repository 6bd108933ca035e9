// Package command makes load of RESP: commands to everloop's daemon, to Redis, or to anything that speaks it, by package drive.
//
// It reads answers by proto/resp, and not by proto/client: an operation costs about a microsecond here, and a client for programs does
// more for each, as it must be safe to share.
package command

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
	"everloop/proto/resp"
)

// Command is a command whose arguments are templates.
type Command struct {
	Args []drive.Template
	// Expect, if HasExpect, is the text of the only answer that is right: of a string or a number.
	Expect    drive.Template
	HasExpect bool
	// Check, if not nil, judges the text of an answer that is no error. text is valid during the call.
	Check func(op *drive.Op, text []byte) *drive.Failure
}

// Parse reads a command as redis-cli does: words between blanks, and 'single' or "double" quotes around a word that has some. A double
// quote may have \" and \\ in it.
func Parse(line string) (c Command, err error) {
	words, err := split(line)
	if err != nil {
		return c, err
	}
	if len(words) == 0 {
		return c, errors.New("an empty command")
	}
	return Of(words...), nil
}

// Of makes a command of its words.
func Of(words ...string) (c Command) {
	for _, w := range words {
		c.Args = append(c.Args, drive.ParseTemplate(w))
	}
	return c
}

func split(line string) (words []string, err error) {
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words, nil
		}
		var word strings.Builder
		for line != "" && line[0] != ' ' && line[0] != '\t' {
			quote := line[0]
			if quote != '\'' && quote != '"' {
				word.WriteByte(quote)
				line = line[1:]
				continue
			}
			i := 1
			for ; i < len(line) && line[i] != quote; i++ {
				if quote == '"' && line[i] == '\\' && i+1 < len(line) && (line[i+1] == '"' || line[i+1] == '\\') {
					i++
				}
				word.WriteByte(line[i])
			}
			if i == len(line) {
				return nil, fmt.Errorf("a quote without end: %s", line)
			}
			line = line[i+1:]
		}
		words = append(words, word.String())
	}
}

// Options say how commands are sent.
type Options struct {
	Address links.Address
	// Read and Write are the commands of either kind of operation.
	Read, Write Command
	// User and Password, if Password is not empty, are given by AUTH before anything else.
	User, Password string
}

// Target makes the commands of o.
func Target(o Options) *links.Target {
	var limits resp.ReplyLimits
	limits.EnsureDefaults()
	return &links.Target{Address: o.Address, Codec: func(*drive.Worker, int) links.Codec {
		return &codec{Options: o, limits: &limits}
	}}
}

// codec is RESP2 on one connection.
type codec struct {
	Options
	limits *resp.ReplyLimits
	reader resp.ReplyReader
	value  resp.Value
	arg    []byte
}

func (c *codec) Hello(dst []byte) []byte {
	switch {
	case c.Password == "":
		return dst
	case c.User == "":
		return resp.AppendCommand(dst, "AUTH", c.Password)
	default:
		return resp.AppendCommand(dst, "AUTH", c.User, c.Password)
	}
}

func (c *codec) Welcome(b []byte) (int, error) {
	n, err := c.reader.Read(b, &c.value, c.limits)
	if err == nil && n > 0 && c.value.IsError() {
		err = fmt.Errorf("AUTH: %s", c.value.Bytes)
	}
	return n, err
}

func (c *codec) of(op *drive.Op) *Command {
	if op.Write {
		return &c.Options.Write
	}
	return &c.Options.Read
}

func (c *codec) Append(dst []byte, op *drive.Op) []byte {
	args := c.of(op).Args
	dst = resp.AppendArray(dst, len(args))
	for _, a := range args {
		c.arg = a.Append(c.arg[:0], op)
		dst = resp.AppendBulk(dst, c.arg)
	}
	return dst
}

func (c *codec) Read(b []byte, op *drive.Op) (h links.Heard, err error) {
	v := &c.value
	n, err := c.reader.Read(b, v, c.limits)
	if err != nil || n == 0 {
		return h, err
	}
	h.Length = n
	if v.Kind == resp.Push {
		h.Aside = true
		return h, nil
	}
	if op == nil {
		return h, nil // which nothing has asked for
	}
	switch want := c.of(op); {
	case v.IsError():
		kind := v.Code()
		if kind == "" {
			kind = "ERR"
		}
		h.Failure = &drive.Failure{Kind: "error " + kind, Text: string(clip(v.Bytes))}
	case want.Check != nil:
		h.Failure = want.Check(op, textOf(v))
	case want.HasExpect:
		got := textOf(v)
		if text := want.Expect.Append(nil, op); !bytes.Equal(got, text) {
			h.Failure = &drive.Failure{Kind: drive.FailedAnswer, Text: fmt.Sprintf("%q, want %q", clip(got), clip(text))}
		}
	}
	return h, nil
}

// textOf is the text of a string or a number.
func textOf(v *resp.Value) []byte {
	if v.Kind == resp.Integer {
		return v.Big().Append(nil, 10)
	}
	return v.Bytes
}

// clip bounds what of a server's bytes goes into a message.
func clip(b []byte) []byte { return b[:min(len(b), 200)] }

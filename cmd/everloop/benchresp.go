package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"everloop/bench/drive"
	"everloop/bench/drive/command"
	results "everloop/bench/report"
)

// benchRESPCmd is `everloop bench resp`.
type benchRESPCmd struct {
	Addr    string   `arg:"" help:"HOST:PORT, or unix:PATH."`
	Command []string `arg:"" passthrough:"" help:"The command of reads, a word an argument. {key}, {value} and {n} in it stand for the operation's. Flags go before ADDR."`

	Write    string  `placeholder:"COMMAND" help:"The command of writes, in one argument, as redis-cli would take it. Default: that of reads."`
	Expect   *string `placeholder:"TEXT" help:"The answer to reads that is right."`
	User     string  `placeholder:"NAME" help:"With a password, which is taken from the environment variable EVERLOOP_RESP_PASSWORD: the user that it is for."`
	Password string  `hidden:"" env:"EVERLOOP_RESP_PASSWORD" help:"Sent with AUTH before anything else."`

	targetFlags `embed:""`
	paceFlags   `embed:""`
	mixFlags    `embed:""`
	resultFlags `embed:""`
}

// Help is printed below the flags.
func (*benchRESPCmd) Help() string {
	return `A method of objects, 16 calls under way on each connection:

    everloop bench resp --pipeline 16 --keys 100000 127.0.0.1:6380 CALL Counter 'obj-{key}' increment

As redis-benchmark would ask, nine of ten being reads:

    everloop bench resp --keys 100000 --writes 0.1 --write 'SET key:{key} {value}' 127.0.0.1:6379 GET 'key:{key}'`
}

// Validate is called by kong once all values are there.
func (c *benchRESPCmd) Validate() error {
	_, _, err := c.commands()
	return errors.Join(err, c.paceFlags.Validate(), c.mixFlags.Validate())
}

func (c *benchRESPCmd) commands() (read, write command.Command, err error) {
	read = command.Of(c.Command...)
	if len(read.Args) == 0 || c.Command[0] == "" {
		return read, write, errors.New("name a command behind ADDR")
	}
	for _, word := range c.Command {
		if len(word) > 3 && word[:2] == "--" && word[2] >= 'a' && word[2] <= 'z' {
			return read, write, fmt.Errorf("%s is part of the command: flags go before ADDR", word)
		}
	}
	write = read
	if c.Write != "" {
		if write, err = command.Parse(c.Write); err != nil {
			return read, write, fmt.Errorf("--write: %w", err)
		}
	}
	if c.Expect != nil {
		read.Expect, read.HasExpect = drive.ParseTemplate(*c.Expect), true
	}
	return read, write, nil
}

// Run makes the load.
func (c *benchRESPCmd) Run(stdout io.Writer) error {
	read, write, err := c.commands()
	if err != nil {
		return err
	}
	to, err := c.resolve(context.Background(), c.Addr)
	if err != nil {
		return err
	}
	p, err := planOf(&c.paceFlags, &c.mixFlags)
	if err != nil {
		return err
	}
	s := scenario{name: "resp", target: c.Addr, unit: "commands", pace: &c.paceFlags, pid: c.PID, reads: "read", writes: "write"}
	s.settings = append(s.settings, results.Setting{Name: "command", Value: strings.Join(c.Command, " ")})
	if p.Writes > 0 {
		s.settings = append(s.settings, results.Setting{Name: "writes", Value: c.Write})
	}
	return s.drive(stdout, command.Target(command.Options{
		Address: to, Read: read, Write: write, User: c.User, Password: c.Password,
	}), p, &c.resultFlags)
}

// Command everloop serves Durable Objects: small stateful objects in TypeScript or JavaScript, each with an identity,
// durable storage and one thread of execution.
//
//	everloop serve docs/examples/counter
//
// It exits with 0 when all went well, 1 when something could not be done, 2 when it was called wrongly, and 70 when the
// code that it serves was stuck and could not be interrupted. Its messages say what went wrong, where, and what to do.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// Exit codes. Scripts rely on them.
const (
	exitOK     = 0
	exitFailed = 1 // it could not be started or done
	exitUsage  = 2 // a flag, a variable or a line of the configuration file is wrong
)

// cli is the command line. Kong fills it in.
type cli struct {
	Serve    serveCmd    `cmd:"" help:"Serve a project."`
	Dev      devCmd      `cmd:"" help:"Serve a project while it is written: each save is served at once."`
	Alarms   alarmsCmd   `cmd:"" help:"See alarms that were given up, and run them again."`
	Import   importCmd   `cmd:"" help:"Take over objects of wrangler or workerd, or of an export."`
	Export   exportCmd   `cmd:"" help:"Write every object of a data directory as a line of JSON."`
	Snapshot snapshotCmd `cmd:"" help:"Make a snapshot, so that the next start is fast."`
	Wal      walCmd      `cmd:"" help:"Look into a data directory, check it, and make a damaged one whole."`
	Backup   backupCmd   `cmd:"" help:"Back a data directory up, while it is in use or not."`
	Restore  restoreCmd  `cmd:"" help:"Make a data directory of a backup, or of another one as it was; or bring one object back."`
	Verify   verifyCmd   `cmd:"" help:"Check a backup, and say what it holds."`
	Bench    benchCmd    `cmd:"" help:"Make load, and measure how it is answered."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run does what args say and returns the exit code. --help ends the process inside.
func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	ctx, err := parse(&c, args, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "everloop: %v\n", err)
		fmt.Fprintf(stderr, "Run %q for what there is.\n", helpFor(args))
		return exitUsage
	}
	ctx.BindTo(stdout, (*io.Writer)(nil))
	if err := ctx.Run(); err != nil {
		fmt.Fprintf(stderr, "everloop: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parse reads the command line into grammar. Values come from flags, then EVERLOOP_* variables, then the
// configuration file.
func parse(grammar any, args []string, stdout, stderr io.Writer) (*kong.Context, error) {
	options := []kong.Option{
		kong.Name("everloop"),
		kong.Description("A self-hosted engine for Durable Objects."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
	}
	parser, err := kong.New(grammar, options...)
	if err != nil {
		return nil, err
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return nil, withSource(err, parser.Model, args, nil)
	}

	// Only now is it known which file to read. What it says needs a second pass, from fresh values.
	user, ok := ctx.Selected().Target.Addr().Interface().(configFileUser)
	if !ok {
		return ctx, nil
	}
	path, needed := user.configFile()
	file, err := readConfigFile(path, needed, ctx.Selected())
	if err != nil || file == nil {
		return ctx, err
	}
	again, err := kong.New(grammar, append(options, kong.Resolvers(file))...)
	if err != nil {
		return nil, err
	}
	ctx, err = again.Parse(args)
	return ctx, withSource(err, again.Model, args, file)
}

// withSource says where a wrong value came from, unless it stands on the command line, where it can be seen.
func withSource(err error, app *kong.Application, args []string, file *configFile) error {
	if err == nil || strings.Contains(err.Error(), "from envar") { // kong says it for some itself
		return err
	}
	message := err.Error()
	for _, command := range app.Leaves(true) {
		for _, flag := range command.Flags {
			if !mentions(message, "--"+flag.Name) || mentions(strings.Join(args, " "), "--"+flag.Name) {
				continue
			}
			for _, name := range flag.Envs {
				if os.Getenv(name) != "" {
					return fmt.Errorf("%w (from the environment variable %s)", err, name)
				}
			}
			if file != nil && file.values[flag.Name] != nil {
				return fmt.Errorf("%w (from %s)", err, file.path)
			}
		}
	}
	return err
}

// mentions reports whether text holds flag as a whole word.
func mentions(text, flag string) bool {
	for {
		i := strings.Index(text, flag)
		if i < 0 {
			return false
		}
		text = text[i+len(flag):]
		if text == "" || text[0] != '-' && (text[0] < 'a' || text[0] > 'z') {
			return true
		}
	}
}

// helpFor is the command that explains the one that was given.
func helpFor(args []string) string {
	words := []string{"everloop"}
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") || len(words) > 2 {
			break
		}
		switch arg {
		case "serve", "dev", "version", "backup", "restore", "import", "export", "snapshot":
			return "everloop " + arg + " --help"
		case "wal", "alarms", "bench":
			words = append(words, arg)
		case "http", "ws-echo", "ws-broadcast", "ws-idle", "resp", "engine", "compare":
			if words[len(words)-1] == "bench" {
				words = append(words, arg)
			}
		case "dump", "verify", "repair":
			if words[len(words)-1] == "wal" {
				words = append(words, arg)
			} else if arg == "verify" && len(words) == 1 {
				return "everloop verify --help"
			}
		case "failed", "run":
			if words[len(words)-1] == "alarms" {
				words = append(words, arg)
			}
		default:
		}
	}
	return strings.Join(words, " ") + " --help"
}

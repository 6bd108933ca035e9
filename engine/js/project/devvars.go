package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// varFiles are where variables for development stand; the first that exists is read, alone.
func varFiles(environment string) []string {
	if environment == "" {
		return []string{".dev.vars"}
	}
	return []string{".dev.vars." + environment, ".dev.vars"}
}

// envFiles are where they stand if none of those exists; all that exist are read, each over those before it.
func envFiles(environment string) []string {
	if environment == "" {
		return []string{".env", ".env.local"}
	}
	return []string{".env", ".env." + environment, ".env.local", ".env." + environment + ".local"}
}

// loadDevVars puts the variables for development over p.Vars, as wrangler does: those of .dev.vars, or of .dev.vars.NAME for an
// environment, or else those of .env files. Where the project lists its secrets, only those are taken.
func (p *Project) loadDevVars() error {
	secrets := map[string]bool{}
	for _, name := range p.secrets {
		secrets[name] = false
	}
	read := func(name string) (found bool, err error) {
		file := filepath.Join(p.Root, name)
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, unreadable(p.show(file), err, "")
		}
		vars, bad := parseDevVars(string(text))
		if bad != nil {
			bad.File = p.show(file)
			return false, bad
		}
		for key, value := range vars {
			if _, listed := secrets[key]; p.secrets != nil && !listed {
				continue
			}
			quoted, err := json.Marshal(value)
			if err != nil {
				return false, &Error{File: p.show(file), Message: fmt.Sprintf("%s: %v", key, err)}
			}
			p.Vars[key] = quoted
			secrets[key] = true
		}
		return true, nil
	}
	found := false
	for _, name := range varFiles(p.Environment) {
		var err error
		if found, err = read(name); err != nil {
			return err
		}
		if found {
			break
		}
	}
	if !found {
		for _, name := range envFiles(p.Environment) {
			if _, err := read(name); err != nil {
				return err
			}
		}
	}
	for _, name := range p.secrets {
		if !secrets[name] {
			p.Warnings = append(p.Warnings, fmt.Sprintf("the secret %s is required and is not there: put it into %s", name, p.show(filepath.Join(p.Root, ".dev.vars"))))
		}
	}
	return nil
}

// parseDevVars reads lines of KEY=value. A value may stand in double quotes (where \n, \r, \t, \" and \\ are
// escapes), single quotes or backticks, and then go over several lines; an unquoted one ends at " #" or the line's end.
// The error lacks its file.
func parseDevVars(text string) (map[string]string, *Error) {
	vars := map[string]string{}
	line := 0
	for text != "" {
		var row string
		row, rest, _ := strings.Cut(text, "\n")
		line++
		trimmed := strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(row, "\ufeff"), "export "))
		if trimmed == "" || trimmed[0] == '#' {
			text = rest
			continue
		}
		key, value, ok := strings.Cut(trimmed, "=")
		key = strings.TrimSpace(key)
		if !ok || !isVarName(key) {
			return nil, &Error{Line: line, Message: "this is not KEY=value", Remedy: "A key has letters, digits and underscores, and does not begin with a digit."}
		}
		value = strings.TrimLeft(value, " \t")
		if value == "" || !strings.ContainsRune("\"'`", rune(value[0])) {
			if i := strings.Index(value, " #"); i >= 0 {
				value = value[:i]
			}
			vars[key] = strings.TrimSpace(value)
			text = rest
			continue
		}
		// The value goes on to its closing quote, in this row or a later one.
		start := strings.Index(text, "=") + 1
		start += strings.IndexByte(text[start:], value[0])
		body, length, closed := quoted(text[start:])
		if !closed {
			return nil, &Error{Line: line, Message: fmt.Sprintf("the value of %s has no closing %c", key, value[0])}
		}
		tail, after, _ := strings.Cut(text[start+length:], "\n")
		line += strings.Count(text[start:start+length], "\n")
		if tail = strings.TrimSpace(tail); tail != "" && tail[0] != '#' {
			return nil, &Error{Line: line, Message: fmt.Sprintf("something follows the closing %c of %s", value[0], key)}
		}
		vars[key], text = body, after
	}
	return vars, nil
}

// quoted reads a value that begins with its quote, and returns how long it is with both quotes.
func quoted(s string) (body string, length int, closed bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			return b.String(), i + 1, true
		case c == '\\' && s[0] == '"' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case '"', '\\':
				b.WriteByte(s[i])
			default:
				b.WriteByte('\\')
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, false
}

func isVarName(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

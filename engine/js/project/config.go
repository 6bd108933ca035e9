package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/tidwall/jsonc"
)

// maxConfigSize bounds a configuration file. Cloudflare's own examples have a few kilobytes.
const maxConfigSize = 1 << 20

// section is what a wrangler configuration says, at its top or in one of its environments.
type section struct {
	Name               string                     `json:"name"`
	Main               string                     `json:"main"`
	CompatibilityDate  string                     `json:"compatibility_date"`
	CompatibilityFlags []string                   `json:"compatibility_flags"`
	DurableObjects     durableObjects             `json:"durable_objects"`
	Migrations         []Migration                `json:"migrations"`
	Vars               map[string]json.RawMessage `json:"vars"`
	Rules              []Rule                     `json:"rules"`
	Alias              map[string]string          `json:"alias"`
	Define             map[string]string          `json:"define"`
	TSConfig           string                     `json:"tsconfig"`
	Services           []service                  `json:"services"`
	Assets             *assets                    `json:"assets"`
	Build              *build                     `json:"build"`
	Secrets            *secrets                   `json:"secrets"`
	Exports            map[string]Export          `json:"exports"`
}

type secrets struct {
	Required []string `json:"required"`
}

type durableObjects struct {
	Bindings []objectBinding `json:"bindings"`
}

type objectBinding struct {
	Name        string `json:"name"`
	ClassName   string `json:"class_name"`
	ScriptName  string `json:"script_name"`
	Environment string `json:"environment"`
}

type service struct {
	Binding    string `json:"binding"`
	Service    string `json:"service"`
	Entrypoint string `json:"entrypoint"`

	Props json.RawMessage `json:"props"`
}

type assets struct {
	Directory        string          `json:"directory"`
	Binding          string          `json:"binding"`
	HTMLHandling     string          `json:"html_handling"`
	NotFoundHandling string          `json:"not_found_handling"`
	RunWorkerFirst   json.RawMessage `json:"run_worker_first"`
}

type build struct {
	Command string `json:"command"`
}

// unsupportedKinds are the bindings that everloop does not have, and where their names stand: a field of each
// entry of a list, or of one table.
var unsupportedKinds = []struct {
	key, list, name string // list: the key inside a table that holds the list, or ""
}{
	{"ai", "", "binding"},
	{"ai_search", "", "binding"},
	{"ai_search_namespaces", "", "binding"},
	{"analytics_engine_datasets", "", "binding"},
	{"artifacts", "", "binding"},
	{"browser", "", "binding"},
	{"d1_databases", "", "binding"},
	{"dispatch_namespaces", "", "binding"},
	{"flagship", "", "binding"},
	{"hyperdrive", "", "binding"},
	{"images", "", "binding"},
	{"kv_namespaces", "", "binding"},
	{"logfwdr", "bindings", "name"},
	{"media", "", "binding"},
	{"mtls_certificates", "", "binding"},
	{"pipelines", "", "binding"},
	{"queues", "producers", "binding"},
	{"r2_buckets", "", "binding"},
	{"ratelimits", "", "name"},
	{"secrets_store_secrets", "", "binding"},
	{"send_email", "", "name"},
	{"stream", "", "binding"},
	{"unsafe", "bindings", "name"},
	{"unsafe_hello_world", "", "binding"},
	{"vectorize", "", "binding"},
	{"version_metadata", "", "binding"},
	{"vpc_networks", "", "binding"},
	{"vpc_services", "", "binding"},
	{"worker_loaders", "", "binding"},
	{"workflows", "", "binding"},
}

// silentKeys are known keys that mean nothing here: they are about deploying, or about wrangler itself.
var silentKeys = []string{
	"$schema", "account_id", "base_dir", "build", "cloudchamber", "compliance_region", "containers", "dependencies_instrumentation",
	"dev", "env", "find_additional_modules", "first_party_worker", "jsx_factory", "jsx_fragment", "keep_names", "keep_vars",
	"legacy_env", "limits", "logpush", "minify", "no_bundle", "node_compat", "observability", "pages_build_output_dir", "placement", "preserve_file_names",
	"preview_urls", "previews", "python_modules", "route", "routes", "secrets", "send_metrics", "site", "streaming_tail_consumers", "tail_consumers",
	"triggers", "unsafe", "upload_source_maps", "usage_model", "userLogic", "workers_dev", "zone_id",
}

// config is one configuration file while it is read. Owned by its reader.
type config struct {
	shown  string // the file as the person named it
	text   []byte // the file
	json   []byte // the same as JSON. For wrangler.json[c] it has the same length as text, so offsets agree.
	isTOML bool
}

// failAt is an error about the value at path, such as failAt("migrations", 2, "tag"). A part of the path that is not
// there gives the place of what is.
func (c *config) failAt(message, remedy string, path ...any) *Error {
	e := &Error{File: c.shown, Message: message, Remedy: remedy}
	if key := pathString(path); key != "" {
		e.Message = key + ": " + message
	}
	if len(path) == 0 {
		return e
	}
	if c.isTOML {
		if e.Line = c.lineOf(path); e.Line > 0 {
			e.Excerpt = excerpt(string(c.text), e.Line, 0)
		}
		return e
	}
	c.place(e, locate(c.json, path))
	return e
}

// lineOf finds the line of a TOML file that gives the last key of path its value: its parser does not tell. Where several lines
// could, it is none.
func (c *config) lineOf(path []any) (line int) {
	i := len(path) - 1
	for i >= 0 {
		if _, ok := path[i].(string); ok {
			break
		}
		i--
	}
	if i < 0 {
		return 0
	}
	key := regexp.QuoteMeta(path[i].(string))
	gives := regexp.MustCompile(`(?m)^[ \t]*(?:["']?` + key + `["']?[ \t]*=|\[\[?(?:[^\]\n]*\.)?[ \t]*["']?` + key + `["']?[ \t]*\]).*$`)
	found := gives.FindAllIndex(c.text, 2)
	if len(found) != 1 {
		return 0
	}
	return 1 + bytes.Count(c.text[:found[0][0]], []byte("\n"))
}

// place gives e the place of a byte of the file.
func (c *config) place(e *Error, offset int) {
	e.Line, e.Column = position(c.text, offset)
	e.Excerpt = excerpt(string(c.text), e.Line, e.Column)
}

// pathString writes a path as a person would: migrations[2].tag.
func pathString(path []any) string {
	var b strings.Builder
	for _, part := range path {
		switch part := part.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", part)
		case string:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(part)
		}
	}
	return b.String()
}

// locate finds where the value at path begins in a valid JSON text, or the deepest value on the way to it.
func locate(text []byte, path []any) (offset int) {
	d := json.NewDecoder(bytes.NewReader(text))
	start := func() int { // of the next token
		at := int(d.InputOffset())
		for at < len(text) && strings.IndexByte(" \t\r\n,:", text[at]) >= 0 {
			at++
		}
		return at
	}
	offset = start()
	for _, part := range path {
		token, err := d.Token()
		if err != nil {
			return offset
		}
		switch part := part.(type) {
		case string:
			if token != json.Delim('{') {
				return offset
			}
			found := false
			for d.More() && !found {
				key, err := d.Token()
				if err != nil {
					return offset
				}
				if found = key == part; !found && skipValue(d) != nil {
					return offset
				}
			}
			if !found {
				return offset
			}
		case int:
			if token != json.Delim('[') {
				return offset
			}
			for range part {
				if !d.More() || skipValue(d) != nil {
					return offset
				}
			}
			if !d.More() {
				return offset
			}
		}
		offset = start()
	}
	return offset
}

func skipValue(d *json.Decoder) error {
	var skipped json.RawMessage
	return d.Decode(&skipped)
}

// readConfig turns the text of a configuration into JSON. name decides between JSON and TOML; shown is for messages.
func readConfig(name, shown string, text []byte) (*config, *Error) {
	c := &config{shown: shown, text: text, isTOML: filepath.Ext(name) == ".toml"}
	if len(text) > maxConfigSize {
		return nil, &Error{File: shown, Message: fmt.Sprintf("the file has %d bytes; a configuration may have %d", len(text), maxConfigSize)}
	}
	text = bytes.Clone(text)
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		copy(text, "   ") // keeps the offsets
	}
	if c.isTOML {
		var tree map[string]any
		if _, err := toml.Decode(string(text), &tree); err != nil {
			e := &Error{File: shown, Message: err.Error()}
			var parse toml.ParseError
			if errors.As(err, &parse) {
				e.Message = parse.Message
				if parse.Message == "" {
					e.Message = strings.TrimPrefix(parse.Error(), "toml: ")
				}
				c.place(e, parse.Position.Start)
			}
			return nil, e
		}
		var err error
		if c.json, err = json.Marshal(plainDates(tree)); err != nil {
			return nil, &Error{File: shown, Message: "cannot use the file: " + err.Error(), Remedy: "The values inf and nan have no meaning here."}
		}
		return c, nil
	}
	c.json = jsonc.ToJSON(text)
	var tree json.RawMessage
	if err := json.Unmarshal(c.json, &tree); err != nil {
		e := &Error{File: shown, Message: "not valid JSON: " + strings.TrimPrefix(err.Error(), "json: ")}
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			c.place(e, int(syntax.Offset)-1)
		}
		return nil, e
	}
	return c, nil
}

// plainDates writes every date and time of a TOML tree as text, a date alone without a time.
func plainDates(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = plainDates(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = plainDates(inner)
		}
	case []map[string]any:
		for _, inner := range v {
			plainDates(inner)
		}
	case time.Time:
		switch v.Location().String() { // how the TOML package tells its kinds apart
		case "date-local":
			return v.Format(time.DateOnly)
		case "time-local":
			return v.Format("15:04:05.999999999")
		case "datetime-local":
			return v.Format("2006-01-02T15:04:05.999999999")
		}
		return v.Format(time.RFC3339Nano)
	}
	return v
}

// decode reads the part of the file at path into v.
func (c *config) decode(raw []byte, v any, path ...any) *Error {
	err := json.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return c.failAt(err.Error(), "", path...)
	}
	// The decoder names the keys on the way, but not the places in lists.
	for key := range strings.SplitSeq(wrong.Field, ".") {
		if key != "" {
			path = append(path, key)
		}
	}
	e := &Error{File: c.shown, Message: fmt.Sprintf("%s: want %s, not %s", orTop(pathString(path)), kindName(wrong.Type.Kind().String()), wrong.Value)}
	if !c.isTOML && len(raw) == len(c.json) {
		// Offset is behind the bracket of a list or table, and at the end of any other value, which begins some
		// bytes earlier on the same line.
		begin := min(max(int(wrong.Offset), 0), len(c.json))
		if begin > 0 && (wrong.Value == "array" || wrong.Value == "object") {
			begin--
		}
		for begin > 0 && strings.IndexByte(" \t\r\n:,[", c.json[begin-1]) < 0 {
			begin--
		}
		c.place(e, begin)
	}
	return e
}

func orTop(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// kindName says what a Go kind is called in JSON and TOML.
func kindName(kind string) string {
	switch kind {
	case "struct", "map", "ptr":
		return "a table of keys and values"
	case "slice":
		return "a list"
	case "bool":
		return "true or false"
	}
	return "a " + kind
}

func loadConfig(folder, name string, o Options) (*Project, error) {
	shown := filepath.Join(folder, name)
	root, err := filepath.Abs(folder)
	if err != nil {
		return nil, unreadable(folder, err, "")
	}
	text, err := os.ReadFile(shown)
	if err != nil {
		return nil, unreadable(shown, err, "")
	}
	c, bad := readConfig(name, shown, text)
	if bad != nil {
		return nil, bad
	}
	p, bad := c.project(o)
	if bad != nil {
		return nil, bad
	}
	p.Root, p.shown, p.ConfigFile = root, folder, filepath.Join(root, name)
	if p.Name == "" {
		p.Name = scriptName(filepath.Base(root))
	}
	if bad := p.resolve(c); bad != nil {
		return nil, bad
	}
	if err := p.loadDevVars(); err != nil {
		return nil, err
	}
	return p, nil
}

// project reads everything that needs no look at other files.
func (c *config) project(o Options) (*Project, *Error) {
	var keys map[string]json.RawMessage
	if bad := c.decode(c.json, &keys); bad != nil {
		return nil, bad
	}
	if keys == nil {
		return nil, c.failAt("the file is empty: want a table of keys and values", "")
	}
	var s section
	if bad := c.decode(c.json, &s); bad != nil {
		return nil, bad
	}
	var path []any                     // to the section that bindings are read from
	var top map[string]json.RawMessage // the keys at the top, where that is an environment's
	if o.Environment != "" {
		own, bad := c.environment(o.Environment, keys, &s)
		if bad != nil {
			return nil, bad
		}
		top = keys
		keys, path = own, []any{"env", o.Environment}
	}

	p := &Project{
		Name:               s.Name,
		Main:               s.Main,
		Environment:        o.Environment,
		CompatibilityDate:  s.CompatibilityDate,
		CompatibilityFlags: s.CompatibilityFlags,
		Migrations:         s.Migrations,
		Vars:               s.Vars,
		alias:              s.Alias,
		define:             s.Define,
		tsconfig:           s.TSConfig,
	}
	p.nodejs = p.On(NodejsCompat)
	if s.Secrets != nil {
		p.secrets = append([]string{}, s.Secrets.Required...)
	}
	if p.Vars == nil {
		p.Vars = map[string]json.RawMessage{}
	}
	if s.Name != "" && !scriptNamePattern.MatchString(s.Name) {
		return nil, c.failAt(fmt.Sprintf("%q is not a script's name", s.Name), "A name has lower-case letters, digits, dashes and underscores.", "name")
	}
	if s.Main == "" {
		remedy := "Add the file that exports your Worker, for example: \"main\": \"src/index.ts\""
		if c.isTOML {
			remedy = "Add the file that exports your Worker, for example: main = \"src/index.ts\""
		}
		return nil, c.failAt("the configuration has no \"main\"", remedy)
	}
	if bad := c.compatibility(&s, p, o.Today, inSection(keys, path)); bad != nil {
		return nil, bad
	}
	for _, read := range []func(*section, map[string]json.RawMessage, *Project, []any) *Error{
		c.objects, c.services, c.assets, c.unsupported, c.uniqueBindings,
	} {
		if bad := read(&s, keys, p, path); bad != nil {
			return nil, bad
		}
	}
	if bad := c.migrations(p, inSection(keys, path)("migrations")); bad != nil {
		return nil, bad
	}
	if bad := c.exports(&s, p, inSection(keys, path)("exports")); bad != nil {
		return nil, bad
	}
	var bad *Error
	if p.rules, bad = c.rules(s.Rules); bad != nil {
		return nil, bad
	}
	c.warnUnknown(keys, path, p)
	for _, name := range slices.Sorted(maps.Keys(innerKeys)) {
		raw, at := c.json, []any{}
		from := keys
		for part := range strings.SplitSeq(name, ".") {
			if len(at) == 0 {
				at = append(at, inSection(keys, path)(part)...)
				if len(at) == 1 && top != nil {
					from = top
				}
			} else {
				at = append(at, part)
			}
			raw = from[part]
			from = nil
			_ = json.Unmarshal(raw, &from) // a list, or nothing, is the end of the way
		}
		if slices.Contains(ownKeys(), fmt.Sprint(at[0])) && top != nil {
			continue // not inherited, and told below
		}
		c.warnInner(p, raw, innerKeys[name], at)
	}
	for _, key := range ownKeys() {
		_, there := top[key]
		if _, own := keys[key]; there && !own {
			p.warnAt(c, fmt.Sprintf("this is at the top and not in the environment %q, which does not inherit it", o.Environment), key)
		}
	}
	return p, nil
}

// ownKeys are the keys that an environment does not inherit: bindings and variables.
func ownKeys() []string {
	keys := []string{"define", "durable_objects", "secrets", "services", "vars"}
	for _, kind := range unsupportedKinds {
		keys = append(keys, kind.key)
	}
	return keys
}

// innerKeys are the known keys of what the bindings of this script are made of.
var innerKeys = map[string][]string{
	"durable_objects.bindings": {"name", "class_name", "script_name", "environment", "remote"},
	"services":                 {"binding", "service", "entrypoint", "environment", "props", "remote"},
	"migrations":               {"tag", "new_classes", "new_sqlite_classes", "renamed_classes", "deleted_classes", "transferred_classes"},
	"assets":                   {"directory", "binding", "html_handling", "not_found_handling", "run_worker_first"},
}

// warnInner warns of unknown keys in tables, and lists of tables, where a typing mistake would be missed.
func (c *config) warnInner(p *Project, raw json.RawMessage, known []string, path []any) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		for i, inner := range list {
			c.warnInner(p, inner, known, append(slices.Clone(path), i))
		}
		return
	}
	var table map[string]json.RawMessage
	if json.Unmarshal(raw, &table) != nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(known, key) {
			p.warnAt(c, "this key is not known and has no effect", append(slices.Clone(path), key)...)
		}
	}
}

// inSection makes a function that returns where the value of a key stands: in the environment, if that has it, or at the top.
func inSection(keys map[string]json.RawMessage, path []any) func(key string) []any {
	return func(key string) []any {
		if _, own := keys[key]; own {
			return append(slices.Clone(path), key)
		}
		return []any{key}
	}
}

// warnAt warns of the value at path, with its place.
func (p *Project) warnAt(c *config, message string, path ...any) {
	e := c.failAt(message, "", path...)
	p.Warnings = append(p.Warnings, place(e.File, e.Line, e.Column)+": "+e.Message)
}

var scriptNamePattern = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]*$`)

// environment lays the chosen environment over s, and returns the keys to read bindings from.
func (c *config) environment(name string, keys map[string]json.RawMessage, s *section) (map[string]json.RawMessage, *Error) {
	var all map[string]json.RawMessage
	if raw, ok := keys["env"]; ok {
		if bad := c.decode(raw, &all, "env"); bad != nil {
			return nil, bad
		}
	}
	raw, ok := all[name]
	if !ok {
		names := slices.Sorted(maps.Keys(all))
		remedy := "The configuration has no environments."
		if len(names) > 0 {
			remedy = "It has " + strings.Join(names, ", ") + "."
		}
		return nil, c.failAt(fmt.Sprintf("there is no environment %q", name), remedy, "env")
	}
	var own map[string]json.RawMessage
	if bad := c.decode(raw, &own, "env", name); bad != nil {
		return nil, bad
	}
	// What is inherited stays where the environment says nothing of it; the rest is the environment's alone.
	top := *s
	s.DurableObjects, s.Vars, s.Services, s.Define, s.Secrets = durableObjects{}, nil, nil, nil, nil
	for key, forget := range map[string]func(){ // else decoding would merge lists and tables with the top level's
		"compatibility_flags": func() { s.CompatibilityFlags = nil },
		"migrations":          func() { s.Migrations = nil },
		"rules":               func() { s.Rules = nil },
		"alias":               func() { s.Alias = nil },
		"assets":              func() { s.Assets = nil },
		"build":               func() { s.Build = nil },
		"exports":             func() { s.Exports = nil },
	} {
		if _, ok := own[key]; ok {
			forget()
		}
	}
	if bad := c.decode(raw, s, "env", name); bad != nil {
		return nil, bad
	}
	if _, ok := own["name"]; !ok && top.Name != "" {
		s.Name = top.Name + "-" + name // as wrangler names it
	}
	return own, nil
}

func (c *config) objects(s *section, _ map[string]json.RawMessage, p *Project, path []any) *Error {
	for i, b := range s.DurableObjects.Bindings {
		at := append(slices.Clone(path), "durable_objects", "bindings", i)
		switch {
		case b.Name == "":
			return c.failAt("the binding has no \"name\"", "Give the name that the program finds it under: env.NAME.", at...)
		case b.ClassName == "":
			return c.failAt(fmt.Sprintf("the binding %q has no \"class_name\"", b.Name), "Name the class that your main module exports.", at...)
		}
		script := b.ScriptName
		if script == s.Name {
			script = ""
		}
		p.Objects = append(p.Objects, ObjectBinding{Name: b.Name, ClassName: b.ClassName, ScriptName: script})
	}
	return nil
}

func (c *config) services(s *section, _ map[string]json.RawMessage, p *Project, path []any) *Error {
	for i, b := range s.Services {
		at := append(slices.Clone(path), "services", i)
		switch {
		case b.Binding == "":
			return c.failAt("the service has no \"binding\"", "Give the name that the program finds it under: env.NAME.", at...)
		case b.Service == "":
			return c.failAt(fmt.Sprintf("the binding %q has no \"service\"", b.Binding), "Name the script that it reaches.", at...)
		}
		p.Services = append(p.Services, ServiceBinding{Name: b.Binding, Service: b.Service, Entrypoint: b.Entrypoint, Props: b.Props})
	}
	return nil
}

func (c *config) assets(s *section, _ map[string]json.RawMessage, p *Project, path []any) *Error {
	if s.Assets == nil {
		return nil
	}
	at := append(slices.Clone(path), "assets")
	p.Assets = &Assets{
		Directory:        s.Assets.Directory,
		Binding:          s.Assets.Binding,
		HTMLHandling:     s.Assets.HTMLHandling,
		NotFoundHandling: s.Assets.NotFoundHandling,
	}
	if s.Assets.Directory == "" {
		return c.failAt("the assets have no \"directory\"", "Name the folder with the static files.", at...)
	}
	oneOf := func(key, value string, allowed ...string) *Error {
		if value == "" || slices.Contains(allowed, value) {
			return nil
		}
		return c.failAt(fmt.Sprintf("%q is not known", value), "Choose one of "+strings.Join(allowed, ", ")+".", append(at, key)...)
	}
	if bad := oneOf("html_handling", s.Assets.HTMLHandling, "auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"); bad != nil {
		return bad
	}
	if bad := oneOf("not_found_handling", s.Assets.NotFoundHandling, "single-page-application", "404-page", "none"); bad != nil {
		return bad
	}
	if raw := s.Assets.RunWorkerFirst; len(raw) > 0 && string(raw) != "null" {
		if json.Unmarshal(raw, &p.Assets.RunWorkerFirstAll) != nil && json.Unmarshal(raw, &p.Assets.RunWorkerFirst) != nil {
			return c.failAt("want true, false or a list of patterns", "", append(at, "run_worker_first")...)
		}
	}
	return nil
}

// unsupported collects the names of bindings that everloop does not have.
func (c *config) unsupported(_ *section, keys map[string]json.RawMessage, p *Project, _ []any) *Error {
	for _, kind := range unsupportedKinds {
		raw, ok := keys[kind.key]
		if !ok {
			continue
		}
		if kind.list != "" {
			var table map[string]json.RawMessage
			if json.Unmarshal(raw, &table) != nil {
				continue
			}
			raw = table[kind.list]
		}
		var entries []map[string]json.RawMessage
		var one map[string]json.RawMessage
		if json.Unmarshal(raw, &entries) != nil && json.Unmarshal(raw, &one) == nil {
			entries = append(entries, one)
		}
		for _, entry := range entries {
			var name string
			if json.Unmarshal(entry[kind.name], &name) == nil && name != "" {
				p.Unsupported = append(p.Unsupported, UnsupportedBinding{Name: name, Kind: kind.key})
			}
		}
	}
	return nil
}

// uniqueBindings refuses two bindings of one name: one of them would vanish.
func (c *config) uniqueBindings(_ *section, _ map[string]json.RawMessage, p *Project, path []any) *Error {
	kinds := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p.Vars)) {
		kinds[name] = "vars"
	}
	add := func(name, kind string, at ...any) *Error {
		if first, twice := kinds[name]; twice {
			return c.failAt(fmt.Sprintf("a second binding named %q (the first is in %s)", name, first), "Every binding needs a name of its own.", append(slices.Clone(path), at...)...)
		}
		kinds[name] = kind
		return nil
	}
	for i, b := range p.Objects {
		if bad := add(b.Name, "durable_objects", "durable_objects", "bindings", i, "name"); bad != nil {
			return bad
		}
	}
	for i, b := range p.Services {
		if bad := add(b.Name, "services", "services", i, "binding"); bad != nil {
			return bad
		}
	}
	if p.Assets != nil && p.Assets.Binding != "" {
		if bad := add(p.Assets.Binding, "assets", "assets", "binding"); bad != nil {
			return bad
		}
	}
	for _, b := range p.Unsupported {
		if bad := add(b.Name, b.Kind, b.Kind); bad != nil {
			return bad
		}
	}
	return nil
}

// warnUnknown warns of keys that nobody knows: most often a typing mistake.
func (c *config) warnUnknown(keys map[string]json.RawMessage, path []any, p *Project) {
	known := slices.Clone(silentKeys)
	for _, kind := range unsupportedKinds {
		known = append(known, kind.key)
	}
	known = append(known, "name", "main", "compatibility_date", "compatibility_flags", "durable_objects", "migrations", "vars", "rules", "alias",
		"define", "tsconfig", "services", "assets", "exports")
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(known, key) {
			p.warnAt(c, "this key is not known and has no effect", append(slices.Clone(path), key)...)
		}
	}
}

// resolve makes paths absolute and looks whether they are there.
func (p *Project) resolve(c *config) *Error {
	main := filepath.FromSlash(p.Main)
	if !filepath.IsAbs(main) {
		main = filepath.Join(p.Root, main)
	}
	if p.Main = main; !fileExists(main) {
		return c.failAt(fmt.Sprintf("there is no file %s", p.show(main)), "Correct the path (it is relative to the configuration), or build the file first.", "main")
	}
	if p.Assets != nil && !filepath.IsAbs(p.Assets.Directory) {
		p.Assets.Directory = filepath.Join(p.Root, filepath.FromSlash(p.Assets.Directory))
	}
	if p.tsconfig != "" && !filepath.IsAbs(p.tsconfig) {
		p.tsconfig = filepath.Join(p.Root, filepath.FromSlash(p.tsconfig))
	}
	return nil
}

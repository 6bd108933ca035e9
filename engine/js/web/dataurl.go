package web

import "strings"

// ParseDataURL takes a data: URL apart, as the Fetch standard does (section "data: URLs"). url is its serialisation by the URL
// standard.
func ParseDataURL(url string) (mime string, body []byte, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", nil, false
	}
	rest, _, _ = strings.Cut(rest, "#")
	mime, data, ok := strings.Cut(rest, ",")
	if !ok {
		return "", nil, false
	}
	mime = strings.Trim(mime, " \t\r\n\f")
	body = percentDecoded(data)
	if i := strings.LastIndexByte(mime, ';'); i >= 0 && strings.EqualFold(strings.TrimLeft(mime[i+1:], " "), "base64") {
		mime = mime[:i]
		if body, ok = forgivingDecode(body); !ok {
			return "", nil, false
		}
	}
	if strings.HasPrefix(mime, ";") {
		mime = "text/plain" + mime
	}
	if mime = mimeType(mime); mime == "" {
		mime = "text/plain;charset=US-ASCII"
	}
	return mime, body, true
}

func percentDecoded(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi != 0xff && lo != 0xff {
				out = append(out, hi<<4|lo)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return out
}

// mimeType is a MIME type as the MIME Sniffing standard parses and serialises it; "" if it is none.
func mimeType(s string) string {
	essence, params, _ := strings.Cut(s, ";")
	kind, sub, ok := strings.Cut(strings.Trim(essence, " \t\r\n"), "/")
	sub = strings.TrimRight(sub, " \t\r\n")
	if !ok || !isToken(kind) || !isToken(sub) {
		return ""
	}
	var out strings.Builder
	out.WriteString(strings.ToLower(kind + "/" + sub))
	seen := map[string]bool{}
	for params != "" {
		var param string
		param, params = nextParameter(params)
		name, value, has := strings.Cut(param, "=")
		name = strings.ToLower(strings.TrimLeft(name, " \t\r\n"))
		if !has || !isToken(name) || seen[name] {
			continue
		}
		if inner, quoted := strings.CutPrefix(value, `"`); quoted {
			value = unquoted(inner)
		} else if value = strings.TrimRight(value, " \t\r\n"); value == "" {
			continue
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || r > 0xff }) {
			continue
		}
		seen[name] = true
		if !isToken(value) {
			value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
		}
		out.WriteString(";" + name + "=" + value)
	}
	return out.String()
}

// nextParameter cuts a parameter off, up to a semicolon outside of quotes.
func nextParameter(s string) (param, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted && i > 0 && s[i-1] == '='
		case s[i] == '\\' && quoted:
			i++
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquoted is the value of a quoted string, whose opening quote is gone.
func unquoted(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alpha := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !alpha && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

package vm

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// String.prototype.localeCompare, by the Unicode Collation Algorithm with the
// locales' tailorings. The engine's goes by code point, which puts "Z" before
// "a" and "ä" behind "z".

// collators are those of one runtime, by locale and options. Owned by it: a
// collator has buffers of its own.
type collators struct {
	by   map[string]*collator
	a, b []byte // the texts, in UTF-8
}

// collator compares after it has left out what it ignores and the library
// does not: accents where case counts, and punctuation.
type collator struct {
	*collate.Collator
	accents, punctuation bool // left out
}

// text is what of s, which may be overwritten, is compared.
func (c *collator) text(s []byte) []byte {
	if c.accents {
		s = norm.NFD.Bytes(s)
	}
	if !c.accents && !c.punctuation {
		return s
	}
	kept := s[:0]
	for len(s) > 0 {
		char, n := utf8.DecodeRune(s)
		if c.accents && unicode.Is(unicode.Mn, char) || c.punctuation && (unicode.IsPunct(char) || unicode.IsSpace(char)) {
			s = s[n:]
			continue
		}
		kept = append(kept, s[:n]...)
		s = s[n:]
	}
	return kept
}

// maxCollators bounds how many a program can make the runtime keep.
const maxCollators = 16

var collationOptions = [...]Key{Intern("sensitivity"), Intern("numeric"), Intern("ignorePunctuation")}

func localeCompare(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	r := runtimeOf(ctx)
	args := make([]Value, 3)
	for i := range args {
		args[i] = Undefined
		if i < int(argc) {
			args[i] = *at[Value](argv + uintptr(i*valueSize))
		}
	}
	n, err := r.compareLocally(Value{this}, args[0], args[1], args[2])
	if r.dead != nil {
		panic(abandoned{})
	}
	if err != nil {
		return r.throwInEngine(err)
	}
	return Int(int32(n)).js
}

func (r *Runtime) compareLocally(this, that, locales, options Value) (int, error) {
	if this.IsNullish() {
		return 0, TypeError("String.prototype.localeCompare called on null or undefined")
	}
	a, err := r.ToStringValue(this)
	if err != nil {
		return 0, err
	}
	defer r.Free(a)
	b, err := r.ToStringValue(that)
	if err != nil {
		return 0, err
	}
	defer r.Free(b)
	c, err := r.collator(locales, options)
	if err != nil {
		return 0, err
	}
	s := &r.collators
	s.a, s.b = r.AppendString(s.a[:0], a), r.AppendString(s.b[:0], b)
	return c.Compare(c.text(s.a), c.text(s.b)), nil
}

// collator finds or makes the collator that locales and options ask for.
func (r *Runtime) collator(locales, options Value) (*collator, error) {
	locale, err := r.firstLocale(locales)
	if err != nil {
		return nil, err
	}
	var set [len(collationOptions)]string
	if !options.IsUndefined() {
		for i, k := range collationOptions {
			v, err := r.Get(options, k)
			if err != nil {
				return nil, err
			}
			if !v.IsUndefined() {
				set[i], err = r.ToString(v)
			}
			r.Free(v)
			if err != nil {
				return nil, err
			}
		}
	}
	key := locale + "\x00" + strings.Join(set[:], "\x00")
	if c := r.collators.by[key]; c != nil {
		return c, nil
	}
	c, err := newCollator(locale, set[0], set[1], set[2])
	if err != nil {
		return nil, err
	}
	if r.collators.by == nil || len(r.collators.by) >= maxCollators {
		r.collators.by = map[string]*collator{}
	}
	r.collators.by[key] = c
	return c, nil
}

// firstLocale is the locale that a program asks for; "" for none. Where it
// lists several, the first counts.
func (r *Runtime) firstLocale(locales Value) (string, error) {
	if locales.IsUndefined() {
		return "", nil
	}
	if !locales.IsString() {
		if !locales.IsObject() {
			return "", TypeError("Incorrect locale information provided")
		}
		first, err := r.GetIndex(locales, 0)
		if err != nil || first.IsUndefined() {
			return "", err
		}
		defer r.Free(first)
		return r.ToString(first)
	}
	return r.ToString(locales)
}

func newCollator(locale, sensitivity, numeric, ignorePunctuation string) (*collator, error) {
	tag := language.Und
	if locale != "" {
		var err error
		if tag, err = language.Parse(locale); err != nil {
			return nil, RangeError("Incorrect locale information provided: %q", locale)
		}
	}
	c := &collator{punctuation: ignorePunctuation == "true"}
	var opts []collate.Option
	switch sensitivity {
	case "", "variant":
	case "base":
		opts = append(opts, collate.IgnoreCase, collate.IgnoreDiacritics, collate.IgnoreWidth)
	case "accent":
		opts = append(opts, collate.IgnoreCase, collate.IgnoreWidth)
	case "case":
		c.accents = true
	default:
		return nil, RangeError("Value %s out of range for Intl.Collator options property sensitivity", sensitivity)
	}
	if numeric == "true" {
		opts = append(opts, collate.Numeric)
	}
	c.Collator = collate.New(tag, opts...)
	return c, nil
}

package web

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"everloop/engine/js/internal/vm"
)

// The application/x-www-form-urlencoded format of the URL standard, section 5. The URL package has one as well, but it
// turns an escaped plus sign into a space.

// parseQuery calls f with each name and value, decoded. The slices are views of scratch.
func (in *Instance) parseQuery(q []byte, f func(name, value []byte) error) error {
	scratch := in.part[:0]
	for len(q) > 0 {
		part := q
		if i := bytes.IndexByte(q, '&'); i >= 0 {
			part, q = q[:i], q[i+1:]
		} else {
			q = nil
		}
		if len(part) == 0 {
			continue
		}
		name, value, _ := bytes.Cut(part, []byte("="))
		scratch = appendFormDecoded(scratch[:0], name)
		n := len(scratch)
		scratch = appendFormDecoded(scratch, value)
		if err := f(scratch[:n], scratch[n:]); err != nil {
			return err
		}
	}
	in.part = scratch[:0]
	return nil
}

func appendFormDecoded(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(b):
			hi, lo := unhex(b[i+1]), unhex(b[i+2])
			if hi|lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// unhex is the value of a hex digit; 0xff if it is none.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

const upperHex = "0123456789ABCDEF"

func appendFormEncoded(dst, b []byte) []byte {
	for _, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '*', c == '-', c == '.', c == '_':
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// Reasons to look no further.
var errFound, errNotUTF8 = errors.New("found"), errors.New("not UTF-8")

// queryText is the query in text: all of it without a leading question mark, if at is -1, or else what is between two
// ends of the parts of a plain URL; see url.js.
func queryText(text []byte, at vm.Value) []byte {
	if f, ok := at.Float64(); ok && f >= 0 {
		ends := uint64(f)
		text = text[ends>>25&maxPlainURL : ends>>37]
	}
	return bytes.TrimPrefix(text, []byte{'?'})
}

var (
	// queryParse(text, at): the flat array of names and values of a query; see queryText.
	_ = register("queryParse", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		a, err := in.r.Array()
		if err != nil {
			return vm.Undefined, err
		}
		n := uint32(0)
		err = in.parseQuery(queryText(in.utf8(args.At(0)), args.At(1)), func(name, value []byte) error {
			for _, b := range [2][]byte{name, value} {
				v, err := in.decodeUTF8(b)
				if err == nil {
					err = in.r.DefineIndex(a, n, v)
				}
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			in.r.Free(a)
			return vm.Undefined, err
		}
		return a, nil
	})
	// queryGet(text, at, name): the first value of a name in a query, null if it does not occur, and undefined if the list
	// has to tell, because something in it is not UTF-8.
	_ = register("queryGet", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		text, ok := in.r.Latin1(args.At(0))
		if !ok || !isASCII(text) {
			return vm.Undefined, nil
		}
		wanted := in.utf8(args.At(2))
		found := vm.Null
		err := in.parseQuery(queryText(text, args.At(1)), func(name, value []byte) error {
			if !utf8.Valid(name) {
				return errNotUTF8
			}
			if !bytes.Equal(name, wanted) {
				return nil
			}
			var err error
			if found, err = in.decodeUTF8(value); err != nil {
				return err
			}
			return errFound
		})
		switch err {
		case nil, errFound:
			return found, nil
		case errNotUTF8:
			return vm.Undefined, nil
		}
		return vm.Undefined, err
	})
	// queryFormat(list): the text of a flat array.
	_ = register("queryFormat", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		out, part := in.text[:0], in.part[:0]
		err := in.each(args.At(0), func(i int, v vm.Value) error {
			part = in.r.AppendString(part[:0], v)
			in.r.Free(v)
			if i%2 == 1 {
				out = append(out, '=')
			} else if i > 0 {
				out = append(out, '&')
			}
			out = appendFormEncoded(out, part)
			return nil
		})
		if err != nil {
			return vm.Undefined, err
		}
		in.text, in.part = out, part
		return in.r.StringLatin1(out)
	})
)

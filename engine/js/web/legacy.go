package web

import (
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// The decoders of the Encoding standard, sections 9 to 14, other than those of UTF-8 and UTF-16. The tables are those of x/text. Its
// decoders are not used: they differ in what a broken sequence takes with it, which is a way to hide characters from a check.

// multiByte decodes an encoding whose characters have one to four bytes and that has no states.
type multiByte struct {
	// step decodes what b begins with, at least one byte, the first above 7F. used is how many bytes that is, or 0 if it needs more.
	// r is a negative number for a broken sequence. more is a second character, or 0.
	step func(b []byte) (r, more rune, used int)
}

const broken = -1

var multiBytes = map[string]multiByte{
	"big5":      {stepBig5},
	"euc-kr":    {stepEUCKR},
	"euc-jp":    {stepEUCJP},
	"shift_jis": {stepShiftJIS},
	"gbk":       {stepGB18030},
	"gb18030":   {stepGB18030},
}

// decodeLegacy decodes b into UTF-8, appended to dst. rest is how many bytes at its end wait for more, 0 when last. ok is false for a broken
// sequence under fatal, and for a name that is none.
func decodeLegacy(dst []byte, name string, b []byte, last, fatal bool) (text []byte, rest int, ok bool) {
	if name == "iso-2022-jp" {
		dst, rest, _, ok = decodeISO2022JP(dst, b, 0, last, fatal)
		return dst, rest, ok
	}
	m, ok := multiBytes[name]
	if !ok {
		return decodeSingleByte(dst, name, b, fatal)
	}
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			dst = append(dst, b[0])
			b = b[1:]
			continue
		}
		r, more, used := m.step(b)
		if used == 0 {
			if !last {
				return dst, len(b), true
			}
			r, used = broken, len(b)
		}
		if r < 0 {
			if fatal {
				return nil, 0, false
			}
			r = utf8.RuneError
		}
		dst = utf8.AppendRune(dst, r)
		if more != 0 {
			dst = utf8.AppendRune(dst, more)
		}
		b = b[used:]
	}
	return dst, 0, true
}

// decodeSingleByte decodes an encoding with one byte a character. The standard's tables fill the holes between 80 and 9F with the
// control characters of those numbers; those of x/text leave them empty.
func decodeSingleByte(dst []byte, name string, b []byte, fatal bool) (text []byte, rest int, ok bool) {
	table := charmap.ISO8859_8
	if name != "iso-8859-8-i" { // the same bytes, read in another direction
		e, err := htmlindex.Get(name)
		if err != nil {
			return nil, 0, false
		}
		if table, ok = e.(*charmap.Charmap); !ok {
			return nil, 0, false
		}
	}
	for _, c := range b {
		r := table.DecodeByte(c)
		if r == utf8.RuneError {
			switch {
			case c >= 0x80 && c <= 0x9f:
				r = rune(c)
			case fatal:
				return nil, 0, false
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, 0, true
}

// pairs is what the sequences of two bytes of an encoding mean, by lead and trail byte; 0 for nothing. It is made when it is first needed.
type pairs [0xff - 0x81][0xff - 0x40]rune

func pairsOf(e encoding.Encoding) func() *pairs {
	return sync.OnceValue(func() *pairs {
		t := new(pairs)
		for lead := range t {
			for trail := range t[lead] {
				if r := decodeOne(e, byte(lead+0x81), byte(trail+0x40)); r > 0 {
					t[lead][trail] = r
				}
			}
		}
		return t
	})
}

func (t *pairs) at(lead, trail byte) rune {
	if lead < 0x81 || lead == 0xff || trail < 0x40 || trail == 0xff || t[lead-0x81][trail-0x40] == 0 {
		return broken
	}
	return t[lead-0x81][trail-0x40]
}

var (
	big5Pairs     = pairsOf(traditionalchinese.Big5)
	eucKRPairs    = pairsOf(korean.EUCKR)
	eucJPPairs    = pairsOf(japanese.EUCJP)
	shiftJISPairs = pairsOf(japanese.ShiftJIS)
	gb18030Pairs  = pairsOf(simplifiedchinese.GB18030)
)

// decodeOne is the one character that bytes mean, all of them.
func decodeOne(e encoding.Encoding, b ...byte) rune {
	var out [utf8.UTFMax * 4]byte
	n, used, err := e.NewDecoder().Transform(out[:], b, true)
	if err != nil || used != len(b) {
		return broken
	}
	r, size := utf8.DecodeRune(out[:n])
	if size != n || r == utf8.RuneError {
		return broken
	}
	return r
}

// spoiled is how much a lead byte takes with it when what follows it is not its trail: an ASCII byte stays.
func spoiled(trail byte) int {
	if trail < utf8.RuneSelf {
		return 1
	}
	return 2
}

func stepBig5(b []byte) (r, more rune, used int) {
	if b[0] == 0x80 || b[0] == 0xff {
		return broken, 0, 1
	}
	if len(b) < 2 {
		return 0, 0, 0
	}
	if b[0] == 0x88 {
		switch b[1] {
		case 0x62:
			return 0xca, 0x304, 2
		case 0x64:
			return 0xca, 0x30c, 2
		case 0xa3:
			return 0xea, 0x304, 2
		case 0xa5:
			return 0xea, 0x30c, 2
		}
	}
	if r = big5Pairs().at(b[0], b[1]); r < 0 {
		return broken, 0, spoiled(b[1])
	}
	return r, 0, 2
}

func stepEUCKR(b []byte) (r, more rune, used int) {
	if b[0] == 0x80 || b[0] == 0xff {
		return broken, 0, 1
	}
	if len(b) < 2 {
		return 0, 0, 0
	}
	if r = eucKRPairs().at(b[0], b[1]); r < 0 {
		return broken, 0, spoiled(b[1])
	}
	return r, 0, 2
}

func stepEUCJP(b []byte) (r, more rune, used int) {
	if b[0] != 0x8e && b[0] != 0x8f && (b[0] < 0xa1 || b[0] == 0xff) {
		return broken, 0, 1
	}
	if len(b) < 2 {
		return 0, 0, 0
	}
	switch {
	case b[0] == 0x8e:
		if b[1] >= 0xa1 && b[1] <= 0xdf {
			return 0xff61 - 0xa1 + rune(b[1]), 0, 2
		}
	case b[1] < 0xa1 || b[1] == 0xff:
	case b[0] != 0x8f:
		if r = eucJPPairs().at(b[0], b[1]); r >= 0 {
			return r, 0, 2
		}
	case len(b) < 3:
		return 0, 0, 0
	default:
		if r = decodeOne(japanese.EUCJP, b[:3]...); r >= 0 {
			return r, 0, 3
		}
		return broken, 0, 1 + spoiled(b[2])
	}
	return broken, 0, spoiled(b[1])
}

func stepShiftJIS(b []byte) (r, more rune, used int) {
	switch c := b[0]; {
	case c == 0x80:
		return 0x80, 0, 1
	case c >= 0xa1 && c <= 0xdf:
		return 0xff61 - 0xa1 + rune(c), 0, 1
	case c == 0xa0 || c > 0xfc:
		return broken, 0, 1
	}
	if len(b) < 2 {
		return 0, 0, 0
	}
	lead, trail := rune(b[0]), rune(b[1])
	if lead >= 0xf0 && lead <= 0xf9 && trail >= 0x40 && trail <= 0xfc && trail != 0x7f {
		// Characters for private use, which Windows has there.
		if trail > 0x7f {
			trail--
		}
		return 0xe000 + (lead-0xf0)*188 + trail - 0x40, 0, 2
	}
	if r = shiftJISPairs().at(b[0], b[1]); r < 0 {
		return broken, 0, spoiled(b[1])
	}
	return r, 0, 2
}

func stepGB18030(b []byte) (r, more rune, used int) {
	switch b[0] {
	case 0x80:
		return 0x20ac, 0, 1
	case 0xff:
		return broken, 0, 1
	}
	if len(b) < 2 {
		return 0, 0, 0
	}
	if b[1] < '0' || b[1] > '9' {
		if r = gb18030Pair(b[0], b[1]); r < 0 {
			return broken, 0, spoiled(b[1])
		}
		return r, 0, 2
	}
	if len(b) > 2 && (b[2] < 0x81 || b[2] == 0xff) || len(b) > 3 && (b[3] < '0' || b[3] > '9') {
		return broken, 0, 1
	}
	if len(b) < 4 {
		return 0, 0, 0
	}
	switch string(b[:4]) {
	case "\x84\x31\xa4\x37":
		return utf8.RuneError, 0, 4 // written out, and not a mistake
	case "\x81\x35\xf4\x37":
		return 0xe7c7, 0, 4 // the standard keeps it where it was before A8 BC took its place
	}
	return decodeOne(simplifiedchinese.GB18030, b[:4]...), 0, 4
}

// gb18030Pair is a sequence of two bytes: the table of x/text, with the characters for private use, which it lacks, and those that
// got a place of their own in Unicode by the edition of 2022.
func gb18030Pair(lead, trail byte) rune {
	if r, ok := gb18030Moved[uint16(lead)<<8|uint16(trail)]; ok {
		return r
	}
	if r := gb18030Pairs().at(lead, trail); r >= 0 {
		return r
	}
	l, t := rune(lead), rune(trail)
	switch {
	case l >= 0xaa && l <= 0xaf && t >= 0xa1 && t <= 0xfe:
		return 0xe000 + (l-0xaa)*94 + t - 0xa1
	case l >= 0xf8 && l <= 0xfe && t >= 0xa1 && t <= 0xfe:
		return 0xe234 + (l-0xf8)*94 + t - 0xa1
	case l >= 0xa1 && l <= 0xa7 && t >= 0x40 && t <= 0xa0 && t != 0x7f:
		if t > 0x7f {
			t--
		}
		return 0xe4c6 + (l-0xa1)*96 + t - 0x40
	}
	return broken
}

var gb18030Moved = map[uint16]rune{
	0xa6d9: 0xfe10, 0xa6da: 0xfe12, 0xa6db: 0xfe11, 0xa6dc: 0xfe13, 0xa6dd: 0xfe14, 0xa6de: 0xfe15, 0xa6df: 0xfe16, 0xa6ec: 0xfe17,
	0xa6ed: 0xfe18, 0xa6f3: 0xfe19, 0xa8bc: 0x1e3f, 0xfe59: 0x9fb4, 0xfe61: 0x9fb5, 0xfe66: 0x9fb6, 0xfe67: 0x9fb7, 0xfe6d: 0x9fb8,
	0xfe7e: 0x9fb9, 0xfe90: 0x9fba, 0xfea0: 0x9fbb,
}

// The states of ISO-2022-JP, which escape sequences choose; see decodeISO2022JP.
const (
	jpASCII = iota
	jpRoman
	jpKatakana
	jpDouble
	jpStates = 3 // the bits of these

	// jpEscaped: the last thing was an escape sequence. Another one at once is a mistake.
	jpEscaped = 4
)

// decodeISO2022JP is decodeLegacy for the one encoding that has states. state is 0 at the beginning of a stream.
func decodeISO2022JP(dst, b []byte, state byte, last, fatal bool) (text []byte, rest int, after byte, ok bool) {
	for len(b) > 0 {
		r, next, used := stepISO2022JP(b, state)
		if used == 0 {
			if !last {
				break
			}
			r, next, used = broken, state&jpStates, 1
		}
		state, b = next, b[used:]
		if r < 0 {
			if fatal {
				return nil, 0, 0, false
			}
			r = utf8.RuneError
		}
		if r != jpNothing {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst, len(b), state, true
}

// jpNothing stands for an escape sequence, which is no character.
const jpNothing = utf8.MaxRune + 1

func stepISO2022JP(b []byte, state byte) (r rune, next byte, used int) {
	c := b[0]
	if c == 0x1b {
		return escapeISO2022JP(b, state)
	}
	state &= jpStates
	switch state {
	case jpKatakana:
		if c >= 0x21 && c <= 0x5f {
			return 0xff61 - 0x21 + rune(c), state, 1
		}
		return broken, state, 1
	case jpDouble:
		if c < 0x21 || c > 0x7e {
			return broken, state, 1
		}
		if len(b) < 2 {
			return 0, state, 0
		}
		if b[1] == 0x1b {
			return broken, state, 1
		}
		if b[1] < 0x21 || b[1] > 0x7e {
			return broken, state, 2
		}
		return eucJPPairs().at(c|0x80, b[1]|0x80), state, 2
	}
	switch {
	case c >= utf8.RuneSelf || c == 0x0e || c == 0x0f:
		return broken, state, 1
	case state == jpRoman && c == 0x5c:
		return 0xa5, state, 1
	case state == jpRoman && c == 0x7e:
		return 0x203e, state, 1
	}
	return rune(c), state, 1
}

func escapeISO2022JP(b []byte, state byte) (r rune, next byte, used int) {
	if len(b) < 2 || (b[1] == '$' || b[1] == '(') && len(b) < 3 {
		return 0, state, 0
	}
	if b[1] == '$' || b[1] == '(' {
		next = 0xff
		switch string(b[1:3]) {
		case "(B":
			next = jpASCII
		case "(J":
			next = jpRoman
		case "(I":
			next = jpKatakana
		case "$@", "$B":
			next = jpDouble
		}
		if next != 0xff {
			if state&jpEscaped != 0 {
				return broken, next | jpEscaped, 3
			}
			return jpNothing, next | jpEscaped, 3
		}
	}
	return broken, state & jpStates, 1
}

package resp

import (
	"math"
	"math/big"
	"strconv"
)

// Every function here appends to dst and returns it, as the built-in append does. None keeps what it is given.

// AppendSimple writes a simple string: for short answers of text, such as OK. Line breaks, which cannot be
// in one, become blanks.
func AppendSimple(dst []byte, s string) []byte {
	return appendLine(append(dst, '+'), s)
}

// AppendError writes a simple error: a code in capitals, a blank, and a sentence ("ERR value is not an integer or out of
// range"). Line breaks become blanks, since a text that came from elsewhere must not be able to forge a second answer.
func AppendError(dst []byte, codeAndText string) []byte {
	return appendLine(append(dst, '-'), codeAndText)
}

// AppendBulkError writes an error as a bulk error, which can hold any bytes, and for RESP2 as a simple one.
func AppendBulkError(dst []byte, v Version, codeAndText string) []byte {
	if v < V3 {
		return AppendError(dst, codeAndText)
	}
	return append(append(appendHeader(dst, '!', len(codeAndText)), codeAndText...), "\r\n"...)
}

func appendLine[T string | []byte](dst []byte, s T) []byte {
	start := len(dst)
	dst = append(dst, s...)
	for i := start; i < len(dst); i++ {
		if dst[i] == '\r' || dst[i] == '\n' {
			dst[i] = ' '
		}
	}
	return append(dst, "\r\n"...)
}

// AppendInt writes an integer.
func AppendInt(dst []byte, n int64) []byte {
	if 0 <= n && n <= 9 {
		return append(dst, ':', '0'+byte(n), '\r', '\n')
	}
	return append(strconv.AppendInt(append(dst, ':'), n, 10), "\r\n"...)
}

// AppendBulk writes a bulk string.
func AppendBulk(dst, b []byte) []byte {
	return append(append(appendHeader(dst, '$', len(b)), b...), "\r\n"...)
}

// AppendBulkString writes a bulk string.
func AppendBulkString(dst []byte, s string) []byte {
	return append(append(appendHeader(dst, '$', len(s)), s...), "\r\n"...)
}

// AppendBulkHeader writes the beginning of a bulk string of n bytes. The bytes and "\r\n" follow, from elsewhere: a long answer
// need not be in memory twice.
func AppendBulkHeader(dst []byte, n int) []byte { return appendHeader(dst, '$', n) }

// AppendVerbatim writes a verbatim string, for which format says in three characters what it is ("txt", "mkd"), and for RESP2
// a bulk string. A format of another length is written as "txt".
func AppendVerbatim(dst []byte, v Version, format, s string) []byte {
	if v < V3 {
		return AppendBulkString(dst, s)
	}
	if len(format) != 3 {
		format = "txt"
	}
	dst = append(appendHeader(dst, '=', len(s)+4), format...)
	return append(append(append(dst, ':'), s...), "\r\n"...)
}

// AppendNull writes what is not there: a null, or RESP2's null bulk string.
func AppendNull(dst []byte, v Version) []byte {
	if v < V3 {
		return append(dst, "$-1\r\n"...)
	}
	return append(dst, "_\r\n"...)
}

// AppendNullArray writes an array that is not there: a null, or RESP2's null array.
func AppendNullArray(dst []byte, v Version) []byte {
	if v < V3 {
		return append(dst, "*-1\r\n"...)
	}
	return append(dst, "_\r\n"...)
}

// AppendBool writes a boolean, for RESP2 the integer 1 or 0.
func AppendBool(dst []byte, v Version, b bool) []byte {
	switch {
	case v < V3 && b:
		return append(dst, ":1\r\n"...)
	case v < V3:
		return append(dst, ":0\r\n"...)
	case b:
		return append(dst, "#t\r\n"...)
	default:
		return append(dst, "#f\r\n"...)
	}
}

// AppendDouble writes a number with the fewest digits that read back as the same, for RESP2 as a bulk string. What is not finite
// is inf, -inf and nan.
func AppendDouble(dst []byte, v Version, f float64) []byte {
	var buf [32]byte
	b := appendFloat(buf[:0], f)
	if v < V3 {
		return AppendBulk(dst, b)
	}
	return append(append(append(dst, ','), b...), "\r\n"...)
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return strconv.AppendFloat(dst, f, 'f', 0, 64)
	default:
		return strconv.AppendFloat(dst, f, 'g', -1, 64)
	}
}

// AppendBigNumber writes an integer of any size, for RESP2 as a bulk string.
func AppendBigNumber(dst []byte, v Version, n *big.Int) []byte {
	if v < V3 {
		return AppendBulkString(dst, n.String())
	}
	return append(n.Append(append(dst, '('), 10), "\r\n"...)
}

// AppendArray begins an array of n elements, which are written next.
func AppendArray(dst []byte, n int) []byte { return appendHeader(dst, '*', n) }

// AppendMap begins a map of n entries: n times a key and its value are written next. For RESP2 it is an array of twice
// as many elements.
func AppendMap(dst []byte, v Version, n int) []byte {
	if v < V3 {
		return appendHeader(dst, '*', 2*n)
	}
	return appendHeader(dst, '%', n)
}

// AppendSet begins a set of n elements, for RESP2 an array.
func AppendSet(dst []byte, v Version, n int) []byte {
	if v < V3 {
		return appendHeader(dst, '*', n)
	}
	return appendHeader(dst, '~', n)
}

// AppendPush begins a push of n elements, of which the first is a string that says what kind it is: something that nobody asked
// for. For RESP2 it is an array, which only a client in subscribed mode can tell from an answer.
func AppendPush(dst []byte, v Version, n int) []byte {
	if v < V3 {
		return appendHeader(dst, '*', n)
	}
	return appendHeader(dst, '>', n)
}

// AppendAttribute begins n pairs of key and value that say something about the value behind them. RESP2 has nothing like it: a
// server must not send one to such a client.
func AppendAttribute(dst []byte, n int) []byte { return appendHeader(dst, '|', n) }

// AppendCommand writes a command as clients send it: an array of bulk strings.
func AppendCommand[T ~string | ~[]byte](dst []byte, args ...T) []byte {
	dst = appendHeader(dst, '*', len(args))
	for _, a := range args {
		dst = append(append(appendHeader(dst, '$', len(a)), a...), "\r\n"...)
	}
	return dst
}

func appendHeader(dst []byte, kind byte, n int) []byte {
	if 0 <= n && n <= 9 {
		return append(dst, kind, '0'+byte(n), '\r', '\n')
	}
	return append(strconv.AppendInt(append(dst, kind), int64(n), 10), "\r\n"...)
}

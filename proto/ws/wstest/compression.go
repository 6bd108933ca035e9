package wstest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// sizes are the messages of a group of section 12 or 13: their size, and that of their fragments, 0 for none.
var sizes = [][2]int{
	{16, 0},
	{64, 0},
	{256, 0},
	{1 << 10, 0},
	{4 << 10, 0},
	{8 << 10, 0},
	{16 << 10, 0},
	{32 << 10, 0},
	{64 << 10, 0},
	{128 << 10, 0},
	{8 << 10, 256},
	{16 << 10, 256},
	{32 << 10, 256},
	{64 << 10, 256},
	{128 << 10, 256},
	{128 << 10, 1 << 10},
	{128 << 10, 4 << 10},
	{128 << 10, 32 << 10},
}

// compression is section 12, different payloads, and section 13, different parameters.
func compression(rounds func(size int) int) (list []testCase) {
	group := func(id, offer string, data *payloads) {
		for i, s := range sizes {
			list = append(list, testCase{id: fmt.Sprintf("%s.%d", id, i+1), extensions: offer, end: normal(), run: func(c *client) error {
				return c.exchangeMany(data, s[0], s[1], rounds(s[0]))
			}})
		}
	}
	// What autobahn offers by default: no context of ours to be kept, and any window, if the server wants that.
	const offer = "permessage-deflate; client_no_context_takeover; client_max_window_bits"
	json := generate("text", likeJSON)
	for i, data := range []*payloads{json, generate("binary", likePicture), generate("binary", likeProse), generate("text", likeHTML), generate("binary", likePDF)} {
		group(fmt.Sprintf("12.%d", i+1), offer, data)
	}
	const none = "; server_no_context_takeover"
	bits := func(n int) string { return fmt.Sprintf("; server_max_window_bits=%d", n) }
	for i, o := range []string{
		offer, offer + none, offer + bits(9), offer + bits(15), offer + none + bits(9), offer + none + bits(15),
		offer + none + bits(9) + ", " + offer + none + ", " + offer,
	} {
		group(fmt.Sprintf("13.%d", i+1), o, json)
	}
	return list
}

// errUnimplemented is the verdict on a server that does not agree to compress.
var errUnimplemented = fmt.Errorf("the server does not agree to permessage-deflate")

// exchangeMany sends n messages of size characters, one after the other, and reads each back.
func (c *client) exchangeMany(data *payloads, size, fragment, n int) error {
	if c.pmd == nil {
		c.sendClose(closePayload(1000, ""))
		return errUnimplemented
	}
	op := byte(opBinary)
	if data.what == "text" {
		op = opText
	}
	for at := 0; n > 0; n-- {
		payload := data.piece(at, size)
		at += size
		packed := c.pmd.pack(payload)
		if fragment == 0 {
			fragment = len(packed) + size
		}
		frames := fragments(op, packed, fragment)
		frames[0].rsv = 4
		if err := c.exchange(atOnce, data.what, frames, payload); err != nil {
			return err
		}
	}
	c.sendClose(closePayload(1000, ""))
	return nil
}

// payloads is what messages are cut from: characters of a text, or bytes.
type payloads struct {
	what  string
	runes []rune // of a text
	bytes string // of something binary
}

// piece is size characters from at on, around the end.
func (p *payloads) piece(at, size int) string {
	var b strings.Builder
	for size > 0 {
		length := max(len(p.runes), len(p.bytes))
		from := at % length
		n := min(size, length-from)
		if p.what == "text" {
			b.WriteString(string(p.runes[from : from+n]))
		} else {
			b.WriteString(p.bytes[from : from+n])
		}
		at, size = at+n, size-n
	}
	return b.String()
}

// generate makes 200,000 bytes and more, always the same.
func generate(what string, more func(b *strings.Builder, rng *rand.Rand)) *payloads {
	var b strings.Builder
	rng := rand.New(rand.NewPCG(12, 13)) //nolint:gosec // data of a test
	for b.Len() < 200_000 {
		more(&b, rng)
	}
	p := &payloads{what: what}
	if what == "text" {
		p.runes = []rune(b.String())
	} else {
		p.bytes = b.String()
	}
	return p
}

var someWords = strings.Fields("der die und in ein zu das nicht von mit sich auf für ist im dem Geist Welt Herz Nacht wohl soll doch " +
	"nur wie wenn mir dir euch hier dort immer wieder Teufel Himmel Erde Leben Lust Schmerz Blick Wort Kraft Wesen fühlen schön größe süß")

func word(rng *rand.Rand) string { return someWords[rng.IntN(len(someWords))] }

func likeJSON(b *strings.Builder, rng *rand.Rand) {
	fmt.Fprintf(b, `{"id": %d, "guid": "%08x-%04x", "active": %v, "balance": "$%.2f", "name": "%s %s", "tags": ["%s", "%s", "%s"], "greeting": "Hällo, %s! €%d"},`+"\n",
		rng.IntN(100_000), rng.Uint32(), rng.IntN(1<<16), rng.IntN(2) == 0, rng.Float64()*4000, word(rng), word(rng), word(rng), word(rng), word(rng), word(rng), rng.IntN(100))
}

// likePicture is a row of grey that drifts, with noise.
func likePicture(b *strings.Builder, rng *rand.Rand) {
	grey := rng.IntN(256)
	for range 512 {
		grey += rng.IntN(5) - 2
		b.WriteByte(byte(grey))
	}
}

func likeProse(b *strings.Builder, rng *rand.Rand) {
	for range 6 + rng.IntN(3) {
		b.WriteString(word(rng))
		b.WriteByte(' ')
	}
	b.WriteString(",\r\n")
}

func likeHTML(b *strings.Builder, rng *rand.Rand) {
	fmt.Fprintf(b, "<tr class=\"row-%d\"><td><a href=\"/wiki/%s_%s?id=%d\" title=\"%s\">%s %s</a></td><td class=\"num\">%d</td></tr>\n",
		rng.IntN(2), word(rng), word(rng), rng.IntN(10_000), word(rng), word(rng), word(rng), rng.IntN(1_000_000))
}

// likePDF is streams that are compressed already, between short texts.
func likePDF(b *strings.Builder, rng *rand.Rand) {
	n := 500 + rng.IntN(3000)
	fmt.Fprintf(b, "%d 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n", rng.IntN(1000), n)
	var word [8]byte
	for range n / 8 {
		binary.LittleEndian.PutUint64(word[:], rng.Uint64())
		b.Write(word[:])
	}
	b.WriteString("\nendstream\nendobj\n")
}

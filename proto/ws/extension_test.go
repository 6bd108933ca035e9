package ws

import (
	"strings"
	"testing"
)

// What a server makes of offers.
func TestNegotiateDeflate(t *testing.T) {
	const ours = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, c := range []struct {
		section, rule string
		offers        []string
		deflate       Deflate
		answer        string
		err           error
	}{
		{"7692, 5", "no offer, no compression", nil, 0, "", nil},
		{"7692, 7.1", "an offer without parameters", []string{"permessage-deflate"}, 15, ours, nil},
		{"7692, 7.1", "what Chrome offers", []string{"permessage-deflate; client_max_window_bits"}, 15, ours, nil},
		{"7692, 7.1", "what Firefox offers", []string{"permessage-deflate"}, 15, ours, nil},
		{"7692, 7.1.1.1", "the server takes no context over", []string{"permessage-deflate; server_no_context_takeover"}, 15, ours, nil},
		{"7692, 7.1.1.2", "nor the client", []string{"permessage-deflate; client_no_context_takeover"}, 15, ours, nil},
		{"7692, 7.1.2.1", "the server's window is as it was offered", []string{"permessage-deflate; server_max_window_bits=10"}, 10, ours + "; server_max_window_bits=10", nil},
		{"7692, 7.1.2.1", "down to 8", []string{"permessage-deflate; server_max_window_bits=8"}, 8, ours + "; server_max_window_bits=8", nil},
		{"7692, 7.1.2.1", "up to 15, which is said, too", []string{"permessage-deflate; server_max_window_bits=15"}, 15, ours + "; server_max_window_bits=15", nil},
		{"7692, 7.1.2.1", "a value may be quoted", []string{`permessage-deflate; server_max_window_bits="1\2"`}, 12, ours + "; server_max_window_bits=12", nil},
		{"7692, 7.1.2.2", "the client's window does not matter", []string{"permessage-deflate; client_max_window_bits=8"}, 15, ours, nil},
		{"7692, 7.1", "all at once", []string{"permessage-deflate;client_max_window_bits;server_max_window_bits=9;server_no_context_takeover;client_no_context_takeover"}, 9, ours + "; server_max_window_bits=9", nil},
		{"7692, 7.1", "an unknown parameter is declined", []string{"permessage-deflate; x"}, 0, "", nil},
		{"7692, 7.1", "a parameter given twice is declined", []string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, 0, "", nil},
		{"7692, 7.1", "a parameter given twice is declined", []string{"permessage-deflate; client_max_window_bits; client_max_window_bits=10"}, 0, "", nil},
		{"7692, 7.1", "a parameter given twice is declined", []string{"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10"}, 0, "", nil},
		{"7692, 7.1", "a parameter given twice is declined", []string{"permessage-deflate; client_no_context_takeover; client_no_context_takeover"}, 0, "", nil},
		{"7692, 7.1.1.1", "a value where none belongs is declined", []string{"permessage-deflate; server_no_context_takeover=1"}, 0, "", nil},
		{"7692, 7.1.1.2", "a value where none belongs is declined", []string{`permessage-deflate; client_no_context_takeover="x"`}, 0, "", nil},
		{"7692, 7.1.2.1", "a window without a value is declined", []string{"permessage-deflate; server_max_window_bits"}, 0, "", nil},
		{"7692, 7.1.2.1", "a window of 7 is declined", []string{"permessage-deflate; server_max_window_bits=7"}, 0, "", nil},
		{"7692, 7.1.2.1", "a window of 16 is declined", []string{"permessage-deflate; server_max_window_bits=16"}, 0, "", nil},
		{"7692, 7.1.2", "a leading zero is declined", []string{"permessage-deflate; server_max_window_bits=08"}, 0, "", nil},
		{"7692, 7.1.2.2", "a client's window of 7 is declined", []string{"permessage-deflate; client_max_window_bits=7"}, 0, "", nil},
		{"7692, 5.1", "the next offer is taken when one is declined", []string{"permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=11"}, 11, ours + "; server_max_window_bits=11", nil},
		{"7692, 5.1", "the first offer is preferred", []string{"permessage-deflate; server_max_window_bits=11, permessage-deflate"}, 11, ours + "; server_max_window_bits=11", nil},
		{"6455, 9.1", "offers may come in several fields", []string{"x-webkit-deflate-frame", "permessage-bzip2; level=9, permessage-deflate"}, 15, ours, nil},
		{"6455, 9.1", "unknown extensions are ignored", []string{`foo; a="b"; c`}, 0, "", nil},
		{"6455, 9.1", "a name is compared as it is", []string{"Permessage-Deflate"}, 0, "", nil},
		{"9110, 5.6.1", "empty elements are ignored", []string{" , ,permessage-deflate ,, "}, 15, ours, nil},
		{"6455, 9.1", "no list", []string{"permessage-deflate;"}, 0, "", errExtensions},
		{"6455, 9.1", "no list", []string{"permessage-deflate;;client_max_window_bits"}, 0, "", errExtensions},
		{"6455, 9.1", "no list", []string{"permessage-deflate client_max_window_bits"}, 0, "", errExtensions},
		{"6455, 9.1", "no list", []string{"permessage-deflate; client_max_window_bits="}, 0, "", errExtensions},
		{"6455, 9.1", "no list", []string{"permessage-deflate; =8"}, 0, "", errExtensions},
		{"6455, 9.1", "no list", []string{"=8"}, 0, "", errExtensions},
		{"6455, 9.1", "no list", []string{"permessage-deflate", "\x00"}, 0, "", errExtensions},
		{"6455, 9.1", "a quoted value that does not end", []string{`a; b="c`}, 0, "", errExtensions},
		{"6455, 9.1", "a quoted value that does not end", []string{`a; b="c\`}, 0, "", errExtensions},
		{"6455, 9.1", "a quoted value that is no token", []string{`a; b="c d"`}, 0, "", errExtensions},
		{"6455, 9.1", "a quoted value that is no token", []string{`a; b=""`}, 0, "", errExtensions},
		{"6455, 9.1", "something behind a quoted value", []string{`a; b="c"d`}, 0, "", errExtensions},
	} {
		d, answer, err := NegotiateDeflate(c.offers...)
		if d != c.deflate || answer != c.answer || err != c.err {
			t.Errorf("RFC %s: %s: %q: %d, %q, %v", c.section, c.rule, c.offers, d, answer, err)
		}
		if answer != "" && d.Window() != 1<<c.deflate {
			t.Errorf("%q: window %d", c.offers, d.Window())
		}
	}
}

// What a client makes of answers.
func TestAcceptDeflate(t *testing.T) {
	for _, c := range []struct {
		section, rule string
		answers       []string
		deflate       Deflate
		err           error
	}{
		{"7692, 5", "the server declines", nil, 0, nil},
		{"6455, 9.1", "an empty list declines", []string{""}, 0, nil},
		{"7692, 7.1.1.1", "the server takes no context over", []string{"permessage-deflate; server_no_context_takeover"}, 15, nil},
		{"7692, 7.1.1.2", "nor the client", []string{OfferDeflate}, 15, nil},
		{"7692, 7.1.2.1", "the server may say its window unasked", []string{OfferDeflate + "; server_max_window_bits=9"}, 15, nil},
		{"7692, 7.1.1.1", "a server that does not agree to take no context over", []string{"permessage-deflate"}, 0, errParameters},
		{"7692, 7.1.2.2", "a window for the client that it did not offer", []string{OfferDeflate + "; client_max_window_bits=15"}, 0, errParameters},
		{"7692, 7.1", "an unknown parameter", []string{OfferDeflate + "; x"}, 0, errParameters},
		{"7692, 7.1", "a wrong value", []string{OfferDeflate + "; server_max_window_bits=99"}, 0, errParameters},
		{"7692, 5.2", "one extension twice", []string{OfferDeflate + ", " + OfferDeflate}, 0, errNotOffered},
		{"6455, 4.1", "an extension that was not offered", []string{"foo"}, 0, errNotOffered},
		{"6455, 4.1", "an extension that was not offered, beside ours", []string{OfferDeflate, "foo"}, 0, errNotOffered},
		{"6455, 9.1", "no list", []string{"permessage-deflate;"}, 0, errExtensions},
	} {
		if d, err := AcceptDeflate(c.answers...); d != c.deflate || err != c.err {
			t.Errorf("RFC %s: %s: %q: %d, %v", c.section, c.rule, c.answers, d, err)
		}
	}
}

// A client takes what a server answers to its offer.
func TestNegotiationBothSides(t *testing.T) {
	server, answer, err := NegotiateDeflate(OfferDeflate)
	if err != nil || server != FullWindow {
		t.Fatal(server, err)
	}
	if client, err := AcceptDeflate(answer); err != nil || client != server {
		t.Fatal(client, err)
	}
}

// FuzzExtensions: a list is refused, or is read as it is written again; and what is answered has been offered.
func FuzzExtensions(f *testing.F) {
	for _, s := range []string{
		"", OfferDeflate, "permessage-deflate; client_max_window_bits=10, foo; a=\"b\\c\" ;d", ",,a;b=c,", "a;", "a=b", "permessage-deflate;server_max_window_bits=9",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		list, ok := parseExtensions(value)
		d, answer, err := NegotiateDeflate(value)
		if !ok {
			if list != nil || err != errExtensions {
				t.Fatalf("%v, %v", list, err)
			}
			return
		}
		var b strings.Builder
		for _, e := range list {
			b.WriteString(e.name)
			for _, p := range e.parameters {
				b.WriteString(";" + p.name)
				if p.valued {
					b.WriteString(`="` + p.value + `"`)
				}
			}
			b.WriteString(",")
		}
		again, ok := parseExtensions(b.String())
		if !ok || len(again) != len(list) {
			t.Fatalf("%q was read, and is not when written as %q", value, b.String())
		}
		for i := range list {
			if again[i].name != list[i].name || len(again[i].parameters) != len(list[i].parameters) {
				t.Fatalf("%q is %v, written again %v", value, list, again)
			}
			for j := range list[i].parameters {
				if again[i].parameters[j] != list[i].parameters[j] {
					t.Fatalf("%q is %v, written again %v", value, list, again)
				}
			}
		}
		if err != nil || d.Agreed() != (answer != "") || d != 0 && (d < 8 || d > 15) {
			t.Fatalf("%d, %q, %v", d, answer, err)
		}
		if d.Agreed() {
			if back, ok := parseExtensions(answer); !ok || len(back) != 1 || !strings.Contains(value, permessageDeflate) {
				t.Fatalf("%q is answered %q", value, answer)
			}
			if strings.Contains(answer, serverMaxWindowBits) && !strings.Contains(value, serverMaxWindowBits) {
				t.Fatalf("%q is answered %q", value, answer)
			}
		}
	})
}

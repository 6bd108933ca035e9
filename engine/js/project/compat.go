package project

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Switch is a change of Cloudflare's runtime that a compatibility date or flag decides about. This file is the one place that
// knows which.
type Switch int

const (
	// FullURL: the URL of stub.fetch must have a scheme and a host.
	FullURL Switch = iota
	// RPC: stubs have methods beside fetch.
	RPC
	// CtxExports: ctx has exports.
	CtxExports
	// RPCParamsDup: stubs in the parameters of a call are duplicated, rather than handed over.
	RPCParamsDup
	// DeleteAllDeletesAlarm: storage.deleteAll deletes the alarm, too.
	DeleteAllDeletesAlarm
	// CloseReasonLimit: the reason of WebSocket.close has at most 123 bytes.
	CloseReasonLimit
	// BinaryTypeBlob: a WebSocket's binaryType is "blob" at first.
	BinaryTypeBlob
	// AutoReplyToClose: a Close frame is answered without the program's doing.
	AutoReplyToClose
	// ErrorProps: an error that crosses a call keeps its own properties, its stack and its class's name.
	ErrorProps
	// RequestSignal: request.signal tells of a client that leaves.
	RequestSignal
	// PopulateProcessEnv: process.env has the variables.
	PopulateProcessEnv
	// NodejsCompat: Node's modules are there under their bare names.
	NodejsCompat

	switches // the number of them
)

// switchTable has the names of workerd's compatibility-date.capnp. since is the first date on which a switch is on by itself; "":
// by its flag alone.
var switchTable = [switches]struct{ on, off, since string }{
	FullURL:               {"durable_object_fetch_requires_full_url", "durable_object_fetch_allows_relative_url", "2021-11-10"},
	RPC:                   {"rpc", "no_rpc", "2024-04-03"},
	CtxExports:            {"enable_ctx_exports", "disable_ctx_exports", "2025-11-17"},
	RPCParamsDup:          {"rpc_params_dup_stubs", "rpc_params_transfer_stubs", "2026-01-20"},
	DeleteAllDeletesAlarm: {"delete_all_deletes_alarm", "delete_all_preserves_alarm", "2026-02-24"},
	CloseReasonLimit:      {"websocket_close_reason_byte_limit", "no_websocket_close_reason_byte_limit", "2026-03-03"},
	BinaryTypeBlob:        {"websocket_standard_binary_type", "no_websocket_standard_binary_type", "2026-03-17"},
	AutoReplyToClose:      {"web_socket_auto_reply_to_close", "web_socket_manual_reply_to_close", "2026-04-07"},
	ErrorProps:            {"enhanced_error_serialization", "legacy_error_serialization", "2026-04-21"},
	RequestSignal:         {"enable_request_signal", "disable_request_signal", "9999-12-31"}, // no date yet; without one it is on
	PopulateProcessEnv:    {"nodejs_compat_populate_process_env", "nodejs_compat_do_not_populate_process_env", "2025-04-01"},
	NodejsCompat:          {"nodejs_compat", "no_nodejs_compat", ""},
}

// On reports whether a switch is on: by its flag, unless another turns it off, or by the compatibility date. A project that
// states no date gets what is newest.
func (p *Project) On(s Switch) bool {
	row := switchTable[s]
	has := func(flag string) bool { return flag != "" && slices.Contains(p.CompatibilityFlags, flag) }
	switch {
	case has(row.on), s == NodejsCompat && has("nodejs_compat_v2"):
		return true
	case has(row.off), row.since == "":
		return false
	}
	return p.CompatibilityDate == "" || p.CompatibilityDate >= row.since
}

//go:embed flags.txt
var flagList string

// opposites leads from each flag to the one that says the contrary, or "-".
var opposites = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(flagList) {
		on, off, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || on == "#" {
			continue
		}
		all[on], all[off] = off, on
	}
	delete(all, "-")
	return all
})

// compatibility checks date and flags. today is YYYY-MM-DD, or "" if it does not matter.
func (c *config) compatibility(s *section, p *Project, today string, path func(key string) []any) *Error {
	if d := s.CompatibilityDate; d != "" {
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			return c.failAt(fmt.Sprintf("%q is not a date", d), "Write it as YYYY-MM-DD, for example 2026-11-01.", path("compatibility_date")...)
		}
		if today != "" && d > today {
			return c.failAt(fmt.Sprintf("%s is in the future: today is %s", d, today), "Give the day on which you last looked whether the program works with what is newest.", path("compatibility_date")...)
		}
	}
	for i, flag := range s.CompatibilityFlags {
		at := append(path("compatibility_flags"), i)
		opposite, known := opposites()[flag]
		switch {
		case !known:
			p.warnAt(c, fmt.Sprintf("the flag %q is not known and has no effect", flag), at...)
		case slices.Contains(s.CompatibilityFlags, opposite):
			return c.failAt(fmt.Sprintf("the flags %q and %q contradict each other", flag, opposite), "Take one of them out.", at...)
		}
	}
	return nil
}

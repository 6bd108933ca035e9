// Package transfer moves objects in and out of data directories: it reads the local state of Cloudflare's tools (wrangler, miniflare, workerd), writes every
// object as a line of JSON, and reads those back.
//
// Nothing here runs while an engine serves the directory that is written to: an import takes the directory's lock. An export
// reads beside a running engine. All functions may be called by any goroutine but a loop's; each call is of one goroutine.
package transfer

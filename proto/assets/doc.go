// Package assets serves a project's static files: a folder is read once into a [Site], and [Site.Find] answers requests
// from memory. It knows no sockets, no loops and no engine; a Site is not changed after Load, but for the compressed
// forms that are added as they get ready, so it is safe for concurrent use.
//
// What a path means follows Cloudflare's static assets (html_handling and not_found_handling of a wrangler
// configuration): "/about" finds about, about.html, or leads to about/index.html, and each page has one address, to
// which its others redirect. Answers have a content type, a strong ETag, ranges and conditions (RFC 9110), and are
// compressed with zstd or gzip where that helps and the client takes it.
//
// The files _headers and _redirects of the folder are not served: they are Cloudflare's rules for the others.
//
// Bounds: a Site has at most [MaxFiles] files of at most [MaxFileBytes], and at most Options.MaxBytes in all. Files whose
// name begins with a dot are left out, but for those in ".well-known", and so is what leads out of the folder.
package assets

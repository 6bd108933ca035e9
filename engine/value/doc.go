// Package value is the format of what objects store and of what calls carry between objects: CBOR (RFC 8949) with
// tags for what JavaScript's structured clone has beyond it. docs/format/value.md specifies it, and what Go and others
// see of each kind.
//
// It has three layers, all pure functions over bytes, so any goroutine may call them:
//
//   - The streaming codec, without reflection and without allocation. The Append functions write one head or one leaf
//     each; [Reader] is a cursor over tokens, with methods that read and check what the tags stand for. The
//     JavaScript host walks its own objects with these. [Sharing] puts in the tags for objects that occur
//     more than once.
//   - Go values: [Marshal], [Append] and [Unmarshal], on fxamacker/cbor where reflection is needed, and the Go types
//     for what Go does not have.
//   - [Format], which shows any value to a person, and [Validate], which checks one without reading it into anything.
//
// Data that is read may be damaged or hostile. Nothing here panics over it, recurses deeper than [MaxDepth], or allocates
// more than in proportion to its length. Errors about data are [*FormatError]s, with the offset.
package value

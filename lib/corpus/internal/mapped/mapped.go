// Package mapped lays a file into memory without reading it: the one thing that opening a corpus and opening its tokens share.
//
// Invariant: the bytes are read-only and change only if another process rewrites the file in place, which nothing here does: every
// file of a corpus is made under another name and moved.
package mapped

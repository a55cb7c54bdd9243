// Package echarts holds Apache ECharts and draws with it where no browser is.
//
// The library is the published minified build, unchanged, compressed with gzip so that a page can carry and unpack it by itself.
// [SVG] runs it in a JavaScript interpreter with its own server-side renderer. Its licence lies beside it.
//
// Invariant: the embedded file is the published one; a test knows its SHA-256.
//
// Invariant: an option is data. It can make one drawing fail or take too long, never the next one.
package echarts

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Version is that of the embedded library.
const Version = "6.1.0"

// Gzip is echarts.min.js, compressed.
//
//go:embed echarts.min.js.gz
var Gzip []byte

// source unpacks the library.
func source() (string, error) {
	r, err := gzip.NewReader(bytes.NewReader(Gzip))
	if err != nil {
		return "", fmt.Errorf("echarts: embedded library: %w", err)
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

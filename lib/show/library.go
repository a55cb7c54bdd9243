package show

import (
	_ "embed"
	"encoding/base64"
	"strings"
	"sync"

	"quire/lib/show/internal/echarts"
)

//go:embed library.js
var libraryJS string

// LibraryHTML is the script that every page with charts needs once: ECharts, packed, and what draws the queued charts with it.
// A bundle of the first chart of a notebook holds it; [Report] puts it into the page once.
var LibraryHTML = sync.OnceValue(func() string {
	return `<script class="quire-library">` + strings.Replace(libraryJS, "GZIP",
		base64.StdEncoding.EncodeToString(echarts.Gzip), 1) + `</script>`
})

// carrier is the run of the cell whose output holds the library.
var carrier struct {
	sync.Mutex
	sink      Sink
	cell, run string
}

// carry reports whether the chart shown now takes the library along: the first one does, and so does the first one when the cell
// that the library stands in is run again, because that run replaces its output.
func carry() bool {
	s := sink()
	cell, run := s.Cell(), ""
	if r, ok := s.(interface{ Run() string }); ok {
		run = r.Run()
	}
	carrier.Lock()
	defer carrier.Unlock()
	again := cell != "" && cell == carrier.cell && run != carrier.run
	if carrier.sink == s && !again {
		return false
	}
	carrier.sink, carrier.cell, carrier.run = s, cell, run
	return true
}

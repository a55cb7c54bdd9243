// Package show makes values visible: charts, tables, progress, text and widgets, in a notebook, a report or a terminal, without a
// network.
//
// A value shows itself by one method, MIMEBundle, which gives it in several media types; every function here returns such a value,
// and a cell whose last expression it is shows it. [Display] shows a value at once, [Update] replaces it.
//
// # Where values go
//
// There are three places, all behind [Sink]: the Quire kernel, whose host installs its own sink with [Install]; a GoNB notebook,
// when GONB_PIPE is set; and the terminal or a pipe, which gets the text form. The host also hands the front end's comm messages to
// [Receive] and tells of interrupted cells with [Interrupted].
//
// # Charts
//
// A chart is a go-echarts chart or an ECharts option. Its bundle holds HTML that is interactive where scripts run and a picture
// where they do not, an SVG drawn here by ECharts itself, a PNG where a converter is installed, and a plot in braille.
// ECharts (internal/echarts) is part of the binary; it is sent once per notebook, by the first chart, and again when that
// chart's cell runs again. A chart without it waits for it and shows its picture meanwhile.
//
// Invariant: a shown value never loads anything from a network.
//
// Invariant: no string that a caller passes as data becomes markup, script or a terminal's control sequence.
//
// Invariant: showing a value costs what is visible, not what the value holds, and never changes the value.
//
// The package imports no stage of the library and no part of the kernel.
package show

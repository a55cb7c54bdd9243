package show

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Size in characters of a plot in text.
const (
	textCols = 64
	textRows = 12
	textBars = 24 // bars or rows listed at most
)

// plain draws the plot in text.
func (p *Plot) plain() string {
	var b strings.Builder
	if p.title != "" {
		b.WriteString(shorten(p.title, textCols) + "\n")
	}
	switch p.kind {
	case "line", "scatter":
		var shown []Series
		for _, s := range p.series {
			x, y := p.visible(s)
			shown = append(shown, Series{Name: s.Name, X: logged(x, p.logX), Y: logged(y, p.logY)})
		}
		b.WriteString(braille(shown, p.kind == "line", p.logX, p.logY))
	case "bar", "hist":
		b.WriteString(barText(p.names, p.series))
	case "heatmap":
		b.WriteString(heatText(p.matrix))
	default:
		b.WriteString(summaryText(p.series))
	}
	return strings.TrimRight(b.String(), "\n")
}

func logged(v []float64, log bool) []float64 {
	if !log {
		return v
	}
	out := make([]float64, len(v))
	for i, f := range v {
		out[i] = math.Log10(f)
	}
	return out
}

// braille draws points or lines on a canvas of 2 × 4 dots a character, with the ranges of both axes and the names of the series.
func braille(series []Series, lines, logX, logY bool) string {
	var xs, ys [][]float64
	for _, s := range series {
		xs, ys = append(xs, s.X), append(ys, s.Y)
	}
	xr, yr := rangeOf(xs...), rangeOf(ys...)
	const w, h = 2 * textCols, 4 * textRows
	var dots [textRows][textCols]rune
	dot := func(x, y int) {
		y = h - 1 - y
		dots[y/4][x/2] |= [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}[y%4][x%2]
	}
	for _, s := range series {
		have, lastX, lastY := false, 0, 0
		for i := range s.Y {
			if bad(s.X[i]) || bad(s.Y[i]) {
				have = false
				continue
			}
			x, y := xr.cell(s.X[i], w), yr.cell(s.Y[i], h)
			if have && lines {
				segment(lastX, lastY, x, y, dot)
			} else {
				dot(x, y)
			}
			have, lastX, lastY = true, x, y
		}
	}
	var b strings.Builder
	high, low := tick(yr.hi, logY), tick(yr.lo, logY)
	margin := max(len(high), len(low))
	for i, row := range dots {
		label := map[int]string{0: high, textRows - 1: low}[i]
		fmt.Fprintf(&b, "%*s ┤", margin, label)
		for _, r := range row {
			b.WriteRune(0x2800 + r)
		}
		b.WriteByte('\n')
	}
	left, right := tick(xr.lo, logX), tick(xr.hi, logX)
	fmt.Fprintf(&b, "%*s  %s%*s\n", margin, "", left, textCols-len(left), right)
	var names []string
	for _, s := range series {
		if s.Name != "" {
			names = append(names, shorten(s.Name, 20))
		}
	}
	if len(names) > 0 {
		fmt.Fprintf(&b, "%*s  %s\n", margin, "", shorten(strings.Join(names, " · "), textCols))
	}
	return b.String()
}

func bad(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

func tick(v float64, log bool) string {
	if log {
		v = math.Pow(10, v)
	}
	return fmt.Sprintf("%.4g", v)
}

// segment calls dot along a straight line.
func segment(x0, y0, x1, y1 int, dot func(x, y int)) {
	steps := max(abs(x1-x0), abs(y1-y0), 1)
	for i := range steps + 1 {
		dot(x0+(x1-x0)*i/steps, y0+(y1-y0)*i/steps)
	}
}

func abs(v int) int { return max(v, -v) }

// barText lists bars of blocks, an eighth of a character exact.
func barText(names []string, series []Series) string {
	var all [][]float64
	for _, s := range series {
		all = append(all, s.Y)
	}
	top := max(0, rangeOf(all...).hi)
	width := 0
	for _, n := range names[:min(len(names), textBars)] {
		width = max(width, utf8.RuneCountInString(shorten(n, 20)))
	}
	var b strings.Builder
	for _, s := range series {
		if s.Name != "" {
			b.WriteString(shorten(s.Name, textCols) + "\n")
		}
		for i, v := range s.Y {
			if i == textBars {
				fmt.Fprintf(&b, "… %d more\n", len(s.Y)-i)
				break
			}
			name := ""
			if i < len(names) {
				name = shorten(names[i], 20)
			}
			fmt.Fprintf(&b, "%s%s ┤%s %.4g\n", strings.Repeat(" ", width-utf8.RuneCountInString(name)), name, blocks(v, top, 40), v)
		}
	}
	return b.String()
}

// blocks is a bar of v where top is width characters long.
func blocks(v, top float64, width int) string {
	if bad(v) || v <= 0 || top <= 0 {
		return ""
	}
	eighths := int(v/top*float64(width)*8 + 0.5)
	bar := strings.Repeat("█", eighths/8)
	if eighths%8 > 0 {
		bar += string(rune(0x2590 - eighths%8))
	}
	return bar
}

// heatText shades a matrix, at most textCols columns and 2·textRows rows, by means of blocks.
func heatText(m [][]float64) string {
	if len(m) == 0 || len(m[0]) == 0 {
		return "(empty)"
	}
	r := rangeOf(m...)
	rows, cols := min(len(m), 2*textRows), min(len(m[0]), textCols/2)
	shades := []rune(" ░▒▓█")
	var b strings.Builder
	for i := range rows {
		for j := range cols {
			v := blockMean(m, i*len(m)/rows, (i+1)*len(m)/rows, j*len(m[0])/cols, (j+1)*len(m[0])/cols)
			shade := ' '
			if !bad(v) {
				shade = shades[r.cell(v, len(shades))]
			}
			b.WriteRune(shade)
			b.WriteRune(shade)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d × %d, %.4g … %.4g", len(m), len(m[0]), r.lo, r.hi)
	return b.String()
}

// summaryText lists the five numbers of each column.
func summaryText(series []Series) string {
	rows := [][]string{{"", "n", "min", "25 %", "median", "75 %", "max"}}
	for _, s := range series {
		y := slices.DeleteFunc(slices.Clone(s.Y), bad)
		slices.Sort(y)
		row := []string{shorten(s.Name, 20), fmt.Sprint(len(y))}
		if len(y) > 0 {
			for _, q := range []float64{0, 0.25, 0.5, 0.75, 1} {
				row = append(row, fmt.Sprintf("%.4g", quantile(y, q)))
			}
		}
		rows = append(rows, row)
	}
	return columnsText(rows, nil)
}

// columnsText aligns rows of cells: the first column to the left, others to the right unless left says so.
func columnsText(rows [][]string, left func(col int) bool) string {
	var width []int
	for _, row := range rows {
		for j, cell := range row {
			if j == len(width) {
				width = append(width, 0)
			}
			width[j] = max(width[j], columns(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for j, cell := range row {
			pad := strings.Repeat(" ", width[j]-columns(cell))
			if j > 0 {
				b.WriteString("  ")
			}
			if left != nil && left(j) || left == nil && j == 0 {
				b.WriteString(cell + pad)
			} else {
				b.WriteString(pad + cell)
			}
		}
		text := strings.TrimRight(b.String(), " ")
		b.Reset()
		b.WriteString(text + "\n")
	}
	return b.String()
}

// columns is how many terminal columns a text takes: two for each wide East Asian character.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r < 0x300:
			n++
		case r >= 0x300 && r < 0x370 || r == 0x200b || r == 0x200d || r >= 0xfe00 && r < 0xfe10:
		case r >= 0x1100 && r < 0x1160 || r >= 0x2e80 && r < 0xa4d0 || r >= 0xac00 && r < 0xd7a4 || r >= 0xf900 && r < 0xfb00 ||
			r >= 0xfe30 && r < 0xfe70 || r >= 0xff00 && r < 0xff61 || r >= 0x1f300 && r < 0x1faff || r >= 0x20000 && r < 0x40000:
			n += 2
		default:
			n++
		}
	}
	return n
}

// shorten cuts a text to n characters of one line.
func shorten(s string, n int) string {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = s[:i] + "…"
	}
	if len(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count++; count == n {
			rest := s[i:]
			if _, size := utf8.DecodeRuneInString(rest); size == len(rest) {
				return s
			}
			return s[:i] + "…"
		}
	}
	return s
}

package show

import (
	"encoding/csv"
	"fmt"
	"html"
	"strconv"
	"strings"

	_ "embed"
)

// How many rows a table shows: on a page, without scripts, and in text.
const (
	pageHead, pageTail   = 500, 50
	stillHead, stillTail = 10, 5
	textHead, textTail   = 8, 4
	maxCols              = 100
	maxCell              = 300     // characters of a cell on a page
	maxCSVCell           = 1 << 12 // bytes of a cell in CSV
	maxCSV               = 1 << 18 // bytes of CSV after which no row is added
)

// TableView is data in rows and columns. Make one with Table.
type TableView struct {
	src     source
	caption string
	err     error
}

// source is where a table's cells come from. Only cells that are shown are asked for.
type source interface {
	rows() int
	columns() []tableColumn
	cell(row, col int) tableCell
}

type tableColumn struct {
	name, kind string
	nulls      int  // -1 where counting would touch every row
	number     bool // aligned to the right and sorted by value
}

type tableCell struct {
	text string
	null bool
}

// Table shows an Arrow record or table, a slice of structs, maps or numbers, a matrix, a struct, a map, or a map of columns. It
// touches only the first and last rows, so its cost does not depend on the length. On a page it sorts by a click and turns pages,
// among the first 500 and last 50 rows.
func Table(v any) *TableView {
	src, err := sourceOf(v)
	return &TableView{src: src, err: err}
}

// Caption names the table.
func (t *TableView) Caption(text string) *TableView {
	t.caption = text
	return t
}

// Err says why there is nothing to show; the bundle says the same.
func (t *TableView) Err() error { return t.err }

// MIMEBundle gives the table as a page's table, as text, and as CSV.
func (t *TableView) MIMEBundle() map[string]any {
	if t.err != nil {
		return map[string]any{"text/plain": t.err.Error()}
	}
	g := t.take(pageHead, pageTail)
	return map[string]any{"text/html": g.html(), "text/plain": g.plain(), "text/csv": g.csv()}
}

// grid is what is shown of a table: its first and last rows.
type grid struct {
	caption string
	total   int
	columns []tableColumn
	more    int   // columns left out
	index   []int // of each row in the table
	cells   [][]tableCell
}

func (t *TableView) take(head, tail int) grid {
	g := grid{caption: t.caption, total: t.src.rows(), columns: t.src.columns()}
	if len(g.columns) > maxCols {
		g.more, g.columns = len(g.columns)-maxCols, g.columns[:maxCols]
	}
	for i := 0; i < g.total; i++ {
		if i == head && g.total > head+tail {
			i = g.total - tail
		}
		row := make([]tableCell, len(g.columns))
		for j := range row {
			row[j] = t.src.cell(i, j)
		}
		g.index, g.cells = append(g.index, i), append(g.cells, row)
	}
	return g
}

// still picks the rows to list when only head and tail rows fit; at is where rows are left out, -1 for nowhere.
func (g *grid) still(head, tail int) (rows []int, at int) {
	n := len(g.cells)
	if n <= head+tail {
		for i := range n {
			rows = append(rows, i)
		}
		return rows, g.gap()
	}
	for i := range head {
		rows = append(rows, i)
	}
	for i := n - tail; i < n; i++ {
		rows = append(rows, i)
	}
	return rows, head
}

// gap is the first taken row that does not follow the one before, -1 for none.
func (g *grid) gap() int {
	for i := 1; i < len(g.index); i++ {
		if g.index[i] != g.index[i-1]+1 {
			return i
		}
	}
	return -1
}

func (g *grid) footer() string {
	columns := len(g.columns) + g.more
	text := fmt.Sprintf("%s row%s × %d column%s", thousands(g.total), plural(g.total), columns, plural(columns))
	if g.more > 0 {
		text += fmt.Sprintf(" (the first %d shown)", len(g.columns))
	}
	return text
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// head is the second line of a column's head.
func (c tableColumn) head() string {
	if c.nulls > 0 {
		return c.kind + ", " + thousands(c.nulls) + " null"
	}
	return c.kind
}

func (g *grid) plain() string {
	names, kinds := []string{""}, []string{""}
	for _, c := range g.columns {
		names, kinds = append(names, visible(shorten(c.name, 32))), append(kinds, shorten(c.head(), 32))
	}
	rows, at := g.still(textHead, textTail)
	lines := [][]string{names, kinds}
	for n, i := range rows {
		if n == at {
			lines = append(lines, []string{"…"})
		}
		line := []string{strconv.Itoa(g.index[i])}
		for _, c := range g.cells[i] {
			text := visible(shorten(c.text, 40))
			if c.null {
				text = "∅"
			}
			line = append(line, text)
		}
		lines = append(lines, line)
	}
	text := columnsText(lines, func(col int) bool { return col > 0 && !g.columns[col-1].number })
	if g.caption != "" {
		text = shorten(g.caption, textCols) + "\n" + text
	}
	return text + g.footer()
}

func (g *grid) csv() string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	record := make([]string, len(g.columns))
	for j, c := range g.columns {
		record[j] = c.name
	}
	w.Write(record)
	for _, row := range g.cells {
		if b.Len() > maxCSV {
			break
		}
		for j, c := range row {
			record[j] = c.text
			if len(c.text) > maxCSVCell {
				record[j] = strings.ToValidUTF8(c.text[:maxCSVCell], "") + "…"
			}
			if c.null {
				record[j] = ""
			}
		}
		w.Write(record)
	}
	w.Flush()
	return b.String()
}

//go:embed table.js
var tableJS string

//go:embed table.css
var tableCSS string

func (g *grid) html() string {
	code, id := g.code(), ""
	if code != "" {
		id = contentID(code)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<div class="quire-table" data-quire="%s"><style>%s</style>`, id, tableCSS)
	b.WriteString(`<table>`)
	if g.caption != "" {
		fmt.Fprintf(&b, `<caption>%s</caption>`, html.EscapeString(shorten(g.caption, maxCell)))
	}
	b.WriteString(`<thead><tr><th></th>`)
	for _, c := range g.columns {
		class := ""
		if c.number {
			class = ` class="quire-n"`
		}
		fmt.Fprintf(&b, `<th%s>%s<br><small>%s</small></th>`, class, html.EscapeString(shorten(c.name, maxCell)), html.EscapeString(c.head()))
	}
	b.WriteString(`</tr></thead><tbody>`)
	rows, at := g.still(stillHead, stillTail)
	for n, i := range rows {
		if n == at {
			fmt.Fprintf(&b, `<tr><th>⋮</th><td colspan="%d"></td></tr>`, len(g.columns))
		}
		g.rowHTML(&b, i)
	}
	fmt.Fprintf(&b, `</tbody></table><div class="quire-foot"><span>%s</span></div></div>`, g.footer())
	if code != "" {
		fmt.Fprintf(&b, `<script>(%s)(%q,%s)</script>`, strings.TrimSpace(tableJS), id, code)
	}
	return b.String()
}

func (g *grid) rowHTML(b *strings.Builder, i int) {
	fmt.Fprintf(b, `<tr><th>%d</th>`, g.index[i])
	for j, c := range g.cells[i] {
		switch {
		case c.null:
			b.WriteString(`<td class="quire-null">∅</td>`)
		case g.columns[j].number:
			fmt.Fprintf(b, `<td class="quire-n">%s</td>`, html.EscapeString(c.text))
		default:
			fmt.Fprintf(b, `<td dir="auto">%s</td>`, html.EscapeString(shorten(c.text, maxCell)))
		}
	}
	b.WriteString(`</tr>`)
}

// code is the rows for the page's own sorting and paging, empty where there is nothing to sort.
func (g *grid) code() string {
	if len(g.cells) < 2 {
		return ""
	}
	rows := make([][]any, len(g.cells))
	for i, cells := range g.cells {
		row := make([]any, 1+len(cells))
		row[0] = g.index[i]
		for j, c := range cells {
			if !c.null {
				row[1+j] = shorten(c.text, maxCell)
			}
		}
		rows[i] = row
	}
	numbers := make([]bool, len(g.columns))
	for j, c := range g.columns {
		numbers[j] = c.number
	}
	code, err := script(map[string]any{"rows": rows, "numbers": numbers})
	if err != nil {
		return "" // the still table stands
	}
	return code
}

// thousands writes n with thin spaces between groups of three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

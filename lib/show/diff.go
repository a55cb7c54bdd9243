package show

import (
	"fmt"
	"html"
	"strings"
)

// change is one line of a comparison: kept ' ', removed '-', added '+'.
type change struct {
	op   byte
	text string
}

// diffCells bounds the table of the comparison; texts whose differing middles are larger show them as replaced whole.
const diffCells = 4 << 20

// Diff compares two texts by lines.
func Diff(before, after string) Value {
	changes := diffLines(splitLines(before), splitLines(after))
	var plain, rich strings.Builder
	rich.WriteString(`<pre class="quire-diff" style="line-height:1.4">`)
	for _, c := range near(changes, 3) {
		if c.op == '@' {
			fmt.Fprintf(&plain, "@@ %s\n", c.text)
			fmt.Fprintf(&rich, `<span style="display:block;opacity:.6">@@ %s</span>`, c.text)
			continue
		}
		fmt.Fprintf(&plain, "%c%s\n", c.op, shorten(c.text, maxText))
		style := map[byte]string{'-': "background:rgba(220,60,60,.22)", '+': "background:rgba(40,160,80,.22)", ' ': ""}[c.op]
		fmt.Fprintf(&rich, `<span style="display:block;%s">%c%s</span>`, style, c.op, html.EscapeString(shorten(c.text, maxText)))
	}
	rich.WriteString(`</pre>`)
	return Value{"text/html": rich.String(), "text/plain": strings.TrimSuffix(plain.String(), "\n")}
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// diffLines is a shortest list of changes, by the table of longest common subsequences of what lies between equal ends.
func diffLines(a, b []string) (out []change) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		out = append(out, change{' ', a[head]})
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	kept := a[len(a)-tail:]
	a, b = a[head:len(a)-tail], b[head:len(b)-tail]
	common := func(i, j int) int32 { return 0 }
	if len(a)*len(b) <= diffCells {
		common = commonTable(a, b)
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, change{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common(i+1, j) >= common(i, j+1):
			out = append(out, change{'-', a[i]})
			i++
		default:
			out = append(out, change{'+', b[j]})
			j++
		}
	}
	for _, line := range kept {
		out = append(out, change{' ', line})
	}
	return out
}

// commonTable gives the length of the longest common subsequence of a[i:] and b[j:].
func commonTable(a, b []string) func(i, j int) int32 {
	width := len(b) + 1
	table := make([]int32, (len(a)+1)*width)
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i*width+j] = table[(i+1)*width+j+1] + 1
			} else {
				table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
			}
		}
	}
	return func(i, j int) int32 { return table[i*width+j] }
}

// near leaves out unchanged lines farther than n from a change; a line of op '@' stands for them.
func near(changes []change, n int) (out []change) {
	beside := make([]bool, len(changes))
	for i, c := range changes {
		if c.op != ' ' {
			for k := max(0, i-n); k <= min(len(changes)-1, i+n); k++ {
				beside[k] = true
			}
		}
	}
	for i := 0; i < len(changes); {
		if beside[i] {
			out = append(out, changes[i])
			i++
			continue
		}
		start := i
		for i < len(changes) && !beside[i] {
			i++
		}
		if i-start == 1 {
			out = append(out, changes[start])
		} else {
			out = append(out, change{'@', fmt.Sprintf("%d equal lines", i-start)})
		}
	}
	return out
}

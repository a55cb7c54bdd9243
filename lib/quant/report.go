package quant

import (
	"fmt"
	"strings"

	"quire/lib/show"
	"quire/simd/dtype"
)

// Row says what quantisation did to one matrix. Errors are ‖Y′−Y‖ ÷ ‖Y‖ over calibration rows, where Y is the output of the attention for qkv, of the MLP for gate_up, and the matrix's own for the
// others; 0 where there were none.
type Row struct {
	Layer   int
	Role    string  // qkv, out, gate_up, down
	Type    string  // what it became: F16 where its rows are no multiple of the block
	Error   float64 // as it is now
	Rounded float64 // what rounding to nearest would give
	Alpha   float64 // AWQ's exponent
}

// Report is what Quantize did. It shows itself as a chart and a table.
type Report struct {
	Method                  Method
	Type                    dtype.Type
	Rows                    []Row
	Before, After           float64 // perplexity; 0: not measured
	BytesBefore, BytesAfter int64
	Params                  int64
}

// String is the report in one line.
func (r *Report) String() string {
	text := fmt.Sprintf("%s to %v: %s → %s, %.2f bits a parameter", r.Method, r.Type, show.Size(r.BytesBefore), show.Size(r.BytesAfter), 8*float64(r.BytesAfter)/float64(max(r.Params, 1)))
	if e, rounded := r.MeanError(); e > 0 {
		text += fmt.Sprintf("; output error %.2f %%", 100*e)
		if r.Method != RTN {
			text += fmt.Sprintf(" (rounding: %.2f %%)", 100*rounded)
		}
	}
	if r.Before > 0 {
		text += fmt.Sprintf("; perplexity %.4f → %.4f", r.Before, r.After)
	}
	return text
}

// MeanError is the mean of Error and of Rounded over the matrices.
func (r *Report) MeanError() (e, rounded float64) {
	for _, row := range r.Rows {
		e += row.Error / float64(len(r.Rows))
		rounded += row.Rounded / float64(len(r.Rows))
	}
	return e, rounded
}

// MIMEBundle shows the line, the chart and the table.
func (r *Report) MIMEBundle() map[string]any {
	html, plain := []string{"<p>" + r.String() + "</p>"}, []string{r.String()}
	for _, part := range []map[string]any{r.Chart().MIMEBundle(), show.Table(r.Rows).MIMEBundle()} {
		if s, ok := part["text/html"].(string); ok {
			html = append(html, s)
		}
		if s, ok := part["text/plain"].(string); ok {
			plain = append(plain, s)
		}
	}
	return map[string]any{"text/html": strings.Join(html, "\n"), "text/plain": strings.Join(plain, "\n")}
}

// Chart is the output error of every matrix, by the method and by rounding.
func (r *Report) Chart() *show.Plot {
	labels, now, rounded := make([]string, len(r.Rows)), make([]float64, len(r.Rows)), make([]float64, len(r.Rows))
	for i, row := range r.Rows {
		labels[i] = fmt.Sprintf("%d %s", row.Layer, row.Role)
		now[i], rounded[i] = 100*row.Error, 100*row.Rounded
	}
	series := []any{show.S(string(r.Method), now)}
	if r.Method != RTN {
		series = append(series, show.S(string(RTN), rounded))
	}
	return show.Bar(labels, series...).Title("Output error of each matrix").Labels("layer and role", "error, %")
}

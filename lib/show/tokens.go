package show

import (
	"fmt"
	"html"
	"strings"
)

// maxTokens is how many tokens are shown.
const maxTokens = 10_000

// hues tell neighbouring tokens apart, on light and dark pages.
var hues = []string{"84,112,198", "58,160,110", "214,138,30", "200,80,120", "40,150,180"}

// Tokens shows text as a tokenizer cut it. Pieces are the texts of the tokens, ids a slice of integers or nil, and values nil or
// one number for each token, such as its log-probability: then the colour tells the value, from pale at the least to strong at the
// greatest. Pointing at a token shows all three.
func Tokens(ids any, pieces []string, values []float64) Value {
	var id []float64
	if ids != nil {
		var err error
		if id, err = numbers(ids); err != nil {
			return Value{"text/plain": "show: Tokens: ids: " + err.Error()}
		}
		if len(id) != len(pieces) {
			return Value{"text/plain": fmt.Sprintf("show: Tokens: %d ids for %d pieces", len(id), len(pieces))}
		}
	}
	if values != nil && len(values) != len(pieces) {
		return Value{"text/plain": fmt.Sprintf("show: Tokens: %d values for %d pieces", len(values), len(pieces))}
	}
	r := rangeOf(values)
	var rich, plain strings.Builder
	rich.WriteString(`<div class="quire-tokens" style="line-height:1.9;white-space:pre-wrap;font-family:monospace" dir="auto">`)
	for i, piece := range pieces[:min(len(pieces), maxTokens)] {
		piece = shortPiece(piece)
		tip := fmt.Sprintf("%q", piece)
		if id != nil {
			tip = fmt.Sprintf("%d  %s", int64(id[i]), tip)
		}
		colour := "rgba(" + hues[i%len(hues)] + ",.28)"
		if values != nil {
			tip += fmt.Sprintf("  %.4g", values[i])
			colour = "rgba(230,120,20,0)"
			if !bad(values[i]) {
				colour = fmt.Sprintf("rgba(230,120,20,%.2f)", 0.08+0.72*r.at(values[i]))
			}
		}
		fmt.Fprintf(&rich, `<bdi title="%s" style="background:%s;border-radius:3px">%s</bdi>`, html.EscapeString(tip), colour,
			html.EscapeString(tokenText(piece)))
		if i > 0 {
			plain.WriteByte('|')
		}
		plain.WriteString(visible(piece))
	}
	if more := len(pieces) - maxTokens; more > 0 {
		fmt.Fprintf(&rich, " … %d more tokens", more)
		fmt.Fprintf(&plain, " … %d more tokens", more)
	}
	rich.WriteString(`</div>`)
	return Value{"text/html": rich.String(), "text/plain": plain.String()}
}

// shortPiece cuts a piece longer than any token.
func shortPiece(piece string) string {
	if len(piece) <= maxText {
		return piece
	}
	return strings.ToValidUTF8(piece[:maxText], "") + "…"
}

// tokenText makes the white space of a piece seen.
func tokenText(piece string) string {
	if strings.TrimSpace(piece) == "" {
		piece = strings.NewReplacer(" ", "·", "\t", "⇥\t", "\r", "␍").Replace(piece)
	}
	return strings.ReplaceAll(piece, "\n", "⏎\n")
}

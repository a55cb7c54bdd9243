package taint

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Property tests draw the same cases on every run; -rapid.seed draws others.
func init() { flag.Set("rapid.seed", "20261123") }

// sources lists the source of every byte, 0 for the template's own.
func sources(t *rapid.T, s String) []int {
	out := make([]int, len(s.Text))
	at := 0
	for i, p := range s.Spans {
		if p.Start < at || p.Start >= p.End || p.End > len(s.Text) || i > 0 && p.Start == s.Spans[i-1].End && p.Source == s.Spans[i-1].Source {
			t.Fatalf("spans %v of %q", s.Spans, s.Text)
		}
		for at = p.Start; at < p.End; at++ {
			out[at] = p.Source
		}
	}
	return out
}

// TestOriginsFollowBytes checks every operation against a list that holds the source of each byte.
func TestOriginsFollowBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s String
		var text string
		var want []int
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			switch piece := rapid.StringMatching(`[a-cA-Z]{0,4}`).Draw(t, "piece"); rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				s, text = s.Concat(Literal(piece)), text+piece
				want = append(want, make([]int, len(piece))...)
			case 1:
				source := rapid.IntRange(1, 3).Draw(t, "source")
				s, text = s.Concat(Data(piece, source)), text+piece
				want = append(want, slices.Repeat([]int{source}, len(piece))...)
			case 2:
				i := rapid.IntRange(0, len(text)).Draw(t, "from")
				j := rapid.IntRange(i, len(text)).Draw(t, "to")
				s, text, want = s.Slice(i, j), text[i:j], slices.Clone(want[i:j])
			default:
				s, text = s.Map(strings.ToUpper), strings.ToUpper(text)
			}
			if s.Text != text || !slices.Equal(sources(t, s), want) {
				t.Fatalf("%q %v, want %q %v", s.Text, s.Spans, text, want)
			}
		}
	})
}

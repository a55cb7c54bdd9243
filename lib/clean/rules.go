package clean

import (
	"fmt"
	"math"
)

var (
	none   = math.Inf(1)
	gopher = "Gopher: Rae et al. 2021, arXiv:2112.11446, table A1"
	c4     = "C4: Raffel et al. 2020, arXiv:1910.10683 §2.2"
	fw     = "FineWeb: Penedo et al. 2024, arXiv:2406.17557 §3.5"
)

// per is a/b, NaN where there is nothing to divide by.
func per(a, b int) float64 {
	if b == 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

// Gopher returns the quality rules of Gopher with datatrove's readings of them.
func Gopher() Rules {
	return Rules{
		{"gopher.words", 50, 100_000, gopher, func(s *Stats) float64 { return float64(s.RealWords) }},
		{"gopher.mean_word_length", 3, 10, gopher, func(s *Stats) float64 { return per(s.WordChars, s.RealWords) }},
		{"gopher.hashes_per_word", -none, 0.1, gopher, func(s *Stats) float64 { return per(s.Hashes, s.Words) }},
		{"gopher.ellipses_per_word", -none, 0.1, gopher, func(s *Stats) float64 { return per(s.Ellipses, s.Words) }},
		{"gopher.bullet_lines", -none, 0.9, gopher, func(s *Stats) float64 { return per(s.BulletLines, s.Lines) }},
		{"gopher.ellipsis_lines", -none, 0.3, gopher, func(s *Stats) float64 { return per(s.EllipsisLines, s.Lines) }},
		{"gopher.alpha_words", 0.8, none, gopher, func(s *Stats) float64 { return per(s.AlphaWords, s.Words) }},
		{"gopher.stop_words", 2, none, gopher, func(s *Stats) float64 { return float64(s.StopWords) }},
	}
}

// GopherRepetition returns Gopher's rules against repetition. The shares of n-grams are of the text's code points.
func GopherRepetition() Rules {
	rules := Rules{
		{"repetition.lines", -none, 0.3, gopher, func(s *Stats) float64 { return per(s.DupLines, s.Lines) }},
		{"repetition.paragraphs", -none, 0.3, gopher, func(s *Stats) float64 { return per(s.DupParagraphs, s.Paragraphs) }},
		{"repetition.line_chars", -none, 0.2, gopher, func(s *Stats) float64 { return per(s.DupLineChars, s.Chars) }},
		{"repetition.paragraph_chars", -none, 0.2, gopher, func(s *Stats) float64 { return per(s.DupParaChars, s.Chars) }},
	}
	for i, limit := range []float64{0.20, 0.18, 0.16} {
		n := i + 2
		rules = append(rules, Rule{fmt.Sprintf("repetition.top_%d_gram", n), -none, limit, gopher, func(s *Stats) float64 { return per(s.TopGram(n), s.Chars) }})
	}
	for i, limit := range []float64{0.15, 0.14, 0.13, 0.12, 0.11, 0.10} {
		n := i + 5
		rules = append(rules, Rule{fmt.Sprintf("repetition.dup_%d_grams", n), -none, limit, gopher, func(s *Stats) float64 { return per(s.DupGram(n), s.Chars) }})
	}
	return rules
}

// C4 returns the rules of C4 about whole documents. [C4Lines] applies its rules about lines.
func C4() Rules {
	return Rules{
		{"c4.sentences", 5, none, c4, func(s *Stats) float64 { return float64(s.C4Sentences) }},
		{"c4.braces", -none, 0, c4, func(s *Stats) float64 { return float64(s.Braces) }},
		{"c4.lorem_ipsum", -none, 0, c4, func(s *Stats) float64 {
			if s.LoremIpsum {
				return 1
			}
			return 0
		}},
	}
}

// FineWeb returns the rules that FineWeb adds to C4's and Gopher's.
func FineWeb() Rules {
	return Rules{
		{"fineweb.punctuated_lines", 0.12, none, fw, func(s *Stats) float64 { return per(s.PunctLines, s.Lines) }},
		{"fineweb.short_lines", -none, 0.67, fw, func(s *Stats) float64 { return per(s.ShortLines, s.Lines) }},
		{"fineweb.dup_line_chars", -none, 0.01, fw, func(s *Stats) float64 { return per(s.DupLineChars, s.LineChars) }},
		{"fineweb.newlines_per_word", -none, 0.3, fw, func(s *Stats) float64 { return per(s.Newlines, s.Words) }},
	}
}

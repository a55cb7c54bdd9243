package token

import (
	"slices"
	"testing"
	"unicode"
)

// The first two texts and their cuts are those of the tests of Hugging Face's tokenizers.
func TestScriptCutter(t *testing.T) {
	for text, want := range map[string][]string{
		"どこで生れ。Yes":         {"どこで生れ", "。", "Yes"},
		"Apples are りんご 林檎": {"Apples are ", "りんご 林檎"},
		"コーヒー":              {"コーヒー"},
		"Привет, мир":       {"Привет", ", ", "мир"},
		"":                  nil,
	} {
		spans, err := scriptCutter().find(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range spans {
			got = append(got, text[s.Start:s.End])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q is cut into %q, want %q", text, got, want)
		}
	}
}

func TestScriptOfEveryCharacter(t *testing.T) {
	for name, table := range unicode.Scripts {
		for _, r := range table.R16 {
			for _, c := range []rune{rune(r.Lo), rune(r.Hi)} {
				want := name
				switch {
				case c == ' ':
					want = anyScript
				case name == "Hiragana" || name == "Katakana" || c == 'ー':
					want = "Han"
				}
				if got := scriptOf(c); got != want {
					t.Errorf("%U is %q, want %q", c, got, want)
				}
			}
		}
	}
}

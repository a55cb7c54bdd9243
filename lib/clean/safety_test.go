package clean

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	w := NewWords([]string{"ass", "breast", "Bad Word", "赌博", "he", "hers"}, []string{"breast cancer", "反对赌博"})
	for text, want := range map[string]string{
		"An ass, a class and a BAD word.": "ass bad word",
		"breast cancer, breasts, breast":  "breast",
		"assassin grass":                  "",
		"网上赌博，反对赌博":                       "赌博",
		"he gave hers to ushers":          "he hers",
		"İ ass":                           "ass", // a letter whose lower case is longer
		"":                                "",
	} {
		var got []string
		for h := range w.Find(text) {
			got = append(got, h.Term)
			if !strings.EqualFold(text[h.Start:h.End], h.Term) {
				t.Errorf("%q is found at %q", h.Term, text[h.Start:h.End])
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("in %q: %q, want %q", text, got, want)
		}
	}
	h := slices.Collect(w.Find("one two\nthree ass four five"))[0]
	if got := h.Context("one two\nthree ass four five", 8); got != "o three [ass] four fi" {
		t.Errorf("context %q", got)
	}
	rule := w.Rule("safety.words", 1)
	for text, want := range map[string]bool{"ass " + strings.Repeat("x ", 99): true, "ass " + strings.Repeat("x ", 98): false} {
		var s Stats
		s.Measure(text)
		if got := rule.Keeps(rule.Value(&s)); got != want {
			t.Errorf("1 hit in %d words is kept: %v", s.Words, got)
		}
	}
}

func TestScoreIsARule(t *testing.T) {
	toxic := Score("safety.toxicity", 0, 0.5, "a test", func(text string) float64 { return float64(strings.Count(text, "!")) / 4 })
	if v := (Rules{toxic}).Judge("a!!"); v[0].Value != 0.5 || v[0].Margin < 0 {
		t.Errorf("two of four: %+v", v)
	}
	if v := (Rules{toxic}).Judge("a!!!"); v[0].Margin != -0.25 {
		t.Errorf("three of four: %+v", v)
	}
}

func TestDomains(t *testing.T) {
	d := NewDomains([]string{"bad.example", "Worse.example."}, []string{"casino", "poker"})
	for address, want := range map[string]bool{
		"https://bad.example/a": true, "http://www.bad.example:80": true, "bad.example": true, "https://worse.example./x": true,
		"https://notbad.example": false, "https://example/bad.example": false, "https://x.org/casino": false, "https://casino.org/poker": true, "%zz": false, "": false,
	} {
		if got := d.Blocks(address); got != want {
			t.Errorf("%q is blocked: %v", address, got)
		}
	}
}

// The published lists can be read, and each of their terms is found.
func TestPublishedLists(t *testing.T) {
	root := filepath.Join(shared(t), "data/safety")
	for _, glob := range []string{"ldnoobw/[a-z][a-z]", "sensitive-lexicon/Vocabulary/*.txt"} {
		paths, _ := filepath.Glob(filepath.Join(root, glob))
		if len(paths) == 0 {
			t.Skipf("no ../shared/data/safety/%s", glob)
		}
		terms, err := ReadTerms(paths...)
		if err != nil {
			t.Fatal(err)
		}
		w := NewWords(terms, nil)
		for _, term := range terms {
			found := false
			for h := range w.Find("x " + term + " y") {
				found = found || strings.EqualFold(h.Term, term) || h.End == 2+len(term)
			}
			if !found {
				t.Errorf("%s: %q is not found", glob, term)
			}
		}
		t.Logf("%s: %d terms", glob, len(terms))
	}
}

func TestReadTerms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "words")
	os.WriteFile(path, []byte("\ufeffone\r\n# a comment\n\ntwo words,\n"), 0o644)
	if terms, err := ReadTerms(path); err != nil || !slices.Equal(terms, []string{"one", "two words"}) {
		t.Errorf("%q, %v", terms, err)
	}
	os.WriteFile(path, []byte("one\n\xff\xfe\n"), 0o644)
	if _, err := ReadTerms(path); err == nil || !strings.Contains(err.Error(), "words:2 is not UTF-8") {
		t.Errorf("%v", err)
	}
}

func FuzzWords(f *testing.F) {
	f.Add("breast cancer ASS İß语", "ass", "breast cancer")
	f.Fuzz(func(t *testing.T, text, term, allowed string) {
		for h := range NewWords([]string{term}, []string{allowed}).Find(text) {
			if len(h.Context(text, 3)) == 0 || h.End > len(text) {
				t.Errorf("%+v", h)
			}
		}
	})
}

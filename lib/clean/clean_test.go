package clean

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"pgregory.net/rapid"

	"quire/lib/corpus"
)

// Properties are tried on the same cases in every run; -rapid.seed asks for others.
func init() { flag.Set("rapid.seed", "1") }

func all() Rules {
	var rs Rules
	for _, set := range []Rules{Gopher(), GopherRepetition(), C4(), FineWeb(), Chinese()} {
		rs = append(rs, set...)
	}
	return rs
}

// n copies of distinct words, "w0 w1 …".
func distinct(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "word%d ", i)
	}
	return b.String()
}

// Each rule on both sides of its threshold.
func TestRules(t *testing.T) {
	sentence := "The cat sat on the mat with a hat. "
	for _, c := range []struct {
		rule       string
		keep, drop string
	}{
		{"gopher.words", strings.Repeat("a ", 50), strings.Repeat("a ", 49)},
		{"gopher.words", strings.Repeat("a ", 100_000), strings.Repeat("a ", 100_001)},
		{"gopher.mean_word_length", "abc", "ab abc"},
		{"gopher.mean_word_length", "abcdefghij", "abcdefghijk"},
		{"gopher.hashes_per_word", "# " + strings.Repeat("a ", 9), "# " + strings.Repeat("a ", 8)},
		{"gopher.ellipses_per_word", "… " + strings.Repeat("a ", 9), "... " + strings.Repeat("a ", 8)},
		{"gopher.bullet_lines", strings.Repeat("- a\n", 9) + "a", strings.Repeat("• a\n", 10)},
		{"gopher.ellipsis_lines", "a...\na...\na…\n" + strings.Repeat("a\n", 7), "a...\na...\na…\n" + strings.Repeat("a\n", 6)},
		{"gopher.alpha_words", "a b c d 5", "a b c 4 5"},
		{"gopher.stop_words", "the cat and dog", "the the the cat"},
		{"repetition.lines", strings.Repeat("x\n", 4) + "a\nb\nc\nd\ne\nf", strings.Repeat("x\n", 5) + "a\nb\nc\nd\ne"},
		{"repetition.paragraphs", "x\n\nx\n\nx\n\nx\n\na\n\nb\n\nc\n\nd\n\ne\n\nf", "x\n\nx\n\nx\n\nx\n\na\n\nb"},
		{"repetition.line_chars", "aaaa\naaaa\n" + distinct(5), "aaaaaaaaaaaaaaaa\naaaaaaaaaaaaaaaa\n" + distinct(5)},
		{"repetition.paragraph_chars", "aa\n\naa\n\n" + distinct(5), "aaaaaaaaaaaaaaaa\n\naaaaaaaaaaaaaaaa\n\n" + distinct(5)},
		{"repetition.top_2_gram", distinct(20), strings.Repeat("on and ", 3) + distinct(5)},
		{"repetition.top_4_gram", distinct(40), strings.Repeat("one two six ten ", 3) + distinct(5)},
		{"repetition.dup_5_grams", distinct(100), strings.Repeat("a b c d e ", 2) + "f"},
		{"repetition.dup_10_grams", strings.Repeat("a b c d e f g h i ", 1) + distinct(20), strings.Repeat("a b c d e f g h i j ", 2)},
		{"c4.sentences", strings.Repeat(sentence+"\n", 5), strings.Repeat(sentence+"\n", 4)},
		{"c4.sentences", strings.Repeat(sentence, 5), strings.Repeat(sentence, 5) + "and no end"},
		{"c4.sentences", strings.Repeat(sentence+"\n", 5), strings.Repeat(sentence+"\n", 4) + "We use cookies on this site, as you know.\n"},
		{"c4.braces", "a (b)", "a {b}"},
		{"c4.lorem_ipsum", "lorem", "x Lorem ipsum y"},
		{"fineweb.punctuated_lines", "a.\nb\nc\nd\ne\nf\ng\nh", "a.\nb\nc\nd\ne\nf\ng\nh\ni"},
		{"fineweb.short_lines", "a\nb\n" + distinct(10), "a\nb\nc\n" + distinct(10)},
		{"fineweb.dup_line_chars", "a\na\n" + distinct(20), "aaaa\naaaa\n" + distinct(20)},
		{"fineweb.newlines_per_word", "a b c d e f g h i j\n\n\n", "a b c d e f g h i j\n\n\n\n"},
		{"chinese.characters", strings.Repeat("语", 200), strings.Repeat("语", 199)},
		{"chinese.share", "语料库abcdefg", "语料abcdefg"},
		{"chinese.line_length", "一二三四五六七八九十\n", "一二三四五六七八九十\n二\n"},
		{"chinese.punctuation", strings.Repeat("语", 49) + "。", strings.Repeat("语", 50) + "。"},
		{"chinese.punctuation", strings.Repeat("语", 13) + "，，，，，，。", strings.Repeat("语", 12) + "，，，，，，，。"},
		{"chinese.function_words", "这是", "的的的"},
		{"chinese.ads_per_line", "欢迎咨询\n正文", "欢迎咨询，免费领取\n正文"},
		{"chinese.dup_13_grams", "一二三四五六七八九十百千万", strings.Repeat("一二三四五六七八九十百千万", 3)},
	} {
		r := all().Find(c.rule)
		for text, want := range map[string]bool{c.keep: true, c.drop: false} {
			v := Rules{r}.Judge(text)[0]
			if keeps := r.Keeps(v.Value); keeps != want {
				t.Errorf("%s of %.40q = %v: keep %v, want %v", c.rule, text, v.Value, keeps, want)
			} else if (v.Margin >= 0) != want {
				t.Errorf("%s of %.40q: margin %v", c.rule, text, v.Margin)
			}
		}
	}
}

// The rules of n-grams on both sides of their thresholds: a text of different words with a sequence of n words in it that is there
// once more with each step, until the share, by the definition, is too large.
func TestGramRules(t *testing.T) {
	for _, c := range []struct {
		rule  string
		n     int
		limit float64
		share func(words []string, n int) int
	}{
		{"repetition.top_2_gram", 2, 0.20, topGram}, {"repetition.top_3_gram", 3, 0.18, topGram}, {"repetition.top_4_gram", 4, 0.16, topGram},
		{"repetition.dup_5_grams", 5, 0.15, dupGram}, {"repetition.dup_6_grams", 6, 0.14, dupGram}, {"repetition.dup_7_grams", 7, 0.13, dupGram},
		{"repetition.dup_8_grams", 8, 0.12, dupGram}, {"repetition.dup_9_grams", 9, 0.11, dupGram}, {"repetition.dup_10_grams", 10, 0.10, dupGram},
		{"chinese.dup_13_grams", 13, 0.5, dupGram},
	} {
		words := strings.Fields(distinct(1500))
		sequence := slices.Clone(words[:c.n])
		rule := all().Find(c.rule)
		kept, dropped := 0.0, math.Inf(1)
		for at := 20; at < len(words) && math.IsInf(dropped, 1); at += c.n + 3 {
			copy(words[at:], sequence)
			text := strings.Join(words, " ")
			want := float64(c.share(words, c.n)) / float64(len(text))
			v := Rules{rule}.Judge(text)[0]
			if v.Value != want || rule.Keeps(v.Value) != (want <= c.limit) {
				t.Fatalf("%s of %d repeats is %v, want %v; kept: %v, the limit is %v", c.rule, at, v.Value, want, rule.Keeps(v.Value), c.limit)
			}
			if want <= c.limit {
				kept = want
			} else {
				dropped = want
			}
		}
		if dropped-kept > 0.02 {
			t.Errorf("%s: the last text kept has %v, the first dropped one %v: the limit %v is not between", c.rule, kept, dropped, c.limit)
		}
	}
}

func TestEveryRuleIsTested(t *testing.T) {
	src, err := os.ReadFile("clean_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all() {
		if !strings.Contains(string(src), `"`+r.Name+`"`) {
			t.Errorf("no case for %s", r.Name)
		}
		if r.Source == "" {
			t.Errorf("%s has no source", r.Name)
		}
	}
}

// The definitions of datatrove's find_top_duplicate and find_all_duplicate, over the words themselves.
func topGram(words []string, n int) int {
	counts, best, text := map[string]int{}, 0, 0
	grams := []string{}
	for i := 0; i+n <= len(words); i++ {
		g := strings.Join(words[i:i+n], " ")
		counts[g]++
		grams = append(grams, g)
	}
	for _, g := range grams {
		if counts[g] > best {
			best, text = counts[g], len([]rune(g))
		}
	}
	return best * text
}

func dupGram(words []string, n int) int {
	seen, dup := map[string]bool{}, 0
	for i := 0; i+n <= len(words); {
		g := strings.Join(words[i:i+n], "\x00")
		if seen[g] {
			dup += len([]rune(strings.Join(words[i:i+n], "")))
			i += n
		} else {
			seen[g] = true
			i++
		}
	}
	return dup
}

func TestGramsAgainstTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.SampledFrom([]string{"a", "be", "文", "naïve", "don't", "42"})).Draw(t, "words")
		var s Stats
		s.Measure(distinct(30)) // what an earlier text left behind must not matter
		s.Measure(strings.Join(words, " "))
		if s.Words != len(words) {
			t.Fatalf("%d words of %q", s.Words, words)
		}
		for n := 2; n <= maxGram; n++ {
			if got, want := s.DupGram(n), dupGram(words, n); got != want {
				t.Fatalf("DupGram(%d) = %d, want %d", n, got, want)
			}
			if got, want := s.TopGram(n), topGram(words, n); got != want {
				t.Fatalf("TopGram(%d) = %d, want %d", n, got, want)
			}
		}
	})
}

func TestCounts(t *testing.T) {
	var s Stats
	s.Measure("Hello, naïve world... 你好。 It's 3.14!\n\n- x_1\n")
	for name, c := range map[string][2]int{
		"Chars":     {s.Chars, len([]rune("Hello, naïve world... 你好。 It's 3.14!\n\n- x_1\n"))},
		"Words":     {s.Words, 13}, // Hello , naïve world ... 你 好 。 It's 3.14 ! - x_1
		"RealWords": {s.RealWords, 8},
		"Alpha":     {s.AlphaWords, 7},
		"Ellipses":  {s.Ellipses, 1},
		"Sentences": {s.Sentences, 3},
		"Lines":     {s.Lines, 2},
		"Newlines":  {s.Newlines, 3},
	} {
		if c[0] != c[1] {
			t.Errorf("%s = %d, want %d", name, c[0], c[1])
		}
	}
}

// Any bytes can be measured, and the counts are those of the definition.
func FuzzMeasure(f *testing.F) {
	f.Add("a.b\n\n…x#{'-")
	f.Add("\xff\xfe’\x00 语料。")
	f.Fuzz(func(t *testing.T, text string) {
		var s Stats
		s.Measure(text)
		sameCounts(t, &s, text)
		for _, v := range all().Judge(text) {
			if math.IsInf(v.Value, 0) {
				t.Errorf("%s is %v", v.Rule, v.Value)
			}
		}
	})
}

func TestOperator(t *testing.T) {
	texts := []string{"short", strings.Repeat("The cat sat on the mat with a hat.\n", 20), ""}
	path := filepath.Join(t.TempDir(), "c.arrow")
	w, err := corpus.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if err := w.Append(corpus.Document{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := corpus.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	judged, err := c.With(t.Context(), nil, all())
	if err != nil {
		t.Fatal(err)
	}
	b, err := judged.Batch(0)
	if err != nil {
		t.Fatal(err)
	}
	for row, text := range texts {
		for i, v := range all().Judge(text) {
			col := b.Record.Column(corpus.Schema.NumFields() + i).(*array.Float32)
			if got := col.Value(row); got != float32(v.Value) && !(math.IsNaN(v.Value) && got != got) {
				t.Errorf("%s of %q is %v in the column, %v by Judge", v.Rule, text, got, v.Value)
			}
		}
	}
}

// benchmarkTexts returns prose and code of GOROOT, and the declaration of human rights in 56 languages, in documents of 4,000 bytes.
func benchmarkTexts(b *testing.B) map[string][]string {
	all := map[string]string{"languages": udhr}
	for name, glob := range map[string]string{"prose": "testdata/Isaac.Newton-Opticks.txt", "code": "net/http/*.go"} {
		//lint:ignore SA1019 tests run beside the toolchain that built them
		files, _ := filepath.Glob(filepath.Join(runtime.GOROOT(), "src", glob))
		if len(files) == 0 {
			b.Skipf("no %s under GOROOT/src", glob)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				b.Fatal(err)
			}
			all[name] += string(src)
		}
	}
	texts := map[string][]string{}
	for name, text := range all {
		for ; len(text) > 4000; text = text[4000:] {
			texts[name] = append(texts[name], text[:4000])
		}
	}
	return texts
}

func BenchmarkRules(b *testing.B) {
	for name, docs := range benchmarkTexts(b) {
		benchmarkRules(b, "text="+name, docs)
	}
}

func benchmarkRules(b *testing.B, name string, docs []string) {
	for _, set := range []struct {
		name  string
		rules Rules
	}{{"all", slices.Concat(Gopher(), GopherRepetition(), C4(), FineWeb())}, {"gopher", Gopher()}, {"repetition", GopherRepetition()}, {"c4", C4()}, {"fineweb", FineWeb()}} {
		b.Run(name+"/rules="+set.name, func(b *testing.B) {
			b.SetBytes(int64(4000 * len(docs)))
			var s Stats
			sink := 0.0
			for b.Loop() {
				for _, d := range docs {
					s.Measure(d)
					for _, r := range set.rules {
						sink += r.Value(&s)
					}
				}
			}
			b.ReportMetric(sink, "sum")
		})
	}
}

// The traditional share splits the scripts, and Chinese prose of either lies within all ranges.
func TestScript(t *testing.T) {
	for _, c := range []struct {
		text                    string
		simplified, traditional int
	}{{"清洗语料", 1, 0}, {"清洗語料", 0, 1}, {"这是個混合的", 1, 1}, {"abc 一二三", 0, 0}} {
		if s, tr := Script(c.text); s != c.simplified || tr != c.traditional {
			t.Errorf("Script(%q) = %d, %d", c.text, s, tr)
		}
	}
	simplified := Rules{Chinese().Find("chinese.traditional").With(0, 0.1)}
	for text, want := range map[string]bool{"这是清洗过的语料": true, "這是清洗過的語料": false, "一二三": true} {
		var s Stats
		s.Measure(text)
		if _, ok := simplified.Reason(&s); ok != want {
			t.Errorf("simplified only: %q is kept: %v", text, ok)
		}
	}
}

func TestChineseNovelsAreKept(t *testing.T) {
	novels, _ := filepath.Glob(filepath.Join(shared(t), "data/text/four-classic-novels/*.txt"))
	if len(novels) == 0 {
		t.Skip("no ../shared/data/text/four-classic-novels")
	}
	kept, parts := 0, 0
	for _, name := range novels {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		chars := []rune(string(src))
		for ; len(chars) > 2000; chars = chars[2000:] {
			var s Stats
			s.Measure(string(chars[:2000]))
			parts++
			if rule, ok := Chinese().Reason(&s); ok {
				kept++
			} else if parts-kept < 5 {
				t.Logf("%s: %s", filepath.Base(name), rule)
			}
		}
	}
	t.Logf("%d of %d parts of 2,000 characters kept", kept, parts)
	if kept*1000 < parts*995 {
		t.Errorf("%d of %d parts of the novels are kept", kept, parts)
	}
}

// shared returns the folder of real samples beside the project, or skips the test.
func shared(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			continue
		}
		for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
			if _, err := os.Stat(filepath.Join(up, "shared/data")); err == nil {
				return filepath.Join(up, "shared")
			}
			if up == filepath.Dir(up) {
				t.Skip("no ../shared beside the project")
			}
		}
	}
	t.Skip("no go.mod above the test")
	return ""
}

package dedup

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow/array"

	"quire/lib/corpus"
)

func pieces(t *testing.T, c *corpus.Corpus, cfg PieceConfig) *corpus.Corpus {
	t.Helper()
	out, err := Pieces(t.Context(), c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// cut returns the texts without the spans of a column.
func cut(t *testing.T, c *corpus.Corpus, column string) (texts []string) {
	t.Helper()
	for b, err := range c.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Len() {
			texts = append(texts, Cut(b, i, column))
		}
	}
	return texts
}

func TestPieces(t *testing.T) {
	c := inChunks(t, 1, texts("menu\nfirst text\n\nmenu\n", "  menu \nother text\nfirst text", "", "new\n"))
	lines := RepeatedLines()
	lines.MaxShare = 0.5
	got := columns(t, pieces(t, c, lines), "lines")
	want := "d0 true d0 0.22727273 [17 22]\nd1 false d0 0.62068963 [0 8 19 29]\nd2 true (null) 0 []\nd3 true (null) 0 []\n"
	if norm := strings.NewReplacer(",", " ").Replace(got); norm != want {
		t.Errorf("lines: have\n%swant\n%s", norm, want)
	}
	if got, want := cut(t, pieces(t, c, lines), "lines.spans"), []string{"menu\nfirst text\n\n", "other text\n", "", "new\n"}; !slices.Equal(got, want) {
		t.Errorf("without repeated lines: %q, want %q", got, want)
	}

	c = inChunks(t, 2, texts("one\ntwo\n\n\nthree\n\nfour", "three\n\none\n\none\ntwo\n\n"))
	paragraphs := PieceConfig{Unit: Paragraphs, Count: 1, MinChars: 4, MaxShare: 1}
	if got, want := cut(t, pieces(t, c, paragraphs), "paragraphs.spans"), []string{"one\ntwo\n\n\nthree\n\nfour", "one\n\n"}; !slices.Equal(got, want) {
		t.Errorf("without repeated paragraphs: %q, want %q", got, want)
	}

	c = inChunks(t, 2, texts("A a. B b! C c? D d. 今天。明天！", "X x. A a. B b! C c? Y 3.5 y. 今天。明天！"))
	if got, want := cut(t, pieces(t, c, C4Spans()), "sentences.spans"), []string{"A a. B b! C c? D d. 今天。明天！", "X x. Y 3.5 y. 今天。明天！"}; !slices.Equal(got, want) {
		t.Errorf("without repeated spans of three sentences: %q, want %q", got, want)
	}
	if got := cut(t, pieces(t, c, PieceConfig{Unit: Sentences, Count: 1, MaxShare: 1}), "sentences.spans")[1]; got != "X x. Y 3.5 y. " {
		t.Errorf("without repeated sentences: %q", got)
	}
	for _, bad := range []PieceConfig{{Unit: 9, Count: 1}, {}, {Count: 1, MaxShare: 2}} {
		if _, err := Pieces(t.Context(), c, bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// dolma opens the tests of Dolma, or skips.
func dolma(t *testing.T, name string, each func(line []byte)) {
	t.Helper()
	root := "."
	for range 8 {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Join(root, "..")
	}
	f, err := os.Open(filepath.Join(root, "../shared/data/web/dolma-tests/tests/data", name))
	if err != nil {
		t.Skip("no ../shared/data/web/dolma-tests")
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		each([]byte(line))
	}
}

// Repeated lines are those that Dolma's deduper finds in its own test.
func TestDolma(t *testing.T) {
	var docs []corpus.Document
	dolma(t, "provided/deduper/documents/000.json.gz", func(line []byte) {
		var d struct{ ID, Text string }
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		docs = append(docs, corpus.Document{ID: d.ID, Text: d.Text})
	})
	var want []string
	chars := func(i int) int { return utf8.RuneCountInString(docs[i].Text) }
	dolma(t, "expected/dedupe-paragraphs.json.gz", func(line []byte) {
		var d struct {
			ID         string
			Attributes struct {
				Spans [][3]float64 `json:"bff_duplicate_paragraph_spans"`
			}
		}
		if err := json.Unmarshal(line, &d); err != nil {
			t.Fatal(err)
		}
		spans := []int{}
		for _, s := range d.Attributes.Spans {
			spans = append(spans, int(s[0]), min(int(s[1]), chars(len(want)))) // its last line ends one behind the text
		}
		want = append(want, fmt.Sprint(d.ID, spans))
	})
	c := pieces(t, inChunks(t, 3, docs), RepeatedLines())
	at := c.Schema().FieldIndices("lines.spans")[0]
	n := 0
	for b := range c.Batches() {
		list := b.Record.Column(at).(*array.List)
		for i := range b.Len() {
			from, to := list.ValueOffsets(i)
			spans, text := []int{}, b.Doc(i).Text
			for _, s := range list.ListValues().(*array.Int32).Int32Values()[from:to] {
				spans = append(spans, utf8.RuneCountInString(text[:s])) // Dolma counts characters
			}
			if got := fmt.Sprint(b.Doc(i).ID, spans); got != want[n] {
				t.Errorf("have %s\nwant %s", got, want[n])
			}
			n++
		}
	}
	if n != len(want) || n == 0 {
		t.Errorf("%d documents, Dolma has %d", n, len(want))
	}
}

// Repeated stretches are those that comparing all windows finds.
func TestSubstrings(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	phrases := []string{"ab", "世界和平", "the same words again", "x", "é", "aaaaaaaaaaaa", ""}
	for round := range 60 {
		var docs []string
		for range 1 + rng.IntN(8) {
			var text strings.Builder
			for range rng.IntN(12) {
				text.WriteString(phrases[rng.IntN(len(phrases))])
				if rng.IntN(3) == 0 {
					fmt.Fprint(&text, rng.IntN(20))
				}
			}
			docs = append(docs, text.String())
		}
		least := 1 + rng.IntN(12)
		c, err := Substrings(t.Context(), inChunks(t, 3, texts(docs...)), SubstringConfig{MinBytes: least, MaxShare: 1})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		seen := map[string]bool{}
		for _, text := range docs {
			gone := make([]bool, len(text))
			for i := 0; i+least <= len(text); i++ {
				if seen[text[i:i+least]] {
					from, to := i, i+least
					for from < to && !utf8.RuneStart(text[from]) {
						from++
					}
					for to < len(text) && to > from && !utf8.RuneStart(text[to]) {
						to--
					}
					for k := from; k < to; k++ {
						gone[k] = true
					}
				}
				seen[text[i:i+least]] = true
			}
			var left []byte
			for i := range text {
				if _, size := utf8.DecodeRuneInString(text[i:]); !gone[i] {
					left = append(left, text[i:i+size]...)
				}
			}
			want = append(want, string(left))
		}
		if got := cut(t, c, "substrings.spans"); !slices.Equal(got, want) {
			t.Fatalf("round %d, windows of %d of %q:\nhave %q\nwant %q", round, least, docs, got, want)
		}
	}
}

// The document that has a stretch first is named, and a document that repeats too much is dropped.
func TestSubstringColumns(t *testing.T) {
	all := texts("", "The quick brown fox jumps.", "And the quick brown fox sat.", "quick brown fox", "nothing")
	c, err := Substrings(t.Context(), inChunks(t, 2, all), SubstringConfig{MinBytes: 10, MaxShare: 0.9, Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(columns(t, c, "x"), ",", " ")
	if want := "d0 true (null) 0 []\nd1 true (null) 0 []\nd2 true d1 0.6785714 [5 24]\nd3 false d1 1 [0 15]\nd4 true (null) 0 []\n"; got != want {
		t.Errorf("have\n%swant\n%s", got, want)
	}
	if _, err := Substrings(t.Context(), c, SubstringConfig{}); err == nil {
		t.Error("stretches of no length are accepted")
	}
	if _, err := Substrings(t.Context(), inChunks(t, 2, nil), LeeSubstrings()); err != nil {
		t.Errorf("an empty corpus: %v", err)
	}
}

// A corpus compared with the index of another has what it has behind that one; through two indexes, behind both.
func TestPiecesIndex(t *testing.T) {
	parts := [][]string{{"menu\nfirst\n", "first\nx\n"}, {"menu\nsecond\n", "other\nsecond\n"}, {"other\nfirst\nnew\n"}}
	want := pieces(t, inChunks(t, 2, texts(slices.Concat(parts...)...)), RepeatedLines())
	path := filepath.Join(t.TempDir(), "lines.idx")
	cfg, left := RepeatedLines(), []string(nil)
	cfg.Save = path
	for _, part := range parts {
		left = append(left, cut(t, pieces(t, inChunks(t, 1, texts(part...)), cfg), "lines.spans")...)
		cfg.Index = path
	}
	if all := cut(t, want, "lines.spans"); !slices.Equal(left, all) {
		t.Errorf("part by part %q, at once %q", left, all)
	}
	got := columns(t, pieces(t, inChunks(t, 1, texts("new\n", "fresh\n", "fresh\n")), cfg), "lines")
	if want := "d0 true  1 [0 4]\nd1 true (null) 0 []\nd2 true d1 1 [0 6]\n"; strings.ReplaceAll(got, ",", " ") != want {
		t.Errorf("have\n%swant\n%s", got, want)
	}
	c := inChunks(t, 1, texts("x"))
	for _, bad := range []struct {
		change func(*PieceConfig)
		want   string
	}{
		{func(c *PieceConfig) { c.Count = 2 }, "lines, 1 as one, of 1 characters or more; the settings are lines, 2 as one"},
		{func(c *PieceConfig) { c.Unit = Paragraphs }, "the settings are paragraphs"},
		{func(c *PieceConfig) { c.Index = path + "x" }, "Save one"},
	} {
		cfg := cfg
		bad.change(&cfg)
		if _, err := Pieces(t.Context(), c, cfg); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("error %v, want %s", err, bad.want)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-20] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Pieces(t.Context(), c, cfg); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged index: %v", err)
	}
}

// A corpus in parts, each compared with the index of those before, repeats what it repeats as a whole; what an index holds was seen once.
func TestSubstringIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	words := []string{"ab", "世界和平", "the same words again ", "é", "aaaaaaaaaaaa", "other words, ", "x"}
	for round := range 40 {
		var docs []string
		for range 12 {
			var text strings.Builder
			for range rng.IntN(9) {
				text.WriteString(words[rng.IntN(len(words))])
			}
			docs = append(docs, text.String())
		}
		cfg := SubstringConfig{MinBytes: 1 + rng.IntN(14), MaxShare: 1}
		substrings := func(cfg SubstringConfig, docs []string) *corpus.Corpus {
			c, err := Substrings(t.Context(), inChunks(t, 3, texts(docs...)), cfg)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		want := cut(t, substrings(cfg, docs), "substrings.spans")
		var got []string
		cfg.Save = filepath.Join(t.TempDir(), "x.idx")
		for part := range slices.Chunk(docs, 5) {
			got = append(got, cut(t, substrings(cfg, part), "substrings.spans")...)
			cfg.Index = cfg.Save
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d, windows of %d of %q:\nin parts %q\nat once  %q", round, cfg.MinBytes, docs, got, want)
		}
		before, err := os.ReadFile(cfg.Save)
		if err != nil {
			t.Fatal(err)
		}
		again := substrings(cfg, docs)
		if after, err := os.ReadFile(cfg.Save); err != nil || !slices.Equal(after, before) {
			t.Errorf("round %d: an index of %d bytes grows to %d by what it has", round, len(before), len(after))
		}
		for line := range strings.Lines(columns(t, again, "substrings")) {
			if f := strings.SplitN(line, " ", 4); len(f) != 4 || f[2] != "" && f[2] != "(null)" {
				t.Errorf("round %d: first seen in the index: %s", round, line)
			}
		}
	}
}

func TestSubstringIndexErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.idx")
	c := inChunks(t, 3, texts("the same words", "the same words again"))
	if _, err := Substrings(t.Context(), c, SubstringConfig{MinBytes: 5, Save: path}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.idx")
	data[len(data)-12] ^= 1
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	pieces := filepath.Join(t.TempDir(), "pieces.idx")
	cfg := RepeatedLines()
	cfg.Save = pieces
	if _, err := Pieces(t.Context(), c, cfg); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]SubstringConfig{
		"is of stretches of 5 bytes; the settings are 6": {MinBytes: 6, Index: path},
		"leave Index empty":                  {MinBytes: 5, Index: path + "x"},
		"checksum does not fit":              {MinBytes: 5, Index: damaged},
		"not of the format " + stretchFormat: {MinBytes: 5, Index: pieces},
		"no such file":                       {MinBytes: 5, Save: filepath.Join(t.TempDir(), "no", "x")},
	} {
		if _, err := Substrings(t.Context(), c, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Any bytes behind a good checksum are an index of stretches or an error, with no more memory than they take.
func FuzzStretches(f *testing.F) {
	f.Add([]byte(`{"Format":"quire-stretches-1","MinBytes":2,"Stretches":1,"Bytes":3}` + "\n\x03\x00\x00\x00\x00\x00\x00\x00abc"))
	f.Add([]byte(`{"Format":"quire-stretches-1","Stretches":-1,"Bytes":1000000000000}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, ends, text, err := parseStretches(data)
		if err == nil && (len(text) > len(data) || len(ends) > len(data) || len(text) > 0 && ends[len(ends)-1] != uint64(len(text))) {
			t.Errorf("%d stretches, of %d bytes, in %d", len(ends), len(text), len(data))
		}
	})
}

// Any bytes behind a good checksum are an index or an error, with no more memory than they take.
func FuzzPieceIndex(f *testing.F) {
	f.Add([]byte(`{"Format":"quire-pieces-1","Unit":"lines","Count":1,"MinChars":1,"Pieces":1}` + "\n12345678"))
	f.Add([]byte(`{"Format":"quire-pieces-1","Pieces":1000000000000}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, hashes, err := parsePieces(data)
		if err == nil && (len(hashes) != h.Pieces || len(hashes)*8 > len(data)) {
			t.Errorf("%d hashes of %d pieces in %d bytes", len(hashes), h.Pieces, len(data))
		}
	})
}

func FuzzPieces(f *testing.F) {
	f.Add("one. two! three? 四。五！\n\nsix\n", "one. 四。", 0, 2)
	f.Add("a\n\n\n\nb", "\n", 1, 1)
	f.Add(". . . .", "。。", 2, 3)
	f.Fuzz(func(t *testing.T, x, y string, unit, count int) {
		cfg := PieceConfig{Unit: Unit(unit&3) % 3, Count: 1 + count&7, MaxShare: 1, Name: "p"}
		c := pieces(t, inChunks(t, 1, texts(x, y, x)), cfg)
		left := cut(t, c, "p.spans")
		if len(left[0]) > len(x) || len(left[2]) > len(left[0]) {
			t.Errorf("cutting %q leaves %q", x, left)
		}
		for i, text := range []string{x, y, x} {
			if utf8.ValidString(text) && !utf8.ValidString(left[i]) {
				t.Errorf("cutting %q leaves %q", text, left[i])
			}
		}
	})
}

func BenchmarkPieces(b *testing.B) {
	all := englishLike(4000, 400)
	c := inChunks(b, 500, texts(all...))
	b.SetBytes(int64(len(strings.Join(all, ""))))
	for b.Loop() {
		if _, err := Pieces(b.Context(), c, RepeatedLines()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubstrings(b *testing.B) {
	all := englishLike(1000, 400)
	c := inChunks(b, 500, texts(append(all, all[:100]...)...))
	b.SetBytes(int64(len(strings.Join(all, ""))) * 11 / 10)
	for b.Loop() {
		if _, err := Substrings(b.Context(), c, LeeSubstrings()); err != nil {
			b.Fatal(err)
		}
	}
}

package dedup

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/lib/corpus"
)

// inChunks returns a corpus of these documents, n in a chunk.
func inChunks(t testing.TB, n int, docs []corpus.Document) *corpus.Corpus {
	t.Helper()
	var records []arrow.Record
	for chunk := range slices.Chunk(docs, n) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, corpus.Schema)
		for _, d := range chunk {
			for i, v := range []string{d.ID, d.Text, d.Source, d.Meta} {
				b.Field(i).(*array.StringBuilder).Append(v)
			}
		}
		records = append(records, b.NewRecord())
	}
	c, err := corpus.New(records...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// texts makes documents with the identifiers d0, d1, ….
func texts(all ...string) []corpus.Document {
	docs := make([]corpus.Document, len(all))
	for i, text := range all {
		docs[i] = corpus.Document{ID: fmt.Sprint("d", i), Text: text}
	}
	return docs
}

// columns prints the columns of a corpus that begin with name, a line a document.
func columns(t testing.TB, c *corpus.Corpus, name string) string {
	t.Helper()
	var out strings.Builder
	for b, err := range c.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Len() {
			fmt.Fprint(&out, b.Doc(i).ID)
			for k, f := range b.Record.Schema().Fields() {
				if strings.HasPrefix(f.Name, name+".") {
					fmt.Fprint(&out, " ", b.Record.Column(k).ValueStr(b.Row(i)))
				}
			}
			out.WriteByte('\n')
		}
	}
	return out.String()
}

func exact(t *testing.T, c *corpus.Corpus, o Options) *corpus.Corpus {
	t.Helper()
	out, err := Exact(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestExact(t *testing.T) {
	c := inChunks(t, 2, texts("a", "b", "a", "c", "b", "a", "", ""))
	got := columns(t, exact(t, c, Options{}), "exact")
	want := "d0 true 0 (null) 1\nd1 true 1 (null) 1\nd2 false 0 d0 1\nd3 true 3 (null) 1\nd4 false 1 d1 1\nd5 false 0 d0 1\nd6 true 6 (null) 1\nd7 false 6 d6 1\n"
	if got != want {
		t.Errorf("have\n%swant\n%s", got, want)
	}
	kept, err := Kept(exact(t, c, Options{Name: "x"}), "x.keep")
	if err != nil || kept.NumDocs() != 4 {
		t.Errorf("%d documents kept, %v", kept.NumDocs(), err)
	}
	if _, err := Kept(c, "x.keep"); err == nil {
		t.Error("a corpus without verdicts is filtered by them")
	}
}

// The document with the best score stays, the first of equally good ones; documents that are not selected have no say.
func TestScore(t *testing.T) {
	docs := texts("same", "same", "same", "other", "same")
	for i, score := range []string{"1", "3", "2", "9", "3"} {
		docs[i].Meta = score
	}
	meta := func(b corpus.Batch, i int) float64 {
		var f float64
		fmt.Sscan(b.Doc(i).Meta, &f)
		return f
	}
	c := inChunks(t, 2, docs)
	if got, want := columns(t, exact(t, c, Options{Score: meta}), "exact"),
		"d0 false 0 d1 1\nd1 true 0 (null) 1\nd2 false 0 d1 1\nd3 true 3 (null) 1\nd4 false 0 d1 1\n"; got != want {
		t.Errorf("have\n%swant\n%s", got, want)
	}
	some, err := c.Where(func(d corpus.Document) bool { return d.ID != "d1" && d.ID != "d0" })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := columns(t, exact(t, some, Options{Score: meta}), "exact"), "d2 false 0 d4 1\nd3 true 1 (null) 1\nd4 true 0 (null) 1\n"; got != want {
		t.Errorf("selected: have\n%swant\n%s", got, want)
	}
	upper := Options{Text: func(d corpus.Document) string { return strings.ToUpper(d.ID[:1]) }, Score: Longest}
	if got, want := columns(t, exact(t, c, upper), "exact"), "d0 false 0 d3 1\nd1 false 0 d3 1\nd2 false 0 d3 1\nd3 true 0 (null) 1\nd4 false 0 d3 1\n"; got != want {
		t.Errorf("by another text, the longest: have\n%swant\n%s", got, want)
	}
	scored := exact(t, exact(t, c, Options{Name: "x"}), Options{Score: Greatest("x.cluster"), Text: func(corpus.Document) string { return "" }})
	if got := columns(t, scored, "exact"); !strings.HasPrefix(got, "d0 false 0 d3 1\n") {
		t.Errorf("by a column: have\n%s", got)
	}
}

// nearDuplicates returns n originals, in English-like words and in Chinese, and behind each copies copies with a few words changed.
func nearDuplicates(n, copies int) (docs []corpus.Document) {
	for i, text := range englishLike(n, 400) {
		for k := range copies + 1 {
			words := strings.Fields(text)
			for e := range k {
				words[(e*97+k*31+i)%len(words)] = "changed"
			}
			if i%3 == 2 { // as Chinese: a character for each word
				for w, word := range words {
					words[w] = string(rune(0x4e00 + (len(word)*7919+int(word[0])*131+int(word[len(word)-1])*31)%5000))
				}
			}
			sep := map[bool]string{true: "", false: " "}[i%3 == 2]
			docs = append(docs, corpus.Document{ID: fmt.Sprintf("%d/%d", i, k), Text: strings.Join(words, sep)})
		}
	}
	return docs
}

// Every injected near-duplicate is found, every original is kept, and nothing else meets.
func TestMinHash(t *testing.T) {
	for name, cfg := range map[string]Config{"datatrove": DataTrove(), "internlm": InternLM()} {
		docs := nearDuplicates(60, 3)
		c, err := MinHash(t.Context(), inChunks(t, 37, docs), cfg, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(columns(t, c, "minhash")) {
			var id, keep, cluster, kept string
			var similarity float64
			fmt.Sscan(line, &id, &keep, &cluster, &kept, &similarity)
			original, copied, _ := strings.Cut(id, "/")
			if copied == "0" && keep != "true" || copied != "0" && (keep != "false" || kept != original+"/0" || similarity < 0.7) {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// The columns are the same for any number of workers and any cut into chunks.
func TestDeterminism(t *testing.T) {
	docs := nearDuplicates(40, 2)
	slices.Reverse(docs)
	var want string
	for _, workers := range []int{1, 2, 5} {
		for _, chunk := range []int{7, 40, 1000} {
			before := runtime.GOMAXPROCS(workers)
			c, err := MinHash(t.Context(), inChunks(t, chunk, docs), DataTrove(), Options{Score: Longest})
			if err == nil {
				c, err = Pieces(t.Context(), c, PieceConfig{Unit: Sentences, Count: 1, MinChars: 1, Name: "minhash.s"})
			}
			runtime.GOMAXPROCS(before)
			if err != nil {
				t.Fatal(err)
			}
			got := columns(t, c, "minhash")
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%d workers, chunks of %d: other columns", workers, chunk)
			}
		}
	}
}

// A corpus in parts, each compared with the index of those before, has the clusters of the whole, and the same documents are kept.
func TestIncremental(t *testing.T) {
	docs := nearDuplicates(30, 3)
	docs = append(docs, docs[:40]...)
	for i := range docs {
		docs[i].ID = fmt.Sprint(i)
	}
	methods := map[string]func(c *corpus.Corpus, o Options) (*corpus.Corpus, error){
		"exact": func(c *corpus.Corpus, o Options) (*corpus.Corpus, error) { return Exact(t.Context(), c, o) },
		"minhash": func(c *corpus.Corpus, o Options) (*corpus.Corpus, error) {
			return MinHash(t.Context(), c, InternLM(), o)
		},
	}
	for name, method := range methods {
		whole, err := method(inChunks(t, 20, docs), Options{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name+".idx")
		got, index := "", ""
		for part := range slices.Chunk(docs, 57) {
			c, err := method(inChunks(t, 20, part), Options{Index: index, Save: path})
			if err != nil {
				t.Fatal(err)
			}
			got += columns(t, c, name)
			index = path
		}
		if want := columns(t, whole, name); got != want {
			t.Errorf("%s: in parts\n%s\nat once\n%s", name, got, want)
		}
	}
}

func TestIndexErrors(t *testing.T) {
	dir := t.TempDir()
	c := inChunks(t, 3, texts("a", "b c d e f", "a"))
	path := filepath.Join(dir, "x.idx")
	exact(t, c, Options{Save: path})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "damaged.idx")
	data[len(data)/2] ^= 1
	if err := os.WriteFile(damaged, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		run  func() (*corpus.Corpus, error)
		want string
	}{
		"absent":  {func() (*corpus.Corpus, error) { return Exact(t.Context(), c, Options{Index: filepath.Join(dir, "no")}) }, "leave Index empty"},
		"damaged": {func() (*corpus.Corpus, error) { return Exact(t.Context(), c, Options{Index: damaged}) }, "checksum"},
		"method":  {func() (*corpus.Corpus, error) { return MinHash(t.Context(), c, DataTrove(), Options{Index: path}) }, "made by exact"},
		"no place": {func() (*corpus.Corpus, error) {
			return Exact(t.Context(), c, Options{Save: filepath.Join(dir, "no", "x")})
		}, "no such"},
		"settings": {func() (*corpus.Corpus, error) { return MinHash(t.Context(), c, Config{}, Options{}) }, "choose 1 to"},
	} {
		if _, err := c.run(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	none := inChunks(t, 3, nil)
	if out := exact(t, none, Options{}); out.NumDocs() != 0 {
		t.Error("an empty corpus has documents")
	}
	if _, err := MinHash(t.Context(), none, InternLM(), Options{Score: Longest}); err != nil {
		t.Errorf("an empty corpus: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Exact(ctx, c, Options{}); err == nil {
		t.Error("a cancelled run ends well")
	}
}

// The columns, lists among them, survive Save and Open.
func TestSavedColumns(t *testing.T) {
	c, err := Pieces(t.Context(), exact(t, inChunks(t, 2, texts("x\ny\n", "x\ny\n", "z")), Options{}), RepeatedLines())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "c.arrow")
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := corpus.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	for _, name := range []string{"exact", "lines"} {
		if got, want := columns(t, back, name), columns(t, c, name); got != want {
			t.Errorf("%s: saved\n%swas\n%s", name, got, want)
		}
	}
}

// Everything that Exact allocates, its columns included, is at most 64 bytes a document, however many share a cluster.
func TestExactMemory(t *testing.T) {
	for _, different := range []int{150_000, 10} {
		docs := make([]corpus.Document, 150_000)
		for i := range docs {
			docs[i] = corpus.Document{ID: fmt.Sprintf("doc-%06d", i), Text: fmt.Sprint("text ", i%different)}
		}
		c := inChunks(t, 20_000, docs)
		perDoc := allocated(func() { exact(t, c, Options{}) }) / float64(len(docs))
		t.Logf("%d different texts: %.1f bytes a document", different, perDoc)
		if perDoc > 64 {
			t.Errorf("%d different texts: %.1f bytes a document, want at most 64", different, perDoc)
		}
	}
}

// allocated returns the bytes that f allocates in all.
func allocated(f func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}

func BenchmarkExact(b *testing.B) {
	docs := make([]corpus.Document, 1_000_000)
	filler := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 8)
	size := 0
	for i := range docs {
		docs[i] = corpus.Document{ID: fmt.Sprintf("doc-%07d", i), Text: fmt.Sprint(filler, i%900_000)}
		size += len(docs[i].Text)
	}
	c := inChunks(b, 50_000, docs)
	b.SetBytes(int64(size))
	perDoc := 0.0
	for b.Loop() {
		perDoc = allocated(func() {
			if _, err := Exact(b.Context(), c, Options{}); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.ReportMetric(perDoc/float64(len(docs)), "B/doc")
}

func BenchmarkMinHash(b *testing.B) {
	all := englishLike(20_000, 250)
	c := inChunks(b, 1000, texts(all...))
	b.SetBytes(int64(len(strings.Join(all, ""))))
	perDoc := 0.0
	for b.Loop() {
		perDoc = allocated(func() {
			if _, err := MinHash(b.Context(), c, DataTrove(), Options{}); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.ReportMetric(math.Round(perDoc/float64(len(all))), "B/doc")
}

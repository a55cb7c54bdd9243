package contam

import (
	"fmt"
	"math/rand/v2"
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
	"quire/lib/dedup"
)

// sentence returns n words that only this seed has.
func sentence(seed uint64, n int) string {
	rng := rand.New(rand.NewPCG(seed, 9))
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("w%x", rng.IntN(1<<20))
	}
	return strings.Join(words, " ")
}

func newIndex(t testing.TB, cfg Config, items ...Item) *Index {
	t.Helper()
	x, err := New(cfg, slices.Values(items))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func inChunks(t testing.TB, n int, texts ...string) *corpus.Corpus {
	t.Helper()
	var records []arrow.Record
	id := 0
	for chunk := range slices.Chunk(texts, n) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, corpus.Schema)
		for _, text := range chunk {
			for i, v := range []string{fmt.Sprint("d", id), text, "", ""} {
				b.Field(i).(*array.StringBuilder).Append(v)
			}
			id++
		}
		records = append(records, b.NewRecord())
	}
	c, err := corpus.New(records...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An item is found wherever it stands, in any case and punctuation, in Chinese too, and nothing else is.
func TestCheck(t *testing.T) {
	items := []Item{
		{"a", "0", sentence(1, 40)}, {"a", "1", sentence(2, 13)}, {"a", "2", sentence(3, 5)},
		{"中", "甲", "小明有五个苹果，他又买了三个苹果，请问小明现在一共有几个苹果？"},
	}
	for i := range 30 {
		items = append(items, Item{"a", fmt.Sprint(3 + i), "Which of the following is the best answer to the question that is asked here? " + sentence(uint64(100+i), 20)})
	}
	x := newIndex(t, GPT3(), items...)
	long := strings.ToUpper(strings.ReplaceAll(sentence(1, 40), " ", ", "))
	for name, c := range map[string]struct {
		text string
		want []Match
	}{
		"whole":        {sentence(50, 30) + "\n" + long + ". " + sentence(51, 30), []Match{{Set: "a", ID: "0", Overlap: 1}}},
		"half":         {strings.Join(strings.Fields(long)[:26], "  "), []Match{{Set: "a", ID: "0", Overlap: 0.5}}},
		"twelve words": {strings.Join(strings.Fields(long)[:12], " "), nil},
		"two items":    {sentence(1, 40) + " and " + sentence(2, 13), []Match{{Set: "a", ID: "0", Overlap: 1}, {Set: "a", ID: "1", Overlap: 1}}},
		"too short":    {sentence(3, 5) + " " + sentence(60, 50), nil},
		"the prompt":   {"Which of the following is the best answer to the question that is asked here? " + sentence(61, 30), nil},
		"Chinese":      {"题目：小明有五个苹果 他又买了三个苹果 请问小明现在一共有几个苹果 答案是八个", []Match{{Set: "中", ID: "甲", Overlap: 1}}},
		"other":        {sentence(62, 200), nil},
		"empty":        {"", nil},
	} {
		got := x.Check(c.text)
		for i := range got {
			got[i].item = 0
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	if s := x.sets[0]; s.Items != 33 || s.Short != 1 || s.N != 13 {
		t.Errorf("set a: %+v", s)
	}
	if s := x.sets[1]; s.N < 8 || s.N > 13 || s.Short != 0 {
		t.Errorf("set 中: %+v", s)
	}
	half := GPT3()
	half.MinOverlap = 0.6
	if got := newIndex(t, half, items...).Check(strings.Join(strings.Fields(long)[:26], " ")); got != nil {
		t.Errorf("half of an item is found where 0.6 is asked for: %+v", got)
	}
}

// Of each set, N is the length that one in twenty of its items does not reach.
func TestPercentile(t *testing.T) {
	var items []Item
	for i := range 100 {
		items = append(items, Item{"graded", fmt.Sprint(i), sentence(uint64(i), 5+i)}, Item{"long", fmt.Sprint(i), sentence(uint64(1000+i), 50)}, Item{"short", fmt.Sprint(i), sentence(uint64(2000+i), 4)})
	}
	x := newIndex(t, GPT3(), items...)
	for i, want := range []set{{"graded", 10, 100, 5}, {"long", 13, 100, 0}, {"short", 8, 100, 100}} {
		if x.sets[i] != want {
			t.Errorf("have %+v, want %+v", x.sets[i], want)
		}
	}
}

// MinHash finds an item in which every seventh word or so was changed, so that no thirteen of its words are left in a row.
func TestReworded(t *testing.T) {
	words := strings.Fields(sentence(1, 120))
	for i := 10; i < len(words); i += 11 {
		words[i] = "other"
	}
	text := strings.Join(words, " ")
	items := []Item{{"a", "0", sentence(1, 120)}, {"a", "1", sentence(2, 120)}}
	if got := newIndex(t, GPT3(), items...).Check(text); got != nil {
		t.Errorf("by n-grams: %+v", got)
	}
	cfg := Both()
	cfg.MinHash = dedup.ForThreshold(128, 0.3)
	got := newIndex(t, cfg, items...).Check(text)
	if len(got) != 1 || got[0].ID != "0" || got[0].Similarity < 0.25 || got[0].Overlap != 0 {
		t.Errorf("by MinHash: %+v", got)
	}
}

// The operator and the report say the same for any number of workers and chunks, and what was injected is found.
func TestCorpus(t *testing.T) {
	var items []Item
	var texts []string
	for i := range 40 {
		items = append(items, Item{"set", fmt.Sprint(i), sentence(uint64(i), 30)})
	}
	for i := range 200 {
		text := sentence(uint64(500+i), 60)
		if i%10 == 3 {
			text += " " + items[i/10].Text
		}
		texts = append(texts, text)
	}
	texts = append(texts, items[5].Text+" "+items[6].Text)
	x := newIndex(t, Both(), items...)
	var want string
	for _, chunk := range []int{7, 64, 500} {
		before := runtime.GOMAXPROCS(1 + chunk%3)
		c := inChunks(t, chunk, texts...)
		r, err := x.Report(t.Context(), c, nil)
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		if r.Hold != 21 || r.Sets[0].Found != 20 || !r.Holds("set", "5") || r.Holds("set", "30") {
			t.Errorf("chunks of %d: %d documents hold %+v", chunk, r.Hold, r.Sets)
		}
		for i := range r.Items {
			r.Items[i].place = 0
		}
		out, err := c.With(t.Context(), nil, x)
		if err != nil {
			t.Fatal(err)
		}
		clean, err := dedup.Kept(out, "contam.keep")
		if err != nil || clean.NumDocs() != 180 {
			t.Errorf("%d documents are clean, %v", clean.NumDocs(), err)
		}
		got := fmt.Sprintf("%+v\n", *r)
		for b := range out.Batches() {
			for i := range b.Len() {
				for k := range 5 {
					got += b.Record.Column(4+k).ValueStr(b.Row(i)) + " "
				}
				got += "\n"
			}
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("chunks of %d: another report", chunk)
		}
		if !strings.Contains(got, "false 1 set#0 1 ") || !strings.Contains(got, "false 2 set#5 1 ") {
			t.Errorf("columns: %s", got)
		}
		if s, _ := r.MIMEBundle()["text/plain"].(string); !strings.Contains(s, "21 of 201 documents hold") {
			t.Errorf("shown as %s", s)
		}
	}
}

func TestSaved(t *testing.T) {
	items := []Item{{"a", "0", sentence(1, 40)}, {"b", "", sentence(2, 20)}, {"a", "2", "short"}}
	for _, cfg := range []Config{GPT3(), Both()} {
		x := newIndex(t, cfg, items...)
		path := filepath.Join(t.TempDir(), "x")
		if err := x.Save(path); err != nil {
			t.Fatal(err)
		}
		back, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{sentence(1, 40), sentence(2, 20), sentence(3, 40)} {
			if got, want := back.Check(text), x.Check(text); !slices.Equal(got, want) {
				t.Errorf("saved: %+v, was %+v", got, want)
			}
		}
		if !slices.Equal(back.sets, x.sets) {
			t.Errorf("saved: %+v, was %+v", back.sets, x.sets)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(data) - 8 {
			if _, err := parse(data[:n]); err == nil {
				t.Errorf("%d of %d bytes are an index", n, len(data)-8)
			}
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no")); err == nil {
		t.Error("a file that is not there is opened")
	}
	for _, cfg := range []Config{{}, {N: 7, MinN: 8}, {N: 13, MinN: 8, MinOverlap: 2}, {N: 13, MinN: 8, MinHash: dedup.Config{Bands: 1}}} {
		if _, err := New(cfg, slices.Values(items)); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, cfg := range []Config{GPT3(), {N: 3, MinN: 2, MinHash: dedup.Config{Shingle: 2, Bands: 2, Rows: 1}}} {
		x := newIndex(f, cfg, Item{"a", "0", sentence(1, 15)}, Item{"b", "1", sentence(2, 14)})
		path := filepath.Join(f.TempDir(), "x")
		if err := x.Save(path); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:len(data)-8], sentence(1, 15))
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		x, err := parse(data)
		if err != nil {
			return
		}
		for _, m := range x.Check(text) {
			if m.Overlap > 1 || m.Similarity > 1 {
				t.Errorf("%+v", m)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	var items []Item
	for i := range 10_000 {
		items = append(items, Item{"a", fmt.Sprint(i), sentence(uint64(i), 60)})
	}
	texts := make([]string, 500)
	size := 0
	for i := range texts {
		texts[i] = sentence(uint64(1e6+i), 500)
		size += len(texts[i])
	}
	for name, cfg := range map[string]Config{"ngram": GPT3(), "ngram+minhash": Both()} {
		x := newIndex(b, cfg, items...)
		b.Run("method="+name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				for _, text := range texts {
					x.Check(text)
				}
			}
		})
	}
}

package clean

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/lib/corpus"
)

// Trained on one half of the built-in texts, the classifier knows the other half's languages.
func TestLanguageOnUnseenText(t *testing.T) {
	var halves [2][]string
	for i, line := range strings.Split(strings.TrimSpace(udhr), "\n") {
		halves[i%2] = append(halves[i%2], line)
	}
	right, all, wrong := 0, 0, map[string]int{}
	for i := range halves {
		b := trainBayes(halves[i])
		for _, line := range halves[1-i] {
			want, text, _ := strings.Cut(line, "\t")
			if got, _ := b.best(text); got == want {
				right++
			} else {
				wrong[want+" as "+got]++
			}
			all++
		}
	}
	t.Logf("%d of %d paragraphs of %d languages: %.2f %%; wrong: %v", right, all, len(Languages()), 100*float64(right)/float64(all), wrong)
	if right*100 < all*97 {
		t.Errorf("%d of %d", right, all)
	}
}

func TestLanguage(t *testing.T) {
	for text, want := range map[string]string{
		"Once upon a time there was a girl who lived near the forest with her mother.": "en",
		"La liberté guidant le peuple est un tableau d'Eugène Delacroix.":              "fr",
		"Der schnelle braune Fuchs springt über den faulen Hund.":                      "de",
		"El perro duerme en la casa mientras los niños juegan en el jardín.":           "es",
		"Съешь ещё этих мягких французских булок, да выпей чаю.":                       "ru",
		"语料要先清洗，再去重，然后才能训练模型。":                                                         "zh",
		"吾輩は猫である。名前はまだ無い。":                                                             "ja",
		"모든 인간은 태어날 때부터 자유롭다.":                                                         "ko",
		"1234 !!! \n": "",
	} {
		if got, p := Language(text); got != want || (p > 0) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, p, want)
		}
	}
	_, sure := Language("The government shall not be allowed to take the property of any person without a reason.")
	if _, unsure := Language("ok"); unsure >= sure {
		t.Errorf("two letters are as sure (%v) as a sentence (%v)", unsure, sure)
	}
}

func TestLabels(t *testing.T) {
	rec, texts := record("All human beings are born free.", "not selected", "人人生而自由。")
	cols, err := Labels{"language", Language}.Apply(t.Context(), corpus.Batch{Record: rec, Rows: []int32{0, 2}})
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range []string{"en", "", "zh"} {
		_, p := Language(texts[row])
		if want == "" {
			p = 0
		}
		if label, score := cols[0].(*array.String).Value(row), cols[1].(*array.Float32).Value(row); label != want || score != float32(p) {
			t.Errorf("row %d is %q, %v; want %q, %v", row, label, score, want, p)
		}
	}
}

// record makes a corpus record of texts.
func record(texts ...string) (arrow.Record, []string) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, corpus.Schema)
	for i := range corpus.Schema.NumFields() {
		f := b.Field(i).(*array.StringBuilder)
		if corpus.Schema.Field(i).Name == "text" {
			f.AppendValues(texts, nil)
		} else {
			f.AppendValues(make([]string, len(texts)), nil)
		}
	}
	return b.NewRecord(), texts
}

func FuzzLanguage(f *testing.F) {
	f.Add("abc \xff語")
	f.Fuzz(func(t *testing.T, text string) {
		if code, p := Language(text); !(p >= 0 && p <= 1) || (code == "") != (p == 0) {
			t.Errorf("%q: %q, %v", text, code, p)
		}
	})
}

// The variant that this machine picks gives the portable code's bits.
func TestSumRows(t *testing.T) {
	table := builtinLanguages().logs
	var hashes []uint32
	for i := range uint32(100) {
		var got, want [stride]float32
		sumRows(&got, table, hashes)
		sumRowsPortable(&want, table, hashes)
		if got != want {
			t.Fatalf("%d rows: %v, want %v", len(hashes), got, want)
		}
		hashes = append(hashes, i*7919&(1<<bayesBits-1))
	}
}

func BenchmarkLanguage(b *testing.B) {
	Language("train first")
	for name, docs := range benchmarkTexts(b) {
		b.Run("text="+name, func(b *testing.B) {
			b.SetBytes(int64(4000 * len(docs)))
			for b.Loop() {
				for _, d := range docs {
					Language(d)
				}
			}
		})
	}
}

// Nothing that repairs, filters or masks touches ordinary sentences of any language.
func TestSentencesAreLeftAlone(t *testing.T) {
	for line := range strings.Lines(udhr) {
		code, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		for name, f := range map[string]func(string) string{"Repair": Repair, "ContentLines": ContentLines, "Mask": Mask} {
			want := text
			if name == "Repair" {
				want = strings.ReplaceAll(text, "\u00ad", "")
			}
			if got := f(text); got != want {
				t.Errorf("%s of %s: %q becomes %q", name, code, text, got)
			}
		}
	}
}

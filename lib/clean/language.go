package clean

import (
	"context"
	_ "embed"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"quire/lib/corpus"
)

// udhr holds up to thirty paragraphs of the Universal Declaration of Human Rights in each of 56 languages, as "code\ttext" lines. The
// declaration is in the public domain; the texts are those of the Unicode consortium's collection.
//
//go:embed udhr.tsv
var udhr string

// Language returns the ISO 639-1 code of a text's language and how sure that is, from 0 to 1; "" for a text without letters. It knows
// the 56 languages of its built-in texts and always answers one of them: for more, and for closely related ones, read fastText's
// model with package fasttext.
//
// It is naive Bayes over hashed sequences of one to three characters of words, trained when it is first called (some 50 ms), and reads
// the first 2,000 characters.
func Language(text string) (code string, p float64) {
	return builtinLanguages().best(text)
}

// Languages returns the codes that [Language] can answer.
func Languages() []string { return slices.Clone(builtinLanguages().codes) }

var builtinLanguages = sync.OnceValue(func() *bayes {
	return trainBayes(strings.Split(strings.TrimSpace(udhr), "\n"))
})

const (
	bayesBits   = 15   // of the hashes of sequences
	bayesSmooth = 0.02 // is added to every count
	bayesChars  = 2000 // are read of a text
	bayesTrust  = 0.2  // of each sequence, as neighbouring ones tell much the same
)

// bayes is a classifier of languages.
type bayes struct {
	codes []string
	logs  []float32 // of each hash, the logarithm of its share in each language; rows of stride
	pool  sync.Pool // of *[]uint32: hashes of a text
}

// stride is the length of a row: room for all languages, in whole vectors.
const stride = 64

// trainBayes counts the sequences in lines of a code, a tab and a text.
func trainBayes(lines []string) *bayes {
	b := &bayes{}
	for _, line := range lines {
		code, _, _ := strings.Cut(line, "\t")
		if !slices.Contains(b.codes, code) {
			b.codes = append(b.codes, code)
		}
	}
	n := len(b.codes)
	b.logs = make([]float32, stride<<bayesBits)
	totals := make([]float64, stride)
	for _, line := range lines {
		code, text, _ := strings.Cut(line, "\t")
		lang := slices.Index(b.codes, code)
		sequences(text, math.MaxInt, func(h uint32) {
			b.logs[int(h)*stride+lang]++
			totals[lang]++
		})
	}
	for i, count := range b.logs {
		if lang := i % stride; lang < n {
			b.logs[i] = float32(math.Log((float64(count) + bayesSmooth) / (totals[lang] + bayesSmooth*(1<<bayesBits))))
		}
	}
	return b
}

func (b *bayes) best(text string) (code string, p float64) {
	hashes, _ := b.pool.Get().(*[]uint32)
	if hashes == nil {
		hashes = new([]uint32)
	}
	defer b.pool.Put(hashes)
	*hashes = (*hashes)[:0]
	sequences(text, bayesChars, func(h uint32) { *hashes = append(*hashes, h) })
	if len(*hashes) == 0 {
		return "", 0
	}
	var sums [stride]float32
	sumRows(&sums, b.logs, *hashes)
	scores := sums[:len(b.codes)]
	top := slices.Max(scores)
	sum := 0.0
	for _, s := range scores {
		sum += math.Exp(bayesTrust * float64(s-top))
	}
	return b.codes[slices.Index(scores, top)], 1 / sum
}

// sumRows adds the rows of a table that hashes name, in order. Its faster variants give the same bits.
var sumRows = sumRowsPortable

func sumRowsPortable(sums *[stride]float32, table []float32, hashes []uint32) {
	for _, h := range hashes {
		row := table[int(h)*stride:][:stride]
		for i := range sums {
			sums[i] += row[i]
		}
	}
}

// sequences calls f with the hash of every sequence of one to three characters of a text's words, in lower case, with a space for
// what lies between words, up to a number of characters.
func sequences(text string, limit int, f func(h uint32)) {
	a, b := ' ', ' ' // the two characters before
	for _, r := range text {
		if limit--; limit < 0 {
			return
		}
		if r < utf8.RuneSelf && byteClass[r] >= classLetter {
			r |= 0x20
		} else if r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsMark(r)) {
			r = unicode.ToLower(r)
		} else {
			r = ' '
		}
		if r == ' ' && b == ' ' {
			continue
		}
		if r != ' ' {
			f(sequence(0, 0, r))
			f(sequence(0, b, r))
		}
		if b != ' ' {
			f(sequence(a, b, r))
		}
		a, b = b, r
	}
}

func sequence(a, b, c rune) uint32 {
	return uint32((uint64(a)<<42 | uint64(b)<<21 | uint64(c)) * gramBase >> (64 - bayesBits))
}

// Labels is a classifier as a corpus operator: for each text its best label in a column of this name, and how sure it is in another
// that is called the same with "_score" behind. Best must be safe for many goroutines: [Language], or Best of a fasttext.Model.
type Labels struct {
	Name string // "language"
	Best func(text string) (label string, p float64)
}

// Fields implements corpus.Operator.
func (l Labels) Fields() []arrow.Field {
	return []arrow.Field{
		{Name: l.Name, Type: arrow.BinaryTypes.String},
		{Name: l.Name + "_score", Type: arrow.PrimitiveTypes.Float32},
	}
}

// Apply implements corpus.Operator. Rows that are not selected hold "" and 0.
func (l Labels) Apply(ctx context.Context, b corpus.Batch) ([]arrow.Array, error) {
	n := int(b.Record.NumRows())
	labels, scores := make([]string, n), make([]float32, n)
	text := b.Text()
	for i := range b.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := b.Row(i)
		label, p := l.Best(text.Value(row))
		labels[row], scores[row] = label, float32(p)
	}
	names := array.NewStringBuilder(memory.DefaultAllocator)
	names.AppendValues(labels, nil)
	shares := array.NewFloat32Builder(memory.DefaultAllocator)
	shares.AppendValues(scores, nil)
	return []arrow.Array{names.NewArray(), shares.NewArray()}, nil
}

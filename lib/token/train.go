package token

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// TrainConfig says what vocabulary to learn. The result depends on it and on the texts alone, not on the number of cores.
type TrainConfig struct {
	VocabSize int
	Special   []string              // text of special tokens, given the last ids by TrainBytes and the first by the others
	Progress  func(done, total int) // may be nil; called now and then, from one goroutine

	Pattern string // TrainBytes: cuts text into words; "" is PatternDigits2

	Coverage     float64 // SentencePiece: the share of characters that get pieces of their own; 0 is 0.9995
	MaxPiece     int     // SentencePiece: longest piece in characters; 0 is 16
	NoFallback   bool    // SentencePiece: no byte tokens; what is not covered becomes <unk>
	SplitDigits  bool    // SentencePiece: no piece has two digits
	DummyPrefix  bool    // SentencePiece: a space before every text
	SeedSize     int     // Unigram: pieces to begin with; 0 is ten times VocabSize
	Iterations   int     // Unigram: EM steps between two prunings; 0 is 2
	ShrinkFactor float64 // Unigram: share of pieces that a pruning keeps; 0 is 0.75
}

func (c *TrainConfig) defaults() error {
	if c.Pattern == "" {
		c.Pattern = PatternDigits2
	}
	if c.Coverage == 0 {
		c.Coverage = 0.9995
	}
	if c.MaxPiece == 0 {
		c.MaxPiece = 16
	}
	if c.SeedSize == 0 {
		c.SeedSize = 10 * c.VocabSize
	}
	if c.Iterations == 0 {
		c.Iterations = 2
	}
	if c.ShrinkFactor == 0 {
		c.ShrinkFactor = 0.75
	}
	if c.Progress == nil {
		c.Progress = func(int, int) {}
	}
	switch {
	case c.VocabSize > maxVocab:
		return fmt.Errorf("token: VocabSize %d: want at most %d", c.VocabSize, maxVocab)
	case c.Coverage < 0 || c.Coverage > 1 || c.ShrinkFactor < 0 || c.ShrinkFactor >= 1 || c.MaxPiece < 1:
		return fmt.Errorf("token: Coverage %g, ShrinkFactor %g, MaxPiece %d: want shares below one and a length", c.Coverage, c.ShrinkFactor, c.MaxPiece)
	}
	return nil
}

// tooSmall is the error for a vocabulary without room to learn anything.
func tooSmall(size, base int) error {
	return fmt.Errorf("token: VocabSize %d: bytes, characters and special tokens alone need %d", size, base)
}

var errNoText = errors.New("token: there is no text to train on")

// wordCount is a word of the corpus and how often it stands there.
type wordCount struct {
	text string
	n    int64
}

// batchBytes is how much text one worker counts at a time.
const batchBytes = 1 << 18

// countWords cuts all texts into words on all cores and returns the words in order of their bytes.
func countWords(ctx context.Context, texts iter.Seq[string], cut func(text string, word func(string))) ([]wordCount, error) {
	workers := runtime.GOMAXPROCS(0)
	batches := make(chan []string, workers)
	counts := make([]map[string]*int64, workers)
	var wg sync.WaitGroup
	for w := range workers {
		counts[w] = map[string]*int64{}
		wg.Go(func() {
			add := func(word string) {
				if p := counts[w][word]; p != nil {
					*p++
					return
				}
				n := int64(1)
				counts[w][strings.Clone(word)] = &n
			}
			for batch := range batches {
				for _, text := range batch {
					cut(text, add)
				}
			}
		})
	}
	err := feed(ctx, texts, batches)
	close(batches)
	wg.Wait()
	if err != nil {
		return nil, err
	}
	return mergeCounts(counts)
}

func feed(ctx context.Context, texts iter.Seq[string], batches chan<- []string) error {
	var batch []string
	size := 0
	for text := range texts {
		batch = append(batch, text)
		if size += len(text); size < batchBytes {
			continue
		}
		select {
		case batches <- batch:
		case <-ctx.Done():
			return ctx.Err()
		}
		batch, size = nil, 0
	}
	batches <- batch
	return ctx.Err()
}

func mergeCounts(counts []map[string]*int64) ([]wordCount, error) {
	all := counts[0]
	for _, m := range counts[1:] {
		for word, n := range m {
			if p := all[word]; p != nil {
				*p += *n
			} else {
				all[word] = n
			}
		}
	}
	if len(all) == 0 {
		return nil, errNoText
	}
	words := make([]wordCount, 0, len(all))
	for word, n := range all {
		words = append(words, wordCount{word, *n})
	}
	slices.SortFunc(words, func(a, b wordCount) int { return strings.Compare(a.text, b.text) })
	return words, nil
}

const digits = 254 // the script of 0 to 9

// scripts gives every character the number of its script; Han and the Japanese scripts share one, as in SentencePiece.
var scripts = sync.OnceValue(func() []uint8 {
	table := make([]uint8, unicode.MaxRune+1)
	names := make([]string, 0, len(unicode.Scripts))
	for name := range unicode.Scripts {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		n := uint8(i%250 + 1)
		if name == "Hiragana" || name == "Katakana" || name == "Han" {
			n = 255
		}
		t := unicode.Scripts[name]
		for _, r := range t.R16 {
			for x := int(r.Lo); x <= int(r.Hi); x += int(r.Stride) {
				table[x] = n
			}
		}
		for _, r := range t.R32 {
			for x := int(r.Lo); x <= int(r.Hi); x += int(r.Stride) {
				table[x] = n
			}
		}
	}
	for r := '0'; r <= '9'; r++ {
		table[r] = digits
	}
	table['\u30fc'] = 255 // the prolonged sound mark belongs to both kana
	return table
})

// chunks cuts text as SentencePiece's trainer does: words begin with a space, and no piece joins two scripts, or numbers
// with anything else.
func (c *TrainConfig) chunks(text string, word func(string)) {
	table := scripts()
	if c.DummyPrefix {
		text = " " + text
	}
	if strings.Contains(text, spaceMark) {
		text = unspace(text)
	}
	start, last := 0, uint8(0)
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		kind := table[r]
		ends := r == ' ' || r == '\n' || r == '\r' || r == 0 || r == utf8.RuneError && n == 1
		if ends || last != 0 && (kind != last || kind == digits && c.SplitDigits) {
			if i > start {
				word(text[start:i])
			}
			start = i
		}
		i += n
		if last = kind; ends {
			last = 0 // a space goes with whatever follows
			if r != ' ' {
				start = i
			}
		}
	}
	if start < len(text) {
		word(text[start:])
	}
}

// chars are the characters that get a piece, most frequent first, until they cover enough of the corpus.
func (c *TrainConfig) chars(words []wordCount) []rune {
	count := map[rune]int64{}
	total := int64(0)
	for _, w := range words {
		for _, r := range w.text {
			count[r] += w.n
			total += w.n
		}
	}
	list := make([]rune, 0, len(count))
	for r := range count {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b rune) int {
		if count[a] != count[b] {
			return int(min(max(count[b]-count[a], -1), 1))
		}
		return int(a) - int(b)
	})
	sum := int64(0)
	for i, r := range list {
		if float64(sum) >= c.Coverage*float64(total) {
			return list[:i]
		}
		sum += count[r]
	}
	return list
}

// covered cuts words at characters without a piece.
func covered(words []wordCount, chars []rune) []wordCount {
	has := make(map[rune]bool, len(chars))
	for _, r := range chars {
		has[r] = true
	}
	out := make([]wordCount, 0, len(words))
	for _, w := range words {
		for part := range strings.FieldsFuncSeq(w.text, func(r rune) bool { return !has[r] }) {
			out = append(out, wordCount{part, w.n})
		}
	}
	return out
}

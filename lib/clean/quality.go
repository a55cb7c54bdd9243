package clean

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
)

// Quality tells good texts from bad ones by their words: a logistic regression over hashed words and pairs of words, trained from
// two corpora (Wikipedia and a crawl, say), as GPT-3's and LLaMA's filters were (Brown et al. 2020, arXiv:2005.14165, appendix A;
// Touvron et al. 2023, arXiv:2302.13971 §2.1). Goroutines may share it once it is trained.
type Quality struct {
	weights []float32 // a power of two of them
	bias    float32
	pool    sync.Pool // of *Stats
}

// QualityConfig sets how a classifier is trained.
type QualityConfig struct {
	Bits   int     // the number of weights is 2^Bits
	Epochs int     // passes over the texts, which are kept as hashes
	Rate   float64 // step of AdaGrad (Duchi et al. 2011)
}

// DefaultQuality returns settings that suit some thousand texts.
func DefaultQuality() QualityConfig { return QualityConfig{Bits: 18, Epochs: 5, Rate: 0.1} }

// Validate reports what is wrong with the settings.
func (c QualityConfig) Validate() error {
	if c.Bits < 1 || c.Bits > 28 || c.Epochs < 1 || !(c.Rate > 0) {
		return fmt.Errorf("clean: quality: Bits %d (1 to 28), Epochs %d (at least 1), Rate %v (above 0)", c.Bits, c.Epochs, c.Rate)
	}
	return nil
}

// TrainQuality trains a classifier on good and bad texts. The order of both makes the result; the two count alike, whatever their
// numbers.
func TrainQuality(good, bad iter.Seq[string], cfg QualityConfig) (*Quality, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	q := &Quality{weights: make([]float32, 1<<cfg.Bits)}
	sides := [2][][]uint32{q.collect(bad), q.collect(good)}
	if len(sides[0]) == 0 || len(sides[1]) == 0 {
		return nil, fmt.Errorf("clean: quality: %d good texts and %d bad ones: both are needed", len(sides[1]), len(sides[0]))
	}
	squares := make([]float32, len(q.weights)) // of the gradients so far
	longest := max(len(sides[0]), len(sides[1]))
	for range cfg.Epochs {
		for i := range longest {
			for label, texts := range sides {
				q.step(texts[i%len(texts)], float64(label), cfg.Rate, squares)
			}
		}
	}
	return q, nil
}

// collect returns the features of texts; texts without words are left out.
func (q *Quality) collect(texts iter.Seq[string]) (all [][]uint32) {
	var s Stats
	for text := range texts {
		s.Measure(text)
		if f := q.features(&s, nil); len(f) > 0 {
			all = append(all, f)
		}
	}
	return all
}

// features appends the places of a text's words and pairs of words.
func (q *Quality) features(s *Stats, out []uint32) []uint32 {
	mask := uint64(len(q.weights) - 1)
	for i := range s.Words {
		out = append(out, uint32(s.gram(i, 1)&mask))
		if i > 0 {
			out = append(out, uint32(fold(s.gram(i-1, 2), 2)&mask))
		}
	}
	return out
}

// step moves the weights of one text's features towards its label.
func (q *Quality) step(features []uint32, label, rate float64, squares []float32) {
	gradient := q.probability(features) - label
	q.bias -= float32(rate * gradient * 0.1)
	g := float32(gradient / math.Sqrt(float64(len(features))))
	for _, f := range features {
		squares[f] += g * g
		q.weights[f] -= float32(rate) * g / float32(math.Sqrt(float64(squares[f])+1e-8))
	}
}

// probability returns that of a good text; the sum of weights is scaled so that long texts are no surer than short ones of the kind.
func (q *Quality) probability(features []uint32) float64 {
	sum := float32(0)
	for _, f := range features {
		sum += q.weights[f]
	}
	x := float64(q.bias) + float64(sum)/math.Sqrt(float64(max(1, len(features))))
	return 1 / (1 + math.Exp(-x))
}

// Score returns how likely a text is a good one, from 0 to 1; NaN for a text without words.
func (q *Quality) Score(text string) float64 {
	s, ok := q.pool.Get().(*Stats)
	if !ok {
		s = new(Stats)
	}
	defer q.pool.Put(s)
	s.Measure(text)
	if s.Words == 0 {
		return math.NaN()
	}
	return q.probability(q.features(s, nil))
}

// Rule returns the rule that a text's score is at least min.
func (q *Quality) Rule(name string, min float64) Rule {
	return Score(name, min, 1, "trained from two corpora", q.Score)
}

const qualityMagic = "quire quality 2\n"

// MarshalBinary implements encoding.BinaryMarshaler.
func (q *Quality) MarshalBinary() ([]byte, error) {
	b := bytes.NewBufferString(qualityMagic)
	if err := binary.Write(b, binary.LittleEndian, q.bias); err != nil {
		return nil, err
	}
	err := binary.Write(b, binary.LittleEndian, q.weights)
	return b.Bytes(), err
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (q *Quality) UnmarshalBinary(data []byte) error {
	if !bytes.HasPrefix(data, []byte(qualityMagic)) {
		return errors.New("clean: not a quality classifier that Quire wrote")
	}
	data = data[len(qualityMagic):]
	n := len(data)/4 - 1
	if len(data)%4 != 0 || n < 2 || n&(n-1) != 0 {
		return fmt.Errorf("clean: a quality classifier of %d bytes: the file is cut", len(data))
	}
	q.bias = math.Float32frombits(binary.LittleEndian.Uint32(data))
	q.weights = make([]float32, n)
	for i := range q.weights {
		q.weights[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i+4:]))
	}
	return nil
}

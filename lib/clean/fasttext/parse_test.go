package fasttext

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// file is a model of two words and two labels over two dimensions, as bytes.
func file(loss int32, quantised bool) []byte {
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			binary.Write(&b, binary.LittleEndian, v)
		}
	}
	put(int32(magic), int32(12))
	put(int32(2), int32(5), int32(5), int32(1), int32(5), int32(1), loss, int32(supervised), int32(10), int32(2), int32(2), int32(100), 0.0001)
	put(int32(4), int32(2), int32(2), int64(9))
	if quantised {
		put(int64(1))
	} else {
		put(int64(-1))
	}
	for _, e := range []struct {
		text  string
		count int64
		kind  int8
	}{{"ab", 3, 0}, {"cd", 2, 0}, {"__label__x", 5, 1}, {"__label__y", 4, 1}} {
		b.WriteString(e.text)
		put(int8(0), e.count, e.kind)
	}
	if quantised {
		put(int32(hashWord("<a")%10), int32(0))
		put(true, true, int64(3), int64(2), int32(3))          // quantised, with norms; 3 rows, 2 columns, 3 codes
		b.Write([]byte{0, 1, 2})                               // one part
		put(int32(2), int32(1), int32(2), int32(2))            // dim, parts, size, last
		put([]float32{1, 0, 0, 1, 1, 1}, make([]float32, 506)) // the first of 256 centroids of two values
		b.Write([]byte{0, 0, 1})
		put(int32(1), int32(1), int32(1), int32(1))
		put([]float32{1, 2}, make([]float32, 254))
	} else {
		put(false, int64(12), int64(2), []float32{1, 0, 0, 1}, make([]float32, 20))
	}
	put(false, int64(2), int64(2), []float32{2, 0, 0, 2})
	return b.Bytes()
}

// Predictions of a model that can be computed by hand: "ab" is (1, 0), averaged with rows of zeros for its three bigrams <a ab b>; </s> is
// unknown and adds none.
func TestPredictByHand(t *testing.T) {
	e := math.Exp
	for _, c := range []struct {
		name string
		loss int32
		q    bool
		text string
		x    float64
	}{
		{"softmax", lossSoftmax, false, "ab", e(0.5) / (e(0.5) + 1)},
		{"each", lossEach, false, "ab", 1 / (1 + e(-0.5))},
		{"tree", lossTree, false, "ab", 1 / (1 + e(-0.5))}, // y is rarer, so left; x is right
		{"two words", lossSoftmax, false, "ab cd", 0.5},
		{"line ends are spaces", lossSoftmax, false, "ab\n\tcd\n", 0.5},
		{"labels in the text do not count", lossSoftmax, false, "ab __label__x", e(0.5) / (e(0.5) + 1)},
		{"quantised", lossSoftmax, true, "ab", e(3) / (e(3) + e(2))}, // (1, 0) and, for <a, 2·(1, 1): mean (1.5, 1)
	} {
		m, err := Parse(file(c.loss, c.q))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range m.Predict(c.text, 2) {
			if g.Label == "x" && math.Abs(g.Prob-c.x) > 1e-6 {
				t.Errorf("%s: x has %v, want %v", c.name, g.Prob, c.x)
			}
		}
	}
	m, _ := Parse(file(lossSoftmax, true))
	if g := m.Predict("zz", 2); g != nil {
		t.Errorf("a text without rows is %v", g)
	}
}

func TestBadFiles(t *testing.T) {
	good := file(lossTree, true)
	if _, err := Parse([]byte("PK\x03\x04 something else")); err == nil || !strings.Contains(err.Error(), "not a fastText model") {
		t.Errorf("another file: %v", err)
	}
	for n := range good {
		if _, err := Parse(good[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes read without error", n, len(good))
		}
	}
	vectors := bytes.Clone(good)
	vectors[8+7*4] = 2 // skipgram
	if _, err := Parse(vectors); err == nil || !strings.Contains(err.Error(), "word vectors") {
		t.Errorf("word vectors: %v", err)
	}
}

// Any bytes give a model or an error, and a model predicts.
func FuzzParse(f *testing.F) {
	f.Add(file(lossSoftmax, false))
	f.Add(file(lossTree, true))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		m.Predict("ab cd zz", 3)
		m.Best("ab 语料")
	})
}

// Package fasttext reads classifiers that fastText trained (.bin, and .ftz where quantised) and predicts as it does: the language of
// a text, its quality, whatever the labels mean.
//
//	text ── words and their hashed n-grams ──▶ rows of the input matrix ── mean ──▶ hidden ── output layer ──▶ labels
//
// Theory: Joulin et al. 2016, arXiv:1607.01759 (the classifier) and arXiv:1612.03651 (its compression); Bojanowski et al. 2016,
// arXiv:1607.04606 §3.2 (character n-grams). The file's layout is fastText's own, version 12 and 11.
//
// Invariant: a model never changes after it is read; any number of goroutines may predict with it.
// Invariant: a file that reads without error holds every row that prediction can ask for.
//
// Where this differs from fastText: line ends count as spaces, so that a document is one line; rows are added word by word, so that
// sums differ in the last bits.
//
// Deliberately absent: training, and word vectors (models that are not supervised are refused).
package fasttext

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
)

// Model is a trained classifier.
type Model struct {
	args   args
	words  *wordTable
	nwords int
	labels []string   // without "__label__"
	prune  pruneTable // nil where all n-grams have rows
	input  []float32  // rows of dim, dequantised
	output []float32  // a row for each label, or for each inner node of the tree
	tree   []treeNode
	pool   sync.Pool // of *scratch
}

// Guess is a label and how likely it is.
type Guess struct {
	Label string
	Prob  float64
}

// Open reads a model from a file.
func Open(path string) (*Model, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Labels returns the model's labels, the most frequent in its training first.
func (m *Model) Labels() []string { return slices.Clone(m.labels) }

// Predict returns the k most likely labels of a text, the most likely first; none for a text of which the model knows nothing.
func (m *Model) Predict(text string, k int) []Guess {
	s := m.scratch()
	defer m.pool.Put(s)
	if !s.read(text) || k <= 0 {
		return nil
	}
	guesses := make([]Guess, len(m.labels))
	for i, p := range s.probabilities() {
		guesses[i] = Guess{m.labels[i], p}
	}
	slices.SortStableFunc(guesses, func(a, b Guess) int { return cmp.Compare(b.Prob, a.Prob) })
	return guesses[:min(k, len(guesses))]
}

// Best returns the most likely label of a text and its probability; "" for a text of which the model knows nothing.
func (m *Model) Best(text string) (label string, p float64) {
	s := m.scratch()
	defer m.pool.Put(s)
	if !s.read(text) {
		return "", 0
	}
	if m.tree != nil {
		best, p := s.bestLeaf()
		return m.labels[best], p
	}
	best := 0
	probs := s.probabilities()
	for i, p := range probs {
		if p > probs[best] {
			best = i
		}
	}
	return m.labels[best], probs[best]
}

func (m *Model) scratch() *scratch {
	if s, ok := m.pool.Get().(*scratch); ok {
		return s
	}
	return newScratch(m)
}

// treeNode is a node of the Huffman tree of labels. Leaves come first.
type treeNode struct {
	left, right int32 // −1 for a leaf
	count       int64
}

// huffman builds the tree as fastText does, from the labels' counts in descending order.
func huffman(counts []int64) []treeNode {
	n := len(counts)
	tree := make([]treeNode, 2*n-1)
	for i := range tree {
		tree[i] = treeNode{-1, -1, maxCount}
		if i < n {
			tree[i].count = counts[i]
		}
	}
	leaf, node := n-1, n
	for i := n; i < len(tree); i++ {
		var least [2]int
		for j := range least {
			if leaf >= 0 && tree[leaf].count < tree[node].count {
				least[j] = leaf
				leaf--
			} else {
				least[j] = node
				node++
			}
		}
		tree[i] = treeNode{int32(least[0]), int32(least[1]), tree[least[0]].count + tree[least[1]].count}
	}
	return tree
}

// bestLeaf returns the most likely label: depth first, leaving branches that are less likely than the best leaf so far.
func (s *scratch) bestLeaf() (label int, p float64) {
	m := s.model
	n := int32(len(m.labels))
	best, bestP := int32(0), -1.0
	var walk func(node int32, p float64)
	walk = func(node int32, p float64) {
		if p <= bestP {
			return
		}
		t := m.tree[node]
		if t.left < 0 {
			best, bestP = node, p
			return
		}
		right := sigmoid(s.dot(int(node - n)))
		if right > 0.5 {
			walk(t.right, p*right)
			walk(t.left, p*(1-right))
		} else {
			walk(t.left, p*(1-right))
			walk(t.right, p*right)
		}
	}
	walk(int32(len(m.tree)-1), 1)
	return int(best), bestP
}

// probabilities returns each label's, in the order of the labels. They belong to s.
func (s *scratch) probabilities() []float64 {
	m := s.model
	out := s.probs
	if m.tree != nil {
		n := len(m.labels)
		s.nodes[len(m.tree)-1] = 1
		for i := len(m.tree) - 1; i >= n; i-- { // parents lie behind their children
			right := sigmoid(s.dot(i - n))
			s.nodes[m.tree[i].right] = s.nodes[i] * right
			s.nodes[m.tree[i].left] = s.nodes[i] * (1 - right)
		}
		copy(out, s.nodes)
		return out
	}
	for i := range out {
		out[i] = s.dot(i)
	}
	if m.args.loss != lossSoftmax {
		for i, x := range out {
			out[i] = sigmoid(x)
		}
		return out
	}
	top, sum := slices.Max(out), 0.0
	for i, x := range out {
		out[i] = math.Exp(x - top)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// dot multiplies a row of the output layer with the hidden layer.
func (s *scratch) dot(row int) float64 {
	sum := float32(0)
	out := s.model.output[row*len(s.hidden):][:len(s.hidden)]
	for i, h := range s.hidden {
		sum += h * out[i]
	}
	return float64(sum)
}

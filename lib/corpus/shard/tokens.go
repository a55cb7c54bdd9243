package shard

import (
	"fmt"
	"iter"
)

// Tokens is one tokenised document on its way between formats.
type Tokens struct {
	ID   string
	IDs  []uint32
	Loss []bool // whether each token is a target; nil: all are
}

// All walks the shard's documents in order. What it yields is valid until the next.
func (s *Shard) All() iter.Seq2[Tokens, error] {
	return func(yield func(Tokens, error) bool) {
		var ids []uint32
		for i := range s.Docs() {
			ids = s.Append(ids[:0], i)
			if !yield(Tokens{ID: s.ID(i), IDs: ids}, nil) {
				return
			}
		}
	}
}

// Write makes a shard of documents in any format that this package reads. A shard keeps no loss masks: a document with one is an error.
// So is the first error among the documents.
func Write(path string, o Options, docs iter.Seq2[Tokens, error]) error {
	w, err := Create(path, o)
	if err != nil {
		return err
	}
	for d, err := range docs {
		if err == nil && d.Loss != nil {
			err = fmt.Errorf("shard: document %q has tokens that are no targets, which a shard does not keep: it is for fine-tuning, not for pre-training", d.ID)
		}
		if err == nil {
			err = w.Append(d.ID, d.IDs)
		}
		if err != nil {
			w.Abort()
			return err
		}
	}
	return w.Close()
}

// lossOf returns a mask, or nil where all tokens are targets.
func lossOf(n int, target func(i int) bool) []bool {
	var loss []bool
	for i := range n {
		if target(i) {
			continue
		}
		if loss == nil {
			loss = make([]bool, n)
			for k := range loss {
				loss[k] = true
			}
		}
		loss[i] = false
	}
	return loss
}

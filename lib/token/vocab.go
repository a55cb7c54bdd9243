package token

import (
	"fmt"
	"iter"
	"slices"
)

// maxVocab bounds the ids of a model file: no published model comes near it.
const maxVocab = 1 << 24

// kind is what a piece is for; the values are SentencePiece's.
type kind uint8

const (
	normal      kind = 1
	unknown     kind = 2
	control     kind = 3
	userDefined kind = 4
	unused      kind = 5
	byteKind    kind = 6
)

// vocabulary is the table of pieces of a tokenizer, as its file writes them, added tokens included.
type vocabulary struct {
	pieces []string
	kinds  []kind // control: never made from text, left out by Decode
	scores []float32
	index  map[string]uint32

	bos, eos, unk, pad int // -1: none
	limit              int // ids are below it: what a file makes us allocate is bounded by its size
}

// Added describes a token that is cut out of the text before the model sees it.
type Added struct {
	ID         uint32
	Text       string
	Special    bool // subject to the Policy and left out by Decode
	Normalized bool // looked for in normalised text
	LStrip     bool // takes white space before it
	RStrip     bool // takes white space after it
	SingleWord bool // only where no word character touches it
}

// VocabSize is one more than the largest id.
func (v *vocabulary) VocabSize() int { return len(v.pieces) }

// Piece returns id's piece as the model file writes it ("▁the", "Ġthe"), or "" if there is no such id.
func (v *vocabulary) Piece(id uint32) string {
	if int(id) >= len(v.pieces) {
		return ""
	}
	return v.pieces[id]
}

// ID returns the id of a piece, written as in the model file; special tokens are found by their text.
func (v *vocabulary) ID(piece string) (uint32, bool) {
	id, ok := v.index[piece]
	return id, ok
}

// IsSpecial reports whether id is a special token: Decode leaves it out.
func (v *vocabulary) IsSpecial(id uint32) bool {
	return int(id) < len(v.kinds) && v.kinds[id] == control
}

// BOS returns the id that begins a text, if the model names one.
func (v *vocabulary) BOS() (uint32, bool) { return role(v.bos) }

// EOS returns the id that ends a text, if the model names one.
func (v *vocabulary) EOS() (uint32, bool) { return role(v.eos) }

// UNK returns the id of unknown text, if the model has one.
func (v *vocabulary) UNK() (uint32, bool) { return role(v.unk) }

// PAD returns the id that fills a batch, if the model names one.
func (v *vocabulary) PAD() (uint32, bool) { return role(v.pad) }

func role(id int) (uint32, bool) { return uint32(max(id, 0)), id >= 0 }

// Added returns the added tokens, special ones among them, by id.
func (t *Tokenizer) Added() []Added {
	list := slices.Clone(t.added.list)
	slices.SortFunc(list, func(a, b Added) int { return int(a.ID) - int(b.ID) })
	return list
}

// All yields every id with its piece.
func (v *vocabulary) All() iter.Seq2[uint32, string] {
	return func(yield func(uint32, string) bool) {
		for i, p := range v.pieces {
			if !yield(uint32(i), p) {
				return
			}
		}
	}
}

// spareIDs is how far above its number of tokens a vocabulary may number them.
const spareIDs = 1 << 17

// newVocabulary has n pieces of no text and no roles, and takes about as many tokens as a file of size bytes may hold.
func newVocabulary(n, size int) vocabulary {
	v := vocabulary{pieces: make([]string, n), kinds: make([]kind, n), index: make(map[string]uint32, n)}
	v.limit = min(n+size+spareIDs, maxVocab)
	v.bos, v.eos, v.unk, v.pad = -1, -1, -1, -1
	for i := range v.kinds {
		v.kinds[i] = unused
	}
	return v
}

// set gives id a piece, and grows the vocabulary up to it. Where two ids share a piece, the first is found by ID.
func (v *vocabulary) set(id int, piece string, k kind) error {
	if id < 0 || id >= v.limit {
		return fmt.Errorf("token %q has id %d: want 0 to %d", piece, id, v.limit-1)
	}
	for len(v.pieces) <= id {
		v.pieces, v.kinds = append(v.pieces, ""), append(v.kinds, unused)
	}
	v.pieces[id], v.kinds[id] = piece, k
	if _, dup := v.index[piece]; !dup {
		v.index[piece] = uint32(id)
	}
	return nil
}

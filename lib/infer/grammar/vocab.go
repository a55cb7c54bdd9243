package grammar

import (
	"bytes"
	"cmp"
	"slices"

	"quire/lib/token"
)

// Vocab is a tokenizer's vocabulary as a trie of the bytes that its tokens stand for. It never changes; goroutines may
// share it. Special tokens, the unknown token and tokens without bytes are not in it.
type Vocab struct {
	size    int
	stops   []uint32
	start   []int32 // the bytes of id i are text[start[i]:start[i+1]]
	text    []byte
	trie    []trieNode
	same    []uint32 // ids with the same bytes, one after the other
	longest int
}

// trieNode stands in the order of a depth-first walk.
type trieNode struct {
	b     byte
	depth uint16 // of the byte: 0 is a token's first
	long  uint16 // length of the longest token at or below the node
	skip  int32  // the node after all those below
	lo    int32  // same[lo:hi] are the tokens that end here
	hi    int32
}

// longToken bounds tokens: longer ones are left out, no text needs them.
const longToken = 1 << 12

// NewVocab makes the trie of tok's tokens. stops are the ids that end a text; without any it is tok's own.
func NewVocab(tok *token.Tokenizer, stops ...uint32) *Vocab {
	if eos, ok := tok.EOS(); ok && len(stops) == 0 {
		stops = []uint32{eos}
	}
	unk, hasUnk := tok.UNK()
	tokens := make([][]byte, tok.VocabSize())
	for i := range tokens {
		if id := uint32(i); !(hasUnk && id == unk) {
			tokens[i] = tok.Bytes(id)
		}
	}
	return newVocab(tokens, stops)
}

// newVocab makes the trie of tokens, by id.
func newVocab(tokens [][]byte, stops []uint32) *Vocab {
	v := &Vocab{size: len(tokens), stops: slices.Clone(stops), start: make([]int32, 1, len(tokens)+1)}
	var ids []uint32
	for i, t := range tokens {
		if len(t) <= longToken && !slices.Contains(stops, uint32(i)) {
			v.text = append(v.text, t...)
			v.longest = max(v.longest, len(t))
			if len(t) > 0 {
				ids = append(ids, uint32(i))
			}
		}
		v.start = append(v.start, int32(len(v.text)))
	}
	slices.SortFunc(ids, func(x, y uint32) int { return cmp.Or(bytes.Compare(v.Bytes(x), v.Bytes(y)), cmp.Compare(x, y)) })
	v.grow(ids)
	return v
}

// grow makes the trie of ids sorted by their bytes.
func (v *Vocab) grow(ids []uint32) {
	var path []int32 // nodes from the root to the last token
	var last []byte
	pop := func(depth int) {
		for len(path) > depth {
			n := path[len(path)-1]
			path = path[:len(path)-1]
			v.trie[n].skip = int32(len(v.trie))
			if len(path) > 0 {
				up := &v.trie[path[len(path)-1]]
				up.long = max(up.long, v.trie[n].long)
			}
		}
	}
	for _, id := range ids {
		t := v.Bytes(id)
		if !bytes.Equal(t, last) {
			shared := 0
			for shared < min(len(t), len(last)) && t[shared] == last[shared] {
				shared++
			}
			pop(shared)
			for d := shared; d < len(t); d++ {
				path = append(path, int32(len(v.trie)))
				at := int32(len(v.same))
				v.trie = append(v.trie, trieNode{b: t[d], depth: uint16(d), lo: at, hi: at})
			}
			last = t
			v.trie[path[len(path)-1]].long = uint16(len(t))
		}
		v.same = append(v.same, id)
		v.trie[path[len(path)-1]].hi = int32(len(v.same))
	}
	pop(0)
}

// Bytes returns the bytes of a token: none for special ones. They must not be changed.
func (v *Vocab) Bytes(id uint32) []byte {
	if int(id) >= v.size {
		return nil
	}
	return v.text[v.start[id]:v.start[id+1]]
}

// Size is one more than the largest id.
func (v *Vocab) Size() int { return v.size }

// Spells reports whether every byte is a token of its own. Where it is not, a text can reach a place that the vocabulary
// cannot go on from: the mask there is empty.
func (v *Vocab) Spells() bool {
	n := 0
	for _, t := range v.trie {
		if t.depth == 0 && t.hi > t.lo {
			n++
		}
	}
	return n == 256
}

package train

import (
	"quire/lib/corpus/mix"
	"quire/lib/token"
	"quire/simd/tensor"
)

// ignored is the label of a position that has no target.
const ignored = -100

// microBatch is rows as one packed batch: every span of a document is a sequence of its own.
type microBatch struct {
	ids, pos, labels []int32
	cu               []int32
	spans            []targets
	count            int // labels that are not ignored
	padding          int // positions that belong to no document
}

// targets are the positions [from, to) of a micro-batch whose labels come from one piece of a document.
type targets struct {
	source   int
	from, to int
	bytes    int // of text that the targets stand for; 0 without a tokenizer
}

// newMicroBatch packs rows of seqLen+1 tokens. The last token of a piece has no target: what follows is another text.
func newMicroBatch(rows []mix.Row, tok *token.Tokenizer) *microBatch {
	m := &microBatch{cu: []int32{0}}
	for _, row := range rows {
		n, done := len(row.IDs)-1, 0
		for _, s := range row.Spans {
			end := min(s.End, n)
			if end <= s.Start {
				continue
			}
			m.piece(row.IDs[s.Start:s.End], end-s.Start, s.Source, tok)
			done = end
		}
		if done < n {
			m.pad(n - done)
		}
	}
	return m
}

// piece adds the first n tokens of a piece as a sequence.
func (m *microBatch) piece(ids []uint32, n, source int, tok *token.Tokenizer) {
	from := len(m.ids)
	for i := range n {
		label := int32(ignored)
		if i+1 < len(ids) {
			label = int32(ids[i+1])
			m.count++
		}
		m.ids, m.pos, m.labels = append(m.ids, int32(ids[i])), append(m.pos, int32(i)), append(m.labels, label)
	}
	m.cu = append(m.cu, int32(len(m.ids)))
	m.spans = append(m.spans, targets{source: source, from: from, to: len(m.ids), bytes: targetBytes(tok, ids)})
}

func (m *microBatch) pad(n int) {
	for i := range n {
		m.ids, m.pos, m.labels = append(m.ids, 0), append(m.pos, int32(i)), append(m.labels, ignored)
	}
	m.cu = append(m.cu, int32(len(m.ids)))
	m.padding += n
}

// targetBytes is the length of the text that all tokens but the first stand for. A character cut by the end of the piece counts as U+FFFD.
func targetBytes(tok *token.Tokenizer, ids []uint32) int {
	if tok == nil || len(ids) < 2 {
		return 0
	}
	var buf [4096]byte
	return max(0, len(tok.AppendDecode(buf[:0], ids, false))-len(tok.AppendDecode(nil, ids[:1], false)))
}

func tensorI32(x []int32) tensor.Tensor { return tensor.FromI32(x, len(x)) }

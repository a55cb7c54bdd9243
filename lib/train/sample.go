package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Sampling says how texts are continued.
type Sampling struct {
	Tokens      int     // the most that are added to each prompt
	Temperature float32 // 0: always the likeliest token
	TopK        int     // 0: off
	TopP        float32 // 0 or 1: off
	Seed        uint64
}

// DefaultSampling draws up to 128 tokens at temperature 0.8.
func DefaultSampling() Sampling { return Sampling{Tokens: 128, Temperature: 0.8, TopP: 0.95} }

// Validate reports what cannot be sampled with.
func (s Sampling) Validate() error {
	if s.Tokens < 1 || !(s.Temperature >= 0) || s.TopK < 0 || !(s.TopP >= 0 && s.TopP <= 1) {
		return fmt.Errorf("train: sampling %+v: want 1 token or more, a temperature and top-k from 0, top-p from 0 to 1", s)
	}
	return nil
}

// pageSize is the slots of a page of the cache.
const pageSize = 32

// writer is one text that grows.
type writer struct {
	ids   []uint32
	pages []int32
	rng   *rand.Rand
	done  bool
}

// sample continues every prompt with the weights as they are, all together, each with random numbers of its own. A text ends with
// its last token or where the model ends it; it is returned with its prompt.
func (l *loop) sample(ctx context.Context, prompts []string, o Sampling) ([]string, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if l.tok == nil {
		return nil, errors.New("train: samples need the tokenizer: set Config.Tokenizer to its file")
	}
	m, err := l.trainer.Model()
	if err != nil {
		return nil, err
	}
	var texts []*writer
	next := 0
	for i, p := range prompts {
		ids, err := l.encode(p)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 || len(ids) >= m.MaxPositions() {
			return nil, fmt.Errorf("train: prompt %d has %d tokens: want 1 to %d", i, len(ids), m.MaxPositions()-1)
		}
		w := &writer{ids: ids, rng: rand.New(rand.NewPCG(o.Seed, uint64(i)))}
		for n := min(len(ids)+o.Tokens, m.MaxPositions()); n > 0; n -= pageSize {
			w.pages = append(w.pages, int32(next))
			next++
		}
		texts = append(texts, w)
	}
	if err := l.write(ctx, m, texts, next, o); err != nil {
		return nil, err
	}
	out := make([]string, len(texts))
	for i, w := range texts {
		out[i] = l.tok.Decode(w.ids)
	}
	return out, nil
}

// write runs the prompts through the model and then, one token of each at a time, what it draws behind them.
func (l *loop) write(ctx context.Context, m *model.Model, texts []*writer, pages int, o Sampling) error {
	if len(texts) == 0 {
		return nil
	}
	c := l.cfg.Model
	caches := make([]tensor.KV, c.NumLayers)
	for i := range caches {
		caches[i] = l.b.NewKV(tensor.KVConfig{Pages: pages, PageSize: pageSize, KVHeads: c.NumKVHeads, HeadDim: c.HeadDim, DType: l.compute})
	}
	fresh := make([]int, len(texts)) // first token of each text that the caches do not hold
	for n := 0; n < o.Tokens; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		var open []*writer
		batch := model.Batch{Cu: []int32{0}, KV: caches}
		var ids, pos, slots []int32
		for i, w := range texts {
			if w.done || len(w.ids) >= m.MaxPositions() {
				continue
			}
			for j := fresh[i]; j < len(w.ids); j++ {
				ids, pos = append(ids, int32(w.ids[j])), append(pos, int32(j))
				slots = append(slots, w.pages[j/pageSize]*pageSize+int32(j%pageSize))
			}
			fresh[i] = len(w.ids)
			open = append(open, w)
			batch.Cu, batch.Pages, batch.KeyLens = append(batch.Cu, int32(len(ids))), append(batch.Pages, w.pages), append(batch.KeyLens, int32(len(w.ids)))
		}
		if len(open) == 0 {
			return nil
		}
		batch.IDs, batch.Pos, batch.Slots = tensorI32(ids), tensorI32(pos), tensorI32(slots)
		l.draw(m, batch, open, o)
	}
	return nil
}

// draw appends a token to each of the open texts, or ends it.
func (l *loop) draw(m *model.Model, batch model.Batch, open []*writer, o Sampling) {
	hidden := m.Forward(batch)
	last := tensor.New(hidden.DType(), len(open), hidden.Dim(1))
	rows := make([]tensor.SampleRow, len(open))
	for i, w := range open {
		l.b.Copy(last.Index(i), hidden.Index(int(batch.Cu[i+1])-1))
		rows[i] = tensor.SampleRow{Temperature: o.Temperature, TopK: o.TopK, TopP: o.TopP, U: w.rng.Float64()}
	}
	logits, ids := tensor.New(dtype.F32, len(open), l.cfg.Model.VocabSize), tensor.New(dtype.I32, len(open))
	m.Logits(logits, last)
	l.b.Sample(ids, logits, rows)
	for i, w := range open {
		id := ids.I32()[i]
		if w.done = id < 0 || slices.Contains(l.cfg.EOS, uint32(id)) || slices.Contains(l.cfg.Model.EOS, uint32(id)); !w.done {
			w.ids = append(w.ids, uint32(id))
		}
	}
}

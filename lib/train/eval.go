package train

import (
	"context"
	"errors"
	"fmt"
	"io"

	"quire/lib/corpus/mix"
	"quire/lib/token"
)

// Evaluation is how good the weights are at a step, on data that they were not trained on.
type Evaluation struct {
	Step      int                    `json:"step"`
	Sources   map[string]Part        `json:"sources"`             // held-out documents of the data, and those of Valid
	Languages map[string]Part        `json:"languages,omitempty"` // where they are not the sources
	All       Part                   `json:"all"`
	Probes    map[string]ProbeResult `json:"probes,omitempty"`
	Samples   []string               `json:"samples,omitempty"` // of Prompts, prompts included
}

// Probe is a set of multiple-choice questions, answered by the choice that the model finds likeliest behind the question.
type Probe struct {
	Name  string      `json:"name"`
	Items []ProbeItem `json:"items"`
}

// ProbeItem is one question.
type ProbeItem struct {
	Question string   `json:"question"`
	Choices  []string `json:"choices"` // texts that may follow, with their leading space
	Answer   int      `json:"answer"`  // index of the right one
}

// ProbeResult is the share of right answers, by the log-likelihood of a whole choice, and by that of one of its bytes, which is fair to long
// choices.
type ProbeResult struct {
	Items           int     `json:"items"`
	Accuracy        float64 `json:"accuracy"`
	AccuracyPerByte float64 `json:"accuracy_per_byte"`
	Chance          float64 `json:"chance"` // accuracy of guessing
}

// Validate reports an item that cannot be scored.
func (p Probe) Validate() error {
	if p.Name == "" || len(p.Items) == 0 {
		return fmt.Errorf("train: probe %q with %d items: want a name and some", p.Name, len(p.Items))
	}
	for i, it := range p.Items {
		if len(it.Choices) < 2 || it.Answer < 0 || it.Answer >= len(it.Choices) || it.Question == "" {
			return fmt.Errorf("train: probe %q: item %d: want a question, two choices or more, and an answer that is one of them", p.Name, i)
		}
		for _, c := range it.Choices {
			if c == "" {
				return fmt.Errorf("train: probe %q: item %d has an empty choice", p.Name, i)
			}
		}
	}
	return nil
}

// evaluate measures everything that the configuration asks for.
func (l *loop) evaluate(ctx context.Context) (*Evaluation, error) {
	l.probePeak()
	e := &Evaluation{Step: l.Step}
	sums := newTallies()
	if l.cfg.HoldOut > 0 {
		for _, src := range l.data.train {
			if err := l.evaluateSource(ctx, sums, src, mix.Split{From: 1 - l.cfg.HoldOut, To: 1}); err != nil {
				return nil, err
			}
		}
	}
	for _, src := range l.data.valid {
		if err := l.evaluateSource(ctx, sums, src, mix.Split{}); err != nil {
			return nil, err
		}
	}
	e.Sources, e.Languages = sums.parts(l.data.language)
	e.All = sums.all.part()
	for _, p := range l.cfg.Probes {
		result, err := l.probe(ctx, p)
		if err != nil {
			return nil, err
		}
		if e.Probes == nil {
			e.Probes = map[string]ProbeResult{}
		}
		e.Probes[p.Name] = result
	}
	if len(l.cfg.Prompts) > 0 {
		o := DefaultSampling()
		o.Seed = l.cfg.Seed + uint64(l.Step)
		samples, err := l.sample(ctx, l.cfg.Prompts, o)
		if err != nil {
			return nil, err
		}
		e.Samples = samples
	}
	return e, nil
}

// evaluateSource adds the losses of a source's evaluation data, up to EvalTokens tokens of it.
func (l *loop) evaluateSource(ctx context.Context, sums *tallies, src mix.Source, split mix.Split) error {
	stream, err := l.data.held(src, split)
	if err != nil {
		return fmt.Errorf("train: evaluation of %q: %w: raise hold_out, or set it to 0", src.Name, err)
	}
	for left := (l.cfg.EvalTokens + l.cfg.SeqLen - 1) / l.cfg.SeqLen; left > 0; {
		rows, err := drawRows(stream.Next, []mix.Source{src}, l.data.vocab, min(left, l.cfg.MicroRows))
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(rows) > 0 {
			m := newMicroBatch(rows, l.tok)
			loss := l.losses(m)
			for _, s := range m.spans {
				var nats float64
				n := 0
				for i := s.from; i < s.to; i++ {
					if m.labels[i] >= 0 {
						nats += float64(loss[i])
						n++
					}
				}
				sums.add(src.Name, nats, n, s.bytes)
			}
		}
		if err != nil {
			return nil
		}
		if left -= len(rows); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// losses are the cross-entropies of a micro-batch, without z-loss and smoothing. They are valid until the trainer's next call.
func (l *loop) losses(m *microBatch) []float32 {
	e := l.examples(m, 0)
	e.ZLoss, e.Smoothing = 0, 0
	return l.trainer.Evaluate(e).Loss.F32()
}

// probe scores every choice of every item, as many at a time as fit into a micro-batch.
func (l *loop) probe(ctx context.Context, p Probe) (r ProbeResult, err error) {
	r.Items = len(p.Items)
	scores := make([][]float64, len(p.Items)) // log-likelihood of each choice
	room := l.cfg.MicroRows * l.cfg.SeqLen
	m := &microBatch{cu: []int32{0}}
	var owners [][2]int
	flush := func() {
		if len(owners) == 0 {
			return
		}
		loss := l.losses(m)
		for k, s := range m.spans {
			for i := s.from; i < s.to; i++ {
				if m.labels[i] >= 0 {
					scores[owners[k][0]][owners[k][1]] -= float64(loss[i])
				}
			}
		}
		m, owners = &microBatch{cu: []int32{0}}, nil
	}
	for i, it := range p.Items {
		scores[i] = make([]float64, len(it.Choices))
		for j, choice := range it.Choices {
			ids, from, err := l.encodeChoice(it.Question, choice)
			if err != nil {
				return r, fmt.Errorf("train: probe %q: item %d: %w", p.Name, i, err)
			}
			if len(m.ids)+len(ids) > room {
				flush()
			}
			m.choice(ids, from)
			owners = append(owners, [2]int{i, j})
		}
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
	}
	flush()
	r.count(p, scores)
	return r, nil
}

// count turns the log-likelihoods into shares.
func (r *ProbeResult) count(p Probe, scores [][]float64) {
	for i, it := range p.Items {
		best, bestPerByte := 0, 0
		for j := range scores[i] {
			if scores[i][j] > scores[i][best] {
				best = j
			}
			if scores[i][j]/float64(len(it.Choices[j])) > scores[i][bestPerByte]/float64(len(it.Choices[bestPerByte])) {
				bestPerByte = j
			}
		}
		n := float64(len(p.Items))
		if best == it.Answer {
			r.Accuracy += 1 / n
		}
		if bestPerByte == it.Answer {
			r.AccuracyPerByte += 1 / n
		}
		r.Chance += 1 / float64(len(it.Choices)) / n
	}
}

// encodeChoice returns the tokens of a question and a choice; the choice's begin at from. Where both together do not fit into a sequence, the
// question loses its beginning.
func (l *loop) encodeChoice(question, choice string) (ids []uint32, from int, err error) {
	q, err := l.encode(question)
	if err != nil {
		return nil, 0, err
	}
	c, err := l.tok.Encode(choice, token.Options{})
	if err != nil {
		return nil, 0, err
	}
	if len(c) == 0 || len(c) >= l.cfg.SeqLen {
		return nil, 0, fmt.Errorf("a choice of %d tokens: want 1 to %d", len(c), l.cfg.SeqLen-1)
	}
	if over := len(q) + len(c) - l.cfg.SeqLen; over > 0 {
		q = q[over:]
	}
	return append(q, c...), len(q), nil
}

// encode returns the tokens of the beginning of a document, with what stands before documents in training.
func (l *loop) encode(text string) ([]uint32, error) {
	ids, err := l.tok.Encode(text, token.Options{})
	if err != nil {
		return nil, err
	}
	begin := l.cfg.BOS
	if len(begin) == 0 {
		begin = l.cfg.Model.BOS
	}
	return append(append([]uint32(nil), begin...), ids...), nil
}

// choice adds a sequence whose targets are its tokens from from on.
func (m *microBatch) choice(ids []uint32, from int) {
	start := len(m.ids)
	m.piece(ids, len(ids), 0, nil)
	for i := start; i < start+from-1; i++ {
		m.labels[i] = ignored
	}
}

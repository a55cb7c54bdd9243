package quant

import (
	"context"
	"fmt"
	"math"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// inputs are what the Linears of a layer met: some rows, and the largest magnitude in each channel. The rows of QKV are the first ones, whole beginnings of texts that end at cu, for attention
// takes them together; those of others are spread over all texts.
type inputs struct {
	sample  [len(roles)][]float32
	k       [len(roles)]int
	peak    [len(roles)][]float32
	pos, cu []int32
}

// rows are the kept rows of a role, (R, K).
func (in *inputs) rows(r model.Role) tensor.Tensor {
	k := in.k[r]
	return tensor.FromF32(in.sample[r], len(in.sample[r])/max(k, 1), k)
}

// calibrate runs the model that was given over the texts.
func (j *job) calibrate(ctx context.Context) ([]inputs, error) {
	m, err := model.New(j.b, j.c, j.w)
	if err != nil {
		return nil, err
	}
	seen := make([]inputs, j.c.NumLayers)
	total := 0
	for _, text := range j.Calibration {
		total += min(len(text), j.c.MaxSeqLen)
	}
	if total == 0 {
		return nil, fmt.Errorf("quant: the calibration texts are empty")
	}
	stride := max((total+j.Rows-1)/j.Rows, 1)
	err = j.forward(ctx, m, func(first int) func(int, model.Role, tensor.Tensor) {
		return func(i int, r model.Role, x tensor.Tensor) { seen[i].note(r, x, first, stride, j.Rows) }
	})
	return seen, err
}

// note keeps every stride-th row, counted over all texts, or the first rows up to most, and the peaks of all.
func (in *inputs) note(r model.Role, x tensor.Tensor, first, stride, most int) {
	k := x.Dim(1)
	if in.peak[r] == nil {
		in.peak[r], in.k[r] = make([]float32, k), k
	}
	numbers, peak := x.Floats(), in.peak[r]
	for i := range x.Dim(0) {
		row := numbers[i*k : i*k+k]
		for c, v := range row {
			peak[c] = max(peak[c], float32(math.Abs(float64(v))))
		}
		if r != model.RoleQKV && (first+i)%stride == 0 {
			in.sample[r] = append(in.sample[r], row...)
		}
	}
	if r == model.RoleQKV {
		in.begin(numbers, k, min(x.Dim(0), most-len(in.pos)))
	}
}

// begin keeps the first n rows of a text.
func (in *inputs) begin(numbers []float32, k, n int) {
	if n <= 0 {
		return
	}
	if in.cu == nil {
		in.cu = []int32{0}
	}
	in.sample[model.RoleQKV] = append(in.sample[model.RoleQKV], numbers[:n*k]...)
	for i := range n {
		in.pos = append(in.pos, int32(i))
	}
	in.cu = append(in.cu, int32(len(in.pos)))
}

// forward runs m over the calibration texts; trace gives the hook for the text that begins at token first.
func (j *job) forward(ctx context.Context, m *model.Model, trace func(first int) func(int, model.Role, tensor.Tensor)) error {
	first := 0
	for n, text := range j.Calibration {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := batch(j.c, text[:min(len(text), j.c.MaxSeqLen)])
		if err != nil {
			return fmt.Errorf("quant: calibration text %d: %w", n, err)
		}
		if b.IDs.Dim(0) == 0 {
			continue
		}
		b.Trace = trace(first)
		m.Forward(b)
		first += b.IDs.Dim(0)
	}
	return nil
}

// batch is one text from position 0.
func batch(c model.Config, text []uint32) (model.Batch, error) {
	ids, pos := make([]int32, len(text)), make([]int32, len(text))
	for i, id := range text {
		if int64(id) >= int64(c.VocabSize) {
			return model.Batch{}, fmt.Errorf("token %d: the vocabulary has %d", id, c.VocabSize)
		}
		ids[i], pos[i] = int32(id), int32(i)
	}
	return model.Batch{IDs: tensor.FromI32(ids, len(ids)), Pos: tensor.FromI32(pos, len(pos))}, nil
}

// Perplexity is exp of the mean negative log-likelihood of every token of the texts but the first of each, as inference computes it: with the types that w has.
// Texts are cut to the length that the model was trained for, and one token.
func Perplexity(ctx context.Context, b tensor.Backend, c model.Config, w *model.Weights, texts [][]uint32) (float64, error) {
	m, err := model.New(b, c, w)
	if err != nil {
		return 0, err
	}
	sum, n := 0.0, 0
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		text = text[:min(len(text), c.MaxSeqLen+1)]
		if len(text) < 2 {
			continue
		}
		if _, err := batch(c, text[len(text)-1:]); err != nil {
			return 0, fmt.Errorf("quant: text %d: %w", i, err)
		}
		in, err := batch(c, text[:len(text)-1])
		if err != nil {
			return 0, fmt.Errorf("quant: text %d: %w", i, err)
		}
		sum += negativeLogLikelihood(b, m, c, m.Forward(in), text[1:])
		n += len(text) - 1
	}
	if n == 0 {
		return 0, fmt.Errorf("quant: no text has two tokens: perplexity needs one to predict")
	}
	return math.Exp(sum / float64(n)), nil
}

// headRows is how many rows of logits are held at once.
const headRows = 64

func negativeLogLikelihood(b tensor.Backend, m *model.Model, c model.Config, hidden tensor.Tensor, targets []uint32) (sum float64) {
	logits, lse := tensor.New(dtype.F32, headRows, c.VocabSize), tensor.New(dtype.F32, headRows)
	for lo := 0; lo < len(targets); lo += headRows {
		hi := min(lo+headRows, len(targets))
		part, total := logits.Slice(0, 0, hi-lo), lse.Slice(0, 0, hi-lo)
		m.Logits(part, hidden.Slice(0, lo, hi))
		b.Reduce(tensor.LogSumExp, total, part)
		for i, id := range targets[lo:hi] {
			sum += float64(total.F32()[i]) - float64(part.Index(i).F32()[id])
		}
	}
	return sum
}

package quant

import (
	"context"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// hessians are Σ x·xᵀ over the inputs x of each Linear of layer i, (K, K) F32, met behind the layers that are quantised already: a model of the first i+1 layers runs
// over all texts. That is the paper's order, and L/2 passes over the model in all.
func (j *job) hessians(ctx context.Context, i int) (sums [len(roles)]tensor.Tensor, err error) {
	c := j.c
	c.NumLayers = i + 1
	w := *j.w
	w.Layers = append(append([]model.Layer{}, j.out.Layers...), j.w.Layers[i])
	m, err := model.New(j.b, c, &w)
	if err != nil {
		return sums, err
	}
	err = j.forward(ctx, m, func(int) func(int, model.Role, tensor.Tensor) {
		return func(at int, r model.Role, x tensor.Tensor) {
			if at != i {
				return
			}
			k := x.Dim(1)
			if sums[r].IsZero() {
				sums[r] = tensor.New(dtype.F32, k, k)
			}
			rows := tensor.FromF32(x.Floats(), x.Dim(0), k)
			j.b.MatMul(tensor.MatMul{Out: sums[r], A: rows.T(), B: rows, Residual: sums[r]})
		}
	})
	return sums, err
}

// gptqColumns is how many columns are rounded before the columns behind them take up the error in one product.
const gptqColumns = 128

// gptq rounds w (N, K), which it overwrites, column by column: the error of a column, divided by the diagonal of U, is taken from the columns behind it in proportion
// to U's row, where H⁻¹ = UᵀU. Scales of a block are fixed when its first column is reached, from the weights as they are then.
func (j *job) gptq(w, hessian tensor.Tensor) (tensor.Tensor, error) {
	n, k := w.Dim(0), w.Dim(1)
	h := square{k, make([]float64, k*k)}
	for i, v := range hessian.F32() {
		h.x[i] = float64(v)
	}
	damped(h, j.Damp, w)
	u, err := inverseFactor(h)
	if err != nil {
		return w, err
	}
	factor := tensor.New(dtype.F32, k, k)
	for i, v := range u.x {
		factor.F32()[i] = float32(v)
	}
	out := tensor.New(j.Type, n, k)
	rowBytes := j.Type.Bytes(k)
	size := j.Type.Block()
	step := max(gptqColumns, size)
	errors := tensor.New(dtype.F32, n, step)
	data := out.Bytes()
	for lo := 0; lo < k; lo += step {
		hi := min(lo+step, k)
		share(n, func(i int) {
			b := newBlock(j.Type)
			row, miss := w.Index(i).F32(), errors.Index(i).F32()
			for c := lo; c < hi; c++ {
				if c%size == 0 {
					b.begin(data[i*rowBytes+c/size*j.Type.BlockBytes():], row[c:c+size])
				}
				along := factor.Index(c).F32()
				miss[c-lo] = (row[c] - b.put(c%size, row[c])) / along[c]
				for rest := c + 1; rest < hi; rest++ {
					row[rest] -= miss[c-lo] * along[rest]
				}
			}
		})
		if hi < k {
			behind := w.Slice(1, hi, k)
			j.b.MatMul(tensor.MatMul{Out: behind, A: errors.Slice(1, 0, hi-lo), B: factor.Slice(0, lo, hi).Slice(1, hi, k), Alpha: -1, Residual: behind})
		}
	}
	return out, nil
}

// damped adds a share of the mean of the diagonal to it. Columns that met nothing but zeros get a diagonal of one, and their weights become zero.
func damped(h square, share float64, w tensor.Tensor) {
	mean := 0.0
	for i := range h.n {
		mean += h.row(i)[i] / float64(h.n)
	}
	for i := range h.n {
		if h.row(i)[i] == 0 {
			h.row(i)[i] = 1
			for r := range w.Dim(0) {
				w.Index(r).F32()[i] = 0
			}
		}
		h.row(i)[i] += max(share*mean, 1e-12)
	}
}

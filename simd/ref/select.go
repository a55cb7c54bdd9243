package ref

import (
	"math"
	"slices"

	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// Reduce folds row by row.
func (Backend) Reduce(op tensor.ReduceOp, out, x tensor.Tensor) {
	check.Reduce(op, out, x)
	n, results := x.Dim(-1), make([]float32, out.Len())
	xs := x.Floats()
	for i := range results {
		row := xs[i*n : (i+1)*n]
		if op == tensor.ArgMax {
			out.I32()[i] = argMax(row)
			continue
		}
		results[i] = float32(reduce(op, row))
	}
	if op != tensor.ArgMax {
		out.SetFloats(results)
	}
}

func reduce(op tensor.ReduceOp, row []float32) float64 {
	var sum, squares float64
	most, least := math.Inf(-1), math.Inf(1)
	for _, f := range row {
		v := float64(f)
		sum, squares, most, least = sum+v, squares+v*v, math.Max(most, v), math.Min(least, v)
	}
	switch op {
	case tensor.Sum:
		return sum
	case tensor.Mean:
		return sum / float64(len(row))
	case tensor.SumSquares:
		return squares
	case tensor.MaxOf:
		return most
	case tensor.MinOf:
		return least
	}
	return logSumExp(row)
}

func argMax(row []float32) int32 {
	best := -1
	for i, v := range row {
		if v == v && (best < 0 || v > row[best]) {
			best = i
		}
	}
	return int32(max(best, 0))
}

// order returns the indices of row, largest number first, equals by lower index, NaN as −Inf.
func order(row []float32) []int32 {
	idx := make([]int32, len(row))
	for i := range idx {
		idx[i] = int32(i)
	}
	slices.SortStableFunc(idx, func(a, b int32) int {
		x, y := noNaN(row[a]), noNaN(row[b])
		switch {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return idx
}

func noNaN(v float32) float32 {
	if v != v {
		return float32(math.Inf(-1))
	}
	return v
}

// TopK sorts each row.
func (Backend) TopK(values, indices, x tensor.Tensor) {
	check.TopK(values, indices, x)
	xs, n, k := x.Floats(), x.Dim(1), values.Dim(1)
	for i := range x.Dim(0) {
		row := xs[i*n : (i+1)*n]
		for j, id := range order(row)[:k] {
			values.F32()[i*k+j], indices.I32()[i*k+j] = noNaN(row[id]), id
		}
	}
}

// Sample draws as SampleRow says.
func (Backend) Sample(out, logits tensor.Tensor, rows []tensor.SampleRow) {
	check.Sample(out, logits, rows)
	xs, n := logits.Floats(), logits.Dim(1)
	for i, r := range rows {
		out.I32()[i] = draw(xs[i*n:(i+1)*n], r)
	}
}

func draw(row []float32, r tensor.SampleRow) int32 {
	for v := range row {
		if r.Allow != nil && r.Allow[v/64]>>(v%64)&1 == 0 {
			row[v] = float32(math.Inf(-1))
		}
	}
	sorted := order(row)
	n := 0
	for n < len(sorted) && !math.IsInf(float64(noNaN(row[sorted[n]])), -1) {
		n++
	}
	sorted = sorted[:n]
	switch {
	case n == 0:
		return -1
	case r.Temperature == 0:
		return sorted[0]
	case r.TopK > 0:
		sorted = sorted[:min(r.TopK, n)]
	}
	probs, sum := make([]float64, len(sorted)), 0.0
	for i, id := range sorted {
		probs[i] = math.Exp((float64(row[id]) - float64(row[sorted[0]])) / float64(r.Temperature))
		sum += probs[i]
	}
	keep := len(probs)
	if r.TopP > 0 && r.TopP < 1 {
		for i, acc := 0, 0.0; i < len(probs); i++ {
			if acc += probs[i]; acc >= float64(r.TopP)*sum {
				keep = i + 1
				break
			}
		}
	}
	for keep > 1 && probs[keep-1] < float64(r.MinP)*probs[0] {
		keep--
	}
	sum = 0
	for _, v := range probs[:keep] {
		sum += v
	}
	acc := 0.0
	for i, v := range probs[:keep] {
		if acc += v; acc > r.U*sum {
			return sorted[i]
		}
	}
	return sorted[keep-1]
}

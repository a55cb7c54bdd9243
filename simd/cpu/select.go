package cpu

import (
	"math"
	"slices"

	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// Reduce folds the last axis.
func (b *Backend) Reduce(op tensor.ReduceOp, out, x tensor.Tensor) {
	check.Reduce(op, out, x)
	rows, n := out.Len(), x.Dim(-1)
	if op != tensor.ArgMax && rows == 1 && x.Len() > taskLen {
		b.reduceLong(op, out, x)
		return
	}
	b.e.eachRow(rows, n, func(t temps, i int) {
		row := b.e.ks.load(t[0], lineOf(x, i), 0, n)
		if op == tensor.ArgMax {
			out.I32()[i] = argMax(row)
			return
		}
		out.F32()[i] = b.e.ks.fold(op, row)
	})
}

func (ks *kernels) fold(op tensor.ReduceOp, row []float32) float32 {
	switch op {
	case tensor.Sum:
		return ks.sum(row)
	case tensor.Mean:
		return ks.sum(row) / float32(len(row))
	case tensor.SumSquares:
		return ks.squares(row)
	case tensor.MaxOf:
		return ks.max(row)
	case tensor.MinOf:
		least := float32(math.Inf(1))
		for _, v := range row {
			least = min(least, v)
		}
		return least
	}
	most := ks.max(row)
	if math.IsInf(float64(most), 0) {
		return most
	}
	tmp := make([]float32, len(row))
	return most + float32(math.Log(float64(ks.expSum(tmp, row, most))))
}

// reduceLong folds one long row in pieces of a fixed length, and then their results.
func (b *Backend) reduceLong(op tensor.ReduceOp, out, x tensor.Tensor) {
	n := x.Dim(-1)
	part, last := op, op
	if op == tensor.Mean {
		part = tensor.Sum
	}
	if op == tensor.SumSquares || op == tensor.Mean {
		last = tensor.Sum
	}
	pieces := (n + taskLen - 1) / taskLen
	results := make([]float32, pieces)
	line := lineOf(x, 0)
	b.e.pool.run(pieces, func(i int) {
		t, free := b.e.temps(taskLen)
		defer free()
		results[i] = b.e.ks.fold(part, b.e.ks.load(t[0], line, i*taskLen, min(n, (i+1)*taskLen)))
	})
	result := b.e.ks.fold(last, results)
	if op == tensor.Mean {
		result /= float32(n)
	}
	out.F32()[0] = result
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

// candidate is a number with its index.
type candidate struct {
	v  float32
	id int32
}

// before orders candidates: largest first, equals by lower index.
func before(a, b candidate) int {
	switch {
	case a.v > b.v || a.v == b.v && a.id < b.id:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// topK returns the k first of row in order, NaN counted as −Inf. It keeps the best k seen so far and a threshold: expected time O(n + k·log k·log(n/k)).
func topK(row []float32, k int) []candidate {
	best := make([]candidate, 0, 2*k+64)
	limit := candidate{float32(math.Inf(-1)), math.MaxInt32}
	for i, v := range row {
		if v != v {
			v = float32(math.Inf(-1))
		}
		if v < limit.v {
			continue
		}
		if c := (candidate{v, int32(i)}); before(c, limit) < 0 {
			best = append(best, c)
		}
		if len(best) == cap(best) {
			slices.SortFunc(best, before)
			best = best[:k]
			if k > 0 {
				limit = best[k-1]
			}
		}
	}
	slices.SortFunc(best, before)
	return best[:min(k, len(best))]
}

// TopK writes the k largest of each row.
func (b *Backend) TopK(values, indices, x tensor.Tensor) {
	check.TopK(values, indices, x)
	n, k := x.Dim(1), values.Dim(1)
	if k == 0 {
		return
	}
	b.e.eachRow(x.Dim(0), n, func(t temps, i int) {
		for j, c := range topK(b.e.ks.load(t[0], lineOf(x, i), 0, n), k) {
			values.F32()[i*k+j], indices.I32()[i*k+j] = c.v, c.id
		}
	})
}

// Sample draws a token a row.
func (b *Backend) Sample(ids, logits tensor.Tensor, rows []tensor.SampleRow) {
	check.Sample(ids, logits, rows)
	n := logits.Dim(1)
	b.e.eachRow(len(rows), n, func(t temps, i int) {
		row := b.e.ks.load(t[0], lineOf(logits, i), 0, n)
		ids.I32()[i] = draw(row, rows[i])
	})
}

// sampleKeep is how many candidates are sorted at first; top-p needs more only where the distribution is flat.
const sampleKeep = 256

func draw(row []float32, r tensor.SampleRow) int32 {
	if r.Allow != nil {
		row = slices.Clone(row)
		for v := range row {
			if r.Allow[v/64]>>(v%64)&1 == 0 {
				row[v] = float32(math.Inf(-1))
			}
		}
	}
	if r.Temperature == 0 {
		return firstOf(topK(row, 1))
	}
	if r.TopK > 0 {
		sorted := topK(row, min(r.TopK, len(row)))
		return pick(sorted, mass(sorted, r), r)
	}
	total, top := rowMass(row, r)
	for keep := sampleKeep; ; keep *= 8 {
		sorted := topK(row, min(keep, len(row)))
		if len(sorted) == 0 || math.IsInf(float64(top), -1) {
			return -1
		}
		last := sorted[len(sorted)-1]
		if keep >= len(row) || enough(sorted, total, r) || math.IsInf(float64(last.v), -1) {
			return pick(sorted, total, r)
		}
	}
}

func firstOf(sorted []candidate) int32 {
	if len(sorted) == 0 || math.IsInf(float64(sorted[0].v), -1) {
		return -1
	}
	return sorted[0].id
}

// weight is the unnormalised probability of v, that of the largest being 1.
func weight(v, top float32, r tensor.SampleRow) float64 {
	return math.Exp((float64(v) - float64(top)) / float64(r.Temperature))
}

func mass(sorted []candidate, r tensor.SampleRow) (sum float64) {
	for _, c := range sorted {
		sum += weight(c.v, sorted[0].v, r)
	}
	return sum
}

// rowMass is the sum of all weights of a row, and its largest number.
func rowMass(row []float32, r tensor.SampleRow) (sum float64, top float32) {
	top = float32(math.Inf(-1))
	for _, v := range row {
		if v > top {
			top = v
		}
	}
	for _, v := range row {
		if v == v {
			sum += weight(v, top, r)
		}
	}
	return sum, top
}

// enough reports whether the token drawn is among sorted, the largest of a row whose weights sum to total.
func enough(sorted []candidate, total float64, r tensor.SampleRow) bool {
	top := sorted[0].v
	if weight(sorted[len(sorted)-1].v, top, r) < float64(r.MinP) {
		return true
	}
	share := mass(sorted, r) / total
	if nucleus(r) {
		return share >= float64(r.TopP)+1e-9
	}
	return r.MinP == 0 && share > r.U+1e-9
}

// nucleus reports whether TopP is on.
func nucleus(r tensor.SampleRow) bool { return r.TopP > 0 && r.TopP < 1 }

// pick applies TopP and MinP to the sorted candidates and draws.
func pick(sorted []candidate, total float64, r tensor.SampleRow) int32 {
	for len(sorted) > 0 && math.IsInf(float64(sorted[len(sorted)-1].v), -1) {
		sorted = sorted[:len(sorted)-1]
	}
	if len(sorted) == 0 {
		return -1
	}
	top, keep := sorted[0].v, len(sorted)
	if nucleus(r) {
		acc := 0.0
		for i, c := range sorted {
			if acc += weight(c.v, top, r); acc >= float64(r.TopP)*total {
				keep = i + 1
				break
			}
		}
	}
	for keep > 1 && weight(sorted[keep-1].v, top, r) < float64(r.MinP) {
		keep--
	}
	sum, acc := total, 0.0
	if nucleus(r) || r.MinP > 0 {
		sum = mass(sorted[:keep], r)
	}
	for _, c := range sorted[:keep] {
		if acc += weight(c.v, top, r); acc > r.U*sum {
			return c.id
		}
	}
	return sorted[keep-1].id
}

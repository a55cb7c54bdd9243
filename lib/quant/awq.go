package quant

import (
	"context"
	"math"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// awqGrid is the number of exponents that the search tries: 0, 1/20 … 19/20, as the paper and LMDeploy do, beside no scaling at all.
const awqGrid = 20

// scale searches scales for every Linear of a layer whose inputs can be divided before them, and folds the division: into the norm before QKV and GateUp, into the
// value rows before Out, where every query head has its own values, and into the up rows before Down.
func (j *job) scale(ctx context.Context, l *layer, in inputs) error {
	for _, r := range roles {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r == model.RoleOut && j.c.NumHeads != j.c.NumKVHeads || fitting(j.Type, l.weights[r].Dim(1)) != j.Type {
			continue
		}
		s, power := j.search(l.weights[r], j.effect(l, r, in), in.peak[r], l.fixed(r))
		if s == nil {
			continue
		}
		l.scales[r], l.powers[r] = s, power
		scaleColumns(l.weights[r], s)
		switch r {
		case model.RoleQKV:
			divide(l.attnNorm, s)
		case model.RoleGateUp:
			divide(l.mlpNorm, s)
		case model.RoleOut:
			l.divideOutputs(model.RoleQKV, s)
		case model.RoleDown:
			l.divideOutputs(model.RoleGateUp, s)
		}
	}
	return nil
}

// fixed says which columns must keep their scale: those whose norm is zero, which nothing can be folded into.
func (l *layer) fixed(r model.Role) []float32 {
	switch r {
	case model.RoleQKV:
		return l.attnNorm.F32()
	case model.RoleGateUp:
		return l.mlpNorm.F32()
	}
	return nil
}

// divideOutputs divides the last outputs of a Linear by s: its rows and its bias.
func (l *layer) divideOutputs(r model.Role, s []float32) {
	lo := l.weights[r].Dim(0) - len(s)
	for i, v := range s {
		row := l.weights[r].Index(lo + i).F32()
		for c := range row {
			row[c] /= v
		}
	}
	if !l.biases[r].IsZero() {
		divide(l.biases[r].Slice(0, lo, lo+len(s)), s)
	}
}

// search returns the scales with the least error of what the matrix is there for, nil if none does better than no scaling.
func (j *job) search(w tensor.Tensor, effect func(tensor.Tensor) tensor.Tensor, peak, norm []float32) (best []float32, power float64) {
	importance := relativeMagnitude(w, j.Type.Block())
	want := effect(w).F32()
	loss := func(back tensor.Tensor) float64 { return distance(effect(back).F32(), want) }
	least := loss(j.float(j.round(w)))
	scaled := tensor.New(dtype.F32, w.Shape()...)
	for i := range awqGrid {
		alpha := float64(i) / awqGrid
		s := awqScales(peak, importance, norm, alpha)
		copy(scaled.F32(), w.F32())
		scaleColumns(scaled, s)
		back := j.float(j.round(scaled))
		unscale(back, s)
		if e := loss(back); e < least {
			least, best, power = e, s, alpha
		}
	}
	return best, power
}

// awqScales is LMDeploy's formula: act^α ÷ w^(1−α), at least 1e-4, then divided by the geometric mean of its extremes.
func awqScales(peak, importance, norm []float32, alpha float64) []float32 {
	s := make([]float32, len(peak))
	low, high := math.Inf(1), 0.0
	for i := range s {
		v := math.Pow(float64(peak[i]), alpha) / math.Pow(max(float64(importance[i]), 1e-4), 1-alpha)
		v = max(v, 1e-4)
		low, high = min(low, v), max(high, v)
		s[i] = float32(v)
	}
	middle := float32(math.Sqrt(low * high))
	for i := range s {
		if s[i] /= middle; norm != nil && norm[i] == 0 || !(s[i] > 0) || math.IsInf(float64(s[i]), 0) {
			s[i] = 1
		}
	}
	return s
}

// relativeMagnitude is, for each column, the mean over rows of |w| divided by the largest |w| of its group.
func relativeMagnitude(w tensor.Tensor, group int) []float32 {
	k := w.Dim(1)
	mean := make([]float32, k)
	for i := range w.Dim(0) {
		row := w.Index(i).F32()
		for lo := 0; lo < k; lo += group {
			part, peak := row[lo:min(lo+group, k)], float32(0)
			for _, v := range part {
				peak = max(peak, float32(math.Abs(float64(v))))
			}
			for c, v := range part {
				if peak > 0 {
					mean[lo+c] += float32(math.Abs(float64(v))) / peak
				}
			}
		}
	}
	for c := range mean {
		mean[c] /= float32(w.Dim(0))
	}
	return mean
}

// scaleColumns multiplies column c by s[c].
func scaleColumns(w tensor.Tensor, s []float32) {
	for i := range w.Dim(0) {
		for c, row := 0, w.Index(i).F32(); c < len(row); c++ {
			row[c] *= s[c]
		}
	}
}

// unscale divides column c by s[c]; nil leaves w.
func unscale(w tensor.Tensor, s []float32) {
	if s == nil {
		return
	}
	for i := range w.Dim(0) {
		divide(w.Index(i), s)
	}
}

// divide divides element by element.
func divide(t tensor.Tensor, s []float32) {
	x := t.F32()
	for i := range x {
		x[i] /= s[i]
	}
}

package quant

import (
	"context"
	"math"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// roles are the Linears of a layer in the order of the forward pass.
var roles = [...]model.Role{model.RoleQKV, model.RoleOut, model.RoleGateUp, model.RoleDown}

// layer is a decoder layer in F32, fused, its own memory. plain is what was given, before AWQ scales the weights and biases; scales are what it divided the inputs of each Linear by; nil: nothing.
type layer struct {
	attnNorm, mlpNorm tensor.Tensor
	weights, biases   [len(roles)]tensor.Tensor
	plain, plainBias  [len(roles)]tensor.Tensor
	scales            [len(roles)][]float32
	powers            [len(roles)]float64
}

func linearOf(l *model.Layer, r model.Role) *model.Linear {
	return [...]*model.Linear{&l.QKV, &l.Out, &l.GateUp, &l.Down}[r]
}

func (j *job) open(l *model.Layer) *layer {
	out := &layer{attnNorm: j.float(l.AttnNorm), mlpNorm: j.float(l.MLPNorm)}
	for _, r := range roles {
		lin := linearOf(l, r)
		w := tensor.New(dtype.F32, lin.Rows(), lin.Parts[0].Dim(1))
		at := 0
		for _, p := range lin.Parts {
			j.b.Copy(w.Slice(0, at, at+p.Dim(0)), p)
			at += p.Dim(0)
		}
		if out.weights[r] = w; !lin.Bias.IsZero() {
			out.biases[r] = j.float(lin.Bias)
		}
	}
	out.plain, out.plainBias = out.weights, out.biases
	for r := range roles {
		if j.Method != AWQ {
			break
		}
		if out.plain[r] = j.float(out.weights[r]); !out.biases[r].IsZero() {
			out.plainBias[r] = j.float(out.biases[r])
		}
	}
	return out
}

// layer quantises layer i and measures what that did.
func (j *job) layer(ctx context.Context, i int) error {
	l := j.open(&j.w.Layers[i])
	var hessians [len(roles)]tensor.Tensor
	switch j.Method {
	case AWQ:
		if err := j.scale(ctx, l, j.seen[i]); err != nil {
			return err
		}
	case GPTQ:
		var err error
		if hessians, err = j.hessians(ctx, i); err != nil {
			return err
		}
	}
	out := model.Layer{AttnNorm: j.vector(l.attnNorm), MLPNorm: j.vector(l.mlpNorm)}
	for _, r := range roles {
		if err := ctx.Err(); err != nil {
			return err
		}
		q := j.round(l.weights[r])
		if j.Method == GPTQ && q.DType() == j.Type {
			var err error
			if q, err = j.gptq(j.float(l.weights[r]), hessians[r]); err != nil {
				return err
			}
		}
		*linearOf(&out, r) = model.Linear{Parts: []tensor.Tensor{q}, Bias: j.vector(l.biases[r])}
		j.rows = append(j.rows, j.measure(i, r, q, l))
	}
	j.out.Layers = append(j.out.Layers, out)
	return nil
}

// round is rounding to nearest.
func (j *job) round(w tensor.Tensor) tensor.Tensor {
	q := tensor.New(fitting(j.Type, w.Dim(1)), w.Shape()...)
	j.b.Copy(q, w)
	return q
}

// measure compares what a quantised matrix does with what the one that was given did, and with what plain rounding of it does.
func (j *job) measure(i int, r model.Role, q tensor.Tensor, l *layer) Row {
	row := Row{Layer: i, Role: r.String(), Type: q.DType().String(), Alpha: l.powers[r]}
	if j.seen == nil {
		return row
	}
	back := j.float(q)
	unscale(back, l.scales[r])
	l.restoreRows(back, r)
	effect := j.effect(l, r, j.seen[i])
	want := effect(l.plain[r]).F32()
	whole := distance(want, make([]float32, len(want)))
	if whole == 0 {
		return row
	}
	row.Error = math.Sqrt(distance(effect(back).F32(), want) / whole)
	if row.Rounded = row.Error; j.Method != RTN {
		row.Rounded = math.Sqrt(distance(effect(j.float(j.round(l.plain[r]))).F32(), want) / whole)
	}
	return row
}

// restoreRows undoes what the Linear behind folded into the rows of w.
func (l *layer) restoreRows(w tensor.Tensor, r model.Role) {
	behind := map[model.Role]model.Role{model.RoleQKV: model.RoleOut, model.RoleGateUp: model.RoleDown}
	next, ok := behind[r]
	if s := l.scales[next]; ok && s != nil {
		for i, v := range s {
			row := w.Index(w.Dim(0) - len(s) + i).F32()
			for c := range row {
				row[c] *= v
			}
		}
	}
}

// distance is ‖a − b‖².
func distance(a, b []float32) (sum float64) {
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return sum
}

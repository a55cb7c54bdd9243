package quant

import (
	"slices"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// effect returns what a matrix of a layer is there for, as a function of the matrix, on the rows that it met: the output of the attention for QKV, of the MLP for GateUp, its own for the others. It
// is what AWQ's authors search scales by (module2inspect in their auto_scale.py): errors of a query count by what they do to the attention, not by how large queries are.
func (j *job) effect(l *layer, r model.Role, in inputs) func(w tensor.Tensor) tensor.Tensor {
	x := in.rows(r)
	switch r {
	case model.RoleQKV:
		return func(w tensor.Tensor) tensor.Tensor {
			return j.times(j.attention(in, j.times(x, w, l.plainBias[r])), l.plain[model.RoleOut], tensor.Tensor{})
		}
	case model.RoleGateUp:
		return func(w tensor.Tensor) tensor.Tensor {
			y, f := j.times(x, w, l.plainBias[r]), w.Dim(0)/2
			mlp := tensor.New(dtype.F32, x.Dim(0), f)
			j.b.SwiGLU(mlp, y.Slice(1, 0, f), y.Slice(1, f, 2*f))
			return j.times(mlp, l.plain[model.RoleDown], tensor.Tensor{})
		}
	}
	return func(w tensor.Tensor) tensor.Tensor { return j.times(x, w, tensor.Tensor{}) }
}

// times is x·wᵀ, and a bias if there is one.
func (j *job) times(x, w, bias tensor.Tensor) tensor.Tensor {
	y := tensor.New(dtype.F32, x.Dim(0), w.Dim(0))
	j.b.MatMul(tensor.MatMul{Out: y, A: x, B: w.T(), Bias: bias})
	return y
}

// attention is what the heads make of fused queries, keys and values (T, QKVRows), which it overwrites.
func (j *job) attention(in inputs, qkv tensor.Tensor) tensor.Tensor {
	c, t := j.c, qkv.Dim(0)
	h, kv := c.NumHeads, c.NumKVHeads
	all := qkv.Reshape(t, h+2*kv, c.HeadDim)
	turned := all.Slice(1, 0, h+kv)
	j.b.RoPE(turned, turned, tensor.FromI32(in.pos, t), c.Rotary(int(slices.Max(in.pos))+1), false)
	out := tensor.New(dtype.F32, t, h*c.HeadDim)
	j.b.Attention(tensor.Attention{Out: out.Reshape(t, h, c.HeadDim), Q: all.Slice(1, 0, h), K: all.Slice(1, h, h+kv), V: all.Slice(1, h+kv, h+2*kv),
		CuQ: in.cu, Causal: true, Window: c.SlidingWindow})
	return out
}

package checkpoint

import (
	"fmt"
	"math"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// target is the inverse of source: a file's tensors, under source's names, made of a model's weights.
type target struct {
	grouped     bool
	interleaved bool
}

// list is every tensor of the file in the order of the layers, with the type that the weights have.
func (t target) list(c model.Config, w *model.Weights) []payload {
	vector := func(name string, v tensor.Tensor) payload { return whole(name, v.DType(), v.Shape(), v) }
	list := []payload{vector("model.embed_tokens.weight", w.Embed)}
	q, kv := c.NumHeads*c.HeadDim, c.NumKVHeads*c.HeadDim
	for i, l := range w.Layers {
		at := fmt.Sprintf("model.layers.%d.", i)
		list = append(list, vector(at+"input_layernorm.weight", l.AttnNorm))
		if t.grouped {
			list = appendRows(list, at+"self_attn.qkv_proj", l.QKV, 0, t.groups(c, q, kv))
		} else {
			list = appendRows(list, at+"self_attn.q_proj", l.QKV, 0, t.rotary(c, q))
			list = appendRows(list, at+"self_attn.k_proj", l.QKV, q, t.rotary(c, kv))
			list = appendRows(list, at+"self_attn.v_proj", l.QKV, q+kv, straight(kv))
		}
		list = appendRows(list, at+"self_attn.o_proj", l.Out, 0, straight(c.HiddenSize))
		list = append(list, vector(at+"post_attention_layernorm.weight", l.MLPNorm))
		list = appendRows(list, at+"mlp.gate_proj", l.GateUp, 0, straight(c.IntermediateSize))
		list = appendRows(list, at+"mlp.up_proj", l.GateUp, c.IntermediateSize, straight(c.IntermediateSize))
		list = appendRows(list, at+"mlp.down_proj", l.Down, 0, straight(c.HiddenSize))
	}
	list = append(list, vector("model.norm.weight", w.Norm))
	if !c.TieWordEmbeddings {
		head := vector("lm_head.weight", w.Head)
		if c.NormHead {
			head.pieces = func() ([]tensor.Tensor, error) { return []tensor.Tensor{normalised(w.Head)}, nil }
		}
		list = append(list, head)
	}
	return list
}

// rotary is the order of the rows of query or key in the file.
func (t target) rotary(c model.Config, rows int) []int {
	switch order := interleaveOrder(rows, c.HeadDim); {
	case t.interleaved == c.RopeInterleaved:
		return straight(rows)
	case t.interleaved:
		return order
	default:
		return inverse(order)
	}
}

// groups is the order of the rows of wqkv in the file.
func (t target) groups(c model.Config, q, kv int) []int {
	rows := t.rotary(c, q)
	for _, r := range t.rotary(c, kv) {
		rows = append(rows, q+r)
	}
	order := groupOrder(c)
	for i, r := range order {
		if r < q+kv {
			order[i] = rows[r]
		}
	}
	return order
}

func straight(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

// appendRows adds the rows of a matrix from lo on, in an order, and its bias likewise.
func appendRows(list []payload, name string, l model.Linear, lo int, order []int) []payload {
	take := func(parts []tensor.Tensor) payload {
		parts = oneType(between(parts, lo, lo+len(order)))
		shape := parts[0].Shape()
		shape[0] = len(order)
		return payload{dt: parts[0].DType(), shape: shape, pieces: func() ([]tensor.Tensor, error) {
			for i, r := range order {
				if i != r {
					return []tensor.Tensor{takeRows(order, parts...)}, nil
				}
			}
			return parts, nil
		}}
	}
	weight := take(l.Parts)
	weight.name = name + ".weight"
	if list = append(list, weight); l.Bias.IsZero() {
		return list
	}
	bias := take([]tensor.Tensor{l.Bias})
	bias.name = name + ".bias"
	return append(list, bias)
}

// between are the rows lo to hi−1 of a matrix in pieces.
func between(parts []tensor.Tensor, lo, hi int) (out []tensor.Tensor) {
	for _, p := range parts {
		if a, b := max(lo, 0), min(hi, p.Dim(0)); a < b {
			out = append(out, p.Slice(0, a, b))
		}
		lo, hi = lo-p.Dim(0), hi-p.Dim(0)
	}
	return out
}

// normalised divides the rows of a head by their length, as InternEvo's converter does for norm_head.
func normalised(head tensor.Tensor) tensor.Tensor {
	out := tensor.New(dtype.F32, head.Shape()...)
	_ = parallel(head.Dim(0), func(i int) error {
		row := head.Index(i).Floats()
		var sum float64
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		scale := float32(1 / max(math.Sqrt(sum), 1e-12))
		dst := out.Index(i).F32()
		for j, v := range row {
			dst[j] = v * scale
		}
		return nil
	})
	return out
}

package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Names of tensors are those of model.Weights with query, key, value and gate, up apart: Hugging Face's of Llama. Other files rename.
var (
	internLM2Names = strings.NewReplacer("embed_tokens", "tok_embeddings", "self_attn.qkv_proj", "attention.wqkv", "self_attn.o_proj", "attention.wo",
		"mlp.gate_proj", "feed_forward.w1", "mlp.up_proj", "feed_forward.w3", "mlp.down_proj", "feed_forward.w2",
		"input_layernorm", "attention_norm", "post_attention_layernorm", "ffn_norm", "lm_head", "output")
	ggufNames = strings.NewReplacer("model.embed_tokens", "token_embd", "model.norm", "output_norm", "model.layers.", "blk.", "lm_head", "output",
		"self_attn.q_proj", "attn_q", "self_attn.k_proj", "attn_k", "self_attn.v_proj", "attn_v", "self_attn.o_proj", "attn_output",
		"mlp.gate_proj", "ffn_gate", "mlp.up_proj", "ffn_up", "mlp.down_proj", "ffn_down", "input_layernorm", "attn_norm", "post_attention_layernorm", "ffn_norm")
)

// source finds tensors by the names above, in a layout that it describes.
type source struct {
	get         func(name string) (tensor.Tensor, error)
	grouped     bool // query, key and value are one matrix, qkv_proj, in InternLM2's groups
	interleaved bool // rows of query and key rotate in neighbouring pairs
}

// assemble finds every tensor of a model and brings it to the layout of model.Weights.
func (s source) assemble(c model.Config) (*model.Weights, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var first error
	one := func(name string, shape ...int) tensor.Tensor {
		if first != nil {
			return tensor.Tensor{}
		}
		t, err := s.get(name)
		if err == nil {
			err = fits(name, t, shape)
		}
		first = err
		return t
	}
	linear := func(name string, n, k int, bias bool) (weight, b tensor.Tensor) {
		weight = one(name+".weight", n, k)
		if bias {
			b = one(name+".bias", n)
		}
		return weight, b
	}
	w := &model.Weights{Embed: one("model.embed_tokens.weight", c.VocabSize, c.HiddenSize), Norm: one("model.norm.weight", c.HiddenSize)}
	if w.Head = w.Embed; !c.TieWordEmbeddings {
		w.Head = one("lm_head.weight", c.VocabSize, c.HiddenSize)
	}
	for i := 0; i < c.NumLayers && first == nil; i++ {
		at := fmt.Sprintf("model.layers.%d.", i)
		l := model.Layer{AttnNorm: one(at+"input_layernorm.weight", c.HiddenSize), MLPNorm: one(at+"post_attention_layernorm.weight", c.HiddenSize)}
		l.QKV = s.attention(c, func(name string, n int) (tensor.Tensor, tensor.Tensor) {
			return linear(at+"self_attn."+name, n*c.HeadDim, c.HiddenSize, c.QKVBias)
		})
		out, outBias := linear(at+"self_attn.o_proj", c.HiddenSize, c.NumHeads*c.HeadDim, c.OutBias)
		gate, gateBias := linear(at+"mlp.gate_proj", c.IntermediateSize, c.HiddenSize, c.MLPBias)
		up, upBias := linear(at+"mlp.up_proj", c.IntermediateSize, c.HiddenSize, c.MLPBias)
		down, downBias := linear(at+"mlp.down_proj", c.HiddenSize, c.IntermediateSize, c.MLPBias)
		l.Out, l.Down = model.Linear{Parts: []tensor.Tensor{out}, Bias: outBias}, model.Linear{Parts: []tensor.Tensor{down}, Bias: downBias}
		l.GateUp = model.Linear{Parts: []tensor.Tensor{gate, up}, Bias: concat(gateBias, upBias)}
		w.Layers = append(w.Layers, l)
	}
	if first != nil {
		return nil, first
	}
	return w, nil
}

// attention brings query, key and value to the rows of model.Layer.QKV. linear finds a matrix and its bias, of a number of heads.
func (s source) attention(c model.Config, linear func(name string, heads int) (weight, bias tensor.Tensor)) model.Linear {
	if s.grouped {
		w, b := linear("qkv_proj", c.NumHeads+2*c.NumKVHeads)
		if order := inverse(groupOrder(c)); !w.IsZero() {
			q, k := c.NumHeads*c.HeadDim, (c.NumHeads+c.NumKVHeads)*c.HeadDim
			if s.interleaved {
				order = slices.Concat(pick(order[:q], inverse(interleaveOrder(q, c.HeadDim))), pick(order[q:k], inverse(interleaveOrder(k-q, c.HeadDim))), order[k:])
			}
			parts := []tensor.Tensor{takeRows(order[:q], w), takeRows(order[q:k], w), takeRows(order[k:], w)}
			if !b.IsZero() {
				b = takeRows(order, b)
			}
			return model.Linear{Parts: parts, Bias: b}
		}
		return model.Linear{}
	}
	q, qb := linear("q_proj", c.NumHeads)
	k, kb := linear("k_proj", c.NumKVHeads)
	v, vb := linear("v_proj", c.NumKVHeads)
	if s.interleaved {
		for _, t := range []*tensor.Tensor{&q, &k, &qb, &kb} {
			if !t.IsZero() {
				*t = takeRows(inverse(interleaveOrder(t.Dim(0), c.HeadDim)), *t)
			}
		}
	}
	return model.Linear{Parts: []tensor.Tensor{q, k, v}, Bias: concat(qb, kb, vb)}
}

// fits reports whether a tensor has the shape that the configuration gives it and a type that weights may have.
func fits(name string, t tensor.Tensor, shape []int) error {
	ok := t.Rank() == len(shape) && (t.DType().IsFloat() || t.DType().IsBlock())
	for i := range shape {
		ok = ok && t.Dim(i) == shape[i]
	}
	if !ok {
		return fmt.Errorf("checkpoint: tensor %q is %v: the configuration wants floats %v", name, t, shape)
	}
	return nil
}

// concat joins vectors as F32; it is none if the first is.
func concat(vectors ...tensor.Tensor) tensor.Tensor {
	if vectors[0].IsZero() {
		return tensor.Tensor{}
	}
	var all []float32
	for _, v := range vectors {
		if !v.IsZero() {
			all = append(all, v.Floats()...)
		}
	}
	return tensor.FromF32(all, len(all))
}

// groupOrder says which row of query, key, value one behind the other is row i of InternLM2's wqkv: for each key-value head its query
// heads, its key, its value.
func groupOrder(c model.Config) []int {
	shared, d := c.NumHeads/c.NumKVHeads, c.HeadDim
	order := make([]int, 0, c.QKVRows())
	heads := func(first, n int) {
		for r := first * d; r < (first+n)*d; r++ {
			order = append(order, r)
		}
	}
	for h := range c.NumKVHeads {
		heads(h*shared, shared)
		heads(c.NumHeads+h, 1)
		heads(c.NumHeads+c.NumKVHeads+h, 1)
	}
	return order
}

// interleaveOrder says which row of half-split rotary order is row i of neighbouring pairs: pair j of a head is rows j and j+D/2.
func interleaveOrder(rows, headDim int) []int {
	order := make([]int, rows)
	for i := range order {
		head, j := i/headDim*headDim, i%headDim
		order[i] = head + j/2 + j%2*(headDim/2)
	}
	return order
}

// pick is one order after another.
func pick(rows, order []int) []int {
	out := make([]int, len(order))
	for i, r := range order {
		out[i] = rows[r]
	}
	return out
}

func inverse(order []int) []int {
	out := make([]int, len(order))
	for i, r := range order {
		out[r] = i
	}
	return out
}

// takeRows copies rows of a matrix, or elements of a vector, in an order, in the type that they have. The matrix comes in pieces of one type.
func takeRows(order []int, parts ...tensor.Tensor) tensor.Tensor {
	shape, dt := parts[0].Shape(), parts[0].DType()
	size := dt.Bytes(parts[0].Len() / max(shape[0], 1))
	shape[0] = len(order)
	var rows [][]byte
	for _, p := range parts {
		data := p.Bytes()
		for i := range p.Dim(0) {
			rows = append(rows, data[i*size:(i+1)*size])
		}
	}
	out := tensor.New(dt, shape...)
	data := out.Bytes()
	const run = 256
	_ = parallel((len(order)+run-1)/run, func(n int) error {
		for i := n * run; i < min((n+1)*run, len(order)); i++ {
			copy(data[i*size:], rows[order[i]])
		}
		return nil
	})
	return out
}

// oneType returns the parts of a matrix as tensors of one type: their own if they agree, else the dequantised numbers.
func oneType(parts []tensor.Tensor) []tensor.Tensor {
	for _, p := range parts {
		if p.DType() != parts[0].DType() {
			out := make([]tensor.Tensor, len(parts))
			for i, p := range parts {
				out[i] = tensor.New(dtype.F32, p.Shape()...)
				out[i].SetFloats(p.Floats())
			}
			return out
		}
	}
	return parts
}

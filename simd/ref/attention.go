package ref

import (
	"math"
	"slices"

	"quire/simd/dtype"
	"quire/simd/internal/check"
	"quire/simd/tensor"
)

// kv holds keys and values slot by slot in their own type, asymmetric codes as the numbers that they stand for.
type kv struct {
	config tensor.KVConfig
	k, v   tensor.Tensor // (slots, Hkv, D)
}

// NewKV makes a cache of zeros.
func (Backend) NewKV(c tensor.KVConfig) tensor.KV {
	if err := c.Validate(); err != nil {
		panic(err.Error())
	}
	slots := c.Pages * c.PageSize
	return kv{c, tensor.New(c.DType, slots, c.KVHeads, c.HeadDim), tensor.New(c.DType, slots, c.KVHeads, c.HeadDim)}
}

func (c kv) Config() tensor.KVConfig { return c.config }
func (c kv) Bytes() int              { return c.k.NumBytes() + c.v.NumBytes() }

func (c kv) Write(k, v, slots tensor.Tensor) {
	check.KV(c.config, k, v, slots)
	for t, slot := range ids(slots) {
		c.k.Index(int(slot)).SetFloats(c.round(k.Index(t).Floats()))
		c.v.Index(int(slot)).SetFloats(c.round(v.Index(t).Floats()))
	}
}

// round gives heads what asymmetric codes leave of them.
func (c kv) round(x []float32) []float32 {
	if c.config.Bits == 0 {
		return x
	}
	codes := make([]byte, c.config.RowBytes())
	for head := range slices.Chunk(x, c.config.HeadDim) {
		dtype.QuantizeAsymmetric(codes, c.config.Bits, head)
		dtype.DequantizeAsymmetric(head, c.config.Bits, codes)
	}
	return x
}

func (c kv) Read(k, v, slots tensor.Tensor) {
	check.KV(c.config, k, v, slots)
	for t, slot := range ids(slots) {
		k.Index(t).SetFloats(c.k.Index(int(slot)).Floats())
		v.Index(t).SetFloats(c.v.Index(int(slot)).Floats())
	}
}

func (c kv) CopyPages(dst, src []int32) {
	check.Pages(c.config, dst, src)
	n := c.config.PageSize
	for i := range dst {
		for _, t := range []tensor.Tensor{c.k, c.v} {
			copyRows(t.Slice(0, int(dst[i])*n, int(dst[i]+1)*n), t.Slice(0, int(src[i])*n, int(src[i]+1)*n))
		}
	}
}

// sequence is one sequence of an Attention: its query rows, and its keys and values gathered as (Sk, Hkv, D).
type sequence struct {
	first, tq, sk int
	k, v          []float32
}

func sequences(p tensor.Attention) []sequence {
	var all []sequence
	for b := range p.Seqs() {
		s := sequence{first: int(p.CuQ[b]), tq: int(p.CuQ[b+1] - p.CuQ[b])}
		if p.KV == nil {
			lo, hi := int(p.CuK[b]), int(p.CuK[b+1])
			s.sk, s.k, s.v = hi-lo, p.K.Slice(0, lo, hi).Floats(), p.V.Slice(0, lo, hi).Floats()
		} else {
			c := p.KV.(kv)
			s.sk = int(p.KeyLens[b])
			for j := range s.sk {
				slot := int(p.Pages[b][j/c.config.PageSize])*c.config.PageSize + j%c.config.PageSize
				s.k = append(s.k, c.k.Index(slot).Floats()...)
				s.v = append(s.v, c.v.Index(slot).Floats()...)
			}
		}
		all = append(all, s)
	}
	return all
}

// keys is the range of keys that query i of a sequence sees.
func keys(p tensor.Attention, s sequence, i int) (lo, hi int) {
	hi = s.sk
	if p.Causal {
		hi = max(0, i+s.sk-s.tq+1)
	}
	if p.Window > 0 {
		lo = max(0, hi-p.Window)
	}
	return lo, hi
}

// heads returns the sizes of an Attention: query heads, heads a group, key heads, head dim.
func heads(p tensor.Attention) (h, group, hkv, d int) {
	h, d = p.Q.Dim(1), p.Q.Dim(2)
	if p.KV != nil {
		hkv = p.KV.Config().KVHeads
	} else {
		hkv = p.K.Dim(1)
	}
	return h, h / hkv, hkv, d
}

// scores returns Scale·q·k for the keys lo to hi−1, and their log-sum-exp.
func scores(q, k []float32, lo, hi, stride int, scale float32) (s []float64, lse float64) {
	most, sum := math.Inf(-1), 0.0
	for j := lo; j < hi; j++ {
		var dot float64
		for e, v := range q {
			dot += float64(v) * float64(k[j*stride+e])
		}
		s = append(s, dot*float64(scale))
		most = math.Max(most, s[j-lo])
	}
	if math.IsInf(most, -1) {
		return s, most
	}
	for _, v := range s {
		sum += math.Exp(v - most)
	}
	return s, most + math.Log(sum)
}

// Attention forms every score of a query, then the weighted sum.
func (Backend) Attention(p tensor.Attention) {
	p = check.Attention(p)
	h, group, hkv, d := heads(p)
	q := p.Q.Floats()
	out, lses := make([]float32, len(q)), make([]float32, p.Q.Dim(0)*h)
	for i := range lses {
		lses[i] = float32(math.Inf(-1))
	}
	for _, s := range sequences(p) {
		for i := range s.tq {
			lo, hi := keys(p, s, i)
			for head := range h {
				row, at := (s.first+i)*h+head, head/group*d
				qs := q[row*d : row*d+d]
				sc, lse := scores(qs, s.k[at:], lo, hi, hkv*d, p.Scale)
				lses[row] = float32(lse)
				for e := range d {
					var sum float64
					for j, v := range sc {
						sum += prob(v, lse) * float64(s.v[(lo+j)*hkv*d+at+e])
					}
					out[row*d+e] = float32(sum)
				}
			}
		}
	}
	p.Out.SetFloats(out)
	store(p.LSE, lses)
}

// prob is e^(score−lse); 0 where every score is −Inf.
func prob(score, lse float64) float64 {
	if math.IsInf(lse, -1) {
		return 0
	}
	return math.Exp(score - lse)
}

// AttentionGrad uses dS = P·(dP − Σ dP·P) with dP = dOut·Vᵀ.
func (Backend) AttentionGrad(p tensor.AttentionGrad) {
	p = check.AttentionGrad(p)
	h, group, hkv, d := heads(p.Attention)
	q, dout := p.Q.Floats(), p.DOut.Floats()
	dq := make([]float32, len(q))
	dk, dv := make([]float64, p.K.Len()), make([]float64, p.V.Len())
	for b, s := range sequences(p.Attention) {
		base := int(p.CuK[b]) * hkv * d
		for i := range s.tq {
			lo, hi := keys(p.Attention, s, i)
			for head := range h {
				row, at := (s.first+i)*h+head, head/group*d
				qs, do := q[row*d:row*d+d], dout[row*d:row*d+d]
				sc, lse := scores(qs, s.k[at:], lo, hi, hkv*d, p.Scale)
				dp, mean := make([]float64, len(sc)), 0.0
				for j, v := range sc {
					sc[j] = prob(v, lse)
					for e := range d {
						dp[j] += float64(do[e]) * float64(s.v[(lo+j)*hkv*d+at+e])
					}
					mean += dp[j] * sc[j]
				}
				dqs := make([]float64, d)
				for j, pr := range sc {
					ds := pr * (dp[j] - mean) * float64(p.Scale)
					off := (lo+j)*hkv*d + at
					for e := range d {
						dqs[e] += ds * float64(s.k[off+e])
						dk[base+off+e] += ds * float64(qs[e])
						dv[base+off+e] += pr * float64(do[e])
					}
				}
				for e, v := range dqs {
					dq[row*d+e] = float32(v)
				}
			}
		}
	}
	p.DQ.SetFloats(dq)
	p.DK.SetFloats(narrow(dk))
	p.DV.SetFloats(narrow(dv))
}

func narrow(xs []float64) []float32 {
	out := make([]float32, len(xs))
	for i, v := range xs {
		out[i] = float32(v)
	}
	return out
}

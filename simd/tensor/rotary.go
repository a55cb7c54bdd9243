package tensor

import (
	"math"

	"quire/simd/dtype"
)

// Rotary is the table of RoPE: the cosine and sine of every position and frequency, computed once in float64 so that every backend rotates by the same numbers.
// It is immutable.
type Rotary struct {
	Dim         int    // elements of a head that rotate: even
	Interleaved bool   // pairs (2i, 2i+1), as the original; false: pairs (i, i+Dim/2), as Hugging Face
	Cos, Sin    Tensor // (positions, Dim/2) F32
}

// RotaryConfig describes positions as Hugging Face configurations do.
type RotaryConfig struct {
	Dim         int     // even
	Theta       float64 // rope_theta
	MaxPosition int     // max_position_embeddings: the trained length
	Linear      float64 // positions are divided by it (Chen et al. 2023, arXiv:2306.15595); 0 or 1: off
	DynamicNTK  float64 // theta grows with the length beyond MaxPosition by this factor (Hugging Face "dynamic", used by InternLM2); 0 or 1: off
	Interleaved bool
}

// Frequencies returns the Dim/2 inverse frequencies for sequences of that length: the length matters only to DynamicNTK.
func (c RotaryConfig) Frequencies(length int) []float64 {
	theta, d := c.Theta, float64(c.Dim)
	if c.DynamicNTK > 1 && length > c.MaxPosition {
		grow := c.DynamicNTK*float64(length)/float64(c.MaxPosition) - (c.DynamicNTK - 1)
		theta *= math.Pow(grow, d/(d-2))
	}
	freqs := make([]float64, c.Dim/2)
	for i := range freqs {
		freqs[i] = math.Pow(theta, -2*float64(i)/d)
		if c.Linear > 1 {
			freqs[i] /= c.Linear
		}
	}
	return freqs
}

// NewRotary tabulates positions 0 to n−1 for these inverse frequencies: those of RotaryConfig, or of a scaling that a model brings itself.
func NewRotary(freqs []float64, n int, interleaved bool) Rotary {
	r := Rotary{Dim: 2 * len(freqs), Interleaved: interleaved, Cos: New(dtype.F32, n, len(freqs)), Sin: New(dtype.F32, n, len(freqs))}
	cos, sin := r.Cos.F32(), r.Sin.F32()
	for p := range n {
		for i, f := range freqs {
			s, c := math.Sincos(float64(p) * f)
			cos[p*len(freqs)+i], sin[p*len(freqs)+i] = float32(c), float32(s)
		}
	}
	return r
}

// Len is the number of positions in the table.
func (r Rotary) Len() int { return r.Cos.dims[0] }

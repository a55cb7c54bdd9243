package model

import (
	"math/rand/v2"
	"testing"
	"time"

	"quire/simd/dtype"
	"quire/simd/tensor"
)

// trainShapes are the models of the bars: parameters and shape of a batch as reference/performance.md has them, with this package's layers (SwiGLU of 8/3 instead of GELU of 4: the same number of weights).
var trainShapes = []struct {
	name      string
	c         Config
	rows, len int
}{
	{"10.8M", gptShape(6, 384, 6, 1024, 65), 16, 256},
	{"124M", gptShape(12, 768, 12, 2048, 50304), 4, 256},
}

func gptShape(layers, hidden, heads, inner, vocab int) Config {
	return Config{
		Family: Llama, HiddenSize: hidden, IntermediateSize: inner, NumLayers: layers, NumHeads: heads, NumKVHeads: heads, HeadDim: hidden / heads,
		VocabSize: vocab, MaxSeqLen: 1024, RMSNormEps: 1e-5, RopeTheta: 1e4, TieWordEmbeddings: true,
	}
}

// BenchmarkStep measures forward, backward and AdamW beside the BF16 peak.
func BenchmarkStep(b *testing.B) {
	for _, s := range trainShapes {
		for _, r := range []Recompute{RecomputeNone, RecomputeSelective} {
			b.Run("model="+s.name+"/recompute="+r.String(), func(b *testing.B) {
				w := s.c.NewWeights(tensor.Heap, dtype.F32)
				w.Init(s.c, 1)
				train, err := NewTrainer(backend(b), s.c, w, TrainOptions{dtype.BF16, r, s.rows * s.len})
				if err != nil {
					b.Fatal(err)
				}
				m, v := s.c.NewWeights(tensor.Heap, dtype.F32), s.c.NewWeights(tensor.Heap, dtype.F32)
				rng := rand.New(rand.NewPCG(1, 1))
				lengths := make([]int, s.rows)
				for i := range lengths {
					lengths[i] = s.len + 1
				}
				e := examples(randomDocs(s.c, rng, lengths...)...)
				train.Step(e)
				step := 0
				start := time.Now()
				for b.Loop() {
					step++
					train.ZeroGrads()
					train.Step(e)
					adamStep(train, m, v, step, 1e-4, 1)
				}
				rate := float64(step*s.rows*s.len) / time.Since(start).Seconds()
				b.ReportMetric(rate, "tok/s")
				if p, ok := train.b.(tensor.Prober); ok {
					peak := p.Probe(tensor.PeakBF16, train.b.Info().Threads)
					b.ReportMetric(100*rate*s.c.TrainFLOPs(s.len)/peak, "%peak")
				}
			})
		}
	}
}

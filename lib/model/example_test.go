package model_test

import (
	"fmt"

	"quire/lib/model"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// A model of two layers learns to count modulo 8 and goes on counting.
func Example() {
	c := model.Depth(2)
	c.VocabSize, c.BOS, c.EOS = 8, nil, nil
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	train, err := model.NewTrainer(simd.Default(), c, w, model.TrainOptions{Compute: dtype.F32, MaxTokens: 16})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, pos, next, share := tensor.New(dtype.I32, 16), tensor.New(dtype.I32, 16), tensor.New(dtype.I32, 16), tensor.New(dtype.F32, 16)
	for i := range 16 {
		ids.I32()[i], pos.I32()[i], next.I32()[i] = int32(i%8), int32(i), int32((i+1)%8)
		share.F32()[i] = 1.0 / 16
	}
	state := map[string][2]tensor.Tensor{}
	for step := 1; step <= 30; step++ {
		train.ZeroGrads()
		train.Step(model.Examples{IDs: ids, Pos: pos, Labels: next, GradLoss: share})
		for p := range train.Params() {
			if step == 1 {
				state[p.Name] = [2]tensor.Tensor{tensor.New(dtype.F32, p.W.Shape()...), tensor.New(dtype.F32, p.W.Shape()...)}
			}
			m, v := state[p.Name][0], state[p.Name][1]
			simd.Default().AdamW(tensor.AdamW{W: p.W, G: p.Grad, M: m, V: v, Out: p.Out, LR: 3e-3, Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Step: step})
		}
	}

	m, err := train.Model()
	if err != nil {
		fmt.Println(err)
		return
	}
	hidden := m.Forward(model.Batch{IDs: ids.Slice(0, 0, 6), Pos: pos.Slice(0, 0, 6)})
	logits, id := tensor.New(dtype.F32, 1, c.VocabSize), tensor.New(dtype.I32, 1)
	m.Logits(logits, hidden.Slice(0, 5, 6))
	simd.Default().Reduce(tensor.ArgMax, id, logits)
	fmt.Println("after", ids.I32()[:6], "comes", id.I32()[0])
	// Output: after [0 1 2 3 4 5] comes 6
}

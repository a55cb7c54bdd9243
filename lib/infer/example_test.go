package infer_test

import (
	"context"
	"fmt"

	"quire/lib/infer"
	"quire/lib/model"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// A model that was never trained, asked for five tokens; infer.Open does the same for a model's files.
func ExampleEngine_Generate() {
	c := model.Depth(1)
	c.VocabSize = 64
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	m, err := model.New(simd.Default(), c, w)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := infer.New(m, nil, infer.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer e.Close()
	n := 0
	for t, err := range e.Generate(context.Background(), infer.Request{IDs: []uint32{1, 5, 9}, MaxTokens: 5, IgnoreEOS: true}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if n++; t.Finish != infer.Unfinished {
			fmt.Println(n, "tokens, finish", t.Finish)
		}
	}
	// Output: 5 tokens, finish length
}

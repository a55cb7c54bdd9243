package quant_test

import (
	"context"
	"fmt"

	"quire/lib/model"
	"quire/lib/quant"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

func ExampleQuantize() {
	c := model.Depth(2)
	c.VocabSize = 256
	w := c.NewWeights(tensor.Heap, dtype.F32)
	w.Init(c, 1)
	r, err := quant.Quantize(context.Background(), simd.Default(), c, w, quant.Config{Method: quant.RTN, Type: dtype.Q4_0, Embed: dtype.Q4_0, Head: dtype.Q8_0})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Report)
	fmt.Println(r.Weights.Layers[0].Down.Parts[0])
	// Output:
	// rtn to Q4_0: 1.84 MB → 277 kB, 4.82 bits a parameter
	// Q4_0 [128 384]
}

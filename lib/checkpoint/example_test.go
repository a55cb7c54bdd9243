package checkpoint_test

import (
	"fmt"
	"os"

	"quire/lib/checkpoint"
	"quire/lib/model"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

func ExampleLoad() {
	dir, _ := os.MkdirTemp("", "model")
	defer os.RemoveAll(dir)
	c := model.Depth(1)
	c.VocabSize = 100
	w := c.NewWeights(tensor.Heap, dtype.BF16)
	w.Init(c, 1)
	if err := checkpoint.SaveGGUF(dir+"/tiny.gguf", c, w, nil, nil); err != nil {
		fmt.Println(err)
	}
	m, err := checkpoint.Load(dir + "/tiny.gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	fmt.Println(m.Config.Family, m.Config.Params(), m.Weights.Embed)
	// Output: internlm2 78528 BF16 [100 64]
}

func ExampleSaver() {
	dir, _ := os.MkdirTemp("", "run")
	defer os.RemoveAll(dir)
	w := tensor.FromF32([]float32{1, 2, 3}, 3)
	saver := checkpoint.NewSaver(dir, 2)
	for step := 1; step <= 3; step++ {
		_ = saver.Save(checkpoint.State{Step: step, Document: []byte(`{"lr":0.001}`), Tensors: []checkpoint.Named{{Name: "w", Tensor: w}}})
		w.F32()[0]++ // training goes on
	}
	if err := saver.Wait(); err != nil {
		fmt.Println(err)
	}
	s, err := checkpoint.LoadState(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	w, _ = s.Tensor("w")
	fmt.Println(s.Step, string(s.Document), w.F32())
	// Output: 3 {"lr":0.001} [3 2 3]
}

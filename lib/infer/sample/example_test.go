package sample_test

import (
	"fmt"

	"quire/lib/infer/grammar"
	"quire/lib/infer/sample"
)

func Example() {
	s, err := sample.New(sample.Params{Temperature: 0.8, TopP: 0.9, Seed: 7, TopLogProbs: 2}, 4)
	if err != nil {
		fmt.Println(err)
		return
	}
	allow := grammar.NewMask(4)
	allow.Set(1)
	allow.Set(2)
	c := s.Pick([]float32{9, 1, 3, 2}, nil, allow)
	fmt.Println(c.ID == 1 || c.ID == 2, c.Top[0].ID, c.Top[1].ID)
	// Output: true 0 2
}

package train_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"quire/lib/corpus/shard"
	"quire/lib/model"
	"quire/lib/train"
)

// A model of one layer learns to count to ten.
func Example() {
	dir, err := os.MkdirTemp("", "train-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w, err := shard.Create(filepath.Join(dir, "count.tok"), shard.Options{VocabSize: 16})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 200 {
		ids := make([]uint32, 33)
		for j := range ids {
			ids[j] = uint32(3 + (i+j)%10)
		}
		if err := w.Append(fmt.Sprint(i), ids); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	m := model.Depth(1)
	m.VocabSize = 16
	c := train.DefaultConfig(m, 40)
	c.Dir, c.SeqLen, c.Schedule.LR = filepath.Join(dir, "run"), 32, 1e-2
	c.Data = []train.Source{{Name: "count", Shards: []string{filepath.Join(dir, "count.tok")}, Weight: 1}}
	c.EvalEvery = 0

	run, err := train.Start(context.Background(), c)
	if err != nil {
		log.Fatal(err)
	}
	if err := run.Wait(context.Background()); err != nil {
		log.Fatal(err)
	}
	h := run.History()
	fmt.Printf("perplexity from %.0f to %.1f in %d steps\n", h[0].Perplexity, run.Last().Perplexity, len(h))
	if err := run.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: perplexity from 16 to 1.0 in 40 steps
}

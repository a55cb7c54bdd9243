package mix_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"quire/lib/corpus/mix"
	"quire/lib/corpus/shard"
)

// Two sources, one of them with twice the weight, packed so that every row and every document begins with BOS.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	web := write(filepath.Join(dir, "web.tok"), 12, 3)
	code := write(filepath.Join(dir, "code.tok"), 12, 5)
	defer web.Close()
	defer code.Close()

	stream, err := mix.New(mix.Config{
		Sources: []mix.Source{
			{Name: "web", Shards: []*shard.Shard{web}, Weight: 2},
			{Name: "code", Shards: []*shard.Shard{code}, Weight: 1},
		},
		SeqLen: 15, Seed: 1, Packing: mix.BestFit, BOS: []uint32{1},
	})
	if err != nil {
		log.Fatal(err)
	}
	row, err := stream.Next()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(row.IDs), "tokens, the first is", row.IDs[0])
	for _, span := range row.Spans {
		fmt.Println(stream.ID(span), row.IDs[span.Start:span.End])
	}
	for _, p := range stream.Progress() {
		fmt.Printf("%s: %.0f %% of the tokens drawn\n", p.Name, 100*p.Share)
	}
	// Output:
	// 16 tokens, the first is 1
	// code.tok/8 [1 108 108 108 108 108]
	// code.tok/2 [1 102 102 102 102 102]
	// web.tok/4 [1 104 104 104]
	// web: 67 % of the tokens drawn
	// code: 33 % of the tokens drawn
}

// write makes a shard of documents of the given length.
func write(path string, docs, length int) *shard.Shard {
	w, err := shard.Create(path, shard.Options{VocabSize: 1000})
	if err != nil {
		log.Fatal(err)
	}
	for i := range docs {
		ids := make([]uint32, length)
		for k := range ids {
			ids[k] = uint32(100 + i)
		}
		if err := w.Append(fmt.Sprintf("%s/%d", filepath.Base(path), i), ids); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	s, err := shard.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	return s
}

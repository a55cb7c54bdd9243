package dedup_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"quire/lib/corpus"
	"quire/lib/dedup"
)

func Example() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	w, _ := corpus.Create(filepath.Join(dir, "c.arrow"))
	w.Append(corpus.Document{ID: "a", Text: "A quire is a gathering of leaves, the unit a book is sewn from."})
	w.Append(corpus.Document{ID: "b", Text: "Nothing else says this."})
	w.Append(corpus.Document{ID: "c", Text: "A QUIRE is a gathering of leaves – the unit a book is sewn from!"})
	w.Close()
	c, _ := corpus.Open(filepath.Join(dir, "c.arrow"))
	defer c.Close()

	c, err := dedup.MinHash(context.Background(), c, dedup.DataTrove(), dedup.Options{})
	if err != nil {
		panic(err)
	}
	kept, _ := dedup.Kept(c, "minhash.keep")
	for d := range kept.Docs() {
		fmt.Println(d.ID)
	}
	// Output:
	// a
	// b
}

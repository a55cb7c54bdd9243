package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"quire/lib/corpus"
)

// rewrite makes a corpus of what change makes of the documents of another, in order, or leaves them out. change is called from all
// cores. done closes the result and removes it.
func rewrite(ctx context.Context, c *corpus.Corpus, change func(b corpus.Batch, i int) (d corpus.Document, ok bool)) (out *corpus.Corpus, done func() error, err error) {
	dir, err := os.MkdirTemp("", "quire-corpus-*")
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, "corpus.arrow")
	if err = writeChanged(ctx, c, path, change); err == nil {
		out, err = corpus.Open(path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return out, func() error { return errors.Join(out.Close(), os.RemoveAll(dir)) }, nil
}

func writeChanged(ctx context.Context, c *corpus.Corpus, path string, change func(b corpus.Batch, i int) (corpus.Document, bool)) error {
	w, err := corpus.Create(path)
	if err != nil {
		return err
	}
	for b, err := range c.Batches() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			w.Abort()
			return err
		}
		docs, kept := make([]corpus.Document, b.Len()), make([]bool, b.Len())
		var next atomic.Int64
		var wg sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(docs); i = int(next.Add(1)) - 1 {
					docs[i], kept[i] = change(b, i)
				}
			})
		}
		wg.Wait()
		for i, d := range docs {
			if !kept[i] {
				continue
			}
			if err := w.Append(d); err != nil {
				w.Abort()
				return err
			}
		}
	}
	return w.Close()
}

// textBytes returns the bytes of a corpus's texts.
func textBytes(c *corpus.Corpus) (n int64, err error) {
	for b, err := range c.Batches() {
		if err != nil {
			return 0, err
		}
		for i := range b.Len() {
			n += int64(b.Text().ValueLen(b.Row(i)))
		}
	}
	return n, nil
}

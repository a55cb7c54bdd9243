package dedup

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"quire/lib/corpus"
)

// MinHash finds documents that share most of their shingles and returns the corpus with columns as [Exact]'s, called minhash.keep,
// minhash.cluster, minhash.kept and minhash.similarity. Two documents meet where all hashes of a band are equal (with the probability
// cfg.P of their similarity); those that meet are one cluster, and so are those that meet a third. So a dropped document may be less
// similar to the one that is kept than any threshold: the similarity column says how much, as their hashes tell.
//
// Of the documents that share a band each is joined with the first. With a MinSimilarity that is so where the two are similar enough.
// A document without words is in a cluster of its own.
func MinHash(ctx context.Context, c *corpus.Corpus, cfg Config, o Options) (*corpus.Corpus, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t, err := newTable(c, o, settings{Method: "minhash", Config: &cfg})
	if err != nil {
		return nil, err
	}
	err = t.fill(ctx, func() func(n int, text string) {
		s := NewSigner(cfg)
		return func(n int, text string) {
			if bands, sketch, ok := s.Sign(text); ok {
				for b, key := range bands {
					t.cols[b][n] = key
				}
				copy(t.sketch[n*t.width:], sketch)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if err := t.meet(ctx, cfg.MinSimilarity); err != nil {
		return nil, err
	}
	return t.finish(ctx, "minhash", t.similarity)
}

// meet joins the documents that share a band, bands on all cores.
func (t *table) meet(ctx context.Context, least float64) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(t.cols)) {
		wg.Go(func() {
			for k := int(next.Add(1)) - 1; k < len(t.cols) && ctx.Err() == nil; k = int(next.Add(1)) - 1 {
				groups(t.cols[k:k+1], func(n, first uint32) {
					if least == 0 || float64(t.similarity(n, first)) >= least {
						mu.Lock()
						t.forest.join(n, first)
						mu.Unlock()
					}
				})
			}
		})
	}
	wg.Wait()
	t.forest.flatten()
	return ctx.Err()
}

// similarity estimates how similar two documents are.
func (t *table) similarity(x, y uint32) float32 {
	return Similarity(t.sketch[int(x)*t.width:][:t.width], t.sketch[int(y)*t.width:][:t.width])
}

package shard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// Match is a document that shares runs of tokens with a sequence.
type Match struct {
	Shard, Doc int // index into the shards, and into the shard's documents
	ID         string
	Share      float64 // of the sequence's tokens: those that lie in a run which the document has too
	Longest    int     // tokens of the longest such run
	From, At   int     // where it begins in the document, and in the sequence
}

// Nearest finds the k documents that share the most with a sequence: runs of at least minRun equal tokens, anywhere in both. Documents
// that share as much are in order of the longest run, then of their place. It reads every token once, on all cores.
//
// It answers where a generated text may come from: what was learnt word for word. It does not see paraphrases.
func Nearest(ctx context.Context, shards []*Shard, ids []uint32, minRun, k int) ([]Match, error) {
	if minRun < 2 || k < 1 {
		return nil, fmt.Errorf("shard: Nearest: runs of %d tokens, the best %d: want at least 2 and 1", minRun, k)
	}
	if len(ids) < minRun {
		return nil, fmt.Errorf("shard: Nearest: a sequence of %d tokens has no run of %d: ask for shorter runs", len(ids), minRun)
	}
	q := newQuery(ids, minRun)
	type piece struct{ shard, from, to int }
	const docsAtOnce = 256
	var pieces []piece
	for i, s := range shards {
		for from := 0; from < s.Docs(); from += docsAtOnce {
			pieces = append(pieces, piece{i, from, min(s.Docs(), from+docsAtOnce)})
		}
	}
	found := make([][]Match, len(pieces))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(runtime.GOMAXPROCS(0), len(pieces)) {
		wg.Go(func() {
			search := q.search()
			for n := range next {
				p := pieces[n]
				for doc := p.from; doc < p.to && ctx.Err() == nil; doc++ {
					if m, ok := search.document(shards[p.shard], doc); ok {
						m.Shard = p.shard
						found[n] = append(found[n], m)
					}
				}
			}
		})
	}
	for n := range pieces {
		next <- n
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	best := slices.Concat(found...)
	slices.SortStableFunc(best, func(a, b Match) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(b.Longest, a.Longest))
	})
	return slices.Clip(best[:min(k, len(best))]), nil
}

// multiplier of the rolling hash: odd, from the golden ratio.
const multiplier = 0x9e3779b97f4a7c15

// query is a sequence with an index of its runs.
type query struct {
	ids    []uint32
	run    int
	starts map[uint64][]int32 // by the hash of the run that begins there
	filter []uint64           // bits of hashes that starts has
	last   uint64             // multiplier^run: what a token's hash has become when it leaves the run
}

const filterBits = 16

func newQuery(ids []uint32, run int) *query {
	q := &query{ids: ids, run: run, starts: map[uint64][]int32{}, filter: make([]uint64, 1<<filterBits/64), last: 1}
	for range run {
		q.last *= multiplier
	}
	h := uint64(0)
	for i, id := range ids {
		h = (h + mixed(id)) * multiplier
		if i >= run {
			h -= mixed(ids[i-run]) * q.last * multiplier
		}
		if i >= run-1 {
			q.starts[h] = append(q.starts[h], int32(i-run+1))
			q.filter[h>>(64-filterBits)/64] |= 1 << (h >> (64 - filterBits) % 64)
		}
	}
	return q
}

// mixed spreads a token id over 64 bits.
func mixed(id uint32) uint64 { return (uint64(id) + 1) * 0xff51afd7ed558ccd }

// search is one goroutine's scratch.
type search struct {
	*query
	tokens  []uint32
	covered []bool
	runs    map[int32]int32 // runs that end at the token before: by where they go on in the sequence, how long they are
	longer  map[int32]int32
}

func (q *query) search() *search {
	return &search{query: q, covered: make([]bool, len(q.ids)), runs: map[int32]int32{}, longer: map[int32]int32{}}
}

func (s *search) document(sh *Shard, doc int) (m Match, ok bool) {
	s.tokens = sh.Append(s.tokens[:0], doc)
	h := uint64(0)
	clear(s.runs)
	for i, id := range s.tokens {
		h = (h + mixed(id)) * multiplier
		if i >= s.run {
			h -= mixed(s.tokens[i-s.run]) * s.last * multiplier
		}
		if i < s.run-1 {
			continue
		}
		hit := s.filter[h>>(64-filterBits)/64]>>(h>>(64-filterBits)%64)&1 != 0
		if !hit && len(s.runs) == 0 {
			continue
		}
		clear(s.longer)
		if hit {
			s.extend(h, i-s.run+1, &m)
		}
		s.runs, s.longer = s.longer, s.runs
	}
	if m.Longest == 0 {
		return m, false
	}
	n := 0
	for i, c := range s.covered {
		if c {
			n++
			s.covered[i] = false
		}
	}
	m.Doc, m.ID, m.Share = doc, sh.ID(doc), float64(n)/float64(len(s.ids))
	return m, true
}

// extend notes the runs of the sequence that equal the document's tokens from at on.
func (s *search) extend(h uint64, at int, m *Match) {
	for _, start := range s.starts[h] {
		if !slices.Equal(s.ids[start:int(start)+s.run], s.tokens[at:at+s.run]) {
			continue
		}
		n := s.runs[start] + 1
		s.longer[start+1] = n
		if n == 1 {
			for i := range s.run {
				s.covered[int(start)+i] = true
			}
		}
		s.covered[int(start)+s.run-1] = true
		if length := int(n) + s.run - 1; length > m.Longest {
			m.Longest, m.From, m.At = length, at-int(n)+1, int(start)-int(n)+1
		}
	}
}

package infer

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"quire/lib/infer/sample"
	"quire/simd/dtype"
)

// TestForks: N texts of one prompt, which share its pages, are the texts that separate requests with their seeds get.
func TestForks(t *testing.T) {
	for _, n := range []int{10, 64, 150} {
		e := tinyEngine(t, Config{})
		p := sample.Params{Temperature: 1.2, Seed: 40, LogProbs: true}
		got := complete(t, e, Request{IDs: prompt(n, 1), MaxTokens: 80, N: 5, Params: p})
		var want []Text
		for i := range 5 {
			alone := tinyEngine(t, Config{NoPrefix: true})
			q := p
			q.Seed += uint64(i)
			want = append(want, complete(t, alone, Request{IDs: prompt(n, 1), MaxTokens: 80, Params: q})...)
		}
		sameTexts(t, "fork", got, want)
		if s := countsOf(t, e); s.ComputedTokens > int64(n+5*80) {
			t.Errorf("prompt of %d: %d tokens were computed: the prompt more than once", n, s.ComputedTokens)
		}
		noLeak(t, e)
	}
}

// TestDraftsWithoutRoom: texts that share their pages need more room in the draft model's cache, which shares none, than there is: some go without guesses, none is changed, no page is lost.
func TestDraftsWithoutRoom(t *testing.T) {
	perPage := int64(tinyConfig().NumLayers * 2 * BlockTokens * tinyConfig().NumKVHeads * tinyConfig().HeadDim * 4)
	r := Request{IDs: prompt(250, 1), MaxTokens: 60, N: 4, Params: sample.Params{Temperature: 1.2, Seed: 5, LogProbs: true}}
	want := complete(t, tinyEngine(t, Config{}), r)
	e := tinyEngine(t, Config{CacheBytes: 10 * perPage, Draft: tinyModel(t, tinyConfig(), dtype.F32, 1), Guess: 1})
	sameTexts(t, "drafts without room", complete(t, e, r), want)
	if s := countsOf(t, e); s.Accepted == 0 {
		t.Error("no guess was accepted")
	}
	noLeak(t, e)
}

// TestSession: a text in turns is the text of one request after another with all of it as prompt; a fork goes its own way and leaves the first alone.
func TestSession(t *testing.T) {
	e, alone := tinyEngine(t, Config{}), tinyEngine(t, Config{NoPrefix: true})
	s := e.Session()
	var all []uint32
	turn := func(s *Session, all []uint32, n int, seed uint32) []uint32 {
		t.Helper()
		all = append(slices.Clone(all), prompt(n, seed)...)
		want := complete(t, alone, Request{IDs: all, MaxTokens: 20})[0].IDs()
		var got []uint32
		for tok, err := range s.Generate(t.Context(), Request{IDs: prompt(n, seed), MaxTokens: 20}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, tok.ID)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("turn of %d: %v, in one piece %v", n, got, want)
		}
		return append(all, got...)
	}
	all = turn(s, all, 30, 1)
	all = turn(s, all, 50, 2)
	before := countsOf(t, e).ComputedTokens
	f, err := s.Fork()
	if err != nil {
		t.Fatal(err)
	}
	left := turn(s, all, 5, 3)
	right := turn(f, all, 5, 4)
	if n := countsOf(t, e).ComputedTokens - before; n > 2*(5+20) {
		t.Errorf("two turns of 5 computed %d tokens: history was computed again", n)
	}
	if !slices.Equal(s.IDs(), left) || !slices.Equal(f.IDs(), right) {
		t.Error("a session's ids are not its turns")
	}
	for _, s := range []*Session{s, f} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	noLeak(t, e)
}

// TestScore: scores are the dense pass's log-probabilities, and a prompt that many continuations have is computed once.
func TestScore(t *testing.T) {
	e := tinyEngine(t, Config{StepTokens: 64})
	var pairs []Pair
	for i := range 20 {
		pairs = append(pairs, Pair{prompt(100, uint32(i/10)), prompt(1+i*4, uint32(50+i))})
	}
	got, err := e.Score(t.Context(), pairs)
	if err != nil {
		t.Fatal(err)
	}
	tokens := 2 * 100
	for i, p := range pairs {
		rows := dense(e.main.m, slices.Concat(p.Prompt, p.Continuation))
		sum, greedy := 0.0, true
		for k, id := range p.Continuation {
			row := rows[len(p.Prompt)+k-1]
			best, lse := summary(row)
			want := float64(row[id]) - lse
			sum += want
			greedy = greedy && best == id
			if math.Abs(float64(got[i].LogProbs[k])-want) > 1e-4 {
				t.Fatalf("pair %d token %d: %v, the dense pass says %v", i, k, got[i].LogProbs[k], want)
			}
		}
		if math.Abs(got[i].Sum-sum) > 1e-3 || got[i].Greedy != greedy {
			t.Fatalf("pair %d: sum %v greedy %v, want %v %v", i, got[i].Sum, got[i].Greedy, sum, greedy)
		}
		tokens += len(p.Continuation) - 1
	}
	if n := countsOf(t, e).ComputedTokens; n > int64(tokens) {
		t.Errorf("%d tokens were computed, %d would do", n, tokens)
	}
	noLeak(t, e)
}

// TestEmbed: vectors have length one, are those of the dense pass, and do not depend on the batch.
func TestEmbed(t *testing.T) {
	e := tinyEngine(t, Config{StepTokens: 64})
	texts := [][]uint32{prompt(3, 1), prompt(150, 2), prompt(64, 3)}
	for _, p := range []Pooling{LastToken, Mean} {
		all, err := e.Embed(t.Context(), texts, p)
		if err != nil {
			t.Fatal(err)
		}
		for i, ids := range texts {
			one, err := e.Embed(t.Context(), [][]uint32{ids}, p)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(one[0], all[i]) {
				t.Errorf("pooling %d, text %d: alone another vector than in a batch", p, i)
			}
			var length float64
			for _, v := range all[i] {
				length += float64(v) * float64(v)
			}
			if math.Abs(length-1) > 1e-5 {
				t.Errorf("pooling %d, text %d: length² %v", p, i, length)
			}
		}
	}
	if a, _ := e.Embed(t.Context(), texts, LastToken); slices.Equal(a[0], a[1]) {
		t.Error("two texts have one vector")
	}
	noLeak(t, e)
}

// TestBeams: as many beams as there are tokens find the best of all pairs of tokens.
func TestBeams(t *testing.T) {
	for seed := range uint32(2) {
		e := tinyEngine(t, Config{})
		v := tinyConfig().VocabSize
		got := complete(t, e, Request{IDs: prompt(9, seed), MaxTokens: 2, Beams: v, N: 3})
		all := make([]Text, 0, v*v) // of two tokens, by their probability: that of the first, times that of the second after it
		firsts, seconds := []Pair{}, []Pair{}
		for a := range uint32(v) {
			firsts = append(firsts, Pair{prompt(9, seed), []uint32{a}})
			for b := range uint32(v) {
				seconds = append(seconds, Pair{append(prompt(9, seed), a), []uint32{b}})
			}
		}
		first, err := e.Score(t.Context(), firsts)
		if err != nil {
			t.Fatal(err)
		}
		second, err := e.Score(t.Context(), seconds)
		if err != nil {
			t.Fatal(err)
		}
		for a := range v {
			for b := range v {
				all = append(all, Text{Tokens: []Token{{ID: uint32(a)}, {ID: uint32(b)}}, Score: float32(first[a].Sum + second[a*v+b].Sum)})
			}
		}
		slices.SortFunc(all, func(x, y Text) int { return cmp.Compare(y.Score, x.Score) })
		for i, text := range got {
			if want := all[i].IDs(); !slices.Equal(text.IDs(), want) {
				t.Errorf("seed %d: text %d is %v, the best of all pairs is %v", seed, i, text.IDs(), want)
			}
		}
		noLeak(t, e)
	}
}

// TestSpeculativeDistribution: over many seeds, tokens drawn with a draft model have the distribution of tokens drawn without: chi-square over pairs of tokens, and in fact they are the same tokens.
func TestSpeculativeDistribution(t *testing.T) {
	const n = 600
	draw := func(cfg Config) [][]uint32 {
		e := tinyEngine(t, cfg)
		var all []Request
		for i := range n {
			all = append(all, Request{IDs: prompt(20, 1), MaxTokens: 4, Params: sample.Params{Temperature: 1.5, TopK: 6, Seed: uint64(i)}})
		}
		var ids [][]uint32
		for chunk := range slices.Chunk(all, 2) { // few at a time: many rows leave no room for guesses
			for _, text := range together(t, e, chunk, nil) {
				ids = append(ids, text.IDs())
			}
		}
		if s := countsOf(t, e); cfg.Draft != nil && (s.Accepted == 0 || s.Accepted == s.Guessed) {
			t.Fatalf("%d of %d guesses were right: the test needs some of both", s.Accepted, s.Guessed)
		}
		return ids
	}
	plain, guessed := draw(Config{}), draw(Config{Draft: tinyModel(t, tinyConfig(), dtype.F32, 2)})
	for i := range plain {
		if !slices.Equal(plain[i], guessed[i]) {
			t.Fatalf("seed %d: %v plain, %v with guesses", i, plain[i], guessed[i])
		}
	}
	// The draws are right in themselves: the frequencies of the second token given the most frequent first are those of the model.
	counts := map[uint32]int{}
	for _, ids := range guessed {
		counts[ids[0]]++
	}
	logits := dense(tinyModel(t, tinyConfig(), dtype.F32, 1), prompt(20, 1))[19]
	s, err := sample.New(sample.Params{Temperature: 1.5, TopK: 6}, len(logits))
	if err != nil {
		t.Fatal(err)
	}
	probs := make([]float32, len(logits))
	s.Probs(probs, logits, prompt(20, 1), nil)
	var chi float64
	for id, p := range probs {
		if p == 0 {
			if counts[uint32(id)] > 0 {
				t.Fatalf("token %d was drawn %d times and has probability 0", id, counts[uint32(id)])
			}
			continue
		}
		d := float64(counts[uint32(id)]) - n*float64(p)
		chi += d * d / (n * float64(p))
	}
	if chi > 20.5 { // 5 degrees of freedom, p = 0.001
		t.Errorf("chi-square %.1f over 6 tokens: the draws are not of the model's distribution", chi)
	}
}

// TestCancel: ten thousand requests that are cancelled, left, or finished at random leak no page and leave the engine as it was.
func TestCancel(t *testing.T) {
	n := 10000
	if testing.Short() {
		n = 1000
	}
	e := tinyEngine(t, Config{CacheBytes: 40 << 16, StepTokens: 128})
	want := complete(t, e, Request{IDs: prompt(70, 5), MaxTokens: 10})[0].IDs()
	var wg sync.WaitGroup
	gate := make(chan struct{}, 24)
	for i := range n {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			rng := rand.New(rand.NewPCG(7, uint64(i)))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if rng.IntN(2) == 0 {
				time.AfterFunc(time.Duration(rng.IntN(2000))*time.Microsecond, cancel)
			}
			stop, seen := rng.IntN(12), 0
			r := Request{IDs: prompt(1+rng.IntN(90), uint32(rng.IntN(6))), MaxTokens: 1 + rng.IntN(8), N: 1 + rng.IntN(2), Priority: rng.IntN(2)}
			for _, err := range e.Generate(ctx, r) {
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if seen++; seen > stop {
					break
				}
			}
		})
	}
	wg.Wait()
	if got := complete(t, e, Request{IDs: prompt(70, 5), MaxTokens: 10})[0].IDs(); !slices.Equal(got, want) {
		t.Errorf("after all that: %v, before %v", got, want)
	}
	noLeak(t, e)
	if s := countsOf(t, e); s.Tasks != 0 {
		t.Errorf("%d tasks are left", s.Tasks)
	}
}

// TestCompressedKV: an int8 cache moves log-probabilities by little, int4 by more, and both keep their bound.
func TestCompressedKV(t *testing.T) {
	pair := []Pair{{prompt(1, 1), prompt(300, 9)}}
	m := tinyModel(t, tinyConfig(), dtype.F32, 1)
	score := func(cfg Config) []float32 {
		e, err := New(m, nil, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		s, err := e.Score(t.Context(), pair)
		if err != nil {
			t.Fatal(err)
		}
		return s[0].LogProbs
	}
	exact := score(Config{KV: dtype.F32})
	for _, c := range []struct {
		name  string
		cfg   Config
		bound float64
	}{
		{"BF16", Config{KV: dtype.BF16}, 0.01}, {"Q8_0", Config{KV: dtype.Q8_0}, 0.03}, {"Q4_0", Config{KV: dtype.Q4_0}, 0.5},
		{"8 bits", Config{KVBits: 8}, 0.03}, {"4 bits", Config{KVBits: 4}, 0.5},
	} {
		var sum float64
		for i, v := range score(c.cfg) {
			sum += math.Abs(float64(v - exact[i]))
		}
		mean := sum / float64(len(exact))
		t.Logf("%s: mean error of a log-probability %.4f", c.name, mean)
		if mean > c.bound || mean == 0 {
			t.Errorf("%s: log-probabilities differ by %.4f on average, want up to %v and not 0", c.name, mean, c.bound)
		}
	}
}

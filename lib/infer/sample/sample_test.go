package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"quire/lib/infer/grammar"
)

// define is the definition of the stages in float64, with a full sort: what Pick draws from.
func define(p Params, logits []float32, history []uint32, allow *grammar.Mask) []float64 {
	l := make([]float64, len(logits))
	for i, v := range logits {
		if l[i] = float64(v); math.IsNaN(l[i]) {
			l[i] = math.Inf(-1)
		}
	}
	for id, b := range p.LogitBias {
		l[id] += float64(b)
	}
	count, generated := map[uint32]int{}, map[uint32]int{}
	for i, id := range history {
		count[id]++
		if i >= p.PromptTokens {
			generated[id]++
		}
	}
	for id := range count {
		if r := float64(p.RepetitionPenalty); r != 0 {
			if l[id] < 0 {
				l[id] *= r
			} else {
				l[id] /= r
			}
		}
	}
	for id, n := range generated {
		l[id] -= float64(n)*float64(p.FrequencyPenalty) + float64(p.PresencePenalty)
	}
	for _, id := range p.Banned {
		l[id] = math.Inf(-1)
	}
	if len(history)-p.PromptTokens < p.MinTokens {
		for _, id := range p.StopIDs {
			l[id] = math.Inf(-1)
		}
	}
	if n := p.NoRepeatNGram; n > 0 && len(history) >= n {
		for i := 0; i+n <= len(history); i++ {
			if slices.Equal(history[i:i+n-1], history[len(history)-n+1:]) {
				l[history[i+n-1]] = math.Inf(-1)
			}
		}
	}
	var ids []int
	for i := range l {
		if (allow == nil || allow.Has(uint32(i))) && !math.IsInf(l[i], -1) {
			ids = append(ids, i)
		}
	}
	sort.SliceStable(ids, func(a, b int) bool { return l[ids[a]] > l[ids[b]] })
	out := make([]float64, len(l))
	if len(ids) == 0 {
		return out
	}
	if p.Temperature == 0 || p.TopK == 1 {
		out[ids[0]] = 1
		return out
	}
	if p.TopK > 0 {
		ids = ids[:min(p.TopK, len(ids))]
	}
	probs := func() (q []float64) {
		sum := 0.0
		for _, i := range ids {
			q = append(q, math.Exp((l[i]-l[ids[0]])/float64(p.Temperature)))
			sum += q[len(q)-1]
		}
		for k := range q {
			q[k] /= sum
		}
		return q
	}
	upTo := func(q []float64, p float64) int {
		sum, n := 0.0, 0
		for n < len(q) && sum < p {
			sum += q[n]
			n++
		}
		return n
	}
	if p.TopP > 0 && p.TopP < 1 {
		ids = ids[:upTo(probs(), float64(p.TopP))]
	}
	if p.MinP > 0 {
		q, n := probs(), 0
		for n < len(q) && q[n] >= float64(p.MinP)*q[0] {
			n++
		}
		ids = ids[:n]
	}
	if p.TypicalP > 0 && p.TypicalP < 1 {
		q, entropy := probs(), 0.0
		for _, v := range q {
			entropy -= v * math.Log(v)
		}
		order := make([]int, len(ids))
		for i := range order {
			order[i] = i
		}
		sort.SliceStable(order, func(a, b int) bool {
			return math.Abs(-math.Log(q[order[a]])-entropy) < math.Abs(-math.Log(q[order[b]])-entropy)
		})
		sorted := make([]float64, len(q))
		for i, k := range order {
			sorted[i] = q[k]
		}
		var kept []int
		for _, k := range order[:upTo(sorted, float64(p.TypicalP))] {
			kept = append(kept, ids[k])
		}
		sort.SliceStable(kept, func(a, b int) bool { return l[kept[a]] > l[kept[b]] })
		ids = kept
	}
	for k, v := range probs() {
		out[ids[k]] = v
	}
	return out
}

func randomLogits(r *rand.Rand, n int) []float32 {
	l := make([]float32, n)
	for i := range l {
		l[i] = float32(r.NormFloat64() * 3)
		switch r.IntN(40) {
		case 0:
			l[i] = float32(math.Inf(-1))
		case 1:
			l[i] = float32(math.NaN())
		}
	}
	return l
}

func randomParams(r *rand.Rand, n int) Params {
	p := Params{Temperature: float32(r.IntN(4)) * 0.5, Seed: r.Uint64()}
	maybe := func(f func()) {
		if r.IntN(3) == 0 {
			f()
		}
	}
	id := func() uint32 { return uint32(r.IntN(n)) }
	maybe(func() { p.TopK = 1 + r.IntN(n) })
	maybe(func() { p.TopP = r.Float32() })
	maybe(func() { p.MinP = r.Float32() * 0.3 })
	maybe(func() { p.TypicalP = r.Float32() })
	maybe(func() { p.RepetitionPenalty = 0.5 + r.Float32()*2 })
	maybe(func() { p.PresencePenalty = r.Float32() - 0.5 })
	maybe(func() { p.FrequencyPenalty = r.Float32() - 0.5 })
	maybe(func() { p.NoRepeatNGram = 1 + r.IntN(3) })
	maybe(func() { p.LogitBias = map[uint32]float32{id(): 5, id(): -100, id(): float32(math.Inf(-1))} })
	maybe(func() { p.Banned = []uint32{id(), id()} })
	maybe(func() { p.PromptTokens, p.MinTokens, p.StopIDs = 3, r.IntN(8), []uint32{id()} })
	return p
}

// TestAgainstTheDefinition: any combination of stages leaves the ids that the definition leaves, with its probabilities. An id
// whose cumulated probability is within rounding of a bound may fall on either side; then the total difference stays small.
func TestAgainstTheDefinition(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 0))
	differing := 0
	for round := range 3000 {
		n := 2 + r.IntN(300)
		logits, p := randomLogits(r, n), randomParams(r, n)
		history := make([]uint32, r.IntN(12))
		for i := range history {
			history[i] = uint32(r.IntN(min(n, 6)))
		}
		var allow *grammar.Mask
		if r.IntN(3) == 0 {
			allow = grammar.NewMask(n)
			for i := range n {
				if r.IntN(3) == 0 {
					allow.Set(uint32(i))
				}
			}
		}
		s, err := New(p, n)
		if err != nil {
			t.Fatal(err)
		}
		got, want := make([]float32, n), define(p, logits, history, allow)
		s.Probs(got, logits, history, allow)
		if slices.Max(want) == 0 {
			continue // nothing is left: Pick has rules of its own
		}
		for i := range want {
			if (got[i] == 0) != (want[i] < 1e-35) || math.Abs(float64(got[i])-want[i]) > 3e-5*want[i]+1e-9 {
				differing++
				if differing > 3 {
					t.Fatalf("round %d of seed %d, %+v: id %d has %v, want %v", round, seed, p, i, got[i], want[i])
				}
				break
			}
		}
		if id := s.Pick(logits, history, allow).ID; want[id] == 0 {
			t.Fatalf("round %d of seed %d: picked %d, which has no probability", round, seed, id)
		}
	}
}

// TestFiltersAtScale compares partial selection with the definition on a whole vocabulary, flat and peaked.
func TestFiltersAtScale(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 0))
	const n = 100_000
	for _, scale := range []float64{0, 0.01, 1, 4} {
		l := make([]float32, n)
		for i := range l {
			l[i] = float32(r.NormFloat64() * scale)
		}
		for _, p := range []Params{{Temperature: 1, TopK: 50}, {Temperature: 0.7, TopP: 0.9}, {Temperature: 1, TypicalP: 0.5}, {Temperature: 1, TopK: 40_000, TopP: 0.3}} {
			s, _ := New(p, n)
			got, want := make([]float32, n), define(p, l, nil, nil)
			s.Probs(got, l, nil, nil)
			kept, wanted := 0, 0
			for i := range got {
				if got[i] > 0 {
					kept++
				}
				if want[i] > 0 {
					wanted++
				}
			}
			if math.Abs(float64(kept-wanted)) > 1+1e-4*float64(wanted) && !(scale == 0 && p.TypicalP > 0) { // all alike: typical keeps every tie
				t.Errorf("scale %v, %+v: %d ids are left, want %d", scale, p, kept, wanted)
			}
		}
	}
}

// chiSquare of counts against probs, and its degrees of freedom; cells under 5 expected are one.
func chiSquare(counts []int, probs []float32, draws int) (x float64, free int) {
	restN, restP := 0, 0.0
	add := func(n int, p float64) {
		e := p * float64(draws)
		x += (float64(n) - e) * (float64(n) - e) / e
		free++
	}
	for i, n := range counts {
		if p := float64(probs[i]); p*float64(draws) >= 5 {
			add(n, p)
		} else {
			restN, restP = restN+n, restP+p
		}
	}
	if restP*float64(draws) > 1 {
		add(restN, restP)
	}
	return x, free - 1
}

// plausible reports whether χ² is within 4.5 standard deviations of its mean.
func plausible(x float64, free int) bool { return x < float64(free)+4.5*math.Sqrt(2*float64(free))+10 }

func TestDrawsFollowProbs(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 0))
	const n, draws = 60, 40_000
	for _, p := range []Params{{Temperature: 1}, {Temperature: 0.5, TopK: 20}, {Temperature: 2, TopP: 0.8}, {Temperature: 1, TypicalP: 0.6}, {Temperature: 1, MinP: 0.05}} {
		p.Seed = r.Uint64()
		s, _ := New(p, n)
		logits := randomLogits(r, n)
		probs := make([]float32, n)
		s.Probs(probs, logits, nil, nil)
		counts := make([]int, n)
		history := make([]uint32, draws)
		for i := range draws {
			id := s.Pick(logits, history[:i], nil).ID
			if probs[id] == 0 {
				t.Fatalf("%+v: drew %d, which has no probability", p, id)
			}
			counts[id]++
		}
		if x, free := chiSquare(counts, probs, draws); !plausible(x, free) {
			t.Errorf("%+v: χ² is %.1f at %d degrees of freedom", p, x, free)
		}
	}
}

// TestVerifyLeavesTheTarget drafts from another distribution: what comes out is distributed as the target.
func TestVerifyLeavesTheTarget(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 0))
	const n, draws = 30, 40_000
	target, draft := make([]float32, n), make([]float32, n)
	s, _ := New(Params{Temperature: 1, TopK: 20, Seed: 3}, n)
	d, _ := New(Params{Temperature: 1.5, Seed: 4}, n)
	logits := randomLogits(r, n)
	s.Probs(target, logits, nil, nil)
	d.Probs(draft, randomLogits(r, n), nil, nil)
	counts, accepted := make([]int, n), 0
	for i := range draws {
		id, ok := s.Verify(target, draft, Draw(draft, d.Uniform(i, 0)), i)
		counts[id]++
		if ok {
			accepted++
		}
	}
	if x, free := chiSquare(counts, target, draws); !plausible(x, free) {
		t.Errorf("χ² is %.1f at %d degrees of freedom", x, free)
	}
	overlap := 0.0
	for i := range target {
		overlap += float64(min(target[i], draft[i]))
	}
	if got := float64(accepted) / draws; math.Abs(got-overlap) > 0.02 {
		t.Errorf("%.3f of the drafts were accepted, want the overlap %.3f", got, overlap)
	}
	if id, ok := s.Verify(target, target, 0, 1); target[0] > 0 && (!ok || id != 0) {
		t.Error("a draft from the target itself was not accepted")
	}
}

func TestSeeds(t *testing.T) {
	logits := randomLogits(rand.New(rand.NewPCG(11, 0)), 500)
	text := func(seed uint64, chunks int) (ids []uint32) {
		s, _ := New(Params{Temperature: 1, Seed: seed, RepetitionPenalty: 1.1}, 500)
		for i := range 50 {
			if i%chunks == 0 { // as after eviction and recomputing
				s, _ = New(s.Params(), 500)
			}
			ids = append(ids, s.Pick(logits, ids, nil).ID)
		}
		return ids
	}
	if !slices.Equal(text(1, 1), text(1, 7)) {
		t.Error("one seed, two texts")
	}
	if slices.Equal(text(1, 1), text(2, 1)) {
		t.Error("two seeds, one text")
	}
}

func TestLogProbsAndBest(t *testing.T) {
	logits := []float32{1, 3, 2, 3, float32(math.NaN()), float32(math.Inf(-1))}
	s, _ := New(Params{TopLogProbs: 3, Banned: []uint32{1}, Temperature: 0.1, TopK: 1}, len(logits))
	c := s.Pick(logits, nil, nil)
	lse := math.Log(math.Exp(1) + 2*math.Exp(3) + math.Exp(2))
	if c.ID != 3 || math.Abs(float64(c.LogProb)-(3-lse)) > 1e-6 {
		t.Errorf("picked %d at %v, want 3 at %v of the model's own distribution", c.ID, c.LogProb, 3-lse)
	}
	if len(c.Top) != 3 || c.Top[0].ID != 1 || c.Top[1].ID != 3 || c.Top[2].ID != 2 || math.Abs(float64(c.Top[2].LogProb)-(2-lse)) > 1e-6 {
		t.Errorf("top is %v", c.Top)
	}
	if best := s.Best(logits, nil, nil, 10); len(best) != 3 || best[0].ID != 3 || best[2].ID != 0 {
		t.Errorf("best is %v: want 3, 2, 0", best)
	}
}

func TestNothingLeft(t *testing.T) {
	logits := []float32{1, float32(math.Inf(-1)), 2}
	allow := grammar.NewMask(3)
	for _, p := range []Params{{}, {Temperature: 1}, {Temperature: 1, TopK: 2}} {
		s, _ := New(p, 3)
		if id := s.Pick(logits, nil, allow).ID; id != None {
			t.Errorf("%+v: an empty mask gave %d", p, id)
		}
	}
	allow.Set(1)
	for _, p := range []Params{{}, {Temperature: 1}, {Temperature: 1, TopK: 2, TopP: 0.5}} {
		s, _ := New(p, 3)
		if id := s.Pick(logits, nil, allow).ID; id != 1 {
			t.Errorf("%+v: picked %d, the mask has 1 alone", p, id)
		}
	}
}

func TestRepeats(t *testing.T) {
	h := []uint32{1, 2, 3, 1, 2, 3, 1, 2, 3}
	for _, c := range []struct {
		size, threshold int
		want            bool
	}{{3, 3, true}, {3, 4, false}, {2, 3, true}, {0, 3, false}, {10, 1, false}, {9, 1, true}} {
		if got := Repeats(h, c.size, c.threshold); got != c.want {
			t.Errorf("size %d threshold %d: %v", c.size, c.threshold, got)
		}
	}
}

func TestValidate(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		p    Params
		want string
	}{
		{Params{Temperature: -1}, "temperature"}, {Params{Temperature: nan}, "temperature"}, {Params{TopP: 1.5}, "top_p is 1.5: want 0 to 1"},
		{Params{MinP: -0.1}, "min_p"}, {Params{TopK: -1}, "top_k is -1"}, {Params{RepetitionPenalty: float32(math.Inf(1))}, "repetition_penalty"},
		{Params{LogitBias: map[uint32]float32{3: nan}}, "logit_bias of id 3"}, {Params{LogitBias: map[uint32]float32{9: 1}}, "names id 9"},
		{Params{Banned: []uint32{8}}, "id 8"}, {Params{MinTokens: -2}, "min_tokens"},
	} {
		if _, err := New(c.p, 8); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.p, err, c.want)
		}
	}
}

func TestExp(t *testing.T) {
	for x := float32(0); x > -100; x -= 0.0137 {
		got, want := float64(exp(x)), math.Exp(float64(x))
		if x > -87 && math.Abs(got-want) > 0x1p-21*want || x <= -87 && got != 0 {
			t.Fatalf("exp(%v) is %v, want %v", x, got, want)
		}
	}
	if exp(0) != 1 || exp(float32(math.Inf(-1))) != 0 || exp(float32(math.NaN())) != 0 {
		t.Error("exp at its ends")
	}
}

// TestPasses: the passes over a vocabulary that this machine uses give the bits of the plain ones, at every length around the width of vectors and of blocks, with infinities and NaN.
func TestPasses(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 0))
	odd := []float32{float32(math.Inf(-1)), float32(math.NaN()), float32(math.Inf(1)), 0, -math.MaxFloat32, math.MaxFloat32}
	for n := range block + 1 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64() * 40)
			if n%3 == 0 && r.IntN(9) == 0 {
				x[i] = odd[r.IntN(len(odd))]
			}
		}
		top := largestGo(x)
		if got := largest(x); got != top {
			t.Fatalf("%d values: the largest is %v, want %v", n, got, top)
		}
		for _, floor := range []float32{-50, 0, 30, top, float32(math.Inf(1))} {
			for from := range min(n, 40) {
				if got, want := next(x, from, floor), nextGo(x, from, floor); got != want {
					t.Fatalf("%d values: the next one from %d of at least %v is %d, want %d", n, from, floor, got, want)
				}
			}
		}
		for _, inv := range []float32{1, 1.25, 0.01, float32(math.Inf(1))} {
			got, want := make([]float32, n), make([]float32, n)
			a, b := expBlock(got, x, min(top, math.MaxFloat32), inv), expBlockGo(want, x, min(top, math.MaxFloat32), inv)
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Fatalf("%d values, 1/temperature %v: weight of %v below %v is %v, want %v", n, inv, x[i], top, got[i], want[i])
				}
			}
			if a != b {
				t.Fatalf("%d values, 1/temperature %v: the sum is %v, want %v", n, inv, a, b)
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	const n = 32_000
	r := rand.New(rand.NewPCG(12, 0))
	logits := randomLogits(r, n)
	history := []uint32{1, 2, 3, 1, 2}
	allow := grammar.NewMask(n)
	for i := range n / 2 {
		allow.Set(uint32(2 * i))
	}
	for _, p := range []Params{{}, {Temperature: 1}, {Temperature: 1, TopK: 50, TopP: 0.9, TopLogProbs: 5}, {Temperature: 1, TopP: 0.9, RepetitionPenalty: 1.1, PresencePenalty: 1, NoRepeatNGram: 2},
		{Temperature: 1, TypicalP: 0.9, MinP: 0.01}} {
		s, _ := New(p, n)
		s.Pick(logits, history, allow)
		s.Pick(logits, history, nil)
		if a := testing.AllocsPerRun(5, func() {
			s.Pick(logits, history, allow)
			s.Pick(logits, history, nil)
		}); a > 0 {
			t.Errorf("%+v: %v allocations a pair of tokens", p, a)
		}
	}
}

// BenchmarkPick measures one token at a vocabulary of 100,000, with logits spread as a model's are.
func BenchmarkPick(b *testing.B) {
	const n = 100_000
	r := rand.New(rand.NewPCG(13, 0))
	logits := make([]float32, n)
	for i := range logits {
		logits[i] = float32(r.NormFloat64() * 2.5)
	}
	history := make([]uint32, 2000)
	for i := range history {
		history[i] = uint32(r.IntN(n))
	}
	for _, c := range []struct {
		name string
		p    Params
	}{
		{"greedy", Params{}}, {"temperature", Params{Temperature: 0.8}}, {"topk50", Params{Temperature: 0.8, TopK: 50}},
		{"topp0.8", Params{Temperature: 0.8, TopP: 0.8}}, {"minp0.05", Params{Temperature: 0.8, MinP: 0.05}}, {"topk50+topp+penalties", Params{Temperature: 0.8, TopK: 50, TopP: 0.8, RepetitionPenalty: 1.1, FrequencyPenalty: 0.2}},
		{"typical", Params{Temperature: 0.8, TypicalP: 0.9}}, {"logprobs", Params{TopLogProbs: 5}},
	} {
		b.Run("params="+c.name, func(b *testing.B) {
			s, _ := New(c.p, n)
			for b.Loop() {
				s.Pick(logits, history, nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N), "µs/token")
			b.ReportMetric(0, "ns/op")
		})
	}
}

package dedup

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Variants give the values of the portable code.
func TestVariants(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, hashes := range []int{1, 15, 16, 17, 112, 128} {
		for _, n := range []int{0, 1, 2, 100} {
			s := NewSigner(Config{Shingle: 5, Bands: hashes, Rows: 1, Seed: uint64(n)})
			shingles := make([]uint64, n)
			for i := range shingles {
				shingles[i] = rng.Uint64()
			}
			want, got := slices.Repeat([]uint64{math.MaxUint64}, len(s.a)), slices.Repeat([]uint64{math.MaxUint64}, len(s.a))
			minHashesPortable(want, s.a, s.b, shingles)
			minHashes(got, s.a, s.b, shingles)
			if !slices.Equal(got, want) {
				t.Errorf("%d hashes of %d shingles differ from the portable ones", hashes, n)
			}
			for k, x := range want[:hashes] {
				least := uint64(math.MaxUint64)
				for _, sh := range shingles {
					least = min(least, (s.a[k]*sh+s.b[k])%mersenne)
				}
				if x != least {
					t.Errorf("hash %d of %d shingles is %d, by its definition %d", k, n, x, least)
				}
			}
		}
	}
	// values at which the reduction wraps round
	one, zero := make([]uint64, lanes), make([]uint64, lanes)
	for k := range one {
		one[k] = 1
	}
	for _, x := range []uint64{0, mersenne - 1, mersenne, mersenne + 1, math.MaxUint64, math.MaxUint64 - 7} {
		for name, f := range map[string]func(minima, a, b, shingles []uint64){"portable": minHashesPortable, "best": minHashes} {
			m := slices.Repeat([]uint64{math.MaxUint64}, lanes)
			if f(m, one, zero, []uint64{x}); m[3] != x%mersenne {
				t.Errorf("%s: %d mod 2⁶¹−1 = %d, want %d", name, x, m[3], x%mersenne)
			}
		}
	}
}

// Pairs of a known Jaccard similarity meet as often as theory says, and as datatrove prints it for its settings.
func TestProbability(t *testing.T) {
	for j, want := range map[float64]float64{0.5: 0.05, 0.6: 0.21, 0.7: 0.565, 0.75: 0.77, 0.8: 0.92, 0.85: 0.99} {
		if p := DataTrove().P(j); math.Abs(p-want) > 0.006 {
			t.Errorf("P(%v) = %.4f, datatrove says %v", j, p, want)
		}
	}
	const pairs, size = 600, 200
	for _, cfg := range []Config{DataTrove(), InternLM()} {
		s := NewSigner(cfg)
		rng := rand.New(rand.NewPCG(3, 3))
		for _, common := range []int{100, 120, 134, 150, 160, 170, 180, 190} {
			met, sum := 0, 0.0
			for range pairs {
				x := make([]uint64, size)
				for i := range x {
					x[i] = rng.Uint64()
				}
				y := slices.Clone(x)
				for i := range y[common:] {
					y[common+i] = rng.Uint64()
				}
				meets, similar := meet(s, x, y)
				if meets {
					met++
				}
				sum += similar
			}
			j := float64(common) / (2*size - float64(common))
			p, got := cfg.P(j), float64(met)/pairs
			if sd := math.Sqrt(p*(1-p)/pairs) + 1e-3; math.Abs(got-p) > 4*sd {
				t.Errorf("%d×%d at similarity %.3f: %.3f of the pairs meet, theory %.3f ± %.3f", cfg.Bands, cfg.Rows, j, got, p, sd)
			}
			hashes := float64(cfg.Bands * cfg.Rows)
			if sd := math.Sqrt(j * (1 - j) / hashes / pairs); math.Abs(sum/pairs-j) > 5*sd {
				t.Errorf("%d×%d at similarity %.3f: estimated %.4f", cfg.Bands, cfg.Rows, j, sum/pairs)
			}
		}
	}
}

// meet reports whether two sets of shingles share a band, and their estimated similarity.
func meet(s *Signer, x, y []uint64) (meets bool, similar float64) {
	var keys [2][]uint64
	var sketches [2][]byte
	for k, set := range [][]uint64{x, y} {
		s.sign(set)
		keys[k], sketches[k] = slices.Clone(s.bands), slices.Clone(s.sketch)
	}
	for b := range keys[0] {
		meets = meets || keys[0][b] == keys[1][b]
	}
	return meets, float64(Similarity(sketches[0], sketches[1]))
}

// The cut of 128 hashes at 0.7 is the one that datasketch finds.
func TestForThreshold(t *testing.T) {
	for threshold, want := range map[float64][2]int{0.7: {14, 9}, 0.5: {25, 5}, 0.9: {5, 25}} {
		if c := ForThreshold(128, threshold); c.Bands != want[0] || c.Rows != want[1] {
			t.Errorf("at %v: %d×%d, want %v", threshold, c.Bands, c.Rows, want)
		}
	}
	cfg := ForThreshold(128, 0.7)
	if cfg.MinSimilarity = 0.7; cfg != InternLM() {
		t.Errorf("InternLM's cut is %+v, the best one %+v", InternLM(), cfg)
	}
}

func BenchmarkSignatures(b *testing.B) {
	texts := englishLike(400, 700)
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	variant := func(name string, f func(minima, a, b, shingles []uint64)) {
		b.Run("impl="+name, func(b *testing.B) {
			defer func(old func(minima, a, b, shingles []uint64)) { minHashes = old }(minHashes)
			minHashes = f
			s := NewSigner(DataTrove())
			b.SetBytes(int64(size))
			for b.Loop() {
				for _, t := range texts {
					s.Sign(t)
				}
			}
		})
	}
	variant("best", minHashes)
	variant("portable", minHashesPortable)
	variant("none", func(minima, a, b, shingles []uint64) {})
}

// englishLike returns texts of words as long and as frequent as English ones.
func englishLike(n, words int) []string {
	rng := rand.New(rand.NewPCG(7, 7))
	vocab := make([]string, 5000)
	for i := range vocab {
		w := make([]byte, 1+int(math.Abs(rng.NormFloat64()*2.5)+2))
		for k := range w {
			w[k] = 'a' + byte(rng.IntN(26))
		}
		vocab[i] = string(w)
	}
	texts := make([]string, n)
	for i := range texts {
		var t []byte
		for k := range words {
			w := vocab[int(math.Pow(float64(len(vocab)), rng.Float64()))-1]
			t = append(append(t, w...), ' ')
			if k%12 == 11 {
				t = append(t[:len(t)-1], ".\n"...)
			}
		}
		texts[i] = string(t)
	}
	return texts
}
